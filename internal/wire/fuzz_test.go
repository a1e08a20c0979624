package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/wire"
)

// FuzzRows: what encoding/json and the dataset package make of a body is what the reader makes of it.
func FuzzRows(f *testing.F) {
	for _, body := range []string{
		`{"rows": [{"age": 41, "rate": 1.5, "active": true, "since": "2024-01-02", "city": "Rome"}]}`,
		`{"rows": [{"age": -0, "rate": 1e-7, "active": false, "since": null, "city": ""}, {"age": null, "active": null, "since": "2024-01-02T03:04:05.678+09:00", "city": "\ud834\udd1e\u00e9 x"}]}`,
		`{"rows": [{"age": 123456789012345678, "rate": 123456789012345678901234567890e-10, "active": true, "since": "2024-01-02"}]}`,
		`{"rows": [{"age": 1, "rate": 0.1e1, "active": true, "since": "2024-01-02", "city": "\ud800"}, {}]}`,
		`{"rows":[]}`, `{"rows": [{"a\u0067e": 1.0}]} `, `{"rows": [{"age": {"a": [1, "x", null]}}]}`,
	} {
		f.Add([]byte(body))
	}
	codec := wire.New(version, schema)
	f.Fuzz(func(t *testing.T, body []byte) {
		want, wantErr := reference(body)
		r, err := codec.Read(wire.Rows, body, 1_000)
		if err != nil {
			stricter := strings.Contains(err.Error(), "twice") || strings.Contains(err.Error(), "deeper") ||
				strings.Contains(err.Error(), "null, but") || !utf8.Valid(body) || errors.Is(err, wire.ErrTooManyRows)
			if wantErr == nil && !stricter {
				t.Fatalf("refused: %v", err)
			}
			return
		}
		defer r.Free()
		if wantErr != nil {
			t.Fatalf("accepted, but %v", wantErr)
		}
		if diff := cmp.Diff(want.ToRows(0, want.Rows), r.Table().ToRows(0, r.Table().Rows)); diff != "" {
			t.Fatal(diff)
		}
		for _, c := range r.Table().Columns {
			for i := 1; i < len(c.Levels); i++ {
				if c.Levels[i-1] >= c.Levels[i] {
					t.Fatalf("the levels %q are not sorted", c.Levels)
				}
			}
		}
	})
}

// reference reads a body in the usual way.
func reference(body []byte) (*dataset.Table, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var request map[string][]map[string]any
	if err := d.Decode(&request); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more")
	}
	rows, given := request["rows"]
	if !given || len(request) != 1 {
		return nil, errors.New("the fields are others")
	}
	return dataset.FromRows(schema, rows)
}

// FuzzForms: whatever is sent in the other forms, there is an error or a whole table, and an answer
// in JSON.
func FuzzForms(f *testing.F) {
	f.Add(1, []byte(`{"id": "7", "inputs": [{"name": "age", "datatype": "INT64", "shape": [1], "data": [[41]]}], "outputs": [{"name": "predict"}]}`))
	f.Add(1, []byte(`{"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 3], "data": [1, 2, 1]}]}`))
	f.Add(1, []byte(`{"inputs": [{"name": "x", "datatype": "FP64", "shape": [2, 3], "data": [[1, 2, 1], [null, 0.5, 0]]}]}`))
	f.Add(2, []byte(`{"dataframe_split": {"columns": ["age", "active"], "data": [[1, true]]}}`))
	f.Add(2, []byte(`{"inputs": {"age": [1], "active": [null]}}`))
	f.Add(2, []byte(`{"instances": [[1, 2, true], {"age": 1, "active": false}], "params": {"x": 1}}`))
	f.Add(3, []byte("age,rate,active\n1,2.5,true\n?,\"1e3\",\n"))
	codec := wire.New(version, numeric)
	f.Fuzz(func(t *testing.T, form int, body []byte) {
		if form < 1 || form > 3 {
			return
		}
		r, err := codec.Read(wire.Form(form), body, 100)
		if err != nil {
			return
		}
		defer r.Free()
		table := r.Table()
		if table.Rows > 100 {
			t.Fatalf("%d rows", table.Rows)
		}
		for _, c := range table.Columns {
			if len(c.Numbers)+len(c.Codes) != table.Rows {
				t.Fatalf("column %s has %d cells of %d", c.Name, len(c.Numbers)+len(c.Codes), table.Rows)
			}
		}
		values := make([]float64, table.Rows)
		if answer := r.Append(nil, &bakeoff.Predictions{Values: values}); !json.Valid(answer) {
			t.Fatalf("the answer is not JSON: %s", answer)
		}
	})
}
