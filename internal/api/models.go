package api

import (
	"context"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

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
		summary: "Make a version, or what a run has built, the champion", about: "After it has given its golden answers. It lifts a hold. " +
			"A candidate that the judge has not let pass beside today's champion is a conflict without force.",
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
	a.approval()
	a.artifact()
	handle(a, route{
		id: "get-card", method: http.MethodGet, path: "/models/{name}/versions/{version}/card", need: access.Read,
		summary: "What a version was learnt from and what it looks at",
		about:   "Importance by the learner's own word and by permutation, and how the answer depends on the most important columns, on training rows. Artifacts of commands and of earlier versions of bakeoff have none.",
	}, func(ctx context.Context, in *struct {
		Named
		Version int `path:"version" minimum:"1" doc:"a version of the model"`
	},
	) (bakeoff.Card, error) {
		return a.node.Card(ctx, in.Name, in.Version)
	})
	handle(a, route{id: "list-serving", method: http.MethodGet, path: "/serving", need: access.Read, summary: "Which nodes answer with which version"}, a.serving)
}

// artifact hands out the files that a version was built as, for whoever scores elsewhere.
func (a *api) artifact() {
	r := route{
		id: "get-artifact", method: http.MethodGet, path: "/models/{name}/versions/{version}/artifact", need: access.Read,
		stream: "application/x-tar", summary: "The artifact of a version",
		about: "A tar archive whose SHA-256 digest is the version's artifact. A connection that breaks says that it is not whole.",
	}
	huma.Register(a.huma, r.operation(), func(_ context.Context, in *struct {
		Named
		Version int `path:"version" minimum:"1" doc:"a version of the model"`
	},
	) (*huma.StreamResponse, error) {
		return a.archived(r, func(ctx context.Context, w io.Writer) error { return a.node.Artifact(ctx, in.Name, in.Version, w) }), nil
	})
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
	case p.Force && p.Why == "":
		return bakeoff.Model{}, bakeoff.Errorf(bakeoff.CodeInvalid, "body.why: say why it is forced")
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
