package learn

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn/tree"
)

// treeModel is trees behind their encoder: a random forest or gradient boosting.
type treeModel struct {
	treeEncoder
	ensemble *tree.Ensemble
}

// trainTrees encodes the rows, and has fit grow trees; unit is what it counts its progress in.
func trainTrees(j *job, unit string, fit func(tree.Data, tree.Options) (*tree.Ensemble, error)) (*treeModel, error) {
	t := &treeModel{treeEncoder: fitTreeEncoder(j.binding)}
	data := t.encodeAll(j.binding)
	if j.part != nil {
		j.reading(0.2, j.part.columns(len(data.Columns)))
	}
	var err error
	t.ensemble, err = fit(data, tree.Options{Seed: j.Seed, Threads: j.Threads, Progress: func(done, total int) {
		j.report(float64(done)/float64(total), "%s %d/%d", unit, done, total)
	}})
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (t *treeModel) predict(_ context.Context, b *binding, lo, hi, threads int) ([]float64, error) {
	return t.ensemble.Predict(t.encode(b, lo, hi), threads)
}

func (t *treeModel) predictFew(b *binding, s *scratch, out []float64) error {
	t.encodeInto(&s.trees, b, 0, b.rows)
	return s.ensemble.Score(t.ensemble, s.trees, out)
}

func (t *treeModel) encoder() any { return t.treeEncoder }

func (t *treeModel) appendBinary(b []byte) ([]byte, error) { return t.ensemble.AppendBinary(b) }

func decodeTrees(h header, body []byte) (fitted, error) {
	t := &treeModel{}
	if err := json.Unmarshal(h.Encoder, &t.treeEncoder); err != nil {
		return nil, fmt.Errorf("encoder: %w", err)
	}
	if err := t.check(h.Schema); err != nil {
		return nil, fmt.Errorf("encoder: %w", err)
	}
	var err error
	if t.ensemble, err = tree.Decode(body); err != nil {
		return nil, err
	}
	return t, t.probe(h.Schema)
}

// probe asks the trees about one row without values: they must take the encoder's columns, and
// answer with as many numbers as the schema has classes.
func (t *treeModel) probe(schema bakeoff.Schema) error {
	b, err := bind(schema, emptyRow(schema))
	if err != nil {
		return err
	}
	answer, err := t.ensemble.Predict(t.encode(b, 0, 1), 1)
	if err != nil {
		return err
	}
	if want := max(1, len(schema.Classes)); len(answer) != want {
		return fmt.Errorf("the trees give %d numbers a row, want %d", len(answer), want)
	}
	return nil
}
