package dataset

import (
	"fmt"
	"math"

	"github.com/bakeoffhq/bakeoff"
)

// manyCategories is above how many categories a column is noted: it is more likely a name than a property.
const manyCategories = 1000

// noteTarget notes what a person should know about keys and labels.
func (b *builder) noteTarget(hashes []uint64) {
	if b.source.Key != "" {
		if n := len(hashes) - distinctRows(hashes); n > 0 {
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
func (b *builder) noteFeatures(columns []typedColumn, train *Rows, schema bakeoff.Schema) {
	for i := range columns {
		c := &train.Table.Columns[i]
		if text := noteColumn(c, train.Labels); text != "" {
			b.note(fmt.Sprintf("column %q %s", c.Name, text))
		}
		if n := columns[i].notFinite; n > 0 {
			b.note(fmt.Sprintf("column %q: %d values are not finite and taken as missing", c.Name, n))
		}
		if _, stated := b.source.Columns[c.Name]; columns[i].numbers && !stated {
			b.note(fmt.Sprintf("column %q holds digits with leading zeros and is taken as a category", c.Name))
		}
	}
}

func noteColumn(c *Column, labels bakeoff.Labels) string {
	switch {
	case c.hasConstant() && c.Missing(0):
		return "has no values"
	case c.hasConstant():
		return "is constant"
	case tells(c, labels):
		return "is identical to the target: is it known before the target is?"
	case len(c.Levels) > manyCategories:
		return fmt.Sprintf("has %d categories: is it a name, which tells rows apart and says nothing about new ones?", len(c.Levels))
	}
	return ""
}

// tells reports whether a column is the target in other words: equal numbers for regression, one
// value for each class and one class for each value for classification.
func tells(c *Column, labels bakeoff.Labels) bool {
	if labels.Codes == nil {
		for row, v := range labels.Values {
			if c.Kind == bakeoff.KindCategory || c.Numbers[row] != v {
				return false
			}
		}
		return true
	}
	classOf := make(map[uint64]int32)
	valueOf := make(map[int32]uint64)
	for row, class := range labels.Codes {
		if c.Missing(row) {
			return false
		}
		v := c.bits(row)
		if other, ok := classOf[v]; ok && other != class {
			return false
		}
		if other, ok := valueOf[class]; ok && other != v {
			return false
		}
		classOf[v], valueOf[class] = class, v
	}
	return true
}

// bits returns the value of a row as a key: equal for equal values.
func (c *Column) bits(row int) uint64 {
	if c.Kind == bakeoff.KindCategory {
		return uint64(c.Codes[row])
	}
	return math.Float64bits(c.Numbers[row])
}
