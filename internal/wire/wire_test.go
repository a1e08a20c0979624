package wire_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/wire"
)

// schema has a column of every kind; city and rate have missing values in the training rows.
var schema = bakeoff.Schema{
	Columns: []bakeoff.ColumnSchema{
		{Name: "age", Kind: bakeoff.KindInteger},
		{Name: "rate", Kind: bakeoff.KindNumber, Missing: true},
		{Name: "active", Kind: bakeoff.KindBoolean},
		{Name: "since", Kind: bakeoff.KindDate},
		{Name: "city", Kind: bakeoff.KindCategory, Categories: []string{"Oslo", "Rome"}, Missing: true},
	},
	Target: "left", Task: bakeoff.Binary, Classes: []string{"no", "yes"},
}

// numeric has numbers alone, so that a matrix fits.
var numeric = bakeoff.Schema{
	Columns: []bakeoff.ColumnSchema{
		{Name: "age", Kind: bakeoff.KindInteger}, {Name: "rate", Kind: bakeoff.KindNumber, Missing: true}, {Name: "active", Kind: bakeoff.KindBoolean},
	},
	Target: "price", Task: bakeoff.Regression,
}

var version = bakeoff.Version{Model: "churn", Version: 17, Lineage: bakeoff.Lineage{
	Recipe: bakeoff.Candidate{Trainer: "logistic_regression"}, Snapshot: bakeoff.Snapshot{Missing: []string{"none"}},
}}

// rows returns the rows of a request by column name, and how many categories were unseen.
func rows(t *testing.T, s bakeoff.Schema, form wire.Form, body string) ([]map[string]any, int) {
	t.Helper()
	r, err := wire.New(version, s).Read(form, []byte(body), 100)
	if err != nil {
		t.Fatalf("%v (%s)", err, bakeoff.HintOf(err))
	}
	defer r.Free()
	return r.Table().ToRows(0, r.Table().Rows), r.Unseen()
}

// two are the rows that the requests below have in one form or another.
var two = []map[string]any{
	{"age": 41.0, "rate": 1.5, "active": true, "since": "2024-01-02", "city": "Rome"},
	{"age": 7.0, "rate": nil, "active": false, "since": "2024-01-02T03:04:05Z", "city": "Pa\"ris"},
}

func TestEveryFormGivesTheSameRows(t *testing.T) {
	for name, c := range map[string]struct {
		form wire.Form
		body string
	}{
		"rows": {wire.Rows, `{"rows": [
			{"age": 41, "rate": 1.5, "active": true, "since": "2024-01-02", "city": "Rome"},
			{"city": "Pa\"ris", "since": "2024-01-02T03:04:05Z", "active": false, "rate": null, "age": 7.0}]}`},
		"tensors": {wire.Tensors, `{"id": "7", "parameters": {"content_type": "pd", "n": 1}, "inputs": [
			{"name": "age", "datatype": "INT64", "shape": [2], "data": [41, 7]},
			{"data": [[1.5], [null]], "shape": [2, 1], "datatype": "FP32", "name": "rate"},
			{"name": "active", "datatype": "BOOL", "shape": [2], "data": [true, false]},
			{"name": "since", "datatype": "BYTES", "parameters": {"content_type": "datetime"}, "shape": [2], "data": ["2024-01-02", "2024-01-02T03:04:05Z"]},
			{"name": "city", "datatype": "BYTES", "parameters": {"content_type": "base64"}, "shape": [2], "data": ["Um9tZQ==", "UGEicmlz"]}]}`},
		"dataframe_split": {wire.Invocations, `{"dataframe_split": {"index": [0, 1], "data": [
			["Rome", 41, true, "2024-01-02", 1.5], ["Pa\u0022ris", 7, false, "2024-01-02T03:04:05Z", null]],
			"columns": ["city", "age", "active", "since", "rate"]}, "params": {}}`},
		"dataframe_records": {wire.Invocations, `{"dataframe_records": [
			{"age": 41, "rate": 1.5, "active": true, "since": "2024-01-02", "city": "Rome"},
			{"age": 7, "active": false, "since": "2024-01-02T03:04:05Z", "city": "Pa\"ris"}]}`},
		"instances of values": {wire.Invocations, `{"instances": [
			[41, 1.5, true, "2024-01-02", "Rome"], [7, null, false, "2024-01-02T03:04:05Z", "Pa\"ris"]]}`},
		"instances of objects": {wire.Invocations, `{"instances": [
			{"age": 41, "rate": 1.5, "active": true, "since": "2024-01-02", "city": "Rome"},
			{"age": 7, "active": false, "since": "2024-01-02T03:04:05Z", "city": "Pa\"ris"}]}`},
		"inputs": {wire.Invocations, `{"inputs": {"age": [41, 7], "rate": [1.5, null], "active": [true, false],
			"since": ["2024-01-02", "2024-01-02T03:04:05Z"], "city": ["Rome", "Pa\"ris"]}}`},
		"csv": {wire.CSV, "age, rate,active,since,city\n41,1.5,TRUE,2024-01-02, Rome \n7,none,0,2024-01-02T03:04:05Z,\"Pa\"\"ris\"\n"},
	} {
		got, unseen := rows(t, schema, c.form, c.body)
		if diff := cmp.Diff(two, got); diff != "" || unseen != 1 {
			t.Errorf("%s: %d unseen, -want +got:\n%s", name, unseen, diff)
		}
	}
}

