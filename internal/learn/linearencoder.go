package learn

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn/linear"
	"golang.org/x/sync/errgroup"
)

// linearEncoder says which columns a linear model sees: numbers with the median in place of
// missing values and standardised, a column that says where values were missing, and a column for
// each category. What is constant in the training rows is left out.
type linearEncoder struct {
	Numbers    []scaled `json:"numbers"`
	Categories []oneHot `json:"categories"`
}

// scaled is a number as a linear model sees it.
type scaled struct {
	feature
	Median float64 `json:"median"` // of the training rows
	Mean   float64 `json:"mean"`   // of the training rows, missing values filled in
	Scale  float64 `json:"scale"`  // their standard deviation; 0 if they are constant and so left out
	// Missing says that training rows had missing values: a column of its own says where.
	Missing bool `json:"missing,omitempty"`
}

// oneHot is a category as a linear model sees it: a slot for each level, then one for missing
// values if the training rows had any, then one for all other levels if there are more of them
// than maxLevels. A level that training had not seen is in no other slot than that.
type oneHot struct {
	Column  int  `json:"column"`
	Missing bool `json:"missing,omitempty"`
	// Kept are the codes, sorted, that have a slot of their own; nil for all of them.
	Kept []int32 `json:"kept,omitempty"`
}

// maxLevels is the most levels of a category that have a slot of their own. With more, the rarest
// share one: they say next to nothing, and each costs a coefficient.
const maxLevels = 20_000

// maxStandard bounds standardised numbers. No training row comes near it, and a row whose value
// is beyond all reason still gets a prediction that is a number.
const maxStandard = 1e9

// fitLinearEncoder learns the encoder from the rows of b.
func fitLinearEncoder(ctx context.Context, b *binding, threads int) (linearEncoder, error) {
	list := features(b.schema)
	numbers := make([]scaled, len(list))
	var e linearEncoder
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(threads, 1))
	for i, f := range list {
		if b.schema.Columns[f.Column].Kind == bakeoff.KindCategory {
			if h := fitOneHot(b, f.Column); h.width(b.schema) > 1 {
				e.Categories = append(e.Categories, h)
			}
			continue
		}
		group.Go(func() error {
			numbers[i] = fitScaled(f, f.values(b, 0, b.rows))
			return context.Cause(ctx)
		})
	}
	if err := group.Wait(); err != nil {
		return e, err
	}
	for _, s := range numbers {
		if s.width() > 0 {
			e.Numbers = append(e.Numbers, s)
		}
	}
	return e, nil
}

// fitScaled learns median, mean and standard deviation as scikit-learn's SimpleImputer and
// StandardScaler do: the deviation divides by the number of rows.
func fitScaled(f feature, values []float64) scaled {
	s := scaled{feature: f}
	present := make([]float64, 0, len(values))
	for _, v := range values {
		if !isMissing(v) {
			present = append(present, v)
		}
	}
	if len(present) == 0 {
		return s
	}
	s.Median = median(present)
	s.Missing = len(present) < len(values)
	low, high := slices.Min(present), slices.Max(present)
	if low == high {
		return s
	}
	unit := 1.0
	if top := max(-low, high); top > 1e100 || top < 1e-100 { // so that no square overflows or vanishes
		unit = top
		for i := range present {
			present[i] /= unit
		}
	}
	n, filled := float64(len(values)), float64(len(values)-len(present))
	mean := (sum(present) + float64(filled*(s.Median/unit))) / n
	gap := s.Median/unit - mean
	squares := squaresAround(present, mean) + float64(filled*float64(gap*gap))
	s.Mean, s.Scale = float64(mean*unit), float64(math.Sqrt(squares/n)*unit)
	return s
}

// sum returns the sum of values, and squaresAround that of their squared distances from a centre,
// by four sums in turn, as a processor adds fast.
func sum(values []float64) float64 {
	var s [4]float64
	rest := values
	for ; len(rest) >= 4; rest = rest[4:] {
		s[0] += rest[0]
		s[1] += rest[1]
		s[2] += rest[2]
		s[3] += rest[3]
	}
	for _, v := range rest {
		s[0] += v
	}
	return (s[0] + s[1]) + (s[2] + s[3])
}

