package store_test

import (
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/store/storetest"
)

func TestWhatTheQueuesHold(t *testing.T) {
	s, _ := storetest.Open(t)
	ctx := t.Context()
	began := time.Now().Add(-time.Second)
	for _, c := range []struct{ queue, candidate string }{{"gpu", "a"}, {"default", "b"}, {"gpu", "c"}} {
		if err := s.PublishTask(ctx, bakeoff.Task{Run: "r", Kind: bakeoff.TaskBuild, Queue: c.queue, Candidate: c.candidate}); err != nil {
			t.Fatal(err)
		}
	}
	queue, err := s.Queue(ctx, "default") // nobody takes from the other
	if err != nil {
		t.Fatal(err)
	}
	lease, err := queue.Lease(ctx)
	if err != nil {
		t.Fatal(err)
	}
	states, err := s.QueueStates(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(states) != 2 || states["gpu"].Tasks != 2 || states["default"].Tasks != 1 {
		t.Errorf("the queues hold %+v, want 2 tasks of gpu and 1 of default", states)
	}
	if gpu, other := states["gpu"].Oldest, states["default"].Oldest; gpu.Before(began) || !gpu.Before(other) {
		t.Errorf("the oldest tasks are of %v and %v, after %v", gpu, other, began)
	}
	if err := lease.Done(ctx); err != nil {
		t.Fatal(err)
	}
	if states, err = s.QueueStates(ctx); err != nil || len(states) != 1 {
		t.Errorf("once a task is done the queues hold %+v, %v", states, err)
	}
}