func TestAMatrixGivesAllColumns(t *testing.T) {
	want := []map[string]any{{"age": 1.0, "rate": 2.5, "active": true}, {"age": 3.0, "rate": nil, "active": false}}
	for _, data := range []string{`[1, 2.5, 1, 3, null, 0]`, `[[1, 2.5, 1], [3, null, 0]]`} {
		got, _ := rows(t, numeric, wire.Tensors, `{"inputs": [{"name": "x", "datatype": "FP64", "shape": [2, 3], "data": `+data+`}]}`)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", data, diff)
		}
	}
}

func TestAColumnThatMayBeMissingMayBeAbsent(t *testing.T) {
	want := []map[string]any{{"age": 1.0, "rate": nil, "active": true, "since": "2024-01-02", "city": nil}}
	for form, body := range map[wire.Form]string{
		wire.Rows: `{"rows": [{"age": 1, "active": true, "since": "2024-01-02"}]}`,
		wire.Tensors: `{"inputs": [{"name": "age", "datatype": "UINT8", "shape": [1], "data": [1]},
			{"name": "active", "datatype": "BOOL", "shape": [1], "data": [true]},
			{"name": "since", "datatype": "BYTES", "shape": [1], "data": ["2024-01-02"]}]}`,
		wire.CSV: "age,active,since\n1,yes,2024-01-02\n",
	} {
		got, _ := rows(t, schema, form, body)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("form %d: -want +got:\n%s", form, diff)
		}
	}
}

func TestNoRowsAreLegal(t *testing.T) {
	if got, _ := rows(t, schema, wire.Rows, `{"rows": []}`); len(got) != 0 {
		t.Error(got)
	}
}

