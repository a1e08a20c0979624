package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// path joins parts to a path, each of them escaped.
func path(parts ...string) string {
	p := ""
	for _, part := range parts {
		p += "/" + url.PathEscape(part)
	}
	return p
}

// limited appends a limit to a path; 0 leaves it to the node.
func limited(path string, limit int) string {
	if limit == 0 {
		return path
	}
	return path + "?limit=" + strconv.Itoa(limit)
}

// Node describes the node.
func (c *Client) Node(ctx context.Context) (Node, error) {
	return ask[Node](ctx, c, http.MethodGet, "/node", nil)
}

// Pipelines returns the node's pipelines by name.
func (c *Client) Pipelines(ctx context.Context) ([]Pipeline, error) {
	return ask[[]Pipeline](ctx, c, http.MethodGet, "/pipelines", nil)
}

// Pipeline returns one pipeline, also one that was removed.
func (c *Client) Pipeline(ctx context.Context, name string) (Pipeline, error) {
	return ask[Pipeline](ctx, c, http.MethodGet, path("pipelines", name), nil)
}

// Apply has the node take a pipeline file, whose text must name the pipeline. Only the node's own
// socket allows it: a pipeline may run commands.
func (c *Client) Apply(ctx context.Context, name string, file PipelineText) (Pipeline, error) {
	return ask[Pipeline](ctx, c, http.MethodPut, path("pipelines", name), file)
}

// Remove takes a pipeline away: its schedule, its pause and its record. Its runs, and its model with all
// versions, stay; the champion is served on unless the model is to go with it, which may also be asked
// of a pipeline that was removed before. A pipeline with an open run, or that a file of the node
// declares, is an error with bakeoff.CodeConflict.
func (c *Client) Remove(ctx context.Context, name string, withModel bool) (PipelineRemoval, error) {
	where := path("pipelines", name)
	if withModel {
		where += "?with_model=true"
	}
	return ask[PipelineRemoval](ctx, c, http.MethodDelete, where, nil)
}

// StartRun starts a run of a pipeline and returns its ID. It may be called again with the same
// RunRequest.Run after an error: there will be one run.
func (c *Client) StartRun(ctx context.Context, pipeline string, r RunRequest) (run string, err error) {
	if r.Run == "" {
		r.Run = bakeoff.NewRunID(pipeline, time.Now())
	}
	started, err := ask[RunStarted](ctx, c, http.MethodPost, path("pipelines", pipeline, "runs"), r)
	return started.Run, err
}

// History returns a pipeline's ended runs, the newest first, at most limit of them; 0 for 100.
func (c *Client) History(ctx context.Context, pipeline string, limit int) ([]RunReport, error) {
	return ask[[]RunReport](ctx, c, http.MethodGet, limited(path("pipelines", pipeline, "runs"), limit), nil)
}

// Ticks returns what became of a pipeline's ticks, the newest first, at most limit entries; 0 for 100.
func (c *Client) Ticks(ctx context.Context, pipeline string, limit int) ([]bakeoff.Tick, error) {
	return ask[[]bakeoff.Tick](ctx, c, http.MethodGet, limited(path("pipelines", pipeline, "ticks"), limit), nil)
}

// Pause stops a pipeline's schedule. Pausing it again changes nothing and returns the pause that stands.
func (c *Client) Pause(ctx context.Context, pipeline, why string) (bakeoff.Pause, error) {
	return ask[bakeoff.Pause](ctx, c, http.MethodPost, path("pipelines", pipeline, "pause"), Reason{Why: why})
}

// Resume lifts a pause of the schedule and a hold of the champion, and says which there were.
func (c *Client) Resume(ctx context.Context, pipeline string) (Resumed, error) {
	return ask[Resumed](ctx, c, http.MethodPost, path("pipelines", pipeline, "resume"), struct{}{})
}

// Schedule returns the next n ticks, of all pipelines where the name is "", the earliest first; 0 for 10.
func (c *Client) Schedule(ctx context.Context, pipeline string, n int) ([]bakeoff.Upcoming, error) {
	query := url.Values{}
	if pipeline != "" {
		query.Set("pipeline", pipeline)
	}
	if n != 0 {
		query.Set("n", strconv.Itoa(n))
	}
	return ask[[]bakeoff.Upcoming](ctx, c, http.MethodGet, "/schedule?"+query.Encode(), nil)
}
