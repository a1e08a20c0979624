package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

func (s *shell) replayCommand() *cobra.Command {
	var last int
	var set []string
	c := &cobra.Command{
		Use: "replay [NAME]", Short: "Judge past runs again with another gate or metric", Args: cobra.MaximumNArgs(1),
		Long: `Replay takes what the contestants of past runs answered, which is kept, and
judges each run again by the rules of its night with some of them set otherwise:
those below judge and gate, and at_least, by their paths in the pipeline file.
Nothing is built and nothing is changed.

Each night is judged against the champion of that night as it was. With another
promotion, later nights would have had another champion: what replay says of
them is what the rule would have said there, not what would have been live.
Answers are kept as long as a run's record; nights without any are named.`,
		Example: `  bakeoff replay --set gate.gain=0.5pt
  bakeoff replay churn --last 30 --set judge.metric=log_loss --set gate.floors.roc_auc=0.8`,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case len(set) == 0:
				return bakeoff.Errorf(bakeoff.CodeInvalid, "there is nothing to try").WithHint("say what, such as --set gate.gain=0.5pt")
			case last < 1 || last > 1000:
				return bakeoff.Errorf(bakeoff.CodeInvalid, "--last must be between 1 and 1000, not %d", last)
			}
			return s.look(c.Context(), func(ctx context.Context, n *session) error {
				name, err := n.pipeline(ctx, args)
				if err != nil {
					return err
				}
				r, err := n.Replay(ctx, name, last, set)
				if err != nil {
					return err
				}
				if s.json {
					return writeJSON(s.stdout, r)
				}
				writeReplayIn(s.stdout, r, width(s.stdout), s.color(s.stdout), time.Local)
				return nil
			})
		},
	}
	c.Flags().IntVar(&last, "last", 60, "how many runs")
	c.Flags().StringArrayVar(&set, "set", nil, "PATH=VALUE of the pipeline file, such as gate.gain=0.5pt; may be repeated")
	return c
}

// writeReplayIn writes one line a night, the oldest first, with a star where it would have ended
// otherwise, and what all come to.
func writeReplayIn(w io.Writer, r client.Replay, width int, color bool, zone *time.Location) {
	if len(r.Nights) == 0 {
		_, _ = fmt.Fprintf(w, "no run of %s has ended yet\n", plain.Line(r.Pipeline))
		return
	}
	t := table{columns: []column{
		{title: " "}, {title: "NIGHT"}, {title: "RUN", drop: 2}, {title: "THEN"}, {title: "WITH THE CHANGE"}, {title: "WHO", drop: 1}, {title: "REASON", least: 20},
	}}
	for _, n := range r.Nights {
		t.rows = append(t.rows, replayRow(n, zone))
	}
	if dropped := t.write(w, width, color); len(dropped) > 0 {
		writeNarrow(w, dropped)
	}
	_, _ = fmt.Fprintf(w, "\n%s\n", replayInWords(r))
}

func replayRow(n client.ReplayNight, zone *time.Location) row {
	line := []string{" ", moment(n.Created, zone), plain.Line(n.Run), plain.Line(string(n.Then.Verdict))}
	switch {
	case n.With == nil:
		return row{cells: append(line, "-", cmp.Or(plain.Line(n.Then.Candidate), "-"), plain.Line(n.Why)), style: titleStyle}
	case !n.Differs:
		return row{cells: append(line, "the same", cmp.Or(plain.Line(n.With.Candidate), "-"), plain.Line(n.With.Reason))}
	}
	line[0] = "*"
	return row{
		cells: append(line, plain.Line(string(n.With.Verdict)), cmp.Or(plain.Line(n.With.Candidate), "-"), plain.Line(n.With.Reason)),
		style: verdictStyle(n.With.Verdict),
	}
}

// replayInWords sums a replay up.
func replayInWords(r client.Replay) string {
	set := make([]string, len(r.Set))
	for i, one := range r.Set {
		set[i] = plain.Line(one)
	}
	with := "With " + strings.Join(set, " and ")
	if r.Judged == 0 {
		return with + ": none of these nights could be judged again."
	}
	line := fmt.Sprintf("%s, %d of %s would have ended otherwise; champion changes %d -> %d.", with, r.Differ, counted(r.Judged, "night"), r.Changes, r.With)
	if left := len(r.Nights) - r.Judged; left > 0 {
		line += fmt.Sprintf(" %s could not be judged again.", counted(left, "night"))
	}
	return line + " Each night is judged against its own champion."
}
