package judge_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/judge"
	"github.com/bakeoffhq/bakeoff/internal/learn"
)

// learned scores with a model of the built-in learners.
type learned struct{ *learn.Model }

func (l learned) Score(ctx context.Context, t *dataset.Table) (*bakeoff.Predictions, error) {
	return l.Predict(ctx, t, 1)
}

func (learned) Close() error { return nil }

// Two nights on the Telco churn data: the first promotes, the second, on the same rows, keeps.
func TestEvaluateRealModels(t *testing.T) {
	source, err := filepath.Abs("../../examples/churn/telco_churn.csv")
	if err != nil {
		t.Fatal(err)
	}
	train, test := filepath.Join(t.TempDir(), "train"), filepath.Join(t.TempDir(), "holdout")
	snapshot, err := dataset.Freeze(t.Context(), dataset.Source{
		Path: source, Target: "churn", Split: bakeoff.Split{Holdout: 0.2, By: bakeoff.SplitByHash, Seed: 1},
	}, train, test)
	if err != nil {
		t.Fatal(err)
	}
	training, held := read(t, train, snapshot.Schema), read(t, test, snapshot.Schema)
	models := map[bakeoff.Digest]learned{}
	in := judge.Inputs{
		Pipeline: &bakeoff.Pipeline{
			Name: "churn", AtLeast: 2,
			Judge: bakeoff.Judge{Metric: "roc_auc", Also: []string{"accuracy", "log_loss"}},
			Gate:  bakeoff.Gate{Floors: map[string]float64{"roc_auc": 0.8}},
		},
		Snapshot: snapshot, Train: training.Labels, Holdout: held,
		Open: func(_ context.Context, artifact bakeoff.Digest, _ bakeoff.Candidate, _ bakeoff.Schema) (judge.Scorer, error) {
			return models[artifact], nil
		},
	}
	params := map[string]string{"random_forest": `{"trees": 10}`}
	for _, learner := range []string{"logistic_regression", "random_forest"} {
		m, err := learn.Train(t.Context(), learn.Request{
			Learner: learner, Params: json.RawMessage(params[learner]), Table: training.Table, Schema: snapshot.Schema, Labels: training.Labels, Seed: 1, Threads: 2,
		})
		if err != nil {
			t.Fatal(err)
		}
		models[digest(learner)] = learned{m}
		in.Entries = append(in.Entries, entry(learner))
	}

	first := evaluate(t, in)
	best := first.Leaderboard[0]
	if first.Verdict != bakeoff.Promoted || !strings.HasPrefix(first.Reason, "first champion: "+first.Candidate+" has roc_auc 0.8") {
		t.Fatalf("%s: %s", first.Verdict, first.Reason)
	}
	t.Log(first.Reason)
	if bounds := best.Interval["roc_auc"]; best.Metrics["roc_auc"] < 0.82 || bounds[0] < 0.79 || bounds[1] > 0.9 {
		t.Errorf("%s: %v, %v", best.Candidate, best.Metrics, bounds)
	}
	if last := first.Leaderboard[2]; last.Candidate != bakeoff.BaselineName || last.Metrics["roc_auc"] != 0.5 {
		t.Errorf("%+v", last)
	}

	in.Champion = &bakeoff.Version{
		Model: "churn", Version: 1, Candidate: first.Candidate, Artifact: best.Artifact, Bytes: best.Bytes,
		Lineage: bakeoff.Lineage{Snapshot: snapshot},
	}
	in.ChampionSeen = training.Identity
	second := evaluate(t, in)
	t.Log(second.Reason)
	if second.Verdict != bakeoff.Kept || !strings.HasSuffix(second.Reason, "and a tie goes to the champion") {
		t.Errorf("%s: %s", second.Verdict, second.Reason)
	}
	if first.Rows != snapshot.Rows || second.Rows != snapshot.Rows {
		t.Errorf("rows %+v and %+v, want %+v: the split keeps apart what is trained on and judged", first.Rows, second.Rows, snapshot.Rows)
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
