package dataset

import (
	"fmt"
	"math"

	"github.com/bakeoffhq/bakeoff"
)

// manyCategories is above how many categories a column is noted: it is more likely a name than a property.
const manyCategories = 1000

// noteTarget notes what a person should know about keys and labels.
func (b *builder) noteTarget() {
	if b.source.Key != "" {
		if n := repeated(b.hashes); n > 0 {
			b.note(fmt.Sprintf("%d rows repeat a key of column %q: rows of one key stay on one side", n, b.source.Key))
		}
	}
	if n := b.target.column.notFinite; n > 0 {
		b.note(fmt.Sprintf("target %q: %d values are not finite: the rows are set aside", b.source.Target, n))
	}
	var single []string
	for code, n := range countCodes(b.target.codes, len(b.target.classes)) {
		if n == 1 {
			single = append(single, b.target.classes[code])
		}
	}
	if len(single) > 0 {
		b.note(fmt.Sprintf("target %q: of these classes there is one row only: %s", b.source.Target, quoted(single)))
	}
}

// noteFeatures notes what a person should know about the columns, as the training rows have them.
func (b *builder) noteFeatures(traits []*traits) {
	for i, s := range b.surveys {
		if text := traits[i].note(); text != "" {
			b.note(fmt.Sprintf("column %q %s", s.name, text))
		}
		if s.notFinite > 0 && s.kind() != bakeoff.KindCategory {
			b.note(fmt.Sprintf("column %q: %d values are not finite and taken as missing", s.name, s.notFinite))
		}
		if s.stated == "" && s.levels != nil && s.levels.numbers() {
			b.note(fmt.Sprintf("column %q holds digits with leading zeros and is taken as a category", s.name))
		}
	}
}

// traits are what is worth knowing about a column of the training rows, taken row by row.
type traits struct {
	column *Column // of the row group at the time
	labels *bakeoff.Labels

	rows     int
	missing  bool   // some row has no value
	value    bool   // some row has one
	first    uint64 // the bits of the first value
	constant bool   // no row has another
	used     []bool // which levels there are
	// apart says that the column may still be the target in other words: equal numbers for regression,
	// one value for each class and one class for each value for classification.
	tells   bool
	classOf map[uint64]int32
	valueOf map[int32]uint64
}

func newTraits(c *Column, labels *bakeoff.Labels) *traits {
	return &traits{
		column: c, labels: labels, constant: true, tells: true, used: make([]bool, len(c.Levels)),
		classOf: make(map[uint64]int32), valueOf: make(map[int32]uint64),
	}
}

// take looks at some rows of the row group.
func (t *traits) take(lo, hi int) {
	t.rows += hi - lo
	for row := lo; row < hi; row++ {
		if t.tells {
			t.tells = t.tellsIn(row)
		}
		if t.column.Missing(row) {
			t.missing = true
			continue
		}
		bits := t.column.bits(row)
		if !t.value {
			t.value, t.first = true, bits
		}
		t.constant = t.constant && bits == t.first
		if t.column.Kind == bakeoff.KindCategory {
			t.used[t.column.Codes[row]] = true
		}
	}
}

// tellsIn reports whether a row, as those before it, has a value that could be another word for its label.
func (t *traits) tellsIn(row int) bool {
	if t.labels.Codes == nil {
		return t.column.Kind != bakeoff.KindCategory && t.column.Numbers[row] == t.labels.Values[row]
	}
	if t.column.Missing(row) {
		return false
	}
	class, v := t.labels.Codes[row], t.column.bits(row)
	if other, ok := t.classOf[v]; ok && other != class {
		return false
	}
	if other, ok := t.valueOf[class]; ok && other != v {
		return false
	}
	t.classOf[v], t.valueOf[class] = class, v
	return true
}

// levels returns the levels that there are, of all.
func (t *traits) levels() []string {
	var levels []string
	for code, is := range t.used {
		if is {
			levels = append(levels, t.column.Levels[code])
		}
	}
	return levels
}

func (t *traits) note() string {
	switch {
	case !t.value:
		return "has no values"
	case t.constant && !t.missing:
		return "is constant"
	case t.tells:
		return "is identical to the target: is it known before the target is?"
	}
	if n := len(t.levels()); n > manyCategories {
		return fmt.Sprintf("has %d categories: is it a name, which tells rows apart and says nothing about new ones?", n)
	}
	return ""
}

// bits returns the value of a row as a key: equal for equal values.
func (c *Column) bits(row int) uint64 {
	if c.Kind == bakeoff.KindCategory {
		return uint64(c.Codes[row])
	}
	return math.Float64bits(c.Numbers[row])
}
