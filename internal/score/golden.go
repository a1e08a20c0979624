package score

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// goldenTolerance is how far a predict command's answers may be from the golden ones, relative to
// numbers above one: another process may add up in another order. A built-in model gives the same bits.
const goldenTolerance = 1e-9

// Check asks for the golden answers again and compares. The error names the first row that
// differs, from 1; it is a *bakeoff.Error of CodeInvalid unless the model could not be asked.
func (m *Model) Check(ctx context.Context, g *bakeoff.Golden) error {
	if err := m.fits(g); err != nil {
		return err
	}
	t, err := dataset.FromRows(m.schema, g.Rows)
	if err != nil {
		return fmt.Errorf("read golden rows: %w", err)
	}
	got, err := m.Score(ctx, t)
	if err != nil {
		return fmt.Errorf("ask for golden answers: %w", err)
	}
	if len(got.Classes) == 0 {
		return m.compare(g, got.Values, func(row int) []float64 { return g.Values[row : row+1] })
	}
	return m.compare(g, got.Probabilities, func(row int) []float64 { return g.Probabilities[row] })
}

// fits checks that the golden answers are answers of such a model.
func (m *Model) fits(g *bakeoff.Golden) error {
	answers := len(g.Probabilities)
	if m.schema.Task == bakeoff.Regression {
		answers = len(g.Values)
	}
	if answers != len(g.Rows) {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "there are %d golden answers for %d rows", answers, len(g.Rows))
	}
	if !slices.Equal(g.Classes, m.schema.Classes) {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "the golden answers are of classes %q, the model's are %q", g.Classes, m.schema.Classes)
	}
	for i, row := range g.Probabilities {
		if len(row) != len(g.Classes) {
			return bakeoff.Errorf(bakeoff.CodeInvalid, "golden answer %d has %d probabilities for %d classes", i+1, len(row), len(g.Classes))
		}
	}
	return nil
}

// compare compares row by row; got has as many numbers for a row as want has.
func (m *Model) compare(g *bakeoff.Golden, got []float64, want func(row int) []float64) error {
	for i := range g.Rows {
		for c, w := range want(i) {
			if v := got[i*len(want(i))+c]; !m.equal(v, w) {
				return m.differs(g, i, c, v, w)
			}
		}
	}
	return nil
}

func (m *Model) equal(got, want float64) bool {
	if !m.command {
		return math.Float64bits(got) == math.Float64bits(want)
	}
	return math.Abs(got-want) <= goldenTolerance*max(1, math.Abs(want))
}

func (m *Model) differs(g *bakeoff.Golden, row, class int, got, want float64) error {
	what := "prediction"
	if len(g.Classes) > 0 {
		what = fmt.Sprintf("probability of %q", g.Classes[class])
	}
	return bakeoff.Errorf(bakeoff.CodeInvalid, "golden answer %d differs: the %s was %v and is %v", row+1, what, want, got)
}
