// Package dataset turns a data file into typed columns, and typed columns into the frozen
// training rows and holdout of a run.
package dataset

import (
	"math"

	"github.com/bakeoffhq/bakeoff"
)

// Table holds rows by column. All columns have the same number of rows.
type Table struct {
	Rows    int
	Columns []Column
}

// Column is one typed column of a Table. Exactly one of Numbers and Codes is set, by its kind.
type Column struct {
	Name string
	Kind bakeoff.Kind
	// Numbers has one value per row for every kind but category: booleans are 0 and 1, dates are
	// seconds since 1970-01-01 UTC, a missing value is NaN.
	Numbers []float64
	// Codes has one index into Levels per row for a category, -1 for a missing value.
	Codes []int32
	// Levels are the distinct values that occur in this table, sorted.
	Levels []string
}

// Column returns the column of that name, or nil.
func (t *Table) Column(name string) *Column {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// Missing reports whether the row has no value in this column.
func (c *Column) Missing(row int) bool {
	if c.Kind == bakeoff.KindCategory {
		return c.Codes[row] < 0
	}
	return math.IsNaN(c.Numbers[row])
}

// Slice returns the rows from lo up to hi; it shares memory with t.
func (t *Table) Slice(lo, hi int) *Table {
	s := &Table{Rows: hi - lo, Columns: make([]Column, len(t.Columns))}
	for i, c := range t.Columns {
		if c.Kind == bakeoff.KindCategory {
			c.Codes = c.Codes[lo:hi]
		} else {
			c.Numbers = c.Numbers[lo:hi]
		}
		s.Columns[i] = c
	}
	return s
}
