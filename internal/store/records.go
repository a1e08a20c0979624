package store

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/bakeoffhq/bakeoff"
)

// PutPipeline keeps a revision of a pipeline file and makes it the pipeline's current one.
func (s *Store) PutPipeline(ctx context.Context, f bakeoff.PipelineFile) error {
	value, err := s.encode(ctx, f)
	if err != nil {
		return fmt.Errorf("keep pipeline %s: %w", f.Name, err)
	}
	for _, key := range []string{revisionKey(f.Name, f.Revision), f.Name} {
		if _, err := s.pipelines.Put(ctx, key, value); err != nil {
			return fmt.Errorf("keep pipeline %s: %w", f.Name, unavailable(err))
		}
	}
	return nil
}

func revisionKey(name string, revision bakeoff.Digest) string {
	return name + ".revision." + strings.TrimPrefix(string(revision), "sha256:")
}

// Pipeline returns a kept revision of a pipeline file; "" is its current one.
func (s *Store) Pipeline(ctx context.Context, name string, revision bakeoff.Digest) (bakeoff.PipelineFile, error) {
	key := name
	if revision != "" {
		key = revisionKey(name, revision)
	}
	var f bakeoff.PipelineFile
	_, err := s.get(ctx, s.pipelines, key, &f)
	return f, err
}

// Pipelines returns the current revision of every pipeline, by name.
func (s *Store) Pipelines(ctx context.Context) ([]bakeoff.PipelineFile, error) {
	fs, err := all[bakeoff.PipelineFile](ctx, s, s.pipelines, "*")
	slices.SortFunc(fs, func(a, b bakeoff.PipelineFile) int { return strings.Compare(a.Name, b.Name) })
	return fs, err
}

// RemovePipeline takes a pipeline's current record away and keeps it, with who removed it, as that of a
// removed one. Its revisions stay, for what is owed to their receivers and hooks; so does the identity
// of its rows, by which its model can be judged if a pipeline of the name comes back.
func (s *Store) RemovePipeline(ctx context.Context, f bakeoff.PipelineFile) error {
	value, err := s.encode(ctx, f)
	if err != nil {
		return fmt.Errorf("remove pipeline %s: %w", f.Name, err)
	}
	if _, err := s.pipelines.Put(ctx, f.Name+".removed", value); err != nil {
		return fmt.Errorf("remove pipeline %s: %w", f.Name, unavailable(err))
	}
	if err := s.forget(ctx, "pipelines", f.Name); err != nil {
		return fmt.Errorf("remove pipeline %s: %w", f.Name, err)
	}
	return nil
}

// LastPipeline returns the current revision of a pipeline file, or what was that of a pipeline which was
// removed, and says so: what is left of it, its model, is used as before.
func (s *Store) LastPipeline(ctx context.Context, name string) (bakeoff.PipelineFile, error) {
	f, err := s.Pipeline(ctx, name, "")
	if bakeoff.CodeOf(err) != bakeoff.CodeNotFound {
		return f, err
	}
	if _, removed := s.get(ctx, s.pipelines, name+".removed", &f); bakeoff.CodeOf(removed) != bakeoff.CodeNotFound {
		return f, removed
	}
	return f, err
}

// Identity returns what makes two rows of a pipeline the same row, or nil before its first snapshot.
func (s *Store) Identity(ctx context.Context, pipeline string) (*bakeoff.Identity, error) {
	var i bakeoff.Identity
	_, err := s.get(ctx, s.pipelines, pipeline+".identity", &i)
	if bakeoff.CodeOf(err) == bakeoff.CodeNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &i, nil
}

// PutIdentity keeps the identity that a snapshot was made with. Snapshots are its only writers.
func (s *Store) PutIdentity(ctx context.Context, pipeline string, i bakeoff.Identity) error {
	value, err := s.encode(ctx, i)
	if err != nil {
		return fmt.Errorf("keep the identity of %s: %w", pipeline, err)
	}
	if _, err := s.pipelines.Put(ctx, pipeline+".identity", value); err != nil {
		return fmt.Errorf("keep the identity of %s: %w", pipeline, unavailable(err))
	}
	return nil
}

// CreateRun records a new run. A run that exists has code Conflict.
func (s *Store) CreateRun(ctx context.Context, r bakeoff.Run) error {
	_, err := s.put(ctx, s.runs, r.ID, r, 0)
	return err
}

// Run returns a run and the revision to show to UpdateRun.
func (s *Store) Run(ctx context.Context, id string) (bakeoff.Run, uint64, error) {
	var r bakeoff.Run
	revision, err := s.get(ctx, s.runs, id, &r)
	return r, revision, err
}

// UpdateRun writes a run if nobody has since the revision, and returns the new one.
func (s *Store) UpdateRun(ctx context.Context, r bakeoff.Run, revision uint64) (uint64, error) {
	return s.put(ctx, s.runs, r.ID, r, revision)
}

