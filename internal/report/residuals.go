package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/bakeoffhq/bakeoff/internal/chart"
)

// residuals shows where numbers are missed, and by how much.
func (w *writer) residuals() section {
	s := section{id: "residuals", title: "Predicted and actual"}
	if len(w.Labels.Values) == 0 {
		return s
	}
	if same := w.same(); same != "" {
		s.lead = append(s.lead, same)
	}
	var all [][]component
	for i, e := range w.focus() {
		all = append(all, w.fit(i, e))
	}
	for kind := range kindsOfFit { // side by side what is of one kind
		for _, fit := range all {
			s.grid = append(s.grid, fit[kind])
		}
	}
	return s
}

// kindsOfFit is how many drawings fit returns.
const kindsOfFit = 3

// fit are the drawings of one contestant.
func (w *writer) fit(i int, e entrant) []component {
	actual, missed := make([]chart.Point, w.Labels.Len()), make([]chart.Point, w.Labels.Len())
	off := make([]float64, w.Labels.Len())
	for row, y := range w.Labels.Values {
		p := e.answers.Values[row]
		off[row] = p - y
		actual[row], missed[row] = chart.Point{X: p, Y: y}, chart.Point{X: p, Y: off[row]}
	}
	id := func(what string) string { return fmt.Sprintf("%s-%d", what, i+1) }
	means, table := sliced(missed, "mean predicted − actual")
	_, actualTable := sliced(actual, "mean actual")
	return []component{
		chart.Scatter{
			Frame: chart.Frame{ID: id("actual"), Title: e.name() + ": predicted and actual", Data: actualTable, Note: "Each judged row; darker where there are more. On the diagonal the prediction is right."},
			X:     chart.Axis{Label: "predicted"}, Y: chart.Axis{Label: "actual"}, Style: e.style, Points: actual, Diagonal: true,
		},
		chart.Scatter{
			Frame: chart.Frame{ID: id("missed"), Title: e.name() + ": by how much it misses", Data: table, Note: "Predicted minus actual. The curve is the mean of each tenth of the rows: where it leaves zero, predictions are off in one direction."},
			X:     chart.Axis{Label: "predicted"}, Y: chart.Axis{Label: "predicted − actual"}, Style: e.style, Points: missed, Zero: true, Curve: means,
		},
		w.offs(id("off"), e, off),
	}
}

// offs is how often predictions are off by how much. The outermost hundredths are in the last bars.
func (w *writer) offs(id string, e entrant, off []float64) chart.Histogram {
	sorted := slices.Sorted(slices.Values(off))
	reach := math.Max(math.Abs(sorted[len(sorted)/100]), math.Abs(sorted[len(sorted)-1-len(sorted)/100]))
	if !(reach > 0) || math.IsInf(reach, 1) {
		reach = 1
	}
	return chart.Histogram{
		Frame: chart.Frame{ID: id, Title: e.name() + ": how often", Note: "The rarest hundredth on either side is in the outermost bars."},
		X:     chart.Axis{Label: "predicted − actual"}, YLabel: "rows", Height: 240, Style: e.style, Zero: true, Bins: chart.Bins(off, -reach, reach, 31),
	}
}

// sliced returns the means of a cloud's tenths by x, and as a table.
func sliced(points []chart.Point, what string) ([]chart.Point, chart.Table) {
	sorted := slices.SortedStableFunc(slices.Values(points), func(a, b chart.Point) int { return cmp.Compare(a.X, b.X) })
	parts := min(10, len(sorted))
	t := chart.Table{Head: []string{"predicted, about", what, "rows"}}
	var means []chart.Point
	for i := range parts {
		part := sorted[i*len(sorted)/parts : (i+1)*len(sorted)/parts]
		var m chart.Point
		for _, p := range part {
			m.X += p.X / float64(len(part))
			m.Y += p.Y / float64(len(part))
		}
		means = append(means, m)
		t.Rows = append(t.Rows, []string{value(m.X), value(m.Y), fmt.Sprint(len(part))})
	}
	return means, t
}
