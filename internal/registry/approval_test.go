package registry_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/registry"
)

var kim = registry.Act{Model: "churn", By: "kim", Why: "looks good"}

// asking is decided, for a pipeline that asks a person first.
func (f fixture) asking(t *testing.T, id string, champion int, a bakeoff.Approval) bakeoff.Run {
	t.Helper()
	run := f.decided(t, id, champion)
	run.Decision.Approve = &a
	f.keep(t, run)
	return run
}

// keep stores a run again, as it is now.
func (f fixture) keep(t *testing.T, run bakeoff.Run) {
	t.Helper()
	_, revision, err := f.store.Run(t.Context(), run.ID)
	if err == nil {
		_, err = f.store.UpdateRun(t.Context(), run, revision)
	}
	if err != nil {
		t.Fatal(err)
	}
}

var aDay = bakeoff.Approval{Within: 24 * time.Hour, Then: bakeoff.LapseKeep}

// pending names the run that waits for approval, "" for none.
func (f fixture) pending(t *testing.T) string {
	t.Helper()
	m, _, err := f.store.Model(t.Context(), "churn")
	if err != nil {
		t.Fatal(err)
	}
	if m.Pending == nil {
		return ""
	}
	return m.Pending.Run
}

// acts are the recorded acts on the model, the oldest first, in short.
func (f fixture) acts(t *testing.T) []string {
	t.Helper()
	all, err := f.store.Acts(t.Context(), "churn", 100)
	if err != nil {
		t.Fatal(err)
	}
	var short []string
	for i := len(all) - 1; i >= 0; i-- {
		a := all[i]
		line := fmt.Sprintf("%s by %s v%d", a.Kind, a.By, a.Version)
		if a.Previous != 0 {
			line += fmt.Sprintf(" for v%d", a.Previous)
		}
		if a.Run != "" {
			line += " " + a.Run + "/" + a.Candidate
		}
		if a.Forced {
			line += " forced"
		}
		if a.Hold {
			line += " held"
		}
		short = append(short, line)
	}
	return short
}

func TestAPromotionWaitsForApproval(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	first := f.commit(t, f.asking(t, "churn-a", 0, aDay))
	if first.Verdict != bakeoff.Kept || first.Champion != nil || first.Pending == nil || first.Pending.Run != "churn-a" {
		t.Errorf("a first champion: %+v", first)
	}
	for _, want := range []string{"forest waits for approval until ", "`bakeoff approve churn` or `bakeoff reject churn`", "it is not promoted", "it is better"} {
		if !strings.Contains(first.Reason, want) {
			t.Errorf("%q lacks %q", first.Reason, want)
		}
	}
	m, err := f.Approve(ctx, kim, "")
	if err != nil || m.Champion() != 1 || m.Pending != nil || m.Aliases[bakeoff.AliasChampion].By != "kim" {
		t.Fatalf("%+v, %v", m, err)
	}
	v, err := f.store.Version(ctx, "churn", 1)
	if err != nil || v.Candidate != "forest" || v.Golden == "" || v.Lineage.Run != "churn-a" {
		t.Errorf("%+v, %v", v, err)
	}
	f.commit(t, f.asking(t, "churn-b", 1, aDay))
	f.commit(t, f.asking(t, "churn-c", 1, aDay)) // in its place
	if _, err := f.Approve(ctx, kim, "churn-b"); bakeoff.CodeOf(err) != bakeoff.CodeConflict {
		t.Errorf("approved what no longer waits: %v", err)
	}
	if _, err := f.Reject(ctx, kim, ""); err != nil {
		t.Fatal(err)
	}
	for _, again := range []func() error{
		func() error { _, err := f.Reject(ctx, kim, ""); return err },
		func() error { _, err := f.Approve(ctx, kim, ""); return err },
	} {
		if err := again(); bakeoff.CodeOf(err) != bakeoff.CodeNotFound {
			t.Errorf("nothing waits: %v", err)
		}
	}
	want := []string{"approve by kim v1 churn-a/forest", "reject by kim v1 churn-c/forest"}
	if diff := cmp.Diff(want, f.acts(t)); diff != "" {
		t.Errorf("acts (-want +got):\n%s", diff)
	}
}

