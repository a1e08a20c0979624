package schedule

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/cron"
)

const (
	// longestSleep bounds how late a clock that was set, or a machine that slept, is noticed.
	longestSleep = 30 * time.Second

	// lookTime bounds one look at a pipeline.
	lookTime = 30 * time.Second

	// atOnce is how many pipelines are looked at at the same time.
	atOnce = 16

	// keepTicks is how long the record of a tick is kept, and pruneEvery how often that is looked after.
	keepTicks  = 90 * 24 * time.Hour
	pruneEvery = 24 * time.Hour
)

// Store is what the scheduler needs of the store. RecordTick and PutNotification may be called
// again for what is there already, or was.
type Store interface {
	Cursor(ctx context.Context, pipeline string) (bakeoff.Cursor, uint64, error)
	PutCursor(ctx context.Context, c bakeoff.Cursor, revision uint64) (uint64, error)
	DeleteCursor(ctx context.Context, pipeline string) error
	RecordTick(ctx context.Context, t bakeoff.Tick) error
	PruneTicks(ctx context.Context, before time.Time) error
	PutNotification(ctx context.Context, n bakeoff.Notification) error
	Pause(ctx context.Context, pipeline string) (*bakeoff.Pause, error)
	PutPause(ctx context.Context, p bakeoff.Pause) error
	DeletePause(ctx context.Context, pipeline string) error
}

// Runs is what the scheduler needs of those who drive runs.
type Runs interface {
	// Open returns the run of a pipeline that has not ended, "" for none; of several the newest.
	Open(ctx context.Context, pipeline string) (run string, err error)
	// Start creates the run of a tick, whose ID is RunID, and returns that. One that exists has code
	// Conflict. A deadline of zero is none. An error with code Invalid or NotFound is final: the tick
	// has no run then. After any other it is called again.
	Start(ctx context.Context, e Entry, tick, deadline time.Time) (run string, err error)
	// Cancel ends a run that is open, soon. It may be called for one that has ended.
	Cancel(ctx context.Context, run, reason string) error
}

// Scheduler starts the runs of due ticks. Its methods may be called from several goroutines, before
// and while Run runs.
type Scheduler struct {
	store Store
	runs  Runs
	log   *slog.Logger
	now   func() time.Time // the wall clock
	nudge chan struct{}    // something is due earlier than Run knows

	mu        sync.Mutex
	pipelines map[string]*pipeline // guarded by mu

	pruned time.Time // owned by Run
}

// pipeline is one that has a schedule, or had one that is being ended.
type pipeline struct {
	name string

	// Guarded by Scheduler.mu.
	entry Entry
	times *cron.Schedule // nil while the schedule is being ended
	since time.Time      // since when it is looked at
	due   time.Time      // when it is looked at next

	looking sync.Mutex // held during a look
	// Guarded by looking.
	cursor   bakeoff.Cursor
	revision uint64
	loaded   bool // cursor is as stored, as far as is known
	failures int  // looks in a row that failed
}

// New returns a scheduler that has nothing to do yet; Run starts it.
func New(store Store, runs Runs, log *slog.Logger) *Scheduler {
	return &Scheduler{
		store: store, runs: runs, log: log.With("component", "schedule"), now: wallClock,
		nudge: make(chan struct{}, 1), pipelines: map[string]*pipeline{},
	}
}

// wallClock is without the monotonic clock: ticks are moments that a person named.
func wallClock() time.Time { return time.Now().Round(0) }

// Set has a pipeline run by its schedule, or ends that where the entry has none. A schedule that is
// new or has changed is due from now on; one that is as stored goes on from where it was. The error
// is that of cron.Parse; nothing has changed then.
func (s *Scheduler) Set(e Entry) error {
	var times *cron.Schedule
	if e.Schedule != nil {
		var err error
		if times, err = cron.Parse(*e.Schedule); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pipelines[e.Name]
	if p == nil {
		p = &pipeline{name: e.Name, since: s.now()}
		s.pipelines[e.Name] = p
	}
	p.entry, p.times, p.due = e, times, time.Time{}
	s.wake()
	return nil
}

// Remove ends the schedule of a pipeline: later ones begin anew. What was due until now and has no
// run is recorded as missed.
func (s *Scheduler) Remove(name string) { _ = s.Set(Entry{Name: name}) } // fails for a bad schedule only

// Forget ends the schedule of a pipeline as Remove does, at once, and leaves nothing of it but what became
// of its ticks: a pause goes too. What was due until now has its record first.
func (s *Scheduler) Forget(ctx context.Context, name string) error {
	s.Remove(name)
	s.mu.Lock()
	p := s.pipelines[name]
	s.mu.Unlock()
	if p != nil { // else it has ended by now
		if err := s.look(ctx, p); err != nil {
			return err
		}
	}
	if err := s.store.DeleteCursor(ctx, name); err != nil {
		return err
	}
	return s.store.DeletePause(ctx, name)
}

// Wake says that a run has ended: a tick may wait for that.
func (s *Scheduler) Wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.pipelines {
		if p.looking.TryLock() {
			if len(p.cursor.Waiting) > 0 {
				p.due = time.Time{}
			}
			p.looking.Unlock()
		} else {
			p.due = time.Time{} // it is being looked at, perhaps before the end of the run
		}
	}
	s.wake()
}

