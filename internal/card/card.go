// Package card turns a trained model and its training rows into a card: what the model was learnt
// from and what it looks at.
//
// A card sees the training rows alone, since whoever builds a model never sees the holdout: its
// importances are optimistic where the model has learnt rows by heart. What it costs is bounded in
// counted work, so that the same model and rows give the same card on any machine.
package card

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/learn"
	"github.com/bakeoffhq/bakeoff/internal/metric"
	"github.com/bakeoffhq/bakeoff/internal/score"
)

// Training is what a model was trained on.
type Training struct {
	Table  *dataset.Table // the rows, or some of them
	Schema bakeoff.Schema
	Labels bakeoff.Labels // of all rows
	// Places says which of the rows Table has; nil for all.
	Places []int
	Seed   uint64 // decides which rows are drawn
	// Threads is how many to use; it does not change the card.
	Threads int
}

// The bounds of a card. A step is one node of one tree, or what takes about as long.
const (
	leastSteps  = 6_000_000   // milliseconds, which even the smallest model may cost
	floorSteps  = 100_000_000 // what a half may cost before rows, and then columns, are fewer than should be
	mostSteps   = 2_000_000_000
	fitShare    = 20 // beside that, a twentieth of passing all training rows through the model once
	leastRows   = 100
	fewestRows  = 25 // where leastRows would be too dear
	mostRows    = 1000
	leastMean   = 40 // rows of a curve: a mean needs fewer than a difference of losses
	mostMean    = 200
	fewestMean  = 5
	leastColumn = 8 // columns that are permuted, whatever it costs
	repeats     = 2
	mostCurves  = 8
	mostPoints  = 10
	quantileRow = 10_000 // rows that the points of a number are learnt from
)

// Make writes the card of a model that was trained so.
func Make(ctx context.Context, model *learn.Model, t Training) (*bakeoff.Card, error) {
	c := &bakeoff.Card{
		Learner: model.Learner(), Params: model.Params(), Task: t.Schema.Task, Rows: t.Labels.Len(), Weighted: t.Labels.Weights != nil,
		Classes: countClasses(t.Labels), Metric: measure(t.Schema.Task).Name(), Repeats: repeats,
	}
	if t.Places == nil { // a few rows cannot say that all are alike
		c.LeftOut = leftOut(t.Table)
	} else {
		t.Labels = dataset.ChooseLabels(t.Labels, t.Places)
	}
	columns := columnsOf(c, t.Schema)
	steps := leastSteps + int64(c.Rows)*model.Steps()/fitShare
	rows := int(min(steps, mostSteps) / max(1, model.Steps()) / 2) // half for each of the two
	dear := int(floorSteps / max(1, model.Steps()))
	a := asked{model, t.Threads}
	measured := affordable(model, t.Schema, columns, max(rows, dear))
	c.Unmeasured = len(columns) - len(measured)
	if err := importance(ctx, c, a, t, measured, between(rows, dear, 1+repeats*len(measured), fewestRows, leastRows, mostRows)); err != nil {
		return nil, fmt.Errorf("importance by permutation: %w", err)
	}
	if err := dependence(ctx, c, a, t, between(rows, dear, mostCurves*mostPoints, fewestMean, leastMean, mostMean)); err != nil {
		return nil, fmt.Errorf("partial dependence: %w", err)
	}
	return c, nil
}

// between divides rows among some askings. Each has most at the most, and least at the least or, where
// dear rows do not have that many, as many as they have, down to fewest.
func between(rows, dear, askings, fewest, least, most int) int {
	return min(max(rows/askings, min(least, dear/askings), fewest), most)
}

// affordable returns the columns that are permuted, where the model may be asked about so many rows: those
// that it looks at most by its own strengths or, where it has none, the first ones.
func affordable(model *learn.Model, s bakeoff.Schema, columns []string, rows int) []string {
	most := max(leastColumn, (rows/fewestRows-1)/repeats)
	if len(columns) <= most {
		return columns
	}
	columns = slices.Clone(columns)
	if _, strengths := model.Strengths(); strengths != nil {
		of := make(map[string]float64, len(columns))
		for i, c := range s.Columns {
			of[c.Name] = strengths[i]
		}
		slices.SortStableFunc(columns, func(a, b string) int { return cmp.Compare(of[b], of[a]) })
	}
	return columns[:most]
}

