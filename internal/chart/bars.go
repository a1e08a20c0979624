package chart

import (
	"context"
	"io"
	"math"
)

// Bar is a row of Bars.
type Bar struct {
	Name  string
	Value float64
	// Spread is drawn to both sides of the value's end; 0 for none.
	Spread float64
	Text   string // the value as text
}

// Bars are values as lengths from zero, one below the other: a table whose middle column is drawn.
type Bars struct {
	Frame
	Head  [2]string // of the names and the values
	Style Style
	Axis  Axis
	Rows  []Bar
}

// Render implements templ.Component.
func (b Bars) Render(ctx context.Context, w io.Writer) error {
	values := []float64{0}
	for _, r := range b.Rows {
		values = append(values, r.Value, r.Value-r.Spread, r.Value+r.Spread)
	}
	b.Axis = b.Axis.reaching(values...)
	return bars(b).Render(ctx, w)
}

// bar says where a bar begins and how long it is, as shares of the width.
func (b Bars) bar(r Bar) (from, length string) {
	lo, hi := b.Axis.share(math.Min(0, r.Value)), b.Axis.share(math.Max(0, r.Value))
	return percent(inset + (1-2*inset)*lo), percent((1 - 2*inset) * (hi - lo))
}

func (r Bar) hasSpread() bool { return finite(r.Spread) && r.Spread > 0 }
