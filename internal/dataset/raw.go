package dataset

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bakeoffhq/bakeoff"
)

// contextRows is after how many rows a loop asks whether it should stop.
const contextRows = 4096

// rawColumn holds the cells of one column of a file as one text, so that a cell costs four bytes
// beside its own.
type rawColumn struct {
	name string
	text strings.Builder
	ends []uint32 // where each cell ends in text
}

func (c *rawColumn) add(cell string) {
	c.text.WriteString(cell)
	c.ends = append(c.ends, uint32(c.text.Len()))
}

// cells returns the cells; they share memory with the column.
func (c *rawColumn) cells() []string {
	text := c.text.String()
	cells := make([]string, len(c.ends))
	start := uint32(0)
	for i, end := range c.ends {
		cells[i] = text[start:end]
		start = end
	}
	return cells
}

// rawTable is a file as it was read: its rows by column, every cell as text.
type rawTable struct {
	path    string
	header  []string
	lines   []uint32              // where each row began in the file
	columns map[string]*rawColumn // those that were kept
}

// readRaw reads the rows of a file. Only the columns for which keep is true are held.
func readRaw(ctx context.Context, f *csvFile, keep func(name string) bool) (*rawTable, error) {
	t := &rawTable{path: f.path, header: f.header, columns: make(map[string]*rawColumn)}
	kept := make([]*rawColumn, len(f.header)) // nil for those that are not
	for i, name := range f.header {
		if keep(name) {
			kept[i] = &rawColumn{name: name}
			t.columns[name] = kept[i]
		}
	}
	for {
		if f.row%contextRows == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		cells, err := f.next()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, err
		}
		t.lines = append(t.lines, uint32(min(f.line(), math.MaxUint32)))
		for i, c := range kept {
			if c == nil {
				continue
			}
			if c.text.Len()+len(cells[i]) > math.MaxUint32 {
				return nil, f.errorf(f.line(), "row %d: column %q has more than 4 GiB of text", f.row, c.name)
			}
			c.add(cells[i])
		}
	}
}

// errorf returns an error about a row, counted from 0.
func (t *rawTable) errorf(row int, format string, args ...any) *bakeoff.Error {
	prefix := []any{t.path, t.lines[row], row + 1}
	return bakeoff.Errorf(bakeoff.CodeInvalid, "%s:%d: row %d, "+format, append(prefix, args...)...)
}

// typedColumn is what the cells of a column turned out to hold.
type typedColumn struct {
	Column
	notFinite int // how many cells were infinite, which are missing now
	// numbers says that the texts of a category are all numbers: codes with leading zeros.
	numbers bool
}

// typed reads a column as the stated kind, or infers one from all of its cells where none is stated.
func (t *rawTable) typed(name string, stated bakeoff.Kind, missing missingTexts) (typedColumn, error) {
	cells := t.columns[name].cells()
	if stated == "" {
		return t.infer(name, cells, missing)
	}
	if stated == bakeoff.KindCategory {
		return t.category(name, cells, missing)
	}
	c := typedColumn{Column: Column{Name: name, Kind: stated, Numbers: make([]float64, len(cells))}}
	notFinite, bad := parseCells(c.Numbers, cells, reading(stated), missing)
	if bad >= 0 {
		return c, t.errorf(bad, "column %q: %s, but the column is stated to be %s: %s",
			name, shown(cells[bad]), stated, wanted(stated)).
			WithHint("correct the cell, add its text to data.missing, or change data.columns.%s", name)
	}
	c.notFinite = notFinite
	return c, nil
}

// infer takes the first kind that every cell of the column has; without a single value it is a category.
func (t *rawTable) infer(name string, cells []string, missing missingTexts) (typedColumn, error) {
	first := slices.IndexFunc(cells, func(cell string) bool { return !missing.has(cell) })
	var numbers []float64
	for _, kind := range bakeoff.Kinds() {
		parse := inferring(kind)
		if first < 0 || parse == nil {
			continue
		}
		if _, ok := parse(cells[first]); !ok {
			continue
		}
		if numbers == nil {
			numbers = make([]float64, len(cells))
		}
		if notFinite, bad := parseCells(numbers, cells, parse, missing); bad < 0 {
			return typedColumn{Column: Column{Name: name, Kind: kind, Numbers: numbers}, notFinite: notFinite}, nil
		}
	}
	return t.category(name, cells, missing)
}

// parseCells fills numbers, NaN for missing and infinite cells. It returns how many were infinite
// and the first cell that parse refuses, or -1.
func parseCells(numbers []float64, cells []string, parse parser, missing missingTexts) (notFinite, bad int) {
	for i, cell := range cells {
		if missing.has(cell) {
			numbers[i] = math.NaN()
			continue
		}
		v, ok := parse(cell)
		if !ok {
			return 0, i
		}
		if math.IsInf(v, 0) {
			v = math.NaN()
			notFinite++
		}
		numbers[i] = v
	}
	return notFinite, -1
}

// category codes the cells of a column by their sorted distinct texts.
func (t *rawTable) category(name string, cells []string, missing missingTexts) (typedColumn, error) {
	codes, levels := encode(cells, missing)
	for i, level := range levels {
		if !utf8.ValidString(level) {
			return typedColumn{}, t.errorf(slices.Index(codes, int32(i)), "column %q: the cell is not UTF-8 text", name).
				WithHint("save the file as UTF-8")
		}
	}
	c := typedColumn{Column: Column{Name: name, Kind: bakeoff.KindCategory, Codes: codes, Levels: levels}}
	isText := func(level string) bool { _, ok := parseFinite(level); return !ok }
	c.numbers = len(levels) > 0 && !slices.ContainsFunc(levels, isText)
	return c, nil
}

// encode returns the sorted distinct cells and each cell's index among them, -1 for a missing one.
// The levels do not share memory with the cells.
func encode(cells []string, missing missingTexts) (codes []int32, levels []string) {
	codes = make([]int32, len(cells))
	index := make(map[string]int32)
	for i, cell := range cells {
		code, ok := index[cell]
		if !ok {
			code = -1
			if !missing.has(cell) {
				code = int32(len(levels))
				levels = append(levels, strings.Clone(cell))
			}
			index[cell] = code
		}
		codes[i] = code
	}
	return sortLevels(codes, levels)
}

// sortLevels sorts levels and rewrites codes, in place, so that each still names the same level.
// Levels that no code names are dropped.
func sortLevels(codes []int32, levels []string) ([]int32, []string) {
	used := make([]bool, len(levels))
	for _, code := range codes {
		if code >= 0 {
			used[code] = true
		}
	}
	order := make([]int32, 0, len(levels))
	for i := range levels {
		if used[i] {
			order = append(order, int32(i))
		}
	}
	slices.SortFunc(order, func(a, b int32) int { return strings.Compare(levels[a], levels[b]) })
	rank := make([]int32, len(levels))
	sorted := make([]string, len(order))
	for i, level := range order {
		rank[level] = int32(i)
		sorted[i] = levels[level]
	}
	for i, code := range codes {
		if code >= 0 {
			codes[i] = rank[code]
		}
	}
	return codes, sorted
}
