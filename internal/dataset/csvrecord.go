package dataset

import (
	"bytes"
	"errors"
	"io"
	"unicode"
	"unicode/utf8"
)

// errCut says that the next record is not whole in what has been read.
var errCut = errors.New("the record goes on in the next block")

// record appends where the cells of the next record are in f.text, and takes it; it returns the line on
// which the record begins. The first record of a block has more of the file read where it needs that;
// for any other that is errCut. At the end of the file it is io.EOF. Empty lines are no records.
func (f *csvFile) record(spans []span) (_ []span, line int, err error) {
	for {
		rest := f.text[f.at:]
		end := bytes.IndexByte(rest, '\n')
		size := end + 1
		switch {
		case end >= 0:
		case !f.last && len(rest) <= maxRecord:
			if len(spans) > 0 {
				return nil, 0, errCut
			}
			if err := f.more(); err != nil {
				return nil, 0, err
			}
			continue
		case len(rest) == 0:
			return nil, 0, io.EOF
		default:
			end, size = len(rest), len(rest)
		}
		content := withoutReturn(rest[:end])
		if len(content) == 0 {
			f.at += size
			f.line++
			continue
		}
		if bytes.IndexByte(content, '"') >= 0 {
			return f.quotedRecord(spans)
		}
		if size > maxRecord {
			return nil, 0, f.tooLong(f.line)
		}
		spans = f.plainCells(spans, f.at, f.at+len(content))
		f.at += size
		f.line++
		return spans, f.line - 1, nil
	}
}

// withoutReturn cuts what precedes the newline in files of Windows.
func withoutReturn(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1]
	}
	return line
}

// plainCells appends the cells of a line without quotes.
func (f *csvFile) plainCells(spans []span, lo, end int) []span {
	for {
		n := bytes.IndexByte(f.text[lo:end], f.comma)
		if n < 0 {
			return append(spans, f.trimmed(lo, end))
		}
		spans = append(spans, f.trimmed(lo, lo+n))
		lo += n + 1
	}
}

// trimmed returns a cell without the space around it.
func (f *csvFile) trimmed(lo, hi int) span {
	if lo < hi && plain(f.text[lo]) && plain(f.text[hi-1]) {
		return span{uint32(lo), uint32(hi)}
	}
	cell := bytes.TrimRightFunc(f.text[lo:hi], unicode.IsSpace)
	hi = lo + len(cell)
	lo = hi - len(bytes.TrimLeftFunc(cell, unicode.IsSpace))
	return span{uint32(lo), uint32(hi)}
}

// plain reports whether a byte is neither space nor part of a character that may be.
func plain(b byte) bool { return ' ' < b && b < utf8.RuneSelf }

// quotedRecord takes a record that has a quote in its first line, and so may have several lines.
func (f *csvFile) quotedRecord(spans []span) (_ []span, line int, err error) {
	size, open := f.extent(f.text[f.at:])
	whole := size > 0
	if !whole {
		if size = len(f.text) - f.at; size <= maxRecord && !f.last {
			if len(spans) > 0 {
				return nil, 0, errCut
			}
			if err := f.more(); err != nil {
				return nil, 0, err
			}
			return f.record(spans)
		}
	}
	line = f.line
	q := quotedCells{file: f, at: f.at, end: f.at + min(size, maxRecord), line: line, start: f.at, spans: spans}
	newlines := bytes.Count(f.text[f.at:f.at+size], []byte{'\n'}) // before the quotes are taken out
	if err := q.read(); err != nil {
		return nil, 0, err
	}
	switch {
	case size > maxRecord && open > 0:
		return nil, 0, f.stray(open, "the quote that opens here is not closed within %d bytes", maxRecord)
	case size > maxRecord:
		return nil, 0, f.tooLong(line)
	case !whole && open > 0:
		return nil, 0, f.stray(open, "the quote that opens here is never closed")
	}
	f.at += size
	f.line += newlines
	return q.spans, line, nil
}

// quoteState is where in a record a byte is.
type quoteState uint8

const (
	atCellStart quoteState = iota
	inCell
	inQuotes
	afterQuote // a quote inside quotes: their end, or the first of a doubled one
)

