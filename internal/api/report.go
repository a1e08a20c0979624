package api

import (
	"bytes"
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/bakeoffhq/bakeoff/internal/access"
	"github.com/bakeoffhq/bakeoff/internal/report"
)

const htmlPage = "text/html"

// reportPage registers the route of a run's page. It is written whole before its first byte leaves.
func (a *api) reportPage() {
	r := route{
		id: "get-report", method: http.MethodGet, path: "/runs/{run}/report", need: access.Read, stream: htmlPage,
		summary: "An ended run as one HTML page that needs nothing else",
		about:   "Leaderboard, curves, calibration, confusion or residuals, what the models lean on, and what is not there and why. It is made when it is asked for, one at a time.",
	}
	huma.Register(a.huma, r.operation(), func(ctx context.Context, in *Identified) (*huma.StreamResponse, error) {
		ctx, cancel := context.WithTimeout(ctx, longTime)
		defer cancel()
		var page bytes.Buffer
		if err := a.node.ReportPage(ctx, in.Run, &page); err != nil {
			return nil, a.failure(ctx, r, err)
		}
		return &huma.StreamResponse{Body: func(h huma.Context) {
			_, w := humago.Unwrap(h)
			w.Header().Set("Content-Type", htmlPage+"; charset=utf-8")
			w.Header().Set("Content-Security-Policy", report.Policy())
			w.Header().Set("Referrer-Policy", "no-referrer")
			out := &timed{w: w, control: http.NewResponseController(w), patience: a.options.Patience}
			defer out.end()
			_, _ = out.Write(page.Bytes()) // a caller who is gone hears nothing
		}}, nil
	})
}
