package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// slices shows a run's slices.
func (s *shell) slices(r bakeoff.Report) error {
	if s.json {
		return writeJSON(s.stdout, append([]bakeoff.SliceTable{}, r.Slices...))
	}
	if len(r.Slices) == 0 {
		return bakeoff.Errorf(bakeoff.CodeNotFound, "run %s has no slices", r.Run).
			WithHint("name columns in the pipeline file: judge: {slices: [...]}")
	}
	writeSlices(s.stdout, r, width(s.stdout), s.color(s.stdout))
	return nil
}

// writeSlices writes a table for each column that the holdout was sliced by, and what they are about.
func writeSlices(w io.Writer, r bakeoff.Report, width int, color bool) {
	for i := range r.Slices {
		t := sliceTable(&r, &r.Slices[i])
		if dropped := t.write(w, width, color); len(dropped) > 0 {
			writeNarrow(w, dropped)
		}
		_, _ = fmt.Fprintln(w)
	}
	_, _ = fmt.Fprintf(w, "All by %s, with the %s.\n", plain.Line(r.Metric), intervalName(&r))
	if c := consideredIn(r.Slices); c != nil {
		_, _ = fmt.Fprintf(w, "GAIN is that of %s over the champion, on the same rows; below zero it is a loss.\n", plain.Line(c.Candidate))
	}
}

// consideredIn returns some comparison of the slices: all are of one challenger. It is nil where there is none.
func consideredIn(tables []bakeoff.SliceTable) *bakeoff.Comparison {
	for _, t := range tables {
		for _, s := range t.Slices {
			if s.Against != nil {
				return s.Against
			}
		}
	}
	return nil
}

// sliceTable lays out the slices by one column. The two that are compared come first, and find room
// where the others do not.
func sliceTable(r *bakeoff.Report, of *bakeoff.SliceTable) table {
	compared := consideredIn(r.Slices)
	scores := contestantsOf(of, compared)
	t := table{columns: []column{{title: strings.ToUpper(plain.Line(of.Column))}, {title: "ROWS", right: true}}}
	if compared != nil {
		t.columns = append(t.columns, column{title: "GAIN", right: true}, column{title: strings.ToUpper(intervalName(r)), drop: 1})
	}
	for i, c := range scores {
		t.columns = append(t.columns, column{title: scoreName(c), right: true, drop: 2 + i})
	}
	worse := slices.ContainsFunc(of.Slices, func(s bakeoff.Slice) bool { return s.Worse })
	if worse {
		t.columns = append(t.columns, column{title: "GATE"})
	}
	for _, s := range of.Slices {
		t.rows = append(t.rows, sliceRow(s, scores, compared != nil, worse))
	}
	return t
}

func sliceRow(s bakeoff.Slice, scores []bakeoff.SliceScore, compared, worse bool) row {
	cells := []string{sliceCell(s), plain.Count(s.Rows)}
	if s.TooSmall != "" {
		return row{cells: cells, rest: "too small: " + plain.Line(s.TooSmall)}
	}
	if compared {
		cells = append(cells, sliceGain(s.Against)...)
	}
	for _, c := range scores {
		cells = append(cells, scoreCell(s, c))
	}
	out := row{}
	if worse {
		verdict := ""
		if s.Worse {
			verdict, out.style = "stopped", badStyle
		}
		cells = append(cells, verdict)
	}
	out.cells = cells
	return out
}

func sliceCell(s bakeoff.Slice) string {
	switch s.Kind {
	case bakeoff.SliceMissing:
		return "(no value)"
	case bakeoff.SliceOther:
		return fmt.Sprintf("(%s other values)", plain.Count(s.Values))
	}
	return plain.Line(s.Value)
}

// sliceGain returns the cells of a comparison.
func sliceGain(c *bakeoff.Comparison) []string {
	if c == nil {
		return []string{"-", "-"}
	}
	return []string{plain.Signed(c.Gain), fmt.Sprintf("[%s, %s]", plain.Signed(c.Interval[0]), plain.Signed(c.Interval[1]))}
}

