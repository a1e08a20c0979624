package bayes

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// The model is written as float64, little-endian: alpha, the weight of each class, then column by
// column: of numbers centre, scale, the means and the variances, of a category its counts.

// AppendBinary appends the model as Decode reads it.
func (m *Model) AppendBinary(b []byte) ([]byte, error) {
	b = appendNumbers(b, m.alpha)
	b = appendNumbers(b, m.weight...)
	for _, f := range m.column {
		if f.levels > 0 {
			b = appendNumbers(b, f.count...)
			continue
		}
		b = appendNumbers(b, f.centre, f.scale)
		b = appendNumbers(b, f.mean...)
		b = appendNumbers(b, f.variance...)
	}
	return b, nil
}

func appendNumbers(b []byte, v ...float64) []byte {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
	}
	return b
}

// Decode reads a model of so many classes whose columns have so many levels, 0 for numbers. It
// accepts only what Fit can have learnt, and takes no more memory than a small multiple of len(b).
func Decode(b []byte, classes int, levels []int) (*Model, error) {
	want := uint64(1 + classes)
	for _, n := range levels {
		if n > 0 {
			want += uint64(n) * uint64(classes)
		} else {
			want += uint64(2 + 2*classes)
		}
	}
	if uint64(len(b)) != 8*want {
		return nil, fmt.Errorf("%d bytes of naive Bayes, want %d", len(b), 8*want)
	}
	r := &reader{rest: b}
	m := &Model{classes: classes, column: make([]fittedColumn, len(levels))}
	m.alpha, m.weight = r.within(leastAlpha, mostWeight), r.counts(classes)
	if slices.Max(m.weight) == 0 {
		return nil, errors.New("no row counts")
	}
	for j, n := range levels {
		f := &m.column[j]
		if f.levels = n; n > 0 {
			f.count = r.counts(n * classes)
			continue
		}
		f.centre, f.scale = r.within(-math.MaxFloat64, math.MaxFloat64), r.within(1/math.MaxFloat64, math.MaxFloat64)
		for range classes {
			f.mean = append(f.mean, r.within(-farthest, farthest))
		}
		for range classes {
			f.variance = append(f.variance, r.within(leastVariance, math.MaxFloat64))
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	m.finish()
	return m, nil
}

// Bounds within which what is computed from a model is a number: alpha and weights may be added up
// over all levels and classes, and the largest square be divided by a variance.
const (
	leastAlpha    = 1e-100
	mostWeight    = 1e290
	leastVariance = 1e-100
)

// reader takes numbers off the front of bytes that are known to be enough.
type reader struct {
	rest []byte
	at   int
	err  error
}

// within returns the next number, which must be from low to high.
func (r *reader) within(low, high float64) float64 {
	v := math.Float64frombits(binary.LittleEndian.Uint64(r.rest))
	if !(v >= low && v <= high) && r.err == nil {
		r.err = fmt.Errorf("number %d is %v, want one from %v to %v", r.at, v, low, high)
	}
	r.rest = r.rest[8:]
	r.at++
	return v
}

// counts returns the next n numbers, which must be counts of rows.
func (r *reader) counts(n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = r.within(0, mostWeight)
	}
	return v
}