func TestWhatIsWrongWithARequestIsTold(t *testing.T) {
	row := func(fields string) string { return `{"rows": [{` + fields + `}]}` }
	rest := `, "rate": 1, "active": true, "since": "2024-01-02", "city": "Rome"`
	tensor := func(fields string) string { return `{"inputs": [{` + fields + `}]}` }
	for _, c := range []struct {
		form       wire.Form
		body, want string
	}{
		{wire.Rows, ``, `malformed JSON at byte 0: it ends where { is wanted`},
		{wire.Rows, `{"rows": [}`, `malformed JSON at byte 10: a value is wanted`},
		{wire.Rows, row(`"age": 1` + rest + `,`), `a comma stands before }`},
		{wire.Rows, `{"rows": []} x`, `malformed JSON at byte 13: there is more after the end of the object`},
		{wire.Rows, `{"rows": [{"age": 1"}]}`, `malformed JSON at byte 19: a comma or } is wanted`},
		{wire.Rows, `{"rows": []`, `malformed JSON at byte 11: it ends where a comma or } is wanted`},
		{wire.Rows, "{\"rows\": [{\"age\xff\": 1}]}", `the text that begins here is not UTF-8`},
		{wire.Rows, `{"raws": []}`, `unknown field "raws"; did you mean "rows"?`},
		{wire.Rows, `{}`, `the request has no "rows"`},
		{wire.Rows, `{"rows": {}}`, `a list of rows is wanted at byte 9`},
		{wire.Rows, `{"rows": [], "rows": []}`, `"rows" is given twice`},
		{wire.Rows, `{"rows": [1]}`, `row 1: a number, but an object of columns is wanted`},
		{wire.Rows, `{"rows": [null]}`, `row 1: null, but an object of columns is wanted`},
		{wire.Rows, row(`"agee": 1` + rest), `row 1, column "agee": the model has no such column; did you mean "age"?`},
		{wire.Rows, row(`"qqqqqqqq": 1` + rest), `the columns are "age", "rate", "active", "since", "city"`},
		{wire.Rows, row(`"left": 1` + rest), `row 1, column "left": this is the target, which is to be predicted; leave it out`},
		{wire.Rows, row(`"age": 1, "age": 2` + rest), `row 1, column "age": the column is given twice`},
		{wire.Rows, row(`"age": "4111-1111"` + rest), `row 1, column "age": a text, but an integer is wanted`},
		{wire.Rows, row(`"age": 41.25` + rest), `row 1, column "age": a number that is too large or has a fraction, but an integer is wanted`},
		{wire.Rows, row(`"age": 9007199254740993` + rest), `row 1, column "age": a number that is too large`},
		{wire.Rows, row(`"age": NaN` + rest), `NaN and Infinity are not JSON; send null for a missing value`},
		{wire.Rows, row(`"age": -Infinity` + rest), `NaN and Infinity are not JSON`},
		{wire.Rows, row(`"age": 01` + rest), `a value is wanted`},
		{wire.Rows, row(`"age": 1, "rate": 1e999`), `row 1, column "rate": a number that is too large`},
		{wire.Rows, row(`"age": [4111]` + rest), `row 1, column "age": a list, but an integer is wanted`},
		{wire.Rows, row(`"age": true` + rest), `row 1, column "age": true or false, but an integer is wanted`},
		{wire.Rows, row(`"age": 1, "active": 1`), `row 1, column "active": a number, but true or false is wanted`},
		{wire.Rows, row(`"age": 1, "since": "4111-1111"`), `row 1, column "since": a text that is no date, but a date like`},
		{wire.Rows, row(`"age": 1, "city": 4111`), `row 1, column "city": a number, but a text is wanted`},
		{wire.Rows, row(`"rate": 1`), `row 1, column "age": the column is absent; every row needs it`},
		{wire.Rows, row(`"age": ` + strings.Repeat("[", 100)), `it is nested deeper than 32`},
		{wire.Tensors, `{}`, `the request has no "inputs"`},
		{wire.Tensors, `{"id": 7, "inputs": []}`, `"id" is a number, but a text is wanted`},
		{wire.Tensors, tensor(`"name": "age"`), `input "age" needs a name, a datatype, a shape and data`},
		{wire.Tensors, tensor(`"name": "age", "datatype": "INT65", "shape": [1], "data": [1]`), `unknown datatype "INT65"`},
		{wire.Tensors, tensor(`"name": "age", "datatype": "BYTES", "shape": [1], "data": ["4111"]`), `input "age" has datatype BYTES, model churn/17 wants INT64`},
		{wire.Tensors, tensor(`"name": "age", "datatype": "INT64", "shape": [2], "data": [1]`), `input "age" has 1 values, its shape says 2`},
		{wire.Tensors, tensor(`"name": "rate", "datatype": "INT64", "shape": [1], "data": [1.5]`), `row 1, column "rate": a number with a fraction, but the datatype is INT64`},
		{wire.Tensors, tensor(`"name": "age", "datatype": "INT64", "shape": [-1], "data": [1]`), `its shape is not a short list of lengths`},
		{wire.Tensors, tensor(`"name": "age", "datatype": "INT64", "shape": [1, 1, 1], "data": [1]`), `input "age" has 3 dimensions`},
		{wire.Tensors, tensor(`"name": "agee", "datatype": "INT64", "shape": [1], "data": [1]`), `input "agee": the model has no such column; did you mean "age"?`},
		{wire.Tensors, tensor(`"name": "x", "datatype": "FP64", "shape": [1, 7], "data": []`), `input "x" has 7 columns, model churn/17 wants 5: "age", "rate"`},
		{wire.Tensors, tensor(`"name": "x", "datatype": "FP64", "shape": [1, 5], "data": []`), `input "x": column "since" of model churn/17 is no number; send an input for each column`},
		{wire.Tensors, tensor(`"name": "city", "datatype": "BYTES", "shape": [1], "data": ["!"], "parameters": {"content_type": "hex"}`), `unknown content_type "hex"`},
		{wire.Tensors, tensor(`"name": "city", "datatype": "BYTES", "parameters": {"content_type": "base64"}, "shape": [1], "data": ["4111!"]`), `a text that is not base64`},
		{wire.Tensors, `{"inputs": [], "outputs": [{"name": "predict_prob"}]}`, `unknown output "predict_prob"; model churn/17 has "predict", "predict_proba"`},
		{wire.Tensors, `{"inputs": [{"name": "age", "datatype": "INT64", "shape": [1], "data": [1]}, {"name": "active", "datatype": "BOOL", "shape": [1], "data": [null]}, {"name": "since", "datatype": "BYTES", "shape": [2], "data": [null, null]}]}`, `column "since" has 2 rows, column "age" has 1`},
		{wire.Tensors, tensor(`"name": "age", "datatype": "INT64", "shape": [1], "data": [1]`), `column "active" is absent`},
		{wire.Invocations, `{"rows": []}`, `exactly one of the input fields {'dataframe_split', 'dataframe_records', 'instances', 'inputs'}. Received dictionary with input fields: ['rows']`},
		{wire.Invocations, `{"inputs": [], "instances": []}`, `Received dictionary with input fields: ['inputs', 'instances']`},
		{wire.Invocations, `[]`, `The input must be a JSON dictionary`},
		{wire.Invocations, `{"dataframe_split": {"data": []}}`, `dataframe_split needs "columns" and "data"`},
		{wire.Invocations, `{"dataframe_split": {"columns": ["agee"], "data": []}}`, `column "agee": the model has no such column; did you mean "age"?`},
		{wire.Invocations, `{"dataframe_split": {"columns": ["age", "age"], "data": []}}`, `column "age" is given twice`},
		{wire.Invocations, `{"dataframe_split": {"columns": ["age"], "data": [[1, 2]]}}`, `row 1: it does not have 1 values, one for each column`},
		{wire.Invocations, `{"instances": [4111]}`, `row 1: a number, but the model has 5 columns`},
		{wire.Invocations, `{"inputs": {"age": 4111}}`, `column "age": a number, but a list of values is wanted`},
		{wire.CSV, ``, `the request is empty`},
		{wire.CSV, "agee\n1\n", `column "agee": the model has no such column; did you mean "age"?`},
		{wire.CSV, "age,active,since\nx4111,1,2024-01-02\n", `row 1, column "age": the cell cannot be read: an integer is wanted`},
		{wire.CSV, "age,active,since\n1\n", `malformed CSV: record on line 2: wrong number of fields`},
		{wire.CSV, "age\n1\n", `row 1, column "active": the column is absent`},
	} {
		r, err := wire.New(version, schema).Read(c.form, []byte(c.body), 100)
		if err == nil {
			r.Free()
			t.Errorf("form %d, %s: accepted", c.form, c.body)
			continue
		}
		got := err.Error() + "; " + bakeoff.HintOf(err)
		if bakeoff.CodeOf(err) != bakeoff.CodeInvalid || !strings.Contains(got, c.want) {
			t.Errorf("form %d, %s:\n got %s (%s)\nwant %s", c.form, c.body, got, bakeoff.CodeOf(err), c.want)
		}
		if strings.Contains(got, "4111") {
			t.Errorf("the error shows a value: %s", got)
		}
	}
}

