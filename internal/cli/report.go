package cli

import (
	"bytes"
	"context"
	"fmt"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/bakeoffhq/bakeoff"
)

func (s *shell) reportCommand() *cobra.Command {
	var out string
	c := s.aboutRun("report", "Write a run as one HTML page that needs nothing else", func(ctx context.Context, n *session, r bakeoff.Report) error {
		return s.report(ctx, n, r, out)
	})
	c.Long = `Report writes a run as one HTML file: the verdict, the leaderboard with its
intervals, curves, calibration and confusion, or residuals, what the models lean
on, and what was not judged and why. It opens without a server, needs no script
and no network, and prints.

Answers and models are kept for a while only: of an older run the page has what
its report has, and says what is missing. Measuring what a model leans on asks it
for many answers, for 30 seconds at most.`
	c.Flags().StringVar(&out, "out", "", "where to write it; - for stdout (default RUN.html in this folder)")
	return c
}

// report writes the page of a run to a file, "" for one of the run's name, or to stdout.
func (s *shell) report(ctx context.Context, n *session, r bakeoff.Report, out string) error {
	if out == "-" && s.json {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "--out - and --json both want stdout").WithHint("leave one of them out")
	}
	var page bytes.Buffer
	if err := n.ReportPage(ctx, r.Run, &page); err != nil {
		return err
	}
	if out == "-" {
		_, err := s.stdout.Write(page.Bytes())
		return err
	}
	if out == "" {
		out = r.Run + ".html"
	}
	if err := renameio.WriteFile(out, page.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if s.json {
		return writeJSON(s.stdout, map[string]any{"run": r.Run, "file": out, "bytes": page.Len()})
	}
	fmt.Fprintf(s.stdout, "wrote %s (%s); any browser opens it\n", out, formatBytes(int64(page.Len())))
	return nil
}
