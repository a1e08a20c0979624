package chart

import (
	"context"
	"io"
)

// Shape is how a value is marked.
type Shape int

// The shapes.
const (
	Disc    Shape = iota
	Diamond       // what is, among what may be
	Ring          // what serves as a reference
)

// Dot is a row of Dots: a value and its interval.
type Dot struct {
	Name  string
	Note  string // beside the name, in smaller letters
	Style Style
	Shape Shape
	Value float64
	// Interval is drawn where its ends differ.
	Interval [2]float64
	// Loose says that the scale need not reach it: an arrow says where it is then.
	Loose bool
	Text  string // the value as text
	Range string // the interval as text; "" for none
}

// Mark is a line across all rows of Dots.
type Mark struct {
	Value  float64
	Name   string
	Dashed bool
}

// Dots are values with their intervals, one below the other, on one scale: a table whose middle
// column is drawn.
type Dots struct {
	Frame
	Head  [3]string // of the names, the values and the intervals
	Axis  Axis
	Rows  []Dot
	Marks []Mark
}

// Render implements templ.Component.
func (d Dots) Render(ctx context.Context, w io.Writer) error {
	var values []float64
	for _, r := range d.Rows {
		if r.Loose {
			continue
		}
		values = append(values, r.Value)
		if r.hasInterval() {
			values = append(values, r.Interval[0], r.Interval[1])
		}
	}
	for _, m := range d.Marks {
		values = append(values, m.Value)
	}
	d.Axis = d.Axis.reaching(values...)
	return dots(d).Render(ctx, w)
}

// inset keeps marks at the ends of a scale inside of the drawing.
const inset = 0.03

// place says where a value is, as a share of the width.
func place(a Axis, v float64) string { return percent(inset + (1-2*inset)*a.share(v)) }

// beyond is an arrow to a value that is not on the scale, "" for one that is.
func (d Dots) beyond(r Dot) string {
	switch {
	case r.Value < d.Axis.Lo:
		return "◂"
	case r.Value > d.Axis.Hi:
		return "▸"
	}
	return ""
}

func (d Dots) ticks() []Tick { return Ticks(d.Axis.Lo, d.Axis.Hi, 4) }

// whisker reports whether the interval of a row is drawn.
func (d Dots) whisker(r Dot) bool { return r.hasInterval() && d.beyond(r) == "" }

func (r Dot) hasInterval() bool {
	return finite(r.Interval[0]) && finite(r.Interval[1]) && r.Interval[0] < r.Interval[1]
}
