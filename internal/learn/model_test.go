package learn_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
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

// small are parameters that make each learner quick.
var small = map[string]string{
	learn.RandomForest:     `{"trees": 12}`,
	learn.ExtraTrees:       `{"n_estimators": 12}`,
	learn.GradientBoosting: `{"iterations": 12}`,
	learn.MLP:              `{"hidden_layer_sizes": [8], "max_iter": 40}`,
}

func (s set) request(learner string) learn.Request {
	return learn.Request{
		Learner: learner, Params: json.RawMessage(small[learner]),
		Table: s.train, Schema: s.schema, Labels: s.labels, Seed: 7, Threads: 2,
	}
}

func train(t testing.TB, r learn.Request) *learn.Model {
	t.Helper()
	m, err := learn.Train(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func predict(t testing.TB, m *learn.Model, table *dataset.Table) *bakeoff.Predictions {
	t.Helper()
	p, err := m.Predict(t.Context(), table, 2)
	if err != nil {
		t.Fatal(err)
	}
	if p.Len() != table.Rows {
		t.Fatalf("%d answers for %d rows", p.Len(), table.Rows)
	}
	k := len(p.Classes)
	for i := range table.Rows {
		sum := 0.0
		for c := range k {
			sum += p.Probabilities[i*k+c]
		}
		if k > 0 && !(math.Abs(sum-1) < 1e-9) || k == 0 && !(math.Abs(p.Values[i]) < math.MaxFloat64) {
			t.Fatalf("row %d: the answer is no distribution or no number", i)
		}
	}
	return p
}

func encode(t testing.TB, m *learn.Model) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := m.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// eachFit runs a test for every learner and every task that it fits, on penguins and churn.
func eachFit(t *testing.T, test func(t *testing.T, learner string, s set)) {
	sets := []set{
		readSet(t, churnFile, "churn", bakeoff.Binary).first(1500),
		readSet(t, penguinsFile, "species", bakeoff.Multiclass),
		readSet(t, penguinsFile, "body_mass_g", bakeoff.Regression),
	}
	for _, learner := range learn.Learners() {
		for _, s := range sets {
			if learn.Fits(learner, s.schema.Task) {
				t.Run(learner+"/"+string(s.schema.Task), func(t *testing.T) { test(t, learner, s) })
			}
		}
	}
}

func TestLinearModelsAnswerAsScikitLearnsPipeline(t *testing.T) {
	for _, tt := range []struct {
		fixture, file, learner string
		task                   bakeoff.LearningTask
	}{
		{"penguins_species", penguinsFile, learn.LogisticRegression, bakeoff.Multiclass},
		{"penguins_mass", penguinsFile, learn.LinearRegression, bakeoff.Regression},
		{"telco_churn", churnFile, learn.LogisticRegression, bakeoff.Binary},
	} {
		t.Run(tt.fixture, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join("testdata", tt.fixture+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var want struct {
				Target                string
				Probabilities, Values []float64
			}
			if err := json.Unmarshal(b, &want); err != nil {
				t.Fatal(err)
			}
			s := readSet(t, tt.file, want.Target, tt.task)
			p := predict(t, train(t, s.request(tt.learner)), s.holdout)
			const tolerance = 1e-6
			near := cmp.Options{cmpopts.EquateApprox(tolerance/1000, tolerance), cmpopts.EquateEmpty()}
			if diff := cmp.Diff(want.Probabilities, p.Probabilities[:len(want.Probabilities)], near); diff != "" {
				t.Errorf("probabilities (-scikit-learn +ours):\n%.2000s", diff)
			}
			if diff := cmp.Diff(want.Values, p.Values[:len(want.Values)], near); diff != "" {
				t.Errorf("values (-scikit-learn +ours):\n%.2000s", diff)
			}
		})
	}
}

func TestChurnIsLearnt(t *testing.T) {
	s := readSet(t, churnFile, "churn", bakeoff.Binary)
	for learner, least := range map[string]float64{
		learn.LogisticRegression: 0.83,
		learn.RandomForest:       0.81,
		learn.NaiveBayes:         0.79,
		learn.GradientBoosting:   0.82,
	} {
		t.Run(learner, func(t *testing.T) {
			r := s.request(learner)
			if learner == learn.RandomForest {
				r.Params = json.RawMessage(`{"trees": 40}`)
			} else {
				r.Params = nil
			}
			got := rocAUC(predict(t, train(t, r), s.holdout), s.truth.Codes)
			t.Logf("roc_auc %.4f", got)
			if !(got >= least) {
				t.Errorf("roc_auc %.4f, want at least %.2f", got, least)
			}
		})
	}
}

func TestThreadsChangeNoByte(t *testing.T) {
	eachFit(t, func(t *testing.T, learner string, s set) {
		r := s.request(learner)
		r.Threads = 1
		want := encode(t, train(t, r))
		for _, threads := range []int{0, 2, 7} {
			r.Threads = threads
			if got := encode(t, train(t, r)); !bytes.Equal(got, want) {
				t.Errorf("%d threads make another model than one", threads)
			}
		}
	})
}

func TestDecodedModelIsTheSame(t *testing.T) {
	eachFit(t, func(t *testing.T, learner string, s set) {
		m := train(t, s.request(learner))
		b := encode(t, m)
		back, err := learn.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(encode(t, back), b) {
			t.Error("encoded again, it has other bytes")
		}
		if back.Learner() != learner {
			t.Errorf("learner %q", back.Learner())
		}
		if diff := cmp.Diff(s.schema, back.Schema()); diff != "" {
			t.Errorf("schema (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(predict(t, m, s.holdout), predict(t, back, s.holdout)); diff != "" {
			t.Errorf("predictions (-before +after):\n%.2000s", diff)
		}
	})
}

func TestColumnsAreFoundByName(t *testing.T) {
	eachFit(t, func(t *testing.T, learner string, s set) {
		m := train(t, s.request(learner))
		turned := &dataset.Table{Rows: s.holdout.Rows}
		turned.Columns = append(turned.Columns, dataset.Column{Name: "another", Kind: bakeoff.KindNumber, Numbers: make([]float64, s.holdout.Rows)})
		for i := len(s.holdout.Columns) - 1; i >= 0; i-- {
			turned.Columns = append(turned.Columns, s.holdout.Columns[i])
		}
		if diff := cmp.Diff(predict(t, m, s.holdout), predict(t, m, turned)); diff != "" {
			t.Errorf("predictions (-as trained +turned):\n%.2000s", diff)
		}
	})
}

func TestRowsDoNotInfluenceEachOther(t *testing.T) {
	eachFit(t, func(t *testing.T, learner string, s set) {
		m := train(t, s.request(learner))
		all := predict(t, m, s.holdout)
		width := max(1, len(all.Classes))
		for row := range 20 {
			one := predict(t, m, s.holdout.Slice(row, row+1))
			if diff := cmp.Diff(all.Probabilities[min(row*width, len(all.Probabilities)):min((row+1)*width, len(all.Probabilities))], one.Probabilities, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("row %d (-among others +alone):\n%s", row, diff)
			}
			if len(all.Values) > 0 && all.Values[row] != one.Values[0] {
				t.Errorf("row %d: %v among others, %v alone", row, all.Values[row], one.Values[0])
			}
		}
	})
}

func TestPredictNamesTheColumn(t *testing.T) {
	s := readSet(t, penguinsFile, "species", bakeoff.Multiclass)
	m := train(t, s.request(learn.LogisticRegression))
	without := &dataset.Table{Rows: s.holdout.Rows, Columns: s.holdout.Columns[2:]}
	wrong := &dataset.Table{Rows: 1}
	for _, c := range s.holdout.Columns {
		wrong.Columns = append(wrong.Columns, dataset.Column{Name: c.Name, Kind: bakeoff.KindCategory, Codes: []int32{-1}})
	}
	for want, table := range map[string]*dataset.Table{
		`missing columns "island", "bill_length_mm"`: without,
		`wrong kind of columns "bill_length_mm" is category, not number, "bill_depth_mm" is category, not number, ` +
			`"flipper_length_mm" is category, not number, "body_mass_g" is category, not number`: wrong,
	} {
		_, err := m.Predict(t.Context(), table, 1)
		if bakeoff.CodeOf(err) != bakeoff.CodeInvalid || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

func TestTrainRefusesWhatCannotBeLearnt(t *testing.T) {
	s := readSet(t, penguinsFile, "species", bakeoff.Multiclass)
	mass := readSet(t, penguinsFile, "body_mass_g", bakeoff.Regression)
	one := bakeoff.Labels{Classes: s.labels.Classes, Codes: make([]int32, s.train.Rows)}
	tests := map[string]struct {
		change func(r *learn.Request)
		want   string
	}{
		"unknown learner": {func(r *learn.Request) { r.Learner = "xgboost" }, `unknown learner "xgboost"`},
		"parameter":       {func(r *learn.Request) { r.Params = json.RawMessage(`{"C": -1}`) }, "C must be between"},
		"another task":    {func(r *learn.Request) { r.Learner = learn.LinearRegression }, "linear_regression cannot learn a multiclass target"},
		"one class":       {func(r *learn.Request) { r.Labels = one }, `target "species" has one value only`},
		"other classes":   {func(r *learn.Request) { r.Labels.Classes = []string{"a", "b", "c"} }, "are not the schema's"},
		"code":            {func(r *learn.Request) { r.Labels.Codes = append([]int32{3}, r.Labels.Codes[1:]...) }, "training row 1 is class 3 of 3"},
		"too few labels":  {func(r *learn.Request) { r.Labels.Codes = r.Labels.Codes[1:] }, "labels for"},
		"no rows":         {func(r *learn.Request) { r.Table = r.Table.Slice(0, 0) }, "no training rows"},
		"missing column":  {func(r *learn.Request) { r.Table = &dataset.Table{Rows: r.Table.Rows} }, `missing columns "island"`},
		"infinite target": {func(r *learn.Request) {
			*r = mass.request(learn.RandomForest)
			r.Labels.Values = append([]float64{math.Inf(1)}, r.Labels.Values[1:]...)
		}, "training row 1 is not a finite number"},
		"huge target": {func(r *learn.Request) {
			*r = mass.request(learn.LinearRegression)
			r.Labels.Values = slices.Clone(r.Labels.Values)
			for i := range r.Labels.Values {
				r.Labels.Values[i] = math.Copysign(1.7e308, float64(i%2)-0.5)
			}
		}, "too large"},
		"text that is no text": {func(r *learn.Request) { r.Schema.Target = "\xff" }, "not UTF-8"},
		"unsorted categories": {func(r *learn.Request) {
			r.Schema.Columns = append([]bakeoff.ColumnSchema{{Name: "island", Kind: bakeoff.KindCategory, Categories: []string{"b", "a"}}}, r.Schema.Columns[1:]...)
		}, "not sorted"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := s.request(learn.LogisticRegression)
			tt.change(&r)
			_, err := learn.Train(t.Context(), r)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestProgressAndCancellation(t *testing.T) {
	words := map[string]string{
		learn.LogisticRegression: "iteration %d", learn.LinearRegression: "iteration %d",
		learn.RandomForest: "tree %d/12", learn.ExtraTrees: "tree %d/12", learn.GradientBoosting: "iteration %d/12",
		learn.NaiveBayes: "%d columns",
		learn.KNN:        "%d rows kept", learn.MLP: "epoch %d/40",
	}
	stop := errors.New("stop")
	eachFit(t, func(t *testing.T, learner string, s set) {
		r := s.request(learner)
		calls, last := 0, -1.0
		r.Progress = func(fraction float64, message string) {
			var n int
			if _, err := fmt.Sscanf(message, words[learner], &n); err != nil || n < 1 {
				t.Errorf("message %q: %v", message, err)
			}
			calls++
			last = fraction
		}
		train(t, r)
		if calls == 0 || last != 1 {
			t.Errorf("%d calls, the last at %v", calls, last)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(stop)
		if _, err := learn.Train(ctx, r); !errors.Is(err, stop) {
			t.Errorf("cancelled before it began: %v", err)
		}
		m := train(t, s.request(learner))
		if _, err := m.Predict(ctx, s.holdout, 2); !errors.Is(err, stop) {
			t.Errorf("cancelled prediction: %v", err)
		}
	})
}
