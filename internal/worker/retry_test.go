package worker_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/store/storetest"
	"github.com/bakeoffhq/bakeoff/internal/worker"
)

func failed(a bakeoff.Attempt, class bakeoff.FailureClass) bakeoff.Result {
	return bakeoff.Result{Trial: &bakeoff.Trial{
		Candidate: a.Task.Candidate, State: bakeoff.TrialFailed, Class: class, Reason: string(class) + ": boom", Attempt: a.Number,
		Log: bakeoff.DigestOf([]byte{byte(a.Number)}),
	}}
}

// retries returns what was said about the next attempts at a run's tasks.
func (f fixture) retries(n int) []string {
	f.t.Helper()
	var said []string
	ctx, cancel := context.WithCancel(f.t.Context())
	defer cancel()
	err := f.store.WatchEvents(ctx, "churn-a", 0, nil, func(_ uint64, e bakeoff.Event) error {
		if e.Kind == bakeoff.EventRetry {
			said = append(said, e.Message)
		}
		if len(said) == n {
			cancel()
		}
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return said
}

func TestATrainersOwnFailureIsTriedAgain(t *testing.T) {
	t.Parallel()
	f := open(t, bakeoff.PhaseBuild, "a")
	attempts := make(chan bakeoff.Attempt, 4)
	stop := f.start(1, func(_ context.Context, a bakeoff.Attempt) (bakeoff.Result, error) {
		attempts <- a
		if a.Number < 3 {
			return failed(a, bakeoff.FailedExit), nil
		}
		return built(a), nil
	})
	got := f.results(1)["a"]
	stop()
	if got.Attempt != 3 || got.Trial.State != bakeoff.TrialBuilt || got.Trial.Worker != "w1" {
		t.Errorf("result %+v", got.Trial)
	}
	close(attempts)
	n := 0
	for a := range attempts {
		if a.Number != n+1 || a.Failures != n || n > 0 && a.Log != bakeoff.DigestOf([]byte{byte(n)}) {
			t.Errorf("attempt %d is %+v", n+1, a)
		}
		n++
	}
	said := f.retries(2)
	for i, want := range []string{"attempt 2/3 in 20ms: exit code: boom", "attempt 3/3 in 40ms: exit code: boom"} {
		if said[i] != want {
			t.Errorf("it was said %q, want %q", said[i], want)
		}
	}
}

func TestTheLastFailureStands(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		class    bakeoff.FailureClass
		attempts int
	}{
		{bakeoff.FailedExit, 3},
		{bakeoff.FailedSignal, 3},
		{bakeoff.FailedMemory, 3},
		{bakeoff.FailedEmptyArtifact, 3},
		{bakeoff.FailedArtifact, 3},
		{bakeoff.FailedTimeLimit, 1},
		{bakeoff.FailedStart, 1},
	} {
		t.Run(string(c.class), func(t *testing.T) {
			f := open(t, bakeoff.PhaseBuild, "a")
			var starts atomic.Int32
			stop := f.start(1, func(_ context.Context, a bakeoff.Attempt) (bakeoff.Result, error) {
				starts.Add(1)
				return failed(a, c.class), nil
			})
			got := f.results(1)["a"]
			stop()
			if got.Attempt != c.attempts || int(starts.Load()) != c.attempts || got.Trial.Class != c.class {
				t.Errorf("after %d starts: %+v; want %d", starts.Load(), got.Trial, c.attempts)
			}
		})
	}
}

// TestLostWorkersAndFailuresAreCountedApart has a task lose its worker twice and its trainer fail
// twice, neither of which is enough to give it up.
func TestLostWorkersAndFailuresAreCountedApart(t *testing.T) {
	t.Parallel()
	f := open(t, bakeoff.PhaseBuild, "a")
	for range 2 {
		if _, _, err := f.store.BeginAttempt(t.Context(), build("a"), "dead", fixedTime); err != nil {
			t.Fatal(err)
		}
	}
	stop := f.start(1, func(_ context.Context, a bakeoff.Attempt) (bakeoff.Result, error) {
		if a.Number < 5 {
			return failed(a, bakeoff.FailedExit), nil
		}
		return built(a), nil
	})
	got := f.results(1)["a"]
	stop()
	if got.Attempt != 5 || got.Trial.State != bakeoff.TrialBuilt {
		t.Errorf("result %+v", got.Trial)
	}
	if said := f.retries(1)[0]; said != "attempt 3 now: worker lost: dead has not been heard of" {
		t.Errorf("it was said %q", said)
	}
}

// TestATaskThatWaitsHoldsNoSlot has the one slot work on another task during a pause.
func TestATaskThatWaitsHoldsNoSlot(t *testing.T) {
	t.Parallel()
	f := open(t, bakeoff.PhaseBuild, "a", "b")
	var order []string
	stop := f.start(1, func(_ context.Context, a bakeoff.Attempt) (bakeoff.Result, error) {
		order = append(order, a.Task.Candidate)
		if a.Task.Candidate == "a" && a.Number == 1 {
			return failed(a, bakeoff.FailedExit), nil
		}
		return built(a), nil
	})
	f.results(2)
	stop()
	if diff := cmp.Diff([]string{"a", "b", "a"}, order); diff != "" {
		t.Error(diff)
	}
}

func TestTheDeadlineOfARunStopsItsBuild(t *testing.T) {
	t.Parallel()
	f := open(t, bakeoff.PhaseBuild, "a", "b")
	begun, ended := make(chan struct{}, 2), make(chan string, 2)
	stop := f.start(2, func(ctx context.Context, a bakeoff.Attempt) (bakeoff.Result, error) {
		begun <- struct{}{}
		<-ctx.Done()
		ended <- a.Task.Candidate
		return bakeoff.Result{}, ctx.Err()
	})
	defer stop()
	<-begun
	<-begun
	run, revision, err := f.store.Run(t.Context(), "churn-a")
	if err != nil {
		t.Fatal(err)
	}
	run.Trials[1].State = bakeoff.TrialFailed // and the run is still in PhaseBuild
	if _, err := f.store.UpdateRun(t.Context(), run, revision); err != nil {
		t.Fatal(err)
	}
	if got := <-ended; got != "b" {
		t.Errorf("the build of %s ended", got)
	}
}

// deaf is a lease whose server does not answer: extending it hangs.
type deaf struct{}

// fakeStore is a store with one task, for a test of hours without a server.
type fakeStore struct{ run bakeoff.Run }

func (f fakeStore) Run(context.Context, string) (bakeoff.Run, uint64, error) { return f.run, 1, nil }

func (fakeStore) BeginAttempt(_ context.Context, t bakeoff.Task, worker string, now time.Time) (bakeoff.Attempt, uint64, error) {
	return bakeoff.Attempt{Task: t, Number: 1, Worker: worker, Started: now}, 1, nil
}
func (fakeStore) EndAttempt(context.Context, bakeoff.Result, uint64) error       { return nil }
func (fakeStore) ReturnAttempt(context.Context, bakeoff.Attempt, uint64) error   { return nil }
func (fakeStore) PostponeAttempt(context.Context, bakeoff.Attempt, uint64) error { return nil }
func (fakeStore) HasResult(context.Context, bakeoff.Task) (bool, error)          { return false, nil }
func (fakeStore) PublishEvent(context.Context, bakeoff.Event) error              { return nil }
func (deaf) Extend() error                                                       { time.Sleep(time.Minute); return nil }
func (deaf) Done(context.Context) error                                          { return nil }
func (deaf) Release(time.Duration) error                                         { return nil }

// TestAWorkerWhoseLeaseCannotBeExtendedStopsInTime: another may begin after 15 s of silence.
func TestAWorkerWhoseLeaseCannotBeExtendedStopsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		run := bakeoff.Run{ID: "churn-a", Phase: bakeoff.PhaseBuild, Trials: []bakeoff.Trial{{Candidate: "a", State: bakeoff.TrialQueued}}}
		ctx, cancel := context.WithCancel(t.Context())
		taken := false
		var stopped time.Duration
		w := worker.New(worker.Config{
			Name: "w1", Slots: 1,
			Take: func(ctx context.Context) (bakeoff.Task, worker.Lease, error) {
				if taken {
					cancel()
					return bakeoff.Task{}, nil, ctx.Err()
				}
				taken = true
				return build("a"), deaf{}, nil
			},
			Handlers: map[bakeoff.TaskKind]worker.Handler{bakeoff.TaskBuild: func(ctx context.Context, _ bakeoff.Attempt) (bakeoff.Result, error) {
				began := time.Now()
				<-ctx.Done()
				stopped = time.Since(began)
				return bakeoff.Result{}, context.Cause(ctx)
			}},
		}, fakeStore{run}, storetest.Log(t))
		if err := w.Run(ctx); err != nil {
			t.Error(err)
		}
		if stopped != 12*time.Second {
			t.Errorf("the work was stopped after %s", stopped)
		}
	})
}