func squaresAround(values []float64, centre float64) float64 {
	var s [4]float64
	rest := values
	for ; len(rest) >= 4; rest = rest[4:] {
		for i, v := range rest[:4] {
			d := v - centre
			s[i] += float64(d * d)
		}
	}
	for _, v := range rest {
		d := v - centre
		s[0] += float64(d * d)
	}
	return (s[0] + s[1]) + (s[2] + s[3])
}

// isMissing reports whether a value is none, or infinite, which counts as none.
func isMissing(v float64) bool { return v-v != 0 }

// values returns the values of a number or a date's part for the rows from lo up to hi. It may share
// memory with the table.
func (f feature) values(b *binding, lo, hi int) []float64 {
	if f.Part == "" {
		return b.column(f.Column).Numbers[lo:hi]
	}
	return b.numbers(f, lo, hi)
}

// fill returns the median in place of a missing value.
func (s scaled) fill(v float64) float64 {
	if isMissing(v) {
		return s.Median
	}
	return v
}

// standard returns a value as the model sees it.
func (s scaled) standard(v float64) float64 {
	v = s.fill(v)
	z := (v - s.Mean) / s.Scale
	if math.Abs(z) <= maxStandard {
		return z
	}
	if infinite(z) { // the difference alone may be too large for a float64
		z = v/s.Scale - s.Mean/s.Scale
	}
	return min(max(z, -maxStandard), maxStandard)
}

// width is the number of columns that the number becomes.
func (s scaled) width() int {
	n := 0
	if s.Scale > 0 {
		n++
	}
	if s.Missing {
		n++
	}
	return n
}

// fitOneHot learns which levels of a category column have slots.
func fitOneHot(b *binding, column int) oneHot {
	h := oneHot{Column: column}
	levels := len(b.schema.Columns[column].Categories)
	count := make([]int, levels)
	c, to := b.column(column), b.codes[column]
	for _, code := range c.Codes {
		if code < 0 {
			h.Missing = true
			continue
		}
		if to != nil {
			code = to[code]
		}
		if code >= 0 {
			count[code]++
		}
	}
	if levels <= maxLevels {
		return h
	}
	codes := make([]int32, levels)
	for c := range codes {
		codes[c] = int32(c)
	}
	slices.SortStableFunc(codes, func(a, b int32) int { return count[b] - count[a] })
	h.Kept = slices.Sorted(slices.Values(codes[:maxLevels]))
	return h
}

// width is the number of slots.
func (h oneHot) width(schema bakeoff.Schema) int {
	n := len(schema.Columns[h.Column].Categories)
	if h.Kept != nil {
		n = len(h.Kept) + 1
	}
	if h.Missing {
		n++
	}
	return n
}

// slot returns the slot of a cell, from 0, or -1 for none. Code is the schema's, and missing says
// that the cell is empty rather than unseen.
func (h oneHot) slot(code int32, missing bool, width int) int {
	other := -1
	levels := width
	if h.Kept != nil {
		other = width - 1
		levels--
	}
	if h.Missing {
		levels--
	}
	switch {
	case missing && h.Missing:
		return levels
	case missing:
		return -1
	case code < 0:
		return other
	case h.Kept == nil:
		return int(code)
	}
	if at, ok := slices.BinarySearch(h.Kept, code); ok {
		return at
	}
	return other
}

// dense is the number of columns that hold numbers, width that of all columns.
func (e linearEncoder) dense() int {
	n := 0
	for _, s := range e.Numbers {
		n += s.width()
	}
	return n
}

func (e linearEncoder) width(schema bakeoff.Schema) int {
	n := e.dense()
	for _, h := range e.Categories {
		n += h.width(schema)
	}
	return n
}

// fillRows is how many rows a thread encodes at a time.
const fillRows = 1024

