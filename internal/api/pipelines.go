package api

import (
	"context"
	"net/http"
	"path/filepath"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/access"
)

// Named is the path parameter of routes about a pipeline, or its model. (It and its like are exported
// because huma sees no other embedded fields.)
type Named struct {
	Name string `path:"name" pattern:"^[a-z0-9][a-z0-9_-]{0,62}$" patternDescription:"a name: lower-case letters, digits, hyphens and underscores" doc:"the name of the pipeline, and so of its model"`
}

// Page is the query parameter of routes with lists that grow.
type Page struct {
	Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"at most so many, the newest"`
}

type namedPage struct {
	Named
	Page
}

type namedReason struct {
	Named
	Body client.Reason
}

type namedEmpty struct {
	Named
	Body struct{}
}

func (a *api) pipelines() {
	handle(a, route{id: "list-pipelines", method: http.MethodGet, path: "/pipelines", need: access.Read, summary: "All pipelines"},
		func(ctx context.Context, _ *struct{}) ([]client.Pipeline, error) { return list(a.node.Pipelines(ctx)) })
	handle(a, route{id: "get-pipeline", method: http.MethodGet, path: "/pipelines/{name}", need: access.Read, summary: "One pipeline"},
		func(ctx context.Context, in *Named) (client.Pipeline, error) { return a.node.Pipeline(ctx, in.Name) })
	handle(a, route{
		id: "apply-pipeline", method: http.MethodPut, path: "/pipelines/{name}", need: access.Local, body: fileBody,
		summary: "Take a pipeline file", about: "Only through the node's own socket: a pipeline may run commands.",
	}, a.apply)
	handle(a, route{
		id: "remove-pipeline", method: http.MethodDelete, path: "/pipelines/{name}", need: access.Admin,
		summary: "Remove a pipeline: its schedule, its pause and its record",
		about: "Its runs, and its model with all versions, stay; the champion is served on unless with_model is set. " +
			"It is refused while a run of it is open, or a file that the node applies declares it.",
	}, a.remove)
	handle(a, route{id: "list-ticks", method: http.MethodGet, path: "/pipelines/{name}/ticks", need: access.Read, summary: "What became of a pipeline's ticks, the newest first"},
		func(ctx context.Context, in *namedPage) ([]bakeoff.Tick, error) {
			return list(a.node.Ticks(ctx, in.Name, in.Limit))
		})
	handle(a, route{id: "pause-pipeline", method: http.MethodPost, path: "/pipelines/{name}/pause", need: access.Admin, summary: "Stop a pipeline's schedule"},
		func(ctx context.Context, in *namedReason) (bakeoff.Pause, error) {
			return a.node.Pause(ctx, in.Name, act(ctx, in.Body.Why))
		})
	handle(a, route{id: "resume-pipeline", method: http.MethodPost, path: "/pipelines/{name}/resume", need: access.Admin, summary: "Lift a pause of the schedule and a hold of the champion"},
		func(ctx context.Context, in *namedEmpty) (client.Resumed, error) {
			return a.node.Resume(ctx, in.Name, act(ctx, ""))
		})
	handle(a, route{id: "list-upcoming", method: http.MethodGet, path: "/schedule", need: access.Read, summary: "The next ticks, the earliest first"}, a.upcoming)
}

func (a *api) apply(ctx context.Context, in *struct {
	Named
	Body client.PipelineText
},
) (client.Pipeline, error) {
	if !filepath.IsAbs(in.Body.Path) {
		return client.Pipeline{}, bakeoff.Errorf(bakeoff.CodeInvalid, "body.path: expected an absolute path").
			WithHint("the node does not stand in the folder that you stand in")
	}
	return a.node.Apply(ctx, in.Name, in.Body, act(ctx, "").By)
}

func (a *api) remove(ctx context.Context, in *struct {
	Named
	WithModel bool `query:"with_model" doc:"take its model out of service too: nothing answers predictions any more"`
},
) (client.PipelineRemoval, error) {
	return a.node.Remove(ctx, in.Name, in.WithModel, act(ctx, ""))
}

func (a *api) upcoming(ctx context.Context, in *struct {
	Pipeline string `query:"pipeline" pattern:"^[a-z0-9][a-z0-9_-]{0,62}$" patternDescription:"a name" doc:"only this one's"`
	N        int    `query:"n" minimum:"1" maximum:"1000" default:"10" doc:"how many"`
},
) ([]bakeoff.Upcoming, error) {
	return list(a.node.Upcoming(ctx, in.Pipeline, in.N))
}
