package tree

import (
	"math"

	"github.com/bakeoffhq/bakeoff"
)

// present returns the data without the rows of weight zero, which count as absent.
func present(d Data, y bakeoff.Labels) (Data, bakeoff.Labels, error) {
	if y.Weights == nil {
		return d, y, nil
	}
	if len(y.Weights) != d.Rows || y.Len() != d.Rows {
		return d, y, bakeoff.Errorf(bakeoff.CodeInvalid, "%d weights and %d labels for %d rows", len(y.Weights), y.Len(), d.Rows)
	}
	var rows []int
	for row, w := range y.Weights {
		if !(w >= 0 && w <= math.MaxFloat64) {
			return d, y, bakeoff.Errorf(bakeoff.CodeInvalid, "row %d: the weight is %v, want a finite number from 0", row, w)
		}
		if w > 0 {
			rows = append(rows, row)
		}
	}
	if len(rows) == d.Rows {
		return d, y, nil
	}
	kept := Data{Rows: len(rows), Columns: make([]Column, len(d.Columns))}
	for i, c := range d.Columns {
		kept.Columns[i] = Column{Numbers: pick(c.Numbers, rows), Codes: pick(c.Codes, rows), Levels: c.Levels}
		if read := c.Read; read != nil {
			kept.Columns[i].Read = func() ([]float64, []int32) {
				numbers, codes := read()
				return pick(numbers, rows), pick(codes, rows)
			}
		}
	}
	return kept, bakeoff.Labels{
		Classes: y.Classes, Codes: pick(y.Codes, rows), Values: pick(y.Values, rows), Weights: pick(y.Weights, rows),
	}, nil
}

// pick returns the values of the rows; nil for no values.
func pick[T any](values []T, rows []int) []T {
	if values == nil {
		return nil
	}
	picked := make([]T, len(rows))
	for i, row := range rows {
		picked[i] = values[row]
	}
	return picked
}

// weightBits is the number of bits that the sum of all weights as integers may have.
const weightBits = 30

// quantise returns weights above zero as integers from 1, in the proportion of the weights as far
// as so many of them can be summed: sums of integers do not depend on their order. Equal weights
// are nil, as none.
func quantise(weights []float64) []int64 {
	least, most := math.Inf(1), 0.0
	for _, w := range weights {
		least, most = min(least, w), max(most, w)
	}
	if least >= most {
		return nil
	}
	scale := 1.0 // a power of two, so that proportions like 1:2 stay as they are
	for 2*scale*float64(len(weights)) < 1<<weightBits && scale < 1<<16 {
		scale *= 2
	}
	integers := make([]int64, len(weights))
	for row, w := range weights {
		integers[row] = max(1, int64(math.RoundToEven(w/most*scale)))
	}
	return integers
}

func meanInteger(values []int64) float64 {
	sum := int64(0)
	for _, v := range values {
		sum += v
	}
	return float64(sum) / float64(len(values))
}
