package app

import (
	"context"
	"errors"
	"sync"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/worker"
)

// take waits for a task of one queue.
type take func(ctx context.Context) (bakeoff.Task, worker.Lease, error)

// taken is what a take came to.
type taken struct {
	task  bakeoff.Task
	lease worker.Lease
	err   error
}

// firstOf waits for a task of any of several queues at once, so that a slot is idle only while all
// of them are empty. What the others bring in the same moment is given back.
func firstOf(takes []take) take {
	if len(takes) == 1 {
		return takes[0]
	}
	return func(ctx context.Context) (bakeoff.Task, worker.Lease, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		all := make(chan taken, len(takes))
		var waiting sync.WaitGroup
		for _, t := range takes {
			waiting.Go(func() {
				var one taken
				one.task, one.lease, one.err = t(ctx)
				all <- one
			})
		}
		first := <-all
		cancel()
		waiting.Wait()
		close(all)
		for other := range all {
			if other.err != nil || other.lease == nil {
				continue
			}
			if first.err != nil {
				first = other
				continue
			}
			if err := other.lease.Release(0); err != nil {
				first.err = errors.Join(first.err, err)
			}
		}
		return first.task, first.lease, first.err
	}
}
