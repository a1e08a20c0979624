package wire

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// ErrTooManyRows is behind the error for a request of more rows than are allowed.
var ErrTooManyRows = errors.New("too many rows")

// columns gathers the cells of a request, row by row or column by column.
type columns struct {
	codec  *Codec
	limit  int // of rows
	table  dataset.Table
	seen   []int   // by column: the last row, from 1, that it was given in; or 1 once it was given at all
	extras []extra // by column
	unseen int
}

// extra are the texts of a category column that training had not seen: their codes follow those
// of the schema's categories.
type extra struct {
	texts []string
	codes map[string]int32
}

func newColumns(c *Codec) *columns {
	n := len(c.schema.Columns)
	g := &columns{codec: c, seen: make([]int, n), extras: make([]extra, n)}
	g.table.Columns = make([]dataset.Column, n)
	for i, s := range c.schema.Columns {
		g.table.Columns[i] = dataset.Column{Name: s.Name, Kind: s.Kind, Levels: s.Categories}
	}
	return g
}

// keepRows is how many rows the memory that is used again may be for.
const keepRows = 256

// reset empties the columns for the next request, and reports whether they are small enough to be kept.
func (g *columns) reset() bool {
	if g.table.Rows > keepRows {
		return false
	}
	g.table.Rows, g.unseen = 0, 0
	clear(g.seen)
	for i, s := range g.codec.schema.Columns {
		c := &g.table.Columns[i]
		c.Numbers, c.Codes, c.Levels = c.Numbers[:0], c.Codes[:0], s.Categories
		g.extras[i] = extra{}
	}
	return true
}

// length returns how many cells a column has.
func (g *columns) length(column int) int {
	c := &g.table.Columns[column]
	return len(c.Numbers) + len(c.Codes)
}

// add appends a missing cell to a column.
func (g *columns) add(column int) error {
	if g.length(column) >= g.limit {
		return g.tooMany()
	}
	c := &g.table.Columns[column]
	if c.Kind == bakeoff.KindCategory {
		c.Codes = append(c.Codes, -1)
	} else {
		c.Numbers = append(c.Numbers, math.NaN())
	}
	return nil
}

func (g *columns) tooMany() error {
	return &bakeoff.Error{
		Code: bakeoff.CodeInvalid, Err: ErrTooManyRows,
		Message: fmt.Sprintf("the request has more than %d rows, the most that one may have", g.limit),
		Hint:    "send them in several requests, or score a file with `bakeoff predict`",
	}
}

// openRow begins a row whose cells are all missing.
func (g *columns) openRow() error {
	if g.table.Rows >= g.limit {
		return g.tooMany()
	}
	for i := range g.table.Columns {
		if err := g.add(i); err != nil {
			return err
		}
	}
	g.table.Rows++
	return nil
}

// closeRow checks that a row to which so many cells were given has all it needs.
func (g *columns) closeRow(given int) error {
	if given == len(g.seen) {
		return nil
	}
	for i, s := range g.codec.schema.Columns {
		if g.seen[i] != g.table.Rows && !s.Missing {
			return g.wrong(i, "the column is absent").
				WithHint("every row needs it, as the training rows had it throughout; null says that the value is missing")
		}
	}
	return nil
}

// give marks a column of the last row as given; once is all that it may be.
func (g *columns) give(column int) error {
	row := max(g.table.Rows, 1)
	if g.seen[column] == row {
		return g.wrong(column, "the column is given twice")
	}
	g.seen[column] = row
	return nil
}

