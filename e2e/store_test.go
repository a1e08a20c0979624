package e2e_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/natsd"
	"github.com/bakeoffhq/bakeoff/internal/store"
	"github.com/bakeoffhq/bakeoff/internal/store/storetest"
)

// held is what a store was found to hold.
type held struct {
	runs  []bakeoff.Run
	ticks []bakeoff.Tick
}

// openStore opens the store of a process that has ended, until the test has.
func openStore(t *testing.T, dir string) *store.Store {
	t.Helper()
	srv, err := natsd.Start(t.Context(), dir, storetest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Stop(); err != nil {
			t.Error(err)
		}
	})
	s, err := store.Open(t.Context(), srv.Conn())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// checkStore opens the store of a process that has ended and holds it against what must be true of
// it: no run is open, each has one verdict, each promotion has made one version, nothing is owed.
func checkStore(t *testing.T, dir string, pipelines ...string) (h held) {
	t.Helper()
	ctx, s := t.Context(), openStore(t, dir)
	if open, err := s.OpenRuns(ctx); err != nil || len(open) != 0 {
		t.Errorf("%d runs are still open, %v", len(open), err)
	}
	var err error
	if h.runs, err = s.Runs(ctx); err != nil {
		t.Fatal(err)
	}
	for _, name := range pipelines {
		checkVerdicts(t, ctx, s, name, h.runs)
		ticks, err := s.Ticks(ctx, name, 10000)
		if err != nil {
			t.Fatal(err)
		}
		h.ticks = append(h.ticks, ticks...)
	}
	if owed, err := s.Outbox(ctx); err != nil || len(owed) != 0 {
		t.Errorf("%d messages are still owed, %v", len(owed), err)
	}
	if _, err := os.Stat(filepath.Join(dir, "scratch")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("unfinished work was left behind: %v", err)
	}
	return h
}

// checkVerdicts holds the verdicts and the versions of a pipeline against its runs.
func checkVerdicts(t *testing.T, ctx context.Context, s *store.Store, pipeline string, all []bakeoff.Run) {
	t.Helper()
	verdicts, err := s.Verdicts(ctx, pipeline)
	if err != nil {
		t.Fatal(err)
	}
	runs, promoted := 0, []int{}
	for _, r := range all {
		if r.Pipeline != pipeline {
			continue
		}
		runs++
		v, err := s.Verdict(ctx, r.Pipeline, r.ID)
		if err != nil || v.Verdict != r.Verdict || v.Reason != r.Reason {
			t.Errorf("run %s ended as %s (%s), its verdict is %s (%s), %v", r.ID, r.Verdict, r.Reason, v.Verdict, v.Reason, err)
		}
		if v.Verdict == bakeoff.Promoted {
			promoted = append(promoted, v.Champion.Version)
		}
	}
	if len(verdicts) != runs || runs < 2 {
		t.Errorf("%d runs of %s have %d verdicts", runs, pipeline, len(verdicts))
	}
	checkModel(t, ctx, s, pipeline, promoted)
}

// checkModel holds the versions against the promotions: each has made one, numbered from 1.
func checkModel(t *testing.T, ctx context.Context, s *store.Store, name string, promoted []int) {
	t.Helper()
	versions, err := s.Versions(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(promoted)
	for i, n := range promoted {
		if n != i+1 {
			t.Errorf("the promotions made versions %v", promoted)
			break
		}
	}
	if len(versions) != len(promoted) {
		t.Errorf("%d promotions made %d versions", len(promoted), len(versions))
	}
	model, _, err := s.Model(ctx, name)
	if err != nil || model.Champion() != len(versions) || model.Latest != len(versions) {
		t.Errorf("champion v%d, latest v%d of %d versions, %v", model.Champion(), model.Latest, len(versions), err)
	}
	for _, v := range versions {
		if _, err := s.GetBytes(ctx, v.Artifact); err != nil {
			t.Errorf("v%d: %v", v.Version, err)
		}
		if _, err := s.GetBytes(ctx, v.Golden); err != nil {
			t.Errorf("v%d: %v", v.Version, err)
		}
	}
}

// checkTicks holds a pipeline's ticks against its runs: every one from the first to the last is there
// once, and those with a run, and no others, have the run of their name.
func checkTicks(t *testing.T, pipeline string, every time.Duration, h held) {
	t.Helper()
	slices.SortFunc(h.ticks, func(a, b bakeoff.Tick) int { return a.Time.Compare(b.Time) })
	runs := map[string]time.Time{}
	for _, r := range h.runs {
		if r.Pipeline == pipeline && r.Trigger == bakeoff.TriggerSchedule {
			runs[r.ID] = r.Tick
		}
	}
	var next time.Time
	for i, tick := range h.ticks {
		if i > 0 && !tick.Time.Equal(next) {
			t.Errorf("the tick after %v is %v (%s), want %v", h.ticks[i-1].Last, tick.Time, tick.State, next)
		}
		next = tick.Last.Add(every)
		if n := int(tick.Last.Sub(tick.Time)/every) + 1; n != tick.Count {
			t.Errorf("%d ticks from %v to %v are counted as %d", n, tick.Time, tick.Last, tick.Count)
		}
		if tick.State != bakeoff.TickRun {
			continue
		}
		if at, ok := runs[tick.Run]; !ok || !at.Equal(tick.Time) {
			t.Errorf("tick %v has run %q, which is of %v", tick.Time, tick.Run, at)
		}
		delete(runs, tick.Run)
	}
	if len(runs) > 0 {
		t.Errorf("runs without a tick, or with one that had a run: %v", runs)
	}
}
