package dataset

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/bakeoffhq/bakeoff"
)

const (
	maxColumns = 10_000
	sampleSize = 64 << 10 // how much of a file decides its delimiter
	shownCell  = 40       // how many bytes of a cell an error may show
)

// csvFile is a CSV file that is being read: its header, and then its records one by one.
type csvFile struct {
	path    string
	header  []string
	closer  io.Closer
	records *csv.Reader
	row     int // of the last record, from 1; the header is none
}

// openCSVFile opens a file and reads its header.
func openCSVFile(path string) (*csvFile, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, openError(path, err)
	}
	f, err := newCSVFile(path, file)
	if err != nil {
		_ = file.Close() // read only
		return nil, err
	}
	f.closer = file
	return f, nil
}

func openError(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "%s: the file does not exist", path).
			WithHint("check its name and folder; in a pipeline file, a relative path starts at the folder of that file")
	}
	return bakeoff.Errorf(bakeoff.CodeInvalid, "open data: %w", err)
}

// newCSVFile reads the header of the CSV text in r. The path only names it in errors.
func newCSVFile(path string, r io.Reader) (*csvFile, error) {
	buffered := bufio.NewReaderSize(r, sampleSize)
	sample, err := buffered.Peek(sampleSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "read data: %w", err)
	}
	if err := checkFormat(path, sample); err != nil {
		return nil, err
	}
	if rest, found := bytes.CutPrefix(sample, []byte("\ufeff")); found {
		sample = rest
		_, _ = buffered.Discard(3) // it was peeked
	}
	comma := detectDelimiter(sample)
	records := csv.NewReader(newGuard(buffered, comma))
	records.Comma = rune(comma)
	records.ReuseRecord = true
	records.FieldsPerRecord = -1
	records.TrimLeadingSpace = comma != '\t' // it would take empty cells for space
	f := &csvFile{path: path, records: records}
	return f, f.readHeader()
}

// checkFormat refuses what is clearly not CSV text.
func checkFormat(path string, sample []byte) error {
	if len(bytes.TrimSpace(sample)) == 0 {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "%s: the file is empty", path).
			WithHint("it needs a header line and rows")
	}
	for _, m := range [...]struct{ magic, name, hint string }{
		{"\xff\xfe", "UTF-16 text", "save it as UTF-8"},
		{"\xfe\xff", "UTF-16 text", "save it as UTF-8"},
		{"PAR1", "a Parquet file", "export it as CSV"},
		{"PK\x03\x04", "a zip archive or a spreadsheet", "unpack it or export it as CSV"},
		{"\x1f\x8b", "a gzip file", "unpack it first"},
	} {
		if bytes.HasPrefix(sample, []byte(m.magic)) {
			return bakeoff.Errorf(bakeoff.CodeInvalid, "%s: this is %s, not CSV", path, m.name).WithHint("%s", m.hint)
		}
	}
	return nil
}

func (f *csvFile) readHeader() error {
	cells, err := f.records.Read()
	if err != nil {
		return f.readError(err)
	}
	if len(cells) > maxColumns {
		return f.errorf(f.line(), "the header has %d columns, at most %d are possible", len(cells), maxColumns).
			WithHint("leave out columns that say nothing about the target")
	}
	f.header = make([]string, len(cells))
	seen := make(map[string]int, len(cells))
	for i, cell := range cells {
		name := strings.Clone(strings.TrimSpace(cell))
		if name == "" {
			return f.errorf(f.line(), "column %d has no name", i+1).WithHint("every column needs a name in the header")
		}
		if !utf8.ValidString(name) {
			return f.errorf(f.line(), "the name of column %d is not UTF-8 text", i+1).WithHint("save the file as UTF-8")
		}
		if first, ok := seen[name]; ok {
			return f.errorf(f.line(), "columns %d and %d are both named %q", first+1, i+1, name).WithHint("rename one of them")
		}
		seen[name] = i
		f.header[i] = name
	}
	return nil
}

// next returns the next record, as many cells as the header has, with the space around them cut;
// they are valid until the next call. At the end it returns io.EOF.
func (f *csvFile) next() ([]string, error) {
	cells, err := f.records.Read()
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	f.row++
	if err != nil {
		return nil, f.readError(err)
	}
	if len(cells) != len(f.header) {
		err := f.errorf(f.line(), "row %d: %d fields found, %d wanted", f.row, len(cells), len(f.header))
		if len(cells) < len(f.header) {
			return nil, err.WithHint("add the missing cells, or remove a line that was cut short")
		}
		return nil, err.WithHint("quote the cells that contain the delimiter %q", f.records.Comma)
	}
	for i, cell := range cells {
		cells[i] = strings.TrimSpace(cell)
	}
	return cells, nil
}

// line returns where the last record began.
func (f *csvFile) line() int {
	line, _ := f.records.FieldPos(0)
	return line
}

func (f *csvFile) close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

func (f *csvFile) errorf(line int, format string, args ...any) *bakeoff.Error {
	return bakeoff.Errorf(bakeoff.CodeInvalid, "%s:%d: %s", f.path, line, fmt.Sprintf(format, args...))
}

// readError says in a person's words what encoding/csv or the guard found.
func (f *csvFile) readError(err error) error {
	if g, ok := errors.AsType[*guardError](err); ok {
		return f.errorf(g.line, "%s", g.what).
			WithHint("look for a stray quote (\") in that line; a quote inside a quoted cell is written twice")
	}
	p, ok := errors.AsType[*csv.ParseError](err)
	if !ok {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "read data: %w", err)
	}
	what := "text follows a closing quote"
	if errors.Is(p.Err, csv.ErrBareQuote) {
		what = "a quote inside a cell that does not begin with one"
	}
	return bakeoff.Errorf(bakeoff.CodeInvalid, "%s:%d:%d: %s", f.path, p.Line, p.Column, what).
		WithHint("put the whole cell in quotes and write a quote inside it twice")
}

// looksLikeData reports whether every name of a header is a number: most likely there is no header.
func looksLikeData(header []string) bool {
	for _, name := range header {
		if _, _, ok := parseNumber(name); !ok {
			return false
		}
	}
	return true
}

// shown quotes a cell for an error, cut to what may be shown of a person's data.
func shown(cell string) string {
	if len(cell) <= shownCell {
		return fmt.Sprintf("%q", cell)
	}
	cut := shownCell
	for cut > 0 && !utf8.RuneStart(cell[cut]) {
		cut--
	}
	return fmt.Sprintf("%q...", cell[:cut])
}
