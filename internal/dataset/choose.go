package dataset

import "github.com/bakeoffhq/bakeoff"

// Choose returns some of the rows, by their places, in that order. It shares no cells with r; the levels
// of a category stay those of r, also where a level is not among the rows any more.
func (r *Rows) Choose(rows []int) *Rows {
	return &Rows{Table: r.Table.Choose(rows), Labels: ChooseLabels(r.Labels, rows), Identity: chosen(r.Identity, rows)}
}

// Choose is that of Rows for a table alone.
func (t *Table) Choose(rows []int) *Table {
	some := &Table{Rows: len(rows), Columns: make([]Column, len(t.Columns))}
	for i := range t.Columns {
		some.Columns[i] = t.Columns[i].Choose(rows)
	}
	return some
}

// Choose is that of Rows for a column.
func (c Column) Choose(rows []int) Column {
	c.Numbers, c.Codes = chosen(c.Numbers, rows), chosen(c.Codes, rows)
	return c
}

// ChooseLabels is Choose for labels, weights included.
func ChooseLabels(l bakeoff.Labels, rows []int) bakeoff.Labels {
	l.Codes, l.Values, l.Weights = chosen(l.Codes, rows), chosen(l.Values, rows), chosen(l.Weights, rows)
	return l
}

// chosen returns some of the values; nil for nil.
func chosen[T any](values []T, rows []int) []T {
	if values == nil {
		return nil
	}
	some := make([]T, len(rows))
	for i, row := range rows {
		some[i] = values[row]
	}
	return some
}