func TestTooManyRowsAreRefusedAtTheFirstTooMany(t *testing.T) {
	single := bakeoff.Schema{Columns: numeric.Columns[:1], Target: "y", Task: bakeoff.Regression}
	list := func(item string) string { return strings.TrimSuffix(strings.Repeat(item+",", 101), ",") }
	for form, body := range map[wire.Form]string{
		wire.Rows:        `{"rows": [` + list(`{"age": 1}`) + `, and this is not read`,
		wire.Tensors:     `{"inputs": [{"name": "age", "datatype": "INT8", "shape": [101], "data": [` + list(`1`) + `]}]}`,
		wire.Invocations: `{"instances": [` + list(`1`) + `]}`,
		wire.CSV:         "age\n" + strings.Repeat("1\n", 101),
	} {
		_, err := wire.New(version, single).Read(form, []byte(body), 100)
		if !errors.Is(err, wire.ErrTooManyRows) || !strings.Contains(err.Error(), "100") {
			t.Errorf("form %d: %v", form, err)
		}
	}
}

func TestMemoryIsUsedAgainWithoutATrace(t *testing.T) {
	c := wire.New(version, schema)
	for range 3 {
		first, err := c.Read(wire.Rows, []byte(`{"rows": [{"age": 1, "rate": 2, "active": true, "since": "2024-01-02", "city": "Paris"}, {"age": 1, "active": true, "since": "2024-01-02"}]}`), 100)
		if err != nil || first.Unseen() != 1 {
			t.Fatal(first, err)
		}
		first.Free()
		second, err := c.Read(wire.Rows, []byte(`{"rows": [{"age": 3, "active": false, "since": "2024-01-03"}]}`), 100)
		if err != nil {
			t.Fatal(err)
		}
		want := []map[string]any{{"age": 3.0, "rate": nil, "active": false, "since": "2024-01-03", "city": nil}}
		if diff := cmp.Diff(want, second.Table().ToRows(0, second.Table().Rows)); diff != "" || second.Unseen() != 0 {
			t.Errorf("%d unseen, -want +got:\n%s", second.Unseen(), diff)
		}
		second.Free()
	}
}

