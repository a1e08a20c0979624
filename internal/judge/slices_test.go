package judge_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/judge"
)

// The cases below are judged by accuracy on rows whose classes alternate. A contestant is wrong on
// the rows that a test names.

func rowLabels(n int) bakeoff.Labels {
	y := bakeoff.Labels{Classes: noYes}
	for i := range n {
		y.Codes = append(y.Codes, int32(i%2))
	}
	return y
}

func wrongOn(name string, bytes int64, n int, wrong func(row int) bool) judge.Contestant {
	k := challenger(name, 0, bytes)
	k.Predictions = &bakeoff.Predictions{Classes: noYes}
	for i := range n {
		yes := 0.1 + 0.8*float64(i%2)
		if wrong(i) {
			yes = 1 - yes
		}
		k.Predictions.Probabilities = append(k.Predictions.Probabilities, 1-yes, yes)
	}
	return k
}

func crowned(k judge.Contestant) judge.Contestant {
	k.Role, k.Version = bakeoff.RoleChampion, 16
	return k
}

// sliceCase has n rows that are sliced by a column.
func sliceCase(n int, column dataset.Column, contestants ...judge.Contestant) judge.Case {
	c := caseOf(contestants...)
	c.Labels, c.Rows.Holdout = rowLabels(n), n
	c.Baseline = &bakeoff.Predictions{Classes: noYes, Probabilities: slices.Repeat([]float64{0.5}, 2*n)}
	c.Slices = []dataset.Column{column}
	c.Pipeline.Judge.Slices = []string{column.Name}
	return c
}

// plans gives each row the level that level says, -1 for none.
func plans(n int, levels []string, level func(row int) int) dataset.Column {
	c := dataset.Column{Name: "plan", Kind: bakeoff.KindCategory, Levels: levels}
	for i := range n {
		c.Codes = append(c.Codes, int32(level(i)))
	}
	return c
}

func numbers(kind bakeoff.Kind, n int, value func(row int) float64) dataset.Column {
	c := dataset.Column{Name: "tenure", Kind: kind}
	for i := range n {
		c.Numbers = append(c.Numbers, value(i))
	}
	return c
}

