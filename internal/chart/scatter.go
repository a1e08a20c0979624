package chart

import (
	"context"
	"io"
	"math"
)

// Scatter is a cloud of points on a plane.
type Scatter struct {
	Frame
	X, Y     Axis
	Height   float64 // in pixels; 0 for 320
	Style    Style
	Points   []Point
	Diagonal bool // a line on which both axes have the same value; they are made equal then
	Zero     bool // a horizontal line at zero
	// Curve is drawn over the cloud, such as the means of its slices; nil for none.
	Curve []Point
}

// Render implements templ.Component.
func (s Scatter) Render(ctx context.Context, w io.Writer) error {
	height := s.Height
	if height == 0 {
		height = 320
	}
	var xs, ys []float64
	for _, p := range finitePoints(s.Points) {
		xs, ys = append(xs, p.X), append(ys, p.Y)
	}
	if s.Zero {
		ys = append(ys, 0)
	}
	if s.Diagonal {
		xs = append(xs, ys...)
		ys = xs
	}
	return scatter(s, newPlane(s.X.reaching(xs...), s.Y.reaching(ys...), height)).Render(ctx, w)
}

// cellSize is how close points, in pixels, are drawn as one.
const cellSize = 5

// cloud are the points in pixels, those that are close to each other as one of a darker shade.
func (s Scatter) cloud(p plane) []cell {
	points := finitePoints(s.Points)
	for i, v := range points {
		points[i] = p.at(v)
	}
	return cells(points, cellSize)
}

// shade is one of five, by the order of magnitude of a count beside the largest.
func shade(count, most int) string {
	if most <= 1 {
		return "d2"
	}
	level := math.Ceil(5 * math.Log1p(float64(count)) / math.Log1p(float64(most)))
	return "d" + px(math.Max(1, math.Min(5, level)))
}

func densest(all []cell) int {
	most := 0
	for _, c := range all {
		most = max(most, c.count)
	}
	return most
}

func curve(s Scatter) Series { return Series{Points: s.Curve} }
