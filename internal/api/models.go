package api

import (
	"context"
	"net/http"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/access"
)

func (a *api) models() {
	handle(a, route{id: "list-models", method: http.MethodGet, path: "/models", need: access.Read, summary: "All models, with their aliases"},
		func(ctx context.Context, _ *struct{}) ([]bakeoff.Model, error) { return list(a.node.Models(ctx)) })
	handle(a, route{id: "get-model", method: http.MethodGet, path: "/models/{name}", need: access.Read, summary: "One model, with its versions"},
		func(ctx context.Context, in *Named) (client.ModelVersions, error) {
			m, err := a.node.Model(ctx, in.Name)
			m.Versions, err = list(m.Versions, err)
			return m, err
		})
	handle(a, route{
		id: "promote", method: http.MethodPost, path: "/models/{name}/promote", need: access.Admin, time: longTime,
		summary: "Make a version, or what a run has built, the champion", about: "After it has given its golden answers. It lifts a hold.",
	}, a.promote)
	handle(a, route{
		id: "rollback", method: http.MethodPost, path: "/models/{name}/rollback", need: access.Admin, time: longTime,
		summary: "Make an earlier version the champion again",
		about:   "After it has given its golden answers. Runs then keep it until it is resumed, unless no_hold is set.",
	}, func(ctx context.Context, in *struct {
		Named
		Body client.Rollback
	},
	) (bakeoff.Model, error) {
		return a.node.Rollback(ctx, in.Name, in.Body, act(ctx, in.Body.Why))
	})
	handle(a, route{id: "list-serving", method: http.MethodGet, path: "/serving", need: access.Read, summary: "Which nodes answer with which version"}, a.serving)
}

func (a *api) promote(ctx context.Context, in *struct {
	Named
	Body client.Promotion
},
) (bakeoff.Model, error) {
	p := in.Body
	switch {
	case (p.Version == 0) == (p.Candidate == ""):
		return bakeoff.Model{}, bakeoff.Errorf(bakeoff.CodeInvalid, "body: name what to promote: either version or candidate")
	case p.Version != 0 && p.Run != "":
		return bakeoff.Model{}, bakeoff.Errorf(bakeoff.CodeInvalid, "body.run: a run goes with a candidate, not with a version")
	}
	return a.node.Promote(ctx, in.Name, p, act(ctx, p.Why))
}

func (a *api) serving(ctx context.Context, _ *struct{}) ([]client.Live, error) {
	all, err := list(a.node.Serving(ctx))
	for i := range all {
		all[i].Serving, err = list(all[i].Serving, err)
	}
	return all, err
}
