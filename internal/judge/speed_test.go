package judge_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/judge"
)

func TestEvaluateMeasures(t *testing.T) {
	r := &runtime{}
	in := inputs(300, r)
	in.Champion = liveVersion(300)
	in.Pipeline.Gate.Budgets = bakeoff.Budgets{P95: time.Minute, RowsPerSecond: 1, Memory: 1 << 20, Size: 9}
	d := evaluate(t, in)
	for _, row := range d.Leaderboard {
		s := row.Speed
		if row.Role == bakeoff.RoleBaseline {
			if s != nil {
				t.Errorf("the baseline was measured: %+v", s)
			}
			continue
		}
		if s == nil || s.P50 <= 0 || s.P95 < s.P50 || s.RowsTimed != 300 || s.RowsPerSecond <= 0 || s.Memory != 1<<20 {
			t.Errorf("%s: %+v", row.Candidate, s)
		}
	}
	if d.Verdict != bakeoff.Promoted {
		t.Error(d.Reason)
	}
	// All rows twice, in a block each, and every row alone, after the same rows at the beginning.
	alone := len(r.blocks) - 3*2
	if slices.Max(r.blocks) != 300 || alone != 3*303 {
		t.Errorf("%d blocks", len(r.blocks))
	}
}

// Whoever answers many rows and not one cannot be served.
func TestEvaluateRefusesWhoAnswersNoSingleRow(t *testing.T) {
	r := &runtime{}
	r.spoil = func(artifact bakeoff.Digest, p *bakeoff.Predictions) (*bakeoff.Predictions, error) {
		if artifact == digest("boosting") && p.Len() == 1 {
			return nil, fmt.Errorf("a matrix has two dimensions")
		}
		return p, nil
	}
	d := evaluate(t, inputs(50, r))
	row := d.Leaderboard[len(d.Leaderboard)-1]
	if row.Candidate != "boosting" || row.Reason != "no predictions: one row alone: a matrix has two dimensions" {
		t.Errorf("%+v", row)
	}
}

// A single row brings the categories that it has, as a request does, and not those of all rows.
func TestEvaluateAsksForSingleRowsAsARequestDoes(t *testing.T) {
	in := inputs(50, &runtime{})
	in.Open = func(context.Context, bakeoff.Digest, bakeoff.Candidate, bakeoff.Schema) (judge.Scorer, error) {
		return levels{t, in.Holdout.Table}, nil
	}
	if d := evaluate(t, in); d.Leaderboard[0].Speed == nil {
		t.Error(d.Reason)
	}
}

// levels is a scorer that looks at single rows.
type levels struct {
	t     *testing.T
	whole *dataset.Table
}

func (l levels) Score(_ context.Context, t *dataset.Table) (*bakeoff.Predictions, error) {
	if plan := t.Column("plan"); t.Rows == 1 {
		x, missing := t.Column("x").Numbers[0], plan.Missing(0)
		row := slices.Index(l.whole.Column("x").Numbers, x)
		if l.whole.Column("plan").Missing(row) != missing || !missing && (len(plan.Levels) != 1 || plan.Levels[0] != l.whole.ToRows(row, row+1)[0]["plan"]) {
			l.t.Errorf("row %d: %+v", row, plan)
		}
	}
	return &bakeoff.Predictions{Classes: noYes, Probabilities: slices.Repeat([]float64{0.5, 0.5}, t.Rows)}, nil
}

func (levels) Unseen(*dataset.Table) int { return 0 }
func (levels) Memory() int64             { return 0 }
func (levels) Close() error              { return nil }

