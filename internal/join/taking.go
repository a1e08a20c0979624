package join

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/store"
)

// maxQueuesOpen bounds the queues that joined workers may bring into being.
const maxQueuesOpen = 256

// lease waits for a task on behalf of a worker and hands it out. A worker that is gone by then is
// found out at once, and the task given back.
func (g *Gateway) lease(ctx context.Context, r request, reply string) {
	taken, err := g.take(ctx, r)
	if err != nil || taken == nil {
		g.answer(reply, leaseAnswer{}, nil, err)
		return
	}
	lease, err := sealed{Caller: r.String(), Task: taken.Task, ID: taken.ID(), At: time.Now()}.seal(g.key)
	if err == nil {
		err = g.handOver(reply, leaseAnswer{Lease: lease, Task: &taken.Task})
	}
	if err != nil {
		g.config.Log.Info("a task is given back: its worker is gone", "worker", r.name, "run", taken.Task.Run, "candidate", taken.Task.Candidate, "error", err)
		if err := taken.Release(0); err != nil {
			g.config.Log.Warn("a task waits until its lease ends", "run", taken.Task.Run, "candidate", taken.Task.Candidate, "error", err)
		}
	}
}

// take waits for a task of the queue that is asked for; nil if none came.
func (g *Gateway) take(ctx context.Context, r request) (*store.Lease, error) {
	var ask leaseAsk
	if _, err := unpack(r.message, &ask); err != nil {
		return nil, err
	}
	if !r.serves(ask.Queue) {
		return nil, r.mayNot(ask.Queue)
	}
	if err := g.sameVersion(ask.Version); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, leaseWait)
	defer cancel()
	defer g.polling(r.String()+"."+ask.Poll, cancel)()
	queue, err := g.queue(ctx, ask.Queue)
	if err != nil {
		return nil, err
	}
	if g.config.Drain(r.name) {
		<-ctx.Done()
	}
	lease, err := queue.Lease(ctx)
	if ctx.Err() != nil && lease == nil {
		return nil, nil
	}
	if err == nil && lease.Task.Kind != bakeoff.TaskBuild && lease.Task.Kind != bakeoff.TaskSearch { // only the node's own queue has others
		err = fmt.Errorf("queue %s has a task of kind %q", ask.Queue, lease.Task.Kind)
		return nil, errors.Join(err, lease.Release(leaseLife))
	}
	return lease, err
}

// polling remembers a call that waits, so that its caller can end it.
func (g *Gateway) polling(poll string, end context.CancelFunc) (forget func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.polls[poll] = end
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.polls, poll)
	}
}

// cancel ends a lease call of the caller's that waits.
func (g *Gateway) cancel(_ context.Context, r request) (any, []byte, error) {
	var ask leaseAsk
	if _, err := unpack(r.message, &ask); err != nil {
		return nil, nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if end, ok := g.polls[r.String()+"."+ask.Poll]; ok {
		end()
	}
	return nil, nil, nil
}

// queue opens a queue once.
func (g *Gateway) queue(ctx context.Context, name string) (*store.Queue, error) {
	g.mu.Lock()
	q, open := g.queues[name], len(g.queues)
	g.mu.Unlock()
	if q != nil {
		return q, nil
	}
	if open >= maxQueuesOpen {
		return nil, bakeoff.Errorf(bakeoff.CodeOverload, "open queue %s: %d queues are open already", name, open)
	}
	q, err := g.config.Store.Queue(ctx, name)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queues[name] = q
	return q, nil
}

var errGone = errors.New("nobody listens for the answer any more")

// handOver replies to a request and makes sure that somebody hears it: the server says so if nobody
// does, before it answers the ping of a flush.
func (g *Gateway) handOver(reply string, body leaseAnswer) error {
	message, err := g.compose(body, nil, nil)
	if err != nil {
		return err
	}
	nc := g.config.Conn
	echo, err := nc.SubscribeSync(nc.NewInbox())
	if err != nil {
		return fmt.Errorf("answer a worker: %w", err)
	}
	defer func() { _ = echo.Unsubscribe() }() // its error says that the connection was closed
	if err := nc.PublishRequest(reply, echo.Subject, message); err != nil {
		return fmt.Errorf("answer a worker: %w", err)
	}
	if err := nc.FlushTimeout(callTime); err != nil {
		return fmt.Errorf("answer a worker: %w", err)
	}
	heard, err := echo.NextMsg(time.Nanosecond)
	if errors.Is(err, nats.ErrTimeout) {
		return nil
	}
	if errors.Is(err, nats.ErrNoResponders) || err == nil && heard.Header.Get("Status") == "503" {
		return errGone
	}
	return err
}