// closeColumns ends a request that came column by column. One that was not given is missing in every row.
func (g *columns) closeColumns() error {
	first := slices.IndexFunc(g.seen, func(row int) bool { return row > 0 })
	if first >= 0 {
		g.table.Rows = g.length(first)
	}
	for i, s := range g.codec.schema.Columns {
		switch {
		case g.seen[i] > 0 && g.length(i) != g.table.Rows:
			return bakeoff.Errorf(bakeoff.CodeInvalid, "column %q has %d rows, column %q has %d",
				s.Name, g.length(i), g.codec.schema.Columns[first].Name, g.table.Rows)
		case g.seen[i] > 0:
		case !s.Missing:
			return bakeoff.Errorf(bakeoff.CodeInvalid, "column %q is absent", s.Name).
				WithHint("it is needed, as the training rows had it throughout; null says that a value is missing")
		default:
			for range g.table.Rows {
				if err := g.add(i); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// wrong is an error about the last cell of a column. It never shows the value: features are
// personal data.
func (g *columns) wrong(column int, what string) *bakeoff.Error {
	return bakeoff.Errorf(bakeoff.CodeInvalid, "row %d, column %q: %s", max(g.length(column), 1), g.codec.schema.Columns[column].Name, what)
}

// cell reads a JSON value into the last cell of a column.
func (g *columns) cell(s *scanner, column int) error {
	c := &g.table.Columns[column]
	first := s.peek()
	switch {
	case first == 'n':
		return s.word("null")
	case c.Kind == bakeoff.KindCategory && first == '"', c.Kind == bakeoff.KindDate && first == '"':
		text, err := s.string()
		if err != nil {
			return err
		}
		return g.text(column, text)
	case c.Kind == bakeoff.KindBoolean && first == 't':
		c.Numbers[len(c.Numbers)-1] = 1
		return s.word("true")
	case c.Kind == bakeoff.KindBoolean && first == 'f':
		c.Numbers[len(c.Numbers)-1] = 0
		return s.word("false")
	case (c.Kind == bakeoff.KindNumber || c.Kind == bakeoff.KindInteger) && (first == '-' || '0' <= first && first <= '9'):
		v, err := s.number()
		if err != nil {
			return err
		}
		return g.number(column, v)
	}
	if _, err := s.skip(); err != nil {
		return err
	}
	return g.wrong(column, describe(first)+", but "+wanted(c.Kind))
}

// number sets the last cell of a column of numbers.
func (g *columns) number(column int, v float64) error {
	c := &g.table.Columns[column]
	if math.IsInf(v, 0) {
		return g.wrong(column, "a number that is too large, but "+wanted(c.Kind))
	}
	if c.Kind == bakeoff.KindInteger && (v != math.Trunc(v) || math.Abs(v) >= exact) {
		return g.wrong(column, "a number that is too large or has a fraction, but "+wanted(c.Kind))
	}
	c.Numbers[len(c.Numbers)-1] = v
	return nil
}

// text sets the last cell of a column of categories, where an empty text is a missing value, or dates.
func (g *columns) text(column int, text []byte) error {
	c := &g.table.Columns[column]
	if c.Kind == bakeoff.KindDate {
		v, ok := dataset.ParseCell(bakeoff.KindDate, string(text))
		if !ok {
			return g.wrong(column, "a text that is no date, but "+wanted(c.Kind))
		}
		c.Numbers[len(c.Numbers)-1] = v
		return nil
	}
	if len(text) > 0 {
		c.Codes[len(c.Codes)-1] = g.code(column, text)
	}
	return nil
}

// base64 is text for one that is encoded so (RFC 4648).
func (g *columns) base64(column int, text []byte) error {
	decoded, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return g.wrong(column, "a text that is not base64, which the input's content_type says it is")
	}
	return g.text(column, decoded)
}

// code returns the code of a category, a new one if neither training nor this request has had it.
func (g *columns) code(column int, text []byte) int32 {
	if code, known := g.codec.codes[column][string(text)]; known {
		return code
	}
	g.unseen++
	e := &g.extras[column]
	if code, known := e.codes[string(text)]; known {
		return code
	}
	if e.codes == nil {
		e.codes = map[string]int32{}
	}
	code := int32(len(g.table.Columns[column].Levels) + len(e.texts))
	e.texts = append(e.texts, string(text))
	e.codes[e.texts[len(e.texts)-1]] = code
	return code
}

// finish makes the levels of the columns with unseen categories those that occur in the request.
func (g *columns) finish() {
	for i := range g.extras {
		if len(g.extras[i].texts) > 0 {
			relevel(&g.table.Columns[i], g.extras[i].texts)
		}
	}
}

// relevel sorts the levels that occur, those of the column and then the extra ones, and numbers the
// codes anew.
func relevel(c *dataset.Column, extra []string) {
	name := func(code int32) string {
		if int(code) < len(c.Levels) {
			return c.Levels[code]
		}
		return extra[int(code)-len(c.Levels)]
	}
	used := slices.Compact(slices.Sorted(slices.Values(c.Codes)))
	if used[0] < 0 {
		used = used[1:]
	}
	slices.SortFunc(used, func(a, b int32) int { return strings.Compare(name(a), name(b)) })
	levels := make([]string, len(used))
	to := make(map[int32]int32, len(used))
	for i, code := range used {
		levels[i], to[code] = name(code), int32(i)
	}
	for i, code := range c.Codes {
		if code >= 0 {
			c.Codes[i] = to[code]
		}
	}
	c.Levels = levels
}

// describe says what a JSON value is by its first byte.
func describe(first byte) string {
	switch first {
	case '"':
		return "a text"
	case 't', 'f':
		return "true or false"
	case '[':
		return "a list"
	case '{':
		return "an object"
	case 'n':
		return "null"
	}
	return "a number"
}

// wanted says what a column of the kind takes.
func wanted(kind bakeoff.Kind) string {
	switch kind {
	case bakeoff.KindCategory:
		return "a text is wanted"
	case bakeoff.KindBoolean:
		return "true or false is wanted"
	case bakeoff.KindInteger:
		return "an integer is wanted"
	case bakeoff.KindDate:
		return "a date like \"2006-01-02\" or \"2006-01-02T15:04:05Z\" is wanted"
	}
	return "a number is wanted"
}
