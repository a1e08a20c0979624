package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/cron"
	"github.com/bakeoffhq/bakeoff/internal/schedule"
)

// world is everything around two schedulers of one pipeline: what is stored, what runs, and what
// time it is. Each of its calls may fail, before or after it took effect, and may let the other
// scheduler in first.
type world struct {
	t       *testing.T
	rng     *rand.Rand
	now     time.Time
	trouble bool // calls fail, and interleave
	depth   int

	cursor   bakeoff.Cursor
	revision uint64
	pause    *bakeoff.Pause
	pauses   []stretch // what was undecided when a pause began, up to when it was lifted
	records  map[time.Time]bakeoff.Tick
	owed     map[string]bakeoff.Notification
	started  map[string]time.Time // every run that a tick ever had
	open     string
	epochs   []epoch

	entry schedule.Entry
	nodes [2]*schedule.Scheduler
}

// epoch is a time through which one schedule was in force: its ticks after from and up to to are decided by it.
type epoch struct {
	times    *cron.Schedule
	from, to time.Time
}

// stretch is a time through which a pause stood; to is zero while it does.
type stretch struct{ from, to time.Time }

func (s stretch) has(t time.Time) bool {
	return t.After(s.from) && (s.to.IsZero() || !t.After(s.to))
}

var errCrash = errors.New("the process was killed")

// step is called at every call from a scheduler; done tells what the call would do.
func (w *world) step(done func() error) error {
	if !w.trouble {
		return done()
	}
	if w.depth == 0 && w.rng.IntN(4) == 0 {
		w.depth++
		w.look(w.rng.IntN(2)) // the other gets in between, or the same one's successor
		w.depth--
	}
	switch w.rng.IntN(16) {
	case 0:
		return errCrash
	case 1:
		return errors.Join(errCrash, done())
	default:
		return done()
	}
}

func (w *world) Cursor(context.Context, string) (c bakeoff.Cursor, revision uint64, err error) {
	err = w.step(func() error { c, revision = w.cursor, w.revision; return nil })
	c.Pipeline = "churn"
	return c, revision, err
}

func (w *world) PutCursor(_ context.Context, c bakeoff.Cursor, revision uint64) (uint64, error) {
	err := w.step(func() error {
		if revision != w.revision {
			return bakeoff.Errorf(bakeoff.CodeConflict, "somebody else was faster")
		}
		w.follow(c)
		w.cursor, w.revision = c, w.revision+1
		return nil
	})
	return w.revision, err
}

func (w *world) DeleteCursor(context.Context, string) error { return nil } // nobody forgets the pipeline

// follow keeps the book of which schedule was in force when.
func (w *world) follow(c bakeoff.Cursor) {
	if c.At.Before(w.cursor.At) {
		w.t.Errorf("the cursor went back from %s to %s", w.cursor.At, c.At)
	}
	if c.Times != w.cursor.Times {
		times, err := cron.Parse(c.Schedule)
		if err != nil {
			w.t.Fatal(err)
		}
		w.epochs = append(w.epochs, epoch{times: times, from: c.At})
	}
	if c.Times != w.cursor.Times && len(w.epochs) > 1 {
		w.epochs[len(w.epochs)-2].to = c.At
	}
	w.epochs[len(w.epochs)-1].to = c.At
}

func (w *world) RecordTick(_ context.Context, t bakeoff.Tick) error {
	return w.step(func() error {
		if _, ok := w.records[t.Time]; !ok {
			w.records[t.Time] = t
		}
		return nil
	})
}

func (w *world) PutNotification(_ context.Context, n bakeoff.Notification) error {
	return w.step(func() error {
		if _, ok := w.owed[n.ID]; !ok {
			w.owed[n.ID] = n
		}
		return nil
	})
}

func (w *world) PruneTicks(context.Context, time.Time) error { return nil }

func (w *world) Pause(context.Context, string) (p *bakeoff.Pause, err error) {
	err = w.step(func() error { p = w.pause; return nil })
	return p, err
}

func (w *world) PutPause(_ context.Context, p bakeoff.Pause) error {
	return w.step(func() error {
		if w.pause != nil {
			return bakeoff.Errorf(bakeoff.CodeConflict, "paused already")
		}
		w.pause = &p
		return nil
	})
}

