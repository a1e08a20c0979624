package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/access"
)

func (a *api) upkeep() {
	handle(a, route{id: "get-node", method: http.MethodGet, path: "/node", need: access.Read, summary: "The node, and what a person should see to"}, a.about)
	handle(a, route{id: "list-workers", method: http.MethodGet, path: "/workers", need: access.Read, summary: "All workers, and what they are at"}, a.workers)
	handleSilent(a, route{id: "drain-worker", method: http.MethodPost, path: "/workers/{worker}/drain", need: access.Admin, summary: "Have a worker end its work and take no more"},
		func(ctx context.Context, in *struct {
			Worker string `path:"worker" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$" patternDescription:"the name of a worker"`
			Body   struct{}
		},
		) error {
			return a.node.DrainWorker(ctx, in.Worker, act(ctx, ""))
		})
	handle(a, route{id: "list-undelivered", method: http.MethodGet, path: "/notifications", need: access.Read, summary: "Messages that are owed or were refused, the oldest first"}, a.undelivered)
	handle(a, route{
		id: "test-notification", method: http.MethodPost, path: "/notifications/test", need: access.Admin, time: longTime,
		summary: "Send a test message to each receiver of a pipeline",
	}, func(ctx context.Context, in *struct{ Body client.NotificationTest }) ([]bakeoff.Delivery, error) {
		return list(a.node.TestNotification(ctx, in.Body.Pipeline, act(ctx, "")))
	})
	handle(a, route{
		id: "collect-garbage", method: http.MethodPost, path: "/gc", need: access.Admin, time: longTime,
		summary: "Remove what is older than the retention, or say what would be removed",
	}, func(ctx context.Context, in *struct{ Body client.Retention }) (client.Removed, error) {
		return a.node.GC(ctx, in.Body, act(ctx, ""))
	})
	handle(a, route{id: "list-checks", method: http.MethodGet, path: "/doctor", need: access.Read, time: longTime, summary: "What is right and wrong with the node and its machine"},
		func(ctx context.Context, _ *struct{}) ([]client.Check, error) { return list(a.node.Doctor(ctx)) })
	a.tokens()
	a.backup()
}

func (a *api) tokens() {
	handle(a, route{id: "list-tokens", method: http.MethodGet, path: "/tokens", need: access.Admin, summary: "All tokens, without their secrets"},
		func(ctx context.Context, _ *struct{}) ([]bakeoff.Token, error) { return list(a.node.Tokens(ctx)) })
	handle(a, route{
		id: "create-token", method: http.MethodPost, path: "/tokens", need: access.Admin,
		summary: "Make a token", about: "Its secret is in the answer, and nowhere else.",
	}, func(ctx context.Context, in *struct{ Body client.TokenRequest }) (client.NewToken, error) {
		t := in.Body
		switch {
		case !bakeoff.ValidName(t.Name):
			return client.NewToken{}, bakeoff.Errorf(bakeoff.CodeInvalid, "body.name: expected 1 to 63 lower-case letters, digits, hyphens and underscores")
		case t.Scope != bakeoff.ScopeWork && len(t.Queues) > 0:
			return client.NewToken{}, bakeoff.Errorf(bakeoff.CodeInvalid, "body.queues: only a token of the scope work has queues")
		}
		return a.node.CreateToken(ctx, t, act(ctx, "").By)
	})
	handleSilent(a, route{id: "delete-token", method: http.MethodDelete, path: "/tokens/{token}", need: access.Admin, summary: "Refuse a token from now on"},
		func(ctx context.Context, in *struct {
			Token string `path:"token" pattern:"^[a-z0-9][a-z0-9_-]{0,62}$" patternDescription:"the name of a token"`
		},
		) error {
			return a.node.DeleteToken(ctx, in.Token, act(ctx, ""))
		})
}

func (a *api) backup() {
	r := route{
		id: "get-backup", method: http.MethodGet, path: "/backup", need: access.Admin, stream: "application/octet-stream",
		summary: "An archive of the store", about: "A connection that breaks says that the archive is not whole.",
	}
	huma.Register(a.huma, r.operation(), func(_ context.Context, _ *struct{}) (*huma.StreamResponse, error) {
		return a.archived(r, a.node.Backup), nil
	})
}

func (a *api) about(ctx context.Context, _ *struct{}) (client.Node, error) {
	n, err := a.node.About(ctx)
	n.Addresses, err = list(n.Addresses, err)
	n.Roles, err = list(n.Roles, err)
	n.Problems, err = list(n.Problems, err)
	return n, err
}

func (a *api) workers(ctx context.Context, _ *struct{}) ([]bakeoff.WorkerInfo, error) {
	all, err := list(a.node.Workers(ctx))
	for i := range all {
		all[i].Queues, err = list(all[i].Queues, err)
		all[i].Work, err = list(all[i].Work, err)
	}
	return all, err
}

func (a *api) undelivered(ctx context.Context, _ *struct{}) ([]client.Undelivered, error) {
	all, err := list(a.node.Undelivered(ctx))
	for i := range all {
		all[i].Deliveries, err = list(all[i].Deliveries, err)
	}
	return all, err
}
