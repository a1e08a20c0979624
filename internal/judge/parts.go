package judge

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

const (
	// maxSliceValues is how many values of a column have a slice of their own.
	maxSliceValues = 20
	// sliceBands is into how many bands numbers and dates are cut.
	sliceBands = 4
	// maxSliceName bounds, in runes, what a slice is called by.
	maxSliceName = 80
)

// part is the rows of one slice, in the order of the holdout.
type part struct {
	kind   bakeoff.SliceKind
	value  string
	values int // of bakeoff.SliceOther: how many
	rows   []int32
}

// partsOf divides the rows by a column. Every row is in one part, and no part is empty.
func partsOf(c dataset.Column) []part {
	missing := part{kind: bakeoff.SliceMissing}
	var parts []part
	switch {
	case c.Kind == bakeoff.KindCategory:
		parts = byLevel(c, &missing)
	default:
		parts = byNumber(c, &missing)
	}
	if len(missing.rows) > 0 {
		parts = append(parts, missing)
	}
	return parts
}

// byLevel divides the rows by category: one part for each of those with most rows, in the order of
// the levels, and one for all others.
func byLevel(c dataset.Column, missing *part) []part {
	rows := make([][]int32, len(c.Levels))
	for row, code := range c.Codes {
		if code < 0 {
			missing.rows = append(missing.rows, int32(row))
			continue
		}
		rows[code] = append(rows[code], int32(row))
	}
	var own []int // levels; stable sorting leaves those with as many rows in their order
	for level := range rows {
		if len(rows[level]) > 0 {
			own = append(own, level)
		}
	}
	slices.SortStableFunc(own, func(a, b int) int { return cmp.Compare(len(rows[b]), len(rows[a])) })
	rest := own[min(len(own), maxSliceValues):]
	own = own[:len(own)-len(rest)]
	slices.Sort(own)
	var parts []part
	for _, level := range own {
		parts = append(parts, part{kind: bakeoff.SliceValue, value: sliceName(c.Levels[level]), rows: rows[level]})
	}
	if len(rest) == 0 {
		return parts
	}
	other := part{kind: bakeoff.SliceOther, value: "other", values: len(rest)}
	for _, level := range rest {
		other.rows = append(other.rows, rows[level]...)
	}
	slices.Sort(other.rows)
	return append(parts, other)
}

// sliceName makes a category's text fit for a table: short, and in one line.
func sliceName(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if utf8.RuneCountInString(text) <= maxSliceName {
		return text
	}
	return string([]rune(text)[:maxSliceName-1]) + "…"
}

// byNumber divides the rows by a column of numbers: by value, where they are truth values or few
// whole numbers, else by bands.
func byNumber(c dataset.Column, missing *part) []part {
	order := make([]int32, 0, len(c.Numbers))
	for row, v := range c.Numbers {
		if math.IsNaN(v) {
			missing.rows = append(missing.rows, int32(row))
			continue
		}
		order = append(order, int32(row))
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(c.Numbers[a], c.Numbers[b]) })
	if c.Kind == bakeoff.KindBoolean || c.Kind == bakeoff.KindInteger {
		if parts := byValue(c, order); len(parts) <= maxSliceValues {
			return parts
		}
	}
	return byBand(c, order)
}

// byValue cuts rows that are ordered by their numbers where the number changes. It stops when there
// are too many parts.
func byValue(c dataset.Column, order []int32) []part {
	var parts []part
	for lo := 0; lo < len(order) && len(parts) <= maxSliceValues; {
		hi := afterTies(c, order, lo+1)
		parts = append(parts, part{kind: bakeoff.SliceValue, value: valueInWords(c.Kind, c.Numbers[order[lo]]), rows: inOrder(order[lo:hi])})
		lo = hi
	}
	return parts
}

// byBand cuts rows that are ordered by their numbers into bands of about as many rows. Equal numbers
// stay together, so that bands may be fewer.
func byBand(c dataset.Column, order []int32) []part {
	var parts []part
	lo := 0
	for band := range sliceBands {
		hi := len(order) * (band + 1) / sliceBands
		if hi <= lo {
			continue
		}
		hi = afterTies(c, order, hi)
		first, last := c.Numbers[order[lo]], c.Numbers[order[hi-1]]
		name := valueInWords(c.Kind, first)
		if last != first {
			name += " to " + valueInWords(c.Kind, last)
		}
		parts = append(parts, part{kind: bakeoff.SliceBand, value: name, rows: inOrder(order[lo:hi])})
		lo = hi
	}
	return parts
}

// afterTies moves a cut behind the rows that have the same number as the one before it.
func afterTies(c dataset.Column, order []int32, cut int) int {
	for cut < len(order) && c.Numbers[order[cut]] == c.Numbers[order[cut-1]] {
		cut++
	}
	return cut
}

// inOrder returns rows in the order of the holdout.
func inOrder(rows []int32) []int32 {
	rows = slices.Clone(rows)
	slices.Sort(rows)
	return rows
}

// valueInWords writes a number of a column of some kind.
func valueInWords(kind bakeoff.Kind, v float64) string {
	switch kind {
	case bakeoff.KindBoolean:
		return strconv.FormatBool(v != 0)
	case bakeoff.KindDate:
		at := time.Unix(int64(math.Floor(v)), 0).UTC()
		if at.Equal(at.Truncate(24 * time.Hour)) {
			return at.Format(time.DateOnly)
		}
		return at.Format(time.RFC3339)
	}
	return strconv.FormatFloat(v, 'g', 10, 64)
}

// labelsOf returns the labels of some rows.
func labelsOf(y bakeoff.Labels, rows []int32) bakeoff.Labels {
	return bakeoff.Labels{Classes: y.Classes, Codes: taken(y.Codes, rows, 1), Values: taken(y.Values, rows, 1)}
}

// answersOf returns the answers for some rows.
func answersOf(p *bakeoff.Predictions, rows []int32) *bakeoff.Predictions {
	return &bakeoff.Predictions{
		Classes:       p.Classes,
		Probabilities: taken(p.Probabilities, rows, len(p.Classes)),
		Values:        taken(p.Values, rows, 1),
	}
}

// taken returns the numbers of some rows of which each has so many; nil for nil.
func taken[T any](of []T, rows []int32, width int) []T {
	if of == nil {
		return nil
	}
	some := make([]T, 0, len(rows)*width)
	for _, row := range rows {
		some = append(some, of[int(row)*width:(int(row)+1)*width]...)
	}
	return some
}
