package dataset

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"

	"github.com/parquet-go/parquet-go"

	"github.com/bakeoffhq/bakeoff"
)

// Reader reads rows to score from a CSV or Parquet file in constant memory, by the schema of the
// training rows. It is not safe for concurrent use, but the batches that it returns are.
type Reader struct {
	path    string
	header  []string
	schema  bakeoff.Schema
	fields  []int              // where in a row each column of the schema is
	codes   []map[string]int32 // by column: the codes of a category's texts in the training rows
	missing missingTexts

	// One of the two is the file.
	texts  *csvFile
	values *valueFile

	block *block // of texts
	taken int    // rows of it
}

// maxBatch is about how many bytes of a Parquet file a batch has at most.
const maxBatch = 4 << 20

// OpenRows opens rows to score: of stdin where the path is Stream, which cannot be Parquet. For the
// rest see OpenCSV.
func OpenRows(path string, format Format, schema bakeoff.Schema, missing []string) (*Reader, error) {
	r := &Reader{path: path, schema: schema, missing: newMissingTexts(missing)}
	r.codes = codesOf(schema, r.missing)
	if err := r.open(format); err != nil {
		return nil, err
	}
	if err := r.findColumns(); err != nil {
		_ = r.Close() // read only
		return nil, err
	}
	return r, nil
}

func (r *Reader) open(format Format) (err error) {
	switch {
	case format == FormatCSV && r.path == Stream:
		r.path = "stdin"
		r.texts = &csvFile{path: r.path, reader: os.Stdin, line: 1}
		err = r.texts.begin()
	case format == FormatCSV:
		r.texts, err = openCSVFile(r.path)
	case r.path == Stream:
		return bakeoff.Errorf(bakeoff.CodeInvalid, "Parquet cannot be read from stdin: what it begins with is said at its end").
			WithHint("write it to a file first, or send CSV")
	default:
		r.values, err = openValueFile(r.path)
	}
	if err != nil {
		return err
	}
	if r.texts != nil {
		r.header = r.texts.header
	} else {
		r.header = r.values.header()
	}
	return nil
}

// OpenCSV opens rows to score. The columns may be in any order, and there may be others, the target
// among them, which are passed through; a feature that the file lacks is an error. Missing has the
// user's texts for a missing value. The caller closes the Reader.
func OpenCSV(path string, schema bakeoff.Schema, missing []string) (*Reader, error) {
	return OpenRows(path, FormatCSV, schema, missing)
}

// codesOf returns, by column, the code of each text that a category had in the training rows, but for
// those that mean a missing value.
func codesOf(schema bakeoff.Schema, missing missingTexts) []map[string]int32 {
	codes := make([]map[string]int32, len(schema.Columns))
	for i, c := range schema.Columns {
		codes[i] = make(map[string]int32, len(c.Categories))
		for code, text := range c.Categories {
			if !missing.has(text) {
				codes[i][text] = int32(code)
			}
		}
	}
	return codes
}

