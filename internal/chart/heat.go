package chart

import (
	"context"
	"io"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// Heat is a table of counts in which the share of its row gives a cell its shade.
type Heat struct {
	Frame
	Rows, Columns     []string
	RowName, ColName  string  // what rows and columns are
	Counts            [][]int // a slice for each row
	Style             Style
	rowHeight, labels float64
}

const (
	heatWidth = 440
	heatTop   = 44
)

// Render implements templ.Component.
func (h Heat) Render(ctx context.Context, w io.Writer) error {
	h.rowHeight = math.Max(26, math.Min(56, 260/float64(max(1, len(h.Rows)))))
	longest := 0
	for _, name := range h.Rows {
		longest = max(longest, utf8.RuneCountInString(name))
	}
	h.labels = math.Max(56, math.Min(120, 12+8*float64(longest)))
	return heat(h).Render(ctx, w)
}

func (h Heat) height() float64   { return heatTop + h.rowHeight*float64(len(h.Rows)) + 6 }
func (h Heat) viewBox() string   { return "0 0 " + px(heatWidth) + " " + px(h.height()) }
func (h Heat) width() float64    { return (heatWidth - h.labels) / float64(max(1, len(h.Columns))) }
func (h Heat) x(i int) float64   { return h.labels + h.width()*float64(i) }
func (h Heat) y(i int) float64   { return heatTop + h.rowHeight*float64(i) }
func (h Heat) midX(i int) string { return px(h.x(i) + h.width()/2) }
func (h Heat) midY(i int) string { return px(h.y(i) + h.rowHeight/2) }

// share is that of a cell in its row.
func (h Heat) share(row, col int) float64 {
	total := 0
	for _, n := range h.Counts[row] {
		total += n
	}
	if total == 0 {
		return 0
	}
	return float64(h.Counts[row][col]) / float64(total)
}

// opacity is the shade of a share. None is quite without, so that the table is seen as one, and none
// is so dark that the numbers on it could not be read.
func opacity(share float64) string {
	return strconv.FormatFloat(0.05+0.43*share, 'f', 3, 64)
}

// roomy reports whether a cell has room for a share below its count.
func (h Heat) roomy() bool { return h.rowHeight >= 40 && h.width() >= 44 }

// short cuts a name to the room that there is.
func short(name string, width float64) string {
	fit := max(2, int(width/8))
	if utf8.RuneCountInString(name) <= fit {
		return name
	}
	return string([]rune(name)[:fit-1]) + "…"
}

// table is the chart's numbers.
func (h Heat) table() Table {
	t := Table{Head: append([]string{h.RowName + " \\ " + h.ColName}, h.Columns...)}
	for i, name := range h.Rows {
		row := []string{name}
		for _, n := range h.Counts[i] {
			row = append(row, plain.Count(n))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func percentText(share float64) string { return strconv.FormatFloat(100*share, 'f', 0, 64) + " %" }
