package store

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bakeoffhq/bakeoff"
)

// PublishEvent appends an event.
func (s *Store) PublishEvent(ctx context.Context, e bakeoff.Event) error {
	b, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("publish event: %w", err)
	}
	if _, err := s.js.Publish(ctx, "event."+e.Run+"."+string(e.Kind), b); err != nil {
		return fmt.Errorf("publish event: %w", unavailable(err))
	}
	return nil
}

// lastEvents is how long the events of a run that has ended may be on their way.
const lastEvents = time.Second

// WatchEvents calls each with the events of a run that come after the numbered one, 0 for all, and
// with their numbers. It returns when ctx ends, when each returns an error, which it then returns,
// or when ended was closed and no more have come for a second: the last event may have been lost in
// a crash, or be too old to be kept.
func (s *Store) WatchEvents(ctx context.Context, run string, after uint64, ended <-chan struct{}, each func(uint64, bakeoff.Event) error) error {
	config := jetstream.OrderedConsumerConfig{FilterSubjects: []string{"event." + run + ".>"}}
	if after > 0 {
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, after+1
	}
	consumer, err := s.js.OrderedConsumer(ctx, "events", config)
	if err != nil {
		return fmt.Errorf("watch events: %w", unavailable(err))
	}
	messages, err := consumer.Messages()
	if err != nil {
		return fmt.Errorf("watch events: %w", unavailable(err))
	}
	defer messages.Stop()
	ctx, came, stop := untilQuiet(ctx, ended)
	defer stop()
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("watch events: %w", err)
		}
		came()
		var e bakeoff.Event
		if err := json.Unmarshal(msg.Data(), &e); err != nil {
			return fmt.Errorf("watch events: %w", err)
		}
		place, err := msg.Metadata()
		if err != nil {
			return fmt.Errorf("watch events: %w", err)
		}
		if err := each(place.Sequence.Stream, e); err != nil {
			return err
		}
	}
}

// untilQuiet returns a context that ends when ended was closed and came was not called for a while.
func untilQuiet(ctx context.Context, ended <-chan struct{}) (quiet context.Context, came, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	something := make(chan struct{}, 1)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		select {
		case <-ctx.Done():
			return
		case <-ended:
		}
		for {
			select {
			case <-ctx.Done():
				return
			case <-something:
			case <-time.After(lastEvents):
				cancel()
				return
			}
		}
	})
	came = func() {
		select {
		case something <- struct{}{}:
		default:
		}
	}
	return ctx, came, func() { cancel(); waiting.Wait() }
}
