package dataset

import (
	"math"
	"slices"

	"github.com/bakeoffhq/bakeoff"
)

// checkWeightRole refuses a column of weights that is asked to be something else too.
func checkWeightRole(s Source, path string) error {
	what, field := "", ""
	switch kind := s.Columns[s.Weight]; {
	case s.Weight == "":
		return nil
	case s.Weight == s.Target:
		what, field = "the target", "target"
	case s.Weight == s.Key:
		what, field = "the key", "key"
	case s.Weight == s.Split.Column:
		what, field = "the column of the split", "split.column"
	case slices.Contains(s.Ignore, s.Weight):
		what, field = "ignored", "ignore"
	case kind != "" && kind != bakeoff.KindNumber && kind != bakeoff.KindInteger:
		return bakeoff.Errorf(bakeoff.CodeInvalid, "%s: the weights, column %q, are stated to be %s", path, s.Weight, kind).
			WithHint("a weight is a number: change data.weight or data.columns.%s", s.Weight)
	default:
		return nil
	}
	return bakeoff.Errorf(bakeoff.CodeInvalid, "%s: column %q cannot be both the weights and %s", path, s.Weight, what).
		WithHint("change data.weight or data.%s", field)
}

// readWeights returns the weight of every row that has a label, a finite number from 0; nil where
// there is no column of weights.
func readWeights(t *rawTable, s Source, missing missingTexts, labels *target) ([]float64, error) {
	if s.Weight == "" {
		return nil, nil
	}
	cells := t.columns[s.Weight].cells()
	weights := make([]float64, len(cells))
	for row, cell := range cells {
		if labels.missing(row) {
			continue
		}
		if missing.has(cell) {
			return nil, t.errorf(row, "column %q: the weight is missing", s.Weight).
				WithHint("every row with a label needs a weight; 0 leaves it out of training")
		}
		v, ok := reading(bakeoff.KindNumber)(cell)
		if !ok || math.IsInf(v, 0) || v < 0 {
			return nil, t.errorf(row, "column %q: the weight %s is not a finite number from 0", s.Weight, shown(cell)).
				WithHint("correct the cell, or name another column in data.weight")
		}
		weights[row] = v
	}
	return weights, nil
}

// checkWeights looks for training rows that count.
func (b *builder) checkWeights() error {
	if b.weights == nil {
		return nil
	}
	for row, w := range b.weights {
		if w > 0 && b.sides[row] == inTrain {
			return nil
		}
	}
	return b.errorf("column %q: every training row has weight 0", b.source.Weight).
		WithHint("a row of weight 0 is left out of training, so nothing would be left")
}
