package bakeoff_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

func TestAHoldoutIsCountedUntilItsGenerationEnds(t *testing.T) {
	night := time.Date(2026, 11, 1, 5, 0, 0, 0, time.UTC)
	hash := func(seed uint64, identity int) bakeoff.Snapshot {
		return bakeoff.Snapshot{
			Split: bakeoff.Split{By: bakeoff.SplitByHash, Holdout: 0.2, Seed: seed}, Identity: bakeoff.Identity{Generation: identity},
		}
	}
	var use *bakeoff.HoldoutUse
	for i, c := range []struct {
		snapshot bakeoff.Snapshot
		uses     int
	}{
		{hash(1, 1), 1},
		{hash(1, 1), 2},
		{hash(1, 1), 3},
		{hash(2, 1), 1}, // another seed
		{hash(2, 2), 1}, // other identities
		{hash(2, 2), 2},
		{bakeoff.Snapshot{Split: bakeoff.Split{By: bakeoff.SplitByGroup, Column: "household", Seed: 2}}, 1},
		{bakeoff.Snapshot{Split: bakeoff.Split{By: bakeoff.SplitByColumn, Column: "fold"}}, 1},
		{bakeoff.Snapshot{Split: bakeoff.Split{By: bakeoff.SplitByColumn, Column: "fold"}}, 2},
	} {
		before := use
		use = use.Used(c.snapshot, night.AddDate(0, 0, i))
		if use.Uses != c.uses || use.Generation != c.snapshot.Generation() {
			t.Errorf("night %d: %+v, want %d uses", i, use, c.uses)
		}
		if c.uses > 1 && (use.Since != before.Since || before.Uses != c.uses-1) {
			t.Errorf("night %d: %+v after %+v", i, use, before)
		}
	}
}

// Where time splits, the count goes on as long as one row may be left of those that it began with.
func TestAHoldoutOfTheNewestRowsIsCountedUntilAllAreNew(t *testing.T) {
	var use *bakeoff.HoldoutUse
	var uses []int
	for day := 1.0; day <= 8; day++ {
		use = use.Used(bakeoff.Snapshot{
			Split: bakeoff.Split{By: bakeoff.SplitByTime, Column: "day"}, Span: &bakeoff.Span{From: day, To: day + 2},
		}, time.Now())
		uses = append(uses, use.Uses)
	}
	if want := []int{1, 2, 3, 1, 2, 3, 1, 2}; !slices.Equal(uses, want) {
		t.Errorf("uses %v, want %v", uses, want)
	}
}

func TestAWornHoldoutNamesTheWaysOut(t *testing.T) {
	if u := (bakeoff.HoldoutUse{Uses: 29}); u.Worn() || u.Advice() != "" {
		t.Errorf("after 29 uses: %q", u.Advice())
	}
	u := bakeoff.HoldoutUse{Uses: 30}
	for _, way := range []string{"data.split.rotate: 4w", "by: time", "data.split.seed"} {
		if !u.Worn() || !strings.Contains(u.Advice(), way) {
			t.Errorf("after 30 uses, %s is not named: %q", way, u.Advice())
		}
	}
	if u.Until = 5; !strings.Contains(u.Advice(), "a smaller data.split.holdout") || strings.Contains(u.Advice(), "rotate") {
		t.Errorf("of a split by time: %q", u.Advice())
	}
}
