package registry

import (
	"context"
	"sync"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// lapseLook is how long the clock is trusted: it may be set, and a machine may sleep.
const lapseLook = time.Minute

// Run does what was stated of each promotion that waits for a person's word when its time is up, until
// ctx ends. What it goes by is stored, so that it happens once, however often it is started and by
// however many.
func (r *Registry) Run(ctx context.Context) error {
	changed := make(chan bakeoff.Model)
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() { r.watch(ctx, changed) })
	r.await(ctx, changed)
	return nil
}

// watch passes on every model and its changes until ctx ends. What breaks off is begun anew, from the
// state of then: a node need not end for it.
func (r *Registry) watch(ctx context.Context, changed chan<- bakeoff.Model) {
	for {
		err := r.store.WatchModels(ctx, func(m bakeoff.Model) error {
			select {
			case changed <- m:
			case <-ctx.Done():
			}
			return nil
		})
		if ctx.Err() != nil {
			return
		}
		r.log.Warn("watching what waits for approval broke off", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(lapseLook):
		}
	}
}

// await has what waits lapse in time.
func (r *Registry) await(ctx context.Context, changed <-chan bakeoff.Model) {
	due := map[string]time.Time{} // by model
	look := time.NewTimer(lapseLook)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-changed:
			if delete(due, m.Name); m.Pending != nil {
				due[m.Name] = m.Pending.Until
			}
		case <-look.C:
		}
		r.lapseDue(ctx, due)
		look.Stop()
		if len(due) > 0 {
			look.Reset(untilNext(due))
		}
	}
}

// lapseDue has everything lapse whose time is up. What cannot be done now is tried again later.
func (r *Registry) lapseDue(ctx context.Context, due map[string]time.Time) {
	for model, at := range due {
		if time.Until(at) > 0 {
			continue
		}
		err := r.lapse(ctx, model)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			r.log.Warn("what waits for approval cannot be settled yet", "model", model, "error", err)
			due[model] = time.Now().Add(lapseLook)
		default:
			delete(due, model)
		}
	}
}

// untilNext is how long to wait for the next of them.
func untilNext(due map[string]time.Time) time.Duration {
	next := lapseLook
	for _, at := range due {
		next = min(next, time.Until(at))
	}
	return max(next, 0)
}
