package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"github.com/parquet-go/parquet-go"

	"github.com/bakeoffhq/bakeoff"
)

// ReadParquet reads a frozen part. Labels are coded by schema.Classes; a label that is not among
// them, which only the holdout can have, gets code -1. A damaged file is an error, never a panic.
func ReadParquet(ctx context.Context, path string, schema bakeoff.Schema) (*Rows, error) {
	f, err := openFrozen(path)
	if err != nil {
		return nil, err
	}
	defer f.close()
	r := &Rows{}
	if r.Table, err = f.table(ctx, schema); err != nil {
		return nil, err
	}
	if r.Labels, err = f.labels(schema); err != nil {
		return nil, err
	}
	if r.Labels.Weights, err = f.weights(schema.Weight); err != nil {
		return nil, err
	}
	r.Identity, err = f.identities()
	return r, err
}

// weights reads how much the rows count in training; nil for a holdout, which does not say.
func (f *frozenFile) weights(name string) ([]float64, error) {
	if _, ok := f.index[name]; !ok || name == "" {
		return nil, nil
	}
	weights := make([]float64, 0, f.rows)
	err := f.each(name, parquet.Double, func(v parquet.Value) error {
		if w := v.Double(); v.IsNull() || !(w >= 0) || math.IsInf(w, 0) {
			return errors.New("a weight is not a finite number from 0")
		}
		weights = append(weights, v.Double())
		return nil
	})
	return weights, err
}

// ReadIdentities reads the identity column of a frozen part alone, to find rows that a contestant
// was trained on.
func ReadIdentities(path string) ([]uint64, error) {
	f, err := openFrozen(path)
	if err != nil {
		return nil, err
	}
	defer f.close()
	return f.identities()
}

// frozenFile is a frozen part that is being read.
type frozenFile struct {
	path   string
	file   *os.File
	groups []parquet.RowGroup
	index  map[string]int // of each column, by name
	rows   int
}

func openFrozen(path string) (*frozenFile, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read frozen rows: %w", err)
	}
	f := &frozenFile{path: path, file: file}
	if err := f.open(); err != nil {
		f.close()
		return nil, fmt.Errorf("read frozen rows %s: %w", path, err)
	}
	return f, nil
}

func (f *frozenFile) close() { _ = f.file.Close() } // read only

func (f *frozenFile) open() (err error) {
	defer Recovered(&err)
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	if err := CheckSeal(f.file, info.Size()); err != nil {
		return err
	}
	p, err := parquet.OpenFile(f.file, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return err
	}
	// Every row has an identity of eight bytes that is not compressed.
	if p.NumRows() < 0 || p.NumRows() > info.Size()/8 {
		return fmt.Errorf("%d rows cannot be in a file of %d bytes", p.NumRows(), info.Size())
	}
	f.rows, f.groups = int(p.NumRows()), p.RowGroups()
	f.index = make(map[string]int)
	for i, path := range p.Schema().Columns() {
		f.index[path[0]] = i
	}
	return nil
}

// Recovered turns, when it is deferred, a panic of the Parquet library into an error.
func Recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the file is damaged: %v", p)
	}
}

// each calls take for every value of a column, in row order; the value is valid for that call.
func (f *frozenFile) each(name string, kind parquet.Kind, take func(parquet.Value) error) error {
	index, ok := f.index[name]
	if !ok {
		return fmt.Errorf("%s: there is no column %q", f.path, name)
	}
	count := 0
	for g, group := range f.groups {
		chunk := group.ColumnChunks()[index]
		if found := chunk.Type().Kind(); found != kind {
			return fmt.Errorf("%s: column %q has type %s, %s is wanted", f.path, name, found, kind)
		}
		n, err := EachValue(chunk, f.rows-count, take)
		if err != nil {
			return fmt.Errorf("%s: row group %d, column %q: %w", f.path, g, name, err)
		}
		count += n
	}
	if count != f.rows {
		return fmt.Errorf("%s: column %q has %d values in %d rows", f.path, name, count, f.rows)
	}
	return nil
}

