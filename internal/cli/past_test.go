package cli

import (
	"bytes"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
)

func replayed() client.Replay {
	kept := client.ReplayOutcome{Verdict: bakeoff.Kept, Candidate: "forest", Reason: "no challenger is better than v3: the best, forest, has roc_auc 0.83 against 0.84"}
	promoted := client.ReplayOutcome{Verdict: bakeoff.Promoted, Candidate: "boosting", Reason: "boosting is ahead of v3 by 0.3 pt of roc_auc (0.843 against 0.84)"}
	within := client.ReplayOutcome{Verdict: bakeoff.Kept, Candidate: "boosting", Reason: "boosting is ahead of v3 by 0.3 pt of roc_auc (0.843 against 0.84); more than 0.5 pt is asked"}
	r := client.Replay{Pipeline: "churn", Set: []string{"gate.gain=0.5pt"}, Judged: 2, Differ: 1, Changes: 1}
	for i, n := range []client.ReplayNight{
		{Run: "churn-a", Then: kept, Why: "its answers are not kept any more"},
		{Run: "churn-b", Then: kept, With: &kept},
		{Run: "churn-c", Then: promoted, With: &within, Differs: true},
	} {
		n.Created = night.AddDate(0, 0, i)
		r.Nights = append(r.Nights, n)
	}
	return r
}

func TestReplayTable(t *testing.T) {
	for name, width := range map[string]int{"replay": 0, "replay-narrow": 100} {
		var b bytes.Buffer
		writeReplayIn(&b, replayed(), width, false, seoul)
		checkGolden(t, name, b.Bytes())
	}
	var b bytes.Buffer
	writeReplayIn(&b, client.Replay{Pipeline: "churn", Set: []string{"at_least=2"}}, 0, false, seoul)
	if b.String() != "no run of churn has ended yet\n" {
		t.Errorf("%q", b.String())
	}
}

func TestDiffText(t *testing.T) {
	share := func(v float64) *float64 { return &v }
	d := client.Diff{
		Pipeline: "churn",
		Before: client.DiffRun{
			Run: "churn-a", Created: night, Verdict: bakeoff.Kept, Metric: "roc_auc", Program: "1.2", Champion: &bakeoff.ChampionRef{Model: "churn", Version: 3, Candidate: "forest"},
			Rows: &bakeoff.Rows{Train: 5600, Holdout: 1400},
		},
		After: client.DiffRun{
			Run: "churn-b", Created: night.Add(24 * time.Hour), Verdict: bakeoff.Promoted, Metric: "roc_auc", Program: "1.3", Champion: &bakeoff.ChampionRef{Model: "churn", Version: 4, Candidate: "boosting"},
			Rows: &bakeoff.Rows{Train: 5700, Holdout: 1400, SetAside: 2, MissingTarget: 2},
		},
		Data: client.DataDiff{
			Columns: []client.ColumnDiff{
				{Name: "plan", Before: "category", After: "category", Came: []string{"a", "b", "c", "d", "e", "f", "\x1b[31mg"}, Went: []string{"old"}, Missing: "came"},
				{Name: "age", Before: "integer", After: "number", Missing: "went"},
				{Name: "city", After: "category"},
				{Name: "since", Before: "date"},
			},
			Classes: []client.ClassDiff{{Class: "no", Before: share(0.75), After: share(0.7)}, {Class: "yes", Before: share(0.25)}, {Class: "maybe", After: share(0.3)}},
			Other:   []string{"the target was churn and is left"},
		},
		Recipes: []client.RecipeDiff{
			{Candidate: "boosting", Before: &bakeoff.Candidate{}, After: &bakeoff.Candidate{}, Changed: []string{"params.depth: 3 -> 5", "queue: none -> \"gpu\""}},
			{Candidate: "ridge", After: &bakeoff.Candidate{Trainer: "ridge"}},
			{Candidate: "old", Before: &bakeoff.Candidate{Trainer: "command"}},
		},
		Scores: []client.ScoreDiff{
			{Candidate: "boosting", Role: bakeoff.RoleChallenger, Before: &client.Score{Value: 0.84, Interval: &[2]float64{0.82, 0.86}}, After: &client.Score{Value: 0.85, Interval: &[2]float64{0.83, 0.87}}, Change: share(0.01), Within: true},
			{Candidate: "forest", Role: bakeoff.RoleChampion, Before: &client.Score{Value: 0.84, Version: 3}, After: &client.Score{Value: 0.7, Version: 4}, Change: share(-0.14)},
			{Candidate: "ridge", Role: bakeoff.RoleChallenger},
		},
		Text:    "--- revision a\n+++ revision b\n@@ -1,2 +1,2 @@\n name: churn\n-gate: {gain: any}\n+gate: {gain: 1pt}\n+  deep: \x1b[31mred\n",
		Unknown: []string{"the shares of classes: run churn-a has no kept answers"},
	}
	var b bytes.Buffer
	writeDiffIn(&b, d, 0, false, seoul)
	checkGolden(t, "diff", b.Bytes())
	b.Reset()
	d.Data, d.Text, d.Recipes, d.Scores, d.Unknown = client.DataDiff{Same: true}, "", nil, nil, nil
	writeDiffIn(&b, d, 0, false, seoul)
	checkGolden(t, "diff-same", b.Bytes())
}
