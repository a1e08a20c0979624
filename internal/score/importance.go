package score

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/metric"
)

// Scorer answers the rows of a table.
type Scorer interface {
	Score(ctx context.Context, t *dataset.Table) (*bakeoff.Predictions, error)
}

// Importance says how much worse a model does where the values of one column stand in other rows
// than their own: what it would lose without what the column tells.
type Importance struct {
	Column string
	// Loss is the mean decrease of the metric, positive where the model gets worse, whatever the
	// metric's direction; Deviation is its standard deviation over the repeats.
	Loss, Deviation float64
}

// Permuting says how importance is measured.
type Permuting struct {
	Metric  metric.Metric
	Columns []string // those that the model looks at; others are not measured
	Seed    uint64
	Repeats int // how often each column is permuted; 0 for 5
	Rows    int // how many rows, drawn by the seed, are asked for at most; 0 for 5,000
}

const (
	usualRepeats = 5
	usualRows    = 5_000
)

// Importances returns the permutation importance (L. Breiman, Random forests, 2001) of columns for a
// model, the most important first, and the number of rows that it was measured on. It follows from
// the arguments alone, if the model's answers do. Columns that say the same hide each other: each of
// them can be spared. The model answers (Repeats × columns + 1) times; the end of ctx ends that.
func Importances(ctx context.Context, model Scorer, t *dataset.Table, y bakeoff.Labels, p Permuting) (found []Importance, rows int, err error) {
	p.Repeats = cmp.Or(p.Repeats, usualRepeats)
	t, y = drawn(t, y, cmp.Or(p.Rows, usualRows), p.Seed)
	whole, err := measured(ctx, model, t, y, p.Metric)
	if err != nil {
		return nil, 0, err
	}
	for i, c := range t.Columns {
		if !slices.Contains(p.Columns, c.Name) {
			continue
		}
		losses := make([]float64, p.Repeats)
		for repeat := range losses {
			v, err := measured(ctx, model, permuted(t, i, rand.New(rand.NewPCG(p.Seed, uint64(i*p.Repeats+repeat+1)))), y, p.Metric)
			if err != nil {
				return nil, 0, fmt.Errorf("permute column %s: %w", c.Name, err)
			}
			losses[repeat] = loss(p.Metric, whole, v)
		}
		mean, deviation := spread(losses)
		found = append(found, Importance{Column: c.Name, Loss: mean, Deviation: deviation})
	}
	slices.SortStableFunc(found, func(a, b Importance) int { return cmp.Compare(b.Loss, a.Loss) })
	return found, t.Rows, nil
}

func measured(ctx context.Context, model Scorer, t *dataset.Table, y bakeoff.Labels, m metric.Metric) (float64, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	answers, err := model.Score(ctx, t)
	if err != nil {
		return 0, err
	}
	return m.Compute(y, answers)
}

func loss(m metric.Metric, whole, permuted float64) float64 {
	if m.HigherIsBetter() {
		return whole - permuted
	}
	return permuted - whole
}

// spread returns the mean of values and their standard deviation.
func spread(values []float64) (mean, deviation float64) {
	for _, v := range values {
		mean += v / float64(len(values))
	}
	if len(values) < 2 {
		return mean, 0
	}
	for _, v := range values {
		deviation += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(deviation / float64(len(values)-1))
}

// drawn returns at most so many of the rows, in their order.
func drawn(t *dataset.Table, y bakeoff.Labels, most int, seed uint64) (*dataset.Table, bakeoff.Labels) {
	if t.Rows <= most {
		return t, y
	}
	places := rand.New(rand.NewPCG(seed, 0)).Perm(t.Rows)[:most]
	slices.Sort(places)
	return t.Choose(places), dataset.ChooseLabels(y, places)
}

// permuted returns the table with the values of one column in another order.
func permuted(t *dataset.Table, column int, r *rand.Rand) *dataset.Table {
	other := &dataset.Table{Rows: t.Rows, Columns: slices.Clone(t.Columns)}
	other.Columns[column] = t.Columns[column].Choose(r.Perm(t.Rows))
	return other
}
