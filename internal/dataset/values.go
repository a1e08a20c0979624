package dataset

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/parquet-go/parquet-go"

	"github.com/bakeoffhq/bakeoff"
)

// valueFile is a Parquet file of somebody else's making that is being read, some rows of all columns
// at a time.
type valueFile struct {
	path    string
	file    *os.File
	columns []*valueColumn
	rows    int64 // that are left
	row     int   // how many came before
	size    int   // of a row in bytes, as the last ones were; 0 for not known
}

// valueColumn is one column that is being read.
type valueColumn struct {
	name   string
	node   parquet.Node
	form   valueForm
	chunks []parquet.ColumnChunk // of the row groups to come
	pages  parquet.Pages         // nil between row groups
	page   parquet.Page          // nil between pages
	values parquet.ValueReader   // of page
}

// valueBlock is some rows of a Parquet file: the values of each column.
type valueBlock struct {
	path    string
	first   int // how many rows came before
	rows    int
	columns [][]parquet.Value
	forms   []valueForm
}

// openValueFile opens a Parquet file, whose columns must be plain ones: no lists, maps or groups.
func openValueFile(path string) (_ *valueFile, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, openError(path, err)
	}
	f := &valueFile{path: path, file: file}
	if err := f.open(); err != nil {
		_ = file.Close() // read only
		if bakeoff.CodeOf(err) == bakeoff.CodeInvalid {
			return nil, err
		}
		return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "%s: this is no Parquet file that can be read: %w", path, err)
	}
	return f, nil
}

func (f *valueFile) open() (err error) {
	defer Recovered(&err)
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	if _, err := readFooter(f.file, info.Size()); err != nil { // whose length the library would believe
		return errors.New("it does not end as one does")
	}
	p, err := parquet.OpenFile(f.file, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return err
	}
	f.rows = p.NumRows()
	for _, field := range p.Schema().Fields() {
		if !field.Leaf() || field.Repeated() {
			return bakeoff.Errorf(bakeoff.CodeInvalid, "%s: column %q is a list or a group", f.path, field.Name()).
				WithHint("rows to score have one plain value in each column: leave the column out or take it apart")
		}
		c := &valueColumn{name: field.Name(), node: field, form: formOf(field.Type())}
		for _, group := range p.RowGroups() {
			c.chunks = append(c.chunks, group.ColumnChunks()[len(f.columns)])
		}
		f.columns = append(f.columns, c)
	}
	return nil
}

func (f *valueFile) header() []string {
	names := make([]string, len(f.columns))
	for i, c := range f.columns {
		names[i] = c.name
	}
	return names
}

// next returns the next rows: at least one and at most limit, fewer where they are long. At the end it
// returns io.EOF.
func (f *valueFile) next(limit int) (*valueBlock, error) {
	if f.rows <= 0 {
		return nil, io.EOF
	}
	if f.size > 0 {
		limit = min(limit, max(1, maxBatch/f.size))
	} else {
		limit = min(limit, batchRows)
	}
	b := &valueBlock{path: f.path, first: f.row, rows: int(min(int64(max(limit, 1)), f.rows))}
	size := 0
	for _, c := range f.columns {
		values, text, err := c.read(b.rows)
		if err != nil {
			return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "%s: column %q, from row %d: %w", f.path, c.name, f.row+1, err)
		}
		b.columns, b.forms = append(b.columns, values), append(b.forms, c.form)
		size += text + valueSize*len(values)
	}
	f.row += b.rows
	f.rows -= int64(b.rows)
	f.size = size/b.rows + 1
	return b, nil
}

// valueSize is what a value takes in memory beside its text.
const valueSize = 24

func (f *valueFile) close() error {
	for _, c := range f.columns {
		c.leave()
	}
	return f.file.Close()
}

// read returns the next n values and the size of their text. A damaged file is an error, never a panic.
func (c *valueColumn) read(n int) (values []parquet.Value, text int, err error) {
	defer Recovered(&err)
	values = make([]parquet.Value, n)
	var arena []byte
	for at := 0; at < n; {
		if c.values == nil {
			if err := c.turn(); err != nil {
				return nil, 0, err
			}
		}
		read, err := c.values.ReadValues(values[at:])
		for i, v := range values[at : at+read] {
			values[at+i], arena = kept(v, arena)
		}
		at += read
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, 0, err
		}
		if err != nil || read == 0 {
			c.endPage()
		}
	}
	return values, len(arena), nil
}

// kept returns a value that stays good when its page is gone: its text is appended to the arena.
func kept(v parquet.Value, arena []byte) (parquet.Value, []byte) {
	kind := v.Kind()
	if v.IsNull() || kind != parquet.ByteArray && kind != parquet.FixedLenByteArray {
		return v, arena
	}
	lo := len(arena)
	arena = append(arena, v.ByteArray()...)
	own := parquet.ByteArrayValue(arena[lo:])
	if kind == parquet.FixedLenByteArray {
		own = parquet.FixedLenByteArrayValue(arena[lo:])
	}
	return own.Level(v.RepetitionLevel(), v.DefinitionLevel(), v.Column()), arena
}

// turn goes on to the next page, if need be of the next row group.
func (c *valueColumn) turn() error {
	for {
		if c.pages == nil {
			if len(c.chunks) == 0 {
				return errors.New("the file is damaged: the column has fewer values than rows")
			}
			c.pages, c.chunks = c.chunks[0].Pages(), c.chunks[1:]
		}
		page, err := c.pages.ReadPage()
		if err == nil {
			c.page, c.values = page, page.Values()
			return nil
		}
		if !errors.Is(err, io.EOF) {
			return err
		}
		err = c.pages.Close()
		if c.pages = nil; err != nil {
			return err
		}
	}
}

func (c *valueColumn) endPage() {
	if c.page != nil {
		parquet.Release(c.page)
	}
	c.page, c.values = nil, nil
}

// leave lets go of what is open.
func (c *valueColumn) leave() {
	c.endPage()
	if c.pages != nil {
		_ = c.pages.Close() // read only
		c.pages = nil
	}
}

// text returns the text of a cell, "" for a missing one.
func (b *valueBlock) text(row, field int) string {
	v := b.columns[field][row]
	if v.IsNull() {
		return ""
	}
	return b.forms[field].text(v)
}

func (b *valueBlock) errorf(row int, format string, args ...any) *bakeoff.Error {
	return bakeoff.Errorf(bakeoff.CodeInvalid, "%s: row %d, %s", b.path, b.first+row+1, fmt.Sprintf(format, args...))
}
