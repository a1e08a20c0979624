package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/chart"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// maxClasses is how many classes a confusion matrix has room for.
const maxClasses = 10

// confusion shows which classes are taken for which, and for two classes what other thresholds give.
func (w *writer) confusion() section {
	s := section{id: "confusion", title: "Confusion"}
	focus := w.focus()
	if len(w.Labels.Classes) < 2 || len(focus) == 0 {
		return s
	}
	shown := w.shownClasses()
	if same := w.same(); same != "" {
		s.lead = append(s.lead, same)
	}
	for i, e := range focus {
		s.grid = append(s.grid, w.heat(fmt.Sprintf("confusion-%d", i+1), e, shown))
	}
	if len(w.Labels.Classes) == 2 {
		for _, e := range focus {
			s.wide = append(s.wide, sheetTable(w.thresholds(e)))
		}
	}
	if len(shown) < len(w.Labels.Classes) {
		s.lead = append(s.lead, fmt.Sprintf("Of %d classes the %d with the most rows are shown; the rest are together.", len(w.Labels.Classes), len(shown)))
	}
	return s
}

// shownClasses are the classes with a row of their own: all, or the largest.
func (w *writer) shownClasses() []int {
	classes := make([]int, len(w.Labels.Classes))
	for i := range classes {
		classes[i] = i
	}
	if len(classes) <= maxClasses {
		return classes
	}
	slices.SortStableFunc(classes, func(a, b int) int { return cmp.Compare(w.sizeOf(b), w.sizeOf(a)) })
	classes = classes[:maxClasses-1]
	slices.Sort(classes)
	return classes
}

func (w *writer) heat(id string, e entrant, shown []int) chart.Heat {
	var names []string
	for _, class := range shown {
		names = append(names, plain.Line(w.Labels.Classes[class]))
	}
	rest := len(shown)
	h := chart.Heat{
		Frame: chart.Frame{ID: id, Title: e.name(), Note: "Each judged row at its most probable class. Shares are of the row."},
		Rows:  names, Columns: names, RowName: "is", ColName: "taken for", Style: e.style,
	}
	if rest < len(w.Labels.Classes) {
		h.Rows = append(slices.Clone(names), "rest")
		h.Columns = h.Rows
	}
	place := func(class int) int {
		if i := slices.Index(shown, class); i >= 0 {
			return i
		}
		return rest
	}
	if slices.Contains(w.Labels.Codes, -1) { // a class that training had not seen
		h.Rows = append(slices.Clone(h.Rows), "unseen")
	}
	h.Counts = make([][]int, len(h.Rows))
	for i := range h.Counts {
		h.Counts[i] = make([]int, len(h.Columns))
	}
	for row, code := range w.Labels.Codes {
		at := len(h.Rows) - 1
		if code >= 0 {
			at = place(int(code))
		}
		h.Counts[at][place(e.answers.Class(row))]++
	}
	return h
}

// thresholds is what a contestant would do at other thresholds than a half.
func (w *writer) thresholds(e entrant) sheet {
	t := sheet{
		title: "Thresholds of " + e.name(),
		head: []cell{
			{text: "taken for " + plain.Line(w.Labels.Classes[1]) + " from"},
			{text: "right", num: true},
			{text: "wrong", num: true},
			{text: "missed", num: true},
			{text: "precision", num: true},
			{text: "recall", num: true},
			{text: "F1", num: true},
		},
	}
	for _, threshold := range []float64{0.1, 0.25, 0.5, 0.75, 0.9} {
		right, wrong, missed := w.at(e.answers, threshold)
		t.rows = append(t.rows, []cell{
			{text: fmt.Sprintf("%.2f", threshold), head: true},
			countCell(right), countCell(wrong), countCell(missed),
			ratioCell(right, right+wrong), ratioCell(right, right+missed), ratioCell(2*right, 2*right+wrong+missed),
		})
	}
	return t
}

// at counts the rows that are taken for the positive class and are of it, those that are not of it,
// and those of it that are missed.
func (w *writer) at(p *bakeoff.Predictions, threshold float64) (right, wrong, missed int) {
	for row, code := range w.Labels.Codes {
		taken, positive := p.Probabilities[2*row+1] >= threshold, code == 1
		switch {
		case taken && positive:
			right++
		case taken:
			wrong++
		case positive:
			missed++
		}
	}
	return right, wrong, missed
}

func countCell(n int) cell { return cell{text: plain.Count(n), num: true} }

func ratioCell(part, whole int) cell {
	if whole == 0 {
		return cell{text: "–", num: true}
	}
	return cell{text: value(float64(part) / float64(whole)), num: true}
}