// extent follows the quotes of the record at the beginning of text. It returns the size of the record
// with its newline, or 0 if that is not in text or not within maxRecord bytes, and then the line of the
// quote that is open, 0 for none.
//
// Where a byte could start a quoted cell only by some reading of the format, it does: reading the
// cells then refuses the quote.
func (f *csvFile) extent(text []byte) (size, open int) {
	state, line, quoteLine := atCellStart, f.line, 0
	for i, b := range text[:min(len(text), maxRecord)] {
		if b == '\n' {
			line++
		}
		switch {
		case state == inQuotes:
			if b == '"' {
				state = afterQuote
			}
		case b == '\n':
			return i + 1, 0
		case b == f.comma:
			state = atCellStart
		case b == '"' && state == atCellStart:
			state, quoteLine = inQuotes, line
		case b == '"' && state == afterQuote:
			state = inQuotes
		case state == atCellStart && !plain(b): // it may be a space, which is skipped
		default:
			state = inCell
		}
	}
	if state == inQuotes || state == afterQuote && len(text) > maxRecord {
		return 0, quoteLine
	}
	return 0, 0
}

// quotedCells reads the cells of one record, some of which are quoted. It takes the quotes out of the
// file's text, in place.
type quotedCells struct {
	file    *csvFile
	at, end int // what is left of the record
	line    int // of the byte at at
	start   int // of that line
	spans   []span
}

// read appends the cells. It stops without an error where the record ends inside quotes.
func (q *quotedCells) read() error {
	for more := true; more; {
		var err error
		lo, hi := q.at, q.lineEnd()
		if q.file.comma != '\t' { // it would take empty cells for space
			lo = hi - len(bytes.TrimLeftFunc(q.file.text[lo:hi], unicode.IsSpace))
		}
		if lo < hi && q.file.text[lo] == '"' {
			q.at = lo + 1
			more, err = q.quoted()
		} else {
			more, err = q.plain(lo, hi)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lineEnd returns where the content of the line ends that at is in.
func (q *quotedCells) lineEnd() int {
	line := q.file.text[q.at:q.end]
	if n := bytes.IndexByte(line, '\n'); n >= 0 {
		line = line[:n]
	}
	return q.at + len(withoutReturn(line))
}

// plain takes a cell without quotes, up to a comma or to hi, and reports whether another follows.
func (q *quotedCells) plain(lo, hi int) (more bool, err error) {
	n := bytes.IndexByte(q.file.text[lo:hi], q.file.comma)
	if n >= 0 {
		hi = lo + n
	}
	if i := bytes.IndexByte(q.file.text[lo:hi], '"'); i >= 0 {
		return false, q.misplaced(lo+i, "a quote inside a cell that does not begin with one")
	}
	q.spans = append(q.spans, q.file.trimmed(lo, hi))
	q.at = hi + 1
	return n >= 0, nil
}

// quoted takes a cell whose opening quote is behind, and reports whether another follows.
func (q *quotedCells) quoted() (more bool, err error) {
	text := q.file.text
	lo, hi := q.at, q.at // what is taken of the cell
	for {
		end := q.lineEnd()
		n := bytes.IndexByte(text[q.at:end], '"')
		if n < 0 {
			hi += copy(text[hi:], text[q.at:end])
			newline := bytes.IndexByte(text[end:q.end], '\n')
			if newline < 0 {
				return false, nil
			}
			text[hi] = '\n'
			hi++
			q.at = end + newline + 1
			q.start = q.at
			q.line++
			continue
		}
		hi += copy(text[hi:], text[q.at:q.at+n])
		quote := q.at + n
		q.at = quote + 1
		switch {
		case q.at == end:
			q.spans = append(q.spans, q.file.trimmed(lo, hi))
			return false, nil
		case text[q.at] == '"':
			text[hi] = '"'
			hi++
			q.at++
		case text[q.at] == q.file.comma:
			q.spans = append(q.spans, q.file.trimmed(lo, hi))
			q.at++
			return true, nil
		default:
			return false, q.misplaced(quote, "text follows a closing quote")
		}
	}
}

// misplaced is the error of a quote that is where none may be.
func (q *quotedCells) misplaced(at int, what string) error {
	return q.file.errorfAt(q.line, at-q.start+1, what).
		WithHint("put the whole cell in quotes and write a quote inside it twice")
}