func (w *world) DeletePause(context.Context, string) error {
	return w.step(func() error { w.pause = nil; return nil })
}

func (w *world) Open(context.Context, string) (run string, err error) {
	err = w.step(func() error { run = w.open; return nil })
	return run, err
}

func (w *world) Start(_ context.Context, e schedule.Entry, tick, deadline time.Time) (string, error) {
	id := schedule.RunID(e.Name, tick)
	return id, w.step(func() error {
		if _, ok := w.started[id]; ok {
			return bakeoff.Errorf(bakeoff.CodeConflict, "run %s exists", id)
		}
		w.started[id] = tick
		w.open = id
		return nil
	})
}

func (w *world) Cancel(_ context.Context, run, _ string) error {
	return w.step(func() error {
		if w.open == run {
			w.open = ""
		}
		return nil
	})
}

// boot starts a scheduler anew, as after a crash.
func (w *world) boot(node int) {
	w.nodes[node] = schedule.New(w, w, slog.New(slog.DiscardHandler))
	w.nodes[node].SetClock(func() time.Time { return w.now })
	if err := w.nodes[node].Set(w.entry); err != nil {
		w.t.Fatal(err)
	}
}

// look has a scheduler look; one that is hit by trouble is replaced by a new one, or goes on.
func (w *world) look(node int) {
	if w.nodes[node] == nil || w.depth > 0 { // within a call of its own it cannot be entered again
		w.boot(node)
	}
	if err := w.nodes[node].Look(w.t.Context(), "churn"); err != nil && w.rng.IntN(2) == 0 {
		w.nodes[node] = nil
	}
}

func (w *world) edit() {
	crons := []string{"* * * * *", "*/7 * * * *", "0 * * * *", "30 2 * * *", "@every 90s", "15 1,2 * * *"}
	declared := bakeoff.Schedule{
		Cron: crons[w.rng.IntN(len(crons))], Timezone: "America/New_York",
		Missed:   []bakeoff.MissedPolicy{bakeoff.MissedLatest, bakeoff.MissedAll, bakeoff.MissedNone}[w.rng.IntN(3)],
		Overlap:  []bakeoff.OverlapPolicy{bakeoff.OverlapSkip, bakeoff.OverlapQueue, bakeoff.OverlapReplace}[w.rng.IntN(3)],
		Within:   time.Duration(w.rng.IntN(3)) * time.Hour,
		Deadline: time.Duration(w.rng.IntN(3)) * 20 * time.Minute,
	}
	w.entry = schedule.Entry{Name: "churn", Revision: bakeoff.DigestOf([]byte(fmt.Sprint(w.revision))), Schedule: &declared}
	for i := range w.nodes {
		if w.nodes[i] == nil {
			continue
		}
		if err := w.nodes[i].Set(w.entry); err != nil {
			w.t.Fatal(err)
		}
	}
}

// stop has a person pause the pipeline. What was decided before, by a clock that was ahead, stays.
func (w *world) stop() {
	w.pause = &bakeoff.Pause{Pipeline: "churn", By: "kim", Since: w.now}
	from := w.now.Add(-1)
	if w.cursor.At.After(from) {
		from = w.cursor.At
	}
	w.pauses = append(w.pauses, stretch{from: from})
}

// resume has a person lift the pause at one of the nodes, which may be hit by trouble meanwhile.
func (w *world) resume(node int) {
	if w.nodes[node] == nil {
		w.boot(node)
	}
	_, _ = w.nodes[node].Resume(w.t.Context(), "churn") // what came of it is in the world
	if w.pause == nil {
		w.pauses[len(w.pauses)-1].to = w.now
	}
}

// relive forgets of lifted pauses what lies ahead again: that comes once more, and without them.
func (w *world) relive() {
	for i, p := range w.pauses {
		if p.to.After(w.now) {
			w.pauses[i].to = w.now
		}
	}
}

