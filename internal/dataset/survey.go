package dataset

import (
	"math"
	"strings"

	"github.com/bakeoffhq/bakeoff"
)

// survey is what the first pass over a file finds out about one feature column. Several surveys, each
// of some of the rows, make one by merge.
type survey struct {
	name    string
	field   int
	stated  bakeoff.Kind // "" where the kind is to be inferred
	missing missingTexts

	values    bool    // some cell is not missing
	kinds     kindSet // where none is stated, those that all of them can be
	notFinite int     // how many are infinite, which is missing
	bad       badCell // where a kind is stated, the first cell that is of another
	levels    *levels // nil unless texts are gathered
	partly    bool    // not the texts of all rows are in levels
	// used says which of the levels the rows of each side have; nil where nobody asks.
	used *[3][]bool
	// dictionary says for each part whether its texts are few enough to be written as a dictionary.
	dictionary [3]bool
}

// kindSet is some of the kinds that can be inferred, in the order in which they are preferred.
type kindSet uint8

const (
	setBoolean kindSet = 1 << iota
	setInteger
	setNumber
	setDate
	allKinds = setBoolean | setInteger | setNumber | setDate
)

// badCell is a cell that is not of its column's kind; its text is nil for none.
type badCell struct {
	place
	text *string
}

func newSurvey(name string, field int, stated bakeoff.Kind, missing missingTexts) *survey {
	s := &survey{name: name, field: field, stated: stated, missing: missing, kinds: allKinds}
	if stated == bakeoff.KindCategory {
		s.levels = newLevels()
	}
	return s
}

// cellNumber is what parseNumber finds in a cell.
type cellNumber struct {
	value float64
	form  numberForm
	ok    bool
}

func numberIn(cell string) (n cellNumber) {
	n.value, n.form, n.ok = parseNumber(cell)
	return n
}

// take looks at the cells of a block. Where hash is not nil it gets them too, read once for both.
func (s *survey) take(b *block, hash *columnHash, hashes []uint64) {
	gathering := s.levels != nil
	for row := range b.rows {
		cell := b.cell(row, s.field)
		n := numberIn(cell)
		if hash != nil {
			hashes[row] = hash.with(hashes[row], cell, n)
		}
		if s.missing.has(cell) {
			continue
		}
		s.values = true
		switch {
		case gathering:
			s.levels.code(cell, b, row)
		case s.stated != "":
			s.check(cell, b, row)
		default:
			s.infer(cell, n)
		}
	}
	if s.stated == "" && s.levels == nil {
		s.gather(b)
	}
}

// infer drops the kinds that a cell is not of.
func (s *survey) infer(cell string, n cellNumber) {
	if s.kinds&setBoolean != 0 {
		if _, ok := parseTrueFalse(cell); !ok {
			s.kinds &^= setBoolean
		}
	}
	if !n.ok || n.form.zeros {
		s.kinds &^= setInteger | setNumber
	} else if !n.form.integer || math.Abs(n.value) >= maxInteger {
		s.kinds &^= setInteger
	}
	if s.kinds&setDate != 0 {
		if _, ok := parseDate(cell); !ok {
			s.kinds &^= setDate
		}
	}
	if n.ok && math.IsInf(n.value, 0) {
		s.notFinite++
	}
}

// check looks whether a cell is of the stated kind.
func (s *survey) check(cell string, b *block, row int) {
	v, ok := reading(s.stated)(cell)
	switch {
	case !ok && s.bad.text == nil:
		text := strings.Clone(cell) // it shares memory with its block
		s.bad = badCell{place{b.first + row, b.lines[row]}, &text}
	case math.IsInf(v, 0):
		s.notFinite++
	}
}

// gather begins to gather texts once the column can be nothing but a category.
func (s *survey) gather(b *block) {
	if s.kinds != 0 {
		s.partly = s.partly || s.values
		return
	}
	s.levels = newLevels()
	s.regather(b, nil)
}

// regather adds the texts of a block, and says of which side they are where sides tells that for its
// rows.
func (s *survey) regather(b *block, sides []side) {
	for row := range b.rows {
		cell := b.cell(row, s.field)
		if s.missing.has(cell) {
			continue
		}
		code := s.levels.code(cell, b, row)
		if sides == nil {
			continue
		}
		used := &s.used[sides[row]]
		for int(code) >= len(*used) {
			*used = append(*used, false)
		}
		(*used)[code] = true
	}
}

// merge adds what another survey found in other rows.
func (s *survey) merge(other *survey) {
	s.values = s.values || other.values
	s.kinds &= other.kinds
	s.notFinite += other.notFinite
	if other.bad.text != nil && (s.bad.text == nil || other.bad.row < s.bad.row) {
		s.bad = other.bad
	}
	s.partly = s.partly || other.partly
	switch {
	case other.levels == nil:
	case s.levels == nil:
		s.levels = other.levels
	default:
		s.levels.merge(other.levels)
	}
}

// kind returns what the column holds: the first kind that every cell has, a category where there is
// none or no value at all.
func (s *survey) kind() bakeoff.Kind {
	switch {
	case s.stated != "":
		return s.stated
	case !s.values:
		return bakeoff.KindCategory
	case s.kinds&setBoolean != 0:
		return bakeoff.KindBoolean
	case s.kinds&setInteger != 0:
		return bakeoff.KindInteger
	case s.kinds&setNumber != 0:
		return bakeoff.KindNumber
	case s.kinds&setDate != 0:
		return bakeoff.KindDate
	}
	return bakeoff.KindCategory
}

// settle ends the survey, and says what is wrong with the column, in an error about its place in the
// file.
func (s *survey) settle(t *rawTable) error {
	if s.bad.text != nil {
		return t.errorfAt(s.bad.place, "column %q: %s, but the column is stated to be %s: %s",
			s.name, shown(*s.bad.text), s.stated, wanted(s.stated)).
			WithHint("correct the cell, add its text to data.missing, or change data.columns.%s", s.name)
	}
	if s.kind() != bakeoff.KindCategory {
		s.levels = nil
		return nil
	}
	if s.levels == nil {
		s.levels = newLevels() // there is no value
	}
	if at, ok := s.levels.firstBroken(); ok {
		return t.errorfAt(at, "column %q: the cell is not UTF-8 text", s.name).WithHint("save the file as UTF-8")
	}
	for part := range s.dictionary {
		s.dictionary[part] = s.bytes(side(part)) <= maxDictionary
	}
	s.levels.sort()
	return nil
}

// bytes returns how much distinct text the rows of a side have, or all rows where nobody asked.
func (s *survey) bytes(of side) int {
	if s.used == nil {
		return s.levels.bytes
	}
	total := 0
	for code, is := range s.used[of] {
		if is {
			total += len(s.levels.texts[code])
		}
	}
	return total
}
