package judge_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/judge"
)

// What a contestant may answer wrongly, and what its row says then.
func TestDecideRefusesAnswersThatAreNone(t *testing.T) {
	for name, c := range map[string]struct {
		change func(p *bakeoff.Predictions)
		want   string
	}{
		"NaN":           {func(p *bakeoff.Predictions) { p.Probabilities[5] = math.NaN() }, "holdout row 3: the probability of yes is NaN"},
		"infinite":      {func(p *bakeoff.Predictions) { p.Probabilities[0] = math.Inf(1) }, "holdout row 1: the probability of no is +Inf"},
		"negative":      {func(p *bakeoff.Predictions) { p.Probabilities[0], p.Probabilities[1] = -0.1, 1.1 }, "holdout row 1: the probability of no is -0.1"},
		"sum":           {func(p *bakeoff.Predictions) { p.Probabilities[19] = 0.3 }, "holdout row 10: the probabilities sum to 1.2, not 1"},
		"too few":       {func(p *bakeoff.Predictions) { p.Probabilities = p.Probabilities[2:] }, "18 probabilities for 10 rows of 2 classes"},
		"nil":           {nil, "it gave no answer"},
		"none":          {func(p *bakeoff.Predictions) { *p = bakeoff.Predictions{} }, `it answers with the classes [], the target has ["no" "yes"]`},
		"other classes": {func(p *bakeoff.Predictions) { p.Classes = []string{"yes", "no"} }, `it answers with the classes ["yes" "no"], the target has ["no" "yes"]`},
	} {
		t.Run(name, func(t *testing.T) {
			bad := challenger("bad", 9, 1)
			if c.change == nil {
				bad.Predictions = nil
			} else {
				c.change(bad.Predictions)
			}
			d, err := judge.Decide(caseOf(challenger("good", 9, 10), bad))
			if err != nil {
				t.Fatal(err)
			}
			last := d.Leaderboard[len(d.Leaderboard)-1]
			want := bakeoff.LeaderboardRow{
				Candidate: "bad", Role: bakeoff.RoleChallenger, State: bakeoff.TrialFailed, Bytes: 1,
				Reason: "no predictions: " + c.want,
			}
			if diff := cmp.Diff(want, last); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if d.Candidate != "good" {
				t.Errorf("promoted %q", d.Candidate)
			}
		})
	}
}

func TestDecideAcceptsRoundedProbabilities(t *testing.T) {
	k := challenger("boosting", 9, 10)
	k.Predictions.Probabilities[0] += 4e-5
	d, err := judge.Decide(caseOf(k))
	if err != nil || d.Verdict != bakeoff.Promoted {
		t.Errorf("%v, %v", d.Reason, err)
	}
}

// A regression whose predictions are finite but absurd has no rmse, which is its own fault.
func TestDecideFailsAbsurdNumbers(t *testing.T) {
	c := regressionCase(map[string][]float64{"absurd": {1e300, 0, 0, 0}, "fine": {1, 2, 3, 5}})
	d, err := judge.Decide(c)
	if err != nil {
		t.Fatal(err)
	}
	wanted{
		bakeoff.Promoted, "fine",
		"first champion: fine has rmse 0.5 and beats the baseline's 1.118 (r2 is not defined on these rows: the numbers are too large)",
		"fine baseline | absurd",
	}.check(t, d)
	if row := d.Leaderboard[2]; row.State != bakeoff.TrialFailed ||
		row.Reason != "no predictions: rmse is not defined on these rows: the numbers are too large" {
		t.Errorf("%+v", row)
	}
}

func TestDecideRefusesNumbersThatAreNone(t *testing.T) {
	c := regressionCase(map[string][]float64{"a": {1, 2, math.NaN(), 4}, "b": {1, 2, 3}})
	d, err := judge.Decide(c)
	if err != nil {
		t.Fatal(err)
	}
	wanted{
		bakeoff.Failed, "",
		"no candidate was built of the 1 that at_least asks for; a failed: no predictions: holdout row 3: the prediction is NaN",
		"baseline | a b",
	}.check(t, d)
}

func regressionCase(predictions map[string][]float64) judge.Case {
	c := judge.Case{
		Pipeline: &bakeoff.Pipeline{Name: "price", AtLeast: 1, Judge: bakeoff.Judge{Also: []string{"r2"}}},
		Task:     bakeoff.Regression,
		Labels:   bakeoff.Labels{Values: []float64{1, 2, 3, 4}},
		Baseline: &bakeoff.Predictions{Values: []float64{2.5, 2.5, 2.5, 2.5}},
	}
	for _, name := range []string{"a", "absurd", "b", "fine"} {
		if values, ok := predictions[name]; ok {
			k := challenger(name, 0, 1)
			k.Predictions = &bakeoff.Predictions{Values: values}
			c.Contestants = append(c.Contestants, k)
		}
	}
	return c
}
