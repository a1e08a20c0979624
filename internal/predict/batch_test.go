package predict_test

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/learn"
	"github.com/bakeoffhq/bakeoff/internal/predict"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// model is a built-in learner's model as a batch needs it.
type model struct{ *learn.Model }

func (m model) Score(ctx context.Context, t *dataset.Table) (*bakeoff.Predictions, error) {
	return m.Predict(ctx, t, 1)
}

func (model) Serial() bool { return false }

var columns = []bakeoff.ColumnSchema{
	{Name: "age", Kind: bakeoff.KindInteger, Missing: true},
	{Name: "city", Kind: bakeoff.KindCategory, Categories: []string{"Busan", "Jeju", "Seoul, north"}, Missing: true},
}

// train trains on 90 rows: whether the age is above 50 decides, or the age is the number.
func train(t *testing.T, task bakeoff.LearningTask) model {
	t.Helper()
	schema := bakeoff.Schema{Columns: columns, Target: "bought", Task: task}
	table := &dataset.Table{Rows: 90, Columns: []dataset.Column{
		{Name: "age", Kind: bakeoff.KindInteger, Numbers: make([]float64, 90)},
		{Name: "city", Kind: bakeoff.KindCategory, Codes: make([]int32, 90), Levels: columns[1].Categories},
	}}
	var labels bakeoff.Labels
	if task == bakeoff.Binary {
		schema.Classes = []string{"no", "yes"}
		labels = bakeoff.Labels{Classes: schema.Classes, Codes: make([]int32, 90)}
	} else {
		labels.Values = make([]float64, 90)
	}
	for i := range 90 {
		table.Columns[0].Numbers[i], table.Columns[1].Codes[i] = float64(i), int32(i%3)
		if task == bakeoff.Regression {
			labels.Values[i] = float64(i)
		} else if i > 50 {
			labels.Codes[i] = 1
		}
	}
	m, err := learn.Train(t.Context(), learn.Request{Learner: learn.GradientBoosting, Table: table, Schema: schema, Labels: labels, Seed: 1, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	return model{m}
}

// file writes text to a new file and returns its path.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func readCSV(t *testing.T, path string) [][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func TestBatchAddsItsColumnsToTheInputs(t *testing.T) {
	m := train(t, bakeoff.Binary)
	in := file(t, "id;city;age;bought\n7;Busan;20;no\n8;\"Seoul, north\";80;\n9;Atlantis;unknown;yes\n")
	out := filepath.Join(t.TempDir(), "scored.csv")
	sum, err := predict.Batch(t.Context(), m, m.Schema(), []string{"unknown"}, predict.Files{In: in, Out: out})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(predict.Summary{Rows: 3, Unseen: 1}, sum); diff != "" {
		t.Error(diff)
	}
	records := readCSV(t, out)
	wantCells := [][]string{
		{"id", "city", "age", "bought", "prediction", "probability_no", "probability_yes"},
		{"7", "Busan", "20", "no", "no"},
		{"8", "Seoul, north", "80", "", "yes"},
		{"9", "Atlantis", "unknown", "yes"},
	}
	for i, want := range wantCells {
		if diff := cmp.Diff(want, records[i][:len(want)]); diff != "" {
			t.Errorf("record %d: %s", i, diff)
		}
	}
	for _, record := range records[1:] {
		no, noErr := strconv.ParseFloat(record[5], 64)
		yes, yesErr := strconv.ParseFloat(record[6], 64)
		if err := errors.Join(noErr, yesErr); err != nil || no+yes < 1-1e-12 || no+yes > 1+1e-12 || (yes > no) != (record[4] == "yes") {
			t.Errorf("record %q (%v)", record, err)
		}
	}
}

func TestBatchOfNumbers(t *testing.T) {
	m := train(t, bakeoff.Regression)
	out := filepath.Join(t.TempDir(), "scored.csv")
	if _, err := predict.Batch(t.Context(), m, m.Schema(), nil, predict.Files{In: file(t, "age,city\n10,Jeju\n80,Jeju\n"), Out: out}); err != nil {
		t.Fatal(err)
	}
	records := readCSV(t, out)
	if diff := cmp.Diff([]string{"age", "city", "prediction"}, records[0]); diff != "" {
		t.Error(diff)
	}
	low, _ := strconv.ParseFloat(records[1][2], 64)
	high, _ := strconv.ParseFloat(records[2][2], 64)
	if !(low < 30 && high > 60) {
		t.Errorf("predictions %v and %v", low, high)
	}
}

func TestBatchAnswersEveryRowInOrder(t *testing.T) {
	m := train(t, bakeoff.Regression)
	var text strings.Builder
	text.WriteString("row,age,city\n")
	const rows = 5_500
	for i := range rows {
		fmt.Fprintf(&text, "%d,%d,Busan\n", i, i%90)
	}
	out := filepath.Join(t.TempDir(), "scored.csv")
	sum, err := predict.Batch(t.Context(), m, m.Schema(), nil, predict.Files{In: file(t, text.String()), Out: out})
	if err != nil || sum.Rows != rows {
		t.Fatal(sum, err)
	}
	records := readCSV(t, out)[1:]
	for i, record := range records {
		if record[0] != strconv.Itoa(i) || record[3] != records[i%90][3] {
			t.Fatalf("row %d: %q, want the answer of row %d, %s", i, record, i%90, records[i%90][3])
		}
	}
	if len(records) != rows {
		t.Errorf("%d rows", len(records))
	}
}

func TestAnErrorLeavesTheOutputAsItWas(t *testing.T) {
	m := train(t, bakeoff.Binary)
	many := "age,city\n" + strings.Repeat("1,Jeju\n", 2_000)
	for _, c := range []struct {
		name string
		text string
		want string
	}{
		{"a wrong cell, late", many + "old,Jeju\n", `row 2001, column "age"`},
		{"a ragged row, late", many + "1\n", "2001"},
		{"a column lacks", "city\nJeju\n", `"age"`},
		{"prediction is taken", "age,city,prediction\n1,Jeju,\n", `the file has a column "prediction" already`},
		{"a probability is taken", "probability_yes,age,city\n1,1,Jeju\n", `the file has a column "probability_yes" already`},
		{"an empty file", "", "empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "scored.csv")
			if err := os.WriteFile(out, []byte("yesterday's"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := predict.Batch(t.Context(), m, m.Schema(), nil, predict.Files{In: file(t, c.text), Out: out})
			if bakeoff.CodeOf(err) != bakeoff.CodeInvalid || !strings.Contains(err.Error(), c.want) {
				t.Errorf("code %q, error %v; want %q", bakeoff.CodeOf(err), err, c.want)
			}
			onlyFile(t, out, "yesterday's")
		})
	}
}

// onlyFile checks that the file has that text and that nothing is beside it.
func onlyFile(t *testing.T, path, text string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != text {
		t.Errorf("%s holds %q (%v)", path, got, err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("%d files beside %s (%v)", len(entries)-1, path, err)
	}
}

// broken is a model that fails at its second block.
type broken struct {
	model
	blocks int
}

// Serial has the blocks come one by one, in order.
func (b *broken) Serial() bool { return true }

func (b *broken) Score(ctx context.Context, t *dataset.Table) (*bakeoff.Predictions, error) {
	if b.blocks++; b.blocks > 1 {
		return nil, io.ErrClosedPipe
	}
	return b.model.Score(ctx, t)
}

func TestAModelThatFailsIsTold(t *testing.T) {
	m := &broken{model: train(t, bakeoff.Binary)}
	out := filepath.Join(t.TempDir(), "scored.csv")
	_, err := predict.Batch(t.Context(), m, m.Schema(), nil, predict.Files{In: file(t, "age,city\n"+strings.Repeat("1,Jeju\n", 1_500)), Out: out})
	if !errors.Is(err, io.ErrClosedPipe) || !strings.Contains(err.Error(), "from row 1001") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a half file was left (%v)", err)
	}
}

func TestCancel(t *testing.T) {
	m := train(t, bakeoff.Binary)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out := filepath.Join(t.TempDir(), "scored.csv")
	if _, err := predict.Batch(ctx, m, m.Schema(), nil, predict.Files{In: file(t, "age,city\n1,Jeju\n"), Out: out}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was left (%v)", err)
	}
}

func TestOutputPaths(t *testing.T) {
	m := train(t, bakeoff.Binary)
	in := file(t, "age,city\n1,Jeju\n")
	batch := func(in, out string) error {
		_, err := predict.Batch(t.Context(), m, m.Schema(), nil, predict.Files{In: in, Out: out})
		return err
	}
	if err := batch(in, filepath.Join(t.TempDir(), "no", "such.csv")); bakeoff.CodeOf(err) != bakeoff.CodeInvalid || bakeoff.HintOf(err) == "" {
		t.Errorf("a folder that is not there: %v", err)
	}
	if err := batch(in, t.TempDir()); bakeoff.CodeOf(err) != bakeoff.CodeInvalid || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("a folder: %v", err)
	}
	if err := batch(filepath.Join(t.TempDir(), "rows.csv"), "-"); err == nil {
		t.Error("an input that is not there is scored")
	}
	if err := batch(in, os.DevNull); err != nil {
		t.Errorf("a device: %v", err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Errorf("the device was replaced by a file (%v)", err)
	}
	if err := batch(in, in); err != nil || len(readCSV(t, in)[0]) != 5 {
		t.Errorf("the input as output: %v, %q", err, readCSV(t, in))
	}
}

func TestStdout(t *testing.T) {
	m := train(t, bakeoff.Binary)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	stdout := os.Stdout
	os.Stdout = w
	_, err = predict.Batch(t.Context(), m, m.Schema(), nil, predict.Files{In: file(t, "age,city\n1,Jeju\n"), Out: "-"})
	os.Stdout = stdout
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil || !strings.HasPrefix(string(text), "age,city,prediction,probability_no,probability_yes\n1,Jeju,no,") {
		t.Errorf("%q (%v)", text, err)
	}
}

// TestFormats scores the same rows as CSV and as Parquet, in and out, and wants the same answers.
func TestFormats(t *testing.T) {
	for _, task := range []bakeoff.LearningTask{bakeoff.Binary, bakeoff.Regression} {
		m := train(t, task)
		dir := t.TempDir()
		at := func(name string) string { return filepath.Join(dir, name) }
		var text strings.Builder
		text.WriteString("note,city,age,bought\n")
		for i := range 20_000 {
			fmt.Fprintf(&text, "\"row, %d\",%s,%d,\n", i, []string{"Busan", "", "Atlantis", `"Seoul, north"`}[i%4], i%90)
		}
		if err := os.WriteFile(at("rows.csv"), []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		toParquet(t, m.Schema(), at("rows.csv"), at("rows.parquet"))
		batch := func(in, out string) {
			t.Helper()
			sum, err := predict.Batch(t.Context(), m, m.Schema(), nil, predict.Files{In: at(in), Out: at(out)})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(predict.Summary{Rows: 20_000, Unseen: 5_000}, sum); diff != "" {
				t.Errorf("%s to %s: %s", in, out, diff)
			}
		}
		batch("rows.csv", "scored.csv")
		batch("rows.parquet", "again.csv")
		batch("rows.csv", "scored.parquet")
		batch("rows.parquet", "again.pq")
		want := readCSV(t, at("scored.csv"))
		for _, name := range []string{"again.csv", "scored.parquet", "again.pq"} {
			got := at(name)
			if filepath.Ext(name) != ".csv" {
				got = at(name + ".csv")
				toCSV(t, at(name), got)
			}
			if diff := cmp.Diff(want, readCSV(t, got)); diff != "" {
				t.Errorf("%s: %.2000s", name, diff)
			}
		}
	}
}

// toParquet writes the rows of a file as Parquet.
func toParquet(t *testing.T, schema bakeoff.Schema, from, to string) {
	t.Helper()
	r, err := dataset.OpenCSV(from, schema, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	w, err := dataset.NewParquetWriter(f, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	eachBatch(t, r, func(b *dataset.Batch) {
		table, err := b.Table()
		if err == nil {
			err = w.Write(w.Encode(b, table, nil))
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// toCSV writes the rows of a Parquet file as CSV.
func toCSV(t *testing.T, from, to string) {
	t.Helper()
	r, err := dataset.OpenRows(from, dataset.FormatParquet, bakeoff.Schema{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text := []byte(strings.Join(r.Header(), ",") + "\n")
	eachBatch(t, r, func(b *dataset.Batch) {
		for row := range b.Rows() {
			text = append(b.AppendCSV(text, row), '\n')
		}
	})
	if err := os.WriteFile(to, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func eachBatch(t *testing.T, r *dataset.Reader, do func(*dataset.Batch)) {
	t.Helper()
	for {
		b, err := r.Next(t.Context(), 3_000)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		do(b)
	}
}

func TestParquetToStdout(t *testing.T) {
	m := train(t, bakeoff.Binary)
	_, err := predict.Batch(t.Context(), m, m.Schema(), nil, predict.Files{In: file(t, "age,city\n1,Jeju\n"), Out: dataset.Stream, Stdout: "xml"})
	if bakeoff.CodeOf(err) != bakeoff.CodeInvalid || bakeoff.HintOf(err) == "" {
		t.Errorf("a format that there is not: %v", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	stdout := os.Stdout
	os.Stdout = w
	_, err = predict.Batch(t.Context(), m, m.Schema(), nil, predict.Files{In: file(t, "age,city\n1,Jeju\n"), Out: dataset.Stream, Stdout: dataset.FormatParquet})
	os.Stdout = stdout
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "scored.parquet")
	text, err := io.ReadAll(r)
	if err := errors.Join(err, os.WriteFile(path, text, 0o600)); err != nil {
		t.Fatal(err)
	}
	toCSV(t, path, path+".csv")
	if records := readCSV(t, path+".csv"); len(records) != 2 || records[1][2] != "no" {
		t.Errorf("%q", records)
	}
}
