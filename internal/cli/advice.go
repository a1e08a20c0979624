package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/advice"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// advice returns what the runs up to one come to. Of a run of long ago more of the past is read.
func (n *session) advice(ctx context.Context, r bakeoff.Report) ([]string, error) {
	for _, limit := range []int{100, 1000} {
		reports, err := n.History(ctx, r.Pipeline, limit)
		if err != nil {
			return nil, err
		}
		var past []bakeoff.Report
		for _, p := range reports {
			if !p.Created.After(r.Created) && len(past) < advice.Enough {
				past = append(past, p.Report)
			}
		}
		if len(past) == advice.Enough || len(reports) < limit {
			return advice.Of(past), nil
		}
	}
	return nil, nil
}

// writeAdvice writes advice behind what else a look says.
func writeAdvice(w io.Writer, lines []string) {
	if len(lines) == 0 {
		return
	}
	_, _ = fmt.Fprintln(w, "\nTo consider:")
	for _, line := range lines {
		_, _ = fmt.Fprintln(w, "  - "+sentence(plain.Line(line)))
	}
}
