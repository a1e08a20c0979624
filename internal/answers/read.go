package answers

import (
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// Read reads a file of that many bytes. One that is damaged, or none of ours, is an error, never a
// panic. Texts and numbers come back as they were written, bit by bit.
func Read(from io.ReaderAt, size int64) (*File, error) {
	f, err := read(from, size)
	if err != nil {
		return nil, fmt.Errorf("read kept answers: %w", err)
	}
	return f, nil
}

func read(from io.ReaderAt, size int64) (f *File, err error) {
	defer dataset.Recovered(&err)
	if err := dataset.CheckSeal(from, size); err != nil {
		return nil, err
	}
	p, err := parquet.OpenFile(from, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, err
	}
	about, ok := p.Lookup(Key)
	if !ok {
		return nil, errors.New("it has no description")
	}
	d, err := parse(about)
	if err != nil {
		return nil, err
	}
	if p.NumRows() != int64(d.Count) {
		return nil, fmt.Errorf("it has %d rows, and %d by its description", p.NumRows(), d.Count)
	}
	r := &reader{groups: p.RowGroups(), index: map[string]int{}, rows: d.Count}
	for i, path := range p.Schema().Columns() {
		r.index[path[0]] = i
	}
	return r.file(d)
}

// reader reads the columns of a file.
type reader struct {
	groups []parquet.RowGroup
	index  map[string]int // of each column, by name
	rows   int
}

// file puts the columns of a document together.
func (r *reader) file(d *document) (*File, error) {
	f := d.File
	var err error
	if f.Labels, err = r.labels(d.Labels.Classes); err != nil {
		return nil, err
	}
	if f.Baseline, err = r.answers(baselineColumn, d.Baseline); err != nil {
		return nil, err
	}
	for i, s := range d.Answers {
		k := &f.Contestants[i]
		if k.Predictions, err = r.answers(answersColumn(i, k.Candidate), s); err != nil {
			return nil, err
		}
	}
	for i, e := range d.Slices {
		c := e.column()
		if name := sliceColumn(i, e.Name); isCategory(e.Kind) {
			c.Codes, err = r.codes(name)
		} else {
			c.Numbers, err = r.numbers(name, 1)
		}
		if err != nil {
			return nil, err
		}
		f.Slices = append(f.Slices, c)
	}
	return &f, nil
}

func (r *reader) labels(classes []string) (y bakeoff.Labels, err error) {
	if classes == nil {
		y.Values, err = r.numbers(labelColumn, 1)
		return y, err
	}
	y.Classes = classes
	y.Codes, err = r.codes(labelColumn)
	return y, err
}

// answers reads a contestant's answers; nil for one without.
func (r *reader) answers(name string, s *shape) (p *bakeoff.Predictions, err error) {
	if s == nil {
		return nil, nil
	}
	p = &bakeoff.Predictions{Classes: s.Classes}
	switch k := len(s.Classes); k {
	case 0:
		p.Values, err = r.numbers(name, 1)
	case 2:
		p.Probabilities, err = r.pairs(name, s.First)
	default:
		p.Probabilities, err = r.numbers(name, k)
	}
	return p, err
}

// pairs reads the probabilities of two classes.
func (r *reader) pairs(name string, first bool) ([]float64, error) {
	second, err := r.numbers(name, 1)
	if err != nil {
		return nil, err
	}
	pairs := make([]float64, 0, 2*len(second))
	for _, v := range second {
		pairs = append(pairs, 1-v, v)
	}
	if !first {
		return pairs, nil
	}
	row := 0
	err = r.each(firstColumn(name), parquet.Int64, 1, func(v parquet.Value) error {
		pairs[2*row] = plus(pairs[2*row+1], v.Int64())
		row++
		return nil
	})
	return pairs, err
}

func (r *reader) codes(name string) ([]int32, error) {
	var codes []int32
	err := r.each(name, parquet.Int32, 1, func(v parquet.Value) error {
		codes = append(codes, v.Int32())
		return nil
	})
	return codes, err
}

// numbers reads so many numbers a row.
func (r *reader) numbers(name string, perRow int) ([]float64, error) {
	var numbers []float64
	err := r.each(name, parquet.Double, perRow, func(v parquet.Value) error {
		if v.IsNull() {
			return errors.New("a number is missing")
		}
		numbers = append(numbers, v.Double())
		return nil
	})
	return numbers, err
}

// each calls take for every value of a column, in row order.
func (r *reader) each(name string, kind parquet.Kind, perRow int, take func(parquet.Value) error) error {
	index, ok := r.index[name]
	if !ok {
		return fmt.Errorf("there is no column %q", name)
	}
	count, want := 0, r.rows*perRow
	for g, group := range r.groups {
		chunk := group.ColumnChunks()[index]
		if found := chunk.Type().Kind(); found != kind {
			return fmt.Errorf("column %q has type %s, %s is wanted", name, found, kind)
		}
		n, err := dataset.EachValue(chunk, want-count, take)
		if err != nil {
			return fmt.Errorf("row group %d, column %q: %w", g, name, err)
		}
		count += n
	}
	if count != want {
		return fmt.Errorf("column %q has %d values and not %d", name, count, want)
	}
	return nil
}
