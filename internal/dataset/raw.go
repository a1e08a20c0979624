package dataset

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bakeoffhq/bakeoff"
)

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

// rawTable is what is held of a file as text: the columns that are not features, every cell of them.
type rawTable struct {
	path    string
	lines   []uint32              // where each row began in the file
	columns map[string]*rawColumn // those that are held
	fields  map[string]int        // where in a row they are
}

// newRawTable returns a table that will hold the columns of those names.
func newRawTable(path string, header []string, names ...string) *rawTable {
	t := &rawTable{path: path, columns: make(map[string]*rawColumn), fields: make(map[string]int)}
	for field, name := range header {
		if slices.Contains(names, name) {
			t.columns[name], t.fields[name] = &rawColumn{name: name}, field
		}
	}
	return t
}

// add takes what is held of a block.
func (t *rawTable) add(b *block) error {
	t.lines = append(t.lines, b.lines...)
	for name, field := range t.fields {
		c := t.columns[name]
		for row := range b.rows {
			cell := b.cell(row, field)
			if c.text.Len()+len(cell) > math.MaxUint32 {
				return t.errorf(b.first+row, "column %q has more than 4 GiB of text", name)
			}
			c.add(cell)
		}
	}
	return nil
}

// errorf returns an error about a row, counted from 0.
func (t *rawTable) errorf(row int, format string, args ...any) *bakeoff.Error {
	return t.errorfAt(place{row, t.lines[row]}, format, args...)
}

// errorfAt returns an error about a place.
func (t *rawTable) errorfAt(at place, format string, args ...any) *bakeoff.Error {
	prefix := []any{t.path, at.line, at.row + 1}
	return bakeoff.Errorf(bakeoff.CodeInvalid, "%s:%d: row %d, "+format, append(prefix, args...)...)
}

// typedColumn is what the cells of a column turned out to hold.
type typedColumn struct {
	Column
	notFinite int // how many cells were infinite, which are missing now
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
	return typedColumn{Column: Column{Name: name, Kind: bakeoff.KindCategory, Codes: codes, Levels: levels}}, nil
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
