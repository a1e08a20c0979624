package dataset

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/bakeoffhq/bakeoff"
)

// FromRows turns JSON rows, as encoding/json decodes them, into a table with the schema's columns.
// Numbers may be any of Go's usual types for them. A null is a missing value, and so is the empty
// text of a category; a column may be left out of a row only if the training rows have missing values
// in it. A category that training has not seen is legal. An unknown column, an absent one and a value of another type are *bakeoff.Errors
// that name row, from 1, and column.
func FromRows(schema bakeoff.Schema, rows []map[string]any) (*Table, error) {
	known := make(map[string]bool, len(schema.Columns))
	for _, c := range schema.Columns {
		known[c.Name] = true
	}
	for i, row := range rows {
		for _, name := range sortedKeys(row) {
			if !known[name] {
				return nil, unknownField(schema, i, name)
			}
		}
	}
	t := &Table{Rows: len(rows), Columns: make([]Column, len(schema.Columns))}
	for i, c := range schema.Columns {
		column, err := fromValues(c, rows)
		if err != nil {
			return nil, err
		}
		t.Columns[i] = column
	}
	return t, nil
}

func rowError(row int, column, format string, args ...any) *bakeoff.Error {
	return bakeoff.Errorf(bakeoff.CodeInvalid, "row %d, column %q: %s", row+1, column, fmt.Sprintf(format, args...))
}

func unknownField(schema bakeoff.Schema, row int, name string) error {
	names := make([]string, len(schema.Columns))
	for i, c := range schema.Columns {
		names[i] = c.Name
	}
	if name == schema.Target {
		return rowError(row, name, "this is the target, which is to be predicted").WithHint("leave it out")
	}
	err := rowError(row, shownName(name), "the model has no such column")
	if meant := bakeoff.Nearest(name, names); meant != "" {
		return err.WithHint("did you mean %q?", meant)
	}
	return err.WithHint("the columns are %s", quoted(names))
}

// shownName cuts a name that a request made up.
func shownName(name string) string { return name[:min(len(name), 2*shownCell)] }

// fromValues gathers one column of the rows.
func fromValues(s bakeoff.ColumnSchema, rows []map[string]any) (Column, error) {
	c := Column{Name: s.Name, Kind: s.Kind}
	texts := make([]string, len(rows))
	missing := make([]bool, len(rows))
	if s.Kind != bakeoff.KindCategory {
		c.Numbers = make([]float64, len(rows))
	}
	for i, row := range rows {
		value, present := row[s.Name]
		if !present && !s.Missing {
			return c, rowError(i, s.Name, "the column is absent").
				WithHint("every row needs it, as the training rows had it throughout; null says that the value is missing")
		}
		missing[i] = value == nil || value == "" // as in a CSV file
		var ok bool
		switch {
		case c.Numbers == nil:
			texts[i], ok = value.(string)
		case value == nil:
			c.Numbers[i] = math.NaN()
		default:
			c.Numbers[i], ok = valueOf(s.Kind, value)
		}
		if !ok && value != nil {
			return c, rowError(i, s.Name, "%s, but %s", describe(value), wantedValue(s.Kind))
		}
	}
	if s.Kind == bakeoff.KindCategory {
		c.Codes, c.Levels = encodeTexts(texts, missing)
	}
	return c, nil
}

// encodeTexts is encode for texts that are taken as they are: "NA" is a text, and only null is missing.
func encodeTexts(texts []string, missing []bool) ([]int32, []string) {
	codes := make([]int32, len(texts))
	var levels []string
	index := make(map[string]int32)
	for i, text := range texts {
		if missing[i] {
			codes[i] = -1
			continue
		}
		code, ok := index[text]
		if !ok {
			code = int32(len(levels))
			levels = append(levels, text)
			index[text] = code
		}
		codes[i] = code
	}
	return sortLevels(codes, levels)
}

// valueOf returns what a column of the kind, not category, holds for a JSON value.
func valueOf(kind bakeoff.Kind, value any) (float64, bool) {
	switch kind {
	case bakeoff.KindBoolean:
		b, ok := value.(bool)
		if b {
			return 1, ok
		}
		return 0, ok
	case bakeoff.KindDate:
		text, ok := value.(string)
		if !ok {
			return 0, false
		}
		return parseDate(text)
	}
	v, ok := numberOf(value)
	if !ok || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, false
	}
	if kind == bakeoff.KindInteger && (v != math.Trunc(v) || math.Abs(v) >= maxInteger) {
		return 0, false
	}
	return v + 0, true
}

func numberOf(value any) (float64, bool) {
	switch v := value.(type) {
	case float64:
		return v, true
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case json.Number:
		x, err := v.Float64()
		return x, err == nil
	}
	return 0, false
}

// describe says what a JSON value is.
func describe(value any) string {
	switch v := value.(type) {
	case string:
		return "the text " + shown(v)
	case bool:
		return fmt.Sprintf("the value %t", v)
	case float64, int, int64, json.Number:
		return fmt.Sprintf("the number %v", v)
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return fmt.Sprintf("a value of type %T", value)
}

func wantedValue(kind bakeoff.Kind) string {
	if kind == bakeoff.KindCategory {
		return "a text is wanted"
	}
	return wanted(kind)
}

// ToRows returns the rows from lo up to hi by column name, the inverse of FromRows: nil for a
// missing value, booleans as bool, numbers and integers as float64, dates as RFC 3339 text.
func (t *Table) ToRows(lo, hi int) []map[string]any {
	rows := make([]map[string]any, 0, hi-lo)
	for row := lo; row < hi; row++ {
		values := make(map[string]any, len(t.Columns))
		for i := range t.Columns {
			values[t.Columns[i].Name] = t.Columns[i].value(row)
		}
		rows = append(rows, values)
	}
	return rows
}

func (c *Column) value(row int) any {
	switch {
	case c.Missing(row):
		return nil
	case c.Kind == bakeoff.KindCategory:
		return c.Levels[c.Codes[row]]
	case c.Kind == bakeoff.KindBoolean:
		return c.Numbers[row] != 0
	case c.Kind == bakeoff.KindDate:
		return formatDate(c.Numbers[row])
	}
	return c.Numbers[row]
}
