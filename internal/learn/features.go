package learn

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// part names what a date column is expanded into.
type part string

// The parts of a date, in UTC. The epoch is in seconds, the weekday counts from Sunday as 0.
const (
	partYear    part = "year"
	partMonth   part = "month"
	partDay     part = "day"
	partWeekday part = "weekday"
	partHour    part = "hour"
	partEpoch   part = "epoch"
)

func parts() []part {
	return []part{partYear, partMonth, partDay, partWeekday, partHour, partEpoch}
}

// maxEpoch bounds the dates that have a calendar, in seconds either side of 1970; it is beyond
// the year 9999.
const maxEpoch = 1e12

// of returns the part of a date in seconds since 1970-01-01 UTC; NaN for a missing one.
func (p part) of(seconds float64) float64 {
	if !(math.Abs(seconds) <= maxEpoch) {
		return math.NaN()
	}
	t := time.Unix(int64(math.Floor(seconds)), 0).UTC()
	switch p {
	case partYear:
		return float64(t.Year())
	case partMonth:
		return float64(t.Month())
	case partDay:
		return float64(t.Day())
	case partWeekday:
		return float64(t.Weekday())
	case partHour:
		return float64(t.Hour())
	}
	return seconds
}

// feature is one input of an encoder: a column of the schema, or a part of a date column.
type feature struct {
	Column int  `json:"column"`
	Part   part `json:"part,omitempty"`
}

// features lists all that a schema offers, in its order.
func features(schema bakeoff.Schema) []feature {
	var list []feature
	for i, c := range schema.Columns {
		if c.Kind != bakeoff.KindDate {
			list = append(list, feature{Column: i})
			continue
		}
		for _, p := range parts() {
			list = append(list, feature{Column: i, Part: p})
		}
	}
	return list
}

// check reports whether the feature is one that the schema offers.
func (f feature) check(schema bakeoff.Schema) error {
	if f.Column < 0 || f.Column >= len(schema.Columns) {
		return fmt.Errorf("feature of column %d of %d", f.Column, len(schema.Columns))
	}
	c := schema.Columns[f.Column]
	if isDate := c.Kind == bakeoff.KindDate; isDate != slices.Contains(parts(), f.Part) || !isDate && f.Part != "" {
		return fmt.Errorf("column %q of kind %s has no part %q", c.Name, c.Kind, f.Part)
	}
	return nil
}

// binding joins a schema with a table: each column found once, each category's codes translated
// once. It reads the table and never changes it.
type binding struct {
	schema  bakeoff.Schema
	rows    int
	columns []*dataset.Column
	// codes maps a category column's codes of the table to those of the schema, -1 for unseen;
	// nil where they are the same.
	codes [][]int32
	// arena has the memory of values that are not the table's own; nil to allocate them.
	arena *arena
	// part has the columns where they are nil: each is read when it is asked for.
	part *source
}

// bind finds the schema's columns in a table by name. A column that is missing or of another kind
// is an error that names it; all of them are named at once.
func bind(schema bakeoff.Schema, t *dataset.Table) (*binding, error) {
	b := &binding{
		columns: make([]*dataset.Column, len(schema.Columns)),
		codes:   make([][]int32, len(schema.Columns)),
	}
	return b, b.bind(schema, t)
}

// bind makes b the binding of a schema with as many columns as b's last one had, and a table.
func (b *binding) bind(schema bakeoff.Schema, t *dataset.Table) error {
	b.schema, b.rows = schema, t.Rows
	var missing, wrong []string
	for i, want := range schema.Columns {
		c := find(t, want.Name, i)
		switch {
		case c == nil:
			missing = append(missing, fmt.Sprintf("%q", want.Name))
			continue
		case !compatible(c.Kind, want.Kind):
			wrong = append(wrong, fmt.Sprintf("%q is %s, not %s", want.Name, c.Kind, want.Kind))
			continue
		}
		b.columns[i] = c
		if want.Kind == bakeoff.KindCategory {
			b.codes[i] = translate(c.Levels, want.Categories)
		}
	}
	if len(missing) > 0 {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "missing %s", list("column", missing)).
			WithHint("the model was trained on %d columns and needs each of them", len(schema.Columns))
	}
	if len(wrong) > 0 {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "wrong kind of %s", list("column", wrong))
	}
	return nil
}

// list writes names behind a noun, in the plural where there are several.
func list(noun string, names []string) string {
	if len(names) > 1 {
		noun += "s"
	}
	return noun + " " + strings.Join(names, ", ")
}

// find returns the column of that name, looking first where the training table had it.
func find(t *dataset.Table, name string, at int) *dataset.Column {
	if at < len(t.Columns) && t.Columns[at].Name == name {
		return &t.Columns[at]
	}
	return t.Column(name)
}

// compatible reports whether values of one kind can stand where the other was learnt: numbers,
// integers and booleans are all numbers, told apart by the values that a file happens to have.
func compatible(got, want bakeoff.Kind) bool {
	return got == want || numeric(got) && numeric(want)
}

func numeric(k bakeoff.Kind) bool {
	return k == bakeoff.KindNumber || k == bakeoff.KindInteger || k == bakeoff.KindBoolean
}

// translate maps codes into levels to codes into the sorted categories; nil for the identity.
func translate(levels, categories []string) []int32 {
	if len(levels) == len(categories) && (len(levels) == 0 || &levels[0] == &categories[0]) {
		return nil // the schema's own, as live requests have them
	}
	if len(levels) <= len(categories) && slices.Equal(levels, categories[:len(levels)]) {
		return nil
	}
	to := make([]int32, len(levels))
	for i, level := range levels {
		to[i] = -1
		if at, ok := slices.BinarySearch(categories, level); ok {
			to[i] = int32(at)
		}
	}
	return to
}

// column returns a column of the schema: that of the table, or one that is read for this call, whose
// codes are the schema's.
func (b *binding) column(i int) *dataset.Column {
	if b.part != nil {
		return b.part.column(i)
	}
	return b.columns[i]
}

// code returns the schema's code of a category cell; -1 for a missing or an unseen one.
func (b *binding) code(column, row int) int32 {
	c := b.columns[column].Codes[row]
	if c < 0 || b.codes[column] == nil {
		return c
	}
	return b.codes[column][c]
}

// category returns the schema's codes of a category column for the rows from lo up to hi. It may
// share memory with the table.
func (b *binding) category(column, lo, hi int) []int32 {
	if b.codes[column] == nil {
		return b.column(column).Codes[lo:hi]
	}
	codes := b.arena.codes(hi - lo)
	for i := range codes {
		codes[i] = b.code(column, lo+i)
	}
	return codes
}

// numbers returns the values of a feature that is a number for the rows from lo up to hi, NaN for
// a missing one. Infinities count as missing: no mean and no bin has a place for them. It may
// share memory with the table.
func (b *binding) numbers(f feature, lo, hi int) []float64 {
	values := b.column(f.Column).Numbers[lo:hi]
	if f.Part == "" && !slices.ContainsFunc(values, infinite) {
		return values
	}
	out := b.arena.numbers(len(values))
	for i, v := range values {
		switch {
		case f.Part != "":
			v = f.Part.of(v)
		case infinite(v):
			v = math.NaN()
		}
		out[i] = v
	}
	return out
}

func infinite(v float64) bool { return math.IsInf(v, 0) }

// unseen counts the codes that translate to no category.
func unseen(codes, to []int32) int {
	n := 0
	for _, c := range codes {
		if to != nil && c >= 0 && to[c] < 0 {
			n++
		}
	}
	return n
}
