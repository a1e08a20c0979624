package learn_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/learn"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestNeighboursAnswerAsScikitLearnsPipeline(t *testing.T) {
	for _, tt := range []struct {
		fixture, file string
		task          bakeoff.LearningTask
	}{
		{"penguins_species_knn", penguinsFile, bakeoff.Multiclass},
		{"penguins_mass_knn", penguinsFile, bakeoff.Regression},
		{"telco_churn_knn", churnFile, bakeoff.Binary},
	} {
		b, err := os.ReadFile(filepath.Join("testdata", tt.fixture+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var want struct {
			Target            string
			Rows              []int // of the holdout, those without a tie
			Uniform, Distance []float64
		}
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatal(err)
		}
		s := readSet(t, tt.file, want.Target, tt.task)
		for weights, answers := range map[string][]float64{"uniform": want.Uniform, "distance": want.Distance} {
			t.Run(tt.fixture+"/"+weights, func(t *testing.T) {
				r := s.request(learn.KNN)
				r.Params = fmt.Appendf(nil, `{"weights": %q}`, weights)
				p := predict(t, train(t, r), s.holdout)
				var got []float64
				for _, row := range want.Rows {
					k := max(1, len(p.Classes))
					got = append(got, append(p.Values, p.Probabilities...)[row*k:(row+1)*k]...)
				}
				const tolerance = 1e-9
				if diff := cmp.Diff(answers, got, cmpopts.EquateApprox(tolerance, tolerance)); diff != "" {
					t.Errorf("answers (-scikit-learn +ours):\n%.2000s", diff)
				}
			})
		}
	}
}

// The rows that a large table keeps are drawn by the seed, and the model says how many they are.
func TestNeighboursOfASample(t *testing.T) {
	s := readSet(t, churnFile, "churn", bakeoff.Binary)
	r := s.request(learn.KNN)
	r.Params = json.RawMessage(`{"max_rows": 1000, "n_neighbors": 25}`)
	var said string
	r.Progress = func(_ float64, message string) { said = message }
	m := train(t, r)
	if want := fmt.Sprintf("1000 rows kept of %d, drawn by the seed", s.train.Rows); said != want {
		t.Errorf("said %q, want %q", said, want)
	}
	if got := rocAUC(predict(t, m, s.holdout), s.truth.Codes); !(got > 0.77) {
		t.Errorf("roc_auc %.4f, want above 0.77", got)
	}
	r.Seed++
	if diff := cmp.Diff(encode(t, m), encode(t, train(t, r))); diff == "" {
		t.Error("two seeds, one sample")
	}
}

func TestMoreNeighboursThanRows(t *testing.T) {
	s := readSet(t, penguinsFile, "species", bakeoff.Multiclass).first(4)
	s.labels.Codes = []int32{0, 1, 2, 0}
	s.labels.Weights = []float64{1, 1, 0, 1}
	r := s.request(learn.KNN)
	_, err := learn.Train(t.Context(), r)
	const want = "n_neighbors is 5, but there are 3 training rows to be neighbours"
	if bakeoff.CodeOf(err) != bakeoff.CodeInvalid || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one with %q", err, want)
	}
	r.Params = json.RawMessage(`{"n_neighbors": 3}`)
	p := predict(t, train(t, r), s.train)
	if diff := cmp.Diff([]float64{2. / 3, 1. / 3, 0}, p.Probabilities[:3], cmpopts.EquateApprox(1e-12, 0)); diff != "" {
		t.Errorf("the row of weight zero votes (-want +got):\n%s", diff)
	}
}

func TestVotesAreWeighted(t *testing.T) {
	table := &dataset.Table{Rows: 3, Columns: []dataset.Column{{Name: "x", Kind: bakeoff.KindNumber, Numbers: []float64{0, 1, 10}}}}
	s := set{train: table, schema: bakeoff.Schema{Target: "y", Task: bakeoff.Regression, Columns: schemaOf(table)}}
	s.labels = bakeoff.Labels{Values: []float64{4, 8, 100}, Weights: []float64{3, 1, 1}}
	for weights, want := range map[string]float64{"uniform": 5, "distance": 4} {
		r := s.request(learn.KNN)
		r.Params = fmt.Appendf(nil, `{"n_neighbors": 2, "weights": %q}`, weights)
		if got := predict(t, train(t, r), table).Values[0]; got != want {
			t.Errorf("%s: %v, want %v", weights, got, want)
		}
	}
}

// What stands in a column matters to neighbours, not where the column stands.
func TestNeighboursDoNotMindTheOrderOfColumns(t *testing.T) {
	s := readSet(t, churnFile, "churn", bakeoff.Binary)
	want := predict(t, train(t, s.request(learn.KNN)), s.holdout)
	s.train = &dataset.Table{Rows: s.train.Rows, Columns: slices.Clone(s.train.Columns)}
	slices.Reverse(s.train.Columns)
	s.schema.Columns = schemaOf(s.train)
	got := predict(t, train(t, s.request(learn.KNN)), s.holdout)
	other := 0
	for i, p := range want.Probabilities {
		if p != got.Probabilities[i] {
			other++ // rows that are as near but for the last digit
		}
	}
	if other > 4 {
		t.Errorf("%d answers of %d are others", other, len(want.Probabilities))
	}
}
