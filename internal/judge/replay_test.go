package judge_test

import (
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/judge"
)

// TestTry decides a kept case by other rules than its own.
func TestTry(t *testing.T) {
	c := caseOf(challenger("boosting", 9, 10), challenger("linear", 7, 5), champion(8))
	c.Pipeline.Gate = bakeoff.Gate{Floors: map[string]float64{"accuracy": 0.5}}
	kept := c.Kept()
	file := func(change func(p *bakeoff.Pipeline)) *bakeoff.Pipeline {
		// The file's floor is 0.6 by a variable of today, and was 0.5 that night.
		p := &bakeoff.Pipeline{AtLeast: 1, Judge: c.Pipeline.Judge, Gate: bakeoff.Gate{Floors: map[string]float64{"accuracy": 0.6}}}
		if change != nil {
			change(p)
		}
		return p
	}
	for _, s := range []struct {
		name   string
		change func(p *bakeoff.Pipeline)
		want   string
	}{
		{"nothing", nil, "promoted: boosting is ahead of v16 by 10 pt of accuracy (0.9 against 0.8)"},
		{"a margin", func(p *bakeoff.Pipeline) { p.Gate.Gain.Margin = 0.2 }, "kept: boosting is ahead of v16 by 10 pt of accuracy (0.9 against 0.8); more than 20 pt is asked"},
		{"beyond noise", func(p *bakeoff.Pipeline) { p.Gate.Gain.Significant = true }, "kept: cannot tell the best, boosting, from "},
		{"another metric", func(p *bakeoff.Pipeline) { p.Judge.Metric = "recall" }, "kept: no challenger is better than v16: the best, boosting, has the same recall"},
		{"one floor more", func(p *bakeoff.Pipeline) { p.Gate.Floors["roc_auc"] = 1 }, "kept: no challenger passes the floors: the best, boosting, has roc_auc 0.8, and at least 1 is asked"},
		{"a higher floor", func(p *bakeoff.Pipeline) { p.Gate.Floors["accuracy"] = 0.95 }, "kept: no challenger passes the floors: the best, boosting, has accuracy 0.9, and at least 0.95 is asked"},
		{"no floor", func(p *bakeoff.Pipeline) { p.Gate.Floors = nil }, "promoted: boosting is ahead of v16"},
		{"more candidates", func(p *bakeoff.Pipeline) { p.AtLeast = 3 }, "failed: 2 candidates were built of the 3 that at_least asks for"},
	} {
		t.Run(s.name, func(t *testing.T) {
			d, err := judge.Try(kept, file(nil), file(s.change))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(d.Verdict) + ": " + d.Reason; !strings.HasPrefix(got, s.want) {
				t.Errorf("got  %s\nwant %s", got, s.want)
			}
		})
	}
	if again := c.Kept(); again.Rules.Gate.Floors["accuracy"] != 0.5 || len(kept.Rules.Gate.Floors) != 1 || kept.Rules.Gate.Gain.Significant {
		t.Errorf("the kept rules were changed: %+v", kept.Rules)
	}
	if _, err := judge.Try(kept, file(nil), file(func(p *bakeoff.Pipeline) { p.Judge.Metric = "rmse" })); bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
		t.Errorf("a metric that does not fit: %v", err)
	}
}

// TestTrySlices tries to slice a night by columns that it has kept, and by one that it has not.
func TestTrySlices(t *testing.T) {
	c := randomCase(5)
	as := &bakeoff.Pipeline{AtLeast: 1, Judge: c.Pipeline.Judge, Gate: c.Pipeline.Gate}
	with := *as
	with.Judge.Slices = nil
	with.Gate.SliceLoss = nil
	d, err := judge.Try(c.Kept(), as, &with)
	if err != nil || len(d.Slices) != 0 {
		t.Errorf("without slices: %+v, %v", d.Slices, err)
	}
	if d, err = judge.Try(c.Kept(), as, as); err != nil || len(d.Slices) != 1 {
		t.Errorf("with those of the night: %+v, %v", d.Slices, err)
	}
	with.Judge.Slices = []string{"plan", "age"}
	if _, err = judge.Try(c.Kept(), as, &with); err == nil || !strings.Contains(err.Error(), "the values of age were not kept") {
		t.Errorf("by a column that was not kept: %v", err)
	}
}