// wake has Run look at what is due.
func (s *Scheduler) wake() {
	select {
	case s.nudge <- struct{}{}:
	default: // it will look in any case
	}
}

// Pause has the ticks of a pipeline skipped until Resume, and returns the pause that stands then:
// one that there is already is left as it is.
func (s *Scheduler) Pause(ctx context.Context, p bakeoff.Pause) (bakeoff.Pause, error) {
	if p.Since.IsZero() {
		p.Since = s.now().UTC()
	}
	err := s.store.PutPause(ctx, p)
	if bakeoff.CodeOf(err) != bakeoff.CodeConflict {
		return p, err
	}
	standing, err := s.store.Pause(ctx, p.Pipeline)
	if err != nil || standing == nil { // lifted in this moment
		return p, err
	}
	return *standing, nil
}

// Resume ends a pause and reports whether there was one. Ticks up to now are skipped.
func (s *Scheduler) Resume(ctx context.Context, name string) (was bool, err error) {
	pause, err := s.store.Pause(ctx, name)
	if pause == nil || err != nil {
		return false, err
	}
	p, err := s.known(ctx, name)
	if err != nil {
		return true, err
	}
	if p != nil {
		if err := s.look(ctx, p); err != nil { // while the pause still stands
			return true, err
		}
	}
	if err := s.store.DeletePause(ctx, name); err != nil {
		return true, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.pipelines[name]; p != nil {
		p.due = time.Time{}
		s.wake()
	}
	return true, nil
}

// known returns a pipeline that was set, or as its cursor describes it; nil if it has no schedule.
func (s *Scheduler) known(ctx context.Context, name string) (*pipeline, error) {
	s.mu.Lock()
	p := s.pipelines[name]
	s.mu.Unlock()
	if p != nil {
		return p, nil
	}
	c, _, err := s.store.Cursor(ctx, name)
	if err != nil || c.Times == "" {
		return nil, err
	}
	times, err := cron.Parse(c.Schedule)
	if err != nil {
		return nil, err
	}
	return &pipeline{name: name, entry: Entry{Name: name, Revision: c.Revision, Schedule: &c.Schedule}, times: times, since: s.now()}, nil
}

// Upcoming returns the next n ticks, the earliest first: of all pipelines where the name is "".
func (s *Scheduler) Upcoming(pipeline string, n int) []bakeoff.Upcoming {
	s.mu.Lock()
	times := map[string]*cron.Schedule{}
	for name, p := range s.pipelines {
		if p.times != nil && (pipeline == "" || pipeline == name) {
			times[name] = p.times
		}
	}
	s.mu.Unlock()
	var ups []bakeoff.Upcoming
	for name, t := range times {
		ups = append(ups, t.Upcoming(name, s.now(), n)...)
	}
	slices.SortFunc(ups, func(a, b bakeoff.Upcoming) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Pipeline, b.Pipeline))
	})
	return ups[:min(len(ups), max(n, 0))]
}

// Run starts runs until ctx ends, and returns nil then. What it was at is left as after a crash:
// the next Run goes on with it.
func (s *Scheduler) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.nudge:
		case <-timer.C:
		}
		s.lookAtDue(ctx)
		if ctx.Err() == nil && s.now().Sub(s.pruned).Abs() > pruneEvery {
			s.prune(ctx)
		}
		timer.Reset(s.sleep())
	}
}

// sleep returns how long nothing is due.
func (s *Scheduler) sleep() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	sleep, at := longestSleep, s.now()
	for _, p := range s.pipelines {
		sleep = min(sleep, p.due.Sub(at))
	}
	return max(sleep, 0)
}

func (s *Scheduler) lookAtDue(ctx context.Context) {
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, p := range s.allDue() {
		g.Go(func() error {
			s.lookAndLog(ctx, p)
			return nil
		})
	}
	_ = g.Wait() // each logs its own fault
}

func (s *Scheduler) allDue() []*pipeline {
	s.mu.Lock()
	defer s.mu.Unlock()
	var due []*pipeline
	at := s.now()
	for _, p := range s.pipelines {
		if !p.due.After(at) {
			p.due = at.Add(longestSleep) // unless the look, or somebody meanwhile, says otherwise
			due = append(due, p)
		}
	}
	slices.SortFunc(due, func(a, b *pipeline) int { return cmp.Compare(a.name, b.name) })
	return due
}

// prune removes old records of ticks. What fails is tried again the next day.
func (s *Scheduler) prune(ctx context.Context) {
	s.pruned = s.now()
	if err := s.store.PruneTicks(ctx, s.pruned.Add(-keepTicks)); err != nil && ctx.Err() == nil {
		s.log.Warn("old ticks could not be removed", "error", err)
	}
}
