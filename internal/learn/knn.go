package learn

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn/neighbors"
)

// The texts of how neighbours count.
const (
	uniform    = "uniform"
	byDistance = "distance"
)

// kNearest is neighbors.Model behind the encoder of linear models.
func kNearest() *learner {
	return &learner{
		name: KNN, tasks: anyTask, train: trainKNN, decode: decodeKNN,
		parameters: []Parameter{
			classWeight(),
			{Name: "max_rows", Type: TypeInteger, Default: 50_000, Min: 2, Max: 1e6, Doc: "Most training rows that the model keeps, a sample drawn by the seed where there are more: its size and the time of an answer grow with them."},
			{Name: "n_neighbors", Type: TypeInteger, Default: 5, Min: 1, Max: 10_000, Doc: "How many of the nearest training rows answer for a row."},
			{Name: "weights", Type: TypeString, Default: uniform, Choices: []string{uniform, byDistance}, Doc: "How much a neighbour counts: uniform, or distance for one over its distance. The row's own weight multiplies it."},
		},
	}
}

// knnSettings are the parameters as a pipeline file names them.
type knnSettings struct {
	MaxRows   int    `json:"max_rows"`
	Neighbors int    `json:"n_neighbors"`
	Weights   string `json:"weights"`
}

// maxCells bounds the numbers and slots that a model keeps: it keeps fewer rows where there are many
// columns.
const maxCells = 1 << 25

// knnModel is the training rows behind their encoder.
type knnModel struct {
	linearEncoder
	model *neighbors.Model
}

func trainKNN(ctx context.Context, j *job) (fitted, error) {
	var p knnSettings
	if err := j.settings(&p); err != nil {
		return nil, err
	}
	encoder, err := fitLinearEncoder(ctx, j.binding, j.Threads)
	if err != nil {
		return nil, err
	}
	cells := encoder.dense() + len(encoder.Categories)
	rows, present := j.sample(min(p.MaxRows, maxCells/max(1, cells)))
	if p.Neighbors > len(rows) {
		return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "n_neighbors is %d, but there are %d training rows to be neighbours", p.Neighbors, len(rows)).
			WithHint("set n_neighbors to less, or train on more rows")
	}
	known := neighbors.Rows{Classes: len(j.Labels.Classes)}
	if known.Points, err = encoder.keep(ctx, j, rows); err != nil {
		return nil, err
	}
	for _, row := range rows {
		if j.Labels.Codes != nil {
			known.Codes = append(known.Codes, j.Labels.Codes[row])
		} else {
			known.Values = append(known.Values, j.Labels.Values[row])
		}
		if j.Labels.Weights != nil {
			known.Weights = append(known.Weights, j.Labels.Weights[row])
		}
	}
	if len(rows) < present {
		j.report(1, "%d rows kept of %d, drawn by the seed", len(rows), present)
	} else {
		j.report(1, "%d rows kept", len(rows))
	}
	return &knnModel{linearEncoder: encoder, model: neighbors.New(known, p.Neighbors, p.Weights == byDistance)}, nil
}

// streamSample is the stream of random numbers that a sample is drawn with.
const streamSample = 0x6b6e6e

// sample returns at most so many of the rows whose weight is not zero, ascending, each as likely as
// any other, and how many such rows there are.
func (j *job) sample(most int) (rows []int, present int) {
	weights := j.Labels.Weights
	for row := range j.rows {
		if weights == nil || weights[row] > 0 {
			rows = append(rows, row)
		}
	}
	present = len(rows)
	if present <= most {
		return rows, present
	}
	rng := rand.New(rand.NewPCG(j.Seed, streamSample))
	taken := rows[:0]
	for at, row := range rows {
		if need, left := most-len(taken), present-at; rng.IntN(left) < need {
			taken = append(taken, row)
		}
	}
	return taken, present
}

// keep encodes the rows, ascending, and only some of them at a time.
func (e linearEncoder) keep(ctx context.Context, j *job, rows []int) (neighbors.Points, error) {
	p := neighbors.Points{Rows: len(rows), Dense: e.dense(), Hot: len(e.Categories)}
	p.Numbers = make([]float64, 0, p.Rows*p.Dense)
	p.Slots = make([]int32, 0, p.Rows*p.Hot)
	for lo := 0; lo < j.rows; lo += predictRows {
		hi := min(lo+predictRows, j.rows)
		d, err := e.encode(ctx, j.binding, lo, hi, j.Threads)
		if err != nil {
			return p, err
		}
		for len(rows) > 0 && rows[0] < hi {
			at := rows[0] - lo
			p.Numbers = append(p.Numbers, numbersOf(d, at)...)
			p.Slots = append(p.Slots, d.Slots[at*d.Hot:(at+1)*d.Hot]...)
			rows = rows[1:]
		}
	}
	return p, nil
}

func (m *knnModel) predict(ctx context.Context, b *binding, lo, hi, threads int) ([]float64, error) {
	d, err := m.encode(ctx, b, lo, hi, threads)
	if err != nil {
		return nil, err
	}
	p := &neighbors.Points{Rows: d.Rows, Dense: d.Dense, Hot: d.Hot, Slots: d.Slots, Numbers: make([]float64, 0, d.Rows*d.Dense)}
	for row := range d.Rows {
		p.Numbers = append(p.Numbers, numbersOf(d, row)...)
	}
	return m.model.Predict(ctx, p, threads)
}

func (m *knnModel) encoder() any { return m.linearEncoder }

func (m *knnModel) appendBinary(b []byte) ([]byte, error) { return m.model.AppendBinary(b), nil }

func decodeKNN(h header, body []byte) (fitted, error) {
	m := &knnModel{}
	if err := json.Unmarshal(h.Encoder, &m.linearEncoder); err != nil {
		return nil, fmt.Errorf("encoder: %w", err)
	}
	if err := m.check(h.Schema); err != nil {
		return nil, fmt.Errorf("encoder: %w", err)
	}
	var p knnSettings
	if err := json.Unmarshal(h.Params, &p); err != nil {
		return nil, fmt.Errorf("parameters: %w", err)
	}
	shape := neighbors.Shape{Dense: m.dense(), Most: maxStandard, Ends: m.slotEnds(h.Schema), Classes: len(h.Schema.Classes)}
	var err error
	m.model, err = neighbors.Decode(body, shape, p.Neighbors, p.Weights == byDistance)
	return m, err
}

// slotEnds returns the first slot of each category column and the one after its last.
func (e linearEncoder) slotEnds(schema bakeoff.Schema) [][2]int {
	ends := make([][2]int, len(e.Categories))
	at := e.dense()
	for i, h := range e.Categories {
		ends[i] = [2]int{at, at + h.width(schema)}
		at = ends[i][1]
	}
	return ends
}

// steps is the work of a search that finds hardly a row too far by its box, as with many columns.
func (m *knnModel) steps() int64 { return m.model.Size() / 4 }
