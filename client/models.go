package client

import (
	"context"
	"io"
	"net/http"
	"strconv"

	"github.com/bakeoffhq/bakeoff"
)

// Models returns what is decided about every model, by name.
func (c *Client) Models(ctx context.Context) ([]bakeoff.Model, error) {
	return ask[[]bakeoff.Model](ctx, c, http.MethodGet, "/models", nil)
}

// Model returns a model and its versions.
func (c *Client) Model(ctx context.Context, name string) (ModelVersions, error) {
	return ask[ModelVersions](ctx, c, http.MethodGet, path("models", name), nil)
}

// Promote makes a version the champion after it has given its golden answers, and lifts a hold;
// if Hold is set, runs keep it.
func (c *Client) Promote(ctx context.Context, model string, p Promotion) (bakeoff.Model, error) {
	return ask[bakeoff.Model](ctx, c, http.MethodPost, path("models", model, "promote"), p)
}

// Rollback makes an earlier version the champion again after it has given its golden answers, and
// holds it unless NoHold is set.
func (c *Client) Rollback(ctx context.Context, model string, r Rollback) (bakeoff.Model, error) {
	return ask[bakeoff.Model](ctx, c, http.MethodPost, path("models", model, "rollback"), r)
}

// Approve promotes what waits for approval, after it has given the answers that it was judged by.
func (c *Client) Approve(ctx context.Context, model string, a Answer) (bakeoff.Model, error) {
	return ask[bakeoff.Model](ctx, c, http.MethodPost, path("models", model, "approve"), a)
}

// Reject has what waits for approval not be promoted. It takes a reason.
func (c *Client) Reject(ctx context.Context, model string, a Answer) (bakeoff.Model, error) {
	return ask[bakeoff.Model](ctx, c, http.MethodPost, path("models", model, "reject"), a)
}

// Acts returns what persons have done to a model and its schedule, and what was done when nobody decided
// in time, the newest first, at most limit entries; 0 for 100.
func (c *Client) Acts(ctx context.Context, model string, limit int) ([]bakeoff.Act, error) {
	return ask[[]bakeoff.Act](ctx, c, http.MethodGet, limited(path("models", model, "acts"), limit), nil)
}

// Serving returns where each model's champion answers, by model.
func (c *Client) Serving(ctx context.Context) ([]Live, error) {
	return ask[[]Live](ctx, c, http.MethodGet, "/serving", nil)
}

// Card returns what a version was learnt from and what it looks at. Artifacts of commands have none:
// an error with bakeoff.CodeNotFound.
func (c *Client) Card(ctx context.Context, model string, version int) (bakeoff.Card, error) {
	return ask[bakeoff.Card](ctx, c, http.MethodGet, path("models", model, "versions", strconv.Itoa(version), "card"), nil)
}

// Artifact writes the files that a version was built as, a tar archive whose digest is the version's
// artifact, to w. After an error, what was written is none.
func (c *Client) Artifact(ctx context.Context, model string, version int, w io.Writer) error {
	return c.archive(ctx, path("models", model, "versions", strconv.Itoa(version), "artifact"), "artifact", w)
}