// measure returns the metric of importances.
func measure(task bakeoff.LearningTask) metric.Metric {
	name := "log_loss"
	if task == bakeoff.Regression {
		name = "rmse"
	}
	m, _ := metric.Lookup(name)
	return m
}

// asked is a model that is asked on some threads.
type asked struct {
	model   *learn.Model
	threads int
}

// Score answers for every row, as score.Scorer wants it.
func (a asked) Score(ctx context.Context, t *dataset.Table) (*bakeoff.Predictions, error) {
	return a.model.Predict(ctx, t, a.threads)
}

func countClasses(l bakeoff.Labels) []bakeoff.ClassCount {
	classes := make([]bakeoff.ClassCount, len(l.Classes))
	for i, name := range l.Classes {
		classes[i].Name = name
	}
	for _, code := range l.Codes {
		classes[code].Rows++
	}
	return classes
}

// leftOut lists the columns that say nothing.
func leftOut(t *dataset.Table) []bakeoff.LeftOut {
	var list []bakeoff.LeftOut
	for i := range t.Columns {
		if why := nothingToLearn(&t.Columns[i], t.Rows); why != "" {
			list = append(list, bakeoff.LeftOut{Column: t.Columns[i].Name, Why: why})
		}
	}
	return list
}

// nothingToLearn says why a column tells no row from another; "" where it does.
func nothingToLearn(c *dataset.Column, rows int) string {
	first := -1
	for row := range rows {
		switch {
		case c.Missing(row) || c.Codes == nil && math.IsInf(c.Numbers[row], 0):
			if first > 0 || first == 0 && row > 0 {
				return "" // some are missing and some are not
			}
		case first < 0 && row > 0:
			return ""
		case first < 0:
			first = row
		case c.Codes != nil && c.Codes[row] != c.Codes[first] || c.Codes == nil && c.Numbers[row] != c.Numbers[first]:
			return ""
		}
	}
	if first < 0 {
		return "all values are missing"
	}
	return "all values are the same"
}

// columns returns the names of those that are not left out.
func columnsOf(c *bakeoff.Card, s bakeoff.Schema) []string {
	var names []string
	for _, column := range s.Columns {
		if !slices.ContainsFunc(c.LeftOut, func(l bakeoff.LeftOut) bool { return l.Column == column.Name }) {
			names = append(names, column.Name)
		}
	}
	return names
}

// importance fills in the features.
func importance(ctx context.Context, c *bakeoff.Card, a asked, t Training, columns []string, rows int) error {
	found, sample, err := score.Importances(ctx, a, t.Table, t.Labels, score.Permuting{
		Metric: measure(t.Schema.Task), Columns: columns, Seed: t.Seed, Repeats: repeats, Rows: rows,
	})
	if err != nil {
		return err
	}
	c.Sample = sample
	kind, strengths := a.model.Strengths()
	c.Strength = string(kind)
	for _, f := range found {
		feature := bakeoff.FeatureStrength{Column: f.Column, Permutation: rounded(f.Loss), Deviation: rounded(f.Deviation)}
		if strengths != nil {
			at := slices.IndexFunc(t.Schema.Columns, func(s bakeoff.ColumnSchema) bool { return s.Name == f.Column })
			strength := rounded(strengths[at])
			feature.Strength = &strength
		}
		c.Features = append(c.Features, feature)
	}
	return nil
}

// dependence fills in the curves of the most important columns.
func dependence(ctx context.Context, c *bakeoff.Card, a asked, t Training, rows int) error {
	sample := drawn(t.Table, rows, t.Seed)
	c.DependenceSample = sample.Rows
	for _, f := range c.Features[:min(mostCurves, len(c.Features))] {
		i := slices.IndexFunc(t.Table.Columns, func(column dataset.Column) bool { return column.Name == f.Column })
		d, err := curve(ctx, a, sample, i, points(&t.Table.Columns[i]))
		if err != nil {
			return fmt.Errorf("column %s: %w", f.Column, err)
		}
		c.Dependence = append(c.Dependence, d)
	}
	return nil
}

