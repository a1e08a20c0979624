package dataset

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/bakeoffhq/bakeoff"
)

// maxBatch is after how many bytes a batch of rows ends, however few they are.
const maxBatch = 4 << 20

// Reader reads rows to score from a CSV file in constant memory, by the schema of the training
// rows. It is not safe for concurrent use.
type Reader struct {
	file    *csvFile
	schema  bakeoff.Schema
	fields  []int // where in a record each column of the schema is
	missing missingTexts
}

// OpenCSV opens rows to score. The columns may be in any order, and there may be others, the target
// among them, which are passed through; a feature that the file lacks is an error. Missing has the
// user's texts for a missing value. The caller closes the Reader.
func OpenCSV(path string, schema bakeoff.Schema, missing []string) (*Reader, error) {
	file, err := openCSVFile(path)
	if err != nil {
		return nil, err
	}
	r := &Reader{file: file, schema: schema, missing: newMissingTexts(missing)}
	if err := r.findColumns(); err != nil {
		_ = file.close() // read only
		return nil, err
	}
	return r, nil
}

func (r *Reader) findColumns() error {
	fields := make(map[string]int, len(r.file.header))
	for i, name := range r.file.header {
		fields[name] = i
	}
	var lacking []string
	for _, c := range r.schema.Columns {
		field, ok := fields[c.Name]
		if !ok {
			lacking = append(lacking, c.Name)
		}
		r.fields = append(r.fields, field)
	}
	if len(lacking) == 0 {
		return nil
	}
	err := bakeoff.Errorf(bakeoff.CodeInvalid, "%s: columns of the training rows are not in the file: %s", r.file.path, quoted(lacking))
	if meant := bakeoff.Nearest(lacking[0], r.file.header); meant != "" {
		return err.WithHint("is column %q meant to be %q?", meant, lacking[0])
	}
	return err.WithHint("the file needs every column that the model was trained on; a cell may be empty")
}

// Header returns the file's column names, as the raw cells of Next have them.
func (r *Reader) Header() []string { return slices.Clone(r.file.header) }

// Next returns at most limit rows and at least one, fewer where they are very long: as a table with the schema's columns, and as
// the cells of the file with the space around them cut. At the end it returns io.EOF. A cell that is
// not of its column's kind is a *bakeoff.Error that names row and column; an infinite number is a
// missing value.
func (r *Reader) Next(ctx context.Context, limit int) (*Table, [][]string, error) {
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	first, _ := r.file.place()
	var rows [][]string
	var lines []uint32
	size := 0
	for len(rows) < max(limit, 1) && size < maxBatch {
		cells, err := r.file.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		rows = append(rows, slices.Clone(cells))
		for _, cell := range cells {
			size += len(cell)
		}
		_, line := r.file.place()
		lines = append(lines, uint32(line))
	}
	if len(rows) == 0 {
		return nil, nil, io.EOF
	}
	table, err := r.table(rows, lines, first)
	if err != nil {
		return nil, nil, err
	}
	return table, rows, nil
}

// table types the rows; first is how many came before them.
func (r *Reader) table(rows [][]string, lines []uint32, first int) (*Table, error) {
	t := &Table{Rows: len(rows), Columns: make([]Column, len(r.schema.Columns))}
	cells := make([]string, len(rows))
	for i, s := range r.schema.Columns {
		for row := range rows {
			cells[row] = rows[row][r.fields[i]]
		}
		c := Column{Name: s.Name, Kind: s.Kind}
		if s.Kind == bakeoff.KindCategory {
			c.Codes, c.Levels = encode(cells, r.missing)
			t.Columns[i] = c
			continue
		}
		c.Numbers = make([]float64, len(rows))
		if _, bad := parseCells(c.Numbers, cells, reading(s.Kind), r.missing); bad >= 0 {
			return nil, r.file.errorf(int(lines[bad]), "row %d, column %q: %s: %s", first+bad+1, s.Name, shown(cells[bad]), wanted(s.Kind)).
				WithHint("the model was trained on a column of kind %s; an empty cell is a missing value", s.Kind)
		}
		t.Columns[i] = c
	}
	return t, nil
}

// Close closes the file.
func (r *Reader) Close() error { return r.file.close() }
