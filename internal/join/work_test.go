package join_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/join"
)

// A worker on another machine builds all candidates of a run; its clock, an hour ahead, is in no
// record.
func TestAJoinedWorkerBuilds(t *testing.T) {
	t.Parallel()
	n := open(t, setup{})
	n.submit(t, "churn-a", "forest", "logistic", "boosting")
	c, dir := n.dial(t, "gpu-1.example.com"), t.TempDir()
	if c.Name() != "gpu-1-example-com" {
		t.Errorf("named %s", c.Name())
	}
	work(t, c, func(ctx context.Context, a bakeoff.Attempt) (bakeoff.Result, error) {
		return trained(ctx, c, dir, a)
	})
	for _, r := range n.results(t, "churn-a", 3) {
		trial := r.Trial
		if trial.State != bakeoff.TrialBuilt || r.Attempt != 1 || trial.Worker != c.Name() {
			t.Errorf("%s: %+v", r.Task.Candidate, trial)
		}
		if off := time.Until(trial.Started); off > 0 {
			t.Errorf("%s began %s from now: by the worker's clock", trial.Candidate, off)
		}
		want := rows + " of churn-asecret of " + trial.Candidate
		if got, err := n.store.GetBytes(t.Context(), trial.Artifact); err != nil || string(got) != want || trial.Bytes != int64(len(want)) {
			t.Errorf("artifact of %s: %q, said to have %d bytes, %v", trial.Candidate, got, trial.Bytes, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var told int
	err := n.store.WatchEvents(ctx, "churn-a", 0, nil, func(_ uint64, e bakeoff.Event) error {
		if e.Time.After(time.Now()) || e.Kind != bakeoff.EventStarted {
			t.Errorf("event %+v", e)
		}
		if told++; told == 3 {
			cancel()
		}
		return nil
	})
	if err != nil || told != 3 {
		t.Errorf("%d events, %v", told, err)
	}
	eventually(t, "the queue is empty and the roster says who worked", func() bool {
		ws := n.roster.Workers()
		return len(ws) == 1 && ws[0].Name == c.Name() && ws[0].Joined && len(ws[0].Work) == 0
	})
}

// What a build prints is seen on the node while the build goes on, whatever bytes it is.
func TestTheNodeHearsWhatABuildPrints(t *testing.T) {
	t.Parallel()
	n := open(t, setup{})
	n.submit(t, "churn-a", "forest")
	c, dir := n.dial(t, "w"), t.TempDir()
	text, seen := strings.Repeat("\x01", bakeoff.MaxLogText), make(chan struct{})
	work(t, c, func(ctx context.Context, a bakeoff.Attempt) (bakeoff.Result, error) {
		e := bakeoff.Event{Run: a.Task.Run, Candidate: a.Task.Candidate, Kind: bakeoff.EventLog, Message: text, Attempt: 7}
		if err := c.PublishEvent(ctx, e); err != nil {
			t.Error(err)
		}
		<-seen
		return trained(ctx, c, dir, a)
	})
	enough := errors.New("enough")
	err := n.store.WatchEvents(t.Context(), "churn-a", 0, nil, func(_ uint64, e bakeoff.Event) error {
		if e.Kind != bakeoff.EventLog || e.Message != text || e.Attempt != 1 || e.Candidate != "forest" {
			t.Errorf("event %s of %s, attempt %d, %d bytes", e.Kind, e.Candidate, e.Attempt, len(e.Message))
		}
		return enough
	})
	close(seen)
	if !errors.Is(err, enough) {
		t.Error(err)
	}
	n.results(t, "churn-a", 1)
}

// A worker is told of its own trials and of nothing else in the run.
func TestARunIsToldWithoutHoldoutAndOtherRecipes(t *testing.T) {
	t.Parallel()
	n := open(t, setup{})
	n.submit(t, "churn-a", "forest", "logistic")
	c := n.dial(t, "w")
	taken, lease, err := c.Take(t.Context(), bakeoff.QueueDefault)
	if err != nil {
		t.Fatal(err)
	}
	run, _, err := c.Run(t.Context(), "churn-a")
	if err != nil {
		t.Fatal(err)
	}
	if len(run.Recipes) != 1 || run.Recipes[0].Name != taken.Candidate || len(run.Trials) != 1 || run.Trials[0].State != bakeoff.TrialQueued {
		t.Errorf("told of %+v and %+v", run.Recipes, run.Trials)
	}
	if s := run.Snapshot; s == nil || s.Holdout != "" || s.Rows.Holdout != 0 || s.Schema.Target != "churn" || s.Split.Seed != 7 {
		t.Errorf("told of the snapshot: %+v", s)
	}
	if err := lease.Release(0); err != nil {
		t.Fatal(err)
	}
	if run, _, err := c.Run(t.Context(), "churn-a"); err != nil || run.Phase != bakeoff.PhaseEnded || run.Recipes != nil {
		t.Errorf("told after the task was given back: %+v, %v", run, err)
	}
}

// The node is restarted while a worker builds: the worker goes on, and its result counts. Nobody
// builds it a second time.
func TestABuildSurvivesARestartOfTheNode(t *testing.T) {
	t.Parallel()
	n := open(t, setup{})
	n.submit(t, "churn-a", "forest")
	c, dir := n.dial(t, "w"), t.TempDir()
	started, goOn := make(chan struct{}), make(chan struct{})
	var starts atomic.Int32
	stop := work(t, c, func(ctx context.Context, a bakeoff.Attempt) (bakeoff.Result, error) {
		if starts.Add(1) == 1 {
			close(started)
		}
		select {
		case <-goOn:
		case <-ctx.Done():
			return bakeoff.Result{}, context.Cause(ctx)
		}
		return trained(ctx, c, dir, a)
	})
	defer stop() // before the node that it works for
	<-started
	dir0, addr := n.dir, n.addr
	n.stop()
	n = open(t, setup{dir: dir0, addr: addr})
	q, err := n.store.Queue(t.Context(), bakeoff.QueueDefault)
	if err != nil {
		t.Fatal(err)
	}
	// Longer than a lease holds without an extension.
	ctx, cancel := context.WithTimeout(t.Context(), 17*time.Second)
	defer cancel()
	if l, err := q.Lease(ctx); err == nil {
		t.Fatalf("%s was handed out again while it is built", l.Task.Candidate)
	}
	close(goOn)
	rs := n.results(t, "churn-a", 1)
	if len(rs) != 1 || rs[0].Attempt != 1 || rs[0].Trial.State != bakeoff.TrialBuilt || starts.Load() != 1 {
		t.Errorf("%d builds, results %+v", starts.Load(), rs)
	}
	if ws := n.roster.Workers(); len(ws) != 1 || ws[0].Name != "w" {
		t.Errorf("the node does not know who works for it: %+v", ws)
	}
}

// The node is restarted after a worker has handed in what it has built and before it says so: its
// result counts, log and all. Then a second trial fails with the same words.
func TestWhatWasHandedInCountsAfterARestartOfTheNode(t *testing.T) {
	t.Parallel()
	n := open(t, setup{})
	n.submit(t, "churn-a", "forest", "logistic")
	c, dir := n.dial(t, "w"), t.TempDir()
	attempt, token := begun(t, c)
	other, otherToken := begun(t, c)
	log, model := handIn(t, c, dir, "it went well"), handIn(t, c, dir, "a model")
	dir0, addr := n.dir, n.addr
	n.stop()
	n = open(t, setup{dir: dir0, addr: addr})
	trial := bakeoff.Trial{Candidate: attempt.Task.Candidate, State: bakeoff.TrialBuilt, Artifact: model, Log: log}
	if err := c.EndAttempt(t.Context(), bakeoff.Result{Task: attempt.Task, Trial: &trial}, token); err != nil {
		t.Fatal(err)
	}
	rs := n.results(t, "churn-a", 1)
	if got := rs[0].Trial; got.Artifact != model || got.Log != log || got.Bytes != int64(len("a model")) {
		t.Errorf("%+v", got)
	}
	other.Failures, other.Log, other.Next = 1, log, time.Now()
	if err := c.PostponeAttempt(t.Context(), other, otherToken); err != nil {
		t.Fatal(err)
	}
	if a, _, err := n.store.Attempt(t.Context(), other.Task); err != nil || a.Log != log {
		t.Errorf("on record is %+v, %v", a, err)
	}
}

// A log that is longer than any attempt's is not taken for one.
func TestALogIsBounded(t *testing.T) {
	t.Parallel()
	n := open(t, setup{})
	n.submit(t, "churn-a", "forest")
	c, dir := n.dial(t, "w"), t.TempDir()
	a, token := begun(t, c)
	end := func(size int) error {
		failed := bakeoff.Trial{Candidate: "forest", State: bakeoff.TrialFailed, Log: handIn(t, c, dir, strings.Repeat("x", size))}
		return c.EndAttempt(t.Context(), bakeoff.Result{Task: a.Task, Trial: &failed}, token)
	}
	if err := end(bakeoff.MaxLog + 1); bakeoff.CodeOf(err) != bakeoff.CodeInvalid || !strings.Contains(err.Error(), "its log has 4194305 bytes, at most 4194304 are kept") {
		t.Errorf("a log that is too long: %v", err)
	}
	if err := end(bakeoff.MaxLog); err != nil {
		t.Errorf("a log that is not: %v", err)
	}
}

// begun takes a task and begins it.
func begun(t *testing.T, c *join.Client) (bakeoff.Attempt, uint64) {
	t.Helper()
	task, _, err := c.Take(t.Context(), bakeoff.QueueDefault)
	if err != nil {
		t.Fatal(err)
	}
	a, token, err := c.BeginAttempt(t.Context(), task, "", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return a, token
}

// handIn hands text in.
func handIn(t *testing.T, c *join.Client, dir, text string) bakeoff.Digest {
	t.Helper()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	digest, err := c.PutFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// A node that goes away and does not come back in time: the worker stops building.
func TestAWorkerThatLosesItsNodeStops(t *testing.T) {
	t.Parallel()
	n := open(t, setup{})
	n.submit(t, "churn-a", "forest")
	c := n.dial(t, "w")
	started, ended := make(chan struct{}), make(chan error, 1)
	stop := work(t, c, func(ctx context.Context, _ bakeoff.Attempt) (bakeoff.Result, error) {
		close(started)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return bakeoff.Result{}, context.Cause(ctx)
	})
	<-started
	n.stop()
	cut := time.Now()
	err := <-ended
	if d := time.Since(cut); d < 5*time.Second || d > 15*time.Second {
		t.Errorf("the build was stopped after %s", d)
	}
	if err == nil || !strings.Contains(err.Error(), bakeoff.ErrLeaseLost.Error()) {
		t.Errorf("stopped for %v", err)
	}
	stop()
}

// A task for a worker that has just died is given to the next at once.
func TestATaskForAWorkerThatIsGoneIsGivenToTheNext(t *testing.T) {
	t.Parallel()
	n := open(t, setup{})
	dead := connect(t, n, "dead")
	const inbox = "_INBOX.anyone.dead.mine"
	if _, err := dead.SubscribeSync(inbox); err != nil {
		t.Fatal(err)
	}
	ask := `{"version":"` + version + `","queue":"default","poll":"1"}` + "\n"
	if err := dead.PublishRequest("bakeoff.join.v1.lease.anyone.dead", inbox, []byte(ask)); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(n.conn)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "its request waits at the queue", func() bool {
		queue, err := js.Consumer(t.Context(), "tasks", bakeoff.QueueDefault)
		return err == nil && queue.CachedInfo().NumWaiting == 1
	})
	dead.Close()
	eventually(t, "the server knows that it is gone", func() bool {
		_, err := n.conn.Request(inbox, nil, 10*time.Millisecond)
		return errors.Is(err, nats.ErrNoResponders)
	})
	n.submit(t, "churn-a", "forest")
	c := n.dial(t, "w")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if got, _, err := c.Take(ctx, bakeoff.QueueDefault); err != nil || got.Candidate != "forest" {
		t.Errorf("the next worker gets %+v, %v", got, err)
	}
}

// Whoever stops waiting keeps no task.
func TestWhoStopsTakingSwallowsNothing(t *testing.T) {
	t.Parallel()
	n := open(t, setup{})
	c := n.dial(t, "w")
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if _, _, err := c.Take(ctx, bakeoff.QueueDefault); err == nil {
			t.Fatal("a task from nowhere")
		}
		cancel()
	}
	n.submit(t, "churn-a", "forest")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, _, err := c.Take(ctx, bakeoff.QueueDefault); err != nil {
		t.Error(err)
	}
}

func TestADrainedWorkerTakesNoMore(t *testing.T) {
	t.Parallel()
	var draining atomic.Bool
	n := open(t, setup{drain: func(string) bool { return draining.Load() }})
	c := n.dial(t, "w")
	draining.Store(true)
	select {
	case <-c.Draining():
	case <-time.After(10 * time.Second):
		t.Fatal("the worker was not told")
	}
	n.submit(t, "churn-a", "forest")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if task, _, err := c.Take(ctx, bakeoff.QueueDefault); err == nil {
		t.Errorf("it took %+v", task)
	}
	eventually(t, "it is shown as draining", func() bool {
		return slices.ContainsFunc(n.roster.Workers(), func(w bakeoff.WorkerInfo) bool { return w.State == bakeoff.WorkerDraining })
	})
}

// An attempt that failed and is tried again keeps its count and what it printed.
func TestAnAttemptIsPutOffAndTakenBack(t *testing.T) {
	t.Parallel()
	n := open(t, setup{})
	run := n.submit(t, "churn-a", "forest")
	c := n.dial(t, "w")
	take := func() (bakeoff.Attempt, uint64, *join.Lease) {
		t.Helper()
		got, lease, err := c.Take(t.Context(), bakeoff.QueueDefault)
		if err != nil {
			t.Fatal(err)
		}
		a, token, err := c.BeginAttempt(t.Context(), got, "ignored", hourAhead())
		if err != nil {
			t.Fatal(err)
		}
		return a, token, lease
	}
	a, token, lease := take()
	if again, same, err := c.BeginAttempt(t.Context(), a.Task, "", time.Time{}); err != nil || same != token || again.Number != 1 {
		t.Errorf("asked twice: %+v, %d, %v", again, same, err)
	}
	if err := c.ReturnAttempt(t.Context(), a, token); err != nil {
		t.Fatal(err)
	}
	if err := lease.Release(0); err != nil {
		t.Fatal(err)
	}
	a, token, lease = take()
	if a.Number != 1 || a.Worker != "w" || !a.Joined || a.Started.After(time.Now()) {
		t.Errorf("after an attempt that was taken back: %+v", a)
	}
	log := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(log, []byte("it failed"), 0o600); err != nil {
		t.Fatal(err)
	}
	digest, err := c.PutFile(t.Context(), log)
	if err != nil {
		t.Fatal(err)
	}
	a.Failures, a.Log, a.Next = 1, digest, time.Now().Add(time.Second)
	if err := c.PostponeAttempt(t.Context(), a, token); err != nil {
		t.Fatal(err)
	}
	if err := lease.Release(time.Second); err != nil {
		t.Fatal(err)
	}
	a, token, lease = take()
	if a.Number != 2 || a.Failures != 1 || a.Log != digest || a.Lost != "" {
		t.Errorf("after an attempt that failed: %+v", a)
	}
	if err := c.GetFile(t.Context(), digest, filepath.Join(t.TempDir(), "earlier")); err != nil {
		t.Errorf("what the earlier attempt printed: %v", err)
	}
	failed := bakeoff.Result{Task: a.Task, Attempt: 2, Trial: &bakeoff.Trial{Candidate: "forest", State: bakeoff.TrialFailed, Class: bakeoff.FailedExit, Reason: "exit code 1", Log: digest}}
	if err := c.EndAttempt(t.Context(), failed, token); err != nil {
		t.Fatal(err)
	}
	if err := lease.Done(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rs := n.results(t, run.ID, 1); rs[0].Trial.Log != digest || rs[0].Attempt != 2 {
		t.Errorf("%+v", rs[0])
	}
}
