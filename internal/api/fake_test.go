package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/api"
)

var moment = time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC)

// fake is a node that remembers what it was asked and answers with what stands in it.
type fake struct {
	err      error // what every method returns
	silent   bool  // the doctor asks back nothing: lists are nil
	events   []client.Event
	more     chan client.Event // further events; closed for the end. nil for none
	logs     []client.LogEntry
	backup   func(io.Writer) error
	hold     func(context.Context) error // what Promote waits for
	watching chan struct{}               // closed when Events has begun; nil if nobody asks

	mu    sync.Mutex // guards what follows
	calls []string
}

func (f *fake) called(format string, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
	return f.err
}

// asked returns the calls since it was last asked for.
func (f *fake) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

func one[T any](f *fake, v T) []T {
	if f.silent {
		return nil
	}
	return []T{v}
}

func (f *fake) pipeline() client.Pipeline {
	return client.Pipeline{
		Name: "churn", Path: "/srv/churn.yaml", Revision: bakeoff.DigestOf([]byte("x")), Applied: moment,
		Schedule: "05:00 every day, Asia/Seoul", Next: &bakeoff.Upcoming{Pipeline: "churn", Time: moment, Zone: "Asia/Seoul"},
		Held: &bakeoff.Hold{Model: "churn", By: "kim", Why: "odd scores", Since: moment}, Open: []string{run},
		Last: &client.LastVerdict{Run: run, Verdict: bakeoff.Kept, Reason: "+0.3 pt", Ended: moment},
	}
}

const run = "churn-20261123T200000Z"

func report() client.RunReport {
	rank := 1
	return client.RunReport{
		Report: bakeoff.Report{
			Run: run, Pipeline: "churn", Trigger: bakeoff.TriggerSchedule, Created: moment,
			Leaderboard: []bakeoff.LeaderboardRow{
				{Rank: &rank, Candidate: "forest", Role: bakeoff.RoleChallenger, State: bakeoff.TrialBuilt, Metrics: map[string]float64{"roc_auc": 0.85}},
				{Candidate: "baseline", Role: bakeoff.RoleBaseline, State: bakeoff.TrialBuilt},
			},
		},
		Phase:      bakeoff.PhaseBuild,
		Deliveries: []bakeoff.Delivery{{Notification: run, State: bakeoff.DeliverySent, Attempts: 1, Time: moment}},
		Hooks:      []bakeoff.HookOutcome{{Deployment: "churn-v17-x", Kind: "webhook", State: bakeoff.DeliverySent, Attempts: 1, Time: moment}},
	}
}

func model() bakeoff.Model {
	return bakeoff.Model{Name: "churn", Latest: 17, Aliases: map[string]bakeoff.Alias{
		"champion": {Model: "churn", Name: "champion", Version: 17, Moved: moment, By: run},
	}}
}

func (f *fake) Pipelines(context.Context) ([]client.Pipeline, error) {
	return one(f, f.pipeline()), f.called("Pipelines")
}

func (f *fake) Pipeline(_ context.Context, name string) (client.Pipeline, error) {
	return f.pipeline(), f.called("Pipeline %s", name)
}

func (f *fake) Apply(_ context.Context, name string, file client.PipelineText, by string) (client.Pipeline, error) {
	return f.pipeline(), f.called("Apply %s %+v by %s", name, file, by)
}

func (f *fake) Remove(_ context.Context, name string, withModel bool, a api.Act) (client.PipelineRemoval, error) {
	return client.PipelineRemoval{Pipeline: name, Removed: bakeoff.Removal{By: a.By, At: moment}}, f.called("Remove %s %v %+v", name, withModel, a)
}

func (f *fake) Upcoming(_ context.Context, pipeline string, n int) ([]bakeoff.Upcoming, error) {
	return one(f, bakeoff.Upcoming{Pipeline: "churn", Time: moment, Zone: "UTC"}), f.called("Upcoming %q %d", pipeline, n)
}

func (f *fake) Ticks(_ context.Context, pipeline string, limit int) ([]bakeoff.Tick, error) {
	return one(f, bakeoff.Tick{Pipeline: "churn", Time: moment, Last: moment, Count: 1, State: bakeoff.TickRun, Run: run, Decided: moment}),
		f.called("Ticks %s %d", pipeline, limit)
}

func (f *fake) Pause(_ context.Context, pipeline string, a api.Act) (bakeoff.Pause, error) {
	return bakeoff.Pause{Pipeline: pipeline, By: a.By, Why: a.Why, Since: moment}, f.called("Pause %s %+v", pipeline, a)
}

