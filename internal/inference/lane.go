package inference

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// lane admits a few requests at a time. Some others wait, none for long: under overload a long
// queue would only make every answer late.
type lane struct {
	places  chan struct{} // holds an element for each request inside
	queue   int64
	age     time.Duration
	waiting atomic.Int64
}

func newLane(places, queue int, age time.Duration) *lane {
	return &lane{places: make(chan struct{}, places), queue: int64(queue), age: age}
}

// enter takes a place, which leave gives back. Its error has CodeOverload if none becomes free in time.
func (l *lane) enter(ctx context.Context) error {
	select {
	case l.places <- struct{}{}:
		return nil
	default:
	}
	if l.waiting.Add(1) > l.queue {
		l.waiting.Add(-1)
		return overload()
	}
	defer l.waiting.Add(-1)
	patience := time.NewTimer(l.age)
	defer patience.Stop()
	select {
	case l.places <- struct{}{}:
		return nil
	case <-patience.C:
		return overload()
	case <-ctx.Done():
		return fmt.Errorf("wait for a place: %w", context.Cause(ctx))
	}
}

func (l *lane) leave() { <-l.places }

func overload() error {
	return bakeoff.Errorf(bakeoff.CodeOverload, "this node has more requests than it can answer").WithHint("try again soon")
}
