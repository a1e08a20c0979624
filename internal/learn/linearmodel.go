package learn

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn/linear"
)

// logisticRegression is linear.Logistic behind the encoder of linear models.
func logisticRegression() *learner {
	p := linear.DefaultLogisticParams()
	return &learner{
		name: LogisticRegression, tasks: classification, train: trainLogistic, decode: decodeLinear, byColumn: true,
		parameters: []Parameter{
			{Name: "C", Type: TypeNumber, Default: p.C, Min: 1e-9, Max: 1e9, Doc: "Inverse strength of the L2 penalty: smaller is stronger."},
			classWeight(),
			{Name: "max_iter", Type: TypeInteger, Default: p.MaxIter, Min: 1, Max: 1e6, Doc: "Most iterations of the solver."},
			{Name: "tol", Type: TypeNumber, Default: p.Tol, Min: 1e-10, Max: 1, Doc: "Stop when no component of the gradient is larger."},
		},
	}
}

// linearRegression is linear.Ridge behind the same encoder.
func linearRegression() *learner {
	return &learner{
		name: LinearRegression, tasks: []bakeoff.LearningTask{bakeoff.Regression}, train: trainRidge, decode: decodeLinear, byColumn: true,
		parameters: []Parameter{
			{Name: "alpha", Type: TypeNumber, Default: 1.0, Min: 1e-9, Max: 1e12, Doc: "Strength of the L2 penalty: larger is stronger."},
		},
	}
}

// linearModel is logistic or linear regression.
type linearModel struct {
	linearEncoder
	model          *linear.Model
	classification bool
}

func trainLogistic(ctx context.Context, j *job) (fitted, error) {
	var p struct {
		C       float64 `json:"C"`
		MaxIter int     `json:"max_iter"`
		Tol     float64 `json:"tol"`
	}
	if err := j.settings(&p); err != nil {
		return nil, err
	}
	fit := func(d *linear.Design, o linear.Options) (*linear.Model, error) {
		return linear.Logistic(ctx, d, j.Labels.Codes, len(j.Labels.Classes), linear.LogisticParams{C: p.C, MaxIter: p.MaxIter, Tol: p.Tol}, o)
	}
	return trainLinear(ctx, j, fit)
}

func trainRidge(ctx context.Context, j *job) (fitted, error) {
	var p struct {
		Alpha float64 `json:"alpha"`
	}
	if err := j.settings(&p); err != nil {
		return nil, err
	}
	fit := func(d *linear.Design, o linear.Options) (*linear.Model, error) {
		return linear.Ridge(ctx, d, j.Labels.Values, p.Alpha, o)
	}
	return trainLinear(ctx, j, fit)
}

// trainLinear encodes the rows, and has fit find the coefficients.
func trainLinear(ctx context.Context, j *job, fit func(*linear.Design, linear.Options) (*linear.Model, error)) (*linearModel, error) {
	if j.part != nil {
		j.reading(0.7, j.part.columns(len(features(j.Schema)))+j.part.groups())
	}
	encoder, err := fitLinearEncoder(ctx, j.binding, j.Threads)
	if err != nil {
		return nil, err
	}
	var design *linear.Design
	if j.part != nil {
		design, err = encoder.encodePart(ctx, j.binding, j.Threads)
	} else {
		design, err = encoder.encode(ctx, j.binding, 0, j.rows, j.Threads)
	}
	if err != nil {
		return nil, err
	}
	design.Weights = j.Labels.Weights
	l := &linearModel{linearEncoder: encoder, classification: j.Schema.Task != bakeoff.Regression}
	l.model, err = fit(design, linear.Options{Threads: j.Threads, Progress: func(iteration int, fraction float64) {
		j.report(fraction, "iteration %d", iteration)
	}})
	if err != nil {
		return nil, err
	}
	if !l.model.Converged {
		j.report(1, "stopped after %d iterations without settling", l.model.Iterations)
	}
	return l, nil
}

func (l *linearModel) predict(ctx context.Context, b *binding, lo, hi, threads int) ([]float64, error) {
	d, err := l.encode(ctx, b, lo, hi, threads)
	if err != nil {
		return nil, err
	}
	if l.classification {
		return l.model.Probabilities(ctx, d, threads)
	}
	return l.model.Values(ctx, d, threads)
}

func (l *linearModel) predictFew(b *binding, s *scratch, out []float64) error {
	l.encodeInto(&s.design, b, 0, b.rows)
	if l.classification {
		l.model.ScoreProbabilities(&s.design, out)
	} else {
		l.model.ScoreValues(&s.design, out)
	}
	return nil
}

func (l *linearModel) encoder() any { return l.linearEncoder }

// appendBinary appends the weights as float64, little-endian: column by column and the intercept
// last, one an output.
func (l *linearModel) appendBinary(b []byte) ([]byte, error) {
	for _, v := range l.model.Weights {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b, nil
}

func decodeLinear(h header, body []byte) (fitted, error) {
	l := &linearModel{classification: h.Schema.Task != bakeoff.Regression}
	if err := json.Unmarshal(h.Encoder, &l.linearEncoder); err != nil {
		return nil, fmt.Errorf("encoder: %w", err)
	}
	if err := l.check(h.Schema); err != nil {
		return nil, fmt.Errorf("encoder: %w", err)
	}
	outputs, width := 1, l.width(h.Schema)
	if n := len(h.Schema.Classes); n > 2 {
		outputs = n
	}
	if want := uint64(outputs) * (uint64(width) + 1) * 8; uint64(len(body)) != want {
		return nil, fmt.Errorf("%d bytes of weights, want %d", len(body), want)
	}
	values := make([]float64, len(body)/8)
	for i := range values {
		values[i] = math.Float64frombits(binary.LittleEndian.Uint64(body[i*8:]))
		if math.IsNaN(values[i]) || infinite(values[i]) {
			return nil, fmt.Errorf("weight %d is not finite", i)
		}
	}
	l.model = &linear.Model{Outputs: outputs, Width: width, Weights: values}
	return l, nil
}
