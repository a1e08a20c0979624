package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/schedule"
	"github.com/bakeoffhq/bakeoff/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a store of several pipelines that works, or fails altogether. The loop's tests go by a
// fake clock, which a real server does not.
type memory struct {
	mu       sync.Mutex
	fails    bool
	calls    int
	cursors  map[string]bakeoff.Cursor
	revision map[string]uint64
	ticks    []bakeoff.Tick
	owed     []bakeoff.Notification
	pauses   map[string]bakeoff.Pause
	pruned   []time.Time
}

func newMemory() *memory {
	return &memory{cursors: map[string]bakeoff.Cursor{}, revision: map[string]uint64{}, pauses: map[string]bakeoff.Pause{}}
}

func (m *memory) call(do func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	if m.fails {
		return errors.New("the disk is full")
	}
	return do()
}

func (m *memory) Cursor(_ context.Context, name string) (c bakeoff.Cursor, revision uint64, err error) {
	err = m.call(func() error { c, revision = m.cursors[name], m.revision[name]; return nil })
	c.Pipeline = name
	return c, revision, err
}

func (m *memory) PutCursor(_ context.Context, c bakeoff.Cursor, revision uint64) (uint64, error) {
	err := m.call(func() error {
		if m.revision[c.Pipeline] != revision {
			return bakeoff.Errorf(bakeoff.CodeConflict, "somebody else was faster")
		}
		m.cursors[c.Pipeline], m.revision[c.Pipeline] = c, revision+1
		return nil
	})
	return revision + 1, err
}

func (m *memory) DeleteCursor(_ context.Context, name string) error {
	return m.call(func() error { delete(m.cursors, name); delete(m.revision, name); return nil })
}

func (m *memory) RecordTick(_ context.Context, t bakeoff.Tick) error {
	return m.call(func() error { m.ticks = append(m.ticks, t); return nil })
}

func (m *memory) PruneTicks(_ context.Context, before time.Time) error {
	return m.call(func() error { m.pruned = append(m.pruned, before); return nil })
}

func (m *memory) PutNotification(_ context.Context, n bakeoff.Notification) error {
	return m.call(func() error { m.owed = append(m.owed, n); return nil })
}

func (m *memory) Pause(_ context.Context, name string) (p *bakeoff.Pause, err error) {
	err = m.call(func() error {
		if stored, ok := m.pauses[name]; ok {
			p = &stored
		}
		return nil
	})
	return p, err
}

func (m *memory) PutPause(_ context.Context, p bakeoff.Pause) error {
	return m.call(func() error {
		if _, ok := m.pauses[p.Pipeline]; ok {
			return bakeoff.Errorf(bakeoff.CodeConflict, "paused already")
		}
		m.pauses[p.Pipeline] = p
		return nil
	})
}

func (m *memory) DeletePause(_ context.Context, name string) error {
	return m.call(func() error { delete(m.pauses, name); return nil })
}

// runs notes what is started, and when.
type runs struct {
	mu        sync.Mutex
	started   []string // "RUN at TIME"
	deadlines []time.Time
	cancelled []string
	open      map[string]string
	stays     bool  // a run that is started stays open
	refuse    error // what Start returns
}

func (r *runs) Open(_ context.Context, pipeline string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open[pipeline], nil
}

func (r *runs) Start(_ context.Context, e schedule.Entry, tick, deadline time.Time) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := schedule.RunID(e.Name, tick)
	if r.refuse != nil {
		return "", r.refuse
	}
	for _, s := range r.started {
		if s[:len(id)] == id {
			return "", bakeoff.Errorf(bakeoff.CodeConflict, "run %s exists", id)
		}
	}
	r.started = append(r.started, id+" at "+time.Now().UTC().Format("15:04:05.000"))
	r.deadlines = append(r.deadlines, deadline)
	if r.stays {
		r.open = map[string]string{e.Name: id}
	}
	return id, nil
}

func (r *runs) Cancel(_ context.Context, run, reason string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancelled = append(r.cancelled, run+": "+reason)
	return nil
}

