package judge_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/judge"
)

// The cases below have ten rows, five of each class, and are judged by accuracy: a contestant that
// is right on n rows has accuracy n/10, and the baseline 0.5.
const tenRows = 10

var noYes = []string{"no", "yes"}

func tenLabels() bakeoff.Labels {
	return bakeoff.Labels{Classes: noYes, Codes: []int32{0, 1, 0, 1, 0, 1, 0, 1, 0, 1}}
}

// answers are right on the first rows and wrong on the others.
func answers(right int) *bakeoff.Predictions {
	p := &bakeoff.Predictions{Classes: noYes}
	for i, code := range tenLabels().Codes {
		yes := 0.1 + 0.8*float64(code)
		if i >= right {
			yes = 1 - yes
		}
		p.Probabilities = append(p.Probabilities, 1-yes, yes)
	}
	return p
}

// shares are the answers of a baseline that saw as many of each class.
func shares() *bakeoff.Predictions {
	p := &bakeoff.Predictions{Classes: noYes}
	for range tenRows {
		p.Probabilities = append(p.Probabilities, 0.5, 0.5)
	}
	return p
}

func challenger(name string, right int, bytes int64) judge.Contestant {
	return judge.Contestant{
		Candidate: name, Role: bakeoff.RoleChallenger, Predictions: answers(right),
		Trial: bakeoff.Trial{Candidate: name, State: bakeoff.TrialBuilt, Bytes: bytes},
	}
}

func champion(right int) judge.Contestant {
	k := challenger("forest", right, 500)
	k.Role, k.Version = bakeoff.RoleChampion, 16
	return k
}

func broken(name, reason string) judge.Contestant {
	return judge.Contestant{
		Candidate: name, Role: bakeoff.RoleChallenger,
		Trial: bakeoff.Trial{Candidate: name, State: bakeoff.TrialFailed, Reason: reason},
	}
}

func silent(k judge.Contestant, why string) judge.Contestant {
	k.Predictions, k.Failure = nil, why
	return k
}

// caseOf returns a case by accuracy; a champion among the contestants is the live version.
func caseOf(contestants ...judge.Contestant) judge.Case {
	c := judge.Case{
		Pipeline:    &bakeoff.Pipeline{Name: "churn", AtLeast: 1, Judge: bakeoff.Judge{Metric: "accuracy"}},
		Task:        bakeoff.Binary,
		Labels:      tenLabels(),
		Baseline:    shares(),
		Contestants: contestants,
		Rows:        bakeoff.Rows{Train: 40, Holdout: tenRows},
	}
	for _, k := range contestants {
		if k.Role == bakeoff.RoleChampion {
			c.Champion = k.Version
		}
	}
	return c
}

