package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bakeoffhq/bakeoff"
)

const (
	// ticksKept is how many tick records a pipeline keeps at most; a range of ticks without a run is one.
	ticksKept = 5000

	// tickForm is how a tick stands in a key and in a run's ID.
	tickForm = "20060102T150405Z"
)

// Cursor returns how far a pipeline's schedule is decided, and the revision for PutCursor. One that
// has no record yet is returned with its pipeline alone and revision 0.
func (s *Store) Cursor(ctx context.Context, pipeline string) (bakeoff.Cursor, uint64, error) {
	var c bakeoff.Cursor
	revision, err := s.get(ctx, s.ticks, pipeline+".cursor", &c)
	if bakeoff.CodeOf(err) == bakeoff.CodeNotFound {
		return bakeoff.Cursor{Pipeline: pipeline}, 0, nil
	}
	return c, revision, err
}

// PutCursor writes a cursor if nobody has since the revision, and returns the new one: it is how a
// tick is claimed. A cursor that somebody else has written first has code Conflict.
func (s *Store) PutCursor(ctx context.Context, c bakeoff.Cursor, revision uint64) (uint64, error) {
	return s.put(ctx, s.ticks, c.Pipeline+".cursor", c, revision)
}

// DeleteCursor removes a cursor, if there is one: a schedule of the pipeline is a new one then.
func (s *Store) DeleteCursor(ctx context.Context, pipeline string) error {
	if err := s.forget(ctx, "ticks", pipeline+".cursor"); err != nil {
		return fmt.Errorf("forget the schedule of %s: %w", pipeline, err)
	}
	return nil
}

// RecordTick records what became of a tick, or of a range of ticks under the first. A tick that has
// a record keeps it.
func (s *Store) RecordTick(ctx context.Context, t bakeoff.Tick) error {
	_, err := s.put(ctx, s.ticks, t.Pipeline+".at."+t.Time.UTC().Format(tickForm), t, 0)
	if bakeoff.CodeOf(err) == bakeoff.CodeConflict {
		return nil
	}
	return err
}

// Ticks returns what became of a pipeline's ticks, the newest first and at most limit records:
// those that are recorded, and those that wait or may still grow.
func (s *Store) Ticks(ctx context.Context, pipeline string, limit int) ([]bakeoff.Tick, error) {
	ticks, err := all[bakeoff.Tick](ctx, s, s.ticks, pipeline+".at.*")
	if err != nil {
		return nil, err
	}
	c, _, err := s.Cursor(ctx, pipeline)
	if err != nil {
		return nil, err
	}
	// What the cursor holds may have been recorded by now; the record is the newer.
	ticks = append(ticks, undecided(c)...)
	slices.SortStableFunc(ticks, func(a, b bakeoff.Tick) int { return b.Time.Compare(a.Time) })
	ticks = slices.CompactFunc(ticks, func(a, b bakeoff.Tick) bool { return a.Time.Equal(b.Time) })
	return ticks[:min(len(ticks), max(limit, 0))], nil
}

// undecided lists what a cursor knows of ticks that have no record yet.
func undecided(c bakeoff.Cursor) []bakeoff.Tick {
	var ticks []bakeoff.Tick
	for _, claim := range c.Owed {
		ticks = append(ticks, claim.Tick)
	}
	for _, t := range c.Waiting {
		ticks = append(ticks, bakeoff.Tick{Pipeline: c.Pipeline, Time: t, Last: t, Count: 1, State: bakeoff.TickWaiting})
	}
	if c.Range != nil {
		ticks = append(ticks, *c.Range)
	}
	return ticks
}

