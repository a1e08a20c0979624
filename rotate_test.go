package bakeoff_test

import (
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

func TestPeriodsFollowFromTheMomentAlone(t *testing.T) {
	const day = 24 * time.Hour
	split := bakeoff.Split{By: bakeoff.SplitByHash, Rotate: 4 * 7 * day}
	first := split.At(time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC))
	if first.Period != 742 || first.Ends().Weekday() != time.Monday {
		t.Errorf("period %d ends on %s", first.Period, first.Ends())
	}
	for _, c := range []struct {
		at   time.Time
		want int64
	}{
		{first.Ends().Add(-time.Nanosecond), first.Period},
		{first.Ends(), first.Period + 1},
		{first.Ends().In(time.FixedZone("Seoul", 9*3600)), first.Period + 1},
		{first.Ends().Add(28 * day), first.Period + 2},
	} {
		if got := first.At(c.at).Period; got != c.want {
			t.Errorf("at %s it is period %d, want %d", c.at, got, c.want)
		}
	}
	if s := (bakeoff.Split{By: bakeoff.SplitByHash}).At(first.Ends()); s.Period != 0 {
		t.Errorf("a split that does not rotate is in period %d", s.Period)
	}
}

func TestDays(t *testing.T) {
	for d, want := range map[time.Duration]string{
		28 * 24 * time.Hour: "28d", 72 * time.Hour: "3d", 36 * time.Hour: "1d12h", 8 * time.Hour: "8h", 0: "0s",
		90 * time.Minute: "1h30m", 30 * time.Minute: "30m", 90 * time.Second: "1m30s", 24*time.Hour + time.Second: "1d1s",
	} {
		if got := bakeoff.Days(d); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestARunIsAboutItsTick(t *testing.T) {
	tick, made := time.Unix(1000, 0), time.Unix(9000, 0)
	if r := (bakeoff.Run{Tick: tick, Created: made}); !r.Due().Equal(tick) {
		t.Error(r.Due())
	}
	if r := (bakeoff.Run{Created: made}); !r.Due().Equal(made) {
		t.Error(r.Due())
	}
}

func TestWhichChampionsAreBuiltAgain(t *testing.T) {
	now := bakeoff.Snapshot{
		Identity: bakeoff.Identity{Generation: 1}, Split: bakeoff.Split{By: bakeoff.SplitByHash, Seed: 1, Rotate: 24 * time.Hour, Period: 20000},
	}
	trained := func(change func(*bakeoff.Snapshot)) bakeoff.Version {
		s := now
		change(&s)
		return bakeoff.Version{Version: 3, Candidate: "forest", Lineage: bakeoff.Lineage{Snapshot: s, Recipe: bakeoff.Candidate{Name: "forest", Queue: "gpu"}}}
	}
	for name, c := range map[string]struct {
		change func(*bakeoff.Snapshot)
		want   bool
	}{
		"of this period":            {func(*bakeoff.Snapshot) {}, false},
		"of another share":          {func(s *bakeoff.Snapshot) { s.Split.Holdout = 0.3 }, false},
		"of another period":         {func(s *bakeoff.Snapshot) { s.Split.Period-- }, true},
		"from before it rotated":    {func(s *bakeoff.Snapshot) { s.Split.Rotate, s.Split.Period = 0, 0 }, true},
		"of another seed":           {func(s *bakeoff.Snapshot) { s.Split.Seed = 2 }, true},
		"of rows of other identity": {func(s *bakeoff.Snapshot) { s.Identity.Generation = 2 }, true},
		"of a split by group":       {func(s *bakeoff.Snapshot) { s.Split.By = bakeoff.SplitByGroup }, true},
	} {
		t.Run(name, func(t *testing.T) {
			got := bakeoff.RebuildOf(trained(c.change), now)
			if (got != nil) != c.want {
				t.Fatalf("%+v", got)
			}
			if got != nil && (got.Version != 3 || got.Candidate != "forest" || got.Recipe.Name != bakeoff.ChampionName || got.Recipe.Queue != "gpu") {
				t.Errorf("%+v", got)
			}
		})
	}
	still := now
	still.Split.Rotate = 0
	if got := bakeoff.RebuildOf(trained(func(s *bakeoff.Snapshot) { s.Split.Seed = 2 }), still); got != nil {
		t.Errorf("of a split that does not rotate: %+v", got)
	}
}