func TestWhatMovesOrHoldsTheChampionClearsWhatWaits(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	f.commit(t, f.decided(t, "churn-a", 0))
	f.commit(t, f.decided(t, "churn-b", 1))
	champion := 2
	for i, act := range []func() error{
		func() error { _, err := f.Promote(ctx, kim, 1, false); return err },
		func() error { _, err := f.Promote(ctx, kim, 1, true); return err }, // a hold as an afterthought
		func() error { _, err := f.Promote(ctx, kim, 2, false); return err },
		func() error { _, err := f.Rollback(ctx, kim, 1, false); return err },
		func() error { _, err := f.Rollback(ctx, kim, 2, true); return err },
	} {
		if _, err := f.Resume(ctx, kim); err != nil {
			t.Fatal(err)
		}
		run := fmt.Sprintf("churn-w%d", i)
		f.commit(t, f.asking(t, run, champion, aDay))
		if f.pending(t) != run {
			t.Fatalf("%s does not wait", run)
		}
		if err := act(); err != nil {
			t.Fatal(err)
		}
		if left := f.pending(t); left != "" {
			t.Errorf("after act %d %s waits still", i, left)
		}
		champion = f.champions(t)[0]
	}
	want := []string{
		"promote by kim v1 for v2",
		"promote by kim v1 held",
		"resume by kim v1",
		"promote by kim v2 for v1",
		"rollback by kim v1 for v2",
		"rollback by kim v2 for v1 held",
	}
	if diff := cmp.Diff(want, f.acts(t)); diff != "" {
		t.Errorf("acts (-want +got):\n%s", diff)
	}
	held := f.commit(t, f.asking(t, "churn-held", champion, aDay))
	if held.Pending != nil || !strings.HasPrefix(held.Reason, "held since") {
		t.Errorf("under a hold: %+v", held)
	}
}

func TestWhatWaitsHasToProveItself(t *testing.T) {
	f := open(t)
	f.runtime.broken[artifact("churn-a")] = true
	if r := f.commit(t, f.asking(t, "churn-a", 0, aDay)); r.Verdict != bakeoff.Failed || r.Pending != nil {
		t.Errorf("it does not prove itself, and %s: %s", r.Verdict, r.Reason)
	}
	f.commit(t, f.asking(t, "churn-b", 0, aDay))
	f.runtime.broken[artifact("churn-b")] = true
	if _, err := f.Approve(t.Context(), kim, ""); err == nil || !strings.Contains(err.Error(), "golden row 3") || f.pending(t) != "churn-b" {
		t.Errorf("%v", err)
	}
	if acts := f.acts(t); len(acts) > 0 {
		t.Errorf("nothing was done, and recorded is %v", acts)
	}
}

