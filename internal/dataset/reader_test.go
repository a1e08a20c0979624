package dataset_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// everySchema is a schema with a column of every kind; city alone has missing values.
var everySchema = bakeoff.Schema{
	Columns: []bakeoff.ColumnSchema{
		{Name: "age", Kind: bakeoff.KindInteger},
		{Name: "rate", Kind: bakeoff.KindNumber},
		{Name: "active", Kind: bakeoff.KindBoolean},
		{Name: "since", Kind: bakeoff.KindDate},
		{Name: "city", Kind: bakeoff.KindCategory, Categories: []string{"Oslo", "Rome"}, Missing: true},
	},
	Target: "y", Task: bakeoff.Binary, Classes: []string{"no", "yes"},
}

func open(tb testing.TB, text string, missing ...string) *dataset.Reader {
	tb.Helper()
	r, err := dataset.OpenCSV(write(tb, text), everySchema, missing)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = r.Close() })
	return r
}

// next returns the next rows as a table, and the cells of their text.
func next(tb testing.TB, r *dataset.Reader, limit int) (*dataset.Table, [][]string, error) {
	tb.Helper()
	b, err := r.Next(tb.Context(), limit)
	if err != nil {
		return nil, nil, err
	}
	table, err := b.Table()
	if err != nil {
		return nil, nil, err
	}
	var text []byte
	for row := range b.Rows() {
		text = append(b.AppendCSV(text, row), ",end\n"...) // a line may be empty
	}
	cells, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil || len(cells) != table.Rows {
		tb.Fatalf("%q is not the text of %d rows: %v", text, table.Rows, err)
	}
	for row := range cells {
		cells[row] = cells[row][:len(cells[row])-1]
	}
	return table, cells, nil
}

func TestReaderTypesRowsByTheSchema(t *testing.T) {
	r := open(t, `note,city,since,active,rate,age,y
a, Rome ,2024-01-02,yes,1.5,40,yes
b,Paris,2024-01-02T00:00:01Z,FALSE,inf,41.0,
c,,none,NA,?,,x
`, "none")
	diff(t, "header", []string{"note", "city", "since", "active", "rate", "age", "y"}, r.Header())
	first, raw, err := next(t, r, 2)
	if err != nil {
		t.Fatal(err)
	}
	nan := math.NaN()
	diff(t, "first batch", &dataset.Table{Rows: 2, Columns: []dataset.Column{
		{Name: "age", Kind: bakeoff.KindInteger, Numbers: []float64{40, 41}},
		{Name: "rate", Kind: bakeoff.KindNumber, Numbers: []float64{1.5, nan}},
		{Name: "active", Kind: bakeoff.KindBoolean, Numbers: []float64{1, 0}},
		{Name: "since", Kind: bakeoff.KindDate, Numbers: []float64{1704153600, 1704153601}},
		{Name: "city", Kind: bakeoff.KindCategory, Codes: []int32{1, 0}, Levels: []string{"Paris", "Rome"}},
	}}, first)
	diff(t, "cells", [][]string{
		{"a", "Rome", "2024-01-02", "yes", "1.5", "40", "yes"},
		{"b", "Paris", "2024-01-02T00:00:01Z", "FALSE", "inf", "41.0", ""},
	}, raw)
	second, _, err := next(t, r, 2)
	if err != nil {
		t.Fatal(err)
	}
	for i := range second.Columns {
		if second.Rows != 1 || !second.Columns[i].Missing(0) {
			t.Errorf("column %s of the last row has a value", second.Columns[i].Name)
		}
	}
	if _, _, err := next(t, r, 2); !errors.Is(err, io.EOF) {
		t.Errorf("after the last row: %v, want io.EOF", err)
	}
}

func TestReaderNamesWhatIsWrong(t *testing.T) {
	const header = "age,rate,active,since,city\n"
	for text, want := range map[string]string{
		"age,rates,active,town\n1,1,1,1\n":                 `: columns of the training rows are not in the file: "rate", "since", "city"`,
		header + "1,1,true,,a\n\nold,1,true,,a\n":          `:4: row 2, column "age": "old": an integer is wanted`,
		header + "1.5,1,true,,a\n":                         `:2: row 1, column "age": "1.5": an integer is wanted`,
		header + "1,1.2.3,true,,a\n":                       `:2: row 1, column "rate": "1.2.3": a number is wanted`,
		header + "1,1,maybe,,a\n":                          `:2: row 1, column "active": "maybe": true or false is wanted`,
		header + "1,1,true,May 1st,a\n":                    `:2: row 1, column "since": "May 1st": a date like 2006-01-02 or 2006-01-02T15:04:05Z is wanted`,
		header + "1,1,true,,a\n1,1,true,,a\n1,1,true\n":    `:4: row 3: 3 fields found, 5 wanted`,
		header + "1,1,true,,a\n1,1,true,,a\n1,1,x,,a\n":    `:4: row 3, column "active": "x": true or false is wanted`,
		header + "1,1,true,,\"two\nlines\"\n1,x,true,,a\n": `:4: row 2, column "rate": "x": a number is wanted`,
		header + "1,1,true,,\"two\nlines\n1,1,true,,a\n":   `:2: the quote that opens here is never closed`,
	} {
		path := write(t, text)
		r, err := dataset.OpenCSV(path, everySchema, nil)
		for err == nil {
			_, _, err = next(t, r, 2)
		}
		if r != nil {
			_ = r.Close()
		}
		if err.Error() != path+want || bakeoff.CodeOf(err) != bakeoff.CodeInvalid || bakeoff.HintOf(err) == "" {
			t.Errorf("%q:\n got %v\nwant %s", text, err, path+want)
		}
	}
}

