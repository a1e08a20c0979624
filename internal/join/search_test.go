package join_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
)

// searching submits a run that searches for the parameters of one candidate, with one setting handed out.
func (n *node) searching(t *testing.T, id string) bakeoff.Task {
	t.Helper()
	run := n.submit(t, id)
	run.Recipes = []bakeoff.Candidate{{Name: "boosting", Trainer: "gradient_boosting", Search: &bakeoff.Search{}}}
	run.Trials = []bakeoff.Trial{{Candidate: "boosting", State: bakeoff.TrialSearching, Search: &bakeoff.Searching{
		Metric: "roc_auc", Folds: 3, Rung: 1, Rungs: 1, Settings: []bakeoff.Setting{
			{Params: json.RawMessage(`{"a":1}`), State: bakeoff.SettingScored, Rung: 1, Scores: []bakeoff.SettingScore{{Mean: 0.9}}},
			{Params: json.RawMessage(`{"a":2}`), State: bakeoff.SettingQueued, Rung: 1},
		},
	}}}
	_, revision, err := n.store.Run(t.Context(), id)
	if err == nil {
		_, err = n.store.UpdateRun(t.Context(), run, revision)
	}
	if err != nil {
		t.Fatal(err)
	}
	task := bakeoff.Task{Run: id, Kind: bakeoff.TaskSearch, Candidate: "boosting", Setting: 2, Rung: 1, Queue: bakeoff.QueueDefault}
	if err := n.store.PublishTask(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	return task
}

// A joined worker scores a setting: it gets the training rows and that setting, and nothing of the others.
func TestAJoinedWorkerScoresASetting(t *testing.T) {
	t.Parallel()
	n := open(t, setup{})
	task := n.searching(t, "churn-a")
	c, dir := n.dial(t, "w"), t.TempDir()
	attempts := make(chan bakeoff.Attempt, 1)
	work(t, c, func(ctx context.Context, a bakeoff.Attempt) (bakeoff.Result, error) {
		attempts <- a
		run, _, err := c.Run(ctx, a.Task.Run)
		if err != nil {
			return bakeoff.Result{}, err
		}
		settings := run.Trials[0].Search.Settings
		if len(settings) != 2 || settings[0].Params != nil || settings[0].Scores != nil || string(settings[1].Params) != `{"a":2}` {
			t.Errorf("told of the settings %+v", settings)
		}
		if err := c.GetFile(ctx, run.Snapshot.Train, filepath.Join(dir, "train")); err != nil {
			return bakeoff.Result{}, err
		}
		return bakeoff.Result{Setting: &bakeoff.SettingScore{Mean: 0.8, Spread: 0.1, Seconds: 1}}, nil
	})
	r := n.results(t, "churn-a", 1)[0]
	if r.Task != task || r.Setting == nil || r.Setting.Mean != 0.8 || r.Setting.Worker != c.Name() || r.Setting.Attempt != 1 || r.Trial != nil {
		t.Errorf("%+v: %+v", r.Task, r.Setting)
	}
}

// A client that holds a setting gets no model in by it, and no score that is none.
func TestALyingWorkerScoresNothing(t *testing.T) {
	t.Parallel()
	n := open(t, setup{})
	n.searching(t, "churn-a")
	h := connect(t, n, "mallory")
	mine := h.take(t)
	hold := fmt.Sprintf(`"lease":"%s","token":%d`, mine.Lease, mine.Token)
	for what, message := range map[string]string{
		"a model in the place of a score": `{` + hold + `,"trial":{"candidate":"boosting","state":"failed"}}`,
		"a spread below zero":             `{` + hold + `,"setting":{"mean":0.5,"spread":-1}}`,
		"a time below zero":               `{` + hold + `,"setting":{"mean":0.5,"seconds":-1}}`,
		"a long story":                    `{` + hold + `,"setting":{"class":"exit code","reason":"` + strings.Repeat("x", 9000) + `"}}`,
	} {
		if answer := h.ask(t, "end", message+"\n"); !strings.HasPrefix(answer, `{"fault":{"code":"invalid"`) {
			t.Errorf("%s: %.300s, want invalid", what, answer)
		}
	}
	if rs, err := n.store.Results(t.Context(), "churn-a"); err != nil || len(rs) > 0 {
		t.Errorf("results %+v, %v", rs, err)
	}
}
