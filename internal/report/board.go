package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/chart"
	"github.com/bakeoffhq/bakeoff/internal/plain"
	"github.com/bakeoffhq/bakeoff/internal/search"
)

// leaderboard shows the contestants by the objective, drawn, and then all that was measured of them.
func (w *writer) leaderboard() section {
	s := section{id: "leaderboard", title: "Leaderboard"}
	if len(w.r.Leaderboard) == 0 {
		return s
	}
	if dots := w.dots(); len(dots) > 0 {
		s.wide = append(s.wide, chart.Dots{
			Frame: chart.Frame{ID: "board", Note: w.boardNote(dots)},
			Head:  [3]string{"Candidate", plain.Line(w.r.Metric), w.confidence()},
			Rows:  dots,
		})
	}
	names := w.metricNames()
	for lo := 0; lo == 0 || lo < len(names); lo += metricsAcross {
		s.wide = append(s.wide, sheetTable(w.measures(names[lo:min(len(names), lo+metricsAcross)], lo > 0)))
	}
	s.wide = append(s.wide, sheetTable(w.costs()))
	return s
}

func (w *writer) boardNote(dots []chart.Dot) string {
	note := "Bars are " + w.confidence() + "s; the champion is a diamond, the baseline a ring"
	if slices.ContainsFunc(dots, func(d chart.Dot) bool { return d.Loose }) {
		note += " or, off the scale, an arrow"
	}
	note += ". "
	if w.r.Confidence > 0 {
		note += "Intervals that overlap do not settle who is better: the paired comparison below does."
	}
	return note
}

// dots are the ranked rows that have the objective.
func (w *writer) dots() []chart.Dot {
	var all []chart.Dot
	for i := range w.r.Leaderboard {
		row := &w.r.Leaderboard[i]
		v, ok := row.Metrics[w.r.Metric]
		if !ok || row.Rank == nil {
			continue
		}
		d := chart.Dot{Name: plain.Line(row.Candidate), Value: v, Text: value(v), Interval: row.Interval[w.r.Metric], Style: w.styleOf(row)}
		if bounds, ok := row.Interval[w.r.Metric]; ok {
			d.Range = rangeOf(bounds, value, "")
		}
		switch row.Role {
		case bakeoff.RoleChampion:
			d.Shape, d.Note = chart.Diamond, fmt.Sprintf("champion v%d", row.Version)
		case bakeoff.RoleBaseline:
			d.Shape = chart.Ring
		}
		all = append(all, d)
	}
	return loosened(all)
}

// loosened lets the baseline be off the scale where it would take most of it: what matters is how far
// the others are apart.
func loosened(all []chart.Dot) []chart.Dot {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, d := range all {
		if d.Shape != chart.Ring {
			lo, hi = math.Min(lo, math.Min(d.Value, d.Interval[0])), math.Max(hi, math.Max(d.Value, d.Interval[1]))
		}
	}
	for i, d := range all {
		far := math.Max(lo-d.Value, d.Value-hi)
		all[i].Loose = d.Shape == chart.Ring && lo < hi && far > hi-lo
	}
	return all
}

func (w *writer) styleOf(row *bakeoff.LeaderboardRow) chart.Style {
	for _, e := range w.ranked {
		if e.row == row {
			return e.style
		}
	}
	return chart.Plain
}

// rangeOf writes an interval, its unit once.
func rangeOf(bounds [2]float64, text func(float64) string, unit string) string {
	return strings.TrimSuffix(text(bounds[0]), unit) + " to " + text(bounds[1])
}

// metricsAcross is how many metrics a table has room for, on paper too.
const metricsAcross = 5

// measures are metrics of every contestant. A table that goes on with more of them leaves out who has none.
func (w *writer) measures(names []string, goesOn bool) sheet {
	t := sheet{head: []cell{{text: "#", num: true}, {text: "Candidate"}, {text: "Role"}}}
	for _, name := range names {
		t.head = append(t.head, cell{text: plain.Line(name), num: true})
	}
	for i := range w.r.Leaderboard {
		row := &w.r.Leaderboard[i]
		if row.Rank == nil && goesOn {
			continue
		}
		cells := placed(row)
		if row.Rank == nil {
			why := cmp.Or(plain.Line(row.Reason), string(row.State))
			t.rows = append(t.rows, append(cells, cell{text: why, span: max(2, len(names))}))
			continue
		}
		for _, name := range names {
			cells = append(cells, metricCell(row, name))
		}
		t.rows = append(t.rows, cells)
	}
	return t
}

