package worker_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/store"
	"github.com/bakeoffhq/bakeoff/internal/store/storetest"
	"github.com/bakeoffhq/bakeoff/internal/worker"
)

func TestMain(m *testing.M) {
	// The embedded server keeps this one for the whole process.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server/ats.init.func1"))
}

type fixture struct {
	t     *testing.T
	store *store.Store
	queue *store.Queue
}

// open returns a store with a run of the given phase, which has one build task a candidate.
func open(t *testing.T, phase bakeoff.Phase, candidates ...string) fixture {
	t.Helper()
	s, _ := storetest.Open(t)
	run := bakeoff.Run{ID: "churn-a", Pipeline: "churn", Phase: phase}
	for _, c := range candidates {
		run.Recipes = append(run.Recipes, bakeoff.Candidate{Name: c, Retry: bakeoff.Retry{Attempts: 3, Backoff: 20 * time.Millisecond}})
		run.Trials = append(run.Trials, bakeoff.Trial{Candidate: c, State: bakeoff.TrialQueued})
	}
	if err := s.CreateRun(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	for _, c := range candidates {
		if err := s.PublishTask(t.Context(), build(c)); err != nil {
			t.Fatal(err)
		}
	}
	q, err := s.Queue(t.Context(), bakeoff.QueueDefault)
	if err != nil {
		t.Fatal(err)
	}
	return fixture{t, s, q}
}

func build(candidate string) bakeoff.Task {
	return bakeoff.Task{Run: "churn-a", Kind: bakeoff.TaskBuild, Candidate: candidate, Queue: bakeoff.QueueDefault}
}

// start runs a worker until the function that it returns is called.
func (f fixture) start(slots int, h worker.Handler) (stop func()) {
	w := worker.New(worker.Config{
		Name: "w1", Slots: slots, Handlers: map[bakeoff.TaskKind]worker.Handler{bakeoff.TaskBuild: h},
		Take: func(ctx context.Context) (bakeoff.Task, worker.Lease, error) {
			l, err := f.queue.Lease(ctx)
			if err != nil {
				return bakeoff.Task{}, nil, err
			}
			return l.Task, l, nil
		},
	}, f.store, storetest.Log(f.t))
	ctx, cancel := context.WithCancel(f.t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			f.t.Error(err)
		}
	}
}

// results waits until n results are recorded.
func (f fixture) results(n int) map[string]bakeoff.Result {
	f.t.Helper()
	enough := errors.New("enough")
	recorded := make(chan struct{}, 1)
	recorded <- struct{}{} // look once for what was there before
	ctx, cancel := context.WithCancelCause(f.t.Context())
	ready := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		err := f.store.WatchResults(ctx, func() { close(ready) }, func(bakeoff.Result) error {
			select {
			case recorded <- struct{}{}:
			default: // a look is due already
			}
			return nil
		})
		cancel(err)
	})
	defer watching.Wait()
	defer cancel(enough)
	<-ready
	got := map[string]bakeoff.Result{}
	for len(got) < n {
		select {
		case <-recorded:
		case <-ctx.Done():
			f.t.Fatal(context.Cause(ctx))
		}
		rs, err := f.store.Results(ctx, "churn-a")
		if err != nil {
			f.t.Fatal(err)
		}
		for _, r := range rs {
			got[r.Task.Candidate] = r
		}
	}
	return got
}

func built(a bakeoff.Attempt) bakeoff.Result {
	return bakeoff.Result{Trial: &bakeoff.Trial{Candidate: a.Task.Candidate, State: bakeoff.TrialBuilt, Attempt: a.Number}}
}

// fixedTime is when attempts of the past began.
var fixedTime = time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)

func TestSlotsWorkInParallelAndEachTaskOnce(t *testing.T) {
	t.Parallel()
	f := open(t, bakeoff.PhaseBuild, "a", "b", "c")
	var together sync.WaitGroup
	together.Add(3)
	var starts atomic.Int32
	stop := f.start(3, func(_ context.Context, a bakeoff.Attempt) (bakeoff.Result, error) {
		starts.Add(1)
		together.Done()
		together.Wait() // returns only if all three are worked on at once
		return built(a), nil
	})
	got := f.results(3)
	stop()
	if len(got) != 3 || starts.Load() != 3 {
		t.Errorf("%d results of %d starts, want 3 of 3", len(got), starts.Load())
	}
}