func (r *Reader) findColumns() error {
	fields := make(map[string]int, len(r.header))
	for i, name := range r.header {
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
	err := bakeoff.Errorf(bakeoff.CodeInvalid, "%s: columns of the training rows are not in the file: %s", r.path, quoted(lacking))
	if meant := bakeoff.Nearest(lacking[0], r.header); meant != "" {
		return err.WithHint("is column %q meant to be %q?", meant, lacking[0])
	}
	return err.WithHint("the file needs every column that the model was trained on; a cell may be empty")
}

// Header returns the file's column names.
func (r *Reader) Header() []string { return slices.Clone(r.header) }

// Next returns the next rows: at least one and at most limit, fewer where they are long. At the end it
// returns io.EOF.
func (r *Reader) Next(ctx context.Context, limit int) (*Batch, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	limit = max(limit, 1)
	if r.values != nil {
		values, err := r.values.next(limit)
		if err != nil {
			return nil, err
		}
		return &Batch{reader: r, values: values, hi: values.rows}, nil
	}
	if r.block == nil || r.taken == r.block.rows {
		b, err := r.texts.nextBlock()
		if err != nil {
			return nil, err
		}
		r.block, r.taken = b, 0
	}
	b := &Batch{reader: r, texts: r.block, lo: r.taken, hi: min(r.taken+limit, r.block.rows)}
	r.taken = b.hi
	return b, nil
}

// Close closes the file.
func (r *Reader) Close() error {
	if r.values != nil {
		return r.values.close()
	}
	return r.texts.close()
}

// Batch is some rows of a file. It is immutable, and safe for concurrent use.
type Batch struct {
	reader *Reader // what of it does not change
	lo, hi int     // the rows of the block
	// One of the two is the block.
	texts  *block
	values *valueBlock
}

// Rows returns how many rows there are.
func (b *Batch) Rows() int { return b.hi - b.lo }

// First returns the number of the first row in the file, from 1.
func (b *Batch) First() int {
	if b.values != nil {
		return b.values.first + b.lo + 1
	}
	return b.texts.first + b.lo + 1
}

// cell returns the text of a cell, "" for a missing one.
func (b *Batch) cell(row, field int) string {
	if b.values != nil {
		return b.values.text(b.lo+row, field)
	}
	return b.texts.cell(b.lo+row, field)
}

func (b *Batch) errorf(row int, format string, args ...any) *bakeoff.Error {
	if b.values != nil {
		return b.values.errorf(b.lo+row, format, args...)
	}
	return b.reader.texts.errorf(int(b.texts.lines[b.lo+row]), "row %d, %s", b.First()+row, fmt.Sprintf(format, args...))
}

// AppendCSV appends the cells of a row as CSV: as they are in the file, but for the space around them.
func (b *Batch) AppendCSV(text []byte, row int) []byte {
	for field := range b.reader.header {
		if field > 0 {
			text = append(text, ',')
		}
		text = AppendCell(text, b.cell(row, field))
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
	field := b.reader.fields[column]
	if b.values != nil && b.values.forms[field].number != nil {
		return b.numbersOf(c, field, b.values.forms[field].number)
	}
	parse, missing := reading(c.Kind), b.reader.missing
	for row := range c.Numbers {
		cell := b.cell(row, field)
		if missing.has(cell) {
			c.Numbers[row] = math.NaN()
			continue
		}
		v, ok := parse(cell)
		switch {
		case !ok:
			return b.unfit(c, row, cell)
		case math.IsInf(v, 0):
			v = math.NaN()
		}
		c.Numbers[row] = v
	}
	return nil
}

// numbersOf is numbers for a column of a Parquet file whose values are numbers.
func (b *Batch) numbersOf(c *Column, field int, number func(parquet.Value) float64) error {
	for row := range c.Numbers {
		value := b.values.columns[field][b.lo+row]
		v := math.NaN()
		if !value.IsNull() {
			v = number(value)
		}
		switch {
		case v != v || math.IsInf(v, 0):
			v = math.NaN()
		case !fits(c.Kind, v):
			return b.unfit(c, row, b.cell(row, field))
		}
		c.Numbers[row] = v + 0 // no negative zero
	}
	return nil
}

// unfit is the error of a cell that is not of its column's kind.
func (b *Batch) unfit(c *Column, row int, cell string) error {
	return b.errorf(row, "column %q: %s: %s", c.Name, shown(cell), wanted(c.Kind)).
		WithHint("the model was trained on a column of kind %s; an empty cell is a missing value", c.Kind)
}

// category fills in a column of categories.
func (b *Batch) category(c *Column, column int) {
	codes, missing, field := b.reader.codes[column], b.reader.missing, b.reader.fields[column]
	c.Codes, c.Levels = make([]int32, b.Rows()), b.reader.schema.Columns[column].Categories
	for row := range c.Codes {
		code, known := b.code(codes, row, field)
		if !known {
			if code = -1; !missing.has(b.cell(row, field)) {
				c.Codes, c.Levels = encode(b.cells(field), missing)
				return
			}
		}
		c.Codes[row] = code
	}
}

// code looks a cell up. A text of a Parquet file need not be copied for that.
func (b *Batch) code(codes map[string]int32, row, field int) (code int32, known bool) {
	if b.values != nil && b.values.forms[field].bytes {
		code, known = codes[string(b.values.columns[field][b.lo+row].ByteArray())]
		return code, known
	}
	code, known = codes[b.cell(row, field)]
	return code, known
}

// cells returns the cells of a field.
func (b *Batch) cells(field int) []string {
	cells := make([]string, b.Rows())
	for row := range cells {
		cells[row] = b.cell(row, field)
	}
	return cells
}
