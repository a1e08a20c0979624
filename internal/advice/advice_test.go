package advice_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/advice"
)

// runs are so many alike: boosting is the best, forest within noise of it, slow and broken are not,
// and boosting is ahead of the champion by half of what the holdout finds.
func runs(n int) []bakeoff.Report {
	all := make([]bakeoff.Report, n)
	for i := range all {
		row := func(name string, noise bool, seconds float64) bakeoff.LeaderboardRow {
			return bakeoff.LeaderboardRow{Candidate: name, Role: bakeoff.RoleChallenger, State: bakeoff.TrialBuilt, Noise: noise, Seconds: seconds}
		}
		all[i] = bakeoff.Report{
			Run: fmt.Sprint("churn-", i), Verdict: bakeoff.Kept, Metric: "roc_auc", Rows: &bakeoff.Rows{Holdout: 1432},
			Leaderboard: []bakeoff.LeaderboardRow{
				row("boosting", true, 2), row("forest", true, 3), row("slow", false, 100+float64(i)),
				{Candidate: "broken", Role: bakeoff.RoleChallenger, State: bakeoff.TrialFailed, Seconds: 0.5},
				{Candidate: "linear", Role: bakeoff.RoleChampion, State: bakeoff.TrialBuilt},
				{Candidate: bakeoff.BaselineName, Role: bakeoff.RoleBaseline, State: bakeoff.TrialBuilt},
			},
			Deciding: &bakeoff.Comparison{Candidate: "boosting", With: "linear", Role: bakeoff.RoleChampion, Gain: 0.004, Needed: 0.006, Detectable: 0.008},
		}
	}
	return all
}

const (
	slow   = "slow has not been within noise of the best in any of the last 30 judged runs, and it takes 114.5 s a run: without it, smaller gains of the others are found"
	broken = "broken has failed in each of the last 30 judged runs, and it takes 0.5000 s a run: mend it, or take it out"
	ahead  = "in 30 of the last 30 judged runs the best challenger was ahead within noise, by 0.4 pt in the middle, and this holdout of 1,432 rows finds gains from 0.8 pt on: it would take about 5,728"
)

func TestOf(t *testing.T) {
	each := func(change func(i int, r *bakeoff.Report)) func([]bakeoff.Report) []bakeoff.Report {
		return func(all []bakeoff.Report) []bakeoff.Report {
			for i := range all {
				change(i, &all[i])
			}
			return all
		}
	}
	for _, c := range []struct {
		name   string
		runs   int
		change func([]bakeoff.Report) []bakeoff.Report
		want   []string
	}{
		{"as it is", 30, nil, []string{slow, broken, ahead}},
		{"more runs than count", 60, nil, []string{slow, broken, ahead}},
		{"too few runs", 29, nil, nil},
		{"none", 0, nil, nil},
		{"runs that were not judged do not count", 35, each(func(i int, r *bakeoff.Report) {
			if i < 5 {
				r.Leaderboard = r.Leaderboard[2:]
			}
		}), []string{
			"slow has not been within noise of the best in any of the last 30 judged runs, and it takes 119.5 s a run: without it, smaller gains of the others are found",
			broken, ahead,
		}},
		{"once within noise", 30, each(func(i int, r *bakeoff.Report) { r.Leaderboard[2].Noise = i == 29 }), []string{broken, ahead}},
		{"a candidate that is new", 30, each(func(i int, r *bakeoff.Report) {
			if i > 20 {
				r.Leaderboard = append(r.Leaderboard[:2:2], r.Leaderboard[4:]...)
			}
		}), []string{ahead}},
		{"built at least once", 30, each(func(i int, r *bakeoff.Report) {
			if i == 3 {
				r.Leaderboard[3].State = bakeoff.TrialBuilt
			}
		}), []string{
			slow,
			"broken has not been within noise of the best in any of the last 30 judged runs, and it takes 0.5000 s a run: without it, smaller gains of the others are found",
			ahead,
		}},
		{"a margin below what is found", 30, each(func(_ int, r *bakeoff.Report) { r.Deciding.Asked, r.Deciding.Needed = 0.004, 0.004 }), []string{
			slow, broken, "the gate asks for a gain of 0.4 pt, and this holdout of 1,432 rows finds gains from 0.8 pt on: what passes may be noise; it would take about 5,728",
		}},
		{"a margin that is found", 30, each(func(_ int, r *bakeoff.Report) { r.Deciding.Asked, r.Deciding.Needed = 0.01, 0.01 }), []string{slow, broken}},
		{"any gain will do", 30, each(func(_ int, r *bakeoff.Report) { r.Deciding.Needed = 0 }), []string{slow, broken}},
		{"ahead by what rounding does", 30, each(func(_ int, r *bakeoff.Report) { r.Deciding.Gain = 1e-17 }), []string{
			slow, broken, "in 30 of the last 30 judged runs the best challenger was ahead within noise, by 1e-15 pt in the middle, and this holdout of 1,432 rows finds gains from 0.8 pt on: no holdout finds that",
		}},
		{"behind as often as ahead", 30, each(func(i int, r *bakeoff.Report) {
			if i < 16 {
				r.Deciding.Gain = -0.004
			}
		}), []string{slow, broken}},
		{"without a champion", 30, each(func(_ int, r *bakeoff.Report) { r.Deciding.Role = bakeoff.RoleBaseline }), []string{slow, broken}},
		{"nothing was compared", 30, each(func(_ int, r *bakeoff.Report) { r.Deciding = nil }), []string{slow, broken}},
		{"another unit", 30, each(func(_ int, r *bakeoff.Report) { r.Metric = "rmse" }), []string{
			slow, broken,
			"in 30 of the last 30 judged runs the best challenger was ahead within noise, by 0.0040 in the middle, and this holdout of 1,432 rows finds gains from 0.0080 on: it would take about 5,728",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := runs(c.runs)
			if c.change != nil {
				all = c.change(all)
			}
			if diff := cmp.Diff(c.want, advice.Of(all)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
