package build_test

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/build"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/learn"
	"github.com/bakeoffhq/bakeoff/internal/metric"
	"github.com/bakeoffhq/bakeoff/internal/search"
)

func scoreIt(t *testing.T, r build.Request, f build.Folding) bakeoff.SettingScore {
	t.Helper()
	score, err := build.Score(t.Context(), r, f)
	if err != nil {
		t.Fatal(err)
	}
	return score
}

func thirds(name string) build.Folding {
	return build.Folding{Metric: name, Division: search.Division{Folds: 3, Share: 1, Seed: 7}}
}

// TestAScoreIsTheMeanOverTheFolds computes it once more, here, fold by fold.
func TestAScoreIsTheMeanOverTheFolds(t *testing.T) {
	f := freeze(t)
	rows, err := dataset.ReadParquet(t.Context(), f.train, f.snapshot.Schema)
	if err != nil {
		t.Fatal(err)
	}
	m, _ := metric.Lookup("log_loss")
	params := json.RawMessage(`{"C":0.01}`)
	folds := search.Divide(rows, thirds("").Division)
	var sum, squares float64
	for i, fold := range folds {
		train := rows.Choose(append(append([]int{}, folds[(i+1)%3]...), folds[(i+2)%3]...))
		model, err := learn.Train(t.Context(), learn.Request{
			Learner: learn.LogisticRegression, Params: params, Table: train.Table, Labels: train.Labels, Schema: f.snapshot.Schema, Seed: 7, Threads: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		held := rows.Choose(fold)
		answers, err := model.Predict(t.Context(), held.Table, 1)
		if err != nil {
			t.Fatal(err)
		}
		v, err := m.Compute(held.Labels, answers)
		if err != nil {
			t.Fatal(err)
		}
		sum, squares = sum+v, squares+v*v
	}
	got := scoreIt(t, f.request(t, bakeoff.Candidate{Name: "a", Trainer: learn.LogisticRegression, Params: params}), thirds("log_loss"))
	mean := sum / 3
	if want := math.Sqrt(squares/3 - mean*mean); math.Abs(got.Mean-mean) > 1e-9 || math.Abs(got.Spread-want) > 1e-7 || got.Seconds <= 0 {
		t.Errorf("%+v, want a mean of %v and a spread of %v", got, mean, want)
	}
}

func TestAScoreIsTheSameOnAnyNumberOfThreads(t *testing.T) {
	f := freeze(t)
	c := bakeoff.Candidate{Name: "a", Trainer: learn.GradientBoosting, Params: json.RawMessage(`{"max_leaf_nodes":5}`)}
	var first bakeoff.SettingScore
	for i, threads := range []int{1, 2, 7} {
		r := f.request(t, c)
		r.Threads = threads
		score := scoreIt(t, r, thirds("roc_auc"))
		score.Seconds = 0
		if i == 0 {
			first = score
		}
		if diff := cmp.Diff(first, score); diff != "" || score.Mean < 0.9 {
			t.Errorf("%d threads: %+v", threads, score)
		}
	}
}

func TestAScoreThatFails(t *testing.T) {
	f := freeze(t)
	logistic := bakeoff.Candidate{Name: "a", Trainer: learn.LogisticRegression}
	slow := logistic
	slow.Limits.Time = time.Nanosecond
	torn := thirds("roc_auc")
	torn.Folds, torn.Share = 5, 0.005
	for name, c := range map[string]struct {
		candidate bakeoff.Candidate
		folding   build.Folding
		class     bakeoff.FailureClass
		reason    string
	}{
		"a parameter": {bakeoff.Candidate{Name: "a", Trainer: learn.LogisticRegression, Params: json.RawMessage(`{"C":-1}`)}, thirds("roc_auc"), bakeoff.FailedExit, "C must be between"},
		"a fold":      {logistic, torn, bakeoff.FailedExit, "fold "},
		"a metric":    {logistic, thirds("rmse"), bakeoff.FailedExit, "rmse"},
		"time":        {slow, thirds("roc_auc"), bakeoff.FailedTimeLimit, "time limit"},
	} {
		score := scoreIt(t, f.request(t, c.candidate), c.folding)
		if score.Class != c.class || !strings.Contains(score.Reason, c.reason) || !strings.HasPrefix(score.Reason, string(c.class)) || score.OK() {
			t.Errorf("%s: %+v", name, score)
		}
		t.Log(score.Reason)
	}
}

func TestAScoreThatIsNotWantedAnyMoreStops(t *testing.T) {
	f := freeze(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := bakeoff.Candidate{Name: "a", Trainer: learn.GradientBoosting, Params: json.RawMessage(`{"learning_rate":0.001}`)}
	if score, err := build.Score(ctx, f.request(t, c), thirds("roc_auc")); err == nil && score.OK() {
		t.Errorf("scored %+v", score)
	}
}
