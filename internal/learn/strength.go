package learn

import (
	"encoding/json"
	"math"

	"github.com/bakeoffhq/bakeoff"
)

// Strength names what a learner itself says of how much it looks at a column.
type Strength string

// The strengths.
const (
	// Gain is the share of all that the splits of trees have gained.
	Gain Strength = "gain"
	// Coefficient is the largest difference that a column makes to the sum that a linear model
	// forms: for a number the absolute coefficient of its standardised value, for a category the
	// widest gap between two of its coefficients, averaged over the outputs.
	Coefficient Strength = "coefficient"
)

// Strengths returns how much the model looks at each column of its schema, and what that is; nil
// for a learner that has no such thing.
func (m *Model) Strengths() (Strength, []float64) {
	if s, ok := m.fitted.(interface {
		strengths(bakeoff.Schema) (Strength, []float64)
	}); ok {
		return s.strengths(m.schema)
	}
	return "", nil
}

// Steps returns about how much work one row is, counted in nodes of trees or what takes as long.
func (m *Model) Steps() int64 {
	steps := int64(len(m.schema.Columns))
	if s, ok := m.fitted.(interface{ steps() int64 }); ok {
		steps += s.steps()
	}
	return steps
}

// Params returns the parameters that the model was trained with, defaults filled in, as canonical JSON.
func (m *Model) Params() json.RawMessage { return m.params }

func (t *treeModel) strengths(s bakeoff.Schema) (Strength, []float64) {
	byColumn := make([]float64, len(s.Columns))
	for i, share := range t.ensemble.Importance() {
		byColumn[t.Features[i].Column] += share
	}
	return Gain, byColumn
}

func (t *treeModel) steps() int64 { return t.ensemble.Steps() }

func (l *linearModel) strengths(s bakeoff.Schema) (Strength, []float64) {
	byColumn := make([]float64, len(s.Columns))
	outputs := l.model.Outputs
	at := 0
	for _, n := range l.Numbers {
		for range n.width() {
			byColumn[n.Column] += l.gap(at, 1) / float64(outputs)
			at++
		}
	}
	for _, h := range l.Categories {
		width := h.width(s)
		byColumn[h.Column] += l.gap(at, width) / float64(outputs)
		at += width
	}
	return Coefficient, byColumn
}

// gap returns the sum over the outputs of the widest gap between the coefficients of some columns,
// of which a single one stands against zero.
func (l *linearModel) gap(first, columns int) float64 {
	outputs := l.model.Outputs
	sum := 0.0
	for k := range outputs {
		least, most := math.Inf(1), math.Inf(-1)
		if columns == 1 {
			least, most = 0, 0
		}
		for j := first; j < first+columns; j++ {
			w := l.model.Weights[j*outputs+k]
			least, most = min(least, w), max(most, w)
		}
		sum += most - least
	}
	return sum
}

func (l *linearModel) steps() int64 {
	return int64(len(l.Numbers)+len(l.Categories)) * int64(l.model.Outputs)
}
