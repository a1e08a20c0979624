package chart

import (
	"context"
	"io"

	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// Bin is a bar of a Histogram.
type Bin struct {
	Lo, Hi float64
	Count  int
}

// Bins counts values in n bins of equal width between lo and hi; values beyond are in the outermost
// ones, and those that are not finite in none.
func Bins(values []float64, lo, hi float64, n int) []Bin {
	bins := make([]Bin, n)
	width := (hi - lo) / float64(n)
	for i := range bins {
		bins[i] = Bin{Lo: lo + width*float64(i), Hi: lo + width*float64(i+1)}
	}
	for _, v := range values {
		if finite(v) && width > 0 && finite(width) {
			place := max(0, min(float64(n-1), (v-lo)/width))
			bins[int(place)].Count++
		}
	}
	return bins
}

// Histogram says how many values are where.
type Histogram struct {
	Frame
	X      Axis
	YLabel string
	Height float64 // in pixels; 0 for 220
	Style  Style
	Bins   []Bin
	Zero   bool // a vertical line at zero
}

// Render implements templ.Component.
func (h Histogram) Render(ctx context.Context, w io.Writer) error {
	height := h.Height
	if height == 0 {
		height = 220
	}
	ends, counts := []float64{}, []float64{0, 1}
	for _, b := range h.Bins {
		ends, counts = append(ends, b.Lo, b.Hi), append(counts, float64(b.Count))
	}
	if len(h.Data.Rows) == 0 {
		h.Data = h.table()
	}
	y := Axis{Label: h.YLabel}
	return histogram(h, newPlane(h.X.reaching(ends...), y.reaching(counts...), height)).Render(ctx, w)
}

// table is the chart's numbers, the empty bins left out.
func (h Histogram) table() Table {
	t := Table{Head: []string{h.X.Label, h.YLabel}}
	for _, b := range h.Bins {
		if b.Count > 0 {
			t.Rows = append(t.Rows, []string{plain.Value(b.Lo) + " to " + plain.Value(b.Hi), plain.Count(b.Count)})
		}
	}
	return t
}

// column is a bin in pixels, with a gap to the next.
func column(p plane, b Bin) (x, y, width, height string) {
	left, right := p.atX(b.Lo), p.atX(b.Hi)
	top := p.atY(float64(b.Count))
	return px(left + 0.5), px(top), px(max(0.5, right-left-1)), px(p.bottom() - top)
}