// lapsed runs the registry until nothing waits any more.
func (f fixture) lapsed(t *testing.T, runs int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for range runs {
		running.Go(func() {
			if err := f.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	err := f.store.WatchModels(ctx, func(m bakeoff.Model) error {
		if m.Pending == nil {
			return errSettled
		}
		return nil
	})
	if !errors.Is(err, errSettled) {
		t.Error(err)
	}
	stop()
	running.Wait()
}

var errSettled = errors.New("settled")

func TestTimeIsUp(t *testing.T) {
	const soon = time.Millisecond
	for _, c := range []struct {
		name            string
		then            bakeoff.Lapse
		broken, damaged bool
		want            string
		why             string
	}{
		{"the champion stays", bakeoff.LapseKeep, false, false, "timeout by timeout v1 churn-b/forest", "nobody decided about it within 0s: v1 stays"},
		{"it is promoted", bakeoff.LapsePromote, false, false, "timeout by timeout v2 for v1 churn-b/forest", "nobody decided about it within 0s: it is promoted"},
		{"it cannot be promoted", bakeoff.LapsePromote, true, false, "timeout by timeout v1 churn-b/forest", "golden row 3"},
		{"its artifact is damaged", bakeoff.LapsePromote, false, true, "timeout by timeout v1 churn-b/forest", "it is damaged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := open(t)
			f.commit(t, f.decided(t, "churn-a", 0))
			f.commit(t, f.asking(t, "churn-b", 1, bakeoff.Approval{Within: soon, Then: c.then}))
			f.runtime.broken[artifact("churn-b")], f.runtime.damaged[artifact("churn-b")] = c.broken, c.damaged
			f.lapsed(t, 3) // as by several, and started anew
			if diff := cmp.Diff([]string{c.want}, f.acts(t)); diff != "" {
				t.Errorf("acts (-want +got):\n%s", diff)
			}
			acts, err := f.store.Acts(t.Context(), "churn", 1)
			if err != nil || !strings.Contains(acts[0].Why, c.why) {
				t.Errorf("%+v, %v", acts, err)
			}
		})
	}
}

func TestItIsTooLateToApprove(t *testing.T) {
	f := open(t)
	f.commit(t, f.asking(t, "churn-a", 0, bakeoff.Approval{Then: bakeoff.LapseKeep}))
	_, err := f.Approve(t.Context(), kim, "")
	if bakeoff.CodeOf(err) != bakeoff.CodeConflict || !strings.Contains(bakeoff.HintOf(err), "promote churn --candidate forest --run churn-a") {
		t.Errorf("%v (%s)", err, bakeoff.HintOf(err))
	}
	f.commit(t, f.asking(t, "churn-b", 0, bakeoff.Approval{Then: bakeoff.LapsePromote}))
	if _, err := f.Approve(t.Context(), kim, ""); err != nil {
		t.Errorf("it is promoted anyway: %v", err)
	}
}

func TestWhatTheJudgeDidNotLetPassTakesForce(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	run := f.decided(t, "churn-a", 0)
	run.Decision.Verdict, run.Decision.Candidate, run.Decision.Reason = bakeoff.Kept, "", "no challenger passes the floors: 0.7"
	f.keep(t, run)
	f.commit(t, run)
	_, err := f.PromoteTrial(ctx, kim, run.ID, "forest", false)
	if bakeoff.CodeOf(err) != bakeoff.CodeConflict || !strings.Contains(err.Error(), "passes the floors: 0.7") || !strings.Contains(bakeoff.HintOf(err), "--force") {
		t.Errorf("%v (%s)", err, bakeoff.HintOf(err))
	}
	forced := kim
	forced.Force = true
	if _, err := f.PromoteTrial(ctx, forced, run.ID, "forest", false); err != nil {
		t.Fatal(err)
	}
	cooling := f.decided(t, "churn-b", 1)
	cooling.Decision.Verdict = bakeoff.Kept // by a cool-down: the candidate passed
	f.keep(t, cooling)
	f.commit(t, cooling)
	if _, err := f.PromoteTrial(ctx, kim, cooling.ID, "forest", false); err != nil {
		t.Errorf("the judge let it pass: %v", err)
	}
	if _, err := f.PromoteTrial(ctx, kim, cooling.ID, "forest", false); err == nil || !strings.Contains(err.Error(), "it passed beside v1, and v2 is the champion now") {
		t.Errorf("it passed beside another champion: %v", err)
	}
	want := []string{"promote by kim v1 churn-a/forest forced", "promote by kim v2 for v1 churn-b/forest"}
	if diff := cmp.Diff(want, f.acts(t)); diff != "" {
		t.Errorf("acts (-want +got):\n%s", diff)
	}
}
