package app

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/api"
	"github.com/bakeoffhq/bakeoff/internal/doctor"
	"github.com/bakeoffhq/bakeoff/internal/store"
)

// About implements api.Upkeep.
func (f face) About(ctx context.Context) (client.Node, error) {
	names, err := f.pipelineNames(ctx)
	if err != nil {
		return client.Node{}, err
	}
	stopped, err := f.stopped(ctx)
	if err != nil {
		return client.Node{}, err
	}
	waiting, err := f.waiting(ctx)
	if err != nil {
		return client.Node{}, err
	}
	problems, err := f.problems(ctx)
	return client.Node{
		Name: f.workerName(), Version: f.config.Version, Store: f.server.Dir(), Addresses: f.addresses(),
		Roles: f.roles(), Since: f.since, Pipelines: len(names), Problems: slices.Concat(stopped, waiting, problems),
	}, err
}

// Workers implements api.Upkeep.
func (f face) Workers(context.Context) ([]bakeoff.WorkerInfo, error) { return f.roster.Workers(), nil }

// DrainWorker implements api.Upkeep.
func (f face) DrainWorker(_ context.Context, worker string, a api.Act) error {
	known := func(w bakeoff.WorkerInfo) bool { return w.Name == worker }
	all := f.roster.Workers()
	i := slices.IndexFunc(all, known)
	if i < 0 {
		return bakeoff.Errorf(bakeoff.CodeNotFound, "there is no worker %q", worker).WithHint("`bakeoff workers` lists them")
	}
	f.config.Log.Info("worker drains", "worker", worker, "by", a.By)
	if all[i].Joined {
		f.drained.add(worker)
		return nil
	}
	return bakeoff.Errorf(bakeoff.CodeInvalid, "worker %s is part of the node: it drains when the node ends", worker).
		WithHint("`bakeoff pause` stops a schedule; --concurrency 0 builds nothing in the node")
}

// Undelivered implements api.Upkeep.
func (f face) Undelivered(ctx context.Context) ([]client.Undelivered, error) {
	deliveries, err := f.store.Undelivered(ctx)
	if err != nil {
		return nil, err
	}
	owed, err := f.store.Outbox(ctx)
	if err != nil {
		return nil, err
	}
	byID := map[string]*client.Undelivered{}
	for _, n := range owed {
		byID[n.ID] = &client.Undelivered{Notification: n.ID, Pipeline: n.Pipeline, Created: n.Created, Summary: summary(n)}
	}
	for _, d := range deliveries {
		u := byID[d.Notification]
		if u == nil {
			u = &client.Undelivered{Notification: d.Notification, Created: d.Time, Summary: "the message " + d.Notification}
			byID[d.Notification] = u
		}
		u.Deliveries = append(u.Deliveries, d)
	}
	all := make([]client.Undelivered, 0, len(byID))
	for _, u := range byID {
		all = append(all, *u)
	}
	slices.SortFunc(all, func(a, b client.Undelivered) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.Notification, b.Notification)
	})
	return all, nil
}

// summary is what a message tells, in a line.
func summary(n bakeoff.Notification) string {
	if n.Ticks != nil {
		return string(n.Ticks.State) + ": " + n.Ticks.Reason
	}
	if m := n.Move; m != nil && m.Rollback {
		return fmt.Sprintf("rollback to v%d by %s: %s", m.Champion.Version, m.By, m.Why)
	} else if m != nil {
		return fmt.Sprintf("promotion of v%d by %s: %s", m.Champion.Version, m.By, m.Why)
	}
	return string(n.Report.Verdict) + ": " + n.Report.Reason
}

// TestNotification implements api.Upkeep.
func (f face) TestNotification(ctx context.Context, pipeline string, a api.Act) ([]bakeoff.Delivery, error) {
	file, err := f.known(ctx, pipeline)
	if err != nil {
		return nil, err
	}
	p, err := f.parse(file)
	if err != nil {
		return nil, err
	}
	f.config.Log.Info("test message asked for", "pipeline", pipeline, "by", a.By)
	all := make([]bakeoff.Delivery, len(p.Notify))
	for i, to := range p.Notify {
		d, err := f.notifier.Test(ctx, to)
		if err != nil {
			return nil, err
		}
		d.Receiver = i
		all[i] = d
	}
	return all, nil
}

// Tokens implements api.Upkeep.
func (f face) Tokens(ctx context.Context) ([]bakeoff.Token, error) { return f.store.Tokens(ctx) }

// CreateToken implements api.Upkeep.
func (f face) CreateToken(ctx context.Context, t client.TokenRequest, by string) (client.NewToken, error) {
	token := bakeoff.Token{Name: t.Name, Scope: t.Scope, Queues: t.Queues, By: by}
	secret, err := f.store.CreateToken(ctx, token)
	if err != nil {
		return client.NewToken{}, err
	}
	f.config.Log.Info("token made", "token", t.Name, "scope", t.Scope, "by", by)
	token.Hash, token.Created = bakeoff.DigestOf([]byte(secret)), time.Now().UTC()
	return client.NewToken{Token: token, Secret: secret}, nil
}

// DeleteToken implements api.Upkeep.
func (f face) DeleteToken(ctx context.Context, name string, a api.Act) error {
	if err := f.store.DeleteToken(ctx, name); err != nil {
		return err
	}
	f.config.Log.Info("token deleted", "token", name, "by", a.By)
	return nil
}

// Backup implements api.Upkeep.
func (f face) Backup(ctx context.Context, w io.Writer) error {
	_, err := f.store.Backup(ctx, w, f.config.Version)
	return err
}

// GC implements api.Upkeep.
func (f face) GC(ctx context.Context, r client.Retention, a api.Act) (client.Removed, error) {
	policy := store.Policy{KeepRuns: r.Runs, KeepFor: time.Duration(r.Days) * 24 * time.Hour, KeepVersions: r.Versions}
	c, err := f.store.Collect(ctx, policy, r.DryRun)
	if err == nil && !r.DryRun {
		f.config.Log.Info("collected", "runs", c.Runs, "versions", c.Versions, "objects", c.Objects, "bytes", c.Bytes, "by", a.By)
	}
	return client.Removed{Objects: c.Objects, Bytes: c.Bytes, Runs: c.Runs, DryRun: r.DryRun}, err
}

// Doctor implements api.Upkeep.
func (f face) Doctor(ctx context.Context) ([]client.Check, error) {
	var all []client.Check
	for _, c := range doctor.Checks(ctx, f.examined(ctx)) {
		all = append(all, client.Check{Name: c.Name, OK: c.OK, Detail: c.Detail, Hint: c.Hint})
	}
	stopped, err := f.stopped(ctx)
	if err != nil {
		return nil, err
	}
	for _, text := range stopped { // somebody meant it: there is nothing to mend
		all = append(all, client.Check{Name: "attention", OK: true, Detail: text, Hint: "`bakeoff resume NAME` lifts it"})
	}
	waiting, err := f.waiting(ctx)
	if err != nil {
		return nil, err
	}
	for _, text := range waiting {
		all = append(all, client.Check{Name: "attention", OK: true, Detail: text, Hint: "`bakeoff approve NAME` or `bakeoff reject NAME` decides"})
	}
	problems, err := f.problems(ctx)
	for _, p := range problems {
		all = append(all, client.Check{Name: "attention", Detail: p})
	}
	return all, err
}
