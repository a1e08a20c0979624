package cli

import (
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

func (s *shell) diffCommand() *cobra.Command {
	return &cobra.Command{
		Use: "diff [RUN [RUN]]", Short: "Say what changed between two nights", Args: cobra.MaximumNArgs(2),
		Long: `Diff says what changed from the first run to the second: the data, the pipeline
file, the candidates' parameters, the scores and the verdict. One run is compared
with the one before it; without any, the last two of the pipeline are.`,
		RunE: func(c *cobra.Command, args []string) error {
			return s.look(c.Context(), func(ctx context.Context, n *session) error {
				before, after := "", ""
				switch len(args) {
				case 2:
					before, after = args[0], args[1]
				case 1:
					after = args[0]
				default:
					last, err := n.endedRun(ctx, nil, "")
					if err != nil {
						return err
					}
					after = last.Run
				}
				d, err := n.Diff(ctx, before, after)
				if err != nil {
					return err
				}
				if s.json {
					return writeJSON(s.stdout, d)
				}
				writeDiffIn(s.stdout, d, width(s.stdout), s.color(s.stdout), time.Local)
				return nil
			})
		},
	}
}

// writeDiffIn writes what changed between two runs: sentences first, then the scores side by side, and
// last the lines of the pipeline file.
func writeDiffIn(w io.Writer, d client.Diff, width int, color bool, zone *time.Location) {
	_, _ = fmt.Fprintf(w, "From %s of %s\nto   %s of %s:\n\n", plain.Line(d.Before.Run), moment(d.Before.Created, zone), plain.Line(d.After.Run), moment(d.After.Created, zone))
	for _, lines := range [][]string{verdictChange(d), dataChange(d), fileChange(d), recipeChange(d), unknowns(d)} {
		for _, line := range lines {
			_, _ = fmt.Fprintln(w, line)
		}
	}
	if len(d.Scores) > 0 {
		_, _ = fmt.Fprintln(w)
		t := scoreTable(d)
		if dropped := t.write(w, width, color); len(dropped) > 0 {
			writeNarrow(w, dropped)
		}
	}
	if d.Text != "" {
		_, _ = fmt.Fprintln(w)
		writeText(w, d.Text, color)
	}
}

func verdictChange(d client.Diff) []string {
	var lines []string
	for _, r := range []client.DiffRun{d.Before, d.After} {
		report := bakeoff.Report{Verdict: r.Verdict, Champion: r.Champion}
		lines = append(lines, fmt.Sprintf("%s: %s (%s).", plain.Line(r.Run), r.Verdict, liveInWords(&report)))
	}
	return lines
}

// dataChange tells what changed in the rows.
func dataChange(d client.Diff) []string {
	var lines []string
	if d.Data.Same {
		lines = []string{"The rows are the same, to the last bit."}
	} else if b, a := d.Before.Rows, d.After.Rows; b != nil && a != nil {
		lines = append(lines, fmt.Sprintf("Rows to train on: %s; in the holdout: %s; set aside: %s.",
			countChange(b.Train, a.Train), countChange(b.Holdout, a.Holdout), countChange(b.SetAside, a.SetAside)))
	}
	for _, c := range d.Data.Columns {
		lines = append(lines, columnChange(c))
	}
	for _, other := range d.Data.Other {
		lines = append(lines, sentence(plain.Line(other)))
	}
	return append(lines, classChange(d.Data.Classes)...)
}

func countChange(before, after int) string {
	if before == after {
		return plain.Count(after) + " as before"
	}
	return fmt.Sprintf("%s -> %s (%+d)", plain.Count(before), plain.Count(after), after-before)
}

func columnChange(c client.ColumnDiff) string {
	name := plain.Line(c.Name)
	var parts []string
	switch {
	case c.Before == "":
		return fmt.Sprintf("The column %s came (%s).", name, c.After)
	case c.After == "":
		return fmt.Sprintf("The column %s went (%s).", name, c.Before)
	case c.Before != c.After:
		parts = append(parts, fmt.Sprintf("held values of the kind %s and now %s", c.Before, c.After))
	}
	if len(c.Came) > 0 {
		parts = append(parts, "has new categories: "+fewOf(c.Came))
	}
	if len(c.Went) > 0 {
		parts = append(parts, "lost categories: "+fewOf(c.Went))
	}
	if c.Missing == "came" {
		parts = append(parts, "has missing values, and had none")
	}
	if c.Missing == "went" {
		parts = append(parts, "has no missing values any more")
	}
	return fmt.Sprintf("The column %s %s.", name, strings.Join(parts, "; "))
}

// fewOf lists names, the first few of many.
func fewOf(names []string) string {
	const most = 5
	few := make([]string, 0, most)
	for _, n := range names[:min(most, len(names))] {
		few = append(few, plain.Line(n))
	}
	list := strings.Join(few, ", ")
	if more := len(names) - most; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}

// classChange tells how the shares of the classes moved: of many classes those that moved most.
func classChange(classes []client.ClassDiff) []string {
	const most = 10
	var lines []string
	for _, c := range classes[:min(most, len(classes))] {
		switch name := plain.Line(c.Class); {
		case c.Before == nil:
			lines = append(lines, fmt.Sprintf("The class %s came: %s of the judged rows.", name, perCent(*c.After)))
		case c.After == nil:
			lines = append(lines, fmt.Sprintf("The class %s went: it was %s of the judged rows.", name, perCent(*c.Before)))
		case *c.Before != *c.After:
			lines = append(lines, fmt.Sprintf("Of the judged rows %s are %s, and were %s.", perCent(*c.After), name, perCent(*c.Before)))
		}
	}
	if more := len(classes) - most; more > 0 {
		lines = append(lines, fmt.Sprintf("(%d more classes: --json has them)", more))
	}
	return lines
}

func perCent(share float64) string { return fmt.Sprintf("%.2f%%", 100*share) }

// fileChange tells what changed in the pipeline file and the program.
func fileChange(d client.Diff) []string {
	lines := []string{"The pipeline file is the same."}
	if d.Text != "" {
		lines = []string{"The pipeline file was changed, as below."}
	}
	if b, a := d.Before.Program, d.After.Program; b != "" && a != "" && b != a {
		lines = append(lines, fmt.Sprintf("The program was %s and is %s.", plain.Line(b), plain.Line(a)))
	}
	return lines
}

func recipeChange(d client.Diff) []string {
	var lines []string
	for _, r := range d.Recipes {
		switch name := plain.Line(r.Candidate); {
		case r.Before == nil:
			lines = append(lines, fmt.Sprintf("The candidate %s came (%s).", name, plain.Line(r.After.Trainer)))
		case r.After == nil:
			lines = append(lines, fmt.Sprintf("The candidate %s went (%s).", name, plain.Line(r.Before.Trainer)))
		default:
			lines = append(lines, fmt.Sprintf("The candidate %s changed: %s.", name, plain.Line(strings.Join(r.Changed, "; "))))
		}
	}
	return lines
}

func unknowns(d client.Diff) []string {
	lines := make([]string, len(d.Unknown))
	for i, u := range d.Unknown {
		lines[i] = "Not compared: " + plain.Line(u) + "."
	}
	return lines
}

// scoreTable has a line for each contestant.
func scoreTable(d client.Diff) table {
	metric := strings.ToUpper(plain.Line(d.After.Metric))
	t := table{columns: []column{
		{title: "CANDIDATE"},
		{title: "ROLE"},
		{title: metric + " BEFORE", right: true},
		{title: "INTERVAL", drop: 3},
		{title: "AFTER", right: true},
		{title: "INTERVAL", drop: 2},
		{title: "CHANGE", right: true},
		{title: "WITHIN THE INTERVALS", drop: 1},
	}}
	for _, s := range d.Scores {
		change, within := "-", "-"
		switch {
		case s.Change == nil:
		case s.Within:
			change, within = plain.Signed(*s.Change), "yes"
		default:
			change, within = plain.Signed(*s.Change), "no"
		}
		before, beforeBounds := scoreCells(s.Before)
		after, afterBounds := scoreCells(s.After)
		t.rows = append(t.rows, row{cells: []string{plain.Line(s.Candidate), versions(s), before, beforeBounds, after, afterBounds, change, within}})
	}
	return t
}

// versions says as what a contestant took part; of the champion, which version it was.
func versions(s client.ScoreDiff) string {
	before, after := 0, 0
	if s.Before != nil {
		before = s.Before.Version
	}
	if s.After != nil {
		after = s.After.Version
	}
	switch {
	case s.Role != bakeoff.RoleChampion || before+after == 0:
		return string(s.Role)
	case before == after || before == 0:
		return fmt.Sprintf("%s v%d", s.Role, after)
	case after == 0:
		return fmt.Sprintf("%s v%d", s.Role, before)
	}
	return fmt.Sprintf("%s v%d, v%d", s.Role, before, after)
}

func scoreCells(s *client.Score) (value, interval string) {
	if s == nil {
		return "-", "-"
	}
	if s.Interval == nil {
		return plain.Value(s.Value), "-"
	}
	return plain.Value(s.Value), fmt.Sprintf("[%s, %s]", plain.Value(s.Interval[0]), plain.Value(s.Interval[1]))
}

// writeText writes a unified diff.
func writeText(w io.Writer, text string, color bool) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		mark := ""
		if line != "" {
			mark = line[:1]
		}
		indented := strings.TrimLeft(line, " ")
		shown := strings.Repeat(" ", len(line)-len(indented)) + plain.Line(indented)
		if len(mark) == 1 && (mark == "+" || mark == "-") { // the file's own indentation follows the mark
			rest := strings.TrimLeft(line[1:], " ")
			shown = mark + strings.Repeat(" ", len(line)-1-len(rest)) + plain.Line(rest)
		}
		if color {
			switch mark {
			case "+":
				shown = goodStyle.Render(shown)
			case "-":
				shown = badStyle.Render(shown)
			}
		}
		_, _ = fmt.Fprintln(w, shown)
	}
}