// drawn returns at most so many of the rows, in their order.
func drawn(t *dataset.Table, most int, seed uint64) *dataset.Table {
	if t.Rows <= most {
		return t
	}
	places := rand.New(rand.NewPCG(seed, 1)).Perm(t.Rows)[:most]
	slices.Sort(places)
	return t.Choose(places)
}

// points returns the cells at which a column's curve is drawn: quantiles of a number, without those
// that repeat, or the most frequent categories.
func points(c *dataset.Column) dataset.Column {
	p := *c
	if c.Codes == nil {
		p.Numbers = quantiles(c.Numbers)
		return p
	}
	counts := make([]int, len(c.Levels))
	for _, code := range c.Codes {
		if code >= 0 {
			counts[code]++
		}
	}
	p.Codes = nil
	for code, n := range counts {
		if n > 0 {
			p.Codes = append(p.Codes, int32(code))
		}
	}
	slices.SortStableFunc(p.Codes, func(a, b int32) int { return cmp.Compare(counts[b], counts[a]) })
	p.Codes = p.Codes[:min(len(p.Codes), mostPoints)]
	return p
}

// quantiles returns at most mostPoints values from the 2nd to the 98th percentile, ascending.
func quantiles(values []float64) []float64 {
	step := max(1, len(values)/quantileRow)
	var sorted []float64
	for i := 0; i < len(values); i += step {
		if v := values[i]; !math.IsNaN(v) && !math.IsInf(v, 0) {
			sorted = append(sorted, v)
		}
	}
	if len(sorted) == 0 {
		return nil
	}
	slices.Sort(sorted)
	if distinct := slices.Compact(slices.Clone(sorted)); len(distinct) <= mostPoints {
		return distinct
	}
	var list []float64
	for i := range mostPoints {
		share := 0.02 + 0.96*float64(i)/(mostPoints-1)
		list = append(list, sorted[int(share*float64(len(sorted)-1))])
	}
	return slices.Compact(list)
}

// curve asks the model about every row of the sample with every point in the place of the column.
func curve(ctx context.Context, a asked, sample *dataset.Table, column int, points dataset.Column) (bakeoff.Dependence, error) {
	d := bakeoff.Dependence{Column: points.Name, Kind: points.Kind}
	cells := max(len(points.Numbers), len(points.Codes))
	same := &dataset.Table{Rows: sample.Rows, Columns: slices.Clone(sample.Columns)}
	for i := range cells {
		if points.Codes != nil {
			same.Columns[column] = points
			same.Columns[column].Codes = slices.Repeat(points.Codes[i:i+1], sample.Rows)
		} else {
			same.Columns[column].Numbers = slices.Repeat(points.Numbers[i:i+1], sample.Rows)
		}
		answers, err := a.Score(ctx, same)
		if err != nil {
			return d, err
		}
		d.Points = append(d.Points, pointOf(&points, i, means(answers)))
	}
	return d, nil
}

func pointOf(c *dataset.Column, i int, answer []float64) bakeoff.DependencePoint {
	if c.Codes != nil {
		return bakeoff.DependencePoint{Category: &c.Levels[c.Codes[i]], Answer: answer}
	}
	return bakeoff.DependencePoint{Number: &c.Numbers[i], Answer: answer}
}

// means returns the mean value, or the mean probability of each class.
func means(p *bakeoff.Predictions) []float64 {
	numbers, width := p.Probabilities, len(p.Classes)
	if p.Classes == nil {
		numbers, width = p.Values, 1
	}
	sums := make([]float64, width)
	for i, v := range numbers {
		sums[i%width] += v
	}
	for k := range sums {
		sums[k] = rounded(sums[k] / float64(p.Len()))
	}
	return sums
}

// rounded keeps six digits: more would be noise, and differ between processors.
func rounded(v float64) float64 {
	v, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64)
	if err != nil {
		return 0 // not reached: it is what FormatFloat wrote
	}
	return v
}
