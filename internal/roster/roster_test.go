package roster_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/roster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run starts a roster in the bubble and returns the names of the workers that it has called lost.
func run(t *testing.T) (r *roster.Roster, lost func() []string) {
	var mu sync.Mutex
	var names []string
	r = roster.New(func(w bakeoff.WorkerInfo) {
		mu.Lock()
		defer mu.Unlock()
		names = append(names, w.Name)
	})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); running.Wait() })
	return r, func() []string {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		return names
	}
}

func state(r *roster.Roster, name string) bakeoff.WorkerState {
	for _, w := range r.Workers() {
		if w.Name == name {
			return w.State
		}
	}
	return ""
}

func TestAWorkerThatFallsSilentIsLostOnceAndForgottenInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, lost := run(t)
		w := bakeoff.WorkerInfo{Name: "gpu-1", Host: "gpu", PID: 7, Queues: []string{"gpu"}, Slots: 2}
		r.Joined(w)
		since := time.Now()
		for range 20 { // a minute of beats
			time.Sleep(3 * time.Second)
			r.Beat(w)
		}
		if got := r.Workers(); len(got) != 1 || got[0].State != bakeoff.WorkerUp || !got[0].Since.Equal(since) {
			t.Errorf("after a minute of beats: %+v", got)
		}
		if !r.Serves("gpu") || r.Serves("") {
			t.Error("the queue gpu is served, the default queue is not")
		}
		time.Sleep(14 * time.Second)
		if got := state(r, "gpu-1"); got != bakeoff.WorkerUp || len(lost()) != 0 {
			t.Errorf("after 14 s: %s, lost %v", got, lost())
		}
		time.Sleep(2 * time.Second)
		if got := state(r, "gpu-1"); got != bakeoff.WorkerLost || r.Serves("gpu") {
			t.Errorf("after 16 s: %s", got)
		}
		time.Sleep(58 * time.Minute)
		if diff := cmp.Diff([]string{"gpu-1"}, lost()); diff != "" {
			t.Errorf("lost (-want +got):\n%s", diff)
		}
		if got := state(r, "gpu-1"); got != bakeoff.WorkerLost {
			t.Errorf("after 58 minutes: %q", got)
		}
		time.Sleep(2 * time.Minute)
		if got := r.Workers(); len(got) != 0 {
			t.Errorf("after an hour: %+v", got)
		}
	})
}

func TestAWorkerThatComesBackCanBeLostAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, lost := run(t)
		w := bakeoff.WorkerInfo{Name: "a", Queues: []string{bakeoff.QueueDefault}}
		r.Beat(w) // the node was restarted: it hears a beat before a greeting
		if !r.Serves("") {
			t.Error("a worker that is known by its beat alone does not count")
		}
		time.Sleep(20 * time.Second)
		r.Beat(w)
		if got := state(r, "a"); got != bakeoff.WorkerUp {
			t.Errorf("back again: %s", got)
		}
		time.Sleep(20 * time.Second)
		if diff := cmp.Diff([]string{"a", "a"}, lost()); diff != "" {
			t.Errorf("lost (-want +got):\n%s", diff)
		}
	})
}

func TestADrainingWorkerIsShownAndServesNoQueue(t *testing.T) {
	r := roster.New(nil)
	w := bakeoff.WorkerInfo{Name: "a", Queues: []string{"gpu"}}
	r.Joined(w)
	w.State = bakeoff.WorkerDraining
	w.Work = []bakeoff.Work{{Task: bakeoff.Task{Run: "churn-a", Candidate: "forest"}, Attempt: 1}}
	r.Beat(w)
	if got := r.Workers(); len(got) != 1 || got[0].State != bakeoff.WorkerDraining || len(got[0].Work) != 1 {
		t.Errorf("draining: %+v", got)
	}
	if r.Serves("gpu") {
		t.Error("a queue counts as served by a worker that takes no more")
	}
	r.Left("a")
	if got := r.Workers(); len(got) != 0 {
		t.Errorf("after it has left: %+v", got)
	}
}

func TestLiveCountsNodesAndTellsRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := roster.New(nil)
		r.Served(bakeoff.Serving{Node: "gone", Model: "churn", Version: 17, Wanted: 17})
		time.Sleep(16 * time.Second)
		r.Served(bakeoff.Serving{Node: "a", Model: "churn", Version: 17, Wanted: 17})
		r.Served(bakeoff.Serving{Node: "b", Model: "churn", Version: 16, Wanted: 17, Refused: "golden answers differ"})
		r.Served(bakeoff.Serving{Node: "c", Model: "churn", Version: 16, Wanted: 16})
		r.Served(bakeoff.Serving{Node: "a", Model: "sales", Version: 17, Wanted: 17})
		live, nodes, refused := r.Live("churn", 17)
		if live != 1 || nodes != 3 {
			t.Errorf("live on %d of %d, want 1 of 3", live, nodes)
		}
		if diff := cmp.Diff([]string{"b: golden answers differ"}, refused); diff != "" {
			t.Errorf("refused (-want +got):\n%s", diff)
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	r := roster.New(nil)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			w := bakeoff.WorkerInfo{Name: fmt.Sprintf("w%02d", i), Queues: []string{"q"}}
			r.Joined(w)
			r.Beat(w)
			r.Served(bakeoff.Serving{Node: w.Name, Model: "churn", Version: 1})
			r.Workers()
		})
	}
	all.Wait()
	ws := r.Workers()
	if len(ws) != 50 || ws[0].Name != "w00" || ws[49].Name != "w49" {
		t.Errorf("%d workers, or out of order", len(ws))
	}
	if live, nodes, _ := r.Live("churn", 1); live != 50 || nodes != 50 {
		t.Errorf("live on %d of %d", live, nodes)
	}
}
