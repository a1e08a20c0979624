package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dispatch"
	"github.com/bakeoffhq/bakeoff/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a store in memory, for hours that pass in a moment; it counts what is asked of it.
type memory struct {
	mu       sync.Mutex
	runs     map[string]bakeoff.Run
	revision map[string]uint64
	events   []bakeoff.Event
	results  chan bakeoff.Result
	tasks    map[bakeoff.Task]int
	calls    map[string]int
	// do works on a task when it is published first; nil leaves it where it is.
	do func(bakeoff.Task) (bakeoff.Result, bool)
}

func newMemory() *memory {
	return &memory{
		runs: map[string]bakeoff.Run{}, revision: map[string]uint64{}, results: make(chan bakeoff.Result, 10_000),
		tasks: map[bakeoff.Task]int{}, calls: map[string]int{},
	}
}

func (m *memory) called(name string) func() {
	m.mu.Lock()
	m.calls[name]++
	return m.mu.Unlock
}

func (m *memory) Run(_ context.Context, id string) (bakeoff.Run, uint64, error) {
	defer m.called("Run")()
	r, ok := m.runs[id]
	if !ok {
		return r, 0, bakeoff.Errorf(bakeoff.CodeNotFound, "there is no run %s", id)
	}
	r.Trials = slices.Clone(r.Trials)
	return r, m.revision[id], nil
}

func (m *memory) UpdateRun(_ context.Context, r bakeoff.Run, revision uint64) (uint64, error) {
	defer m.called("UpdateRun")()
	if m.revision[r.ID] != revision {
		return 0, bakeoff.Errorf(bakeoff.CodeConflict, "run %s was changed", r.ID)
	}
	m.runs[r.ID] = r
	m.revision[r.ID]++
	return revision + 1, nil
}

func (m *memory) OpenRuns(context.Context) ([]bakeoff.Run, error) {
	defer m.called("OpenRuns")()
	var open []bakeoff.Run
	for _, r := range m.runs {
		if r.Phase != bakeoff.PhaseEnded {
			open = append(open, r)
		}
	}
	return open, nil
}

func (m *memory) PublishTask(_ context.Context, t bakeoff.Task) error {
	defer m.called("PublishTask")()
	m.tasks[t]++
	if m.do != nil && m.tasks[t] == 1 {
		if r, ok := m.do(t); ok {
			r.Task, r.Attempt = t, 1
			m.results <- r
		}
	}
	return nil
}

func (m *memory) Results(context.Context, string) ([]bakeoff.Result, error) {
	defer m.called("Results")()
	return nil, nil
}

func (m *memory) WatchResults(ctx context.Context, ready func(), each func(bakeoff.Result) error) error {
	ready()
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-m.results:
			if err := each(r); err != nil {
				return err
			}
		}
	}
}

func (m *memory) PublishEvent(_ context.Context, e bakeoff.Event) error {
	defer m.called("PublishEvent")()
	m.events = append(m.events, e)
	return nil
}

func (m *memory) run(id string) bakeoff.Run {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.runs[id]
}

// said returns the messages of the events of that kind.
func (m *memory) said(kind bakeoff.EventKind) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var said []string
	for _, e := range m.events {
		if e.Kind == kind {
			said = append(said, strings.TrimSpace(e.Candidate+" "+e.Message))
		}
	}
	return said
}

func (m *memory) count(name string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls[name]
}

// Commit is a registry that agrees with every decision.
func (m *memory) Commit(_ context.Context, r bakeoff.Run) (bakeoff.Report, error) {
	defer m.called("Commit")()
	return bakeoff.Report{Run: r.ID, Verdict: r.Decision.Verdict, Reason: r.Decision.Reason}, nil
}

// quick does every task in no time.
func quick(t bakeoff.Task) (bakeoff.Result, bool) {
	switch t.Kind {
	case bakeoff.TaskSnapshot:
		return bakeoff.Result{Snapshot: &bakeoff.Snapshot{Digest: "sha256:0"}}, true
	case bakeoff.TaskBuild:
		return bakeoff.Result{Trial: &bakeoff.Trial{Candidate: t.Candidate, State: bakeoff.TrialBuilt}}, true
	default:
		return bakeoff.Result{Decision: &bakeoff.Decision{Verdict: bakeoff.Promoted, Reason: "first champion"}}, true
	}
}

// onlySnapshots leaves builds and evaluations on their queues.
func onlySnapshots(t bakeoff.Task) (bakeoff.Result, bool) {
	if t.Kind != bakeoff.TaskSnapshot {
		return bakeoff.Result{}, false
	}
	return quick(t)
}

