package learn

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn/bayes"
)

// naiveBayes is bayes.Fit behind an encoder of its own.
func naiveBayes() *learner {
	p := bayes.DefaultParams()
	return &learner{
		name: NaiveBayes, tasks: classification, train: trainBayes, decode: decodeBayes,
		parameters: []Parameter{
			{Name: "alpha", Type: TypeNumber, Default: p.Alpha, Min: 1e-10, Max: 1e9, Doc: "How many rows of each category every class is taken to have beforehand: more trusts rare categories less."},
			classWeight(),
			{Name: "var_smoothing", Type: TypeNumber, Default: p.VarSmoothing, Min: 1e-15, Max: 1, Doc: "What is added to the variance of every number, as a share of the largest one."},
		},
	}
}

// bayesEncoder says which columns a naive Bayes model sees: numbers, dates' parts and categories
// that are not the same in all training rows. It leaves them as they are.
type bayesEncoder struct {
	Features []feature `json:"features"`
}

// bayesModel is naive Bayes.
type bayesModel struct {
	bayesEncoder
	model *bayes.Model
}

func trainBayes(ctx context.Context, j *job) (fitted, error) {
	var p struct {
		Alpha        float64 `json:"alpha"`
		VarSmoothing float64 `json:"var_smoothing"`
	}
	if err := j.settings(&p); err != nil {
		return nil, err
	}
	m := &bayesModel{}
	for _, f := range features(j.Schema) {
		if m.levels(j.Schema, f) > 1 || m.levels(j.Schema, f) == 0 && varies(j.numbers(f, 0, j.rows)) {
			m.Features = append(m.Features, f)
		}
	}
	var err error
	m.model, err = bayes.Fit(ctx, bayes.Rows{
		Columns: len(m.Features), Column: func(i int) bayes.Column { return m.column(j.binding, m.Features[i], 0, j.rows) },
		Y: j.Labels.Codes, Classes: len(j.Labels.Classes), Weights: j.Labels.Weights,
	}, bayes.Params{Alpha: p.Alpha, VarSmoothing: p.VarSmoothing}, j.Threads)
	if err != nil {
		return nil, err
	}
	j.report(1, "%d columns", len(m.Features))
	return m, nil
}

// varies reports whether two values differ.
func varies(values []float64) bool {
	first := math.NaN()
	for _, v := range values {
		switch {
		case math.IsNaN(v):
		case math.IsNaN(first):
			first = v
		case v != first:
			return true
		}
	}
	return false
}

// levels is the number of levels of a category; 0 for a number, and -1 for a category without any.
func (e bayesEncoder) levels(schema bakeoff.Schema, f feature) int {
	c := schema.Columns[f.Column]
	if c.Kind != bakeoff.KindCategory {
		return 0
	}
	if len(c.Categories) == 0 {
		return -1
	}
	return len(c.Categories)
}

// column returns a feature of the rows from lo up to hi.
func (e bayesEncoder) column(b *binding, f feature, lo, hi int) bayes.Column {
	levels := e.levels(b.schema, f)
	if levels == 0 {
		return bayes.Column{Numbers: b.numbers(f, lo, hi)}
	}
	codes := b.columns[f.Column].Codes[lo:hi]
	if b.codes[f.Column] == nil { // the schema's own: what is missing is all that is below zero
		return bayes.Column{Codes: codes, Levels: levels}
	}
	out := make([]int32, len(codes))
	for i, c := range codes {
		switch {
		case c < 0:
			out[i] = bayes.Missing
		case b.code(f.Column, lo+i) < 0:
			out[i] = bayes.Unseen
		default:
			out[i] = b.code(f.Column, lo+i)
		}
	}
	return bayes.Column{Codes: out, Levels: levels}
}

func (m *bayesModel) predict(_ context.Context, b *binding, lo, hi, _ int) ([]float64, error) {
	columns := make([]bayes.Column, len(m.Features))
	for i, f := range m.Features {
		columns[i] = m.column(b, f, lo, hi)
	}
	return m.model.Probabilities(columns, hi-lo)
}

func (m *bayesModel) encoder() any { return m.bayesEncoder }

func (m *bayesModel) appendBinary(b []byte) ([]byte, error) { return m.model.AppendBinary(b) }

// steps counts a feature of some classes as one.
func (m *bayesModel) steps() int64 {
	const classes = 2
	return int64(len(m.Features)) * int64(m.model.Classes()) / classes
}

func decodeBayes(h header, body []byte) (fitted, error) {
	m := &bayesModel{}
	if err := json.Unmarshal(h.Encoder, &m.bayesEncoder); err != nil {
		return nil, fmt.Errorf("encoder: %w", err)
	}
	levels := make([]int, len(m.Features))
	for i, f := range m.Features {
		if err := f.check(h.Schema); err != nil {
			return nil, fmt.Errorf("encoder: %w", err)
		}
		if levels[i] = m.levels(h.Schema, f); levels[i] < 0 {
			return nil, fmt.Errorf("encoder: column %q has no levels", h.Schema.Columns[f.Column].Name)
		}
	}
	var err error
	m.model, err = bayes.Decode(body, len(h.Schema.Classes), levels)
	return m, err
}
