package dispatch

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// unservedAfter is how long a trial may wait for a queue that nobody serves before it is said: a
// worker that is started again should not make noise.
const unservedAfter = 10 * time.Second

// wait is a run's wait for a queue that nobody serves.
type wait struct {
	since time.Time
	said  bool // it is said once a run and queue
}

// heedQueues notes for which queues a run begins to wait, or no longer waits.
func (l *loop) heedQueues(r bakeoff.Run) {
	if l.Served == nil || r.Phase != bakeoff.PhaseBuild {
		delete(l.waits, r.ID)
		return
	}
	waits := l.waits[r.ID]
	if waits == nil {
		waits = map[string]*wait{}
	}
	unserved := l.unserved(r)
	for q, w := range waits {
		if _, ok := unserved[q]; !ok && !w.said {
			delete(waits, q)
		}
	}
	for q := range unserved {
		if waits[q] == nil {
			now := time.Now()
			waits[q] = &wait{since: now}
			l.wakeAt(now.Add(unservedAfter))
		}
	}
	if len(waits) > 0 {
		l.waits[r.ID] = waits
	} else {
		delete(l.waits, r.ID)
	}
}

// unserved returns the candidates that wait for a queue which nobody serves, by queue.
func (l *loop) unserved(r bakeoff.Run) map[string][]string {
	unserved := map[string][]string{}
	for i, t := range r.Trials {
		if q := queue(r, i); tasksOut(t) > 0 && !l.Served(q) {
			unserved[q] = append(unserved[q], t.Candidate)
		}
	}
	return unserved
}

// sayUnserved says which runs have waited for long enough for a queue that still nobody serves.
func (l *loop) sayUnserved(ctx context.Context, now time.Time) error {
	for _, id := range slices.Sorted(maps.Keys(l.waits)) {
		for _, q := range slices.Sorted(maps.Keys(l.waits[id])) {
			w := l.waits[id][q]
			ripe := w.since.Add(unservedAfter)
			switch {
			case w.said:
			case l.Served(q):
				delete(l.waits[id], q)
			case ripe.After(now):
				l.wakeAt(ripe)
			default:
				w.said = true
				if err := l.sayWaiting(ctx, id, q); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// sayWaiting tells of a run that waits for a queue.
func (l *loop) sayWaiting(ctx context.Context, id, q string) error {
	r, _, err := l.Store.Run(ctx, id)
	if err != nil {
		return fmt.Errorf("look at run %s: %w", id, err)
	}
	candidates := l.unserved(r)[q]
	if len(candidates) == 0 {
		return nil
	}
	message := fmt.Sprintf("no worker serves the queue %s; start one with `bakeoff worker --join URL --queue %s`", q, q)
	l.Log.Warn("run waits for a queue that no worker serves", "run", id, "queue", q, "candidates", candidates)
	for _, c := range candidates {
		err := l.Store.PublishEvent(ctx, bakeoff.Event{
			Time: time.Now().UTC(), Run: id, Kind: bakeoff.EventWaiting, Candidate: c, Message: message,
		})
		if err != nil {
			return fmt.Errorf("say that run %s waits: %w", id, err)
		}
	}
	return nil
}
