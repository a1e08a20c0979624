package judge_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/judge"
)

// The cases below have 400 rows, 200 of each class in turn, and are judged by accuracy. The champion
// is right on the first 300 rows.
const (
	manyRows      = 400
	championRight = 300
)

func manyLabels() bakeoff.Labels {
	return bakeoff.Labels{Classes: noYes, Codes: slices.Repeat([]int32{0, 1}, manyRows/2)}
}

// rightOn are the answers of a contestant that is right on the rows for which right says so.
func rightOn(right func(row int) bool) *bakeoff.Predictions {
	p := &bakeoff.Predictions{Classes: noYes}
	for row, code := range manyLabels().Codes {
		yes := 0.1 + 0.8*float64(code)
		if !right(row) {
			yes = 1 - yes
		}
		p.Probabilities = append(p.Probabilities, 1-yes, yes)
	}
	return p
}

// differing is a challenger that is right on won rows on which the champion is wrong, and wrong on
// lost rows on which it is right.
func differing(name string, won, lost int) judge.Contestant {
	k := challenger(name, 0, 10)
	k.Predictions = rightOn(func(row int) bool {
		return row >= lost && row < championRight || row >= championRight && row < championRight+won
	})
	return k
}

func manyCase(withChampion bool, contestants ...judge.Contestant) judge.Case {
	if withChampion {
		k := differing("forest", 0, 0)
		k.Role, k.Version = bakeoff.RoleChampion, 16
		contestants = append(contestants, k)
	}
	c := caseOf(contestants...)
	c.Pipeline.Gate.Gain.Significant = true
	c.Labels = manyLabels()
	c.Baseline = &bakeoff.Predictions{Classes: noYes, Probabilities: slices.Repeat([]float64{0.5, 0.5}, manyRows)}
	c.Rows.Holdout = manyRows
	return c
}

func TestDecideBeyondNoise(t *testing.T) {
	const promoted, kept = bakeoff.Promoted, bakeoff.Kept
	for _, c := range []struct {
		name string
		c    judge.Case
		want wanted
	}{
		{
			name: "better beyond noise",
			c:    manyCase(true, differing("boosting", 20, 2)),
			want: wanted{promoted, "boosting", "boosting is ahead of v16 by 4.5 pt of accuracy (0.795 against 0.75; p < 0.0001)", "boosting forest* baseline"},
		},
		{
			name: "better within noise",
			c:    manyCase(true, differing("boosting", 8, 4)),
			want: wanted{
				kept, "", "cannot tell the best, boosting, from v16: it is ahead by 1 pt of accuracy (0.76 against 0.75), within noise (p 0.19); " +
					"this holdout finds a gain of 2.1 pt or more", "boosting forest* baseline",
			},
		},
		{
			name: "what is enough for one challenger",
			c:    manyCase(true, differing("boosting", 12, 3)),
			want: wanted{promoted, "boosting", "boosting is ahead of v16 by 2.2 pt of accuracy (0.7725 against 0.75; p 0.018)", "boosting forest* baseline"},
		},
		{
			name: "is not for one of three",
			c:    manyCase(true, differing("boosting", 12, 3), differing("b", 1, 2), differing("c", 2, 3)),
			want: wanted{
				kept, "", "cannot tell the best, boosting, from v16: it is ahead by 2.2 pt of accuracy (0.7725 against 0.75), within noise " +
					"(p 0.053, corrected for 3 challengers); this holdout finds a gain of 2.9 pt or more", "boosting forest* b c baseline",
			},
		},
		{
			name: "the best is within noise, the next is not",
			c:    manyCase(true, differing("wild", 60, 45), differing("steady", 11, 0)),
			want: wanted{promoted, "steady", "steady is ahead of v16 by 2.8 pt of accuracy (0.7775 against 0.75; p 0.00098, corrected for 2 challengers)", "wild steady forest* baseline"},
		},
		{
			name: "worse",
			c:    manyCase(true, differing("boosting", 4, 20)),
			want: wanted{
				kept, "", "no challenger is better than v16: the best, boosting, has accuracy 0.71 against 0.75; this holdout finds a gain of 3 pt or more",
				"forest* boosting baseline",
			},
		},
		{
			name: "alike",
			c:    manyCase(true, differing("aaa", 0, 0)),
			want: wanted{kept, "", "no challenger is better than v16: the best, aaa, has the same accuracy, 0.75, and a tie goes to the champion", "forest* aaa baseline"},
		},
		{
			name: "first champion beyond noise",
			c:    manyCase(false, differing("boosting", 0, 0), differing("linear", 0, 10)),
			want: wanted{promoted, "boosting", "first champion: boosting has accuracy 0.75 and beats the baseline's 0.5 (p < 0.0001, corrected for 2 challengers)", "boosting linear baseline"},
		},
		{
			name: "no first champion within noise of the baseline",
			c:    manyCase(false, differing("boosting", 10, 100)),
			want: wanted{
				kept, "", "cannot tell the best, boosting, from the baseline: it is ahead by 2.5 pt of accuracy (0.525 against 0.5), within noise (p 0.26); " +
					"this holdout finds a gain of 8.8 pt or more", "boosting baseline",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := judge.Decide(c.c)
			if err != nil {
				t.Fatal(err)
			}
			c.want.check(t, d)
			if d.Deciding == nil {
				t.Fatal("the decision does not tell what decided")
			}
			if d.Verdict == promoted && d.Deciding.Candidate != d.Candidate {
				t.Errorf("promoted %s by the comparison of %s", d.Candidate, d.Deciding.Candidate)
			}
		})
	}
}

func TestDecideTellsWhoIsWithinNoise(t *testing.T) {
	d, err := judge.Decide(manyCase(true, differing("boosting", 20, 0), differing("near", 18, 0), differing("far", 0, 60)))
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, row := range d.Leaderboard {
		if row.Noise {
			words = append(words, row.Candidate)
		}
	}
	if got := strings.Join(words, " "); got != "boosting near" {
		t.Errorf("within noise of the best: %s", got)
	}
	if d.Second == nil || d.Second.Candidate != "boosting" || d.Second.With != "near" || d.Second.P < 0.2 {
		t.Errorf("the best two: %+v", d.Second)
	}
}
