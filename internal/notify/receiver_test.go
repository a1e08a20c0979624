package notify_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/notify"
)

// A receiver answers each request by the next step of its script, and the last one from then on.
type receiver struct {
	script []step

	mu       sync.Mutex
	messages []message
}

type step func(w http.ResponseWriter, r *http.Request)

// message is what a test looks at in a request.
type message struct {
	Text string `json:"text"`
	raw  string
}

func (m message) headline() string { head, _, _ := strings.Cut(m.Text, "\n"); return head }

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var m message
	body, err := io.ReadAll(req.Body)
	if err != nil || json.Unmarshal(body, &m) != nil ||
		!strings.HasPrefix(req.Header.Get("Content-Type"), "application/json") {
		http.Error(w, "invalid_payload", http.StatusBadRequest)
		return
	}
	m.raw = string(body)
	r.mu.Lock()
	r.messages = append(r.messages, m)
	next := r.script[min(len(r.messages), len(r.script))-1]
	r.mu.Unlock()
	next(w, req)
}

func (r *receiver) received() []message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages)
}

func (r *receiver) headlines() []string {
	heads := []string{}
	for _, m := range r.received() {
		heads = append(heads, m.headline())
	}
	return heads
}

func answer(status int, body string) step {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func wait(seconds int) step {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", fmt.Sprint(seconds))
		w.WriteHeader(http.StatusTooManyRequests)
	}
}

var accept = answer(http.StatusOK, "ok")

// hang answers only once the client has gone.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// drop takes the message and closes the connection without an answer.
func drop(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// endless answers "ok" and spaces until the client has gone.
func endless(w http.ResponseWriter, _ *http.Request) {
	for _, err := io.WriteString(w, "ok"); err == nil; {
		_, err = io.WriteString(w, strings.Repeat(" ", 4096))
	}
}

// memory is a store of one test.
type memory struct {
	mu         sync.Mutex
	owed       []bakeoff.Notification
	deliveries map[string]bakeoff.Delivery
	settled    map[string]bool
	watching   []func()
	whole      int                          // how many notifications were read whole
	looks      int                          // how often the outbox was read
	putFails   func(bakeoff.Delivery) error // injects a fault of the store
}

func newMemory(owed ...bakeoff.Notification) *memory {
	return &memory{owed: owed, deliveries: map[string]bakeoff.Delivery{}, settled: map[string]bool{}}
}

// add writes a notification, as a verdict does.
func (s *memory) add(n bakeoff.Notification) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owed = append(s.owed, n)
	for _, changed := range s.watching {
		changed()
	}
}

func (s *memory) WatchOutbox(ctx context.Context, changed func()) error {
	s.mu.Lock()
	s.watching = append(s.watching, changed)
	s.mu.Unlock()
	changed()
	<-ctx.Done()
	return nil
}

func (s *memory) OutboxHeads(context.Context) ([]bakeoff.Notification, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	var heads []bakeoff.Notification
	for _, n := range s.owed {
		if !s.settled[n.ID] {
			heads = append(heads, bakeoff.Notification{ID: n.ID, Pipeline: n.Pipeline, Revision: n.Revision, Created: n.Created})
		}
	}
	return heads, nil
}

func (s *memory) Notification(_ context.Context, id string) (bakeoff.Notification, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.owed {
		if n.ID == id && !s.settled[id] {
			s.whole++
			return n, nil
		}
	}
	return bakeoff.Notification{}, bakeoff.Errorf(bakeoff.CodeNotFound, "there is no notification %s", id)
}

func (s *memory) Undelivered(context.Context) ([]bakeoff.Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []bakeoff.Delivery
	for _, d := range s.deliveries {
		if d.State != bakeoff.DeliverySent {
			list = append(list, d)
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Time.After(list[j].Time) })
	return list, nil
}

func (s *memory) looksTaken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.looks
}

func (s *memory) wholeReads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.whole
}

// isSettled reports whether nothing is owed of a notification any more.
func (s *memory) isSettled(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settled[id]
}

// delivery returns what is recorded, as "notification/receiver" names it.
func (s *memory) delivery(name string) bakeoff.Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deliveries[name]
}

func (s *memory) Deliveries(_ context.Context, id string) ([]bakeoff.Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []bakeoff.Delivery
	for _, d := range s.deliveries {
		if d.Notification == id {
			list = append(list, d)
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Receiver < list[j].Receiver })
	return list, nil
}

func (s *memory) PutDelivery(ctx context.Context, d bakeoff.Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.putFails != nil {
		if err := s.putFails(d); err != nil {
			return err
		}
	}
	s.deliveries[fmt.Sprint(d.Notification, "/", d.Receiver)] = d
	return ctx.Err()
}

func (s *memory) Settle(ctx context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settled[id] = true
	return ctx.Err()
}

// inPipes runs f where time stands still, with a receiver that is reached over pipes.
func inPipes(t *testing.T, script []step, f func(t *testing.T, slack *receiver, connect func(*notify.Notifier), to bakeoff.Receiver)) {
	synctest.Test(t, func(t *testing.T) {
		slack := &receiver{script: script}
		pipes := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		server := &http.Server{Handler: slack}
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(pipes) })
		f(t, slack, func(n *notify.Notifier) { n.DialWith(pipes.dial) }, at("http://slack.test"))
		_ = server.Close()
		serving.Wait()
	})
}

// pipeListener hands out the far ends of pipes.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }
