package chart

import (
	"context"
	"io"
	"math"
	"strings"
)

// Series is a curve.
type Series struct {
	Name   string
	Style  Style
	Points []Point // in the order in which they are joined
	// Weights say of each point how much is behind it, and mark it with a disc of such an area; nil for
	// a curve without marks. They are as many as the points.
	Weights []float64
}

// Lines are curves on a plane.
type Lines struct {
	Frame
	X, Y     Axis
	Height   float64 // in pixels; 0 for 320
	Series   []Series
	Diagonal bool // a line on which both axes have the same value
	// Level is a horizontal reference with a name; "" for none.
	Level     float64
	LevelName string
}

// Render implements templ.Component.
func (l Lines) Render(ctx context.Context, w io.Writer) error {
	height := l.Height
	if height == 0 {
		height = 320
	}
	var xs, ys []float64
	for _, s := range l.Series {
		for _, p := range finitePoints(s.Points) {
			xs, ys = append(xs, p.X), append(ys, p.Y)
		}
	}
	if l.LevelName != "" {
		ys = append(ys, l.Level)
	}
	return lines(l, newPlane(l.X.reaching(xs...), l.Y.reaching(ys...), height)).Render(ctx, w)
}

// path is a curve as polyline has it.
func (s Series) path(p plane) string {
	var text strings.Builder
	for i, v := range thin(s.drawn(p), maxPoints) {
		if i > 0 {
			text.WriteByte(' ')
		}
		text.WriteString(px(v.X) + "," + px(v.Y))
	}
	return text.String()
}

// drawn are the points in pixels.
func (s Series) drawn(p plane) []Point {
	points := finitePoints(s.Points)
	for i, v := range points {
		points[i] = p.at(v)
	}
	return points
}

// disc marks a point.
type disc struct{ x, y, r string }

// discs are the marks of a series, their areas in proportion to the weights.
func (s Series) discs(p plane) []disc {
	most := 0.0
	for _, w := range s.Weights {
		if finite(w) {
			most = math.Max(most, w)
		}
	}
	var all []disc
	for i, v := range s.Points {
		if i >= len(s.Weights) || !v.finite() || !(s.Weights[i] > 0) || !finite(s.Weights[i]) {
			continue
		}
		at := p.at(v)
		all = append(all, disc{px(at.X), px(at.Y), px(2 + 4*math.Sqrt(s.Weights[i]/most))})
	}
	return all
}

// SampledY returns the table of curves at a few values of x, for Frame.Data: the value of each curve
// at the last of its points that is not beyond. Curves whose x never falls have one.
func SampledY(axis string, series []Series, at []Tick, value func(float64) string) Table {
	t := Table{Head: []string{axis}}
	for _, s := range series {
		t.Head = append(t.Head, s.Name)
	}
	for _, tick := range at {
		row := []string{tick.Label}
		for _, s := range series {
			row = append(row, s.sampled(tick.Value, value))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func (s Series) sampled(x float64, value func(float64) string) string {
	text := "–"
	for _, p := range finitePoints(s.Points) {
		if p.X > x+1e-12 {
			break
		}
		text = value(p.Y)
	}
	return text
}
