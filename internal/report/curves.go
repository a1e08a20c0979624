package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/chart"
	"github.com/bakeoffhq/bakeoff/internal/metric"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// curves shows how well the classes are told apart at every threshold.
func (w *writer) curves() section {
	s := section{id: "curves", title: "Telling the classes apart"}
	drawn := w.drawn()
	if len(w.Labels.Classes) < 2 || len(drawn) == 0 {
		return s
	}
	classes := w.judgedClasses()
	if len(classes) == 0 {
		s.lead = []string{"All judged rows are of one class, so there is no curve to draw."}
		return s
	}
	var rocs, precisions []chart.Series
	prevalence := 0.0
	for _, e := range drawn {
		var roc, precision [][]chart.Point
		for _, class := range classes {
			r := w.ranking(e.answers, class)
			roc, precision = append(roc, r.roc()), append(precision, r.precisions())
		}
		rocs = append(rocs, chart.Series{Name: w.curveName(e, "roc_auc"), Style: e.style, Points: macro(roc)})
		precisions = append(precisions, chart.Series{Name: w.curveName(e, "average_precision"), Style: e.style, Points: macro(precision)})
	}
	for _, class := range classes {
		prevalence += w.shareOf(class) / float64(len(classes))
	}
	s.grid = append(s.grid, chart.Lines{
		Frame: chart.Frame{
			ID: "roc", Title: "ROC", Data: chart.SampledY("false positive rate", rocs, chart.Ticks(0, 1, 10), share),
			Note: w.curveNote(classes) + "Up and left is better; the diagonal is a guess.",
		},
		X:      chart.Axis{Label: "false positive rate", Hi: 1},
		Y:      chart.Axis{Label: "true positive rate", Hi: 1},
		Series: rocs, Diagonal: true,
	}, chart.Lines{
		Frame: chart.Frame{
			ID: "precision-recall", Title: "Precision and recall", Data: chart.SampledY("recall", precisions, chart.Ticks(0, 1, 10), share),
			Note: w.curveNote(classes) + "Up and right is better; the dashed line is a guess.",
		},
		X:      chart.Axis{Label: "recall", Hi: 1},
		Y:      chart.Axis{Label: "precision", Hi: 1},
		Series: precisions, Level: prevalence, LevelName: "share of the class",
	})
	if w.beyond > 0 {
		s.lead = append(s.lead, fmt.Sprintf("Of %d contestants the best %d are drawn, the champion among them.", len(w.ranked), chart.Styles))
	}
	return s
}

// share writes a share for a table.
func share(v float64) string { return plain.Value(v) }

// curveName is that of an entrant with its value of a metric, where the leaderboard has it.
func (w *writer) curveName(e entrant, metric string) string {
	if v, ok := e.row.Metrics[metric]; ok {
		return fmt.Sprintf("%s %s", e.name(), value(v))
	}
	return e.name()
}

func (w *writer) curveNote(classes []int) string {
	if len(w.Labels.Classes) == 2 {
		return fmt.Sprintf("The positive class is %s. ", plain.Line(w.Labels.Classes[1]))
	}
	return fmt.Sprintf("The mean over %d classes, each against the rest. ", len(classes))
}

// judgedClasses are those that a curve can be drawn of: some rows are of the class and some are not.
// Of two classes it is the second.
func (w *writer) judgedClasses() []int {
	var classes []int
	for class := range w.Labels.Classes {
		if n := w.sizeOf(class); n == 0 || n == w.Labels.Len() || len(w.Labels.Classes) == 2 && class == 0 {
			continue
		}
		classes = append(classes, class)
	}
	return classes
}

func (w *writer) sizeOf(class int) int {
	n := 0
	for _, code := range w.Labels.Codes {
		if int(code) == class {
			n++
		}
	}
	return n
}

func (w *writer) shareOf(class int) float64 {
	return float64(w.sizeOf(class)) / float64(w.Labels.Len())
}

// ranking are rows by falling score of a class, and how many of them are of it.
type ranking struct {
	rows      []scored
	positives float64
}

// scored is the score of a row, and whether it is of the class.
type scored struct {
	score    float64
	positive bool
}

func (w *writer) ranking(p *bakeoff.Predictions, class int) ranking {
	k := len(w.Labels.Classes)
	r := ranking{rows: make([]scored, w.Labels.Len())}
	for row, code := range w.Labels.Codes {
		r.rows[row] = scored{p.Probabilities[row*k+class], int(code) == class}
		if r.rows[row].positive {
			r.positives++
		}
	}
	slices.SortFunc(r.rows, func(a, b scored) int { return cmp.Compare(b.score, a.score) }) // equal ones count together
	return r
}

// each calls f after every group of rows with the same score, with how many rows so far are of the
// class and how many are not.
func (r ranking) each(f func(hits, misses float64)) {
	hits, misses := 0.0, 0.0
	for i, row := range r.rows {
		if row.positive {
			hits++
		} else {
			misses++
		}
		if i+1 == len(r.rows) || r.rows[i+1].score != row.score {
			f(hits, misses)
		}
	}
}

// roc are the points (false positive rate, true positive rate).
func (r ranking) roc() []chart.Point {
	negatives := float64(len(r.rows)) - r.positives
	points := []chart.Point{{}}
	r.each(func(hits, misses float64) {
		points = append(points, chart.Point{X: misses / negatives, Y: hits / r.positives})
	})
	return points
}

// precisions are the points (recall, precision).
func (r ranking) precisions() []chart.Point {
	var points []chart.Point
	r.each(func(hits, misses float64) {
		points = append(points, chart.Point{X: hits / r.positives, Y: hits / (hits + misses)})
	})
	return append([]chart.Point{{X: 0, Y: points[0].Y}}, points...)
}

