package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/bakeoffhq/bakeoff"
)

// Store is what the dispatcher needs of the store.
type Store interface {
	Run(ctx context.Context, id string) (bakeoff.Run, uint64, error)
	UpdateRun(ctx context.Context, r bakeoff.Run, revision uint64) (uint64, error)
	OpenRuns(ctx context.Context) ([]bakeoff.Run, error)
	PublishTask(ctx context.Context, t bakeoff.Task) error
	Results(ctx context.Context, run string) ([]bakeoff.Result, error)
	WatchResults(ctx context.Context, ready func(), each func(bakeoff.Result) error) error
	PublishEvent(ctx context.Context, e bakeoff.Event) error
}

// Registry carries out decisions. Commit may be called again for a run that has a verdict: it then
// answers with that one. If the champion that was judged is no longer the champion, it answers
// bakeoff.ErrChampionMoved.
type Registry interface {
	Commit(ctx context.Context, r bakeoff.Run) (bakeoff.Report, error)
}

// Config says what a dispatcher works with. Ended and Served may be nil.
type Config struct {
	Store    Store
	Registry Registry
	Log      *slog.Logger
	// Ended is called with each run once its verdict is recorded. It must not block: every other run
	// waits for it.
	Ended func(bakeoff.Run)
	// Served reports whether a worker serves a queue. A run that waits for one that nobody serves
	// says so. Without it, every queue counts as served.
	Served func(queue string) bool
}

// Dispatcher drives runs. It is the only writer of their records.
type Dispatcher struct {
	Config
	inbox chan message
	known known
	ready chan struct{}
	once  sync.Once // guards ready
}

// message asks the loop to look at a run.
type message struct {
	run   string
	event Event // none: do what the run's state asks for
	// committed says that the commit of the run is over, whatever came of it.
	committed bool
}

// New returns a dispatcher; Run starts it.
func New(c Config) *Dispatcher {
	c.Log = c.Log.With("component", "dispatch")
	return &Dispatcher{Config: c, inbox: make(chan message), ready: make(chan struct{}), known: known{runs: map[string]openRun{}}}
}

// Submit has a run driven whose record was just created. From its call on, Open names the run.
func (d *Dispatcher) Submit(ctx context.Context, r bakeoff.Run) error {
	d.known.put(r)
	return d.send(ctx, message{run: r.ID})
}

// Cancel ends a run that has not come to its promotion. The reason says who and why. A run that has
// ended, or that there is none of, is left alone.
func (d *Dispatcher) Cancel(ctx context.Context, run, reason string) error {
	return d.send(ctx, message{run: run, event: Event{Cancel: reason}})
}

// Ready is closed once the open runs are known, which Open needs. Run sees to it.
func (d *Dispatcher) Ready() <-chan struct{} { return d.ready }

// Open returns the IDs of the runs of a pipeline that have not ended, oldest first; "" is every
// pipeline. It asks nobody and may be called from any goroutine.
func (d *Dispatcher) Open(pipeline string) []string { return d.known.of(pipeline) }

// Queues returns, by name, the queues on which a trial of an open run waits or is worked on. It asks
// nobody and may be called from any goroutine.
func (d *Dispatcher) Queues() []string { return d.known.queues() }

func (d *Dispatcher) send(ctx context.Context, m message) error {
	select {
	case d.inbox <- m:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Run drives every open run until ctx ends, and returns when its last goroutine has. An error of
// the store ends it too: what is stored is then taken up at the next start.
func (d *Dispatcher) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	watching := make(chan struct{})
	g.Go(func() error {
		return d.Store.WatchResults(ctx, func() { close(watching) }, func(r bakeoff.Result) error {
			err := d.send(ctx, message{run: r.Task.Run, event: Event{Result: &r}})
			if ctx.Err() != nil {
				return nil
			}
			return err
		})
	})
	g.Go(func() error {
		select {
		case <-watching: // from here on no result is missed
			return newLoop(d, g).run(ctx)
		case <-ctx.Done():
			return nil
		}
	})
	err := g.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