func TestAnswersAreWrittenInTheFormOfTheRequest(t *testing.T) {
	classes := &bakeoff.Predictions{Classes: schema.Classes, Probabilities: []float64{0.75, 0.25, 1e-9, 1 - 1e-9}}
	values := &bakeoff.Predictions{Values: []float64{-1.5, math.Pi}}
	for name, c := range map[string]struct {
		schema     bakeoff.Schema
		form       wire.Form
		body, want string
	}{
		"rows": {
			schema, wire.Rows, `{"rows": []}`,
			`{"model":"churn","version":17,"predictions":["no","yes"],"classes":["no","yes"],"probabilities":[[0.75,0.25],[1e-09,0.999999999]],"unseen_categories":0}`,
		},
		"rows, regression": {numeric, wire.Rows, `{"rows": []}`, `{"model":"churn","version":17,"predictions":[-1.5,3.141592653589793],"unseen_categories":0}`},
		"tensors": {
			numeric, wire.Tensors, `{"id": "a\"b", "inputs": [{"name": "x", "datatype": "FP64", "shape": [0, 3], "data": []}]}`,
			`{"model_name":"churn","model_version":"17","id":"a\"b","outputs":[{"name":"predict","shape":[2],"datatype":"FP64","data":[-1.5,3.141592653589793]}]}`,
		},
		"invocation": {schema, wire.Invocations, `{"instances": []}`, `{"predictions":["no","yes"]}`},
		"csv":        {numeric, wire.CSV, "age,active\n", `{"predictions":[-1.5,3.141592653589793]}`},
	} {
		r, err := wire.New(version, c.schema).Read(c.form, []byte(c.body), 100)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		p := classes
		if c.schema.Task == bakeoff.Regression {
			p = values
		}
		got := string(r.Append(nil, p))
		if got != c.want+"\n" || !json.Valid([]byte(got)) {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
		r.Free()
	}
}

func TestOnlyTheOutputsThatAreAskedForAreGiven(t *testing.T) {
	inputs := `"inputs": [{"name": "age", "datatype": "INT8", "shape": [1], "data": [1]}, {"name": "active", "datatype": "BOOL", "shape": [1], "data": [true]}, {"name": "since", "datatype": "BYTES", "shape": [1], "data": ["2024-01-02"]}]`
	p := &bakeoff.Predictions{Classes: schema.Classes, Probabilities: []float64{0.25, 0.75}}
	class := `{"name":"predict","shape":[1],"datatype":"BYTES","data":["yes"]}`
	probability := `{"name":"predict_proba","shape":[1,2],"datatype":"FP64","data":[0.25,0.75]}`
	for outputs, want := range map[string]string{
		``: class + "," + probability,
		`"outputs": [{"name": "predict_proba", "parameters": {"binary_data": false}}], `: probability,
		`"outputs": [{"name": "predict"}], `:                                             class,
	} {
		r, err := wire.New(version, schema).Read(wire.Tensors, []byte(`{`+outputs+inputs+`}`), 100)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(r.Append(nil, p)); got != `{"model_name":"churn","model_version":"17","outputs":[`+want+"]}\n" {
			t.Errorf("%s: %s", outputs, got)
		}
		r.Free()
	}
}
