package report

import (
	"fmt"
	"slices"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/chart"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// maxDependence is how many columns' curves are drawn.
const maxDependence = 6

// dependence shows how the models' answers follow their most important columns, as their cards say.
func (w *writer) dependence() section {
	s := section{id: "dependence", title: "How the answers follow a column"}
	for i, column := range w.dependent() {
		id := fmt.Sprintf("dependence-%d", i+1)
		if column.Points[0].Number != nil {
			s.grid = append(s.grid, w.numberDependence(id, column.Column))
			continue
		}
		s.grid = append(s.grid, w.categoryDependence(id, column.Column)...)
	}
	if len(s.grid) > 0 {
		s.lead = []string{"The mean answer over some training rows if all of them had the same value in one column (partial dependence). It follows the model, not the world: values that never occur together are mixed."}
	}
	return s
}

// dependent returns the first curves of each card, of each column once.
func (w *writer) dependent() []bakeoff.Dependence {
	var list []bakeoff.Dependence
	for rank := range maxDependence {
		for _, d := range w.Cards {
			if rank >= len(d.Card.Dependence) || len(d.Card.Dependence[rank].Points) == 0 || len(list) == maxDependence {
				continue
			}
			curve := d.Card.Dependence[rank]
			if !slices.ContainsFunc(list, func(o bakeoff.Dependence) bool { return o.Column == curve.Column }) {
				list = append(list, curve)
			}
		}
	}
	return list
}

// of returns a card's curve of a column; nil where it has none.
func (d Described) of(column string) *bakeoff.Dependence {
	for i := range d.Card.Dependence {
		if d.Card.Dependence[i].Column == column {
			return &d.Card.Dependence[i]
		}
	}
	return nil
}

// answer names what the curves of the cards are about, and says where it stands among the answers of a
// point: the second of two classes, the most frequent one of more.
func (d Described) answer() (at int, name string) {
	classes := d.Card.Classes
	switch {
	case len(classes) == 0:
		return 0, "answer"
	case len(classes) == 2:
		at = 1
	default:
		for k := range classes {
			if classes[k].Rows > classes[at].Rows {
				at = k
			}
		}
	}
	return at, "probability of " + plain.Line(classes[at].Name)
}

// numberDependence draws a line for each model that has a curve of the column.
func (w *writer) numberDependence(id, column string) chart.Lines {
	l := chart.Lines{Height: 220, X: chart.Axis{Label: plain.Line(column)}}
	var data chart.Table
	for _, d := range w.Cards {
		curve := d.of(column)
		if curve == nil {
			continue
		}
		at, name := d.answer()
		l.Y.Label = name
		data.Head = []string{plain.Line(column), name}
		series := chart.Series{Name: nameOf(d.Candidate, d.Role, d.Version), Style: w.styleNamed(d.Candidate, d.Role)}
		for _, p := range curve.Points {
			if p.Number == nil || at >= len(p.Answer) {
				continue
			}
			x := *p.Number
			if curve.Kind == bakeoff.KindDate {
				x = yearOf(x)
				l.X.Label = plain.Line(column) + " (year)"
			}
			series.Points = append(series.Points, chart.Point{X: x, Y: p.Answer[at]})
			data.Rows = append(data.Rows, []string{fmt.Sprintf("%.6g (%s)", x, series.Name), plain.Value(p.Answer[at])})
		}
		l.Series = append(l.Series, series)
	}
	l.Frame = chart.Frame{ID: id, Title: plain.Line(column), Note: w.dependenceNote(column), Data: data}
	return l
}

// yearOf turns seconds since 1970 into a year with a fraction, for an axis.
func yearOf(seconds float64) float64 {
	const year = 31_556_952 // of the Gregorian calendar, the mean
	return 1970 + seconds/year
}

// categoryDependence draws bars for each model that has a curve of the column.
func (w *writer) categoryDependence(id, column string) []component {
	var list []component
	for i, d := range w.Cards {
		curve := d.of(column)
		if curve == nil {
			continue
		}
		at, name := d.answer()
		b := chart.Bars{
			Frame: chart.Frame{
				ID: fmt.Sprintf("%s-%d", id, i+1), Title: fmt.Sprintf("%s: %s", plain.Line(column), nameOf(d.Candidate, d.Role, d.Version)),
				Note: w.dependenceNote(column),
			},
			Head: [2]string{plain.Line(column), name}, Style: w.styleNamed(d.Candidate, d.Role),
		}
		for _, p := range curve.Points {
			if p.Category != nil && at < len(p.Answer) {
				b.Rows = append(b.Rows, chart.Bar{Name: plain.Line(*p.Category), Value: p.Answer[at], Text: plain.Value(p.Answer[at])})
			}
		}
		list = append(list, b)
	}
	return list
}

func (w *writer) dependenceNote(column string) string {
	for _, d := range w.Cards {
		if d.of(column) != nil {
			_, name := d.answer()
			return fmt.Sprintf("The mean %s over %s training rows by %s.", name, plain.Count(d.Card.DependenceSample), plain.Line(column))
		}
	}
	return ""
}
