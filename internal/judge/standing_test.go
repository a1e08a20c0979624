package judge_test

import (
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/judge"
)

func TestTheChampionCoolsDown(t *testing.T) {
	moved := time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)
	const (
		promoted, kept = bakeoff.Promoted, bakeoff.Kept

		ahead = "boosting is ahead of v16 by 10 pt of accuracy (0.9 against 0.8)"
	)
	cooling := func(when string) string {
		return "boosting would be promoted, but v16 became champion " + when +
			" and cools down until 2026-11-23 03:00 UTC, unless a person promotes: " + ahead
	}
	for _, c := range []struct {
		name  string
		after time.Duration
		set   func(*judge.Case)
		want  wanted
	}{
		{name: "a day later", after: 25 * time.Hour, want: wanted{kept, "boosting", cooling("1 day ago"), "boosting forest* baseline"}},
		{name: "hours later", after: 119 * time.Minute, want: wanted{kept, "boosting", cooling("1 hour ago"), "boosting forest* baseline"}},
		{name: "minutes later", after: 2 * time.Minute, want: wanted{kept, "boosting", cooling("2 minutes ago"), "boosting forest* baseline"}},
		{name: "a tick of before", after: -time.Hour, want: wanted{kept, "boosting", cooling("just now"), "boosting forest* baseline"}},
		{name: "just over", after: 72 * time.Hour, want: wanted{promoted, "boosting", ahead, "boosting forest* baseline"}},
		{
			name: "none would be promoted", after: time.Hour,
			set:  func(c *judge.Case) { c.Pipeline.Gate.Floors = map[string]float64{"accuracy": 0.95} },
			want: wanted{kept, "", "no challenger passes the floors: the best, boosting, has accuracy 0.9, and at least 0.95 is asked", "boosting forest* baseline"},
		},
		{
			name: "a first champion", after: time.Hour,
			set:  func(c *judge.Case) { c.Contestants, c.Champion = c.Contestants[:1], 0 },
			want: wanted{promoted, "boosting", "first champion: boosting has accuracy 0.9 and beats the baseline's 0.5", "boosting baseline"},
		},
		{
			name: "a hold is told first", after: time.Hour,
			set:  func(c *judge.Case) { c.Hold = &bakeoff.Hold{By: "anna"} },
			want: wanted{kept, "boosting", "held since the rollback by anna; `bakeoff resume` lifts the hold", "boosting forest* baseline"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			one := caseOf(challenger("boosting", 9, 10), champion(8))
			one.Pipeline.Gate.Cooldown = 72 * time.Hour
			one.At, one.Moved = moved.Add(c.after), moved
			if c.set != nil {
				c.set(&one)
			}
			d, err := judge.Decide(one)
			if err != nil {
				t.Fatal(err)
			}
			c.want.check(t, d)
		})
	}
}

func TestOnlyAPromotionAsksForApproval(t *testing.T) {
	ask := &bakeoff.Approval{Within: time.Hour, Then: bakeoff.LapseKeep}
	for right, want := range map[int]*bakeoff.Approval{9: ask, 7: nil} {
		c := caseOf(challenger("boosting", right, 10), champion(8))
		c.Pipeline.Gate.Approve = ask
		if d, err := judge.Decide(c); err != nil || d.Approve != want {
			t.Errorf("with %d rows right: %s, %v, %v", right, d.Verdict, d.Approve, err)
		}
	}
}