func decide(t *testing.T, c judge.Case) bakeoff.Decision {
	t.Helper()
	d, err := judge.Decide(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// cut lists the slices of the only table: value, rows, and why they are too few.
func cut(t *testing.T, d bakeoff.Decision) []string {
	t.Helper()
	if len(d.Slices) != 1 {
		t.Fatalf("%d tables", len(d.Slices))
	}
	var all []string
	for _, s := range d.Slices[0].Slices {
		text := fmt.Sprintf("%s %s: %d", s.Kind, s.Value, s.Rows)
		if s.Values > 0 {
			text += fmt.Sprintf(" of %d values", s.Values)
		}
		if s.TooSmall != "" {
			text += ", " + s.TooSmall
		}
		all = append(all, text)
	}
	return all
}

func right(int) bool { return false }

func TestSlicesOfAColumn(t *testing.T) {
	const n = 1000
	day := func(row int) float64 { return 86400 * float64(row/100) }
	for name, c := range map[string]struct {
		column dataset.Column
		want   []string
	}{
		"category": {
			plans(n, []string{"basic", "gone", "pro", "tiny"}, func(row int) int {
				switch {
				case row < 29:
					return 3
				case row < 100:
					return -1
				}
				return row / 2 % 2 * 2
			}),
			[]string{"value basic: 450", "value pro: 450", "value tiny: 29, it takes 30 rows", "missing : 71"},
		},
		"one class": {
			plans(n, []string{"even", "odd"}, func(row int) int { return row % 2 }),
			[]string{"value even: 500, 0 of class yes, it takes 5", "value odd: 500, 0 of class no, it takes 5"},
		},
		"boolean": {
			numbers(bakeoff.KindBoolean, n, func(row int) float64 { return float64(row / 2 % 2) }),
			[]string{"value false: 500", "value true: 500"},
		},
		"few integers": {
			numbers(bakeoff.KindInteger, n, func(row int) float64 { return float64(row / 500) }),
			[]string{"value 0: 500", "value 1: 500"},
		},
		"many integers": {
			numbers(bakeoff.KindInteger, n, func(row int) float64 { return float64(row / 10) }),
			[]string{"band 0 to 24: 250", "band 25 to 49: 250", "band 50 to 74: 250", "band 75 to 99: 250"},
		},
		"ties": {
			numbers(bakeoff.KindNumber, n, func(row int) float64 { return float64(max(0, row-600)) }),
			[]string{"band 0: 601", "band 1 to 149: 149", "band 150 to 399: 250"},
		},
		"constant": {
			numbers(bakeoff.KindNumber, n, func(int) float64 { return 0.5 }),
			[]string{"band 0.5: 1000"},
		},
		"missing numbers": {
			numbers(bakeoff.KindNumber, n, func(row int) float64 {
				if row < 200 {
					return math.NaN()
				}
				return float64(row)
			}),
			[]string{"band 200 to 399: 200", "band 400 to 599: 200", "band 600 to 799: 200", "band 800 to 999: 200", "missing : 200"},
		},
		"all missing": {
			numbers(bakeoff.KindNumber, n, func(int) float64 { return math.NaN() }),
			[]string{"missing : 1000"},
		},
		"infinite": {
			numbers(bakeoff.KindNumber, n, func(row int) float64 { return math.Inf(row%4/2*2 - 1) }),
			[]string{"band -Inf: 500", "band +Inf: 500"},
		},
		"dates": {
			numbers(bakeoff.KindDate, n, day),
			[]string{"band 1970-01-01 to 1970-01-03: 300", "band 1970-01-04 to 1970-01-05: 200", "band 1970-01-06 to 1970-01-08: 300", "band 1970-01-09 to 1970-01-10: 200"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := decide(t, sliceCase(n, c.column, wrongOn("boosting", 1, n, right)))
			if diff := cmp.Diff(c.want, cut(t, d)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Of a column with 10,000 values the 20 with most rows have a slice of their own.
func TestSlicesAreBounded(t *testing.T) {
	const n, values = 30_000, 10_000
	levels := make([]string, values)
	for i := range levels {
		levels[i] = fmt.Sprintf("level %05d %s", i, strings.Repeat("x", 1000))
	}
	column := plans(n, levels, func(row int) int {
		if row < 2000 {
			return row / 2 % 20 * 7 // the frequent ones: 0, 7, 14 ... 133
		}
		return row % values
	})
	d := decide(t, sliceCase(n, column, wrongOn("boosting", 1, n, right)))
	got := d.Slices[0].Slices
	last := got[len(got)-1]
	if len(got) != 21 || last.Kind != bakeoff.SliceOther || last.Values != values-20 || last.Value != "other" {
		t.Errorf("%d slices, the last %+v", len(got), last)
	}
	rows := 0
	for i, s := range got {
		rows += s.Rows
		if i < 20 && (!strings.HasPrefix(s.Value, fmt.Sprintf("level %05d x", 7*i)) || len(s.Value) > 100) {
			t.Errorf("slice %d is %s", i, s.Value)
		}
	}
	if rows != n {
		t.Errorf("the slices have %d rows", rows)
	}
}

func TestSlicesShowAndCompare(t *testing.T) {
	const n = 400
	column := plans(n, []string{"basic", "pro", "tiny"}, func(row int) int {
		if row < 20 {
			return 2
		}
		return row / 2 % 2
	})
	pro := func(row int) bool { return row >= 20 && row/2%2 == 1 }
	c := sliceCase(n, column,
		wrongOn("boosting", 1, n, func(row int) bool { return pro(row) && row%10 == 3 }),
		crowned(wrongOn("forest", 1, n, func(row int) bool { return row%5 == 0 })))
	d := decide(t, c)
	basic, tiny := d.Slices[0].Slices[0], d.Slices[0].Slices[2]
	if s := basic.Scores[0]; len(basic.Scores) != 3 || s.Candidate != "boosting" || s.Value != 1 || s.Interval == nil || s.Interval[0] < 0.9 {
		t.Errorf("%+v", basic.Scores)
	}
	if a := basic.Against; a == nil || a.Candidate != "boosting" || a.Gain < 0.15 || a.Interval[0] >= a.Gain || basic.Worse {
		t.Errorf("%+v", a)
	}
	if s := tiny.Scores[1]; s.Candidate != "forest" || s.Version != 16 || s.Value != 0.8 || s.Interval != nil || tiny.Against != nil {
		t.Errorf("%+v", tiny)
	}
	if first := decide(t, sliceCase(n, column, wrongOn("boosting", 1, n, right))); first.Slices[0].Slices[0].Against != nil {
		t.Error("compared with a champion that is none")
	}
}

// TestNoSliceWorseThan has 800 rows, half of them of plan pro. The champion is right in pro and
// wrong on half of the rest; the challengers are better in all, and worse in pro.
func TestNoSliceWorseThan(t *testing.T) {
	const n = 800
	inPro := func(row int) bool { return row/2%2 == 1 }
	column := plans(n, []string{"basic", "pro"}, func(row int) int {
		if inPro(row) {
			return 1
		}
		return 0
	})
	champion := crowned(wrongOn("forest", 1, n, func(row int) bool { return !inPro(row) && row/4%2 == 0 }))
	boosting := wrongOn("boosting", 1, n, func(row int) bool { return inPro(row) && row%80 < 4 }) // 20 of 400
	linear := wrongOn("linear", 1, n, func(row int) bool { return inPro(row) && row%160 < 4 || !inPro(row) && row%16 == 0 })
	bad := wrongOn("bad", 1, n, func(row int) bool { return inPro(row) && row%16 < 4 })
	const ahead = "is ahead of v16 by"
	for name, c := range map[string]struct {
		loss        *bakeoff.SliceLoss
		contestants []judge.Contestant
		verdict     bakeoff.Verdict
		candidate   string
		reason      string
	}{
		"none asked":     {nil, []judge.Contestant{boosting, linear, champion}, bakeoff.Promoted, "boosting", "boosting " + ahead},
		"within":         {&bakeoff.SliceLoss{Margin: 0.05}, []judge.Contestant{boosting, linear, champion}, bakeoff.Promoted, "boosting", "boosting " + ahead},
		"the next":       {&bakeoff.SliceLoss{Margin: 0.03}, []judge.Contestant{boosting, linear, champion}, bakeoff.Promoted, "linear", "linear " + ahead},
		"relative":       {&bakeoff.SliceLoss{Margin: 0.03, Relative: true}, []judge.Contestant{boosting, linear, champion}, bakeoff.Promoted, "linear", "linear " + ahead},
		"first champion": {&bakeoff.SliceLoss{}, []judge.Contestant{boosting, linear}, bakeoff.Promoted, "boosting", "first champion: boosting"},
		"nobody": {
			&bakeoff.SliceLoss{Margin: 0.03},
			[]judge.Contestant{boosting, bad, champion},
			bakeoff.Kept, "",
			"no challenger passes the slices: the best, boosting, is worse than v16 by 5 pt of accuracy where plan is pro (95% interval ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := sliceCase(n, column, c.contestants...)
			in.Pipeline.Gate = bakeoff.Gate{Gain: bakeoff.Gain{Significant: true}, SliceLoss: c.loss}
			d := decide(t, in)
			if d.Verdict != c.verdict || d.Candidate != c.candidate || !strings.HasPrefix(d.Reason, c.reason) {
				t.Errorf("%s: %s", d.Verdict, d.Reason)
			}
			t.Log(d.Reason)
			for _, row := range d.Leaderboard {
				if stopped := row.Stopped != ""; stopped != (row.Candidate == "boosting" && (name == "the next" || name == "relative" || name == "nobody") || row.Candidate == "bad") {
					t.Errorf("%s: stopped: %q", row.Candidate, row.Stopped)
				}
			}
			if worse := d.Slices[0].Slices[1].Worse; worse != (name == "nobody") {
				t.Errorf("worse: %v", worse)
			}
		})
	}
}

// A slice in which too little can be told stops nobody.
func TestSmallSlicesStopNobody(t *testing.T) {
	const n = 800
	tiny := func(row int) bool { return row < 28 }
	column := plans(n, []string{"basic", "tiny"}, func(row int) int {
		if tiny(row) {
			return 1
		}
		return 0
	})
	c := sliceCase(n, column, wrongOn("boosting", 1, n, tiny),
		crowned(wrongOn("forest", 1, n, func(row int) bool { return !tiny(row) && row%4 == 0 })))
	c.Pipeline.Gate.SliceLoss = &bakeoff.SliceLoss{}
	if d := decide(t, c); d.Candidate != "boosting" {
		t.Error(d.Reason)
	}
}

func TestDecideRefusesSlicesOfOtherRows(t *testing.T) {
	c := sliceCase(100, plans(99, []string{"basic"}, func(int) int { return 0 }), wrongOn("boosting", 1, 100, right))
	if _, err := judge.Decide(c); bakeoff.CodeOf(err) != bakeoff.CodeInternal {
		t.Error(err)
	}
}

func TestEvaluateSlices(t *testing.T) {
	in := inputs(300, &runtime{})
	in.Pipeline.Judge.Slices = []string{"plan", "x"}
	in.Champion, in.ChampionSeen = liveVersion(300), []uint64{0, 1, 2}
	d := evaluate(t, in)
	if len(d.Slices) != 2 || len(d.Slices[0].Slices) != 3 || d.Slices[0].Slices[2].Kind != bakeoff.SliceMissing || d.Slices[1].Column != "x" {
		t.Fatalf("%+v", d.Slices)
	}
	for _, s := range d.Slices[0].Slices {
		if s.Rows != 99 { // of 100, one that the champion has seen
			t.Errorf("%d rows where plan is %s", s.Rows, s.Value)
		}
	}
	in.Pipeline.Judge.Slices = []string{"plam"}
	_, err := judge.Evaluate(t.Context(), in)
	if bakeoff.CodeOf(err) != bakeoff.CodeInvalid || bakeoff.HintOf(err) != `did you mean "plan"?` {
		t.Errorf("%v, %s", err, bakeoff.HintOf(err))
	}
	in.Pipeline.Judge.Slices = []string{"nothing like it"}
	if _, err := judge.Evaluate(t.Context(), in); bakeoff.HintOf(err) != "the columns are x, plan" {
		t.Errorf("%v, %s", err, bakeoff.HintOf(err))
	}
}

// Where lower is better, worse is more; of several classes, one that does not occur in a slice is no
// fault, and one that hardly does is.
func TestSlicesOfOtherTasks(t *testing.T) {
	const n = 200
	half := plans(n, []string{"basic", "pro"}, func(row int) int { return row * 2 / n })
	t.Run("regression", func(t *testing.T) {
		k := func(name string, basic, pro float64) judge.Contestant {
			c := challenger(name, 0, 1)
			c.Predictions = &bakeoff.Predictions{}
			for i := range n {
				off := basic
				if i >= n/2 {
					off = pro
				}
				c.Predictions.Values = append(c.Predictions.Values, float64(i)+off*float64(1-2*(i%2)))
			}
			return c
		}
		c := sliceCase(n, half, k("ridge", 1, 6), crowned(k("forest", 10, 5)))
		c.Task, c.Pipeline.Judge.Metric = bakeoff.Regression, "rmse"
		c.Labels, c.Baseline = bakeoff.Labels{}, &bakeoff.Predictions{}
		for i := range n {
			c.Labels.Values = append(c.Labels.Values, float64(i))
			c.Baseline.Values = append(c.Baseline.Values, n/2)
		}
		c.Pipeline.Gate.SliceLoss = &bakeoff.SliceLoss{Margin: 0.1, Relative: true}
		const want = "no challenger passes the slices: the best, ridge, is worse than v16 by 20 % of rmse where plan is pro (95% interval "
		d := decide(t, c)
		if pro := d.Slices[0].Slices[1]; !strings.HasPrefix(d.Reason, want) || !pro.Worse || math.Abs(pro.Against.Gain+1) > 1e-9 {
			t.Errorf("%s, %+v", d.Reason, pro.Against)
		}
		c.Pipeline.Gate.SliceLoss.Margin = 0.2
		if d := decide(t, c); d.Candidate != "ridge" {
			t.Error(d.Reason)
		}
	})
	t.Run("multiclass", func(t *testing.T) {
		c := sliceCase(n, half, challenger("forest", 0, 1))
		classes := []string{"a", "b", "c"}
		c.Task, c.Labels = bakeoff.Multiclass, bakeoff.Labels{Classes: classes}
		p := &bakeoff.Predictions{Classes: classes}
		for i := range n {
			code := int32(i % 2)
			if i > n-4 {
				code = 2
			}
			c.Labels.Codes = append(c.Labels.Codes, code)
			p.Probabilities = append(p.Probabilities, 0.5, 0.3, 0.2)
		}
		c.Contestants[0].Predictions, c.Baseline = p, p
		want := []string{"value basic: 100", "value pro: 100, 3 of class c, it takes 5"}
		if diff := cmp.Diff(want, cut(t, decide(t, c))); diff != "" {
			t.Error(diff)
		}
	})
}
