package predict_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/predict"
)

var oneColumn = bakeoff.Schema{Columns: []bakeoff.ColumnSchema{{Name: "x", Kind: bakeoff.KindNumber}}, Target: "y", Task: bakeoff.Regression}

// source has models that answer with their version's number.
type source struct {
	mu      sync.Mutex
	records map[string]bakeoff.Model // guarded by mu
	changes chan bakeoff.Model

	opens  atomic.Int64
	opened atomic.Int64 // that are not closed
	// open is asked before a version is opened; it may be nil.
	open func(ctx context.Context, v bakeoff.Version) error
	// golden is what a version is to give as its golden answer; nil for what it gives.
	golden func(v bakeoff.Version) float64
	serial bool
}

func newSource() *source {
	return &source{records: map[string]bakeoff.Model{}, changes: make(chan bakeoff.Model, 100)}
}

// point moves aliases of a model; one without was never promoted.
func (s *source) point(model string, aliases map[string]int) {
	m := bakeoff.Model{Name: model, Aliases: map[string]bakeoff.Alias{}}
	for name, version := range aliases {
		m.Latest = 9
		m.Aliases[name] = bakeoff.Alias{Model: model, Name: name, Version: version}
	}
	s.record(m)
}

// drop takes a model out of service.
func (s *source) drop(model string) { s.record(bakeoff.Model{Name: model, Latest: 9}) }

func (s *source) record(m bakeoff.Model) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[m.Name] = m
	s.changes <- m
}

func (s *source) promote(model string, version int) {
	s.point(model, map[string]int{bakeoff.AliasChampion: version})
}

func (s *source) Models(context.Context) ([]bakeoff.Model, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []bakeoff.Model
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
	if n == 9 {
		return bakeoff.Version{Model: model, Version: n}, nil // without an artifact
	}
	return bakeoff.Version{Model: model, Version: n, Artifact: "sha256:x"}, nil
}

func (s *source) Golden(_ context.Context, v bakeoff.Version) (*bakeoff.Golden, error) {
	want := float64(v.Version)
	if s.golden != nil {
		want = s.golden(v)
	}
	return &bakeoff.Golden{Rows: []map[string]any{{"x": 1.0}}, Values: []float64{want}}, nil
}

func (s *source) Open(ctx context.Context, v bakeoff.Version) (predict.Model, error) {
	s.opens.Add(1)
	if s.open != nil {
		if err := s.open(ctx, v); err != nil {
			return nil, err
		}
	}
	s.opened.Add(1)
	return &numbered{source: s, version: v.Version}, nil
}

// slowFrom is above what a row is answered at once.
const slowFrom = 100

// numbered answers with its version's number, and notices if it is asked when closed.
type numbered struct {
	source  *source
	version int
	closed  atomic.Bool
}

func (m *numbered) ScoreInto(_ context.Context, t *dataset.Table, p *bakeoff.Predictions) error {
	if m.closed.Load() {
		return errors.New("asked when closed")
	}
	if t.Rows > 0 && t.Columns[0].Numbers[0] > slowFrom {
		time.Sleep(10 * time.Second)
	}
	if t.Rows > 0 && t.Columns[0].Numbers[0] < 0 {
		return errors.New("the process said 4111 and died")
	}
	*p = bakeoff.Predictions{}
	for range t.Rows {
		p.Values = append(p.Values, float64(m.version))
	}
	return nil
}

func (m *numbered) Schema() bakeoff.Schema { return oneColumn }
func (m *numbered) Serial() bool           { return m.source.serial }

func (m *numbered) Check(_ context.Context, g *bakeoff.Golden) error {
	if g.Values[0] != float64(m.version) {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "golden answer 1 differs")
	}
	return nil
}

func (m *numbered) Close() error {
	if m.closed.Swap(true) {
		return errors.New("closed twice")
	}
	m.source.opened.Add(-1)
	return nil
}
