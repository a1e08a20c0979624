package mlp

import (
	"math"
	"math/rand/v2"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn/portable"
)

// target is what the network is to answer.
type target struct {
	codes   []int32   // of classes, or
	values  []float32 // standardised values
	weights []float64 // of the rows, with a mean of one; nil for ones
	classes int       // 0 for a regression
	// What takes a standardised value back.
	scale, mean float64
}

// newTarget also returns the rows to learn from: those whose weight is not zero, ascending.
func newTarget(y bakeoff.Labels) (target, []int) {
	t := target{codes: y.Codes, classes: len(y.Classes), scale: 1}
	rows := make([]int, 0, y.Len())
	total := 0.0
	for row := range y.Len() {
		if y.Weights == nil {
			rows = append(rows, row)
		} else if w := y.Weights[row]; w > 0 {
			rows = append(rows, row)
			total += w
		}
	}
	if y.Weights != nil {
		t.weights = make([]float64, y.Len())
		for _, row := range rows {
			t.weights[row] = y.Weights[row] / total * float64(len(rows))
		}
	}
	if t.classes == 0 {
		t.standardise(y.Values, rows)
	}
	return t, rows
}

// standardise gives the values a mean of zero and a deviation of one. It reckons in units of the
// largest, so that no square overflows.
func (t *target) standardise(values []float64, rows []int) {
	t.values = make([]float32, len(values))
	unit := 0.0
	for _, row := range rows {
		unit = max(unit, math.Abs(values[row]))
	}
	if unit == 0 {
		t.scale = 0
		return
	}
	n := float64(len(rows))
	mean, squares := 0.0, 0.0
	for _, row := range rows {
		mean += float64(values[row] / unit * t.weight(row) / n)
	}
	for _, row := range rows {
		d := values[row]/unit - mean
		squares += float64(d * d * t.weight(row) / n)
	}
	deviation := math.Sqrt(squares)
	t.mean, t.scale = mean*unit, deviation*unit
	const noise = 1e-12 // of a mean of equal numbers
	if deviation < noise {
		t.scale = 0
		return
	}
	for _, row := range rows {
		t.values[row] = float32((values[row]/unit - mean) / deviation)
	}
}

// weight returns how much a row counts.
func (t *target) weight(row int) float64 {
	if t.weights == nil {
		return 1
	}
	return t.weights[row]
}

// baseline sets the biases of the outputs to the answer of a model that knows only how frequent the
// classes are, so that no epoch is spent on that. A mean is zero already.
func (t *target) baseline(bias []float32, rows []int) {
	if t.classes == 0 {
		return
	}
	shares := make([]float64, t.classes)
	for _, row := range rows {
		shares[t.codes[row]] += t.weight(row)
	}
	const least = 0.5 // of a row, so that a class without any has a logarithm
	for k, s := range shares {
		shares[k] = portable.Log(max(s, least))
	}
	if len(bias) == 1 {
		bias[0] = float32(shares[1] - shares[0])
		return
	}
	mean := 0.0
	for _, s := range shares {
		mean += s / float64(len(shares))
	}
	for k, s := range shares {
		bias[k] = float32(s - mean)
	}
}

// residual fills in the derivative of a row's loss by its margins, and returns the loss. Scratch
// has room for the probability of each class.
func (t *target) residual(residual, margins []float32, scratch []float64, row int) float64 {
	weight := t.weight(row)
	if t.classes == 0 {
		d := float64(margins[0] - t.values[row])
		residual[0] = float32(weight * d)
		return float64(d*d) * weight / 2
	}
	probabilities(scratch, margins)
	truth := int(t.codes[row])
	loss := -portable.Log(max(scratch[truth], 1e-15)) * weight
	if math.IsNaN(float64(margins[0])) {
		loss = math.NaN() // which probabilities forgives
	}
	scratch[truth]--
	p := scratch[len(scratch)-len(residual):] // of the second class alone, where there are two
	for k := range residual {
		residual[k] = float32(weight * p[k])
	}
	return loss
}

// Streams of random numbers, so that no draw depends on how many there were before it elsewhere.
const (
	streamStart = iota + 0x6d6c7000
	streamHeld
	streamOrder
)

// fewHeld is how many rows must be held back for them to say anything.
const fewHeld = 20

// split sets a share of the rows aside, of every class the same, but never its last row. Where the
// share is less than fewHeld rows, none are.
func (t *target) split(rows []int, share float64, seed uint64) (train, held []int) {
	if share*float64(len(rows)) < fewHeld {
		return rows, nil
	}
	counts := make([]int, max(1, t.classes))
	class := func(row int) int {
		if t.classes == 0 {
			return 0
		}
		return int(t.codes[row])
	}
	for _, row := range rows {
		counts[class(row)]++
	}
	for k, n := range counts {
		counts[k] = int(share * float64(n))
	}
	aside := make([]bool, len(rows))
	for _, at := range rand.New(rand.NewPCG(seed, streamHeld)).Perm(len(rows)) {
		k := class(rows[at])
		aside[at] = counts[k] > 0
		counts[k]--
	}
	for at, row := range rows {
		if aside[at] {
			held = append(held, row)
		} else {
			train = append(train, row)
		}
	}
	return train, held
}
