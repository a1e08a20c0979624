package store_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/store/storetest"
)

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantCode(t *testing.T, what string, err error, code bakeoff.Code) {
	t.Helper()
	if bakeoff.CodeOf(err) != code {
		t.Errorf("%s: error %v, want code %q", what, err, code)
	}
}

func TestDecisionIsAllOrNothing(t *testing.T) {
	s, _ := storetest.Open(t)
	ctx := t.Context()
	model, revision, err := s.Model(ctx, "churn")
	if err != nil || revision != 0 || model.Champion() != 0 {
		t.Fatalf("a new model: %+v at %d, %v", model, revision, err)
	}
	model.Latest = 1
	model.Aliases = map[string]bakeoff.Alias{bakeoff.AliasChampion: {Model: "churn", Name: bakeoff.AliasChampion, Version: 1}}
	first := bakeoff.Change{
		Model: model, Revision: revision,
		Version: &bakeoff.Version{Model: "churn", Version: 1, Candidate: "forest"},
		Verdict: &bakeoff.Report{Run: "churn-a", Pipeline: "churn", Verdict: bakeoff.Promoted},
		Outbox:  &bakeoff.Notification{ID: "churn-a", Pipeline: "churn"},
	}
	if err := s.Commit(ctx, first); err != nil {
		t.Fatal(err)
	}

	stale := first // read before the first commit, written after it
	stale.Version = &bakeoff.Version{Model: "churn", Version: 2, Candidate: "boosting"}
	stale.Verdict = &bakeoff.Report{Run: "churn-b", Pipeline: "churn", Verdict: bakeoff.Promoted}
	stale.Outbox = &bakeoff.Notification{ID: "churn-b", Pipeline: "churn"}
	wantCode(t, "a decision on a model that changed", s.Commit(ctx, stale), bakeoff.CodeConflict)

	_, err = s.Version(ctx, "churn", 2)
	wantCode(t, "the version of a refused decision", err, bakeoff.CodeNotFound)
	_, err = s.Verdict(ctx, "churn", "churn-b")
	wantCode(t, "the verdict of a refused decision", err, bakeoff.CodeNotFound)
	if owed := must(s.Outbox(ctx))(t); len(owed) != 1 || owed[0].ID != "churn-a" {
		t.Errorf("owed after a refused decision: %+v", owed)
	}

	model, revision, err = s.Model(ctx, "churn")
	if err != nil || model.Champion() != 1 {
		t.Fatalf("champion %d, %v", model.Champion(), err)
	}
	repeated := bakeoff.Change{Model: model, Revision: revision, Verdict: first.Verdict}
	wantCode(t, "a second verdict of one run", s.Commit(ctx, repeated), bakeoff.CodeConflict)

	if err := s.Settle(ctx, "churn-a"); err != nil {
		t.Fatal(err)
	}
	if owed := must(s.Outbox(ctx))(t); len(owed) != 0 {
		t.Errorf("owed after settling: %+v", owed)
	}
}

func TestATaskIsHandedOutOnceAndCountsOnce(t *testing.T) {
	s, _ := storetest.Open(t)
	ctx := t.Context()
	task := bakeoff.Task{Run: "churn-a", Kind: bakeoff.TaskBuild, Candidate: "forest", Queue: bakeoff.QueueDefault}
	for range 3 { // a reconciler repeats itself
		if err := s.PublishTask(ctx, task); err != nil {
			t.Fatal(err)
		}
	}
	q := must(s.Queue(ctx, bakeoff.QueueDefault))(t)
	lease := must(q.Lease(ctx))(t)
	if diff := cmp.Diff(task, lease.Task); diff != "" {
		t.Fatal(diff)
	}
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	if l, err := q.Lease(short); err == nil {
		t.Fatalf("the task was handed out twice: %+v", l.Task)
	}

	first, token, err := s.BeginAttempt(ctx, task, "w1", time.Now())
	if err != nil || first.Number != 1 {
		t.Fatalf("first attempt %+v, %v", first, err)
	}
	second, token2, err := s.BeginAttempt(ctx, task, "w2", time.Now())
	if err != nil || second.Number != 2 {
		t.Fatalf("second attempt %+v, %v", second, err)
	}
	result := bakeoff.Result{Task: task, Attempt: 1, Trial: &bakeoff.Trial{Candidate: "forest", State: bakeoff.TrialBuilt}}
	wantCode(t, "the result of a lost lease", s.EndAttempt(ctx, result, token), bakeoff.CodeConflict)
	result.Attempt = 2
	if err := s.EndAttempt(ctx, result, token2); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "a second result", s.EndAttempt(ctx, result, token2), bakeoff.CodeConflict)
	if !must(s.HasResult(ctx, task))(t) {
		t.Error("the result is not there")
	}
	if got := must(s.Results(ctx, "churn-a"))(t); len(got) != 1 || got[0].Attempt != 2 {
		t.Errorf("results %+v", got)
	}
	if err := lease.Done(ctx); err != nil {
		t.Fatal(err)
	}
}