// contestantsOf lists who has a score in some slice: the compared challenger, the champion, and the
// others as they are ranked.
func contestantsOf(of *bakeoff.SliceTable, compared *bakeoff.Comparison) []bakeoff.SliceScore {
	var all []bakeoff.SliceScore
	for _, s := range of.Slices {
		for _, c := range s.Scores {
			if !slices.ContainsFunc(all, func(k bakeoff.SliceScore) bool { return sameContestant(k, c) }) {
				all = append(all, c)
			}
		}
	}
	first := func(c bakeoff.SliceScore) int {
		switch {
		case compared != nil && c.Role == bakeoff.RoleChallenger && c.Candidate == compared.Candidate:
			return 0
		case c.Role == bakeoff.RoleChampion:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(all, func(a, b bakeoff.SliceScore) int { return first(a) - first(b) })
	return all
}

func sameContestant(a, b bakeoff.SliceScore) bool {
	return a.Role == b.Role && a.Candidate == b.Candidate
}

func scoreName(c bakeoff.SliceScore) string {
	name := strings.ToUpper(plain.Line(c.Candidate))
	if c.Role == bakeoff.RoleChampion {
		name += fmt.Sprintf(" v%d", c.Version)
	}
	return name
}

func scoreCell(s bakeoff.Slice, c bakeoff.SliceScore) string {
	i := slices.IndexFunc(s.Scores, func(k bakeoff.SliceScore) bool { return sameContestant(k, c) })
	if i < 0 {
		return "-"
	}
	text := plain.Value(s.Scores[i].Value)
	if bounds := s.Scores[i].Interval; bounds != nil {
		text += fmt.Sprintf(" [%s, %s]", plain.Value(bounds[0]), plain.Value(bounds[1]))
	}
	return text
}

// stoppedInWords says of each challenger that something in the gate stopped what that was, as far as
// the reason does not say it.
func stoppedInWords(r *bakeoff.Report) []string {
	var lines []string
	for i := range r.Leaderboard {
		row := &r.Leaderboard[i]
		if row.Stopped != "" && !strings.Contains(r.Reason, row.Stopped) {
			lines = append(lines, plain.Line(row.Candidate)+", which "+plain.Line(row.Stopped))
		}
	}
	return lines
}

// gateSentences tell which challengers something in the gate stopped, and where the one that the
// verdict is about is worst.
func gateSentences(r *bakeoff.Report) []string {
	var lines []string
	for _, line := range stoppedInWords(r) {
		lines = append(lines, sentence("the gate stops "+line))
	}
	if line := worstSlice(r); line != "" {
		lines = append(lines, line)
	}
	return lines
}

// worstSlice tells in which slice the challenger that the verdict is about loses most, or "".
func worstSlice(r *bakeoff.Report) string {
	var worst bakeoff.Slice
	where, least := "", 0.0
	for _, t := range r.Slices {
		for _, s := range t.Slices {
			if s.Against != nil && s.Against.Gain < least {
				worst, where, least = s, s.Where(t.Column), s.Against.Gain
			}
		}
	}
	if where == "" {
		return ""
	}
	c := worst.Against
	return fmt.Sprintf("Of all slices, %s does worst beside the champion where %s: a gain of %s (%s %s to %s) on %s rows; `bakeoff leaderboard --slices` has the others.",
		plain.Line(c.Candidate), plain.Line(where), plain.Signed(c.Gain), intervalName(r),
		plain.Signed(c.Interval[0]), plain.Signed(c.Interval[1]), plain.Count(worst.Rows))
}

// wasMeasured reports whether the contestants of a run were measured: those of older ones were not.
func wasMeasured(r *bakeoff.Report) bool {
	return slices.ContainsFunc(r.Leaderboard, func(c bakeoff.LeaderboardRow) bool { return c.Speed != nil })
}

// speedColumns are those for what an answer takes. Drop is the first that they are dropped by.
func speedColumns(r *bakeoff.Report, drop int) []column {
	if !wasMeasured(r) {
		return nil
	}
	return []column{{title: "P95", right: true, drop: drop}, {title: "MEMORY", right: true, drop: drop + 1}}
}

func speedCells(r *bakeoff.Report, c *bakeoff.LeaderboardRow) []string {
	switch {
	case !wasMeasured(r):
		return nil
	case c.Speed == nil:
		return []string{"-", "-"}
	}
	return []string{shortTime(c.Speed.P95), sizeCell(c.Speed.Memory)}
}

// shortTime writes the time for a row: 2.4 µs, 31 ms, 1200 ms.
func shortTime(seconds float64) string {
	v, unit := 1e6*seconds, " µs"
	if v >= 999.5 {
		v, unit = v/1e3, " ms"
	}
	digits := 0
	if v < 9.95 {
		digits = 1
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + unit
}