func TestBudgets(t *testing.T) {
	measured := func(k judge.Contestant, s bakeoff.Speed) judge.Contestant {
		k.Speed = &s
		return k
	}
	speed := bakeoff.Speed{P50: 0.002, P95: 0.031, RowsTimed: 100, RowsPerSecond: 800, Memory: 1_500_000_000}
	const best = "no challenger passes the budgets: the best, boosting, "
	for name, c := range map[string]struct {
		budgets bakeoff.Budgets
		want    string // the reason's beginning; "" for a promotion
	}{
		"none":         {bakeoff.Budgets{}, ""},
		"all kept":     {bakeoff.Budgets{P50: 2 * time.Millisecond, P95: 31 * time.Millisecond, RowsPerSecond: 800, Size: 61_234_567, Memory: 1_500_000_000}, ""},
		"p50":          {bakeoff.Budgets{P50: time.Millisecond}, best + "has p50 2 ms a row, and at most 1 ms is allowed"},
		"p95":          {bakeoff.Budgets{P50: 2 * time.Millisecond, P95: 20 * time.Millisecond}, best + "has p95 31 ms a row, and at most 20 ms is allowed"},
		"rate":         {bakeoff.Budgets{RowsPerSecond: 1000}, best + "answers 800 rows a second, and at least 1000 are asked"},
		"size":         {bakeoff.Budgets{Size: 50_000_000}, best + "has an artifact of 61.23 MB, and at most 50 MB is allowed"},
		"a byte":       {bakeoff.Budgets{Size: 61_234_566}, best + "has an artifact of 61.234567 MB, and at most 61.234566 MB is allowed"},
		"memory":       {bakeoff.Budgets{Memory: 1 << 30}, best + "takes 1.5 GB of memory, and at most 1.074 GB is allowed"},
		"small budget": {bakeoff.Budgets{Memory: 512}, best + "takes 1500000000 B of memory, and at most 512 B is allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			in := caseOf(measured(challenger("boosting", 9, 61_234_567), speed), champion(7))
			in.Pipeline.Gate.Budgets = c.budgets
			d := decide(t, in)
			if d.Verdict == bakeoff.Promoted != (c.want == "") || !strings.HasPrefix(d.Reason, c.want) {
				t.Errorf("%s: %s", d.Verdict, d.Reason)
			}
		})
	}
}

// One that is too slow does not keep the next from being promoted, and the champion is not asked.
func TestBudgetsLetTheNextPass(t *testing.T) {
	slow, quick := challenger("boosting", 10, 9), challenger("linear", 9, 9)
	slow.Speed, quick.Speed = &bakeoff.Speed{P95: 1}, &bakeoff.Speed{P95: 0.001}
	in := caseOf(slow, quick, champion(7))
	in.Pipeline.Gate.Budgets.P95 = time.Millisecond
	d := decide(t, in)
	if d.Candidate != "linear" || d.Leaderboard[0].Stopped != "has p95 1000 ms a row, and at most 1 ms is allowed" {
		t.Errorf("%s: %+v", d.Reason, d.Leaderboard[0])
	}
	in = caseOf(slow, challenger("linear", 6, 9), champion(7))
	in.Contestants[1].Speed = quick.Speed
	in.Pipeline.Gate.Budgets.P95 = time.Millisecond
	wanted{bakeoff.Kept, "", "no challenger is better than v16: the best that passes the budgets, linear, has accuracy 0.6 against 0.7", "boosting forest* linear baseline"}.
		check(t, decide(t, in))
}

// What was not measured does not pass a budget for it.
func TestBudgetsForWhatWasNotMeasured(t *testing.T) {
	for name, c := range map[string]struct {
		speed   *bakeoff.Speed
		budgets bakeoff.Budgets
		want    string
	}{
		"time":   {nil, bakeoff.Budgets{P50: time.Second}, "was not measured, and there are budgets"},
		"memory": {&bakeoff.Speed{P95: 0.1}, bakeoff.Budgets{Memory: 1 << 30}, "has a memory that this system does not tell, and there is a budget for it"},
		"size":   {nil, bakeoff.Budgets{Size: 9}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			k := challenger("boosting", 9, 9)
			k.Speed = c.speed
			in := caseOf(k)
			in.Pipeline.Gate.Budgets = c.budgets
			if d := decide(t, in); d.Leaderboard[0].Stopped != c.want {
				t.Error(d.Leaderboard[0].Stopped)
			}
		})
	}
}
