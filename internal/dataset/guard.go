package dataset

import (
	"errors"
	"fmt"
	"io"
)

// maxRecord is how long one record of a CSV file may be, in bytes.
const maxRecord = 1 << 20

// guard stands between a file and encoding/csv, which gathers a record without any bound: after one
// stray quote that is the rest of the file. It follows the quotes and ends the stream with an error
// once a record has more than maxRecord bytes or the file ends inside quotes.
//
// Where a byte could start a quoted cell only by some reading of the format, guard assumes that it
// does: encoding/csv then refuses the quote, or the record is counted as longer than it is.
type guard struct {
	r     io.Reader
	comma byte
	state quoteState
	line  int // of the next byte, from 1
	size  int // of the record so far
	// recordLine and quoteLine are where the current record and the last quoted cell began.
	recordLine, quoteLine int
	err                   error
}

type quoteState uint8

const (
	atCellStart quoteState = iota
	inCell
	inQuotes
	afterQuote // a quote inside quotes: their end, or the first of a doubled one
)

func newGuard(r io.Reader, comma byte) *guard {
	return &guard{r: r, comma: comma, line: 1, recordLine: 1}
}

// Read implements io.Reader.
func (g *guard) Read(p []byte) (int, error) {
	if g.err != nil {
		return 0, g.err
	}
	n, err := g.r.Read(p)
	for i, b := range p[:n] {
		g.step(b)
		if g.size > maxRecord {
			g.err = g.tooLong()
			return i, g.err
		}
	}
	if errors.Is(err, io.EOF) && g.state == inQuotes {
		g.err = &guardError{g.quoteLine, "the quote that opens here is never closed"}
		return n, g.err
	}
	return n, err
}

func (g *guard) step(b byte) {
	g.size++
	if b == '\n' {
		g.line++
	}
	if g.state == inQuotes {
		if b == '"' {
			g.state = afterQuote
		}
		return
	}
	switch {
	case b == '\n':
		g.state, g.size, g.recordLine = atCellStart, 0, g.line
	case b == g.comma:
		g.state = atCellStart
	case b == '"' && g.state == atCellStart:
		g.state, g.quoteLine = inQuotes, g.line
	case b == '"' && g.state == afterQuote:
		g.state = inQuotes
	case g.state == atCellStart && (b <= ' ' || b >= 0x80): // it may be a space, which is skipped
	default:
		g.state = inCell
	}
}

func (g *guard) tooLong() error {
	if g.state == inQuotes || g.state == afterQuote {
		return &guardError{g.quoteLine, fmt.Sprintf("the quote that opens here is not closed within %d bytes", maxRecord)}
	}
	return &guardError{g.recordLine, fmt.Sprintf("the record that begins here has more than %d bytes", maxRecord)}
}

// guardError is a fault of the file's shape, with its line.
type guardError struct {
	line int
	what string
}

// Error implements error.
func (e *guardError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.what) }