// A process that holds the whole store knows that whoever held a task is gone.
func TestTakingOverHandsOutWhatADeadWorkerHeld(t *testing.T) {
	s, _ := storetest.Open(t)
	ctx := t.Context()
	task := bakeoff.Task{Run: "churn-a", Kind: bakeoff.TaskSnapshot, Queue: bakeoff.QueueJudge}
	if err := s.PublishTask(ctx, task); err != nil {
		t.Fatal(err)
	}
	done := task
	done.Candidate = "done"
	if err := s.PublishTask(ctx, done); err != nil {
		t.Fatal(err)
	}
	q := must(s.Queue(ctx, bakeoff.QueueJudge))(t)
	must(q.Lease(ctx))(t) // held by a worker that is gone
	if err := must(q.Lease(ctx))(t).Done(ctx); err != nil {
		t.Fatal(err)
	}
	q = must(s.Queue(ctx, bakeoff.QueueJudge))(t)
	if err := q.TakeOver(ctx); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, ackWaitBound)
	defer cancel()
	again, err := q.Lease(short)
	if err != nil || again.Task != task {
		t.Fatalf("got %+v, %v", again, err)
	}
	if err := again.Done(ctx); err != nil {
		t.Fatal(err)
	}
	none, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	if l, err := q.Lease(none); err == nil {
		t.Errorf("a task that was done was handed out again: %+v", l.Task)
	}
}

// ackWaitBound is well below the time after which a lease is taken over by itself.
const ackWaitBound = 5 * time.Second

func TestObjectsAreCheckedByDigest(t *testing.T) {
	s, srv := storetest.Open(t)
	ctx := t.Context()
	content := bytes.Repeat([]byte("a row of some data\n"), 100_000)
	path := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	digest := must(s.PutFile(ctx, path))(t)
	if digest != bakeoff.DigestOf(content) {
		t.Errorf("digest %s", digest)
	}
	if again := must(s.PutBytes(ctx, content))(t); again != digest {
		t.Errorf("the same content has digests %s and %s", digest, again)
	}
	out := filepath.Join(t.TempDir(), "out")
	if err := s.GetFile(ctx, digest, out); err != nil {
		t.Fatal(err)
	}
	if got := must(os.ReadFile(out))(t); !bytes.Equal(got, content) {
		t.Error("another content came back")
	}

	if err := s.Verify(ctx, digest); err != nil {
		t.Error(err)
	}

	js := must(jetstream.New(srv.Conn()))(t)
	objects := must(js.ObjectStore(ctx, "objects"))(t)
	if _, err := objects.PutBytes(ctx, string(digest), []byte("something else")); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(ctx, digest); err == nil {
		t.Error("another content than the digest says was found good")
	}
	damaged := filepath.Join(t.TempDir(), "damaged")
	wantCode(t, "a damaged object", s.GetFile(ctx, digest, damaged), bakeoff.CodeUnavailable)
	if _, err := os.Stat(damaged); !os.IsNotExist(err) {
		t.Error("a damaged object was left on disk")
	}
	_, err := s.GetBytes(ctx, bakeoff.DigestOf([]byte("never stored")))
	wantCode(t, "a missing object", err, bakeoff.CodeNotFound)
}

