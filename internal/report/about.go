package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/chart"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// maxImportant is how many columns are drawn.
const maxImportant = 15

// importance shows which columns the models lean on.
func (w *writer) importance() section {
	s := section{id: "importance", title: "What the models lean on"}
	for i, k := range w.Importance {
		if len(k.Columns) > 0 {
			s.grid = append(s.grid, w.important(fmt.Sprintf("importance-%d", i+1), k))
		}
	}
	if len(s.grid) > 0 {
		s.lead = []string{fmt.Sprintf("By how much %s gets worse when the values of one column are dealt to other rows, five times over: the mean, with one standard deviation to each side. Columns that tell the same share it, so that each looks smaller.", plain.Line(w.r.Metric))}
	}
	return s
}

func (w *writer) important(id string, k Importance) chart.Bars {
	b := chart.Bars{
		Frame: chart.Frame{ID: id, Title: nameOf(k.Candidate, k.Role, k.Version), Note: fmt.Sprintf("Measured on %s rows of the holdout.", plain.Count(k.Rows))},
		Head:  [2]string{"Column", "loss"},
		Style: w.styleNamed(k.Candidate, k.Role),
	}
	for _, c := range k.Columns[:min(len(k.Columns), maxImportant)] {
		b.Rows = append(b.Rows, chart.Bar{Name: plain.Line(c.Column), Value: w.scaled(c.Loss), Spread: w.scaled(c.Deviation), Text: w.gain(c.Loss)})
	}
	if more := len(k.Columns) - maxImportant; more > 0 {
		b.Note += fmt.Sprintf(" %d further columns matter less.", more)
	}
	return b
}

func (w *writer) styleNamed(candidate string, role bakeoff.Role) chart.Style {
	for _, e := range w.ranked {
		if e.row.Candidate == candidate && e.row.Role == role {
			return e.style
		}
	}
	return chart.Plain
}

// rows tells which rows the run had and what is worth knowing about them.
func (w *writer) rows() section {
	s := section{id: "rows", title: "Rows"}
	if n := w.r.Rows; n != nil {
		t := sheet{rows: [][]cell{
			{{text: "to train on", head: true}, countCell(n.Train)},
			{{text: "judged", head: true}, countCell(n.Holdout)},
		}}
		t.rows = appendCount(t.rows, "set aside: no target", n.MissingTarget)
		t.rows = appendCount(t.rows, "set aside: the champion was trained on them", n.SeenByChampion)
		t.rows = appendCount(t.rows, "set aside: also in training", n.AlsoInTraining)
		t.rows = appendCount(t.rows, "set aside: other reasons", n.SetAside-n.MissingTarget-n.SeenByChampion-n.AlsoInTraining)
		t.rows = append(t.rows, w.classRows()...)
		s.wide = append(s.wide, sheetTable(t))
	}
	for i := range w.r.Leaderboard {
		if row := &w.r.Leaderboard[i]; row.Unseen > 0 {
			s.lead = append(s.lead, fmt.Sprintf("%s met %s cells with a category that its training had not seen.", plain.Line(row.Candidate), plain.Count(row.Unseen)))
		}
	}
	s.lead = append(s.lead, sentences(w.r.Notes)...)
	return s
}

func appendCount(rows [][]cell, name string, n int) [][]cell {
	if n <= 0 {
		return rows
	}
	return append(rows, []cell{{text: name, head: true}, countCell(n)})
}

// classRows counts the judged rows of each class, if they are few.
func (w *writer) classRows() [][]cell {
	if k := len(w.Labels.Classes); k == 0 || k > maxClasses || w.Labels.Len() == 0 {
		return nil
	}
	var rows [][]cell
	for class, name := range w.Labels.Classes {
		c := countCell(w.sizeOf(class))
		c.sub = fmt.Sprintf("%.1f %%", 100*w.shareOf(class))
		rows = append(rows, []cell{{text: fmt.Sprintf("judged, %s is %s", plain.Line(w.Target), plain.Line(name)), head: true}, c})
	}
	return rows
}

// origin is what it takes to build the models again.
func (w *writer) origin() section {
	s := section{id: "origin", title: "Where it comes from"}
	o := w.Origin
	facts := []fact{{"Run", plain.Line(w.r.Run)}, {"Pipeline revision", string(w.r.Revision)}}
	if w.r.Snapshot != "" {
		facts = append(facts, fact{"Snapshot", string(w.r.Snapshot)})
	}
	if o.Split.By != "" { // else the run's record is gone, and nobody knows
		facts = append(facts, fact{"Holdout", splitOf(o.Split)}, fact{"Seed", fmt.Sprint(o.Seed)})
	}
	for i := range w.r.Leaderboard {
		if row := &w.r.Leaderboard[i]; row.Artifact != "" {
			facts = append(facts, fact{"Artifact of " + nameOf(row.Candidate, row.Role, row.Version), string(row.Artifact)})
		}
	}
	if w.r.Program != "" {
		facts = append(facts, fact{"Decided by bakeoff", plain.Line(w.r.Program)})
	}
	s.wide = append(s.wide, list(facts))
	return s
}

func splitOf(s bakeoff.Split) string {
	text := fmt.Sprintf("%g %% of the rows by %s", 100*s.Holdout, s.By)
	if s.By == bakeoff.SplitByColumn {
		text = "by a column"
	}
	if s.Column != "" {
		text += " " + plain.Line(s.Column)
	}
	if s.Rotate > 0 {
		text += fmt.Sprintf(", in period %d of %s", s.Period, bakeoff.Days(s.Rotate))
	}
	return text
}

// unjudged says what is not on the page, and why.
func (w *writer) unjudged() section {
	s := section{id: "unjudged", title: "What was not judged, and why"}
	for i := range w.r.Leaderboard {
		row := &w.r.Leaderboard[i]
		name := nameOf(row.Candidate, row.Role, row.Version)
		why := cmp.Or(plain.Line(row.Reason), "no reason is recorded")
		switch {
		case row.State == bakeoff.TrialFailed:
			s.lead = append(s.lead, sentence(name+" failed: "+why))
		case row.Rank == nil:
			s.lead = append(s.lead, sentence(name+" was not ranked: "+why))
		}
	}
	s.lead = append(s.lead, w.undefined()...)
	if w.Unanswered != "" {
		s.lead = append(s.lead, sentence(plain.Line(w.Unanswered)))
	}
	for _, k := range w.Importance {
		if k.Unmeasured != "" {
			s.lead = append(s.lead, sentence(fmt.Sprintf("What %s leans on was not measured: %s", nameOf(k.Candidate, k.Role, k.Version), plain.Line(k.Unmeasured))))
		}
	}
	return s
}

// undefined names the metrics that ranked contestants lack.
func (w *writer) undefined() []string {
	var lines []string
	for _, name := range w.metricNames() {
		var without []string
		for i := range w.r.Leaderboard {
			row := &w.r.Leaderboard[i]
			if _, ok := row.Metrics[name]; !ok && row.Rank != nil {
				without = append(without, plain.Line(row.Candidate))
			}
		}
		if len(without) > 0 && len(w.r.Leaderboard) > 0 {
			slices.Sort(without)
			lines = append(lines, fmt.Sprintf("The holdout does not define %s for %s.", plain.Line(name), strings.Join(slices.Compact(without), ", ")))
		}
	}
	return lines
}
