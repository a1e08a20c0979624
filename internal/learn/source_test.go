package learn_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/learn"
)

// freezeMany freezes rows of every kind, more than a group of the frozen file has.
func freezeMany(t *testing.T, target string) (string, bakeoff.Schema) {
	t.Helper()
	dir := t.TempDir()
	var b bytes.Buffer
	b.WriteString("number,whole,flag,day,place,label,value\n")
	for i := range 90_000 {
		number := fmt.Sprint(float64(i*7919%10_007) / 8)
		if i%13 == 0 {
			number = ""
		}
		fmt.Fprintf(&b, "%s,%d,%t,20%02d-%02d-11,p%d,%s,%d.25\n", number, i%91, i%3 == 0, i%20, 1+i%12, i*i%37, [...]string{"no", "yes", "no"}[i*31%97%3], i*i%1009)
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(path("rows.csv"), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	snapshot, err := dataset.Freeze(t.Context(), dataset.Source{
		Path: path("rows.csv"), Target: target, Split: bakeoff.Split{Holdout: 0.1, By: bakeoff.SplitByHash, Seed: 1},
	}, path("train"), path("holdout"))
	if err != nil {
		t.Fatal(err)
	}
	return path("train"), snapshot.Schema
}

// Learning from a part on disk gives the model that learning from its rows in memory gives, to the byte.
func TestAModelDoesNotDependOnWhereTheRowsAre(t *testing.T) {
	for learner, c := range map[string]struct{ target, params string }{
		learn.GradientBoosting:   {"label", `{"max_iter": 3}`},
		learn.RandomForest:       {"label", `{"n_estimators": 2, "max_depth": 6}`},
		learn.LogisticRegression: {"label", `{"max_iter": 5}`},
		learn.LinearRegression:   {"value", `{}`},
	} {
		t.Run(learner, func(t *testing.T) {
			path, schema := freezeMany(t, c.target)
			rows, err := dataset.ReadParquet(t.Context(), path, schema)
			if err != nil {
				t.Fatal(err)
			}
			part, err := dataset.OpenPart(path, schema)
			if err != nil {
				t.Fatal(err)
			}
			defer part.Close()
			if part.Groups() < 2 {
				t.Fatalf("%d groups of rows, want more", part.Groups())
			}
			last := 0.0
			request := learn.Request{
				Learner: learner, Params: json.RawMessage(c.params), Schema: schema, Labels: rows.Labels, Seed: 1, Threads: 2,
				Progress: func(fraction float64, message string) {
					if fraction < last || fraction > 1 {
						t.Errorf("%v after %v: %s", fraction, last, message)
					}
					last = fraction
				},
			}
			request.Table = rows.Table
			want := encoded(t, request)
			last = 0
			request.Table, request.Part = nil, part
			if !bytes.Equal(want, encoded(t, request)) {
				t.Error("another model")
			}
		})
	}
}

// What cannot be read is an error, and no model that takes it for missing.
func TestAColumnThatCannotBeReadIsAnError(t *testing.T) {
	path, schema := freezeMany(t, "label")
	schema.Columns = append(schema.Columns, bakeoff.ColumnSchema{Name: "gone", Kind: bakeoff.KindNumber})
	part, err := dataset.OpenPart(path, schema)
	if err != nil {
		t.Fatal(err)
	}
	defer part.Close()
	labels, err := part.Labels()
	if err != nil {
		t.Fatal(err)
	}
	for _, learner := range []string{learn.GradientBoosting, learn.LogisticRegression} {
		_, err := learn.Train(t.Context(), learn.Request{
			Learner: learner, Params: json.RawMessage(`{"max_iter": 1}`), Schema: schema, Labels: labels, Part: part, Threads: 2,
		})
		if err == nil || !strings.Contains(err.Error(), `there is no column "gone"`) {
			t.Errorf("%s: error %v", learner, err)
		}
	}
}

func encoded(t *testing.T, r learn.Request) []byte {
	t.Helper()
	m, err := learn.Train(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := m.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
