package app

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/worker"
)

// underWay is what a worker of this process is at.
type underWay struct {
	changed chan struct{} // holds a token when there is something new to tell

	mu    sync.Mutex
	tasks map[bakeoff.Task]bakeoff.Work
}

func newUnderWay() *underWay {
	return &underWay{changed: make(chan struct{}, 1), tasks: map[bakeoff.Task]bakeoff.Work{}}
}

// tracked returns the handler, with its tasks among those under way.
func (u *underWay) tracked(h worker.Handler) worker.Handler {
	return func(ctx context.Context, a bakeoff.Attempt) (bakeoff.Result, error) {
		u.set(a.Task, &bakeoff.Work{Task: a.Task, Attempt: a.Number, Since: a.Started})
		defer u.set(a.Task, nil)
		return h(ctx, a)
	}
}

func (u *underWay) set(t bakeoff.Task, w *bakeoff.Work) {
	u.mu.Lock()
	if w != nil {
		u.tasks[t] = *w
	} else {
		delete(u.tasks, t)
	}
	u.mu.Unlock()
	select {
	case u.changed <- struct{}{}:
	default:
	}
}

func (u *underWay) list() []bakeoff.Work {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := make([]bakeoff.Work, 0, len(u.tasks))
	for _, w := range u.tasks {
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b bakeoff.Work) int { return a.Since.Compare(b.Since) })
	return all
}

// beat tells the roster what is under way, until ctx ends.
func (u *underWay) beat(ctx context.Context, tell func(work []bakeoff.Work)) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		tell(u.list())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-u.changed:
		}
	}
}

// awaitNone returns when nothing is under way, or when ctx ends.
func (u *underWay) awaitNone(ctx context.Context) {
	for len(u.list()) > 0 {
		select {
		case <-ctx.Done():
			return
		case <-u.changed:
		}
	}
}
