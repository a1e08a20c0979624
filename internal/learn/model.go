package learn

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// Model answers for rows. It is immutable and safe for concurrent use.
type Model struct {
	learner string
	params  json.RawMessage // canonical, with defaults
	schema  bakeoff.Schema
	fitted  fitted
	pool    sync.Pool // of *scratch
}

// fitted is an encoder and what was learnt behind it.
type fitted interface {
	// predict returns the probability of each class, row-major, or one value a row, for the rows
	// from lo up to hi.
	predict(ctx context.Context, b *binding, lo, hi, threads int) ([]float64, error)
	// encoder returns the encoder's state, to be written as JSON.
	encoder() any
	// appendBinary appends what was learnt.
	appendBinary(b []byte) ([]byte, error)
}

// Schema describes the rows that the model was trained on.
func (m *Model) Schema() bakeoff.Schema { return m.schema }

// Learner returns the name of the learner that made the model.
func (m *Model) Learner() string { return m.learner }

// predictRows is how many rows are encoded at a time: it bounds the memory that a large table
// takes beside the answers.
const predictRows = 1 << 16

// Predict answers for every row of t. The columns are found by name and may be in any order; the
// table may have others. A column that is missing or of another kind is a *bakeoff.Error that
// names it. Missing values and categories that training had not seen are legal. The answers do
// not depend on threads.
func (m *Model) Predict(ctx context.Context, t *dataset.Table, threads int) (*bakeoff.Predictions, error) {
	b, err := bind(m.schema, t)
	if err != nil {
		return nil, err
	}
	var answers []float64
	for lo := 0; lo < t.Rows; lo += predictRows {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("predict: %w", context.Cause(ctx))
		}
		block, err := m.fitted.predict(ctx, b, lo, min(lo+predictRows, t.Rows), threads)
		if err != nil {
			return nil, fmt.Errorf("predict: %w", err)
		}
		if lo == 0 { // all there is, mostly
			rest := max(0, t.Rows-predictRows)
			answers = slices.Grow(block, rest*max(1, len(m.schema.Classes)))
			continue
		}
		answers = append(answers, block...)
	}
	if m.schema.Task == bakeoff.Regression {
		return &bakeoff.Predictions{Values: answers}, nil
	}
	return &bakeoff.Predictions{Classes: m.schema.Classes, Probabilities: answers}, nil
}

// Unseen counts the cells of t with a category that training had not seen, in the columns that
// the model has and t too.
func (m *Model) Unseen(t *dataset.Table) int {
	n := 0
	m.eachColumn(t, func(want bakeoff.ColumnSchema, c *dataset.Column) {
		if want.Kind == bakeoff.KindCategory && c.Kind == want.Kind {
			n += unseen(c.Codes, translate(c.Levels, want.Categories))
		}
	})
	return n
}

// Infinite counts the cells of t that are infinite, in the columns that the model has and t too:
// they are taken for missing values.
func (m *Model) Infinite(t *dataset.Table) int {
	n := 0
	m.eachColumn(t, func(_ bakeoff.ColumnSchema, c *dataset.Column) {
		for _, v := range c.Numbers {
			if infinite(v) {
				n++
			}
		}
	})
	return n
}

// eachColumn calls do for each column of the schema that the table has.
func (m *Model) eachColumn(t *dataset.Table, do func(want bakeoff.ColumnSchema, c *dataset.Column)) {
	for i, want := range m.schema.Columns {
		if c := find(t, want.Name, i); c != nil {
			do(want, c)
		}
	}
}