// encode returns the rows from lo up to hi as a linear model sees them.
func (e linearEncoder) encode(ctx context.Context, b *binding, lo, hi, threads int) (*linear.Design, error) {
	d := linear.NewDesign(hi-lo, e.dense(), len(e.Categories), e.width(b.schema))
	if d.Rows <= fillRows { // a request: no goroutine is worth its while
		e.fillNumbers(d, b, lo, 0, d.Rows)
		e.fillSlots(d, b, lo, 0, d.Rows)
		return d, context.Cause(ctx)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(threads, 1))
	for from := 0; from < d.Rows; from += fillRows {
		group.Go(func() error {
			to := min(from+fillRows, d.Rows)
			e.fillNumbers(d, b, lo, from, to)
			e.fillSlots(d, b, lo, from, to)
			return context.Cause(ctx)
		})
	}
	return d, group.Wait()
}

// encodeInto is encode in the calling goroutine, into a matrix that may have been another's.
func (e linearEncoder) encodeInto(d *linear.Design, b *binding, lo, hi int) {
	d.Reset(hi-lo, e.dense(), len(e.Categories), e.width(b.schema))
	e.fillNumbers(d, b, lo, 0, d.Rows)
	e.fillSlots(d, b, lo, 0, d.Rows)
}

// encodePart returns the rows of a part as a linear model sees them, without having all of them in
// memory in another form.
func (e linearEncoder) encodePart(ctx context.Context, b *binding, threads int) (*linear.Design, error) {
	d := linear.NewDesign(b.rows, e.dense(), len(e.Categories), e.width(b.schema))
	return d, b.part.each(ctx, threads, func(rows *binding, before int) {
		for lo := before; lo < before+rows.rows; lo += fillRows { // few rows at a time, which a cache holds
			hi := min(lo+fillRows, before+rows.rows)
			e.fillNumbers(d, rows, -before, lo, hi)
			e.fillSlots(d, rows, -before, lo, hi)
		}
	})
}

// fillNumbers fills in the numbers of rows from up to to of d, which are lo further on in b.
func (e linearEncoder) fillNumbers(d *linear.Design, b *binding, lo, from, to int) {
	column := 0
	for _, s := range e.Numbers {
		values := s.values(b, lo+from, lo+to)
		if s.Scale > 0 {
			at := from*d.Stride + column
			for _, v := range values {
				d.Numbers[at] = s.standard(v)
				at += d.Stride
			}
			column++
		}
		if s.Missing {
			at := from*d.Stride + column
			for _, v := range values {
				if isMissing(v) {
					d.Numbers[at] = 1
				}
				at += d.Stride
			}
			column++
		}
	}
}

// fillSlots does the same for the categories.
func (e linearEncoder) fillSlots(d *linear.Design, b *binding, lo, from, to int) {
	base := d.Dense
	for j, h := range e.Categories {
		width := h.width(b.schema)
		for row := from; row < to; row++ {
			missing := b.columns[h.Column].Codes[lo+row] < 0
			slot := h.slot(b.code(h.Column, lo+row), missing, width)
			if slot >= 0 {
				slot += base
			}
			d.Slots[row*d.Hot+j] = int32(slot)
		}
		base += width
	}
}

// check reports whether the encoder is one that the schema can have.
func (e linearEncoder) check(schema bakeoff.Schema) error {
	for _, s := range e.Numbers {
		if err := s.check(schema); err != nil {
			return err
		}
		if schema.Columns[s.Column].Kind == bakeoff.KindCategory || s.Scale < 0 {
			return fmt.Errorf("column %q is no number or has a negative scale", schema.Columns[s.Column].Name)
		}
	}
	for _, h := range e.Categories {
		if err := h.check(schema); err != nil {
			return err
		}
	}
	return nil
}

func (h oneHot) check(schema bakeoff.Schema) error {
	if err := (feature{Column: h.Column}).check(schema); err != nil {
		return err
	}
	c := schema.Columns[h.Column]
	if c.Kind != bakeoff.KindCategory {
		return fmt.Errorf("column %q is no category", c.Name)
	}
	if h.Kept != nil && len(h.Kept) == 0 {
		return fmt.Errorf("column %q keeps no level", c.Name)
	}
	for i, code := range h.Kept {
		if code < 0 || int(code) >= len(c.Categories) || i > 0 && code <= h.Kept[i-1] {
			return fmt.Errorf("column %q: level %d of %d is out of place", c.Name, code, len(c.Categories))
		}
	}
	return nil
}
