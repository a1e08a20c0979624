package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// Run returns a run's report, of an open run as far as it has come.
func (c *Client) Run(ctx context.Context, id string) (RunReport, error) {
	return ask[RunReport](ctx, c, http.MethodGet, path("runs", id), nil)
}

// Outcome is Run for whoever watches a run: a node that is away, as while it is restarted, is asked
// again for half a minute.
func (c *Client) Outcome(ctx context.Context, id string) (RunReport, error) {
	p := &patience{limit: c.patience}
	for {
		report, err := c.Run(ctx, id)
		if bakeoff.CodeOf(err) != bakeoff.CodeUnavailable || !p.wait(ctx) {
			return report, err
		}
	}
}

// Runs returns runs of all pipelines, the newest first.
func (c *Client) Runs(ctx context.Context, q RunQuery) ([]RunReport, error) {
	query := url.Values{}
	if q.Open {
		query.Set("open", "true")
	}
	if q.Limit != 0 {
		query.Set("limit", strconv.Itoa(q.Limit))
	}
	return ask[[]RunReport](ctx, c, http.MethodGet, "/runs?"+query.Encode(), nil)
}

// Cancel ends a run that has not come to its promotion. Its verdict follows, and can be watched.
func (c *Client) Cancel(ctx context.Context, id, why string) error {
	return c.do(ctx, http.MethodPost, path("runs", id, "cancel"), Reason{Why: why})
}

// Retry starts a run that builds an ended run's failed trials again, on the same snapshot and with the
// same seed, and returns its ID. As with StartRun, the same RunRequest.Run starts one run.
func (c *Client) Retry(ctx context.Context, id string, r RunRequest) (run string, err error) {
	if r.Run == "" {
		r.Run = bakeoff.NewRunID(pipelineOf(id), time.Now())
	}
	started, err := ask[RunStarted](ctx, c, http.MethodPost, path("runs", id, "retry"), r)
	return started.Run, err
}

// ReportPage writes an ended run as one HTML page that needs nothing else to w. After an error, what
// was written is none.
func (c *Client) ReportPage(ctx context.Context, run string, w io.Writer) error {
	return c.archive(ctx, path("runs", run, "report"), "report", w)
}

var runForm = regexp.MustCompile(`^(.+)-\d{8}T\d{6,9}Z(-[0-9a-z]{4})?$`)

// pipelineOf returns the name that a run's ID begins with; an ID of no known form is a node's to refuse.
func pipelineOf(run string) string {
	if m := runForm.FindStringSubmatch(run); m != nil {
		return m[1]
	}
	return run
}
