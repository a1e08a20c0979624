package learn

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn/linear"
	"github.com/bakeoffhq/bakeoff/internal/learn/mlp"
)

// multiLayerPerceptron is mlp.Train behind the encoder of linear models.
func multiLayerPerceptron() *learner {
	p := mlp.DefaultParams()
	return &learner{
		name: MLP, tasks: anyTask, train: trainMLP, decode: decodeMLP,
		parameters: []Parameter{
			{Name: "activation", Type: TypeString, Default: p.Activation, Choices: []string{mlp.ReLU, mlp.Tanh}, Doc: "What a hidden unit makes of its sum: relu or tanh."},
			{Name: "alpha", Type: TypeNumber, Default: p.Alpha, Min: 0, Max: 1e6, Doc: "Strength of the L2 penalty: larger is stronger."},
			{Name: "batch_size", Type: TypeInteger, Default: p.BatchSize, Min: 1, Max: 1e6, Doc: "Rows of a step; all training rows, if there are fewer."},
			classWeight(),
			{Name: "early_stopping", Type: TypeBoolean, Default: p.EarlyStopping, Doc: "Stop when a part of the training rows, held back for it, gets no better; needs 20 such rows, else the training loss decides."},
			{Name: "hidden_layer_sizes", Type: TypeArray, Default: p.Hidden, Min: 1, Max: 4096, MaxItems: 2, Doc: "Units of each hidden layer, one or two of them."},
			{Name: "learning_rate_init", Type: TypeNumber, Default: p.LearningRate, Min: 1e-9, Max: 10, Doc: "How far a step of the solver, Adam, goes."},
			{Name: "max_iter", Type: TypeInteger, Default: p.MaxIter, Min: 1, Max: 1e5, Doc: "Most epochs: passes over the training rows."},
			{Name: "n_iter_no_change", Type: TypeInteger, Default: p.Patience, Min: 1, Max: 1e5, Doc: "Epochs without a gain before it stops."},
			{Name: "tol", Type: TypeNumber, Default: p.Tol, Min: 0, Max: 1, Doc: "A gain in the loss that is smaller is none."},
			{Name: "validation_fraction", Type: TypeNumber, Default: p.ValidationFraction, Min: 0.01, Max: 0.9, Doc: "Share of the training rows held back for early stopping."},
		},
	}
}

// mlpSettings are the parameters as a pipeline file names them.
type mlpSettings struct {
	Activation         string  `json:"activation"`
	Alpha              float64 `json:"alpha"`
	BatchSize          int     `json:"batch_size"`
	EarlyStopping      bool    `json:"early_stopping"`
	Hidden             []int   `json:"hidden_layer_sizes"`
	LearningRate       float64 `json:"learning_rate_init"`
	MaxIter            int     `json:"max_iter"`
	Patience           int     `json:"n_iter_no_change"`
	Tol                float64 `json:"tol"`
	ValidationFraction float64 `json:"validation_fraction"`
}

// mlpModel is a network behind its encoder.
type mlpModel struct {
	linearEncoder
	network        *mlp.Network
	classification bool
	starts         []int // the first input of each category column
}

func newMLPModel(e linearEncoder, schema bakeoff.Schema) *mlpModel {
	m := &mlpModel{linearEncoder: e, classification: schema.Task != bakeoff.Regression}
	for _, ends := range e.slotEnds(schema) {
		m.starts = append(m.starts, ends[0])
	}
	return m
}

func trainMLP(ctx context.Context, j *job) (fitted, error) {
	var p mlpSettings
	if err := j.settings(&p); err != nil {
		return nil, err
	}
	encoder, err := fitLinearEncoder(ctx, j.binding, j.Threads)
	if err != nil {
		return nil, err
	}
	m := newMLPModel(encoder, j.Schema)
	data, err := m.data(ctx, j.binding, 0, j.rows, j.Threads)
	if err != nil {
		return nil, err
	}
	m.network, err = mlp.Train(ctx, data, j.Labels, mlp.Params{
		Hidden: p.Hidden, Activation: p.Activation, Alpha: p.Alpha, BatchSize: p.BatchSize, LearningRate: p.LearningRate,
		MaxIter: p.MaxIter, Tol: p.Tol, Patience: p.Patience,
		EarlyStopping: p.EarlyStopping, ValidationFraction: p.ValidationFraction,
	}, mlp.Options{Seed: j.Seed, Threads: j.Threads, Progress: func(epoch int, fraction float64) {
		j.report(fraction, "epoch %d/%d", epoch, p.MaxIter)
	}})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// data returns the rows from lo up to hi as a network sees them.
func (m *mlpModel) data(ctx context.Context, b *binding, lo, hi, threads int) (*mlp.Data, error) {
	design, err := m.encode(ctx, b, lo, hi, threads)
	if err != nil {
		return nil, err
	}
	d := &mlp.Data{Rows: design.Rows, Dense: design.Dense, Width: design.Width, Starts: m.starts, Slots: design.Slots}
	d.Numbers = make([]float32, design.Rows*design.Dense)
	for i := range design.Rows {
		into := d.Numbers[i*d.Dense : (i+1)*d.Dense]
		for j, v := range numbersOf(design, i) {
			into[j] = float32(v)
		}
	}
	return d, nil
}

// numbersOf returns the numbers of one row of a design.
func numbersOf(d *linear.Design, row int) []float64 {
	return d.Numbers[row*d.Stride:][:d.Dense]
}

func (m *mlpModel) predict(ctx context.Context, b *binding, lo, hi, threads int) ([]float64, error) {
	d, err := m.data(ctx, b, lo, hi, threads)
	if err != nil {
		return nil, err
	}
	if m.classification {
		return m.network.Probabilities(ctx, d, threads)
	}
	return m.network.Values(ctx, d, threads)
}

func (m *mlpModel) encoder() any { return m.linearEncoder }

func (m *mlpModel) appendBinary(b []byte) ([]byte, error) { return m.network.AppendBinary(b), nil }

func decodeMLP(h header, body []byte) (fitted, error) {
	var e linearEncoder
	if err := json.Unmarshal(h.Encoder, &e); err != nil {
		return nil, fmt.Errorf("encoder: %w", err)
	}
	if err := e.check(h.Schema); err != nil {
		return nil, fmt.Errorf("encoder: %w", err)
	}
	var p mlpSettings
	if err := json.Unmarshal(h.Params, &p); err != nil {
		return nil, fmt.Errorf("parameters: %w", err)
	}
	m := newMLPModel(e, h.Schema)
	var err error
	m.network, err = mlp.Decode(body, e.width(h.Schema), mlp.Params{Hidden: p.Hidden, Activation: p.Activation}, len(h.Schema.Classes))
	return m, err
}

// steps is the work of a row: a node of a tree takes as long as some multiplications.
func (m *mlpModel) steps() int64 {
	const multiplications = 8
	return int64(m.network.Cost(m.dense()+len(m.Categories)))/multiplications + 1
}