func (w wanted) check(t *testing.T, d bakeoff.Decision) {
	t.Helper()
	got := wanted{d.Verdict, d.Candidate, d.Reason, order(d)}
	if diff := cmp.Diff(w, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// wanted is what the cases say about a decision. order lists the leaderboard's names, the champion
// with a star, the rows without a rank behind a bar.
type wanted struct {
	Verdict   bakeoff.Verdict
	Candidate string
	Reason    string
	Order     string
}

func order(d bakeoff.Decision) string {
	var words []string
	for i, row := range d.Leaderboard {
		name := row.Candidate
		if row.Role == bakeoff.RoleChampion {
			name += "*"
		}
		if row.Rank == nil && (i == 0 || d.Leaderboard[i-1].Rank != nil) {
			words = append(words, "|")
		}
		words = append(words, name)
	}
	return strings.Join(words, " ")
}

func TestDecide(t *testing.T) {
	const (
		promoted, kept, failed = bakeoff.Promoted, bakeoff.Kept, bakeoff.Failed
		byHand                 = "; `bakeoff promote --force` decides by hand"
	)
	for _, c := range []struct {
		name string
		c    judge.Case
		set  func(*judge.Case)
		want wanted
	}{
		{
			name: "first champion",
			c:    caseOf(challenger("linear", 7, 10), challenger("boosting", 9, 10)),
			want: wanted{promoted, "boosting", "first champion: boosting has accuracy 0.9 and beats the baseline's 0.5", "boosting linear baseline"},
		},
		{
			name: "better than the champion",
			c:    caseOf(challenger("boosting", 9, 10), champion(8)),
			want: wanted{promoted, "boosting", "boosting is ahead of v16 by 10 pt of accuracy (0.9 against 0.8)", "boosting forest* baseline"},
		},
		{
			name: "worse than the champion",
			c:    caseOf(challenger("boosting", 7, 10), challenger("linear", 6, 10), champion(8)),
			want: wanted{kept, "", "no challenger is better than v16: the best, boosting, has accuracy 0.7 against 0.8", "forest* boosting linear baseline"},
		},
		{
			name: "a tie goes to the champion",
			c:    caseOf(challenger("aaa", 8, 1), champion(8)),
			want: wanted{kept, "", "no challenger is better than v16: the best, aaa, has the same accuracy, 0.8, and a tie goes to the champion", "forest* aaa baseline"},
		},
		{
			name: "a tie goes to the smaller artifact, then the name",
			c:    caseOf(challenger("d", 8, 20), challenger("c", 8, 10), challenger("b", 8, 20), challenger("a", 8, 30)),
			want: wanted{promoted, "c", "first champion: c has accuracy 0.8 and beats the baseline's 0.5", "c b d a baseline"},
		},
		{
			name: "a tie with the baseline",
			c:    caseOf(challenger("boosting", 5, 10)),
			want: wanted{kept, "", "no challenger beats the baseline: the best, boosting, has accuracy 0.5 against 0.5", "boosting baseline"},
		},
		{
			name: "better than the champion but not than the baseline",
			c:    caseOf(challenger("boosting", 4, 10), champion(3)),
			want: wanted{kept, "", "no challenger beats the baseline: the best, boosting, has accuracy 0.4 against 0.5", "baseline boosting forest*"},
		},
		{
			name: "within an absolute margin",
			c:    caseOf(challenger("boosting", 9, 10), champion(8)),
			set:  func(c *judge.Case) { c.Pipeline.Gate.Gain.Margin = 0.15 },
			want: wanted{kept, "", "boosting is ahead of v16 by 10 pt of accuracy (0.9 against 0.8); more than 15 pt is asked", "boosting forest* baseline"},
		},
		{
			name: "exactly at the margin",
			c:    caseOf(challenger("boosting", 10, 10), champion(5)),
			set:  func(c *judge.Case) { c.Pipeline.Gate.Gain.Margin = 0.5 },
			want: wanted{kept, "", "boosting is ahead of v16 by 50 pt of accuracy (1 against 0.5); more than 50 pt is asked", "boosting forest* baseline"},
		},
		{
			name: "over a relative margin",
			c:    caseOf(challenger("boosting", 9, 10), champion(6)),
			set:  func(c *judge.Case) { c.Pipeline.Gate.Gain = bakeoff.Gain{Margin: 0.4, Relative: true} },
			want: wanted{promoted, "boosting", "boosting is ahead of v16 by 50 % of accuracy (0.9 against 0.6); more than 40 % is asked", "boosting forest* baseline"},
		},
		{
			name: "within a relative margin where lower is better",
			c:    caseOf(challenger("boosting", 10, 10), champion(9)),
			set: func(c *judge.Case) {
				c.Pipeline.Judge.Metric = "brier"
				c.Pipeline.Gate.Gain = bakeoff.Gain{Margin: 0.9, Relative: true}
			},
			want: wanted{kept, "", "boosting is ahead of v16 by 88.89 % of brier (0.01 against 0.09); more than 90 % is asked", "boosting forest* baseline"},
		},
		{
			name: "over a margin where lower is better",
			c:    caseOf(challenger("boosting", 10, 10), champion(9)),
			set: func(c *judge.Case) {
				c.Pipeline.Judge.Metric = "brier"
				c.Pipeline.Gate.Gain.Margin = 0.05
			},
			want: wanted{promoted, "boosting", "boosting is ahead of v16 by 0.08 of brier (0.01 against 0.09); more than 0.05 is asked", "boosting forest* baseline"},
		},
		{
			name: "the best fails a floor, the next passes",
			c:    caseOf(challenger("boosting", 9, 10), challenger("forest", 8, 10)),
			set:  func(c *judge.Case) { c.Pipeline.Gate.Floors = map[string]float64{"brier": 0.2}; flatten(c) },
			want: wanted{promoted, "forest", "first champion: forest has accuracy 0.8 and beats the baseline's 0.5", "boosting forest baseline"},
		},
		{
			name: "the one that passes the floors is not better than the champion",
			c:    caseOf(challenger("boosting", 10, 10), challenger("linear", 8, 10), champion(9)),
			set:  func(c *judge.Case) { c.Pipeline.Gate.Floors = map[string]float64{"brier": 0.2}; flatten(c) },
			want: wanted{kept, "", "no challenger is better than v16: the best that passes the floors, linear, has accuracy 0.8 against 0.9", "boosting forest* linear baseline"},
		},
		{
			name: "nobody passes the floor",
			c:    caseOf(challenger("boosting", 9, 10), challenger("forest", 8, 10)),
			set:  func(c *judge.Case) { c.Pipeline.Gate.Floors = map[string]float64{"accuracy": 0.95} },
			want: wanted{kept, "", "no challenger passes the floors: the best, boosting, has accuracy 0.9, and at least 0.95 is asked", "boosting forest baseline"},
		},
		{
			name: "a floor where lower is better",
			c:    caseOf(challenger("boosting", 9, 10)),
			set:  func(c *judge.Case) { c.Pipeline.Gate.Floors = map[string]float64{"brier": 0.05} },
			want: wanted{kept, "", "no challenger passes the floors: the best, boosting, has brier 0.09, and at most 0.05 is allowed", "boosting baseline"},
		},
		{
			name: "a floor that is just reached",
			c:    caseOf(challenger("boosting", 9, 10)),
			set:  func(c *judge.Case) { c.Pipeline.Gate.Floors = map[string]float64{"accuracy": 0.9} },
			want: wanted{promoted, "boosting", "first champion: boosting has accuracy 0.9 and beats the baseline's 0.5", "boosting baseline"},
		},
		{
			name: "a floor on a metric that the holdout does not define",
			c:    caseOf(challenger("boosting", 9, 10)),
			set:  func(c *judge.Case) { c.Pipeline.Gate.Floors = map[string]float64{"roc_auc": 0.5}; oneClass(c) },
			want: wanted{kept, "", "no challenger passes the floors: the best, boosting, has no value to compare with the floor: " +
				"roc_auc is not defined on these rows: no row is of the positive class, the second " +
				"(roc_auc is not defined on these rows: no row is of the positive class, the second)", "baseline boosting"},
		},
		{
			name: "the objective is not defined on the holdout",
			c:    caseOf(challenger("boosting", 9, 10), champion(8), broken("linear", "exit code 1")),
			set:  func(c *judge.Case) { c.Pipeline.Judge.Metric = ""; oneClass(c) },
			want: wanted{failed, "", "nothing can be judged: roc_auc is not defined on these rows: no row is of the positive class, the second; " +
				"choose another metric or split", "| boosting forest* baseline linear"},
		},
		{
			name: "a metric beside the objective is not defined",
			c:    caseOf(challenger("boosting", 9, 10)),
			set: func(c *judge.Case) {
				c.Pipeline.Judge.Also = []string{"recall", "brier"}
				oneClass(c)
				c.Baseline = answers(0)
			},
			want: wanted{promoted, "boosting", "first champion: boosting has accuracy 0.6 and beats the baseline's 0.5 " +
				"(recall is not defined on these rows: no row is of the positive class, the second)", "boosting baseline"},
		},
		{
			name: "too few were built",
			c:    caseOf(broken("linear", "exit code 1: no such\nfile"), challenger("boosting", 9, 10), broken("forest", "time limit"), champion(8)),
			set:  func(c *judge.Case) { c.Pipeline.AtLeast = 2 },
			want: wanted{failed, "", "1 candidate was built of the 2 that at_least asks for; linear failed: exit code 1: no such file", "boosting forest* baseline | linear forest"},
		},
		{
			name: "none was built",
			c:    caseOf(broken("linear", "exit code 1")),
			set:  func(c *judge.Case) { c.Pipeline.AtLeast = 0 },
			want: wanted{failed, "", "no candidate was built of the 1 that at_least asks for; linear failed: exit code 1", "baseline | linear"},
		},
		{
			name: "a long reason is cut",
			c:    caseOf(challenger("a", 9, 1), challenger("b", 8, 1), broken("linear", strings.Repeat("é", 400))),
			set:  func(c *judge.Case) { c.Pipeline.AtLeast = 3 },
			want: wanted{failed, "", "2 candidates were built of the 3 that at_least asks for; linear failed: " + strings.Repeat("é", 300) + "…", "a b baseline | linear"},
		},
		{
			name: "one that does not answer is not built",
			c:    caseOf(challenger("boosting", 9, 10), silent(challenger("forest", 0, 10), "it ended with exit code 2")),
			set:  func(c *judge.Case) { c.Pipeline.AtLeast = 2 },
			want: wanted{failed, "", "1 candidate was built of the 2 that at_least asks for; forest failed: no predictions: it ended with exit code 2", "boosting baseline | forest"},
		},
		{
			name: "one failed, enough were built",
			c:    caseOf(broken("linear", "exit code 1"), challenger("boosting", 9, 10)),
			want: wanted{promoted, "boosting", "first champion: boosting has accuracy 0.9 and beats the baseline's 0.5", "boosting baseline | linear"},
		},
		{
			name: "held",
			c:    caseOf(challenger("boosting", 9, 10), champion(8)),
			set: func(c *judge.Case) {
				c.Hold = &bakeoff.Hold{By: "anna", Why: "scores\nlook wrong", Since: time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)}
			},
			want: wanted{kept, "boosting", "held since the rollback by anna (2026-11-20, scores look wrong); `bakeoff resume` lifts the hold", "boosting forest* baseline"},
		},
		{
			name: "a hold comes before a champion that cannot be compared",
			c:    caseOf(challenger("boosting", 9, 10), champion(8)),
			set:  func(c *judge.Case) { c.Hold = &bakeoff.Hold{By: "anna"}; c.Incomparable = "it is old" },
			want: wanted{kept, "", "held since the rollback by anna; `bakeoff resume` lifts the hold", "boosting baseline | forest*"},
		},
		{
			name: "the champion cannot be compared",
			c:    caseOf(challenger("boosting", 9, 10), broken("linear", "exit code 1"), silent(champion(8), "")),
			set:  func(c *judge.Case) { c.Incomparable = "it needs the column age, which is gone" },
			want: wanted{kept, "", "v16 stays because it cannot be compared with the challengers: it needs the column age, which is gone" + byHand, "boosting baseline | forest* linear"},
		},
		{
			name: "the champion cannot be opened",
			c:    caseOf(challenger("boosting", 9, 10), silent(champion(8), "open artifact: it is not there")),
			want: wanted{kept, "", "v16 stays because it cannot be compared with the challengers: no predictions: open artifact: it is not there" + byHand, "boosting baseline | forest*"},
		},
		{
			name: "values that differ in the fifth digit",
			c:    caseOf(challenger("boosting", 10, 10), champion(10)),
			set: func(c *judge.Case) {
				c.Pipeline.Judge.Metric = "log_loss"
				c.Contestants[1].Predictions.Probabilities[0] -= 1e-6
				c.Contestants[1].Predictions.Probabilities[1] += 1e-6
			},
			want: wanted{promoted, "boosting", "boosting is ahead of v16 by 1.111e-07 of log_loss (0.1053605 against 0.1053606)", "boosting forest* baseline"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.set != nil {
				c.set(&c.c)
			}
			d, err := judge.Decide(c.c)
			if err != nil {
				t.Fatal(err)
			}
			c.want.check(t, d)
		})
	}
}

// flatten makes the first contestant's answers timid: right as often, with a brier near 0.25.
func flatten(c *judge.Case) {
	p := c.Contestants[0].Predictions
	for i, v := range p.Probabilities {
		p.Probabilities[i] = 0.5 + (v-0.5)/1000
	}
}

// oneClass leaves labels of the first class alone.
func oneClass(c *judge.Case) { clear(c.Labels.Codes) }

func TestDecideFillsTheLeaderboard(t *testing.T) {
	k := challenger("boosting", 9, 321)
	k.Trial.Artifact, k.Trial.Seconds, k.Unseen = bakeoff.DigestOf([]byte("model")), 1.5, 3
	c := caseOf(k, champion(8))
	c.Pipeline.Judge.Also = []string{"roc_auc", "accuracy"}
	c.Pipeline.Gate.Floors = map[string]float64{"recall": 0.1}
	c.Rows = bakeoff.Rows{Train: 40, Holdout: tenRows, SetAside: 2, SeenByChampion: 2}
	d, err := judge.Decide(c)
	if err != nil {
		t.Fatal(err)
	}
	rank := 1
	want := bakeoff.LeaderboardRow{
		Rank: &rank, Candidate: "boosting", Role: bakeoff.RoleChallenger, State: bakeoff.TrialBuilt,
		Artifact: k.Trial.Artifact, Bytes: 321, Seconds: 1.5, Unseen: 3,
		Metrics: map[string]float64{"accuracy": 0.9, "roc_auc": 0.8, "recall": 0.8},
		// Wilson's interval for 9 of 10.
		Interval: map[string][2]float64{"accuracy": {0.5958499732047615, 0.9821237869049271}},
		Noise:    true,
	}
	near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })
	first := d.Leaderboard[0]
	for _, name := range []string{"recall", "roc_auc"} { // in metric's tests
		delete(first.Interval, name)
	}
	if c := first.Against; c == nil || c.With != "forest" || math.Abs(c.Gain-0.1) > 1e-9 || c.P != 0.5 { // the one row on which they differ
		t.Errorf("against the champion: %+v", c)
	}
	first.Against = nil
	if diff := cmp.Diff(want, first, near); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if d.Metric != "accuracy" || d.Champion != 16 || d.Rows != c.Rows {
		t.Errorf("%+v", d)
	}
	for _, row := range d.Leaderboard[1:] {
		if len(row.Metrics) != 3 || len(row.Interval) != 3 {
			t.Errorf("%s: %v, %v", row.Candidate, row.Metrics, row.Interval)
		}
	}
	if d.Leaderboard[1].Version != 16 {
		t.Errorf("the champion's row has version %d", d.Leaderboard[1].Version)
	}
}

