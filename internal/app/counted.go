package app

import (
	"context"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/monitor"
	"github.com/bakeoffhq/bakeoff/internal/store"
)

// counted is a store that counts what is recorded in it.
type counted struct {
	*store.Store
	monitor *monitor.Monitor
}

// PutDelivery counts what became of a try to deliver a message.
func (c counted) PutDelivery(ctx context.Context, d bakeoff.Delivery) error {
	err := c.Store.PutDelivery(ctx, d)
	if err == nil {
		c.monitor.Notified(d.State)
	}
	return err
}

// PutHookOutcome counts what became of a try of a deploy hook.
func (c counted) PutHookOutcome(ctx context.Context, o bakeoff.HookOutcome) error {
	err := c.Store.PutHookOutcome(ctx, o)
	if err == nil {
		c.monitor.HookDone(o.Kind, o.State)
	}
	return err
}

// RecordTick counts ticks that have no run.
func (c counted) RecordTick(ctx context.Context, t bakeoff.Tick) error {
	err := c.Store.RecordTick(ctx, t)
	if err == nil && t.State != bakeoff.TickRun {
		c.monitor.TickDecided(t)
	}
	return err
}

// BeginAttempt counts tasks that are handed out once more.
func (c counted) BeginAttempt(ctx context.Context, t bakeoff.Task, worker string, now time.Time) (bakeoff.Attempt, uint64, error) {
	a, token, err := c.Store.BeginAttempt(ctx, t, worker, now)
	if err == nil && a.Number > 1 {
		c.monitor.TaskRedelivered(t.Queue)
	}
	return a, token, err
}

// ended is told of every run that has come to its verdict.
func (n *Node) ended(run bakeoff.Run) {
	n.scheduler.Wake()
	n.monitor.RunEnded(bakeoff.Report{
		Pipeline: run.Pipeline, Verdict: run.Verdict, Late: run.Late, Seconds: run.Ended.Sub(run.Created).Seconds(),
	})
	for _, t := range run.Trials {
		n.monitor.TrialEnded(run.Pipeline, t)
	}
}

// measured answers what a scrape asks a node.
func (n *Node) measured() monitor.Source {
	return monitor.Source{
		Upcoming: n.nextTicks,
		OpenRuns: func(context.Context) (int, error) { return len(n.dispatcher.Open("")), nil },
		Workers:  func(context.Context) ([]bakeoff.WorkerInfo, error) { return n.roster.Workers(), nil },
		Models:   n.measuredModels,
		Owed: func(ctx context.Context) (int, error) {
			heads, err := n.store.OutboxHeads(ctx)
			return len(heads), err
		},
		Storage: n.store.Bytes,
	}
}

// nextTicks returns the next tick of each pipeline that has a schedule.
func (n *Node) nextTicks(ctx context.Context) ([]bakeoff.Upcoming, error) {
	files, err := n.store.Pipelines(ctx)
	if err != nil {
		return nil, err
	}
	var all []bakeoff.Upcoming
	for _, f := range files {
		all = append(all, n.scheduler.Upcoming(f.Name, 1)...)
	}
	return all, nil
}

// measuredModels are the versions that have an alias.
func (n *Node) measuredModels(ctx context.Context) ([]monitor.Model, error) {
	models, err := n.store.Models(ctx)
	if err != nil {
		return nil, err
	}
	var all []monitor.Model
	for _, m := range models {
		for name, alias := range m.Aliases {
			v, err := n.store.Version(ctx, m.Name, alias.Version)
			if err != nil {
				return nil, err
			}
			all = append(all, monitor.Model{Pipeline: m.Name, Alias: name, Version: v.Version, Metrics: v.Lineage.Metrics})
		}
	}
	return all, nil
}
