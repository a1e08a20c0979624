package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"unicode/utf8"

	"github.com/bakeoffhq/bakeoff"
)

const (
	maxColumns = 10_000
	// maxRecord is how long one record of a CSV file may be, in bytes: after one stray quote it is the
	// rest of the file.
	maxRecord  = 1 << 20
	sampleSize = 64 << 10 // how much of a file decides its delimiter
	blockBytes = 1 << 20  // how much of a file is read at a time
	shownCell  = 40       // how many bytes of a cell an error may show
)

// csvFile is a CSV file that is being read: its header, and then its records, block by block or one
// by one. It takes the format as encoding/csv does, and finds the same faults.
type csvFile struct {
	path   string
	header []string
	closer io.Closer
	reader io.Reader
	size   int64 // of the file, in bytes
	comma  byte
	bytes  int64  // that have been read
	text   []byte // the last of them, and from at on what is not taken yet
	at     int
	last   bool  // nothing comes behind text
	line   int   // of the byte at at, from 1
	row    int   // of the last record, from 1; the header is none
	failed error // what ends the file behind the records that were taken
}

// span is where a cell is in its block's text.
type span struct{ lo, hi uint32 }

// block is some rows of a file, every cell as text with the space around it cut.
type block struct {
	first  int // how many rows came before
	rows   int
	fields int // in a row
	text   string
	spans  []span   // of the cells, row by row
	lines  []uint32 // where each row began in the file
	hashes []uint64 // of the rows, for their identities; nil until they are made
}

// cell returns a cell; it shares memory with the block.
func (b *block) cell(row, field int) string {
	s := b.spans[row*b.fields+field]
	return b.text[s.lo:s.hi]
}

// openCSVFile opens a file and reads its header.
func openCSVFile(path string) (*csvFile, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, openError(path, err)
	}
	f := &csvFile{path: path, reader: file, closer: file, line: 1}
	if info, err := file.Stat(); err == nil {
		f.size = info.Size()
	}
	if err := f.begin(); err != nil {
		_ = file.Close() // read only
		return nil, err
	}
	return f, nil
}

func openError(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "%s: the file does not exist", path).
			WithHint("check its name and folder; in a pipeline file, a relative path starts at the folder of that file")
	}
	return bakeoff.Errorf(bakeoff.CodeInvalid, "open data: %w", err)
}

// begin finds out how the file is written, and reads its header.
func (f *csvFile) begin() error {
	if err := f.more(); err != nil {
		return err
	}
	sample := f.text[:min(len(f.text), sampleSize)]
	if err := checkFormat(f.path, sample); err != nil {
		return err
	}
	if rest, found := bytes.CutPrefix(sample, []byte("\ufeff")); found {
		f.at, sample = len(sample)-len(rest), rest
	}
	f.comma = detectDelimiter(sample)
	return f.readHeader()
}

// more reads another piece of the file behind what is not taken yet.
func (f *csvFile) more() error {
	left := copy(f.text, f.text[f.at:])
	f.text, f.at = slices.Grow(f.text[:left], blockBytes), 0
	n, err := io.ReadFull(f.reader, f.text[left:left+blockBytes])
	f.text = f.text[:left+n]
	f.bytes += int64(n)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		f.last = true
		return nil
	}
	if err != nil {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "read data: %w", err)
	}
	return nil
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
	cells, line, err := f.record(nil)
	if err != nil {
		return err
	}
	if len(cells) > maxColumns {
		return f.errorf(line, "the header has %d columns, at most %d are possible", len(cells), maxColumns).
			WithHint("leave out columns that say nothing about the target")
	}
	header := make([]string, len(cells))
	seen := make(map[string]int, len(cells))
	for i, cell := range cells {
		name := string(f.text[cell.lo:cell.hi])
		if name == "" {
			return f.errorf(line, "column %d has no name", i+1).WithHint("every column needs a name in the header")
		}
		if !utf8.ValidString(name) {
			return f.errorf(line, "the name of column %d is not UTF-8 text", i+1).WithHint("save the file as UTF-8")
		}
		if first, ok := seen[name]; ok {
			return f.errorf(line, "columns %d and %d are both named %q", first+1, i+1, name).WithHint("rename one of them")
		}
		seen[name] = i
		header[i] = name
	}
	f.header = header
	return nil
}

// nextBlock returns the next rows, at least one. At the end it returns io.EOF.
func (f *csvFile) nextBlock() (*block, error) {
	if f.failed != nil {
		return nil, f.failed
	}
	b := &block{first: f.row, fields: len(f.header)}
	for f.at < len(f.text) || len(b.lines) == 0 {
		cells := len(b.spans)
		spans, line, err := f.record(b.spans)
		if errors.Is(err, errCut) {
			break
		}
		if err == nil {
			f.row++
			err = f.ragged(len(spans)-cells, line)
		}
		if f.failed = err; err != nil {
			break
		}
		b.spans = spans
		b.lines = append(b.lines, uint32(min(line, math.MaxUint32)))
	}
	if b.rows = len(b.lines); b.rows == 0 {
		return nil, f.failed
	}
	b.text = string(f.text[:f.at])
	return b, nil
}

// taken is how much of the file is behind, in bytes.
func (f *csvFile) taken() int64 { return f.bytes - int64(len(f.text)-f.at) }

// ragged reports an error where a row does not have as many cells as the header.
func (f *csvFile) ragged(cells, line int) error {
	if cells == len(f.header) {
		return nil
	}
	err := f.errorf(line, "row %d: %d fields found, %d wanted", f.row, cells, len(f.header))
	if cells < len(f.header) {
		return err.WithHint("add the missing cells, or remove a line that was cut short")
	}
	return err.WithHint("quote the cells that contain the delimiter %q", f.comma)
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

// errorfAt is an error about a place in a line.
func (f *csvFile) errorfAt(line, column int, what string) *bakeoff.Error {
	return bakeoff.Errorf(bakeoff.CodeInvalid, "%s:%d:%d: %s", f.path, line, column, what)
}

// stray is an error about the line where a record goes wrong without an end.
func (f *csvFile) stray(line int, format string, args ...any) error {
	return f.errorf(line, format, args...).
		WithHint("look for a stray quote (\") in that line; a quote inside a quoted cell is written twice")
}

func (f *csvFile) tooLong(line int) error {
	return f.stray(line, "the record that begins here has more than %d bytes", maxRecord)
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
