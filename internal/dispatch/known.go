package dispatch

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// known is what is known by heart of the runs that have not ended: little, since there may be many.
type known struct {
	mu   sync.Mutex
	runs map[string]openRun // guarded by mu
}

// openRun is what is known of one run.
type openRun struct {
	pipeline string
	created  time.Time
	wake     time.Time // when the clock moves it on; zero for never
	queues   []string  // on which a trial of it waits or is worked on
}

func (k *known) put(r bakeoff.Run) {
	o := openRun{pipeline: r.Pipeline, created: r.Created, wake: wakeTime(r)}
	if r.Phase == bakeoff.PhaseBuild {
		for i, t := range r.Trials {
			if q := queue(r, i); tasksOut(t) > 0 && !slices.Contains(o.queues, q) {
				o.queues = append(o.queues, q)
			}
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.runs[r.ID] = o
}

// queues returns the queues that trials of open runs are on, by name.
func (k *known) queues() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	names := map[string]bool{}
	for _, r := range k.runs {
		for _, q := range r.queues {
			names[q] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func (k *known) drop(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.runs, id)
}

// of returns the runs of a pipeline, "" for every one, oldest first.
func (k *known) of(pipeline string) []string {
	return k.all(func(r openRun) bool { return pipeline == "" || r.pipeline == pipeline })
}

// due returns the runs that the clock moves on now, oldest first, and when it next does so after now,
// zero for never.
func (k *known) due(now time.Time) (ids []string, next time.Time) {
	ids = k.all(func(r openRun) bool {
		if r.wake.After(now) && (next.IsZero() || r.wake.Before(next)) {
			next = r.wake
		}
		return !r.wake.IsZero() && !r.wake.After(now)
	})
	return ids, next
}

// all returns the runs for which ok is true, oldest first.
func (k *known) all(ok func(openRun) bool) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var ids []string
	for id, r := range k.runs {
		if ok(r) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int {
		if c := k.runs[a].created.Compare(k.runs[b].created); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	return ids
}
