package app

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
)

// night is a run of two classes with a champion.
func night(id string) side {
	rank := []int{1, 2, 3}
	text := "name: churn\ngate: {gain: any}\nnotify: [{slack: \"https://hooks.example/T0/one\"}]\n"
	s := side{
		report: bakeoff.Report{
			Run: id, Pipeline: "churn", Verdict: bakeoff.Kept, Metric: "roc_auc", Revision: bakeoff.DigestOf([]byte(text)), Program: "1.2",
			Leaderboard: []bakeoff.LeaderboardRow{
				{Rank: &rank[0], Candidate: "forest", Role: bakeoff.RoleChampion, Version: 3, Metrics: map[string]float64{"roc_auc": 0.84}, Interval: map[string][2]float64{"roc_auc": {0.82, 0.86}}},
				{Rank: &rank[1], Candidate: "boosting", Role: bakeoff.RoleChallenger, Metrics: map[string]float64{"roc_auc": 0.83}, Interval: map[string][2]float64{"roc_auc": {0.81, 0.85}}},
				{Rank: &rank[2], Candidate: "baseline", Role: bakeoff.RoleBaseline, Metrics: map[string]float64{"roc_auc": 0.5}},
			},
		},
		text:   text,
		labels: &bakeoff.Labels{Classes: []string{"no", "yes"}, Codes: []int32{0, 0, 0, 1}},
		run: &bakeoff.Run{
			Recipes: []bakeoff.Candidate{{Name: "boosting", Trainer: "gradient_boosting", Params: json.RawMessage(`{"depth":3}`)}, {Name: "linear", Trainer: "ridge"}},
			Snapshot: &bakeoff.Snapshot{
				Train: "sha256:t", Holdout: "sha256:h", Split: bakeoff.Split{Holdout: 0.2, By: bakeoff.SplitByHash, Seed: 1},
				Schema: bakeoff.Schema{Target: "churn", Task: bakeoff.Binary, Columns: []bakeoff.ColumnSchema{
					{Name: "plan", Kind: bakeoff.KindCategory, Categories: []string{"basic", "pro"}}, {Name: "age", Kind: bakeoff.KindInteger}, {Name: "since", Kind: bakeoff.KindDate, Missing: true},
				}},
			},
		},
	}
	return s
}

func TestTwoEqualNights(t *testing.T) {
	d := compare(night("a"), night("b"))
	if !d.Data.Same || d.Text != "" || len(d.Data.Columns)+len(d.Data.Other)+len(d.Recipes)+len(d.Unknown) != 0 {
		t.Errorf("%+v", d)
	}
	for _, s := range d.Scores {
		if *s.Change != 0 || s.Within != (s.Before.Interval != nil) {
			t.Errorf("%+v", s)
		}
	}
}

func TestWhatChangedBetweenTwoNights(t *testing.T) {
	before, after := night("a"), night("b")
	after.text = strings.Replace(strings.Replace(after.text, "any", "1pt", 1), "one", "two", 1)
	after.report.Revision = bakeoff.DigestOf([]byte(after.text))
	after.run.Recipes = []bakeoff.Candidate{
		{Name: "boosting", Trainer: "gradient_boosting", Params: json.RawMessage(`{"depth":5,"trees":100}`), Limits: bakeoff.Limits{Time: 6e10}}, {Name: "forest", Trainer: "random_forest"},
	}
	s := after.run.Snapshot
	s.Train, s.Split.Seed, s.Identity.Generation = "sha256:other", 2, 1
	s.Schema.Columns = []bakeoff.ColumnSchema{
		{Name: "plan", Kind: bakeoff.KindCategory, Categories: []string{"basic", "team"}, Missing: true}, {Name: "age", Kind: bakeoff.KindNumber}, {Name: "city", Kind: bakeoff.KindCategory},
	}
	after.labels = &bakeoff.Labels{Classes: []string{"maybe", "yes"}, Codes: []int32{0, 1}}
	after.report.Leaderboard[0].Metrics = map[string]float64{"roc_auc": 0.87}
	after.report.Leaderboard[0].Candidate, after.report.Leaderboard[0].Version = "boosting", 4
	after.report.Leaderboard[1].Rank = nil

	d := compare(before, after)
	want := client.DataDiff{
		Columns: []client.ColumnDiff{
			{Name: "plan", Before: "category", After: "category", Came: []string{"team"}, Went: []string{"pro"}, Missing: "came"},
			{Name: "age", Before: "integer", After: "number"},
			{Name: "city", After: "category"},
			{Name: "since", Before: "date"},
		},
		Classes: []client.ClassDiff{{Class: "no", Before: ptr(0.75)}, {Class: "yes", Before: ptr(0.25), After: ptr(0.5)}, {Class: "maybe", After: ptr(0.5)}},
		Other: []string{
			"the split changed, and with it which rows are held out: seed: 1 -> 2",
			"the identity of rows is another (generation 1, 0 before)",
		},
	}
	if diff := cmp.Diff(want, d.Data); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
	var recipes []string
	for _, r := range d.Recipes {
		recipes = append(recipes, r.Candidate+" "+strings.Join(r.Changed, ", "))
	}
	if diff := cmp.Diff([]string{"boosting limits.time: none -> 1m0s, params.depth: 3 -> 5, params.trees: none -> 100", "forest ", "linear "}, recipes); diff != "" {
		t.Errorf("recipes (-want +got):\n%s", diff)
	}
	for _, line := range []string{"-gate: {gain: any}\n", "+gate: {gain: 1pt}\n", " notify: [{slack: \"****"} {
		if !strings.Contains(d.Text, line) {
			t.Errorf("the text lacks %q:\n%s", line, d.Text)
		}
	}
	if strings.Contains(d.Text, "hooks.example") {
		t.Errorf("the text has a secret:\n%s", d.Text)
	}
	champion, boosting := d.Scores[0], d.Scores[1]
	if champion.Before.Version != 3 || champion.After.Version != 4 || champion.Within || boosting.After != nil || boosting.Change != nil {
		t.Errorf("champion %+v, boosting %+v", champion, boosting)
	}
}

func TestOnlySecretsChanged(t *testing.T) {
	before, after := night("a"), night("b")
	after.text = strings.Replace(after.text, "one", "two", 1)
	after.report.Revision = bakeoff.DigestOf([]byte(after.text))
	if d := compare(before, after); !strings.Contains(d.Text, "only where secrets stand") {
		t.Errorf("%q", d.Text)
	}
}

func TestWhatIsLeftOfOldNightsIsCompared(t *testing.T) {
	before, after := night("a"), night("b")
	before.run, before.labels = nil, nil
	after.labels, after.report.Metric = nil, "log_loss"
	d := compare(before, after)
	want := []string{
		"columns, parameters and classes: of run a only the verdict is left",
		"the shares of classes: run b has no kept answers",
		"the scores: one run was judged by roc_auc, the other by log_loss",
	}
	if diff := cmp.Diff(want, d.Unknown); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if d.Data.Same || len(d.Scores) > 0 {
		t.Errorf("%+v", d)
	}
}
