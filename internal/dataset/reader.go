package dataset

import (
	"context"
	"math"
	"slices"

	"github.com/bakeoffhq/bakeoff"
)

// Reader reads rows to score from a CSV file in constant memory, by the schema of the training
// rows. It is not safe for concurrent use, but the batches that it returns are.
type Reader struct {
	file    *csvFile
	schema  bakeoff.Schema
	fields  []int              // where in a record each column of the schema is
	codes   []map[string]int32 // by column: the codes of a category's texts in the training rows
	missing missingTexts
	block   *block
	taken   int // rows of it
}

// OpenCSV opens rows to score. The columns may be in any order, and there may be others, the target
// among them, which are passed through; a feature that the file lacks is an error. Missing has the
// user's texts for a missing value. The caller closes the Reader.
func OpenCSV(path string, schema bakeoff.Schema, missing []string) (*Reader, error) {
	file, err := openCSVFile(path)
	if err != nil {
		return nil, err
	}
	r := &Reader{file: file, schema: schema, codes: codesOf(schema), missing: newMissingTexts(missing)}
	if err := r.findColumns(); err != nil {
		_ = file.close() // read only
		return nil, err
	}
	return r, nil
}

// codesOf returns, by column, the code of each text that a category had in the training rows.
func codesOf(schema bakeoff.Schema) []map[string]int32 {
	codes := make([]map[string]int32, len(schema.Columns))
	for i, c := range schema.Columns {
		codes[i] = make(map[string]int32, len(c.Categories))
		for code, text := range c.Categories {
			codes[i][text] = int32(code)
		}
	}
	return codes
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

// Header returns the file's column names.
func (r *Reader) Header() []string { return slices.Clone(r.file.header) }

// Next returns the next rows: at least one and at most limit, fewer where they are long. At the end it
// returns io.EOF.
func (r *Reader) Next(ctx context.Context, limit int) (*Batch, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if r.block == nil || r.taken == r.block.rows {
		b, err := r.file.nextBlock()
		if err != nil {
			return nil, err
		}
		r.block, r.taken = b, 0
	}
	b := &Batch{reader: r, block: r.block, lo: r.taken, hi: min(r.taken+max(limit, 1), r.block.rows)}
	r.taken = b.hi
	return b, nil
}

// Close closes the file.
func (r *Reader) Close() error { return r.file.close() }

// Batch is some rows of a file. It is immutable, and safe for concurrent use.
type Batch struct {
	reader *Reader // what of it does not change
	block  *block
	lo, hi int // the rows of the block
}

// Rows returns how many rows there are.
func (b *Batch) Rows() int { return b.hi - b.lo }

// First returns the number of the first row in the file, from 1.
func (b *Batch) First() int { return b.block.first + b.lo + 1 }

// AppendCSV appends the cells of a row as CSV: as they are in the file, but for the space around them.
func (b *Batch) AppendCSV(text []byte, row int) []byte {
	for field := range b.block.fields {
		if field > 0 {
			text = append(text, ',')
		}
		text = AppendCell(text, b.block.cell(b.lo+row, field))
	}
	return text
}

// Table returns the rows typed by the schema, whose columns it has. The levels of a category are those
// of the schema, or those that occur where one is not among them. A cell that is not of its column's
// kind is a *bakeoff.Error that names row and column; an infinite number is a missing value.
func (b *Batch) Table() (*Table, error) {
	t := &Table{Rows: b.Rows(), Columns: make([]Column, len(b.reader.schema.Columns))}
	for i, s := range b.reader.schema.Columns {
		c := &t.Columns[i]
		c.Name, c.Kind = s.Name, s.Kind
		if s.Kind == bakeoff.KindCategory {
			b.category(c, i)
			continue
		}
		c.Numbers = make([]float64, t.Rows)
		if err := b.numbers(c, i); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// numbers fills in a column whose values are numbers.
func (b *Batch) numbers(c *Column, column int) error {
	parse, missing, field := reading(c.Kind), b.reader.missing, b.reader.fields[column]
	for row := range c.Numbers {
		cell := b.block.cell(b.lo+row, field)
		if missing.has(cell) {
			c.Numbers[row] = math.NaN()
			continue
		}
		v, ok := parse(cell)
		switch {
		case !ok:
			return b.reader.file.errorf(int(b.block.lines[b.lo+row]), "row %d, column %q: %s: %s", b.First()+row, c.Name, shown(cell), wanted(c.Kind)).
				WithHint("the model was trained on a column of kind %s; an empty cell is a missing value", c.Kind)
		case math.IsInf(v, 0):
			v = math.NaN()
		}
		c.Numbers[row] = v
	}
	return nil
}

// category fills in a column of categories.
func (b *Batch) category(c *Column, column int) {
	codes, missing, field := b.reader.codes[column], b.reader.missing, b.reader.fields[column]
	c.Codes, c.Levels = make([]int32, b.Rows()), b.reader.schema.Columns[column].Categories
	for row := range c.Codes {
		cell := b.block.cell(b.lo+row, field)
		code, known := codes[cell]
		switch {
		case missing.has(cell):
			code = -1
		case !known:
			c.Codes, c.Levels = encode(b.cells(field), missing)
			return
		}
		c.Codes[row] = code
	}
}

// cells returns the cells of a field.
func (b *Batch) cells(field int) []string {
	cells := make([]string, b.Rows())
	for row := range cells {
		cells[row] = b.block.cell(b.lo+row, field)
	}
	return cells
}
