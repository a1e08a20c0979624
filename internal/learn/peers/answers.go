package main

import (
	"context"
	"slices"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/learn"
)

// answering is how fast a fitted model answers, in the process that fitted it.
type answering struct {
	// RowMicros is the median time of one row through everything that a request for one goes through:
	// here a table of one row, there a DataFrame of one row through the pipeline.
	RowMicros float64 `json:"row_us"`
	// CoreMicros is that of the estimator alone on a row that is prepared for it; 0 for ours, which
	// has no such door.
	CoreMicros float64 `json:"row_core_us,omitempty"`
	// TableRate is rows a second of the whole holdout in one table.
	TableRate float64 `json:"table_rows_s"`
	// MatrixRate is rows a second of a matrix of 32-bit floats, row after row; 0 where a column is no
	// number. Ours first lays it out as columns, and that counts.
	MatrixRate float64 `json:"matrix_rows_s,omitempty"`
}

const (
	singleRows  = 200                    // different rows that are asked for one by one
	singlesTime = 500 * time.Millisecond // for so long
	batchTime   = time.Second
	batchRows   = 100_000 // a smaller holdout is repeated: calls are not what is measured
)

func measureAnswers(ctx context.Context, m *learn.Model, t *dataset.Table, threads int) (*answering, error) {
	predict := func(rows *dataset.Table, threads int) func() error {
		return func() error {
			_, err := m.Predict(ctx, rows, threads)
			return err
		}
	}
	singles, err := timeSingles(t, func(row *dataset.Table) func() error { return predict(row, 1) })
	if err != nil {
		return nil, err
	}
	a := &answering{RowMicros: 1e6 * median(singles)}
	large := repeated(t, batchRows)
	seconds, err := quickest(predict(large, threads))
	if err != nil {
		return nil, err
	}
	a.TableRate = float64(large.Rows) / seconds
	matrix, ok := matrixOf(large)
	if !ok {
		return a, nil
	}
	seconds, err = quickest(func() error { return predict(tableOf(matrix, large), threads)() })
	a.MatrixRate = float64(large.Rows) / seconds
	return a, err
}

// timeSingles returns the seconds that single rows took.
func timeSingles(t *dataset.Table, predict func(*dataset.Table) func() error) ([]float64, error) {
	var asks []func() error
	for row := range min(singleRows, t.Rows) {
		asks = append(asks, predict(t.Slice(row, row+1)))
	}
	var seconds []float64
	for start := time.Now(); time.Since(start) < singlesTime; {
		ask := asks[len(seconds)%len(asks)]
		begin := time.Now()
		if err := ask(); err != nil {
			return nil, err
		}
		seconds = append(seconds, time.Since(begin).Seconds())
	}
	return seconds, nil
}

// quickest returns the seconds of the lower quarter of some calls: what disturbs them only adds.
func quickest(call func() error) (float64, error) {
	var seconds []float64
	for start := time.Now(); len(seconds) < 3 || time.Since(start) < batchTime; {
		begin := time.Now()
		if err := call(); err != nil {
			return 0, err
		}
		seconds = append(seconds, time.Since(begin).Seconds())
	}
	slices.Sort(seconds)
	return seconds[len(seconds)/4], nil
}

// repeated returns the rows of a table again and again, until there are so many.
func repeated(t *dataset.Table, rows int) *dataset.Table {
	if t.Rows >= rows {
		return t
	}
	times := (rows + t.Rows - 1) / t.Rows
	out := &dataset.Table{Rows: times * t.Rows}
	for _, c := range t.Columns {
		c.Numbers, c.Codes = slices.Repeat(c.Numbers, times), slices.Repeat(c.Codes, times)
		if c.Kind == bakeoff.KindCategory {
			c.Numbers = nil
		} else {
			c.Codes = nil
		}
		out.Columns = append(out.Columns, c)
	}
	return out
}

// matrixOf lays a table out row after row; false if a column is no number.
func matrixOf(t *dataset.Table) ([]float32, bool) {
	width := len(t.Columns)
	matrix := make([]float32, t.Rows*width)
	for j, c := range t.Columns {
		if c.Kind != bakeoff.KindNumber && c.Kind != bakeoff.KindInteger {
			return nil, false
		}
		for i, v := range c.Numbers {
			matrix[i*width+j] = float32(v)
		}
	}
	return matrix, true
}

// tableOf lays a matrix out as columns like those of another table.
func tableOf(matrix []float32, like *dataset.Table) *dataset.Table {
	width := len(like.Columns)
	t := &dataset.Table{Rows: len(matrix) / width}
	for j, c := range like.Columns {
		c.Numbers = make([]float64, t.Rows)
		for i := range c.Numbers {
			c.Numbers[i] = float64(matrix[i*width+j])
		}
		t.Columns = append(t.Columns, c)
	}
	return t
}
