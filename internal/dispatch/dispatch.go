package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

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

// reconcileEvery is how often open runs are gone over for what got lost.
const reconcileEvery = time.Minute

// Dispatcher drives runs. It is the only writer of their records.
type Dispatcher struct {
	store    Store
	registry Registry
	log      *slog.Logger
	inbox    chan message
}

// message asks the loop to look at a run, with an event or without one.
type message struct {
	run   string
	event Event
}

// New returns a dispatcher; Run starts it.
func New(store Store, registry Registry, log *slog.Logger) *Dispatcher {
	return &Dispatcher{store: store, registry: registry, log: log.With("component", "dispatch"), inbox: make(chan message)}
}

// Submit has the loop drive a run whose record was just created.
func (d *Dispatcher) Submit(ctx context.Context, run string) error {
	return d.send(ctx, message{run: run})
}

// Cancel ends a run that has not come to its promotion. The reason says who and why.
func (d *Dispatcher) Cancel(ctx context.Context, run, reason string) error {
	return d.send(ctx, message{run: run, event: Event{Cancel: reason}})
}

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
		return d.store.WatchResults(ctx, func() { close(watching) }, func(r bakeoff.Result) error {
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
			return d.loop(ctx, g)
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

// loop is the one goroutine that changes runs.
func (d *Dispatcher) loop(ctx context.Context, g *errgroup.Group) error {
	l := &loop{Dispatcher: d, group: g, committing: map[string]bool{}, turn: make(chan struct{}, 1)}
	if err := l.reconcile(ctx); err != nil {
		return err
	}
	minute := time.NewTicker(reconcileEvery)
	defer minute.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-minute.C:
			err = l.reconcile(ctx)
		case m := <-d.inbox:
			err = l.handle(ctx, m)
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// loop is the state that the loop's goroutine owns.
type loop struct {
	*Dispatcher
	group      *errgroup.Group
	committing map[string]bool // runs whose commit is under way
	turn       chan struct{}   // held by the one commit that is at work
}

// reconcile goes over every open run: results that arrived while nobody watched are taken in, and
// what its state asks for is done again.
func (l *loop) reconcile(ctx context.Context) error {
	runs, err := l.store.OpenRuns(ctx)
	if err != nil {
		return fmt.Errorf("go over the open runs: %w", err)
	}
	for _, r := range runs {
		results, err := l.store.Results(ctx, r.ID)
		if err != nil {
			return fmt.Errorf("go over run %s: %w", r.ID, err)
		}
		if err := l.handle(ctx, message{run: r.ID}); err != nil {
			return err
		}
		for _, result := range results {
			if err := l.handle(ctx, message{run: r.ID, event: Event{Result: &result}}); err != nil {
				return err
			}
		}
	}
	return nil
}

// handle stores the state that follows from the event, and then does what that state asks for.
func (l *loop) handle(ctx context.Context, m message) error {
	before, revision, err := l.store.Run(ctx, m.run)
	if err != nil {
		return fmt.Errorf("drive run %s: %w", m.run, err)
	}
	if m.event.Moved != 0 || m.event.Committed != nil || m.event.Refused != "" {
		delete(l.committing, m.run)
	}
	after := Step(before, m.event, time.Now().UTC())
	if changed(before, after) {
		if _, err := l.store.UpdateRun(ctx, after, revision); err != nil {
			return fmt.Errorf("drive run %s: %w", m.run, err)
		}
		if err := l.tell(ctx, before, after); err != nil {
			return fmt.Errorf("drive run %s: %w", m.run, err)
		}
	} else if m.event != (Event{}) {
		return nil // late or repeated
	}
	for _, e := range Effects(after) {
		if err := l.carryOut(ctx, after, e); err != nil {
			return fmt.Errorf("drive run %s: %w", m.run, err)
		}
	}
	return nil
}

// changed reports whether an event led to another state. Comparing what can change is enough:
// phase, round, lateness and the trials' states only ever move on.
func changed(a, b bakeoff.Run) bool {
	if a.Phase != b.Phase || a.Round != b.Round || a.Late != b.Late {
		return true
	}
	for i := range a.Trials {
		if a.Trials[i].State != b.Trials[i].State {
			return true
		}
	}
	return (a.Decision == nil) != (b.Decision == nil) || (a.Decision != nil && a.Decision.Verdict != b.Decision.Verdict)
}

func (l *loop) carryOut(ctx context.Context, r bakeoff.Run, e Effect) error {
	if e.Publish != nil {
		return l.store.PublishTask(ctx, *e.Publish)
	}
	if e.Commit && !l.committing[r.ID] {
		l.committing[r.ID] = true
		l.group.Go(func() error { return l.commit(ctx, r) })
	}
	return nil
}

// commit has the decision carried out and tells the loop how it went. A decision that cannot be
// carried out fails its run and no other; a store that does not answer is everybody's trouble.
func (l *loop) commit(ctx context.Context, r bakeoff.Run) error {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil
	}
	report, err := l.registry.Commit(ctx, r)
	m := message{run: r.ID, event: Event{Committed: &Committed{Verdict: report.Verdict, Reason: report.Reason}}}
	switch {
	case ctx.Err() != nil:
		return nil
	case errors.Is(err, bakeoff.ErrChampionMoved):
		m.event = Event{Moved: r.Round}
	case err != nil && (bakeoff.CodeOf(err) == bakeoff.CodeUnavailable || r.Decision.Verdict == bakeoff.Failed):
		return fmt.Errorf("carry out the decision of run %s: %w", r.ID, err)
	case err != nil:
		l.log.Error("decision not carried out", "run", r.ID, "error", err)
		m.event = Event{Refused: err.Error()}
	}
	return l.send(ctx, m)
}

// tell publishes what a person who watches the run would want to see.
func (l *loop) tell(ctx context.Context, before, after bakeoff.Run) error {
	now := time.Now().UTC()
	for i, t := range after.Trials {
		if t.State == before.Trials[i].State {
			continue
		}
		e := bakeoff.Event{Time: now, Run: after.ID, Candidate: t.Candidate, Message: t.Reason}
		switch t.State {
		case bakeoff.TrialBuilt:
			e.Kind, e.Progress = bakeoff.EventBuilt, 1
		case bakeoff.TrialFailed:
			e.Kind = bakeoff.EventFailed
		default:
			continue
		}
		if err := l.store.PublishEvent(ctx, e); err != nil {
			return err
		}
	}
	if before.Phase == after.Phase {
		return nil
	}
	l.log.Info("run moved on", "run", after.ID, "phase", after.Phase)
	e := bakeoff.Event{Time: now, Run: after.ID, Kind: bakeoff.EventPhase, Message: string(after.Phase)}
	if after.Phase == bakeoff.PhaseEnded {
		e.Kind, e.Message = bakeoff.EventVerdict, string(after.Verdict)+": "+after.Reason
	}
	return l.store.PublishEvent(ctx, e)
}
