package join

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// Client is a worker's connection to the node that it has joined. It stands in for the node's store:
// its methods have the names and the meaning that they have there, for the tasks that this worker
// has taken. They may be called from several goroutines.
type Client struct {
	*link
	dir  string
	info bakeoff.WorkerInfo

	mu       sync.Mutex // guards the rest
	polls    int
	leases   map[bakeoff.Task]*Lease
	draining chan struct{} // closed when no more tasks are to be taken
}

// Worker says what a worker takes.
type Worker struct {
	Queues []string
	Slots  int
	// Dir is the folder in which commands of the user's own run, as they do in the pipeline's on the
	// node; files that they name must be there.
	Dir string
}

// Dial joins a node as a worker. A node of another version refuses it.
func Dial(ctx context.Context, o Options, w Worker) (*Client, error) {
	l, err := connect(o)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	c := &Client{
		link: l, dir: w.Dir, leases: map[bakeoff.Task]*Lease{}, draining: make(chan struct{}),
		info: bakeoff.WorkerInfo{
			Name: l.options.Name, Host: host, PID: os.Getpid(), Version: o.Version,
			Queues: w.Queues, Slots: w.Slots, Joined: true, State: bakeoff.WorkerUp,
		},
	}
	ctx, cancel := context.WithTimeout(ctx, 2*askTime)
	defer cancel()
	var hi welcome
	if _, err := c.call(ctx, callHello, greeting{Worker: c.info, Clock: time.Now()}, nil, &hi); err != nil {
		c.Close()
		return nil, err
	}
	c.hear(hi)
	return c, nil
}

// Name returns the worker's name as the node knows it.
func (c *Client) Name() string { return c.options.Name }

// Close ends the connection. What was taken and not ended is handed out again when its lease ends.
func (c *Client) Close() { c.link.close() }

// Drain takes no more tasks from now on: Take waits until its context ends.
func (c *Client) Drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.draining:
	default:
		close(c.draining)
	}
}

// Draining is closed when no more tasks are taken, because of Drain or of a word from the node.
func (c *Client) Draining() <-chan struct{} { return c.draining }

// Stay tells the node every 3 s that this worker is there and what it has under way, until ctx ends;
// then it takes its leave. Its error says that the connection was closed for good.
func (c *Client) Stay(ctx context.Context) error {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			if message, err := pack(struct{}{}, nil); err == nil {
				_, _ = c.once(last, callLeave, message, time.Second, nil) // else it is found out in 15 s
			}
			return nil
		case <-c.closed:
			return c.gone()
		case <-tick.C:
			c.beat(ctx)
		}
	}
}

func (c *Client) beat(ctx context.Context) {
	message, err := pack(greeting{Worker: c.now(), Clock: time.Now()}, nil)
	if err != nil {
		return
	}
	var hi welcome
	if _, err := c.once(ctx, callBeat, message, beatEvery-500*time.Millisecond, &hi); err == nil {
		c.hear(hi)
	}
}

func (c *Client) hear(hi welcome) {
	if hi.Drain {
		c.Drain()
	}
}

// now describes this worker as it is.
func (c *Client) now() bakeoff.WorkerInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	info := c.info
	select {
	case <-c.draining:
		info.State = bakeoff.WorkerDraining
	default:
	}
	for _, l := range c.leases {
		if n := l.began(); n.Attempt > 0 {
			info.Work = append(info.Work, n)
		}
	}
	slices.SortFunc(info.Work, func(a, b bakeoff.Work) int { return a.Since.Compare(b.Since) })
	return info
}

// Take waits for a task of a queue and takes it. It returns the context's error when ctx ends, and an
// error with code Invalid, Unauthorized or Forbidden if the node does not want this worker any more.
func (c *Client) Take(ctx context.Context, queue string) (bakeoff.Task, *Lease, error) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		if err := c.mayTake(ctx); err != nil {
			return bakeoff.Task{}, nil, err
		}
		given, err := c.poll(ctx, queue)
		switch code := bakeoff.CodeOf(err); {
		case err == nil && given.Lease != "":
			l := c.took(given)
			if c.mayTakeNow(ctx) {
				return l.task, l, nil
			}
			if err := l.Release(0); err != nil { // it came too late
				return bakeoff.Task{}, nil, err
			}
		case err == nil:
			pause = firstPause / 2
			continue // none came
		case c.nc.IsClosed():
			return bakeoff.Task{}, nil, c.gone()
		case code != bakeoff.CodeUnavailable && code != bakeoff.CodeOverload:
			return bakeoff.Task{}, nil, fmt.Errorf("take a task of queue %s: %w", queue, err)
		}
		select {
		case <-ctx.Done():
		case <-c.closed:
		case <-time.After(pause):
		}
	}
}

func (c *Client) mayTakeNow(ctx context.Context) bool {
	select {
	case <-c.draining:
		return false
	default:
		return ctx.Err() == nil
	}
}

// mayTake waits for the end of ctx if no more tasks are to be taken.
func (c *Client) mayTake(ctx context.Context) error {
	select {
	case <-c.draining:
		<-ctx.Done()
	default:
	}
	return context.Cause(ctx)
}

// poll asks for one task. The node is told when ctx ends before it has answered, and its answer is
// waited for: it may have a task in it by then.
func (c *Client) poll(ctx context.Context, queue string) (given leaseAnswer, err error) {
	message, err := pack(leaseAsk{Version: c.options.Version, Queue: queue, Poll: c.newPoll()}, nil)
	if err != nil {
		return given, err
	}
	detached := context.WithoutCancel(ctx)
	asked, giveUp := context.WithCancel(detached)
	answered := make(chan error, 1)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer giveUp()
	asking.Go(func() {
		_, err := c.once(asked, callLease, message, leaseWait+askTime, &given)
		answered <- err
	})
	select {
	case err := <-answered:
		return given, err
	case <-ctx.Done():
	case <-c.draining:
	}
	_, _ = c.once(detached, callCancel, message, time.Second, nil) // else a task comes back in 15 s
	select {
	case err = <-answered:
	case <-time.After(time.Second):
		giveUp()
		err = <-answered
	}
	return given, err
}

func (c *Client) newPoll() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.polls++
	return strconv.Itoa(c.polls)
}

// took enters a task that was handed to this worker.
func (c *Client) took(given leaseAnswer) *Lease {
	l := &Lease{client: c, task: *given.Task, sealed: given.Lease, proofs: map[bakeoff.Digest]string{}}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leases[l.task] = l
	return l
}

// of returns the leases at tasks of a run, in the order of their candidates.
func (c *Client) of(run string) []*Lease {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ls []*Lease
	for task, l := range c.leases {
		if task.Run == run {
			ls = append(ls, l)
		}
	}
	slices.SortFunc(ls, func(a, b *Lease) int { return cmp.Compare(a.task.Candidate, b.task.Candidate) })
	return ls
}

// at returns the lease at a task. Without one the error has code Conflict: it has ended.
func (c *Client) at(t bakeoff.Task) (*Lease, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l, ok := c.leases[t]; ok {
		return l, nil
	}
	return nil, lost(t)
}

func unmarshal(b json.RawMessage, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "read an answer: %w", err)
	}
	return nil
}
