package learn

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// source reads the columns of a part when they are asked for, and keeps none.
//
// A column that cannot be read has no values; the error is kept, and whoever has learnt from the
// columns asks for it before using what was learnt.
type source struct {
	part   *dataset.Part
	schema bakeoff.Schema

	tell func(done int) // is told what has been read, in cells; or nil

	mu   sync.Mutex // guards the rest, and calls of tell
	err  error      // the first
	done int
}

// bindPart joins a schema with a part that was frozen by it.
func bindPart(schema bakeoff.Schema, part *dataset.Part) *binding {
	return &binding{
		schema: schema, rows: part.Rows(), part: &source{part: part, schema: schema},
		codes: make([][]int32, len(schema.Columns)),
	}
}

// columnCost is what a cell counts that is read as one of a column, since all of them are sorted into
// bins, or for their median; one of a group of rows counts as one.
const columnCost = 4

// columns is the cost of reading so many columns, and groups that of reading all groups of rows.
func (s *source) columns(n int) int { return columnCost * n * s.part.Rows() }
func (s *source) groups() int       { return s.part.Rows() * len(s.schema.Columns) }

// column reads a column; codes are the schema's.
func (s *source) column(i int) *dataset.Column {
	c, err := s.part.Column(i)
	s.step(columnCost * s.part.Rows())
	if err != nil {
		s.fail(err)
		return s.nothing(i)
	}
	want := s.schema.Columns[i].Categories
	if to := translate(c.Levels, want); to != nil {
		for row, code := range c.Codes {
			if code >= 0 {
				c.Codes[row] = to[code]
			}
		}
		c.Levels = want
	}
	return &c
}

// nothing is a column in the place of one that cannot be read.
func (s *source) nothing(i int) *dataset.Column {
	if s.schema.Columns[i].Kind == bakeoff.KindCategory {
		return &dataset.Column{Kind: bakeoff.KindCategory, Codes: slices.Repeat([]int32{-1}, s.part.Rows())}
	}
	return &dataset.Column{Kind: s.schema.Columns[i].Kind, Numbers: slices.Repeat([]float64{math.NaN()}, s.part.Rows())}
}

// step counts what was read.
func (s *source) step(cells int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done += cells
	if s.tell != nil {
		s.tell(s.done)
	}
}

func (s *source) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
}

// failed returns why a column could not be read; nil where all could.
func (s *source) failed() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return fmt.Errorf("read training rows: %w", s.err)
	}
	return nil
}

// each calls take for every group of rows, on so many threads, with how many rows come before it.
func (s *source) each(ctx context.Context, threads int, take func(rows *binding, before int)) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(threads, 1))
	for i := range s.part.Groups() {
		group.Go(func() error {
			t, before, err := s.part.Group(ctx, i)
			if err != nil {
				return err
			}
			b, err := bind(s.schema, t)
			if err == nil {
				take(b, before)
				s.step(t.Rows * len(s.schema.Columns))
			}
			return err
		})
	}
	return group.Wait()
}
