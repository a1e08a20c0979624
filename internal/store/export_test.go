package store

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bakeoffhq/bakeoff"
)

// BackupBuckets are the buckets that a backup holds.
func BackupBuckets() []string { return backupOrder }

// Redate is what storing content once more does to an object that is there and old.
func (s *Store) Redate(ctx context.Context, digest bakeoff.Digest) (bool, error) {
	return s.redate(ctx, digest)
}

// SweepAround sweeps as Collect does, with between called after the objects to remove were chosen.
func (s *Store) SweepAround(ctx context.Context, between func()) (Collected, error) {
	c := &collection{store: s, before: time.Now().Add(time.Minute)}
	stream, err := s.js.Stream(ctx, objectStream)
	if err != nil {
		return c.collected, err
	}
	held, err := c.held(ctx)
	if err != nil {
		return c.collected, err
	}
	unused, _, err := c.unused(ctx, stream, held)
	if err != nil {
		return c.collected, err
	}
	between()
	for _, o := range unused {
		if err := c.remove(ctx, stream, o); err != nil {
			return c.collected, err
		}
	}
	return c.collected, nil
}

// JetStream gives a test the streams beneath.
func (s *Store) JetStream() jetstream.JetStream { return s.js }