// start runs a dispatcher until the function that it returns is called.
func start(t *testing.T, c dispatch.Config, m *memory) (d *dispatch.Dispatcher, stop func()) {
	t.Helper()
	c.Store, c.Registry = m, m
	if c.Log == nil {
		c.Log = storetest.Log(t)
	}
	d = dispatch.New(c)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	<-d.Ready()
	return d, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// submit makes a run of the nightly pipeline.
func (m *memory) submit(t *testing.T, d *dispatch.Dispatcher, id string, s dispatch.Start) {
	t.Helper()
	r := dispatch.NewRun(id, nightly(), s, time.Now().UTC())
	m.mu.Lock()
	m.runs[id], m.revision[id] = r, 1
	m.mu.Unlock()
	if err := d.Submit(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func TestARunIsOpenUntilItsVerdictIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.do = onlySnapshots
		var over []string
		d, stop := start(t, dispatch.Config{Ended: func(r bakeoff.Run) { over = append(over, r.ID+" "+string(r.Verdict)) }}, m)
		defer stop()
		m.submit(t, d, "p-1", dispatch.Start{})
		time.Sleep(time.Second)
		m.submit(t, d, "p-2", dispatch.Start{})
		if diff := cmp.Diff([]string{"p-1", "p-2"}, d.Open("p")); diff != "" {
			t.Error(diff)
		}
		synctest.Wait()
		if diff := cmp.Diff([]string{bakeoff.QueueDefault, "gpu"}, d.Queues()); diff != "" {
			t.Error(diff)
		}
		if open := d.Open("q"); len(open) != 0 {
			t.Errorf("another pipeline has open runs: %v", open)
		}
		if err := d.Cancel(t.Context(), "p-1", "by kim"); err != nil {
			t.Fatal(err)
		}
		if err := d.Cancel(t.Context(), "p-0", "by kim"); err != nil { // there is none
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		if diff := cmp.Diff([]string{"p-2"}, d.Open("")); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"p-1 failed"}, over); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTheLogSaysHowEachTrialEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.do = func(task bakeoff.Task) (bakeoff.Result, bool) {
			r, ok := quick(task)
			if task.Kind == bakeoff.TaskBuild {
				r.Trial.Seconds = 1.5
			}
			if task.Candidate == "b" {
				r.Trial.State, r.Trial.Class, r.Trial.Reason = bakeoff.TrialFailed, bakeoff.FailedExit, "exit 1: no\nsuch file"
			}
			return r, ok
		}
		var text strings.Builder
		d, stop := start(t, dispatch.Config{Log: slog.New(slog.NewTextHandler(&text, nil))}, m)
		m.submit(t, d, "p-1", dispatch.Start{})
		synctest.Wait()
		stop() // nobody writes any more
		for _, line := range []string{
			"level=INFO msg=\"trial built\" component=dispatch run=p-1 candidate=a seconds=1.5",
			"level=WARN msg=\"trial failed\" component=dispatch run=p-1 candidate=b class=\"exit code\" reason=\"exit 1: no such file\"",
		} {
			if strings.Count(text.String(), line) != 1 {
				t.Errorf("%s is not there once in\n%s", line, text.String())
			}
		}
	})
}

func TestADeadlineEndsTheTrialsToTheSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.do = onlySnapshots
		d, stop := start(t, dispatch.Config{}, m)
		defer stop()
		m.submit(t, d, "p-2", dispatch.Start{Deadline: time.Now().Add(3 * time.Hour)})
		m.submit(t, d, "p-1", dispatch.Start{Deadline: time.Now().Add(2 * time.Hour)})
		time.Sleep(2*time.Hour - time.Second)
		if r := m.run("p-1"); r.Phase != bakeoff.PhaseBuild {
			t.Errorf("before its deadline the run is in %s", r.Phase)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if r := m.run("p-1"); r.Phase != bakeoff.PhaseEvaluate || !r.Late {
			t.Errorf("at its deadline the run is in %s, late %v", r.Phase, r.Late)
		}
		if r := m.run("p-2"); r.Phase != bakeoff.PhaseBuild {
			t.Errorf("the other run is in %s", r.Phase)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if r := m.run("p-2"); !r.Late {
			t.Error("the other run's deadline was missed")
		}
	})
}

// TestADeadlineThatPassedWhileNobodyLookedIsHeededAtStart: so is one of a run that was left open.
func TestADeadlineThatPassedWhileNobodyLookedIsHeededAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		r := dispatch.NewRun("p-1", nightly(), dispatch.Start{Deadline: time.Now().Add(-time.Minute)}, time.Now().Add(-time.Hour))
		m.runs["p-1"], m.revision["p-1"] = frozen(r), 1
		_, stop := start(t, dispatch.Config{}, m)
		defer stop()
		synctest.Wait()
		if r := m.run("p-1"); r.Phase != bakeoff.PhaseEvaluate || !r.Late {
			t.Errorf("the run is in %s, late %v", r.Phase, r.Late)
		}
	})
}

func TestAQueueThatNobodyServesIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.do = onlySnapshots
		var mu sync.Mutex
		served := map[string]bool{bakeoff.QueueDefault: true}
		d, stop := start(t, dispatch.Config{Served: func(q string) bool {
			mu.Lock()
			defer mu.Unlock()
			return served[q]
		}}, m)
		defer stop()
		m.submit(t, d, "p-1", dispatch.Start{})
		time.Sleep(9 * time.Second)
		if said := m.said(bakeoff.EventWaiting); len(said) != 0 {
			t.Errorf("after 9 s it is said %q", said)
		}
		time.Sleep(3 * time.Hour)
		want := []string{"b no worker serves the queue gpu; start one with `bakeoff worker --join URL --queue gpu`"}
		if diff := cmp.Diff(want, m.said(bakeoff.EventWaiting)); diff != "" {
			t.Error(diff)
		}
		mu.Lock()
		served["gpu"] = true
		mu.Unlock()
		m.submit(t, d, "p-2", dispatch.Start{})
		time.Sleep(time.Hour)
		if diff := cmp.Diff(want, m.said(bakeoff.EventWaiting)); diff != "" {
			t.Errorf("of a queue that is served:\n%s", diff)
		}
	})
}

// TestEndedRunsCostNothing has a dispatcher wait for ten hours beside ten thousand ended runs.
func TestEndedRunsCostNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		for i := range 10_000 {
			id := fmt.Sprintf("p-%d", i)
			m.runs[id] = bakeoff.Run{ID: id, Pipeline: "p", Phase: bakeoff.PhaseEnded}
		}
		_, stop := start(t, dispatch.Config{}, m)
		defer stop()
		time.Sleep(10*time.Hour + time.Minute)
		synctest.Wait()
		if n := m.count("OpenRuns"); n != 11 {
			t.Errorf("the store was read %d times in 10 hours, want 11", n)
		}
		if n := m.count("Run") + m.count("Results") + m.count("UpdateRun"); n != 0 {
			t.Errorf("%d looks at ended runs", n)
		}
	})
}

func TestAThousandRunsAtOnceAreAllDriven(t *testing.T) {
	m := newMemory()
	m.do = quick
	var over int
	all := make(chan struct{})
	const runs = 1000
	d, stop := start(t, dispatch.Config{Ended: func(r bakeoff.Run) {
		if r.Verdict != bakeoff.Promoted {
			t.Errorf("run %s: %s", r.ID, r.Reason)
		}
		if over++; over == runs {
			close(all)
		}
	}}, m)
	defer stop()
	for i := range runs {
		m.submit(t, d, fmt.Sprintf("p%d-1", i), dispatch.Start{})
	}
	<-all
	if n := m.count("Commit"); n != runs {
		t.Errorf("%d commits of %d runs", n, runs)
	}
	if n := runtime.NumGoroutine(); n > 50 {
		t.Errorf("%d goroutines", n)
	}
	if open := d.Open(""); len(open) != 0 {
		t.Errorf("%d runs are open", len(open))
	}
}

// stuck is a registry that carries out nothing until it is let go.
type stuck struct {
	*memory
	let chan struct{}
	at  chan string
}

func (s stuck) Commit(ctx context.Context, r bakeoff.Run) (bakeoff.Report, error) {
	s.at <- r.Pipeline
	select {
	case <-s.let:
		return s.memory.Commit(ctx, r)
	case <-ctx.Done():
		return bakeoff.Report{}, errors.New("stopped")
	}
}

// TestDecisionsAreCarriedOutSideBySide: one a pipeline at a time, and no more than two in all.
func TestDecisionsAreCarriedOutSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.do = quick
		s := stuck{memory: m, let: make(chan struct{}), at: make(chan string, 10)}
		d := dispatch.New(dispatch.Config{Store: m, Registry: s, Log: storetest.Log(t)})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		for _, id := range []string{"a-1", "a-2", "b-1", "c-1"} {
			r := dispatch.NewRun(id, nightly(), dispatch.Start{}, time.Now())
			r.Pipeline, _, _ = strings.Cut(id, "-")
			m.mu.Lock()
			m.runs[id], m.revision[id] = r, 1
			m.mu.Unlock()
			if err := d.Submit(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if len(s.at) != 2 || <-s.at != "a" || <-s.at != "b" {
			t.Errorf("at work on others than a and b, or on %d more", len(s.at))
		}
		s.let <- struct{}{}
		synctest.Wait()
		if len(s.at) != 1 {
			t.Errorf("%d more begun after one has ended, want 1", len(s.at))
		}
		close(s.let)
		synctest.Wait()
		if open := d.Open(""); len(open) != 0 {
			t.Errorf("open: %v", open)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
