package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/natsd"
	"github.com/bakeoffhq/bakeoff/internal/store"
	"github.com/bakeoffhq/bakeoff/internal/store/storetest"
)

// shortWait is how long a lease lasts in these tests, in place of 15 s.
const shortWait = 3 * time.Second

// start opens a store in a folder; stop ends its server.
func start(t *testing.T, dir string) (s *store.Store, nc *nats.Conn, stop func()) {
	t.Helper()
	srv, err := natsd.Start(t.Context(), dir, storetest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	s, err = store.Open(t.Context(), srv.Conn())
	if err != nil {
		t.Fatal(err)
	}
	return s, srv.Conn(), func() {
		t.Helper()
		if err := srv.Stop(); err != nil {
			t.Error(err)
		}
	}
}

// shortQueue opens a queue whose leases last for shortWait.
func shortQueue(t *testing.T, s *store.Store, nc *nats.Conn, name string) *store.Queue {
	t.Helper()
	q := must(s.Queue(t.Context(), name))(t)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := js.Consumer(t.Context(), "tasks", name)
	if err != nil {
		t.Fatal(err)
	}
	config := consumer.CachedInfo().Config
	config.AckWait = shortWait
	if _, err := js.UpdateConsumer(t.Context(), "tasks", config); err != nil {
		t.Fatal(err)
	}
	return q
}

// begun leases the next task and records an attempt at it.
func begun(t *testing.T, s *store.Store, q *store.Queue, joined bool) bakeoff.Attempt {
	t.Helper()
	lease := must(q.Lease(t.Context()))(t)
	a, token, err := s.BeginAttempt(t.Context(), lease.Task, "w", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	a.Joined, a.Lease = joined, lease.ID()
	if _, err := s.HoldAttempt(t.Context(), a, token); err != nil {
		t.Fatal(err)
	}
	return a
}

// next returns the candidate of the next task of the queue, "" if none comes within d.
func next(t *testing.T, q *store.Queue, d time.Duration) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	lease, err := q.Lease(ctx)
	if ctx.Err() != nil && lease == nil {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return lease.Task.Candidate
}

// After a restart of the server, the work of the node's own process is handed out at once; that of
// a joined worker goes on for as long as it extends its lease, and is handed out when it does not.
func TestARestartLeavesJoinedWorkersTheirLeases(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, nc, stop := start(t, dir)
	run := bakeoff.Run{ID: "churn-a", Pipeline: "churn", Phase: bakeoff.PhaseBuild}
	if err := s.CreateRun(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	for _, candidate := range []string{"local", "joined", "taken"} {
		task := bakeoff.Task{Run: run.ID, Kind: bakeoff.TaskBuild, Candidate: candidate, Queue: bakeoff.QueueDefault}
		if err := s.PublishTask(t.Context(), task); err != nil {
			t.Fatal(err)
		}
	}
	q := shortQueue(t, s, nc, bakeoff.QueueDefault)
	begun(t, s, q, false)
	joined := begun(t, s, q, true)
	must(q.Lease(t.Context()))(t) // taken, and its worker killed before it began
	stop()

	s, nc, stop = start(t, dir)
	defer stop()
	q = shortQueue(t, s, nc, bakeoff.QueueDefault)
	if err := q.TakeOverLocal(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := next(t, q, time.Second); got != "local" && got != "taken" {
			t.Errorf("handed out at once: %q, want what local workers had", got)
		}
	}
	lease := must(s.Lease(joined.Task, joined.Lease))(t)
	for until := time.Now().Add(shortWait + time.Second); time.Now().Before(until); {
		if err := lease.Extend(); err != nil {
			t.Fatal(err)
		}
		if got := next(t, q, 500*time.Millisecond); got == "joined" {
			t.Fatal("a task whose lease was extended was handed out again")
		}
	}
	silent := time.Now()
	for {
		got := next(t, q, 2*shortWait)
		if got == "joined" {
			break
		}
		if got == "" {
			t.Fatal("a task whose lease ended was not handed out again")
		}
	}
	if d := time.Since(silent); d < shortWait-time.Second {
		t.Errorf("the task was handed out %s after the last extension, its lease lasts %s", d, shortWait)
	}
}

// Without a joined worker at work, a restart hands out everything, begun or not.
func TestARestartWithoutJoinedWorkHandsOutAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, nc, stop := start(t, dir)
	task := bakeoff.Task{Run: "churn-a", Kind: bakeoff.TaskBuild, Candidate: "forest", Queue: bakeoff.QueueDefault}
	if err := s.PublishTask(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	must(shortQueue(t, s, nc, bakeoff.QueueDefault).Lease(t.Context()))(t)
	stop()

	s, _, stop = start(t, dir)
	defer stop()
	q := must(s.Queue(t.Context(), bakeoff.QueueDefault))(t)
	if err := q.TakeOverLocal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := next(t, q, time.Second); got != "forest" {
		t.Errorf("handed out %q, want forest", got)
	}
}

func TestALeaseIsOfItsQueueAlone(t *testing.T) {
	t.Parallel()
	s, _ := storetest.Open(t)
	task := bakeoff.Task{Run: "churn-a", Kind: bakeoff.TaskBuild, Candidate: "forest", Queue: "gpu"}
	for _, id := range []string{
		"", "$JS.API.STREAM.DELETE.tasks", "$JS.ACK.tasks.default.1.1.1.1.0", "$JS.ACK.KV_runs.gpu.1.1.1.1.0",
		"$JS.ACK.tasks.gpu.1.1.1.1.>", "$JS.ACK.tasks.gpu.1.1.1.1", "$JS.ACK.tasks.gpu.1.1.1.1.0\r\nPUB x 1",
	} {
		_, err := s.Lease(task, id)
		wantCode(t, "the lease "+id, err, bakeoff.CodeInvalid)
	}
	if _, err := s.Lease(task, "$JS.ACK.tasks.gpu.1.1.1.1.0"); err != nil {
		t.Error(err)
	}
}