func (f *fake) Resume(_ context.Context, pipeline string, a api.Act) (client.Resumed, error) {
	return client.Resumed{Pipeline: pipeline, Hold: &bakeoff.Hold{Model: pipeline, By: "kim", Since: moment}}, f.called("Resume %s %+v", pipeline, a)
}

func (f *fake) History(_ context.Context, pipeline string, limit int) ([]client.RunReport, error) {
	return one(f, report()), f.called("History %s %d", pipeline, limit)
}

func (f *fake) Runs(_ context.Context, q client.RunQuery) ([]client.RunReport, error) {
	return one(f, report()), f.called("Runs %+v", q)
}

func (f *fake) Run(_ context.Context, id string) (client.RunReport, error) {
	return report(), f.called("Run %s", id)
}

func (f *fake) StartRun(_ context.Context, pipeline string, s api.Start) error {
	return f.called("StartRun %s %+v", pipeline, s)
}

func (f *fake) RetryRun(_ context.Context, id string, s api.Start) error {
	return f.called("RetryRun %s %+v", id, s)
}

func (f *fake) CancelRun(_ context.Context, id string, a api.Act) error {
	return f.called("CancelRun %s %+v", id, a)
}

func (f *fake) Events(ctx context.Context, id string, after uint64, each func(client.Event) error) error {
	if err := f.called("Events %s after %d", id, after); err != nil {
		return err
	}
	if f.watching != nil {
		close(f.watching)
	}
	for _, e := range f.events {
		if e.Seq <= after {
			continue
		}
		if err := each(e); err != nil {
			return err
		}
	}
	for f.more != nil {
		select {
		case e, ok := <-f.more:
			if !ok {
				return nil
			}
			if err := each(e); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (f *fake) Logs(_ context.Context, id string, q client.LogQuery, each func(client.LogEntry) error) error {
	if err := f.called("Logs %s %+v", id, q); err != nil {
		return err
	}
	for _, l := range f.logs {
		if err := each(l); err != nil {
			return err
		}
	}
	return nil
}

func (f *fake) ReportPage(_ context.Context, id string, w io.Writer) error {
	if err := f.called("ReportPage %s", id); err != nil {
		return err
	}
	_, err := io.WriteString(w, "<!DOCTYPE html>")
	return err
}

func (f *fake) Models(context.Context) ([]bakeoff.Model, error) {
	return one(f, model()), f.called("Models")
}

func (f *fake) Model(_ context.Context, name string) (client.ModelVersions, error) {
	return client.ModelVersions{Model: model(), Versions: one(f, bakeoff.Version{Model: "churn", Version: 17, Candidate: "forest", Created: moment})},
		f.called("Model %s", name)
}

func (f *fake) Promote(ctx context.Context, name string, p client.Promotion, a api.Act) (bakeoff.Model, error) {
	if f.hold != nil {
		if err := f.hold(ctx); err != nil {
			return bakeoff.Model{}, err
		}
	}
	return model(), f.called("Promote %s %+v %+v", name, p, a)
}

func (f *fake) Rollback(_ context.Context, name string, r client.Rollback, a api.Act) (bakeoff.Model, error) {
	return model(), f.called("Rollback %s %+v %+v", name, r, a)
}

func (f *fake) Approve(_ context.Context, name string, r client.Answer, a api.Act) (bakeoff.Model, error) {
	return model(), f.called("Approve %s %+v %+v", name, r, a)
}

func (f *fake) Reject(_ context.Context, name string, r client.Answer, a api.Act) (bakeoff.Model, error) {
	return model(), f.called("Reject %s %+v %+v", name, r, a)
}

func (f *fake) Acts(_ context.Context, name string, limit int) ([]bakeoff.Act, error) {
	return one(f, bakeoff.Act{ID: "20261123T200000000000Z-0a1b", Model: "churn", Kind: bakeoff.ActRollback, Time: moment, By: "kim", Version: 16, Previous: 17}),
		f.called("Acts %s %d", name, limit)
}

func (f *fake) Serving(context.Context) ([]client.Live, error) {
	return one(f, client.Live{Model: "churn", Version: 17, Live: 1, Nodes: 2, Serving: one(f, bakeoff.Serving{Node: "a", Model: "churn", Version: 17, Wanted: 17, Beat: moment})}),
		f.called("Serving")
}

func (f *fake) About(context.Context) (client.Node, error) {
	return client.Node{
		Name: "a", Version: "1.2.0", Store: "/srv/.bakeoff", Since: moment, Pipelines: 1, Roles: one(f, "schedule"),
		Addresses: one(f, client.Address{Serves: "all", Address: "http://127.0.0.1:7700"}), Problems: one(f, "churn is paused"),
	}, f.called("About")
}

func (f *fake) Workers(context.Context) ([]bakeoff.WorkerInfo, error) {
	return one(f, bakeoff.WorkerInfo{Name: "a-1", Queues: one(f, "gpu"), Slots: 3, State: bakeoff.WorkerUp, Since: moment, Beat: moment, Work: one(f, bakeoff.Work{
		Task: bakeoff.Task{Run: run, Kind: bakeoff.TaskBuild, Candidate: "forest", Queue: "gpu"}, Attempt: 1, Since: moment,
	})}), f.called("Workers")
}

func (f *fake) DrainWorker(_ context.Context, worker string, a api.Act) error {
	return f.called("DrainWorker %s %+v", worker, a)
}

func (f *fake) Undelivered(context.Context) ([]client.Undelivered, error) {
	return one(f, client.Undelivered{Notification: run, Pipeline: "churn", Created: moment, Summary: "churn: kept", Deliveries: one(f, bakeoff.Delivery{
		Notification: run, State: bakeoff.DeliveryRetrying, Attempts: 3, Time: moment, Next: moment,
	})}), f.called("Undelivered")
}

func (f *fake) TestNotification(_ context.Context, pipeline string, a api.Act) ([]bakeoff.Delivery, error) {
	return one(f, bakeoff.Delivery{Notification: "test", State: bakeoff.DeliverySent, Attempts: 1, Time: moment}), f.called("TestNotification %s %+v", pipeline, a)
}

func (f *fake) Tokens(context.Context) ([]bakeoff.Token, error) {
	return one(f, bakeoff.Token{Name: "ci", Scope: bakeoff.ScopeRead, Hash: bakeoff.DigestOf([]byte("x")), Created: moment, By: "kim"}), f.called("Tokens")
}

func (f *fake) CreateToken(_ context.Context, t client.TokenRequest, by string) (client.NewToken, error) {
	return client.NewToken{Token: bakeoff.Token{Name: t.Name, Scope: t.Scope, Created: moment, By: by}, Secret: "bakeoff_s"}, f.called("CreateToken %+v by %s", t, by)
}

func (f *fake) DeleteToken(_ context.Context, name string, a api.Act) error {
	return f.called("DeleteToken %s %+v", name, a)
}

func (f *fake) Artifact(_ context.Context, model string, version int, w io.Writer) error {
	if err := f.called("Artifact %s %d", model, version); err != nil {
		return err
	}
	_, err := io.WriteString(w, "archive")
	return err
}

func (f *fake) Card(_ context.Context, model string, version int) (bakeoff.Card, error) {
	return bakeoff.Card{
		Learner: "random_forest", Params: json.RawMessage(`{}`), Task: bakeoff.Binary, Rows: 12, Metric: "log_loss", Features: one(f, bakeoff.FeatureStrength{Column: "age", Permutation: 0.25}),
		Dependence: one(f, bakeoff.Dependence{Column: "age", Kind: bakeoff.KindNumber}),
	}, f.called("Card %s %d", model, version)
}

func (f *fake) Backup(_ context.Context, w io.Writer) error {
	if f.backup != nil {
		return f.backup(w)
	}
	if err := f.called("Backup"); err != nil {
		return err
	}
	_, err := io.WriteString(w, "archive")
	return err
}

func (f *fake) GC(_ context.Context, r client.Retention, a api.Act) (client.Removed, error) {
	return client.Removed{Objects: 3, Bytes: 4096, Runs: 2, DryRun: r.DryRun}, f.called("GC %+v %+v", r, a)
}

func (f *fake) Doctor(context.Context) ([]client.Check, error) {
	return one(f, client.Check{Name: "fsync", OK: true, Detail: "2 ms"}), f.called("Doctor")
}

var errBroken = errors.New("read /srv/.bakeoff/jetstream: input/output error")

func (f *fake) Replay(_ context.Context, pipeline string, last int, set []string) (client.Replay, error) {
	return client.Replay{Pipeline: pipeline, Set: set, Nights: one(f, client.ReplayNight{Run: run, Created: moment, Then: client.ReplayOutcome{Verdict: bakeoff.Kept}})},
		f.called("Replay %s %d %q", pipeline, last, set)
}

func (f *fake) Diff(_ context.Context, before, after string) (client.Diff, error) {
	return client.Diff{Pipeline: "churn", Before: client.DiffRun{Run: before}, After: client.DiffRun{Run: after}}, f.called("Diff %q %s", before, after)
}
