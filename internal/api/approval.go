package api

import (
	"context"
	"net/http"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/access"
)

// answered is a request with a person's word on what waits for approval.
type answered struct {
	Named
	Body client.Answer
}

// approval is what persons decide about models, and what they have.
func (a *api) approval() {
	handle(a, route{
		id: "approve", method: http.MethodPost, path: "/models/{name}/approve", need: access.Admin, time: longTime,
		summary: "Promote what waits for approval", about: "After it has given the answers that it was judged by.",
	}, func(ctx context.Context, in *answered) (bakeoff.Model, error) {
		return a.node.Approve(ctx, in.Name, in.Body, act(ctx, in.Body.Why))
	})
	handle(a, route{
		id: "reject", method: http.MethodPost, path: "/models/{name}/reject", need: access.Admin,
		summary: "Have what waits for approval not be promoted", about: "It takes a reason.",
	}, func(ctx context.Context, in *answered) (bakeoff.Model, error) {
		if in.Body.Why == "" {
			return bakeoff.Model{}, bakeoff.Errorf(bakeoff.CodeInvalid, "body.why: say why it is rejected")
		}
		return a.node.Reject(ctx, in.Name, in.Body, act(ctx, in.Body.Why))
	})
	handle(a, route{
		id: "list-acts", method: http.MethodGet, path: "/models/{name}/acts", need: access.Read,
		summary: "What was done to a model other than by a run, the newest first",
		about:   "By whom, when and why: promotions and rollbacks by hand, approvals, pauses. Records of it are never changed or removed.",
	}, func(ctx context.Context, in *namedPage) ([]bakeoff.Act, error) {
		return list(a.node.Acts(ctx, in.Name, in.Limit))
	})
}
