package inference_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/inference"
)

// TestOverloadIsRefusedAndNeverCollapses offers ten times what can be answered: each request gets
// an answer or a refusal soon, the refusals say when to come again, and memory stays bounded.
func TestOverloadIsRefusedAndNeverCollapses(t *testing.T) {
	const busy = 10 * time.Millisecond
	slow := train(t, pair)
	slow.delay = func(context.Context, *dataset.Table) error { time.Sleep(busy); return nil }
	s := newSource()
	s.add("sum", slow)
	var observed sync.Map
	handler := serve(t, s, inference.Options{Concurrency: 2, Queue: 4, QueueTime: 50 * time.Millisecond, Observe: func(o inference.Observation) {
		if o.Model != "sum" || o.Version != 1 {
			t.Errorf("observed %+v", o)
		}
		n, _ := observed.LoadOrStore(o.Status, new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
	}})
	server := httptest.NewServer(handler)
	defer server.Close()
	var refused, answered, late atomic.Int64
	before := heap()
	var all sync.WaitGroup
	end := time.Now().Add(time.Second)
	for range 60 {
		all.Go(func() {
			for time.Now().Before(end) {
				began := time.Now()
				status, header, err := post(server.URL+"/predict/sum", `{"rows": [{"a": 1, "b": 2}]}`)
				switch {
				case err != nil:
					t.Error(err)
					return
				case status == http.StatusOK:
					answered.Add(1)
				case status == http.StatusTooManyRequests && header.Get("Retry-After") != "":
					refused.Add(1)
					time.Sleep(20 * time.Millisecond)
				default:
					t.Errorf("status %d, header %v", status, header)
				}
				if time.Since(began) > time.Second {
					late.Add(1)
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d answered, %d refused, %d took longer than a second", answered.Load(), refused.Load(), late.Load())
	if answered.Load() < 40 || refused.Load() < answered.Load() || late.Load() > 0 {
		t.Error("that is not what overload looks like")
	}
	if grown := heap() - before; grown > 32<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	counts := map[int]int64{}
	observed.Range(func(status, n any) bool {
		counts[status.(int)] = n.(*atomic.Int64).Load()
		return true
	})
	if diff := cmp.Diff(map[int]int64{200: answered.Load(), 429: refused.Load()}, counts); diff != "" {
		t.Error(diff)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func post(url, body string) (int, http.Header, error) {
	r, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = r.Body.Close() }()
	_, err = io.Copy(io.Discard, r.Body)
	return r.StatusCode, r.Header, err
}

// many is a body of so many rows of the pair.
func many(rows int) string {
	return `{"rows": [` + strings.TrimSuffix(strings.Repeat(`{"a": 1, "b": 2},`, rows), ",") + `]}`
}

func TestLargeRequestsDoNotHoldUpSmallOnes(t *testing.T) {
	m := train(t, pair)
	inside := make(chan struct{}, 10)
	release := make(chan struct{})
	m.delay = func(_ context.Context, table *dataset.Table) error {
		if table.Rows > 1 {
			inside <- struct{}{}
			<-release
		}
		return nil
	}
	s := newSource()
	s.add("sum", m)
	handler := serve(t, s, inference.Options{Concurrency: 4, QueueTime: 20 * time.Millisecond})
	var all sync.WaitGroup
	defer all.Wait()
	defer close(release)
	all.Go(func() { ask(handler, "/predict/sum", []byte(many(9_000))) })
	<-inside
	if got := ask(handler, "/predict/sum", []byte(many(9_000))); !strings.Contains(got, "more requests than it can answer") {
		t.Errorf("a second large request: %.100s", got)
	}
	if got := ask(handler, "/predict/sum", []byte(many(1))); !strings.Contains(got, `"predictions":[`) {
		t.Errorf("a small request beside a large one: %s", got)
	}
}

func TestBodiesTogetherAreBounded(t *testing.T) {
	s := newSource()
	s.add("sum", train(t, pair))
	handler := serve(t, s, inference.Options{MaxHeld: 1 << 20, MaxBody: 8 << 20})
	// Senders that have sent half a megabyte each and stop: a third one is refused.
	stop := make(chan struct{})
	var all sync.WaitGroup
	codes := make(chan int, 3)
	for range 3 {
		all.Go(func() {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodPost, "/predict/sum", io.MultiReader(strings.NewReader(many(1)[:10]+strings.Repeat(" ", 300<<10)), &waiting{stop}))
			r.ContentLength = -1
			handler.ServeHTTP(w, r)
			codes <- w.Code
		})
	}
	if code := <-codes; code != http.StatusTooManyRequests {
		t.Errorf("status %d", code)
	}
	close(stop)
	all.Wait()
	for range 2 {
		if code := <-codes; code != http.StatusBadRequest {
			t.Errorf("status %d", code)
		}
	}
	if got := ask(handler, "/predict/sum", []byte(many(9_000))); !strings.Contains(got, `"predictions":[`) {
		t.Errorf("afterwards: %.100s", got)
	}
}

// waiting is a sender that sends nothing more until it hangs up.
type waiting struct{ stop chan struct{} }

func (w *waiting) Read([]byte) (int, error) {
	<-w.stop
	return 0, io.ErrUnexpectedEOF
}

func TestABodyWithoutALengthIsBounded(t *testing.T) {
	s := newSource()
	s.add("sum", train(t, pair))
	server := httptest.NewServer(serve(t, s, inference.Options{}))
	defer server.Close()
	sent := &endless{}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/predict/sum", sent)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	text, err := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusRequestEntityTooLarge || !bytes.Contains(text, []byte("8388608 bytes")) {
		t.Errorf("status %d, %v: %s", answer.StatusCode, err, text)
	}
	if n := sent.sent.Load(); n > 64<<20 {
		t.Errorf("it took %d MiB", n>>20)
	}
}

// endless is a gigabyte of white space.
type endless struct{ sent atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.sent.Load() > 1<<30 {
		return 0, io.EOF
	}
	for i := range p {
		p[i] = ' '
	}
	e.sent.Add(int64(len(p)))
	return len(p), nil
}

func TestAHundredThousandRowsAreRefused(t *testing.T) {
	s := newSource()
	s.add("sum", train(t, pair))
	handler := serve(t, s, inference.Options{})
	if got := ask(handler, "/predict/sum", []byte(many(100_000))); !strings.Contains(got, "more than 10000 rows") {
		t.Errorf("%.200s", got)
	}
	if got := ask(handler, "/predict/sum", []byte(many(10_000))); !strings.Contains(got, `"predictions":[`) {
		t.Errorf("%.200s", got)
	}
}

func TestWhatTheModelSaysIsNotTold(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("KeyError: 4111"), `{"error":"the model could not answer","code":"internal"}`},
		{context.DeadlineExceeded, `{"error":"Request processing time exceeded limit","code":"unavailable"}`},
		{bakeoff.Errorf(bakeoff.CodeUnavailable, "the predict command of sum v1 did not answer"), `{"error":"the predict command of sum v1 did not answer","code":"unavailable"}`},
	} {
		m := train(t, pair)
		m.delay = func(context.Context, *dataset.Table) error { return c.err }
		s := newSource()
		s.add("sum", m)
		got := ask(serve(t, s, inference.Options{}), "/predict/sum", []byte(many(1)))
		if strings.TrimSpace(got) != c.want {
			t.Errorf("%v: %s", c.err, got)
		}
	}
}
