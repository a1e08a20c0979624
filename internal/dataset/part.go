package dataset

import (
	"context"
	"fmt"
	"slices"

	"github.com/parquet-go/parquet-go"

	"github.com/bakeoffhq/bakeoff"
)

// Part is a frozen part that stays on disk: it is read a column or a group of rows at a time, so that
// its rows need not fit into memory. Its methods may be called from several goroutines.
type Part struct {
	file   *frozenFile
	schema bakeoff.Schema
}

// OpenPart opens a frozen part, as ReadParquet reads it. The caller closes it.
func OpenPart(path string, schema bakeoff.Schema) (*Part, error) {
	f, err := openFrozen(path)
	if err != nil {
		return nil, err
	}
	return &Part{file: f, schema: schema}, nil
}

// Close closes the file.
func (p *Part) Close() { p.file.close() }

// Rows is the number of rows.
func (p *Part) Rows() int { return p.file.rows }

// Bytes is how much memory the columns take once they are read, but for the texts of categories.
func (p *Part) Bytes() int64 {
	var bytes int64
	for _, c := range p.schema.Columns {
		if c.Kind == bakeoff.KindCategory {
			bytes += 4
		} else {
			bytes += 8
		}
	}
	return bytes * int64(p.file.rows)
}

// Labels reads the label of every row, coded by the schema's classes, and its weight where there is one.
func (p *Part) Labels() (labels bakeoff.Labels, err error) {
	if labels, err = p.file.labels(p.schema); err != nil {
		return labels, err
	}
	labels.Weights, err = p.file.weights(p.schema.Weight)
	return labels, err
}

// Sample reads at most so many groups of rows, from all over the part, and tells the number of each
// row in it. The codes of categories are the schema's.
func (p *Part) Sample(ctx context.Context, groups int) (*Table, []int, error) {
	groups = min(groups, p.Groups())
	all := &Table{Columns: make([]Column, len(p.schema.Columns))}
	var rows []int
	for i := range groups {
		t, before, err := p.Group(ctx, i*p.Groups()/groups)
		if err != nil {
			return nil, nil, err
		}
		for row := range t.Rows {
			rows = append(rows, before+row)
		}
		all.Rows += t.Rows
		for j := range t.Columns {
			all.Columns[j].join(&t.Columns[j], p.schema.Columns[j])
		}
	}
	return all, rows, nil
}

// join appends the values of another column, whose categories are some of the schema's.
func (c *Column) join(other *Column, s bakeoff.ColumnSchema) {
	c.Name, c.Kind, c.Levels = s.Name, s.Kind, s.Categories
	c.Numbers = append(c.Numbers, other.Numbers...)
	to := make([]int32, len(other.Levels))
	for i, level := range other.Levels {
		at, found := slices.BinarySearch(s.Categories, level)
		if to[i] = int32(at); !found {
			to[i] = -1 // only a holdout has it
		}
	}
	for _, code := range other.Codes {
		if code >= 0 {
			code = to[code]
		}
		c.Codes = append(c.Codes, code)
	}
}

// Identities reads the identity of every row.
func (p *Part) Identities() ([]uint64, error) { return p.file.identities() }

// Column reads one of the schema's columns.
func (p *Part) Column(i int) (Column, error) { return p.file.feature(p.schema.Columns[i]) }

// Groups is how many groups of rows there are; all but the last have the same size.
func (p *Part) Groups() int { return len(p.file.groups) }

// Group reads the schema's columns of a group of rows, and tells how many rows come before it.
func (p *Part) Group(ctx context.Context, i int) (t *Table, before int, err error) {
	group := &frozenFile{path: p.file.path, file: p.file.file, groups: p.file.groups[i : i+1], index: p.file.index}
	for _, g := range p.file.groups[:i] {
		before += int(g.NumRows())
	}
	if group.rows, err = rowsOf(p.file.groups[i], p.file.rows-before); err != nil {
		return nil, 0, fmt.Errorf("%s: row group %d: %w", p.file.path, i, err)
	}
	t, err = group.table(ctx, p.schema)
	return t, before, err
}

// rowsOf returns how many rows a group has, if that is possible.
func rowsOf(group parquet.RowGroup, most int) (int, error) {
	n := group.NumRows()
	if n < 0 || n > int64(most) {
		return 0, fmt.Errorf("%d rows of at most %d", n, most)
	}
	return int(n), nil
}

// Table reads all columns.
func (p *Part) Table(ctx context.Context) (*Table, error) { return p.file.table(ctx, p.schema) }

// table reads the schema's columns.
func (f *frozenFile) table(ctx context.Context, schema bakeoff.Schema) (t *Table, err error) {
	t = &Table{Rows: f.rows, Columns: make([]Column, len(schema.Columns))}
	for i, c := range schema.Columns {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if t.Columns[i], err = f.feature(c); err != nil {
			return nil, err
		}
	}
	return t, nil
}