// PruneTicks removes the tick records that were written before a time, and all but the newest 5,000
// of each pipeline. Cursors and pauses stay.
func (s *Store) PruneTicks(ctx context.Context, before time.Time) error {
	written, old, err := s.tickRecords(ctx, before)
	if err != nil {
		return fmt.Errorf("prune ticks: %w", err)
	}
	stream, err := s.js.Stream(ctx, "KV_ticks")
	if err != nil {
		return fmt.Errorf("prune ticks: %w", unavailable(err))
	}
	for pipeline, n := range written {
		records := jetstream.WithPurgeSubject("$KV.ticks." + pipeline + ".at.*")
		if last := old[pipeline]; last > 0 {
			if err := stream.Purge(ctx, records, jetstream.WithPurgeSequence(last+1)); err != nil {
				return fmt.Errorf("prune ticks of %s: %w", pipeline, unavailable(err))
			}
		}
		if n > ticksKept {
			if err := stream.Purge(ctx, records, jetstream.WithPurgeKeep(ticksKept)); err != nil {
				return fmt.Errorf("prune ticks of %s: %w", pipeline, unavailable(err))
			}
		}
	}
	return nil
}

// tickRecords returns how many tick records each pipeline has, and the revision of the last of them
// that was written before a time. Revisions grow with time.
func (s *Store) tickRecords(ctx context.Context, before time.Time) (written map[string]int, old map[string]uint64, err error) {
	w, err := s.ticks.Watch(ctx, "*.at.*", jetstream.MetaOnly())
	if err != nil {
		return nil, nil, unavailable(err)
	}
	defer func() { _ = w.Stop() }() // the subscription ends with the connection at the latest
	written, old = map[string]int{}, map[string]uint64{}
	for {
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case entry, ok := <-w.Updates():
			if !ok {
				return nil, nil, errors.New("the connection was closed")
			}
			if entry == nil { // all that was there has been seen
				return written, old, nil
			}
			pipeline, _, _ := strings.Cut(entry.Key(), ".")
			written[pipeline]++
			if entry.Created().Before(before) {
				old[pipeline] = max(old[pipeline], entry.Revision())
			}
		}
	}
}

// Pause returns who paused a pipeline's schedule and why, or nil.
func (s *Store) Pause(ctx context.Context, pipeline string) (*bakeoff.Pause, error) {
	var p bakeoff.Pause
	_, err := s.get(ctx, s.ticks, pipeline+".pause", &p)
	if bakeoff.CodeOf(err) == bakeoff.CodeNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &p, nil
}

// Pauses returns every pause, by pipeline.
func (s *Store) Pauses(ctx context.Context) ([]bakeoff.Pause, error) {
	ps, err := all[bakeoff.Pause](ctx, s, s.ticks, "*.pause")
	slices.SortFunc(ps, func(a, b bakeoff.Pause) int { return strings.Compare(a.Pipeline, b.Pipeline) })
	return ps, err
}

// PutPause records a pause. A pipeline that is paused already has code Conflict.
func (s *Store) PutPause(ctx context.Context, p bakeoff.Pause) error {
	_, err := s.put(ctx, s.ticks, p.Pipeline+".pause", p, 0)
	return err
}

// DeletePause removes a pause, if there is one.
func (s *Store) DeletePause(ctx context.Context, pipeline string) error {
	err := s.ticks.Delete(ctx, pipeline+".pause")
	if err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
		return fmt.Errorf("resume %s: %w", pipeline, unavailable(err))
	}
	return nil
}

// PutNotification puts a notification about ticks into the outbox. One with an ID that was ever
// there is not owed again, whether it is still there or was settled.
func (s *Store) PutNotification(ctx context.Context, n bakeoff.Notification) error {
	value, err := s.encode(ctx, n)
	if err != nil {
		return fmt.Errorf("put notification %s: %w", n.ID, err)
	}
	// Not Create of the bucket, which would bring back a settled one.
	_, err = s.js.Publish(ctx, subject("outbox."+n.ID), value, jetstream.WithExpectLastSequencePerSubject(0))
	if err != nil && !conflict(err) {
		return fmt.Errorf("put notification %s: %w", n.ID, unavailable(err))
	}
	return nil
}
