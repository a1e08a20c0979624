package tree

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// crew is a few goroutines that wait for work side by side with the one that hands it out. A tree is
// made of hundreds of small pieces of work, and waking a goroutine takes as long as many of them: a
// crew's members look for the next piece for a moment before they sleep.
//
// One goroutine at a time hands out work, and no work hands out other work of the same crew. A nil
// crew is a crew without members.
type crew struct {
	members int
	state   atomic.Uint64 // of the work: its number, whether it is closed, how many members are at it
	do      func(worker, task int)
	tasks   int64
	next    atomic.Int64
	threads int // how many may be at it, whoever hands it out included
	stop    bool

	asleep atomic.Int32
	mu     sync.Mutex // of wake
	wake   sync.Cond
	gone   sync.WaitGroup
}

// The parts of a crew's state: what is below closed counts members.
const (
	closed   = 1 << 31
	numbered = 1 << 32
)

// patience is how long a member looks for work before it sleeps.
const patience = 50 * time.Microsecond

// newCrew returns a crew of so many threads, the caller's included; no more than run at the same time.
// Its end must be called.
func newCrew(threads int) *crew {
	c := &crew{members: min(threads, runtime.GOMAXPROCS(0)) - 1}
	c.wake.L = &c.mu
	c.state.Store(closed)
	for range c.members {
		c.gone.Go(c.member)
	}
	return c
}

// end sends the members home and waits for them.
func (c *crew) end() {
	if c.members < 1 {
		return
	}
	c.stop = true
	c.open()
	c.gone.Wait()
}

// inParallel is the function of that name, by the crew.
func (c *crew) inParallel(threads, tasks int, do func(worker, task int)) {
	threads = min(threads, tasks)
	if c == nil || c.members < 1 || threads <= 1 {
		for task := range tasks {
			do(0, task)
		}
		return
	}
	c.do, c.tasks, c.threads = do, int64(tasks), threads
	c.next.Store(0)
	c.open()
	c.work(0)
	c.state.Or(closed)
	for looks := 0; c.state.Load()&(closed-1) != 0; looks++ { // a member is at its last task
		if looks > 1000 {
			runtime.Gosched()
		}
	}
	c.do = nil
}

// inBlocks calls do for consecutive ranges of the rows, in parallel. The ranges do not depend on the
// number of threads.
func (c *crew) inBlocks(threads, rows int, do func(worker, lo, hi int)) {
	c.inParallel(threads, blocksOf(rows), func(worker, task int) {
		lo := task * blockRows
		do(worker, lo, min(rows, lo+blockRows))
	})
}

const blockRows = 4096

func blocksOf(rows int) int { return (rows + blockRows - 1) / blockRows }

// open numbers the work anew, for members to begin, and wakes those that sleep.
func (c *crew) open() {
	c.state.Store((c.state.Load()/numbered + 1) * numbered)
	if c.asleep.Load() > 0 {
		c.mu.Lock()
		c.wake.Broadcast()
		c.mu.Unlock()
	}
}

// work does task after task until there are none.
func (c *crew) work(worker int) {
	for task := c.next.Add(1) - 1; task < c.tasks; task = c.next.Add(1) - 1 {
		c.do(worker, int(task))
	}
}

// member takes part in one work after the other.
func (c *crew) member() {
	seen := uint64(0)
	for {
		state := c.await(seen)
		if state&closed != 0 { // it came too late
			seen = state / numbered
			continue
		}
		if !c.state.CompareAndSwap(state, state+1) {
			continue // another came first, or it is closed by now
		}
		if c.stop {
			return
		}
		seen = state / numbered
		if worker := int(state&(closed-1)) + 1; worker < c.threads {
			c.work(worker)
		}
		c.state.Add(^uint64(0))
	}
}

// await returns the state of the first work that is not the one that was seen.
func (c *crew) await(seen uint64) uint64 {
	for begin := time.Now(); time.Since(begin) < patience; {
		for range 100 {
			if state := c.state.Load(); state/numbered != seen {
				return state
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asleep.Add(1)
	defer c.asleep.Add(-1)
	// Whoever opens work looks at asleep behind it: either it is seen here, or the sleeper is seen there.
	for c.state.Load()/numbered == seen {
		c.wake.Wait()
	}
	return c.state.Load()
}
