package dataset_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// weighted is a file with the columns x, w, y and side.
func weighted(tb testing.TB, rows ...string) dataset.Source {
	tb.Helper()
	s := source(tb, "x,w,y,side\n"+strings.Join(rows, "\n")+"\n")
	s.Weight = "w"
	return s
}

// A weight is kept for the training rows, is no feature and makes no other row of one.
func TestWeight(t *testing.T) {
	freeze := func(first string) (bakeoff.Snapshot, *dataset.Rows, *dataset.Rows) {
		s := weighted(t, "1,"+first+",a,train", "2,0,b,train", "3,2.5,b,train", "9,nonsense,,train", "4,1,a,test", "5,1,b,test")
		train, holdout := filepath.Join(t.TempDir(), "train"), filepath.Join(t.TempDir(), "holdout")
		snapshot, err := dataset.Freeze(t.Context(), s, train, holdout)
		if err != nil {
			t.Fatal(err)
		}
		return snapshot, read(t, train, snapshot.Schema), read(t, holdout, snapshot.Schema)
	}
	snapshot, train, holdout := freeze("3")
	if diff := cmp.Diff([]float64{3, 0, 2.5}, train.Labels.Weights); diff != "" {
		t.Errorf("weights (-want +got):\n%s", diff)
	}
	if holdout.Labels.Weights != nil {
		t.Errorf("the holdout has weights: %v", holdout.Labels.Weights)
	}
	if diff := cmp.Diff([]string{"x"}, columnNames(snapshot.Schema)); diff != "" {
		t.Errorf("features (-want +got):\n%s", diff)
	}
	if _, other, _ := freeze("7"); !cmp.Equal(train.Identity, other.Identity) {
		t.Error("another weight makes another row")
	}
	var b bytes.Buffer
	if err := dataset.WriteCSV(&b, train, snapshot.Schema); err != nil {
		t.Fatal(err)
	}
	if want := "x,w,y\n1,3,a\n2,0,b\n3,2.5,b\n"; b.String() != want {
		t.Errorf("as CSV:\n%s\nwant\n%s", &b, want)
	}
}

func read(t *testing.T, path string, schema bakeoff.Schema) *dataset.Rows {
	t.Helper()
	rows, err := dataset.ReadParquet(t.Context(), path, schema)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestBadWeights(t *testing.T) {
	rows := func(weight string) []string {
		return []string{"1,1,a,train", "2,1,b,train", "3," + weight + ",b,train", "4,1,a,test", "5,1,b,test"}
	}
	tests := map[string]struct {
		rows []string
		edit func(*dataset.Source)
		want string
	}{
		"missing":     {rows: rows(""), want: `:4: row 3, column "w": the weight is missing`},
		"negative":    {rows: rows("-1"), want: `:4: row 3, column "w": the weight "-1" is not a finite number from 0`},
		"infinite":    {rows: rows("inf"), want: `:4: row 3, column "w": the weight "inf" is not a finite number from 0`},
		"text":        {rows: rows("much"), want: `:4: row 3, column "w": the weight "much" is not a finite number from 0`},
		"all zero":    {rows: []string{"1,0,a,train", "2,0,b,train", "3,1,a,test", "4,1,b,test"}, want: `column "w": every training row has weight 0`},
		"not there":   {edit: func(s *dataset.Source) { s.Weight = "weight" }, want: `data.weight: there is no column "weight"`},
		"the target":  {edit: func(s *dataset.Source) { s.Weight = "y" }, want: `cannot be both the weights and the target`},
		"the side":    {edit: func(s *dataset.Source) { s.Weight = "side" }, want: `cannot be both the weights and the column of the split`},
		"ignored":     {edit: func(s *dataset.Source) { s.Ignore = []string{"w"} }, want: `cannot be both the weights and ignored`},
		"no number":   {edit: func(s *dataset.Source) { s.Columns = map[string]bakeoff.Kind{"w": bakeoff.KindDate} }, want: `are stated to be date`},
		"the row key": {edit: func(s *dataset.Source) { s.Key = "w" }, want: `cannot be both the weights and the key`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if tt.rows == nil {
				tt.rows = rows("1")
			}
			s := weighted(t, tt.rows...)
			if tt.edit != nil {
				tt.edit(&s)
			}
			_, err := dataset.Inspect(t.Context(), s)
			if bakeoff.CodeOf(err) != bakeoff.CodeInvalid || !strings.Contains(fmt.Sprint(err), tt.want) || bakeoff.HintOf(err) == "" {
				t.Errorf("%v, hint %q; want %q", err, bakeoff.HintOf(err), tt.want)
			}
		})
	}
}