func (r *runs) end(s *schedule.Scheduler) {
	r.mu.Lock()
	r.open = nil
	r.mu.Unlock()
	s.Wake()
}

// loop runs a scheduler in a bubble whose clock begins at 2000-01-01 00:00 UTC.
func loop(t *testing.T, m *memory, r *runs, during func(*schedule.Scheduler)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := schedule.New(m, r, slog.New(slog.NewTextHandler(t.Output(), nil)))
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		during(s)
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func entry(name string, declared bakeoff.Schedule) schedule.Entry {
	declared.Timezone = "UTC"
	return schedule.Entry{Name: name, Revision: "sha256:1", Schedule: &declared}
}

func set(t *testing.T, s *schedule.Scheduler, e schedule.Entry) {
	t.Helper()
	if err := s.Set(e); err != nil {
		t.Fatal(err)
	}
}

func TestTicksAreOnTheSecond(t *testing.T) {
	m, r := newMemory(), &runs{}
	loop(t, m, r, func(s *schedule.Scheduler) {
		set(t, s, entry("hourly", bakeoff.Schedule{Cron: "@hourly", Deadline: 2 * time.Hour}))
		set(t, s, entry("often", bakeoff.Schedule{Cron: "@every 45m"}))
		time.Sleep(2*time.Hour + time.Minute)
	})
	want := []string{
		"often-20000101T004500Z at 00:45:00.000", "hourly-20000101T010000Z at 01:00:00.000",
		"often-20000101T013000Z at 01:30:00.000", "hourly-20000101T020000Z at 02:00:00.000",
	}
	if diff := cmp.Diff(want, r.started); diff != "" {
		t.Error(diff)
	}
	if want := time.Date(2000, 1, 1, 3, 0, 0, 0, time.UTC); !r.deadlines[1].Equal(want) || !r.deadlines[0].IsZero() {
		t.Errorf("deadlines %v", r.deadlines)
	}
	if len(m.ticks) != 4 || m.ticks[1].State != bakeoff.TickRun || m.ticks[1].Run != "hourly-20000101T010000Z" {
		t.Errorf("recorded: %+v", m.ticks)
	}
	if len(m.pruned) != 1 {
		t.Errorf("pruned %d times in two hours", len(m.pruned))
	}
}

func TestIdleIsCheap(t *testing.T) {
	m := newMemory()
	loop(t, m, &runs{}, func(s *schedule.Scheduler) {
		for i := range 20 {
			set(t, s, entry(fmt.Sprintf("nightly-%d", i), bakeoff.Schedule{Cron: "0 5 * * *"}))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		before := m.calls
		time.Sleep(4 * time.Hour)
		synctest.Wait()
		if m.calls > before {
			t.Errorf("%d calls of the store in four hours in which nothing was due", m.calls-before)
		}
	})
}

func TestAnEditTakesEffectFromNowOn(t *testing.T) {
	r := &runs{}
	loop(t, newMemory(), r, func(s *schedule.Scheduler) {
		set(t, s, entry("churn", bakeoff.Schedule{Cron: "0 3 * * *"}))
		time.Sleep(2 * time.Hour)
		set(t, s, entry("churn", bakeoff.Schedule{Cron: "0 1 * * *"})) // an hour ago
		time.Sleep(21 * time.Hour)
		set(t, s, entry("churn", bakeoff.Schedule{Cron: "0 1 * * *", Overlap: bakeoff.OverlapQueue}))
		time.Sleep(3 * time.Hour)
		s.Remove("churn")
		time.Sleep(48 * time.Hour)
		set(t, s, entry("churn", bakeoff.Schedule{Cron: "0 1 * * *"})) // none was missed meanwhile
		time.Sleep(time.Minute)
	})
	if diff := cmp.Diff([]string{"churn-20000102T010000Z at 01:00:00.000"}, r.started); diff != "" {
		t.Error(diff)
	}
}

func TestABadScheduleIsRefused(t *testing.T) {
	s := schedule.New(newMemory(), &runs{}, slog.New(slog.NewTextHandler(t.Output(), nil)))
	err := s.Set(entry("churn", bakeoff.Schedule{Cron: "0 0 30 2 *"}))
	if bakeoff.CodeOf(err) != bakeoff.CodeInvalid || len(s.Upcoming("", 3)) != 0 {
		t.Errorf("error %v, upcoming %v", err, s.Upcoming("", 3))
	}
}

func TestAWaitingTickBeginsWhenTheRunEnds(t *testing.T) {
	m, r := newMemory(), &runs{stays: true}
	loop(t, m, r, func(s *schedule.Scheduler) {
		set(t, s, entry("churn", bakeoff.Schedule{Cron: "@hourly", Overlap: bakeoff.OverlapQueue}))
		time.Sleep(2*time.Hour + 10*time.Minute + 7*time.Second)
		r.end(s)
		time.Sleep(time.Minute)
	})
	want := []string{"churn-20000101T010000Z at 01:00:00.000", "churn-20000101T020000Z at 02:10:07.000"}
	if diff := cmp.Diff(want, r.started); diff != "" {
		t.Error(diff)
	}
}

func TestAnOpenRunIsReplaced(t *testing.T) {
	m, r := newMemory(), &runs{stays: true}
	loop(t, m, r, func(s *schedule.Scheduler) {
		set(t, s, entry("churn", bakeoff.Schedule{Cron: "@hourly", Overlap: bakeoff.OverlapReplace}))
		time.Sleep(2*time.Hour + time.Minute)
	})
	want := []string{"churn-20000101T010000Z: replaced by the tick of 2000-01-01T02:00:00Z"}
	if diff := cmp.Diff(want, r.cancelled); diff != "" || len(r.started) != 2 {
		t.Error(diff, r.started)
	}
}

func TestAPauseIsOneMessage(t *testing.T) {
	m, r := newMemory(), &runs{}
	loop(t, m, r, func(s *schedule.Scheduler) {
		set(t, s, entry("churn", bakeoff.Schedule{Cron: "@hourly"}))
		time.Sleep(90 * time.Minute)
		p, err := s.Pause(t.Context(), bakeoff.Pause{Pipeline: "churn", By: "kim", Why: "audit"})
		if err != nil || p.Since.IsZero() {
			t.Errorf("%+v, %v", p, err)
		}
		if again, err := s.Pause(t.Context(), bakeoff.Pause{Pipeline: "churn", By: "lee"}); err != nil || again.By != "kim" {
			t.Errorf("a second pause: %+v, %v", again, err)
		}
		time.Sleep(72 * time.Hour)
		synctest.Wait()
		if len(m.owed) > 0 {
			t.Errorf("told of while it goes on: %+v", m.owed)
		}
		for _, want := range []bool{true, false} {
			if was, err := s.Resume(t.Context(), "churn"); was != want || err != nil {
				t.Errorf("resumed: %v, %v", was, err)
			}
		}
		synctest.Wait()
		if len(m.owed) != 1 || m.owed[0].ID != "churn-skipped-20000101T020000Z" || m.owed[0].Ticks.Count != 72 || m.owed[0].Revision != "sha256:1" {
			t.Errorf("told of when it is over: %+v", m.owed)
		}
		time.Sleep(time.Hour)
	})
	if want := []string{"churn-20000101T010000Z at 01:00:00.000", "churn-20000104T020000Z at 02:00:00.000"}; !slices.Equal(want, r.started) {
		t.Errorf("started %v", r.started)
	}
}

func TestResumingWithoutANodeSkipsWhatWasPaused(t *testing.T) {
	m, r := newMemory(), &runs{}
	loop(t, m, r, func(s *schedule.Scheduler) {
		set(t, s, entry("churn", bakeoff.Schedule{Cron: "@hourly"}))
		time.Sleep(time.Minute)
		if _, err := s.Pause(t.Context(), bakeoff.Pause{Pipeline: "churn", By: "kim"}); err != nil {
			t.Error(err)
		}
	})
	// The bubble's clock begins again; let the pause have lain before.
	p, c := m.pauses["churn"], m.cursors["churn"]
	p.Since, c.At = p.Since.Add(-8*time.Hour), c.At.Add(-8*time.Hour)
	m.pauses["churn"], m.cursors["churn"] = p, c
	synctest.Test(t, func(t *testing.T) {
		s := schedule.New(m, r, slog.New(slog.NewTextHandler(t.Output(), nil)))
		if was, err := s.Resume(t.Context(), "churn"); !was || err != nil {
			t.Errorf("resumed: %v, %v", was, err)
		}
	})
	loop(t, m, r, func(s *schedule.Scheduler) {
		set(t, s, entry("churn", bakeoff.Schedule{Cron: "@hourly"}))
		time.Sleep(time.Minute)
	})
	if len(r.started) > 0 || len(m.owed) != 1 || m.owed[0].Ticks.Count != 8 || m.owed[0].Ticks.State != bakeoff.TickSkipped {
		t.Errorf("started %v, told %+v", r.started, m.owed)
	}
}

func TestAFaultyStoreDelaysATick(t *testing.T) {
	m, r := newMemory(), &runs{}
	loop(t, m, r, func(s *schedule.Scheduler) {
		set(t, s, entry("churn", bakeoff.Schedule{Cron: "@hourly"}))
		set(t, s, entry("other", bakeoff.Schedule{Cron: "@hourly"}))
		time.Sleep(59 * time.Minute)
		m.mu.Lock()
		m.fails = true
		m.mu.Unlock()
		time.Sleep(110 * time.Second) // to 01:00:50
		m.mu.Lock()
		if m.fails = false; m.calls > 40 {
			t.Errorf("%d calls in a failure of 50 seconds", m.calls)
		}
		m.mu.Unlock()
		time.Sleep(31 * time.Second)
	})
	slices.Sort(r.started) // both were due at once
	want := []string{"churn-20000101T010000Z at 01:01:01.000", "other-20000101T010000Z at 01:01:01.000"}
	if diff := cmp.Diff(want, r.started); diff != "" {
		t.Error(diff)
	}
}

func TestARunThatCannotBeStartedIsToldOf(t *testing.T) {
	m, r := newMemory(), &runs{refuse: bakeoff.Errorf(bakeoff.CodeInvalid, "there is no such queue")}
	loop(t, m, r, func(s *schedule.Scheduler) {
		set(t, s, entry("churn", bakeoff.Schedule{Cron: "@hourly"}))
		time.Sleep(time.Hour)
	})
	if len(m.owed) != 1 || m.owed[0].Ticks.Reason != "its run could not be started: there is no such queue" {
		t.Errorf("told of: %+v", m.owed)
	}
}

func TestUpcomingIsInOrder(t *testing.T) {
	loop(t, newMemory(), &runs{}, func(s *schedule.Scheduler) {
		set(t, s, entry("b", bakeoff.Schedule{Cron: "@hourly"}))
		set(t, s, entry("a", bakeoff.Schedule{Cron: "*/40 * * * *"}))
		var got []string
		for _, u := range s.Upcoming("", 4) {
			got = append(got, u.Pipeline+" "+u.Time.Format("15:04"))
		}
		if diff := cmp.Diff([]string{"a 00:40", "a 01:00", "b 01:00", "a 01:40"}, got); diff != "" {
			t.Error(diff)
		}
		if got := s.Upcoming("b", 2); len(got) != 2 || got[1].Pipeline != "b" {
			t.Errorf("%+v", got)
		}
	})
}

// TestTwoSchedulersShareARealStore has both be late for the same ticks at once.
func TestTwoSchedulersShareARealStore(t *testing.T) {
	st, _ := storetest.Open(t)
	const pipelines = 50
	r := &runs{}
	var nodes [2]*schedule.Scheduler
	clock := time.Date(2026, 11, 22, 4, 59, 0, 0, time.UTC)
	for i := range nodes {
		nodes[i] = schedule.New(st, r, storetest.Log(t))
		nodes[i].SetClock(func() time.Time { return clock })
		fill(t, nodes[i], pipelines)
		nodes[i].LookAtDue(t.Context())
	}
	clock = clock.Add(time.Minute)
	var both sync.WaitGroup
	for i := range nodes {
		fill(t, nodes[i], pipelines) // due at once
		both.Go(func() { nodes[i].LookAtDue(t.Context()) })
	}
	both.Wait()
	if len(r.started) != pipelines {
		t.Errorf("%d runs were started for %d ticks", len(r.started), pipelines)
	}
	for i := range pipelines {
		ticks, err := st.Ticks(t.Context(), fmt.Sprintf("p-%d", i), 10)
		if err != nil || len(ticks) != 1 || ticks[0].State != bakeoff.TickRun {
			t.Errorf("p-%d: %+v, %v", i, ticks, err)
		}
	}
}

// TestForgettingLeavesTheTicksAlone has a pipeline forgotten, with a node's scheduler that knows it and with
// that of a process which does not, and lets it come back.
func TestForgettingLeavesTheTicksAlone(t *testing.T) {
	for name, knows := range map[string]bool{"a node that follows it": true, "another process": false} {
		t.Run(name, func(t *testing.T) {
			st, _ := storetest.Open(t)
			ctx, r := t.Context(), &runs{}
			clock := at("08:30")
			fresh := func() *schedule.Scheduler {
				s := schedule.New(st, r, storetest.Log(t))
				s.SetClock(func() time.Time { return clock })
				return s
			}
			s := fresh()
			set(t, s, entry("churn", bakeoff.Schedule{Cron: "@hourly", Timezone: "UTC"}))
			s.LookAtDue(ctx)
			if _, err := s.Pause(ctx, bakeoff.Pause{Pipeline: "churn", By: "kim"}); err != nil {
				t.Fatal(err)
			}
			clock = at("11:30")
			if !knows {
				s = fresh()
			}
			for range 2 { // it may be called again
				if err := s.Forget(ctx, "churn"); err != nil {
					t.Fatal(err)
				}
			}
			s.LookAtDue(ctx)
			if ups := s.Upcoming("churn", 1); len(ups) > 0 {
				t.Errorf("it is due next at %v", ups)
			}
			c, revision, err := st.Cursor(ctx, "churn")
			if err != nil || revision != 0 || c.Times != "" {
				t.Errorf("the cursor is %+v, %v", c, err)
			}
			if p, err := st.Pause(ctx, "churn"); p != nil || err != nil {
				t.Errorf("the pause is %+v, %v", p, err)
			}
			ticks, err := st.Ticks(ctx, "churn", 10)
			if err != nil || len(ticks) != 1 || ticks[0].State != bakeoff.TickSkipped || ticks[0].Count != 3 {
				t.Errorf("its ticks are %+v, %v", ticks, err)
			}
			set(t, s, entry("churn", bakeoff.Schedule{Cron: "@hourly", Timezone: "UTC"}))
			s.LookAtDue(ctx)
			clock = at("12:00")
			set(t, s, entry("churn", bakeoff.Schedule{Cron: "@hourly", Timezone: "UTC"})) // due at once
			s.LookAtDue(ctx)
			if want := []string{"churn-20261122T120000Z"}; len(r.started) != 1 || !strings.HasPrefix(r.started[0], want[0]) {
				t.Errorf("started %v, want %v", r.started, want)
			}
		})
	}
}

func fill(t testing.TB, s *schedule.Scheduler, n int) {
	t.Helper()
	for i := range n {
		if err := s.Set(entry(fmt.Sprintf("p-%d", i), bakeoff.Schedule{Cron: "0 5 * * *"})); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkThousandDueAtOnce decides, claims and records a tick each of 1,000 pipelines in a real
// store; what is measured is one such minute.
func BenchmarkThousandDueAtOnce(b *testing.B) {
	st, _ := storetest.Open(b)
	r := &runs{}
	s := schedule.New(st, r, slog.New(slog.DiscardHandler))
	clock := time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
	s.SetClock(func() time.Time { return clock })
	fill(b, s, 1000)
	s.LookAtDue(b.Context())
	for b.Loop() {
		r.started = nil
		clock = clock.AddDate(0, 0, 1)
		s.LookAtDue(b.Context())
		if len(r.started) != 1000 {
			b.Fatalf("%d of 1000 were started", len(r.started))
		}
	}
}