// EachValue calls take for the values of a column chunk, at most limit of them, page by page, and
// counts them; a value is valid for that call. A damaged chunk is an error, never a panic.
func EachValue(chunk parquet.ColumnChunk, limit int, take func(parquet.Value) error) (count int, err error) {
	defer Recovered(&err)
	pages := chunk.Pages()
	defer func() { err = errors.Join(err, pages.Close()) }()
	var buf [batchRows]parquet.Value
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return count, nil
		}
		if err != nil {
			return count, err
		}
		n, err := eachOfPage(page, buf[:], limit-count, take)
		parquet.Release(page)
		if count += n; err != nil {
			return count, err
		}
	}
}

func eachOfPage(page parquet.Page, buf []parquet.Value, limit int, take func(parquet.Value) error) (count int, err error) {
	values := page.Values()
	for {
		n, err := values.ReadValues(buf)
		if count += n; count > limit {
			return count, errors.New("more values than rows")
		}
		for _, v := range buf[:n] {
			if err := take(v); err != nil {
				return count, err
			}
		}
		if errors.Is(err, io.EOF) || err == nil && n == 0 {
			return count, nil
		}
		if err != nil {
			return count, err
		}
	}
}

func (f *frozenFile) identities() ([]uint64, error) {
	ids := make([]uint64, 0, f.rows)
	err := f.each(identityColumn, parquet.Int64, func(v parquet.Value) error {
		ids = append(ids, v.Uint64())
		return nil
	})
	return ids, err
}

func (f *frozenFile) feature(s bakeoff.ColumnSchema) (Column, error) {
	if s.Kind == bakeoff.KindCategory {
		return f.category(s.Name)
	}
	c := Column{Name: s.Name, Kind: s.Kind, Numbers: make([]float64, 0, f.rows)}
	kind, number := thawNumber(s.Kind)
	err := f.each(s.Name, kind, func(v parquet.Value) error {
		x := math.NaN()
		if !v.IsNull() {
			x = number(v)
		}
		c.Numbers = append(c.Numbers, x)
		return nil
	})
	return c, err
}

// thawNumber is the inverse of frozenNumber.
func thawNumber(kind bakeoff.Kind) (parquet.Kind, func(parquet.Value) float64) {
	switch kind {
	case bakeoff.KindBoolean:
		return parquet.Boolean, func(v parquet.Value) float64 {
			if v.Boolean() {
				return 1
			}
			return 0
		}
	case bakeoff.KindInteger:
		return parquet.Int64, func(v parquet.Value) float64 { return float64(v.Int64()) }
	case bakeoff.KindDate:
		return parquet.Int64, func(v parquet.Value) float64 { return secondsOf(v.Int64()) }
	}
	return parquet.Double, parquet.Value.Double
}

func (f *frozenFile) category(name string) (Column, error) {
	c := Column{Name: name, Kind: bakeoff.KindCategory, Codes: make([]int32, 0, f.rows)}
	index := make(map[string]int32)
	err := f.each(name, parquet.ByteArray, func(v parquet.Value) error {
		if v.IsNull() {
			c.Codes = append(c.Codes, -1)
			return nil
		}
		code, ok := index[string(v.ByteArray())]
		if !ok {
			level := string(v.ByteArray())
			code = int32(len(c.Levels))
			c.Levels = append(c.Levels, level)
			index[level] = code
		}
		c.Codes = append(c.Codes, code)
		return nil
	})
	if err != nil {
		return Column{}, err
	}
	c.Codes, c.Levels = sortLevels(c.Codes, c.Levels)
	return c, nil
}

func (f *frozenFile) labels(schema bakeoff.Schema) (bakeoff.Labels, error) {
	if schema.Task == bakeoff.Regression {
		values := make([]float64, 0, f.rows)
		err := f.each(schema.Target, parquet.Double, func(v parquet.Value) error {
			if v.IsNull() {
				return errors.New("a label is missing")
			}
			values = append(values, v.Double())
			return nil
		})
		return bakeoff.Labels{Values: values}, err
	}
	c, err := f.category(schema.Target)
	if err != nil {
		return bakeoff.Labels{}, err
	}
	class := make([]int32, len(c.Levels))
	for i, level := range c.Levels {
		class[i] = int32(slices.Index(schema.Classes, level))
	}
	for row, code := range c.Codes {
		if code < 0 {
			return bakeoff.Labels{}, fmt.Errorf("%s: row %d: a label is missing", f.path, row+1)
		}
		c.Codes[row] = class[code]
	}
	return bakeoff.Labels{Classes: schema.Classes, Codes: c.Codes}, nil
}
