package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/metric"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// writeLeaderboard writes a run's leaderboard, where the run came from, its rows, its notes and, last,
// its verdict, with times in the machine's zone. Width is the terminal's, in cells: columns that find
// no room are left out and named. With width 0, for pipes, everything is shown in full.
func writeLeaderboard(w io.Writer, r bakeoff.Report, width int, color bool) {
	writeLeaderboardIn(w, r, width, color, time.Local)
}

func writeLeaderboardIn(w io.Writer, r bakeoff.Report, width int, color bool, zone *time.Location) {
	if len(r.Leaderboard) > 0 {
		t := leaderboardTable(&r)
		if dropped := t.write(w, width, color); len(dropped) > 0 {
			writeNarrow(w, dropped)
		}
		_, _ = fmt.Fprintln(w)
	}
	_, _ = fmt.Fprintln(w, "Run: "+originInWords(&r, zone))
	if r.Late {
		_, _ = fmt.Fprintln(w, "Late: "+lateInWords(&r, zone))
	}
	if r.Rows != nil {
		_, _ = fmt.Fprintln(w, "Rows: "+rowsInWords(r.Rows))
	}
	if r.Detectable > 0 {
		_, _ = fmt.Fprintf(w, "Detectable: a gain of %s of %s or more, in 8 of 10 cases\n", plain.Value(r.Detectable), plain.Line(r.Metric))
	}
	if line := usesInWords(&r, zone); line != "" {
		_, _ = fmt.Fprintln(w, line)
	}
	for _, note := range r.Notes {
		_, _ = fmt.Fprintln(w, "Note: "+plain.Line(note))
	}
	for _, line := range searchesInWords(&r) {
		_, _ = fmt.Fprintln(w, "Search: "+line)
	}
	for _, line := range stoppedInWords(&r) {
		_, _ = fmt.Fprintln(w, "Stopped: "+line)
	}
	sentence := verdictInWords(&r)
	if color {
		word, rest, _ := strings.Cut(sentence, ":")
		sentence = verdictStyle(r.Verdict).Render(word) + ":" + rest
	}
	_, _ = fmt.Fprintln(w, sentence)
	if r.Verdict == bakeoff.Promoted && r.Previous != nil {
		_, _ = fmt.Fprintln(w, "Undo: bakeoff rollback "+plain.Line(r.Pipeline))
	}
}

// writeNarrow names the columns that found no room.
func writeNarrow(w io.Writer, dropped []string) {
	_, _ = fmt.Fprintf(w, "(not shown here: %s; a wider terminal or --json has them)\n", strings.ToLower(strings.Join(dropped, ", ")))
}

func verdictStyle(v bakeoff.Verdict) lipgloss.Style {
	switch v {
	case bakeoff.Promoted:
		return goodStyle
	case bakeoff.Failed:
		return badStyle
	}
	return neutralStyle
}

// verdictInWords is the verdict, what is live now, and the reason.
func verdictInWords(r *bakeoff.Report) string {
	parts := []string{liveInWords(r), plain.Line(r.Reason)}
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	return string(r.Verdict) + ": " + strings.Join(parts, "; ")
}

// liveInWords says what the verdict did to the champion.
func liveInWords(r *bakeoff.Report) string {
	switch c := r.Champion; {
	case r.Verdict == bakeoff.Promoted && c != nil && r.Previous != nil:
		return fmt.Sprintf("%s is now %s v%d, in place of v%d (%s)", plain.Line(c.Candidate), plain.Line(c.Model), c.Version,
			r.Previous.Version, plain.Line(r.Previous.Candidate))
	case r.Verdict == bakeoff.Promoted && c != nil:
		return fmt.Sprintf("%s is now %s v%d", plain.Line(c.Candidate), plain.Line(c.Model), c.Version)
	case c != nil:
		return fmt.Sprintf("%s v%d (%s) stays", plain.Line(c.Model), c.Version, plain.Line(c.Candidate))
	}
	return "there is no champion yet"
}

// intervalName names the leaderboard's intervals by their confidence.
func intervalName(r *bakeoff.Report) string {
	if r.Confidence == 0 {
		return "interval"
	}
	return strconv.FormatFloat(100*r.Confidence, 'g', 4, 64) + "% interval"
}

