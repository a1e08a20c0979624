package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bakeoffhq/bakeoff"
)

// WatchModels calls each with the record of every model, and again with each change of one, in the
// order of the changes, until ctx ends or each returns an error, which it then returns.
func (s *Store) WatchModels(ctx context.Context, each func(bakeoff.Model) error) error {
	w, err := s.decisions.Watch(ctx, "model.*", jetstream.IgnoreDeletes())
	if err != nil {
		return fmt.Errorf("watch models: %w", unavailable(err))
	}
	defer func() { _ = w.Stop() }() // the subscription ends with the connection at the latest
	for {
		select {
		case <-ctx.Done():
			return nil
		case entry, ok := <-w.Updates():
			if ctx.Err() != nil {
				return nil
			}
			if !ok {
				return errors.New("watch models: the connection was closed")
			}
			if entry == nil { // all that was there has been seen
				continue
			}
			var m bakeoff.Model
			if err := s.decode(ctx, entry.Value(), &m); err != nil {
				return fmt.Errorf("watch models: %s: %w", entry.Key(), err)
			}
			if err := each(m); err != nil {
				return err
			}
		}
	}
}