// A record with ten thousand categories is larger than a message may be.
func TestALargeRecordIsKept(t *testing.T) {
	s, _ := storetest.Open(t)
	ctx := t.Context()
	run := bakeoff.Run{ID: "wide-a", Pipeline: "wide", Phase: bakeoff.PhaseBuild, Reason: strings.Repeat("long ", 1<<19)}
	if err := s.CreateRun(ctx, run); err != nil {
		t.Fatal(err)
	}
	got, revision, err := s.Run(ctx, "wide-a")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(run, got); diff != "" {
		t.Error(diff)
	}
	got.Phase = bakeoff.PhaseEnded
	if _, err := s.UpdateRun(ctx, got, revision); err != nil {
		t.Fatal(err)
	}
	_, err = s.UpdateRun(ctx, got, revision)
	wantCode(t, "an update of what somebody else changed", err, bakeoff.CodeConflict)
	if open := must(s.OpenRuns(ctx))(t); len(open) != 0 {
		t.Errorf("open runs %+v", open)
	}
}

func TestEventsArriveInOrderFromTheFirst(t *testing.T) {
	s, _ := storetest.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	for i, kind := range []bakeoff.EventKind{bakeoff.EventPhase, bakeoff.EventStarted, bakeoff.EventBuilt} {
		if err := s.PublishEvent(ctx, bakeoff.Event{Run: "churn-a", Kind: kind, Progress: float64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	var seen []bakeoff.EventKind
	err := s.WatchEvents(ctx, "churn-a", 0, nil, func(_ uint64, e bakeoff.Event) error {
		if seen = append(seen, e.Kind); len(seen) == 3 {
			cancel()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]bakeoff.EventKind{bakeoff.EventPhase, bakeoff.EventStarted, bakeoff.EventBuilt}, seen); diff != "" {
		t.Error(diff)
	}
}

// Somebody who stops waiting for a task must not be given one: it would be lost until its lease ends.
func TestWhoStopsWaitingSwallowsNoTask(t *testing.T) {
	s, _ := storetest.Open(t)
	q := must(s.Queue(t.Context(), bakeoff.QueueDefault))(t)
	for i := range 50 {
		waiting, stop := context.WithCancel(t.Context())
		var waiters sync.WaitGroup
		for range 3 {
			waiters.Go(func() {
				if l, err := q.Lease(waiting); err == nil {
					t.Errorf("got %+v, which is not there", l.Task)
				}
			})
		}
		if i%2 == 0 { // with the requests on their way, and with them not yet made
			must(s.OpenRuns(t.Context()))(t)
		}
		stop()
		waiters.Wait()
		task := bakeoff.Task{Run: "churn-a", Kind: bakeoff.TaskBuild, Candidate: strconv.Itoa(i), Queue: bakeoff.QueueDefault}
		if err := s.PublishTask(t.Context(), task); err != nil {
			t.Fatal(err)
		}
		soon, cancel := context.WithTimeout(t.Context(), ackWaitBound)
		l, err := q.Lease(soon)
		cancel()
		if err != nil {
			t.Fatalf("round %d: the task went to somebody who no longer waited: %v", i, err)
		}
		if err := l.Done(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAnObjectThatDoesNotComeWhole has a piece of an object go missing, as a record does that is damaged
// on disk: the server says nothing of it. Whoever reads the object hears of it, and does not wait for ever.
func TestAnObjectThatDoesNotComeWhole(t *testing.T) {
	t.Parallel()
	for what, size := range map[string]int{"it does not come whole from the store": 1 << 10, "a piece of it is gone": 1 << 20} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s, _ := storetest.Open(t)
			digest, err := s.PutBytes(t.Context(), bytes.Repeat([]byte("x"), size))
			if err != nil {
				t.Fatal(err)
			}
			stream := must(s.JetStream().Stream(t.Context(), "OBJ_objects"))(t)
			if err := stream.DeleteMsg(t.Context(), 1); err != nil { // its first piece
				t.Fatal(err)
			}
			err = s.Verify(t.Context(), digest)
			wantCode(t, what, err, bakeoff.CodeUnavailable)
			if err != nil && !strings.Contains(err.Error(), what) {
				t.Error(err)
			}
		})
	}
}