// placed are the cells that name a contestant.
func placed(row *bakeoff.LeaderboardRow) []cell {
	place := "–"
	if row.Rank != nil {
		place = strconv.Itoa(*row.Rank)
	}
	return []cell{{text: place, num: true}, {text: plain.Line(row.Candidate), head: true}, {text: roleOf(row)}}
}

// costs is what the contestants take.
func (w *writer) costs() sheet {
	t := sheet{head: []cell{{text: "#", num: true}, {text: "Candidate"}, {text: "Role"}, {text: "size", num: true}, {text: "build", num: true}}}
	timed := slices.ContainsFunc(w.r.Leaderboard, func(row bakeoff.LeaderboardRow) bool { return row.Speed != nil })
	if timed {
		t.head = append(t.head, speedHead()...)
	}
	for i := range w.r.Leaderboard {
		row := &w.r.Leaderboard[i]
		if row.Role == bakeoff.RoleBaseline || row.State != bakeoff.TrialBuilt {
			continue
		}
		cells := append(placed(row), cell{text: bytesOf(row.Bytes), num: true}, cell{text: secondsOf(row.Seconds), num: true})
		if timed {
			cells = append(cells, speedCells(row.Speed)...)
		}
		t.rows = append(t.rows, cells)
	}
	return t
}

