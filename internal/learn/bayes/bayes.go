// Package bayes turns columns and classes into a naive Bayes model: within a class, numbers are
// normal, categories have their frequencies, and no column hangs together with another.
//
// A missing value says nothing, neither when the model is learnt nor when it answers. On numbers
// alone the model is scikit-learn's GaussianNB, on categories alone its CategoricalNB.
package bayes

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/bakeoffhq/bakeoff/internal/learn/portable"
	"golang.org/x/sync/errgroup"
)

// Codes of a category that stand for none of its levels.
const (
	Missing = -1
	Unseen  = -2 // a level that training had not seen
)

// Column is one input: either numbers, NaN for a missing one, or codes.
type Column struct {
	Numbers []float64
	Codes   []int32
	Levels  int // of a category: its codes are from 0 to Levels-1; 0 for numbers
}

// Params are the settings. Neither may be zero.
type Params struct {
	// Alpha is how many rows of each level every class is taken to have seen before the first one.
	Alpha float64
	// VarSmoothing is what is added to every variance, as a part of the largest variance of any column
	// of numbers, but never more than maxSmoothing of the column's own.
	VarSmoothing float64
}

// DefaultParams returns scikit-learn's.
func DefaultParams() Params { return Params{Alpha: 1, VarSmoothing: 1e-9} }

// maxSmoothing keeps one column of very large numbers from drowning all others.
const maxSmoothing = 1e-3

// Rows are what a model is learnt from.
type Rows struct {
	Columns int
	// Column returns one of them; it is called once for each, from any goroutine.
	Column  func(int) Column
	Y       []int32 // one class a row, from 0 to Classes-1
	Classes int
	Weights []float64 // how much each row counts, from 0; nil for one each
}

// Model is a fitted model. It is immutable and safe for concurrent use.
type Model struct {
	classes int
	weight  []float64 // of all rows of each class
	alpha   float64
	column  []fittedColumn
	prior   []float64 // the logarithm of each class's share
}

// fittedColumn is what is known of one column: numbers where levels is 0, else a category.
type fittedColumn struct {
	levels int
	// Of numbers, taken as how many scales they are from the centre: their mean and standard
	// deviation, or 1 in the place of a deviation of 0.
	centre, scale  float64
	mean, variance []float64 // one a class
	// Of a category: what rows of each class had each level, one class after the other a level.
	count []float64

	// What follows from these. For numbers: a class's log density is offset - (z-mean)^2 * curve.
	offset, curve []float64
	// For a category: the log probability of each level in each class, and of one that is unseen.
	log []float64
}

