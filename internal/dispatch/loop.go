package dispatch

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

const (
	// reconcileEvery is how often open runs are gone over for what got lost.
	reconcileEvery = time.Minute

	// readEvery is how often the store is read for open runs that are not known.
	readEvery = time.Hour

	// maxAtOnce bounds how many tasks of a run are published at once.
	maxAtOnce = 16
)

// loop is the one goroutine that changes runs, and the state that it owns. It holds no run in
// memory but the one that it is at.
type loop struct {
	*Dispatcher
	group   *errgroup.Group
	commits commits
	waits   map[string]map[string]*wait // by run and queue
	alarm   *time.Timer
	rings   time.Time // when alarm does; zero for not at all
	due     []string  // runs that are still to be gone over
}

func newLoop(d *Dispatcher, g *errgroup.Group) *loop {
	alarm := time.NewTimer(reconcileEvery)
	alarm.Stop()
	return &loop{
		Dispatcher: d, group: g, alarm: alarm, waits: map[string]map[string]*wait{},
		commits: commits{pipelines: map[string]string{}, busy: map[string]bool{}},
	}
}

func (l *loop) run(ctx context.Context) error {
	if err := l.read(ctx); err != nil {
		return err
	}
	minute, hour := time.NewTicker(reconcileEvery), time.NewTicker(readEvery)
	defer minute.Stop()
	defer hour.Stop()
	defer l.alarm.Stop()
	for {
		var do func(context.Context) error
		select {
		case <-ctx.Done():
			return nil
		case <-hour.C:
			do = l.read
		case <-minute.C:
			l.due = l.known.of("")
			do = l.ring // the clock may have been set
		case <-l.alarm.C:
			do = l.ring
		case <-l.more():
			id := l.due[0]
			l.due = l.due[1:]
			do = func(ctx context.Context) error { return l.goOver(ctx, id) }
		case m := <-l.inbox:
			do = func(ctx context.Context) error { return l.handle(ctx, m) }
		}
		if err := l.insist(ctx, do); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

const (
	// storeTries is how often something is done for which the store does not answer. Each time is a
	// few seconds long: a disk that is busy for a while should not end a node.
	storeTries = 4

	storePause = time.Second
)

// insist does something again while the store does not answer. Doing it twice is harmless.
func (l *loop) insist(ctx context.Context, do func(context.Context) error) error {
	for try := 1; ; try++ {
		err := do(ctx)
		if bakeoff.CodeOf(err) != bakeoff.CodeUnavailable || try == storeTries {
			return err
		}
		l.Log.Warn("the store does not answer: tried again", "error", err, "try", try)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(storePause):
		}
	}
}

var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// more is ready while there are runs to be gone over, one at a time: messages are not kept waiting
// by a thousand of them.
func (l *loop) more() <-chan struct{} {
	if len(l.due) > 0 {
		return closed
	}
	return nil
}

// read finds the open runs in the store, and has them gone over.
func (l *loop) read(ctx context.Context) error {
	runs, err := l.Store.OpenRuns(ctx)
	if err != nil {
		return fmt.Errorf("look for open runs: %w", err)
	}
	for _, r := range runs {
		l.known.put(r)
	}
	l.once.Do(func() { close(l.ready) })
	l.due = l.known.of("")
	return l.ring(ctx)
}

// goOver takes in the results of a run that arrived while nobody watched, and does again what its
// state asks for.
func (l *loop) goOver(ctx context.Context, id string) error {
	results, err := l.Store.Results(ctx, id)
	if err != nil {
		return fmt.Errorf("go over run %s: %w", id, err)
	}
	for _, result := range results {
		if err := l.handle(ctx, message{run: id, event: Event{Result: &result}}); err != nil {
			return err
		}
	}
	return l.handle(ctx, message{run: id})
}

// handle stores the state that follows from a message, and then does what that state asks for.
func (l *loop) handle(ctx context.Context, m message) error {
	if m.committed {
		l.commits.over(m.run)
		defer l.startCommits(ctx)
	}
	before, revision, err := l.Store.Run(ctx, m.run)
	if bakeoff.CodeOf(err) == bakeoff.CodeNotFound {
		l.forget(m.run) // cleared away, or never there
		return nil
	}
	if err != nil {
		return fmt.Errorf("drive run %s: %w", m.run, err)
	}
	after := Step(before, m.event, time.Now().UTC())
	if changed(before, after) {
		if _, err := l.Store.UpdateRun(ctx, after, revision); err != nil {
			return fmt.Errorf("drive run %s: %w", m.run, err)
		}
	} else if m.event != (Event{}) {
		return nil // late or repeated
	}
	if err := l.carryOut(ctx, before, after, m.event == (Event{})); err != nil {
		return fmt.Errorf("drive run %s: %w", m.run, err)
	}
	l.note(after)
	if after.Phase == bakeoff.PhaseEnded && before.Phase != bakeoff.PhaseEnded && l.Ended != nil {
		l.Ended(after)
	}
	return nil
}

// carryOut does what a state asks for beyond the one before, or all of it, and tells what has
// changed, all at once: each is a write that waits for the disk.
func (l *loop) carryOut(ctx context.Context, before, after bakeoff.Run, all bool) error {
	g, published := errgroup.WithContext(ctx)
	g.SetLimit(maxAtOnce)
	g.Go(func() error { return l.tell(published, before, after) })
	var done []Effect
	if !all {
		done = Effects(before)
	}
	for _, e := range Effects(after) {
		switch {
		case e.Commit:
			l.commits.add(after)
		case !slices.ContainsFunc(done, func(d Effect) bool { return d.Publish != nil && *d.Publish == *e.Publish }):
			g.Go(func() error { return l.Store.PublishTask(published, *e.Publish) })
		}
	}
	err := g.Wait()
	l.startCommits(ctx)
	return err
}

// note keeps in mind what has to be known of a run.
func (l *loop) note(r bakeoff.Run) {
	if r.Phase == bakeoff.PhaseEnded {
		l.forget(r.ID)
		return
	}
	l.known.put(r)
	if wake := wakeTime(r); !wake.IsZero() {
		l.wakeAt(wake)
	}
	l.heedQueues(r)
}

func (l *loop) forget(run string) {
	l.known.drop(run)
	delete(l.waits, run)
}

// wakeAt sees to it that the alarm rings at t or before.
func (l *loop) wakeAt(t time.Time) {
	if l.rings.IsZero() || t.Before(l.rings) {
		l.rings = t
		l.alarm.Reset(time.Until(t))
	}
}

// ring does what is due: deadlines that have passed, and queues that nobody serves.
func (l *loop) ring(ctx context.Context) error {
	now := time.Now().UTC()
	l.rings = time.Time{}
	l.alarm.Stop()
	passed, next := l.known.due(now)
	if !next.IsZero() {
		l.wakeAt(next)
	}
	for _, id := range passed {
		if err := l.handle(ctx, message{run: id, event: Event{Deadline: true}}); err != nil {
			return err
		}
	}
	return l.sayUnserved(ctx, now)
}

// changed reports whether an event led to another state. Comparing what can change is enough:
// phase, round, lateness, the trials' states and their searches only ever move on.
func changed(a, b bakeoff.Run) bool {
	if a.Phase != b.Phase || a.Round != b.Round || a.Late != b.Late || len(a.Trials) != len(b.Trials) {
		return true
	}
	for i := range a.Trials {
		if a.Trials[i].State != b.Trials[i].State || searchMoved(a.Trials[i].Search, b.Trials[i].Search) {
			return true
		}
	}
	return (a.Decision == nil) != (b.Decision == nil) || (a.Decision != nil && a.Decision.Verdict != b.Decision.Verdict)
}

// tell publishes what a person who watches the run would want to see.
func (l *loop) tell(ctx context.Context, before, after bakeoff.Run) error {
	now := time.Now().UTC()
	added := len(after.Trials) - len(before.Trials) // the champion's is the first, and tells nothing yet
	for i, t := range after.Trials {
		if i < added {
			continue
		}
		if e, ok := searchEvent(before.Trials[i-added], t); ok {
			e.Time, e.Run = now, after.ID
			if err := l.Store.PublishEvent(ctx, e); err != nil {
				return err
			}
		}
		if t.State == before.Trials[i-added].State {
			continue
		}
		e := bakeoff.Event{Time: now, Run: after.ID, Candidate: t.Candidate, Message: t.Reason}
		switch t.State {
		case bakeoff.TrialBuilt:
			e.Kind, e.Progress = bakeoff.EventBuilt, 1
			l.Log.Info("trial built", "run", after.ID, "candidate", t.Candidate, "seconds", math.Round(t.Seconds*1000)/1000)
		case bakeoff.TrialFailed:
			e.Kind = bakeoff.EventFailed
			l.Log.Warn("trial failed", "run", after.ID, "candidate", t.Candidate, "class", t.Class, "reason", plain.Line(t.Reason))
		default:
			continue
		}
		if err := l.Store.PublishEvent(ctx, e); err != nil {
			return err
		}
	}
	if before.Phase == after.Phase {
		return nil
	}
	l.Log.Info("run moved on", "run", after.ID, "phase", after.Phase)
	e := bakeoff.Event{Time: now, Run: after.ID, Kind: bakeoff.EventPhase, Message: string(after.Phase)}
	if after.Phase == bakeoff.PhaseEnded {
		e.Kind, e.Message = bakeoff.EventVerdict, string(after.Verdict)+": "+after.Reason
	}
	return l.Store.PublishEvent(ctx, e)
}