// macro is the mean of curves over a grid of x; a single curve as it is.
func macro(curves [][]chart.Point) []chart.Point {
	if len(curves) == 1 {
		return curves[0]
	}
	const steps = 200
	points := make([]chart.Point, 0, steps+1)
	for i := range steps + 1 {
		p := chart.Point{X: float64(i) / steps}
		for _, c := range curves {
			p.Y += between(c, p.X) / float64(len(curves))
		}
		points = append(points, p)
	}
	return points
}

// between returns the value of a curve whose x never falls, on the line between two of its points.
func between(curve []chart.Point, x float64) float64 {
	i, _ := slices.BinarySearchFunc(curve, x, func(p chart.Point, x float64) int {
		if p.X <= x {
			return -1
		}
		return 1
	})
	switch {
	case i == 0:
		return curve[0].Y
	case i == len(curve):
		return curve[i-1].Y
	}
	a, b := curve[i-1], curve[i]
	return a.Y + (b.Y-a.Y)*(x-a.X)/(b.X-a.X)
}

// calibration shows whether probabilities mean what they say.
func (w *writer) calibration() section {
	s := section{id: "calibration", title: "Calibration"}
	drawn := w.drawn()
	if len(w.Labels.Classes) < 2 || len(drawn) == 0 {
		return s
	}
	t := sheet{head: []cell{{text: "Contestant"}, {text: "Brier score", num: true}, {text: "calibration error", num: true}}}
	data := chart.Table{Head: []string{"stated, about"}}
	for i := range reliabilityBins {
		data.Rows = append(data.Rows, []string{fmt.Sprintf("%.1f to %.1f", float64(i)/reliabilityBins, float64(i+1)/reliabilityBins)})
	}
	var series []chart.Series
	for _, e := range drawn {
		stated, right := w.stated(e.answers)
		bins := reliability(stated, right)
		series = append(series, bins.series(e))
		data.Head = append(data.Head, e.name())
		for i, b := range bins {
			data.Rows[i] = append(data.Rows[i], b.text())
		}
		t.rows = append(t.rows, []cell{{text: e.name(), head: true}, {text: w.brier(e), num: true}, {text: value(bins.error(len(stated))), num: true}})
	}
	s.wide = append(s.wide, sheetTable(t))
	s.grid = append(s.grid, chart.Lines{
		Frame: chart.Frame{
			ID: "reliability", Title: "Stated and seen", Data: data,
			Note: "Rows by the probability that was stated for them, in ten bands; discs are larger where there are more rows. On the diagonal a probability means what it says; above it, it is too low. " + w.statedNote(),
		},
		X:      chart.Axis{Label: "stated probability", Hi: 1},
		Y:      chart.Axis{Label: "share that was so", Hi: 1},
		Series: series, Diagonal: true,
	})
	if focus := w.focus(); len(focus) > 0 {
		stated, _ := w.stated(focus[0].answers)
		s.grid = append(s.grid, chart.Histogram{
			Frame: chart.Frame{ID: "stated", Title: "Probabilities that " + focus[0].name() + " stated", Note: "How many judged rows were given which probability."},
			X:     chart.Axis{Label: "stated probability", Hi: 1}, YLabel: "rows", Height: 320, Style: focus[0].style,
			Bins: chart.Bins(stated, 0, 1, 20),
		})
	}
	return s
}

// stated returns the probability that was stated for each row, and whether it was so: that of the
// positive class or, of more than two classes, of the most probable one.
func (w *writer) stated(p *bakeoff.Predictions) (stated []float64, right []bool) {
	k := len(w.Labels.Classes)
	stated, right = make([]float64, w.Labels.Len()), make([]bool, w.Labels.Len())
	for row, code := range w.Labels.Codes {
		class := 1
		if k > 2 {
			class = p.Class(row)
		}
		stated[row], right[row] = p.Probabilities[row*k+class], int(code) == class
	}
	return stated, right
}

func (w *writer) statedNote() string {
	if len(w.Labels.Classes) > 2 {
		return "The probability is that of the most probable class."
	}
	return fmt.Sprintf("The probability is that of %s.", plain.Line(w.Labels.Classes[1]))
}

func (w *writer) brier(e entrant) string {
	m, _ := metric.Lookup("brier")
	v, err := m.Compute(w.Labels, e.answers)
	if err != nil {
		return "–"
	}
	return value(v)
}

const reliabilityBins = 10

// band are rows that were given about the same probability.
type band struct{ rows, stated, right float64 }

type bands []band

func reliability(stated []float64, right []bool) bands {
	all := make(bands, reliabilityBins)
	for i, v := range stated {
		if math.IsNaN(v) {
			continue
		}
		b := &all[max(0, min(reliabilityBins-1, int(v*reliabilityBins)))]
		b.rows++
		b.stated += v
		if right[i] {
			b.right++
		}
	}
	return all
}

func (b bands) series(e entrant) chart.Series {
	s := chart.Series{Name: e.name(), Style: e.style}
	for _, one := range b {
		if one.rows > 0 {
			s.Points = append(s.Points, chart.Point{X: one.stated / one.rows, Y: one.right / one.rows})
			s.Weights = append(s.Weights, one.rows)
		}
	}
	return s
}

// error is the expected calibration error: the mean distance between what was stated and what was
// so, by rows (M. P. Naeini, G. Cooper and M. Hauskrecht, 2015).
func (b bands) error(rows int) float64 {
	sum := 0.0
	for _, one := range b {
		sum += math.Abs(one.stated - one.right)
	}
	return sum / float64(max(1, rows))
}

func (b band) text() string {
	if b.rows == 0 {
		return "–"
	}
	return fmt.Sprintf("%s of %s", value(b.right/b.rows), plain.Count(int(b.rows)))
}