// Fit learns a model, on so many threads; their number changes no bit of it. It needs a row that
// counts.
func Fit(ctx context.Context, r Rows, p Params, threads int) (*Model, error) {
	m := &Model{classes: r.Classes, alpha: p.Alpha, weight: make([]float64, r.Classes), column: make([]fittedColumn, r.Columns)}
	total := 0.0
	for i, c := range r.Y {
		if c < 0 || int(c) >= r.Classes {
			return nil, fmt.Errorf("row %d: class %d of %d", i, c, r.Classes)
		}
		m.weight[c] += r.weigh(i)
		total += r.weigh(i)
	}
	if !(total > 0 && total <= mostWeight) {
		return nil, errors.New("the rows count for nothing, or for more than a number can hold")
	}
	deviation := make([]float64, r.Columns)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(threads, 1))
	for j := range m.column {
		group.Go(func() error {
			column := r.Column(j)
			if column.Levels > 0 {
				m.column[j] = r.category(column)
			} else {
				m.column[j], deviation[j] = r.numbers(column.Numbers)
			}
			return context.Cause(ctx)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	m.smooth(p.VarSmoothing, slices.Max(append(deviation, 0)))
	m.finish()
	return m, nil
}

func (r Rows) weigh(i int) float64 {
	if r.Weights == nil {
		return 1
	}
	return r.Weights[i]
}

// category counts the levels in each class.
func (r Rows) category(c Column) fittedColumn {
	f := fittedColumn{levels: c.Levels, count: make([]float64, c.Levels*r.Classes)}
	for i, code := range c.Codes {
		if code >= 0 {
			f.count[int(code)*r.Classes+int(r.Y[i])] += r.weigh(i)
		}
	}
	return f
}

// numbers finds the mean and variance of a column in each class, and the deviation of all rows. A
// class without a value is taken to be like all rows.
func (r Rows) numbers(v []float64) (f fittedColumn, deviation float64) {
	f.centre, deviation = r.spread(v)
	if f.scale = deviation; deviation == 0 {
		f.scale = 1
	}
	k := r.Classes
	f.mean, f.variance = make([]float64, k), make([]float64, k)
	weight := make([]float64, k)
	for i, x := range v {
		if w := r.weigh(i); w > 0 && !math.IsNaN(x) {
			c := r.Y[i]
			weight[c] += w
			f.mean[c] += float64(w * f.standard(x))
		}
	}
	for c, w := range weight {
		if w > 0 {
			f.mean[c] /= w
		}
	}
	for i, x := range v {
		if w := r.weigh(i); w > 0 && !math.IsNaN(x) {
			c := r.Y[i]
			d := f.standard(x) - f.mean[c]
			f.variance[c] += float64(w * float64(d*d))
		}
	}
	for c, w := range weight {
		if w > 0 {
			f.variance[c] /= w
		} else {
			f.variance[c] = 1
		}
	}
	return f, deviation
}

// spread returns the mean of the values and their standard deviation, or 0 where that is too small
// to divide by.
func (r Rows) spread(v []float64) (centre, deviation float64) {
	unit, weight := 0.0, 0.0 // so that no square overflows
	for i, x := range v {
		if w := r.weigh(i); w > 0 && !math.IsNaN(x) {
			unit = max(unit, math.Abs(x))
			weight += w
		}
	}
	if unit == 0 {
		return 0, 0
	}
	mean, squares := 0.0, 0.0
	for i, x := range v {
		if w := r.weigh(i); w > 0 && !math.IsNaN(x) {
			mean += float64(w * (x / unit))
		}
	}
	mean /= weight
	for i, x := range v {
		if w := r.weigh(i); w > 0 && !math.IsNaN(x) {
			d := x/unit - mean
			squares += float64(w * float64(d*d))
		}
	}
	centre, deviation = float64(mean*unit), float64(math.Sqrt(squares/weight)*unit)
	if math.IsInf(1/deviation, 0) {
		deviation = 0
	}
	return centre, deviation
}

// farthest bounds standardised numbers: beyond it a value says no more, and its square is no
// number.
const farthest = 1e9

// standard returns a number as so many scales from the centre.
func (f *fittedColumn) standard(x float64) float64 {
	return min(max((x-f.centre)/f.scale, -farthest), farthest)
}

// smooth adds to the variances a share of that of the column with the widest deviation.
func (m *Model) smooth(share, widest float64) {
	for _, f := range m.column {
		ratio := widest / f.scale
		extra := max(share, min(float64(share*float64(ratio*ratio)), maxSmoothing))
		for c := range f.variance {
			f.variance[c] += extra
		}
	}
}

// finish computes what answers are made of.
func (m *Model) finish() {
	total := 0.0
	for _, w := range m.weight {
		total += w
	}
	m.prior = make([]float64, m.classes)
	for c, w := range m.weight {
		m.prior[c] = portable.Log(w / total)
	}
	for j := range m.column {
		if f := &m.column[j]; f.levels > 0 {
			f.finishCategory(m.classes, m.alpha)
		} else {
			f.finishNumbers()
		}
	}
}

func (f *fittedColumn) finishNumbers() {
	f.offset, f.curve = make([]float64, len(f.mean)), make([]float64, len(f.mean))
	for c, v := range f.variance {
		f.offset[c] = -0.5 * portable.Log(v)
		f.curve[c] = 0.5 / v
	}
}

func (f *fittedColumn) finishCategory(k int, alpha float64) {
	f.log = make([]float64, (f.levels+1)*k)
	for c := range k {
		seen := 0.0
		for level := range f.levels {
			seen += f.count[level*k+c]
		}
		all := portable.Log(seen + float64(alpha*float64(f.levels)))
		for level := range f.levels {
			f.log[level*k+c] = portable.Log(f.count[level*k+c]+alpha) - all
		}
		f.log[f.levels*k+c] = portable.Log(alpha) - all
	}
}

// Classes returns how many classes the model tells apart.
func (m *Model) Classes() int { return m.classes }

// Probabilities returns the probability of each class for each row, row-major.
func (m *Model) Probabilities(columns []Column, rows int) ([]float64, error) {
	if len(columns) != len(m.column) {
		return nil, fmt.Errorf("%d columns for a model of %d", len(columns), len(m.column))
	}
	k := m.classes
	out := make([]float64, rows*k)
	for i := range rows {
		copy(out[i*k:], m.prior)
	}
	for j, c := range columns {
		if f := &m.column[j]; f.levels > 0 {
			f.addLevels(out, c.Codes, k)
		} else {
			f.addNumbers(out, c.Numbers, k)
		}
	}
	for i := range rows {
		normalise(out[i*k : (i+1)*k])
	}
	return out, nil
}

func (f *fittedColumn) addNumbers(out, v []float64, k int) {
	for i, x := range v {
		if math.IsNaN(x) {
			continue
		}
		z := f.standard(x)
		for c := range k {
			d := z - f.mean[c]
			out[i*k+c] += f.offset[c] - float64(float64(d*d)*f.curve[c])
		}
	}
}

func (f *fittedColumn) addLevels(out []float64, codes []int32, k int) {
	for i, code := range codes {
		if code == Missing {
			continue
		}
		if code == Unseen {
			code = int32(f.levels)
		}
		for c, v := range f.log[int(code)*k:][:k] {
			out[i*k+c] += v
		}
	}
}

// normalise turns log probabilities into probabilities that sum to one.
func normalise(v []float64) {
	top := math.Inf(-1)
	for _, x := range v {
		top = max(top, x)
	}
	sum := portable.Exps(v, top)
	for c := range v {
		v[c] /= sum
	}
}