// metricNames are the objective and then the others, by name.
func (w *writer) metricNames() []string {
	var names []string
	for _, row := range w.r.Leaderboard {
		for name := range row.Metrics {
			if name != w.r.Metric && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	if w.r.Metric != "" {
		names = slices.Insert(names, 0, w.r.Metric)
	}
	return names
}

func metricCell(row *bakeoff.LeaderboardRow, name string) cell {
	v, ok := row.Metrics[name]
	if !ok {
		return cell{text: "–", num: true}
	}
	c := cell{text: value(v), num: true}
	if bounds, ok := row.Interval[name]; ok {
		c.sub = value(bounds[0]) + "–" + value(bounds[1])
	}
	return c
}

func roleOf(row *bakeoff.LeaderboardRow) string {
	if row.Role == bakeoff.RoleChampion && row.Rebuilt {
		return fmt.Sprintf("champion v%d (rebuilt)", row.Version)
	}
	if row.Role == bakeoff.RoleChampion && row.Version > 0 {
		return fmt.Sprintf("champion v%d", row.Version)
	}
	return string(row.Role)
}

func bytesOf(n int64) string {
	if n == 0 {
		return "–"
	}
	v, unit := float64(n), 0
	for v >= 999.95 && unit < 4 {
		v /= 1000
		unit++
	}
	if unit == 0 {
		return strconv.FormatInt(n, 10) + " B"
	}
	return fmt.Sprintf("%.1f %cB", v, " kMGT"[unit])
}

func secondsOf(s float64) string {
	if s == 0 {
		return "–"
	}
	return strconv.FormatFloat(s, 'f', 1, 64) + " s"
}

// decision shows what the gate was about: by how much challengers are better, and what it takes.
func (w *writer) decision() section {
	s := section{id: "decision", title: "The decision"}
	d := w.r.Deciding
	if d != nil {
		s.lead = append(s.lead, w.decided(d)...)
	}
	if c := w.r.Second; c != nil && (d == nil || c.Candidate != d.Candidate || c.With != d.With) {
		s.lead = append(s.lead, w.second(c))
	}
	for _, e := range w.ranked {
		if e.row.Stopped != "" {
			s.lead = append(s.lead, sentence(e.name()+" does not pass the gate: it "+plain.Line(e.row.Stopped)))
		}
	}
	for i := range w.r.Leaderboard {
		if row := &w.r.Leaderboard[i]; row.Search != nil {
			s.lead = append(s.lead, sentence(plain.Line(row.Candidate)+": "+search.InWords(row.Search)))
		}
	}
	if dots := w.gains(); len(dots) > 0 {
		g := chart.Dots{
			Frame: chart.Frame{ID: "gains", Title: "Gain over " + w.reference(), Note: w.gainsNote()},
			Head:  [3]string{"Challenger", "gain", w.confidence()},
			Rows:  dots,
			Marks: []chart.Mark{{Value: 0, Name: "no difference"}},
		}
		if d != nil && d.Needed > 0 {
			g.Marks = append(g.Marks, chart.Mark{Value: w.scaled(d.Needed), Name: fmt.Sprintf("what the gate asks for, about %s", w.gain(d.Needed)), Dashed: true})
		}
		s.wide = []templ.Component{g}
	}
	return s
}

func (w *writer) gainsNote() string {
	note := "Each challenger beside the same contestant, on the same rows."
	if w.known && w.metric.Unit() {
		note += " One point (pt) is a hundredth."
	}
	return note
}

// decided tells of the comparison that the verdict is about.
func (w *writer) decided(d *bakeoff.Comparison) []string {
	if d.Gain == 0 && d.Interval == [2]float64{} {
		return []string{fmt.Sprintf("%s is exactly as good as %s on these rows.", plain.Line(d.Candidate), w.other(d))}
	}
	line := fmt.Sprintf("%s beside %s: a gain of %s (%s %s).", plain.Line(d.Candidate), w.other(d), w.gain(d.Gain), w.confidence(), rangeOf(d.Interval, w.gain, points))
	if d.Test != "" {
		line += fmt.Sprintf(" Test: %s, one-sided, p %s", plain.Line(d.Test), chance(d.P))
		switch {
		case d.Adjusted == d.P:
		case chance(d.Adjusted) == chance(d.P):
			line += ", also when it is corrected for the number of challengers"
		default:
			line += fmt.Sprintf(", or %s corrected for the number of challengers", chance(d.Adjusted))
		}
		line += "."
	}
	lines := []string{line}
	switch {
	case d.Asked > 0:
		lines = append(lines, fmt.Sprintf("The gate asks for a gain of %s.", w.size(d.Asked)))
	case d.Needed > 0:
		lines = append(lines, fmt.Sprintf("The gate asks for a gain of about %s on these rows.", w.size(d.Needed)))
	}
	if found := cmp.Or(w.r.Detectable, d.Detectable); found > 0 {
		lines = append(lines, fmt.Sprintf("This holdout finds a true gain of %s or more in %d of 10 cases; a smaller one is more likely to be missed.",
			w.size(found), int(math.Round(10*bakeoff.Power))))
	}
	return lines
}

// second tells how the best two compare.
func (w *writer) second(c *bakeoff.Comparison) string {
	if c.Gain == 0 {
		return fmt.Sprintf("The best two, %s and %s, are equally good.", plain.Line(c.Candidate), w.other(c))
	}
	return fmt.Sprintf("The best two: %s is ahead of %s by %s (%s %s).", plain.Line(c.Candidate), w.other(c), w.size(math.Max(0, c.Gain)), w.confidence(), rangeOf(c.Interval, w.gain, points))
}

// other names what a candidate is compared with.
func (w *writer) other(c *bakeoff.Comparison) string {
	switch c.Role {
	case bakeoff.RoleBaseline:
		return "the baseline"
	case bakeoff.RoleChampion:
		return "the champion (" + plain.Line(c.With) + ")"
	}
	return plain.Line(c.With)
}

// chance writes a p-value.
func chance(p float64) string {
	if p < 0.0001 {
		return "< 0.0001"
	}
	return strconv.FormatFloat(p, 'f', 4, 64)
}

// gains are the ranked challengers' comparisons, the one that decided among them.
func (w *writer) gains() []chart.Dot {
	var all []chart.Dot
	for _, e := range w.ranked {
		c := e.row.Against
		if c == nil {
			continue
		}
		d := chart.Dot{
			Name: plain.Line(e.row.Candidate), Note: "p " + chance(c.Adjusted), Style: e.style, Value: w.scaled(c.Gain), Text: w.gain(c.Gain),
			Interval: [2]float64{w.scaled(c.Interval[0]), w.scaled(c.Interval[1])},
		}
		if c.Interval != [2]float64{} {
			d.Range = rangeOf(c.Interval, w.gain, points)
		}
		all = append(all, d)
	}
	return all
}

// scaled is a difference in the unit in which it is written.
func (w *writer) scaled(v float64) float64 {
	if w.known && w.metric.Unit() {
		return 100 * v
	}
	return v
}

// reference names what all challengers are compared with.
func (w *writer) reference() string {
	for _, e := range w.ranked {
		if c := e.row.Against; c != nil {
			return w.other(c)
		}
	}
	return ""
}