// leaderboardTable lays out the contestants: the ranked ones in order, then those that failed.
func leaderboardTable(r *bakeoff.Report) table {
	old, judged := contestant(r, func(row *bakeoff.LeaderboardRow) bool { return row.Role == bakeoff.RoleChampion })
	others := otherMetrics(r)
	t := table{columns: []column{{title: "RANK"}, {title: "CANDIDATE"}, {title: "ROLE"}}}
	if r.Metric != "" {
		t.columns = append(t.columns, column{title: strings.ToUpper(plain.Line(r.Metric)), right: true}, column{title: strings.ToUpper(intervalName(r)), drop: 2})
	}
	if judged {
		t.columns = append(t.columns, column{title: "GAIN", right: true})
	}
	for i, name := range others {
		t.columns = append(t.columns, column{title: strings.ToUpper(plain.Line(name)), right: true, drop: 5 + i})
	}
	tried := searched(r)
	if tried {
		t.columns = append(t.columns, column{title: "TRIED", right: true, drop: 1})
	}
	t.columns = append(t.columns, column{title: "SIZE", right: true, drop: 4}, column{title: "SECONDS", right: true, drop: 3})
	t.columns = append(t.columns, speedColumns(r, 5+len(others))...)
	for _, c := range r.Leaderboard {
		if c.Rank == nil {
			t.rows = append(t.rows, unrankedRow(&c))
			continue
		}
		cells := []string{fmt.Sprint(*c.Rank), plain.Line(c.Candidate), roleInWords(&c)}
		if r.Metric != "" {
			cells = append(cells, metricCell(c.Metrics, r.Metric), intervalCell(c.Interval, r.Metric))
		}
		if judged {
			cells = append(cells, gainCell(r.Metric, &c, old))
		}
		for _, name := range others {
			cells = append(cells, metricCell(c.Metrics, name))
		}
		if tried {
			cells = append(cells, triedCell(c.Search))
		}
		cells = append(cells, sizeCell(c.Bytes), secondsCell(c.Seconds))
		t.rows = append(t.rows, row{cells: append(cells, speedCells(r, &c)...)})
	}
	return t
}

// unrankedRow is a contestant that was not judged, with the reason for it.
func unrankedRow(c *bakeoff.LeaderboardRow) row {
	r := row{cells: []string{"-", plain.Line(c.Candidate), roleInWords(c)}, rest: plain.Line(c.Reason)}
	if c.State == bakeoff.TrialFailed {
		r.cells[0], r.style = "✗", badStyle
	}
	return r
}

func roleInWords(c *bakeoff.LeaderboardRow) string {
	if c.Role == bakeoff.RoleChampion && c.Rebuilt {
		return fmt.Sprintf("%s v%d (rebuilt)", c.Role, c.Version)
	}
	if c.Role == bakeoff.RoleChampion && c.Version > 0 {
		return fmt.Sprintf("%s v%d", c.Role, c.Version)
	}
	return string(c.Role)
}

// contestant returns the first row that matches and has a value of the objective metric.
func contestant(r *bakeoff.Report, match func(*bakeoff.LeaderboardRow) bool) (*bakeoff.LeaderboardRow, bool) {
	for i := range r.Leaderboard {
		row := &r.Leaderboard[i]
		if _, ok := row.Metrics[r.Metric]; ok && match(row) {
			return row, true
		}
	}
	return nil, false
}

// otherMetrics returns the names of the metrics beside the objective, sorted.
func otherMetrics(r *bakeoff.Report) []string {
	var names []string
	for _, row := range r.Leaderboard {
		for name := range row.Metrics {
			if name != r.Metric && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// gain returns by how much a is better than b in the direction of the metric.
func gain(name string, a, b float64) float64 {
	if m, ok := metric.Lookup(name); ok && !m.HigherIsBetter() {
		return b - a
	}
	return a - b
}

func gainCell(name string, c, champion *bakeoff.LeaderboardRow) string {
	v, ok := c.Metrics[name]
	if !ok || c.Role != bakeoff.RoleChallenger {
		return "-"
	}
	return plain.Signed(gain(name, v, champion.Metrics[name]))
}

func metricCell(metrics map[string]float64, name string) string {
	if v, ok := metrics[name]; ok {
		return plain.Value(v)
	}
	return "-"
}

func intervalCell(intervals map[string][2]float64, name string) string {
	if v, ok := intervals[name]; ok {
		return fmt.Sprintf("[%s, %s]", plain.Value(v[0]), plain.Value(v[1]))
	}
	return "-"
}

func sizeCell(n int64) string {
	if n == 0 {
		return "-"
	}
	return formatBytes(n)
}

func secondsCell(s float64) string {
	if s == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", s)
}
