package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bakeoffhq/bakeoff"
)

// WatchOutbox calls changed whenever a notification is written, until ctx ends, and once as soon
// as none can be missed any more: whoever reads the outbox after each call sees everything. It
// returns nil when ctx has ended, and an error if the watch broke.
func (s *Store) WatchOutbox(ctx context.Context, changed func()) error {
	return s.watch(ctx, "outbox.*", changed)
}

// WatchDeployments is WatchOutbox for the deployments.
func (s *Store) WatchDeployments(ctx context.Context, changed func()) error {
	return s.watch(ctx, "deploy.*", changed)
}

func (s *Store) watch(ctx context.Context, filter string, changed func()) error {
	w, err := s.decisions.Watch(ctx, filter, jetstream.UpdatesOnly(), jetstream.IgnoreDeletes(), jetstream.MetaOnly())
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("watch %s: %w", filter, unavailable(err))
	}
	defer func() { _ = w.Stop() }() // the subscription ends with the connection at the latest
	changed()
	for {
		select {
		case <-ctx.Done():
			return nil
		case entry, ok := <-w.Updates():
			if !ok && ctx.Err() == nil {
				return fmt.Errorf("watch %s: the connection was closed", filter)
			}
			if entry != nil {
				changed()
			}
		}
	}
}

// OutboxHeads returns the notifications that are owed, oldest first, without their report and
// ticks: however many are owed, their list is small.
func (s *Store) OutboxHeads(ctx context.Context) ([]bakeoff.Notification, error) {
	var heads []bakeoff.Notification
	var spilled [][]byte
	err := s.list(ctx, s.decisions, func(_ string, value []byte) error {
		var head bakeoff.Notification
		if err := json.Unmarshal(value, &head); err != nil {
			return err
		}
		if head.ID == "" { // kept as an object: not to be fetched while the list is read
			spilled = append(spilled, value)
			return nil
		}
		heads = append(heads, bakeoff.Notification{ID: head.ID, Pipeline: head.Pipeline, Revision: head.Revision, Created: head.Created})
		return nil
	}, "outbox.*")
	if err != nil {
		return nil, err
	}
	for _, value := range spilled {
		var n bakeoff.Notification
		if err := s.decode(ctx, value, &n); err != nil {
			return nil, fmt.Errorf("read a notification: %w", err)
		}
		heads = append(heads, bakeoff.Notification{ID: n.ID, Pipeline: n.Pipeline, Revision: n.Revision, Created: n.Created})
	}
	slices.SortStableFunc(heads, func(a, b bakeoff.Notification) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return heads, nil
}

// Notification returns a notification that is owed. One that is settled has code NotFound.
func (s *Store) Notification(ctx context.Context, id string) (bakeoff.Notification, error) {
	var n bakeoff.Notification
	_, err := s.get(ctx, s.decisions, "outbox."+id, &n)
	return n, err
}

// Undelivered returns every delivery that was refused or is still being tried, the newest first.
func (s *Store) Undelivered(ctx context.Context) ([]bakeoff.Delivery, error) {
	ds, err := all[bakeoff.Delivery](ctx, s, s.deliveries, "*.*")
	ds = slices.DeleteFunc(ds, func(d bakeoff.Delivery) bool { return d.State == bakeoff.DeliverySent })
	slices.SortStableFunc(ds, func(a, b bakeoff.Delivery) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(a.Notification, b.Notification), a.Receiver-b.Receiver)
	})
	return ds, err
}

// Deployments returns the deployments whose hooks are owed something, in the order of their moves.
func (s *Store) Deployments(ctx context.Context) ([]bakeoff.Deployment, error) {
	ds, err := all[bakeoff.Deployment](ctx, s, s.decisions, "deploy.*")
	slices.SortStableFunc(ds, func(a, b bakeoff.Deployment) int {
		return cmp.Or(a.Moved.Compare(b.Moved), cmp.Compare(a.ID, b.ID))
	})
	return ds, err
}

// SettleDeployment records that no hook of a deployment is owed anything any more. It may be called
// again. Nothing of it stays: the move of the champion that it came with cannot be repeated.
func (s *Store) SettleDeployment(ctx context.Context, id string) error {
	if err := s.forget(ctx, "decisions", "deploy."+id); err != nil {
		return fmt.Errorf("settle deployment %s: %w", id, err)
	}
	return nil
}

// PutHookOutcome records what became of a hook of a deployment, in place of what was recorded before.
func (s *Store) PutHookOutcome(ctx context.Context, o bakeoff.HookOutcome) error {
	value, err := s.encode(ctx, o)
	if err != nil {
		return fmt.Errorf("record the outcome of a hook: %w", err)
	}
	if _, err := s.deliveries.Put(ctx, o.Deployment+".hook."+strconv.Itoa(o.Hook), value); err != nil {
		return fmt.Errorf("record the outcome of a hook: %w", unavailable(err))
	}
	return nil
}

// DeploymentOutcomes returns what became of the hooks of a deployment, by their place in the file.
func (s *Store) DeploymentOutcomes(ctx context.Context, deployment string) ([]bakeoff.HookOutcome, error) {
	return s.outcomes(ctx, deployment+".hook.*", func(bakeoff.HookOutcome) bool { return true })
}

// HookOutcomes returns what became of the hooks after the promotions by some runs.
func (s *Store) HookOutcomes(ctx context.Context, runs ...string) ([]bakeoff.HookOutcome, error) {
	return s.outcomes(ctx, "*.hook.*", func(o bakeoff.HookOutcome) bool { return slices.Contains(runs, o.Run) })
}

func (s *Store) outcomes(ctx context.Context, filter string, keep func(bakeoff.HookOutcome) bool) ([]bakeoff.HookOutcome, error) {
	found, err := all[bakeoff.HookOutcome](ctx, s, s.deliveries, filter)
	found = slices.DeleteFunc(found, func(o bakeoff.HookOutcome) bool { return !keep(o) })
	slices.SortStableFunc(found, func(a, b bakeoff.HookOutcome) int {
		return cmp.Or(cmp.Compare(a.Deployment, b.Deployment), a.Hook-b.Hook)
	})
	return found, err
}
