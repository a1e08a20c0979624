package worker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/store/storetest"
	"github.com/bakeoffhq/bakeoff/internal/worker"
)

// openSearch returns a store with a run that searches with some settings, each handed out.
func openSearch(t *testing.T, settings int) fixture {
	t.Helper()
	s, _ := storetest.Open(t)
	searching := &bakeoff.Searching{Method: bakeoff.SearchRandom, Rung: 1, Rungs: 1, Settings: make([]bakeoff.Setting, settings)}
	for i := range searching.Settings {
		searching.Settings[i] = bakeoff.Setting{State: bakeoff.SettingQueued, Rung: 1}
	}
	run := bakeoff.Run{
		ID: "churn-a", Pipeline: "churn", Phase: bakeoff.PhaseBuild,
		Recipes: []bakeoff.Candidate{{Name: "a", Retry: bakeoff.Retry{Attempts: 2, Backoff: time.Millisecond}}},
		Trials:  []bakeoff.Trial{{Candidate: "a", State: bakeoff.TrialSearching, Search: searching}},
	}
	if err := s.CreateRun(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	for i := range settings {
		task := bakeoff.Task{Run: run.ID, Kind: bakeoff.TaskSearch, Candidate: "a", Setting: i + 1, Rung: 1, Queue: bakeoff.QueueDefault}
		if err := s.PublishTask(t.Context(), task); err != nil {
			t.Fatal(err)
		}
	}
	q, err := s.Queue(t.Context(), bakeoff.QueueDefault)
	if err != nil {
		t.Fatal(err)
	}
	return fixture{t, s, q}
}

// TestSettingsAreTasksLikeOthers has one setting scored at once, one at the second attempt, one never,
// and one kill its workers.
func TestSettingsAreTasksLikeOthers(t *testing.T) {
	t.Parallel()
	f := openSearch(t, 4)
	killer := bakeoff.Task{Run: "churn-a", Kind: bakeoff.TaskSearch, Candidate: "a", Setting: 4, Rung: 1, Queue: bakeoff.QueueDefault}
	for range 3 {
		if _, _, err := f.store.BeginAttempt(t.Context(), killer, "w0", fixedTime); err != nil {
			t.Fatal(err)
		}
	}
	w := worker.New(worker.Config{
		Name: "w1", Slots: 2, Handlers: map[bakeoff.TaskKind]worker.Handler{bakeoff.TaskSearch: score},
		Take: func(ctx context.Context) (bakeoff.Task, worker.Lease, error) {
			l, err := f.queue.Lease(ctx)
			if err != nil {
				return bakeoff.Task{}, nil, err
			}
			return l.Task, l, nil
		},
	}, f.store, storetest.Log(t))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	got := map[int]bakeoff.SettingScore{}
	err := f.store.WatchResults(ctx, func() { go func() { done <- w.Run(ctx) }() }, func(r bakeoff.Result) error {
		if got[r.Task.Setting] = *r.Setting; len(got) == 4 {
			cancel()
		}
		return nil
	})
	cancel()
	if err := errors.Join(err, <-done); err != nil {
		t.Error(err)
	}
	want := map[int]bakeoff.SettingScore{
		1: {Mean: 0.5, Attempt: 1, Worker: "w1"},
		2: {Mean: 0.5, Attempt: 2, Worker: "w1"},
		3: {Class: bakeoff.FailedExit, Reason: "exit code: boom", Attempt: 2, Worker: "w1"},
		4: {Class: bakeoff.FailedWorkerLost, Reason: "worker lost: the process that worked on it ended 3 times", Attempt: 4, Worker: "w1"},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func score(_ context.Context, a bakeoff.Attempt) (bakeoff.Result, error) {
	if a.Task.Setting == 3 || a.Task.Setting == 2 && a.Number == 1 {
		return bakeoff.Result{Setting: &bakeoff.SettingScore{Class: bakeoff.FailedExit, Reason: "exit code: boom"}}, nil
	}
	return bakeoff.Result{Setting: &bakeoff.SettingScore{Mean: 0.5}}, nil
}