func TestAFaultOfOursIsTriedAgainAndThenSaid(t *testing.T) {
	t.Parallel()
	f := open(t, bakeoff.PhaseBuild, "a")
	var starts atomic.Int32
	stop := f.start(1, func(context.Context, bakeoff.Attempt) (bakeoff.Result, error) {
		starts.Add(1)
		return bakeoff.Result{}, errors.New("the scratch folder is gone")
	})
	got := f.results(1)["a"]
	stop()
	if starts.Load() != 3 {
		t.Errorf("%d attempts, want 3", starts.Load())
	}
	if got.Trial == nil || got.Trial.Class != bakeoff.FailedInternal || !strings.Contains(got.Trial.Reason, "scratch folder") {
		t.Errorf("result %+v", got)
	}
}

func TestStoppingGivesTheTaskBack(t *testing.T) {
	t.Parallel()
	f := open(t, bakeoff.PhaseBuild, "a")
	begun := make(chan struct{})
	stop := f.start(1, func(ctx context.Context, _ bakeoff.Attempt) (bakeoff.Result, error) {
		close(begun)
		<-ctx.Done()
		return bakeoff.Result{}, ctx.Err()
	})
	<-begun
	stop()
	stop = f.start(1, func(_ context.Context, a bakeoff.Attempt) (bakeoff.Result, error) { return built(a), nil })
	got := f.results(1)["a"]
	stop()
	if got.Attempt != 1 || got.Trial.State != bakeoff.TrialBuilt {
		t.Errorf("result %+v; the attempt that was stopped in good order should not count", got)
	}
}

// stopped is what a build leaves that was stopped: a trial with its log.
var stopped = bakeoff.Result{Trial: &bakeoff.Trial{Log: bakeoff.DigestOf([]byte("epoch 1\n"))}}

func TestCancellingARunStopsItsBuildAndKeepsItsLog(t *testing.T) {
	t.Parallel()
	f := open(t, bakeoff.PhaseBuild, "a")
	begun, ended := make(chan struct{}), make(chan error, 1)
	stop := f.start(1, func(ctx context.Context, _ bakeoff.Attempt) (bakeoff.Result, error) {
		close(begun)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return stopped, ctx.Err()
	})
	<-begun
	run, revision, err := f.store.Run(t.Context(), "churn-a")
	if err != nil {
		t.Fatal(err)
	}
	run.Phase = bakeoff.PhasePromote
	if _, err := f.store.UpdateRun(t.Context(), run, revision); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "cancelled") {
		t.Errorf("the build ended with %v", err)
	}
	stop()
	if a, _, err := f.store.Attempt(t.Context(), build("a")); err != nil || a.Log != stopped.Trial.Log {
		t.Errorf("attempt %+v, %v", a, err)
	}
}

func TestABuildThatIsGivenBackKeepsItsLog(t *testing.T) {
	t.Parallel()
	f := open(t, bakeoff.PhaseBuild, "a")
	begun := make(chan struct{})
	stop := f.start(1, func(ctx context.Context, _ bakeoff.Attempt) (bakeoff.Result, error) {
		close(begun)
		<-ctx.Done()
		return stopped, ctx.Err()
	})
	<-begun
	stop()
	if a, _, err := f.store.Attempt(t.Context(), build("a")); err != nil || a.Log != stopped.Trial.Log || a.Number != 0 {
		t.Errorf("attempt %+v, %v", a, err)
	}
}

func TestATaskThatKillsItsWorkersIsGivenUp(t *testing.T) {
	t.Parallel()
	f := open(t, bakeoff.PhaseBuild, "a")
	for range 3 { // as three processes that ended in the middle of it have left it
		if _, _, err := f.store.BeginAttempt(t.Context(), build("a"), "dead", fixedTime); err != nil {
			t.Fatal(err)
		}
	}
	stop := f.start(1, func(context.Context, bakeoff.Attempt) (bakeoff.Result, error) {
		t.Error("it was started a fourth time")
		return bakeoff.Result{}, nil
	})
	got := f.results(1)["a"]
	stop()
	if got.Trial == nil || got.Trial.Class != bakeoff.FailedWorkerLost {
		t.Errorf("result %+v", got)
	}
}

func TestTheTaskOfACancelledRunIsDropped(t *testing.T) {
	t.Parallel()
	f := open(t, bakeoff.PhaseEnded, "a")
	if err := f.store.CreateRun(t.Context(), bakeoff.Run{
		ID: "churn-b", Pipeline: "churn", Phase: bakeoff.PhaseBuild, Trials: []bakeoff.Trial{{Candidate: "b", State: bakeoff.TrialQueued}},
	}); err != nil {
		t.Fatal(err)
	}
	other := build("b")
	other.Run = "churn-b"
	if err := f.store.PublishTask(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	worked := make(chan bakeoff.Task, 2)
	stop := f.start(1, func(_ context.Context, a bakeoff.Attempt) (bakeoff.Result, error) {
		worked <- a.Task
		return built(a), nil
	})
	if first := <-worked; first != other {
		t.Errorf("worked on %+v of a run that has ended", first)
	}
	stop()
}
