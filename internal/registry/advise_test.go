package registry_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// TestAdviceIsToldOnceAWeek runs a pipeline for a month with a candidate that never comes near the best.
func TestAdviceIsToldOnceAWeek(t *testing.T) {
	f := open(t)
	next := 0
	night := func(change func(*bakeoff.Run)) bakeoff.Report {
		next++
		run := f.decided(t, fmt.Sprintf("churn-%03d", next), 0)
		run.Decision.Verdict = bakeoff.Kept
		run.Decision.Leaderboard = []bakeoff.LeaderboardRow{
			{Candidate: "forest", Role: bakeoff.RoleChallenger, State: bakeoff.TrialBuilt, Noise: true},
			{Candidate: "slow", Role: bakeoff.RoleChallenger, State: bakeoff.TrialBuilt, Seconds: 60},
		}
		if change != nil {
			change(&run)
		}
		return f.commit(t, run)
	}
	for range 31 {
		if r := night(nil); len(r.Advice) > 0 {
			t.Fatalf("in the first week: %q", r.Advice)
		}
	}
	m, revision, err := f.store.Model(t.Context(), "churn")
	if err != nil {
		t.Fatal(err)
	}
	m.Advised = m.Advised.Add(-8 * 24 * time.Hour)
	if err := f.store.Commit(t.Context(), bakeoff.Change{Model: m, Revision: revision}); err != nil {
		t.Fatal(err)
	}
	if r := night(func(run *bakeoff.Run) { run.Quiet = true }); len(r.Advice) > 0 {
		t.Errorf("a run that nobody is told of says %q", r.Advice)
	}
	r := night(nil)
	if len(r.Advice) != 1 || !strings.HasPrefix(r.Advice[0], "slow has not been within noise of the best") {
		t.Errorf("a week later: %q", r.Advice)
	}
	owed, err := f.store.Outbox(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if last := owed[len(owed)-1]; len(last.Report.Advice) != 1 {
		t.Errorf("the message of %s says %q", last.ID, last.Report.Advice)
	}
	if r := night(nil); len(r.Advice) > 0 {
		t.Errorf("and once more: %q", r.Advice)
	}
}