func TestDecideByTheDefaultMetric(t *testing.T) {
	c := caseOf(challenger("boosting", 9, 10))
	c.Pipeline.Judge.Metric = ""
	d, err := judge.Decide(c)
	if err != nil || d.Metric != "roc_auc" {
		t.Errorf("%q, %v", d.Metric, err)
	}
}

func TestDecideErrors(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*judge.Case)
		want string
		code bakeoff.Code
	}{
		"unknown metric": {func(c *judge.Case) { c.Pipeline.Judge.Metric = "auc" }, `judge.metric: unknown metric "auc"`, bakeoff.CodeInvalid},
		"unfit metric":   {func(c *judge.Case) { c.Pipeline.Judge.Metric = "rmse" }, "judge.metric: rmse does not fit a binary target", bakeoff.CodeInvalid},
		"unfit beside":   {func(c *judge.Case) { c.Pipeline.Judge.Also = []string{"f1", "mae"} }, "judge.also: mae does not fit a binary target", bakeoff.CodeInvalid},
		"unfit floor": {
			func(c *judge.Case) { c.Pipeline.Gate.Floors = map[string]float64{"r2": 0.5} },
			"gate.floors: r2 does not fit a binary target", bakeoff.CodeInvalid,
		},
		"no baseline": {func(c *judge.Case) { c.Baseline = nil }, "judge: a case without a pipeline or a baseline", bakeoff.CodeInternal},
		"no champion": {func(c *judge.Case) { c.Champion = 3 }, "judge: 0 champions among the contestants, the live version is 3", bakeoff.CodeInternal},
	} {
		t.Run(name, func(t *testing.T) {
			in := caseOf(challenger("boosting", 9, 10))
			c.set(&in)
			_, err := judge.Decide(in)
			if err == nil || err.Error() != c.want || bakeoff.CodeOf(err) != c.code {
				t.Errorf("%v (%s), want %q (%s)", err, bakeoff.CodeOf(err), c.want, c.code)
			}
			if _, early := judge.Objective(in.Pipeline, in.Task); c.code == bakeoff.CodeInvalid && (early == nil || early.Error() != c.want) {
				t.Errorf("before the run: %v, want %q", early, c.want)
			}
			if c.code == bakeoff.CodeInvalid && !strings.Contains(bakeoff.HintOf(err), "roc_auc") {
				t.Errorf("the hint names no metric that fits: %q", bakeoff.HintOf(err))
			}
		})
	}
}

func TestDecideTwiceGivesTheSameBytes(t *testing.T) {
	var texts [2]string
	for i := range texts {
		c := caseOf(challenger("boosting", 9, 10), challenger("forest", 8, 10), broken("linear", "signal"), champion(8))
		c.Pipeline.Judge = bakeoff.Judge{Metric: "f1", Also: []string{"log_loss", "mcc", "roc_auc"}, Confidence: 0.9}
		d, err := judge.Decide(c)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(text)
	}
	if texts[0] != texts[1] {
		t.Errorf("%s\nand\n%s", texts[0], texts[1])
	}
}
