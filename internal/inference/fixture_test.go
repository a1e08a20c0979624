package inference_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/inference"
	"github.com/bakeoffhq/bakeoff/internal/learn"
	"github.com/bakeoffhq/bakeoff/internal/predict"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// trained is a built-in learner's model as the live set opens it.
type trained struct {
	*learn.Model
	delay func(ctx context.Context, t *dataset.Table) error // before it answers; may be nil
}

func (m *trained) ScoreInto(ctx context.Context, t *dataset.Table, p *bakeoff.Predictions) error {
	if m.delay != nil {
		if err := m.delay(ctx, t); err != nil {
			return err
		}
	}
	return m.PredictInto(ctx, t, 1, p)
}

func (m *trained) Check(context.Context, *bakeoff.Golden) error { return nil }
func (m *trained) Serial() bool                                 { return false }
func (m *trained) Close() error                                 { return nil }

// source has the versions of some models.
type source struct {
	changes chan bakeoff.Model

	mu       sync.Mutex
	records  map[string]bakeoff.Model     // guarded by mu
	versions map[string][]bakeoff.Version // guarded by mu; from 1
	models   map[string][]*trained        // guarded by mu
}

func newSource() *source {
	return &source{changes: make(chan bakeoff.Model, 10), records: map[string]bakeoff.Model{}, versions: map[string][]bakeoff.Version{}, models: map[string][]*trained{}}
}

// add adds a version and makes it the champion.
func (s *source) add(name string, m *trained) {
	s.mu.Lock()
	n := len(s.versions[name]) + 1
	s.versions[name] = append(s.versions[name], bakeoff.Version{
		Model: name, Version: n, Artifact: bakeoff.DigestOf([]byte(name)), Lineage: bakeoff.Lineage{Recipe: bakeoff.Candidate{Trainer: m.Learner()}},
	})
	s.models[name] = append(s.models[name], m)
	s.mu.Unlock()
	s.promote(name, n)
}

func (s *source) promote(name string, version int) {
	s.mu.Lock()
	record := bakeoff.Model{Name: name, Latest: len(s.versions[name]), Aliases: map[string]bakeoff.Alias{
		bakeoff.AliasChampion: {Version: version}, bakeoff.AliasPrevious: {Version: max(1, version-1)},
	}}
	s.records[name] = record
	s.mu.Unlock()
	s.changes <- record
}

func (s *source) Models(context.Context) (all []bakeoff.Model, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.records {
		all = append(all, m)
	}
	return all, nil
}

func (s *source) WatchModels(ctx context.Context, each func(bakeoff.Model) error) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-s.changes:
			if err := each(m); err != nil {
				return err
			}
		}
	}
}

func (s *source) Version(_ context.Context, model string, n int) (bakeoff.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.versions[model][n-1], nil
}

func (s *source) Golden(context.Context, bakeoff.Version) (*bakeoff.Golden, error) {
	return &bakeoff.Golden{}, nil
}

func (s *source) Open(_ context.Context, v bakeoff.Version) (predict.Model, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.models[v.Model][v.Version-1], nil
}

// face has the handler take the live set, as the node does.
type face struct{ *predict.Live }

func (f face) Acquire(ctx context.Context, model, ref string) (inference.Model, error) {
	m, err := f.Live.Acquire(ctx, model, ref)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// serve runs a live set and returns its handler.
func serve(tb testing.TB, s *source, o inference.Options) http.Handler {
	tb.Helper()
	live := predict.New(s, "here", slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- live.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Error(err)
		}
	})
	await(tb, live.Ready)
	return inference.Handler(face{live}, o)
}

// await waits for something to become true.
func await(tb testing.TB, ready func() bool) {
	tb.Helper()
	for end := time.Now().Add(10 * time.Second); !ready(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatal("it does not become ready")
		}
	}
}

// small is a schema with a column of every kind.
var small = bakeoff.Schema{
	Columns: []bakeoff.ColumnSchema{
		{Name: "age", Kind: bakeoff.KindInteger},
		{Name: "rate", Kind: bakeoff.KindNumber, Missing: true},
		{Name: "active", Kind: bakeoff.KindBoolean},
		{Name: "since", Kind: bakeoff.KindDate},
		{Name: "city", Kind: bakeoff.KindCategory, Categories: []string{"Oslo", "Rome"}, Missing: true},
	},
	Target: "left", Task: bakeoff.Binary, Classes: []string{"no", "yes"},
}

// pair are two columns of numbers.
var pair = bakeoff.Schema{
	Columns: []bakeoff.ColumnSchema{{Name: "a", Kind: bakeoff.KindNumber}, {Name: "b", Kind: bakeoff.KindNumber}},
	Target:  "sum", Task: bakeoff.Regression,
}

// train trains on 64 made-up rows of a schema.
func train(tb testing.TB, schema bakeoff.Schema) *trained {
	tb.Helper()
	const n = 64
	table := &dataset.Table{Rows: n}
	labels := bakeoff.Labels{Classes: schema.Classes}
	for i, s := range schema.Columns {
		c := dataset.Column{Name: s.Name, Kind: s.Kind, Levels: s.Categories}
		for row := range n {
			if s.Kind == bakeoff.KindCategory {
				c.Codes = append(c.Codes, int32(row%3)-1)
			} else if s.Kind == bakeoff.KindBoolean {
				c.Numbers = append(c.Numbers, float64(row%2))
			} else {
				c.Numbers = append(c.Numbers, float64(row*(i+3)%17))
			}
		}
		table.Columns = append(table.Columns, c)
	}
	learner := learn.LinearRegression
	for row := range n {
		if schema.Task == bakeoff.Regression {
			labels.Values = append(labels.Values, table.Columns[0].Numbers[row]+2*table.Columns[1].Numbers[row])
			continue
		}
		learner = learn.LogisticRegression
		labels.Codes = append(labels.Codes, int32(row*5%17/9))
	}
	m, err := learn.Train(tb.Context(), learn.Request{Learner: learner, Table: table, Schema: schema, Labels: labels, Seed: 1, Threads: 1})
	if err != nil {
		tb.Fatal(err)
	}
	return &trained{Model: m}
}

// churn trains a learner on the demo's rows, and returns a row of its holdout as JSON too.
func churn(tb testing.TB, learner string) (*trained, *dataset.Rows) {
	tb.Helper()
	path, err := filepath.Abs("../../examples/churn/telco_churn.csv")
	if err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	trainPath, holdoutPath := filepath.Join(dir, "train"), filepath.Join(dir, "holdout")
	snapshot, err := dataset.Freeze(tb.Context(), dataset.Source{
		Path: path, Target: "churn", Split: bakeoff.Split{Holdout: 0.2, By: bakeoff.SplitByHash, Seed: 1},
	}, trainPath, holdoutPath)
	if err != nil {
		tb.Fatal(err)
	}
	rows, err := dataset.ReadParquet(tb.Context(), trainPath, snapshot.Schema)
	holdout, holdoutErr := dataset.ReadParquet(tb.Context(), holdoutPath, snapshot.Schema)
	if err := errors.Join(err, holdoutErr); err != nil {
		tb.Fatal(err)
	}
	m, err := learn.Train(tb.Context(), learn.Request{
		Learner: learner, Table: rows.Table, Schema: snapshot.Schema, Labels: rows.Labels, Seed: 1, Threads: 2,
	})
	if err != nil {
		tb.Fatal(fmt.Errorf("train: %w", err))
	}
	return &trained{Model: m}, holdout
}
