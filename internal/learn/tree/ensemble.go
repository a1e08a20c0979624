package tree

import "errors"

// Ensemble is a trained model: it scores data that has the same columns, in the same order, as the
// data that it was trained on. It is immutable and safe for concurrent use.
type Ensemble struct{}

// Predict scores the rows of d: row-major, the probability of each class for classification, one
// value a row for regression.
func (e *Ensemble) Predict(d Data, threads int) ([]float64, error) { return nil, errors.ErrUnsupported }

// Importance returns each column's share of the gain of all splits. The shares sum to one; all are
// zero where no split was worth making.
func (e *Ensemble) Importance() []float64 { return nil }