// happen does something that the world does by itself.
func (w *world) happen() {
	switch w.rng.IntN(20) {
	case 0:
		w.edit()
	case 1:
		back := time.Duration(w.rng.IntN(3600*10)) * time.Second
		if w.cursor.At.Sub(w.now.Add(-back)) < 20*time.Hour {
			w.now = w.now.Add(-back)
			w.relive()
		}
	case 2:
		w.now = w.now.Add(time.Duration(w.rng.IntN(3600*30)) * time.Second)
	case 3:
		if w.pause == nil {
			w.stop()
		} else {
			w.resume(w.rng.IntN(2))
		}
	case 4, 5, 6, 7:
		w.open = ""
	default:
		w.now = w.now.Add(time.Duration(w.rng.IntN(200)) * time.Second)
	}
}

// check finds for every tick its run, its place among those that wait, or a range that it lies in,
// and that none has two of these: by their number.
func (w *world) check() {
	begun := map[time.Time]bool{}
	for _, tick := range w.started {
		begun[tick] = true
	}
	for _, t := range w.cursor.Waiting {
		if begun[t] {
			w.t.Errorf("the tick %s waits, and has a run", t)
		}
		begun[t] = true
	}
	ranges, fates := w.ranges(), len(begun)
	for _, r := range ranges {
		w.checkPauses(r)
		fates += r.Count
		if begun[r.Time] || begun[r.Last] {
			w.t.Errorf("a tick of %+v has a run", r)
		}
	}
	decided := 0
	for _, e := range w.epochs {
		for t := e.times.Next(e.from); !t.After(e.to); t = e.times.Next(t) {
			decided++
			inRange := func(r bakeoff.Tick) bool { return !t.Before(r.Time) && !t.After(r.Last) }
			if !begun[t.UTC()] && !slices.ContainsFunc(ranges, inRange) {
				w.t.Errorf("nothing is known of the tick %s", t.UTC())
			}
		}
	}
	if fates != decided {
		w.t.Errorf("%d ticks were decided, and %d fates", decided, fates)
	}
}

// checkPauses finds no tick that came due during a pause among those that were missed.
func (w *world) checkPauses(r bakeoff.Tick) {
	if r.State != bakeoff.TickMissed {
		return
	}
	for _, p := range w.pauses {
		if p.has(r.Time) || p.has(r.Last) {
			w.t.Errorf("%+v: it was paused from %s to %s", r, p.from, p.to)
		}
	}
}

// ranges returns all ranges of ticks without a run, and checks that each was told of once.
func (w *world) ranges() (ranges []bakeoff.Tick) {
	for _, t := range w.records {
		if t.State == bakeoff.TickRun {
			if _, ok := w.started[t.Run]; !ok {
				w.t.Errorf("the run %s is recorded, and was not started", t.Run)
			}
			continue
		}
		n, ok := w.owed[t.Told]
		if !ok || n.Ticks.Count != t.Count || n.Revision == "" || t.Reason == "" {
			w.t.Errorf("%+v is told of by %+v", t, n)
		}
		ranges = append(ranges, t)
	}
	if len(ranges) != len(w.owed) {
		w.t.Errorf("%d ranges, %d notifications", len(ranges), len(w.owed))
	}
	if w.cursor.Range != nil {
		ranges = append(ranges, *w.cursor.Range)
	}
	return ranges
}

// TestNoTickIsLostOrRunTwice has two schedulers, killed and interleaved at any of their calls, work
// through edits, pauses, and a clock that is set back and forth; then it asks for the fate of every
// tick.
func TestNoTickIsLostOrRunTwice(t *testing.T) {
	seeds := 60
	if testing.Short() {
		seeds = 20
	}
	ticks := 0
	for seed := range seeds {
		w := &world{
			t: t, rng: rand.New(rand.NewPCG(uint64(seed), 7)), trouble: true,
			now:     time.Date(2026, 10, 31, 20, 0, 0, 0, time.UTC), // the clock goes back the next day
			records: map[time.Time]bakeoff.Tick{}, owed: map[string]bakeoff.Notification{}, started: map[string]time.Time{},
		}
		w.edit()
		for range 300 {
			w.happen()
			w.look(w.rng.IntN(2))
		}
		w.trouble = false
		w.nodes = [2]*schedule.Scheduler{}
		w.look(0) // what the last one left is carried out
		if len(w.cursor.Owed) > 0 {
			t.Errorf("still owed: %+v", w.cursor.Owed)
		}
		w.check()
		ticks += len(w.started) + len(w.records)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if ticks < seeds*30 {
		t.Errorf("only %d runs and records came of %d seeds", ticks, seeds)
	}
}
