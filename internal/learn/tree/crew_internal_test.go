package tree

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Whatever a crew is handed is done once, by workers that are told apart, also by members that have
// gone to sleep in between; at its end nobody is left.
func TestCrew(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	c := newCrew(4)
	defer c.end()
	for round := range 3000 {
		tasks := 1 + round%50
		done := make([]int, tasks)
		busy := make([]atomic.Bool, 4)
		c.inParallel(2+round%3, tasks, func(worker, task int) {
			if busy[worker].Swap(true) {
				t.Errorf("round %d: two tasks are worker %d's at the same time", round, worker)
			}
			done[task]++
			busy[worker].Store(false)
		})
		for task, times := range done {
			if times != 1 {
				t.Fatalf("round %d: task %d was done %d times", round, task, times)
			}
		}
		if round%1000 == 0 {
			for begin := time.Now(); c.asleep.Load() < 3 && time.Since(begin) < 10*time.Second; {
				runtime.Gosched() // until its members sleep
			}
		}
	}
}

func TestCrewWithoutMembers(t *testing.T) {
	sum := 0
	var none *crew
	none.inBlocks(3, 2*blockRows+1, func(_, lo, hi int) { sum += hi - lo })
	if sum != 2*blockRows+1 {
		t.Errorf("%d rows", sum)
	}
}
