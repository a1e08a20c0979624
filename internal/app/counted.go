package app

import (
	"cmp"
	"context"
	"slices"
	"sync"
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
	last := lastSuccesses{store: n.store, seen: map[string]success{}}
	return monitor.Source{
		LastSuccess: last.all, Queues: n.measuredQueues,
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

// know has the counters of a pipeline exist before anything happens.
func (n *Node) know(p *bakeoff.Pipeline) {
	queues := []string{bakeoff.QueueJudge}
	candidates := make([]string, len(p.Candidates))
	for i, c := range p.Candidates {
		candidates[i] = c.Name
		queues = append(queues, cmp.Or(c.Queue, bakeoff.QueueDefault))
	}
	n.monitor.Know(p.Name, candidates, queues)
}

// knowKept is know for the pipelines of the store whose files this node may not have.
func (n *Node) knowKept(ctx context.Context) error {
	files, err := n.store.Pipelines(ctx)
	for _, f := range files {
		n.monitor.Know(f.Name, nil, nil)
	}
	return err
}

// measuredQueues are the queues that hold tasks, and those of open runs and of this node that
// hold none.
func (n *Node) measuredQueues(ctx context.Context) ([]monitor.Queue, error) {
	states, err := n.store.QueueStates(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Concat(n.dispatcher.Queues(), n.config.Queues, []string{bakeoff.QueueDefault, bakeoff.QueueJudge}) {
		if _, ok := states[name]; !ok {
			states[name] = store.QueueState{}
		}
	}
	all := make([]monitor.Queue, 0, len(states))
	for name, state := range states {
		q := monitor.Queue{Name: name, Tasks: state.Tasks}
		if state.Tasks > 0 {
			q.Oldest = max(0, time.Since(state.Oldest))
		}
		all = append(all, q)
	}
	return all, nil
}

// lastSuccesses finds when a run of each pipeline last reached promoted or kept. It reads little more
// than what is new since it was asked before.
type lastSuccesses struct {
	store *store.Store

	mu   sync.Mutex
	seen map[string]success // by pipeline
}

// success is the last one of a pipeline by the time that a run of it had ended.
type success struct {
	run string    // that ended last
	at  time.Time // zero for none
}

// verdictsBack is how many failed runs a success is looked for behind.
const verdictsBack = 100

func (l *lastSuccesses) all(ctx context.Context) (map[string]time.Time, error) {
	files, err := l.store.Pipelines(ctx)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[string]time.Time{}
	for _, f := range files {
		s, err := l.of(ctx, f.Name)
		if err != nil {
			return nil, err
		}
		l.seen[f.Name] = s
		if !s.at.IsZero() {
			all[f.Name] = s.at
		}
	}
	return all, nil
}

// of returns what is known of a pipeline now. The caller holds mu.
func (l *lastSuccesses) of(ctx context.Context, pipeline string) (success, error) {
	last, err := l.store.LastVerdict(ctx, pipeline)
	known := l.seen[pipeline]
	if err != nil || last == nil || last.Run == known.run {
		return known, err
	}
	now := success{run: last.Run, at: known.at}
	if last.Verdict != bakeoff.Failed {
		now.at = last.Ended
		return now, nil
	}
	reports, err := l.store.LastVerdicts(ctx, pipeline, verdictsBack)
	for _, r := range reports {
		if r.Verdict != bakeoff.Failed && r.Ended.After(now.at) {
			now.at = r.Ended
		}
	}
	return now, err
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
