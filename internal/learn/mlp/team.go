package mlp

import (
	"sync"
	"sync/atomic"
)

// team shares out tasks between goroutines that live as long as the training: a batch is too short
// to start new ones for it.
//
// The caller never waits for a helper to begin, only for tasks that one has begun: on a machine with
// more to do than it has processors, helpers come late, and the work is done without them.
type team struct {
	helpers []chan *shift
	ended   sync.WaitGroup
}

// shift is some tasks that are done together.
type shift struct {
	tasks    int64
	do       func(task, worker int)
	next     atomic.Int64
	finished atomic.Int64
	end      chan struct{} // closed when all tasks are finished
}

func newTeam(threads int) *team {
	t := &team{}
	for i := range max(threads, 1) - 1 {
		calls := make(chan *shift, 1)
		t.helpers = append(t.helpers, calls)
		t.ended.Go(func() {
			for s := range calls {
				s.run(i + 1)
			}
		})
	}
	return t
}

// close waits until the goroutines have ended.
func (t *team) close() {
	for _, calls := range t.helpers {
		close(calls)
	}
	t.ended.Wait()
}

// sharedCost is how many multiplications are worth waking a helper for.
const sharedCost = 1 << 18

// each calls do for each of n tasks and waits for all. Worker numbers the goroutines from 0; cost is
// about how many multiplications there are in all.
func (t *team) each(n, cost int, do func(task, worker int)) {
	if n < 2 || len(t.helpers) == 0 || cost < sharedCost {
		for task := range n {
			do(task, 0)
		}
		return
	}
	s := &shift{tasks: int64(n), do: do, end: make(chan struct{})}
	for _, calls := range t.helpers[:min(len(t.helpers), n-1)] {
		select {
		case calls <- s:
		default: // it has not come to the last one yet
		}
	}
	s.run(0)
	<-s.end
}

// run does tasks until none is left to begin.
func (s *shift) run(worker int) {
	for task := s.next.Add(1) - 1; task < s.tasks; task = s.next.Add(1) - 1 {
		s.do(int(task), worker)
		if s.finished.Add(1) == s.tasks {
			close(s.end)
		}
	}
}
