package learn

import (
	"math"
	"slices"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn/tree"
)

// treeEncoder says which features decision trees see: numbers as they are, categories as codes,
// the parts of dates that vary.
type treeEncoder struct {
	Features []feature `json:"features"`
}

// fitTreeEncoder chooses the features that the training rows give something to learn from.
func fitTreeEncoder(b *binding) treeEncoder {
	var e treeEncoder
	for _, f := range features(b.schema) {
		c := b.schema.Columns[f.Column]
		switch {
		case c.Kind == bakeoff.KindCategory && len(c.Categories) == 0:
			continue // all missing
		case f.Part != "" && constant(b.numbers(f, 0, b.rows)):
			continue
		}
		e.Features = append(e.Features, f)
	}
	return e
}

// constant reports whether all values that are not missing are the same.
func constant(values []float64) bool {
	first := math.NaN()
	for _, v := range values {
		switch {
		case math.IsNaN(v):
		case math.IsNaN(first):
			first = v
		case v != first:
			return false
		}
	}
	return true
}

// encode returns the rows from lo up to hi as trees see them; it may share memory with the table.
func (e treeEncoder) encode(b *binding, lo, hi int) tree.Data {
	var d tree.Data
	e.encodeInto(&d, b, lo, hi)
	return d
}

// encodeInto makes d the rows from lo up to hi, in columns that may have been another's.
func (e treeEncoder) encodeInto(d *tree.Data, b *binding, lo, hi int) {
	d.Rows = hi - lo
	d.Columns = slices.Grow(d.Columns[:0], len(e.Features))[:len(e.Features)]
	for i, f := range e.Features {
		c := b.schema.Columns[f.Column]
		if c.Kind == bakeoff.KindCategory {
			d.Columns[i] = tree.Column{Codes: b.category(f.Column, lo, hi), Levels: len(c.Categories)}
			continue
		}
		d.Columns[i] = tree.Column{Numbers: b.numbers(f, lo, hi)}
	}
}

// encodeAll returns all rows as trees see them; of a part, what reads them.
func (e treeEncoder) encodeAll(b *binding) tree.Data {
	if b.part == nil {
		return e.encode(b, 0, b.rows)
	}
	d := tree.Data{Rows: b.rows, Columns: make([]tree.Column, len(e.Features))}
	for i, f := range e.Features {
		c := b.schema.Columns[f.Column]
		if c.Kind == bakeoff.KindCategory {
			d.Columns[i] = tree.Column{Levels: len(c.Categories), Read: func() ([]float64, []int32) { return nil, b.category(f.Column, 0, b.rows) }}
			continue
		}
		d.Columns[i].Read = func() ([]float64, []int32) { return b.numbers(f, 0, b.rows), nil }
	}
	return d
}

// check reports whether the encoder is one that the schema can have.
func (e treeEncoder) check(schema bakeoff.Schema) error {
	for _, f := range e.Features {
		if err := f.check(schema); err != nil {
			return err
		}
	}
	return nil
}
