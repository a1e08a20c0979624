package dataset

import "github.com/bakeoffhq/bakeoff"

// Choose returns some of the rows, by their places, in that order. It shares no cells with r; the levels
// of a category stay those of r, also where a level is not among the rows any more.
func (r *Rows) Choose(rows []int) *Rows {
	t := &Table{Rows: len(rows), Columns: make([]Column, len(r.Table.Columns))}
	for i, c := range r.Table.Columns {
		c.Numbers, c.Codes = chosen(c.Numbers, rows), chosen(c.Codes, rows)
		t.Columns[i] = c
	}
	return &Rows{
		Table: t, Identity: chosen(r.Identity, rows),
		Labels: bakeoff.Labels{
			Classes: r.Labels.Classes, Codes: chosen(r.Labels.Codes, rows), Values: chosen(r.Labels.Values, rows),
			Weights: chosen(r.Labels.Weights, rows),
		},
	}
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