// WaitRun returns a run when it has ended.
func (s *Store) WaitRun(ctx context.Context, id string) (bakeoff.Run, error) {
	w, err := s.runs.Watch(ctx, id)
	if err != nil {
		return bakeoff.Run{}, fmt.Errorf("wait for run %s: %w", id, unavailable(err))
	}
	defer func() { _ = w.Stop() }() // the subscription ends with the connection at the latest
	for {
		select {
		case <-ctx.Done():
			return bakeoff.Run{}, context.Cause(ctx)
		case entry, ok := <-w.Updates():
			if !ok && ctx.Err() != nil {
				return bakeoff.Run{}, context.Cause(ctx)
			}
			if !ok {
				return bakeoff.Run{}, fmt.Errorf("wait for run %s: the connection was closed", id)
			}
			if entry == nil {
				continue
			}
			var r bakeoff.Run
			if err := s.decode(ctx, entry.Value(), &r); err != nil {
				return r, fmt.Errorf("wait for run %s: %w", id, err)
			}
			if r.Phase == bakeoff.PhaseEnded {
				return r, nil
			}
		}
	}
}

// Runs returns every run, oldest first.
func (s *Store) Runs(ctx context.Context) ([]bakeoff.Run, error) {
	runs, err := all[bakeoff.Run](ctx, s, s.runs, ">")
	slices.SortFunc(runs, func(a, b bakeoff.Run) int { return a.Created.Compare(b.Created) })
	return runs, err
}

// OpenRuns returns the runs that have not ended, oldest first. Of those that have, however many
// there are, none is kept in memory.
func (s *Store) OpenRuns(ctx context.Context) ([]bakeoff.Run, error) {
	open := map[string]bakeoff.Run{}
	err := s.list(ctx, s.runs, func(key string, value []byte) error {
		if phaseOf(value) == bakeoff.PhaseEnded {
			delete(open, key) // it was open when it was read first
			return nil
		}
		var r bakeoff.Run
		if err := s.decode(ctx, value, &r); err != nil {
			return err
		}
		if open[key] = r; r.Phase == bakeoff.PhaseEnded {
			delete(open, key)
		}
		return nil
	}, ">")
	runs := slices.SortedFunc(maps.Values(open), func(a, b bakeoff.Run) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return runs, err
}

// phaseMark stands before a run's phase in its record, and nowhere before that: within text, quotation
// marks are escaped.
var phaseMark = []byte(`"phase":"`)

// phaseOf finds the phase in a run's record without reading the rest; it is "" for a record that is
// kept elsewhere.
func phaseOf(value []byte) bakeoff.Phase {
	_, rest, _ := bytes.Cut(value, phaseMark)
	phase, _, _ := bytes.Cut(rest, []byte{'"'})
	return bakeoff.Phase(phase)
}

// PutDelivery records what became of a notification at a receiver.
func (s *Store) PutDelivery(ctx context.Context, d bakeoff.Delivery) error {
	value, err := s.encode(ctx, d)
	if err != nil {
		return fmt.Errorf("record a delivery: %w", err)
	}
	if _, err := s.deliveries.Put(ctx, d.Notification+"."+strconv.Itoa(d.Receiver), value); err != nil {
		return fmt.Errorf("record a delivery: %w", unavailable(err))
	}
	return nil
}

// Deliveries returns what became of a notification, by receiver.
func (s *Store) Deliveries(ctx context.Context, notification string) ([]bakeoff.Delivery, error) {
	return s.DeliveriesOf(ctx, []string{notification})
}

// DeliveriesOf returns what became of notifications, by notification and receiver.
func (s *Store) DeliveriesOf(ctx context.Context, notifications []string) ([]bakeoff.Delivery, error) {
	var ds []bakeoff.Delivery
	for some := range slices.Chunk(notifications, notificationsAtOnce) {
		filters := make([]string, len(some))
		for i, n := range some {
			filters[i] = n + ".*"
		}
		found, err := all[bakeoff.Delivery](ctx, s, s.deliveries, filters...)
		if err != nil {
			return nil, err
		}
		ds = append(ds, found...)
	}
	slices.SortFunc(ds, func(a, b bakeoff.Delivery) int {
		return cmp.Or(strings.Compare(a.Notification, b.Notification), a.Receiver-b.Receiver)
	})
	return ds, nil
}

// notificationsAtOnce bounds of how many notifications the deliveries are read in one exchange.
const notificationsAtOnce = 100

// Outbox returns the notifications that are owed, oldest first.
func (s *Store) Outbox(ctx context.Context) ([]bakeoff.Notification, error) {
	ns, err := all[bakeoff.Notification](ctx, s, s.decisions, "outbox.*")
	slices.SortFunc(ns, func(a, b bakeoff.Notification) int { return a.Created.Compare(b.Created) })
	return ns, err
}

// Settle takes a notification out of the outbox: every receiver has got or refused it. It may be called
// again. Of one about ticks a mark stays, for PutNotification; that a run, or a move of the champion, is
// told of once follows from what it was written with, and nothing of it stays for whoever reads the
// outbox to go over.
func (s *Store) Settle(ctx context.Context, notification string) error {
	if err := s.settle(ctx, notification); err != nil {
		return fmt.Errorf("settle notification %s: %w", notification, unavailable(err))
	}
	return nil
}

func (s *Store) settle(ctx context.Context, notification string) error {
	key := "outbox." + notification
	ended, err := s.hasVerdict(ctx, notification)
	if err != nil {
		return err
	}
	if !ended { // else its report, which may be long, need not be read
		n, err := s.Notification(ctx, notification)
		if bakeoff.CodeOf(err) == bakeoff.CodeNotFound {
			return nil
		}
		if err != nil {
			return err
		}
		if n.Ticks != nil {
			return s.decisions.Purge(ctx, key)
		}
	}
	return s.forget(ctx, "decisions", key)
}
