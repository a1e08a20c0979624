package store

import (
	"context"
	"fmt"
	"io"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bakeoffhq/bakeoff"
)

// Restore fills an empty store from a backup; one that is not empty has code Conflict. Every digest
// is checked, and the archive's end. After an error the store holds a part of the backup and must
// be thrown away: restore into a new folder, and give it its name when Restore has returned well.
//
// The revisions of the records are new. Tasks are published again by whoever drives the open runs.
func (s *Store) Restore(ctx context.Context, r io.Reader) (Summary, error) {
	if err := s.mustBeEmpty(ctx); err != nil {
		return Summary{}, err
	}
	buckets := s.buckets()
	total, err := readArchive(r, sink{
		record: func(bucket, key string, value []byte) error {
			if _, err := buckets[bucket].Put(ctx, key, value); err != nil {
				return fmt.Errorf("write %s of %s: %w", key, bucket, unavailable(err))
			}
			return nil
		},
		object: func(digest bakeoff.Digest, content io.Reader) error {
			if err := s.writeObject(ctx, digest, content); err != nil {
				return fmt.Errorf("write object %s: %w", digest.Short(), err)
			}
			return nil
		},
	})
	if err != nil {
		return Summary{}, fmt.Errorf("restore: %w", err)
	}
	return total, nil
}

// buckets returns the buckets of records by name.
func (s *Store) buckets() map[string]jetstream.KeyValue {
	return map[string]jetstream.KeyValue{
		"pipelines": s.pipelines, "runs": s.runs, "trials": s.trials, "ticks": s.ticks,
		"tokens": s.tokens, "deliveries": s.deliveries, "decisions": s.decisions,
	}
}

func (s *Store) mustBeEmpty(ctx context.Context) error {
	streams := s.js.ListStreams(ctx)
	for info := range streams.Info() {
		if info.State.Msgs > 0 {
			return bakeoff.Errorf(bakeoff.CodeConflict, "restore: the store is not empty").
				WithHint("restore into a new folder: --store DIR with a folder that does not exist yet")
		}
	}
	if err := streams.Err(); err != nil {
		return fmt.Errorf("restore: look at the store: %w", unavailable(err))
	}
	return nil
}
