package app

import (
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
)

// TestReportOfWhatIsNotKept writes the page of a run of which retention has left the verdict alone.
func TestReportOfWhatIsNotKept(t *testing.T) {
	n, err := Open(t.Context(), DefaultConfig(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx, first := t.Context(), 1
	if err := n.store.PutPipeline(ctx, bakeoff.PipelineFile{Name: "churn", Path: "/churn.yaml", Text: "x", Revision: bakeoff.DigestOf([]byte("x"))}); err != nil {
		t.Fatal(err)
	}
	verdict := bakeoff.Report{
		Run: "churn-20261123T200000Z", Pipeline: "churn", Verdict: bakeoff.Kept, Reason: "a tie", Metric: "accuracy",
		Answers: bakeoff.DigestOf([]byte("gone")),
		Leaderboard: []bakeoff.LeaderboardRow{{
			Rank: &first, Candidate: "forest", Role: bakeoff.RoleChallenger, State: bakeoff.TrialBuilt, Artifact: bakeoff.DigestOf([]byte("gone too")),
			Metrics: map[string]float64{"accuracy": 0.8},
		}},
	}
	change := bakeoff.Change{Model: bakeoff.Model{Name: "churn"}, Verdict: &verdict}
	if err := n.store.Commit(ctx, change); err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	if err := (face{n}).ReportPage(ctx, verdict.Run, &page); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a tie", "0.8000", "contestants answered is not kept any more", "What forest leans on was not measured: the record of the run is not kept any more"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if err := (face{n}).ReportPage(ctx, "churn-20261124T200000Z", &page); bakeoff.CodeOf(err) != bakeoff.CodeNotFound {
		t.Errorf("of a run that there never was: %v", err)
	}
}
