package api

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/access"
)

// Identified is the path parameter of routes about a run.
type Identified struct {
	Run string `path:"run" pattern:"^[a-z0-9][A-Za-z0-9_-]{0,99}$" patternDescription:"the ID of a run" doc:"the ID of the run"`
}

func (a *api) runs() {
	handle(a, route{
		id: "start-run", method: http.MethodPost, path: "/pipelines/{name}/runs", need: access.Admin, summary: "Start a run",
		about: "With an ID made by the caller, a request that is sent twice starts one run and is answered alike.",
	}, a.startRun)
	handle(a, route{id: "list-history", method: http.MethodGet, path: "/pipelines/{name}/runs", need: access.Read, summary: "A pipeline's ended runs, the newest first"},
		func(ctx context.Context, in *namedPage) ([]client.RunReport, error) {
			return list(a.node.History(ctx, in.Name, in.Limit))
		})
	handle(a, route{id: "list-runs", method: http.MethodGet, path: "/runs", need: access.Read, summary: "Runs of all pipelines, the newest first"}, a.listRuns)
	handle(a, route{
		id: "get-run", method: http.MethodGet, path: "/runs/{run}", need: access.Read, summary: "A run's report",
		about: "An open run has the verdict \"\", a phase, and its trials' states in the leaderboard.",
	}, a.getRun)
	handleSilent(a, route{id: "cancel-run", method: http.MethodPost, path: "/runs/{run}/cancel", need: access.Admin, summary: "End an open run"},
		func(ctx context.Context, in *struct {
			Identified
			Body client.Reason
		},
		) error {
			return a.node.CancelRun(ctx, in.Run, act(ctx, in.Body.Why))
		})
	handle(a, route{
		id: "retry-run", method: http.MethodPost, path: "/runs/{run}/retry", need: access.Admin,
		summary: "Build the failed trials of an ended run again, on the same snapshot and with the same seed",
	}, a.retryRun)
	a.reportPage()
	a.streams()
}

func (a *api) listRuns(ctx context.Context, in *struct {
	Page
	Open bool `query:"open" doc:"only those that have not ended"`
},
) ([]client.RunReport, error) {
	return list(a.node.Runs(ctx, client.RunQuery{Open: in.Open, Limit: in.Limit}))
}

func (a *api) getRun(ctx context.Context, in *Identified) (client.RunReport, error) {
	r, err := a.node.Run(ctx, in.Run)
	r.Leaderboard, err = list(r.Leaderboard, err)
	return r, err
}

func (a *api) startRun(ctx context.Context, in *struct {
	Named
	Body client.RunRequest
},
) (client.RunStarted, error) {
	s, err := start(ctx, in.Name, in.Body)
	if err != nil {
		return client.RunStarted{}, err
	}
	return client.RunStarted{Run: s.Run}, a.node.StartRun(ctx, in.Name, s)
}

func (a *api) retryRun(ctx context.Context, in *struct {
	Identified
	Body client.RunRequest
},
) (client.RunStarted, error) {
	report, err := a.node.Run(ctx, in.Run)
	if err != nil {
		return client.RunStarted{}, err
	}
	s, err := start(ctx, report.Pipeline, in.Body)
	if err != nil {
		return client.RunStarted{}, err
	}
	s.Trigger = bakeoff.TriggerRetry
	return client.RunStarted{Run: s.Run}, a.node.RetryRun(ctx, in.Run, s)
}

// madeByCaller is what follows the pipeline's name in an ID of bakeoff.NewRunID. An ID in the form of
// a tick's would take the place of that tick's run.
var madeByCaller = regexp.MustCompile(`^-\d{8}T\d{9}Z-[0-9a-z]{4}$`)