func TestReaderUsesConstantMemory(t *testing.T) {
	row := "40,1.5,true,2024-01-02," + strings.Repeat("x", 1000) + "\n"
	r := open(t, "age,rate,active,since,city\n"+strings.Repeat(row, 20_000))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	rows, peak := 0, uint64(0)
	for {
		table, _, err := next(t, r, 1<<30)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		rows += table.Rows
		runtime.GC()
		runtime.ReadMemStats(&after)
		peak = max(peak, after.HeapAlloc)
	}
	if rows != 20_000 {
		t.Errorf("%d rows, want 20000", rows)
	}
	if used := int64(peak-before.HeapAlloc) >> 20; used > 12 {
		t.Errorf("%d MiB are held while reading a file of 20 MB", used)
	}
}

func TestRowsGoThereAndBack(t *testing.T) {
	f := freeze(t, source(t, everyKind))
	for name, part := range map[string]*dataset.Table{"train": f.train.Table, "holdout": f.holdout.Table} {
		rows := part.ToRows(0, part.Rows)
		back, err := dataset.FromRows(f.Schema, rows)
		if err != nil {
			t.Fatal(err)
		}
		diff(t, name, part, back)
		diff(t, name+" rows", rows[1:2], part.ToRows(1, 2))
	}
	diff(t, "a row", []map[string]any{{
		"number": nil, "integer": float64(9007199254740991), "boolean": true, "category": "green", "date": "9999-12-31", "time": "0001-01-01",
	}}, f.holdout.Table.ToRows(0, 1))
}

func TestFromRows(t *testing.T) {
	good := func(change func(map[string]any)) map[string]any {
		row := map[string]any{"age": 40.0, "rate": 1.5, "active": true, "since": "2024-01-02", "city": "Rome"}
		change(row)
		return row
	}
	set := func(name string, value any) map[string]any {
		return good(func(row map[string]any) { row[name] = value })
	}
	without := func(name string) map[string]any {
		return good(func(row map[string]any) { delete(row, name) })
	}
	for _, tc := range []struct {
		name string
		row  map[string]any
		want string // the error; "" for none
		hint string
	}{
		{name: "good", row: set("age", 41.0)},
		{name: "whole Go number", row: set("age", 41)},
		{name: "unseen category", row: set("city", "Paris")},
		{name: "null", row: set("age", nil)},
		{name: "absent where training has missing values", row: without("city")},
		{name: "absent", row: without("rate"), want: `row 2, column "rate": the column is absent`, hint: "null"},
		{name: "unknown", row: set("cty", "Rome"), want: `row 2, column "cty": the model has no such column`, hint: `did you mean "city"?`},
		{name: "target", row: set("y", "no"), want: `row 2, column "y": this is the target, which is to be predicted`, hint: "leave it out"},
		{name: "text for integer", row: set("age", "40"), want: `row 2, column "age": the text "40", but an integer is wanted`},
		{name: "fraction for integer", row: set("age", 40.5), want: `row 2, column "age": the number 40.5, but an integer is wanted`},
		{name: "boolean for number", row: set("rate", true), want: `row 2, column "rate": the value true, but a number is wanted`},
		{name: "infinity for number", row: set("rate", math.Inf(1)), want: `row 2, column "rate": the number +Inf, but a number is wanted`},
		{name: "list for number", row: set("rate", []any{1.0}), want: `row 2, column "rate": a list, but a number is wanted`},
		{name: "object for number", row: set("rate", map[string]any{}), want: `row 2, column "rate": an object, but a number is wanted`},
		{name: "number for boolean", row: set("active", 1.0), want: `row 2, column "active": the number 1, but true or false is wanted`},
		{name: "number for category", row: set("city", 7.0), want: `row 2, column "city": the number 7, but a text is wanted`},
		{name: "text for date", row: set("since", "May"), want: `row 2, column "since": the text "May", but a date like 2006-01-02 or 2006-01-02T15:04:05Z is wanted`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			table, err := dataset.FromRows(everySchema, []map[string]any{good(func(map[string]any) {}), tc.row})
			if tc.want == "" {
				if err != nil || table.Rows != 2 || len(table.Columns) != 5 {
					t.Fatalf("error %v, table %+v", err, table)
				}
				return
			}
			if fmt.Sprint(err) != tc.want || !strings.Contains(bakeoff.HintOf(err), tc.hint) || bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
				t.Errorf("error %v (hint %q), want %s (hint %q)", err, bakeoff.HintOf(err), tc.want, tc.hint)
			}
		})
	}
}

func TestFromNoRows(t *testing.T) {
	table, err := dataset.FromRows(everySchema, nil)
	if err != nil || table.Rows != 0 || len(table.Columns) != 5 {
		t.Errorf("table %+v, error %v", table, err)
	}
}
