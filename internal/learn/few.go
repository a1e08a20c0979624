package learn

import (
	"context"
	"fmt"
	"slices"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/learn/linear"
	"github.com/bakeoffhq/bakeoff/internal/learn/tree"
)

// fewRows is how many rows are answered in the calling goroutine, in memory that is used again.
const fewRows = 64

// fewer is a fitted model that answers for a few rows without allocating: it writes to out what
// predict returns.
type fewer interface {
	predictFew(b *binding, s *scratch, out []float64) error
}

// scratch is the memory that answering for a few rows takes.
type scratch struct {
	binding  binding
	arena    arena
	trees    tree.Data
	ensemble tree.Scorer
	design   linear.Design
}

// PredictInto is Predict, with the same answers, for whoever asks again and again: they are written
// to p, whose memory is used, and for a few rows nothing is allocated.
func (m *Model) PredictInto(ctx context.Context, t *dataset.Table, threads int, p *bakeoff.Predictions) error {
	few, ok := m.fitted.(fewer)
	if !ok || t.Rows > fewRows {
		answers, err := m.Predict(ctx, t, threads)
		if err == nil {
			*p = *answers
		}
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("predict: %w", context.Cause(ctx))
	}
	s := m.scratch()
	defer m.free(s)
	if err := s.binding.bind(m.schema, t); err != nil {
		return err
	}
	if err := few.predictFew(&s.binding, s, m.place(p, t.Rows)); err != nil {
		return fmt.Errorf("predict: %w", err)
	}
	return nil
}

// scratch returns memory that nobody uses.
func (m *Model) scratch() *scratch {
	if s, ok := m.pool.Get().(*scratch); ok {
		return s
	}
	s := &scratch{}
	s.binding = binding{
		columns: make([]*dataset.Column, len(m.schema.Columns)), codes: make([][]int32, len(m.schema.Columns)),
		arena: &s.arena,
	}
	return s
}

// free keeps memory for the next rows, but not the rows themselves.
func (m *Model) free(s *scratch) {
	clear(s.binding.columns)
	clear(s.trees.Columns)
	s.arena.free()
	m.pool.Put(s)
}

// place makes p the answers for so many rows and returns where they are to be written.
func (m *Model) place(p *bakeoff.Predictions, rows int) []float64 {
	n := rows * max(1, len(m.schema.Classes))
	if m.schema.Task == bakeoff.Regression {
		p.Classes, p.Probabilities, p.Values = nil, nil, slices.Grow(p.Values[:0], n)[:n]
		return p.Values
	}
	p.Classes, p.Values, p.Probabilities = m.schema.Classes, nil, slices.Grow(p.Probabilities[:0], n)[:n]
	return p.Probabilities
}

// arena hands out memory that is all freed together. A nil arena allocates.
type arena struct {
	floats []float64
	ints   []int32
}

func (a *arena) numbers(n int) []float64 {
	if a == nil {
		return make([]float64, n)
	}
	lo := len(a.floats)
	a.floats = slices.Grow(a.floats, n)[:lo+n] // what was handed out before stays where it was
	return a.floats[lo:]
}

func (a *arena) codes(n int) []int32 {
	if a == nil {
		return make([]int32, n)
	}
	lo := len(a.ints)
	a.ints = slices.Grow(a.ints, n)[:lo+n]
	return a.ints[lo:]
}

func (a *arena) free() { a.floats, a.ints = a.floats[:0], a.ints[:0] }