// start makes what a node starts of what was asked for.
func start(ctx context.Context, pipeline string, r client.RunRequest) (Start, error) {
	if r.Run == "" {
		r.Run = bakeoff.NewRunID(pipeline, time.Now())
	}
	rest, ok := strings.CutPrefix(r.Run, pipeline)
	if !ok || !madeByCaller.MatchString(rest) {
		return Start{}, bakeoff.Errorf(bakeoff.CodeInvalid, "body.run: expected an ID for a run of %s made by the caller", pipeline).
			WithHint("write %s-YYYYMMDDTHHMMSSmmmZ-xxxx, the time in UTC and four random characters of 0-9a-z, or leave it out", pipeline)
	}
	return Start{Run: r.Run, Quiet: r.Quiet, Trigger: trigger(ctx), By: act(ctx, "").By}, nil
}

const eventStream = "text/event-stream"

func (a *api) streams() {
	events := route{
		id: "watch-run", method: http.MethodGet, path: "/runs/{run}/events", need: access.Read, stream: eventStream,
		summary: "What happens in a run, until its verdict",
		about: "Server-sent events. The data is {time, run, kind, candidate, attempt, progress, message}, the id is what Last-Event-ID takes to go on from. " +
			"The event \"end\" says that there is no more, \"bye\" that the node stops, \"error\" that the data is an error.",
	}
	huma.Register(a.huma, events.operation(), func(ctx context.Context, in *struct {
		Identified
		After uint64 `header:"Last-Event-ID" doc:"the id of the last event that was received"`
	},
	) (*huma.StreamResponse, error) {
		if _, err := a.node.Run(ctx, in.Run); err != nil {
			return nil, a.failure(ctx, events, err)
		}
		return a.streamed(events, func(ctx context.Context, send func(item) error) error {
			return a.node.Events(ctx, in.Run, in.After, func(e client.Event) error { return send(item{id: e.Seq, data: e}) })
		}), nil
	})
	logs := route{
		id: "get-logs", method: http.MethodGet, path: "/runs/{run}/logs", need: access.Read, stream: eventStream,
		summary: "What the builds of a run wrote, or write",
		about: "Server-sent events. The data is {candidate, attempt, text}; the last of a trial is {candidate, attempt, state, reason}. " +
			"What is followed has an id, from which Last-Event-ID goes on. The other events are those of watch-run.",
	}
	huma.Register(a.huma, logs.operation(), func(ctx context.Context, in *struct {
		Identified
		Candidate string `query:"candidate" pattern:"^[a-z0-9][a-z0-9_-]{0,62}$" patternDescription:"the name of a candidate" doc:"only this one's"`
		Follow    bool   `query:"follow" doc:"wait for more until the trials have ended"`
		After     uint64 `header:"Last-Event-ID" doc:"with follow: the id of the last entry that was received"`
	},
	) (*huma.StreamResponse, error) {
		if err := a.hasCandidate(ctx, in.Run, in.Candidate); err != nil {
			return nil, a.failure(ctx, logs, err)
		}
		q := client.LogQuery{Candidate: in.Candidate, Follow: in.Follow, After: in.After}
		return a.streamed(logs, func(ctx context.Context, send func(item) error) error {
			return a.node.Logs(ctx, in.Run, q, func(e client.LogEntry) error { return send(item{id: e.Seq, data: e}) })
		}), nil
	})
}

// hasCandidate says which candidates there are where the run has none of that name; "" stands for all.
func (a *api) hasCandidate(ctx context.Context, run, candidate string) error {
	report, err := a.node.Run(ctx, run)
	if err != nil || candidate == "" {
		return err
	}
	var names []string
	for _, row := range report.Leaderboard {
		if row.Rebuilt {
			row.Candidate = bakeoff.ChampionName // that of its trial
		} else if row.Role != bakeoff.RoleChallenger {
			continue
		}
		if row.Candidate == candidate {
			return nil
		}
		names = append(names, row.Candidate)
	}
	return bakeoff.Errorf(bakeoff.CodeNotFound, "run %s has no candidate %q, but %s", run, candidate, strings.Join(names, ", "))
}
