package tree

import (
	"sync"
	"sync/atomic"
)

// inParallel calls do once for each task from 0 up to tasks and returns when all calls have. At
// most threads calls run at the same time; worker, below threads, tells them apart.
func inParallel(threads, tasks int, do func(worker, task int)) {
	threads = min(threads, tasks)
	if threads <= 1 {
		for task := range tasks {
			do(0, task)
		}
		return
	}
	var next atomic.Int64
	work := func(worker int) {
		for task := int(next.Add(1)) - 1; task < tasks; task = int(next.Add(1)) - 1 {
			do(worker, task)
		}
	}
	var others sync.WaitGroup
	for worker := 1; worker < threads; worker++ {
		others.Go(func() { work(worker) })
	}
	work(0)
	others.Wait()
}
