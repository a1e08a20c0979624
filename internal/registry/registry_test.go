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
	"github.com/bakeoffhq/bakeoff/internal/store"
	"github.com/bakeoffhq/bakeoff/internal/store/storetest"
)

// runtime is the serving runtime with faults to inject: artifacts that do not prove themselves, and some
// that are damaged in the store.
type runtime struct{ broken, damaged map[bakeoff.Digest]bool }

func (r runtime) Check(_ context.Context, v bakeoff.Version, golden *bakeoff.Golden) error {
	if golden == nil {
		return errors.New("no golden answers")
	}
	if r.damaged[v.Artifact] {
		return bakeoff.Errorf(bakeoff.CodeUnavailable, "it is damaged")
	}
	if r.broken[v.Artifact] {
		return errors.New("golden row 3: another answer")
	}
	return nil
}

func (runtime) Answer(context.Context, bakeoff.Version) (*bakeoff.Golden, error) { return golden, nil }

var golden = &bakeoff.Golden{Rows: []map[string]any{{"tenure": 1.0}}, Values: []float64{2}}

type fixture struct {
	*registry.Registry
	store   *store.Store
	runtime runtime
}

func open(t *testing.T) fixture {
	t.Helper()
	s, _ := storetest.Open(t)
	r := runtime{broken: map[bakeoff.Digest]bool{}, damaged: map[bakeoff.Digest]bool{}}
	return fixture{registry.New(s, r, "v0", storetest.Log(t)), s, r}
}

// decided stores and returns a run whose decision is to promote its one candidate over champion.
func (f fixture) decided(t *testing.T, id string, champion int) bakeoff.Run {
	t.Helper()
	run := bakeoff.Run{
		ID: id, Pipeline: "churn", Phase: bakeoff.PhasePromote, Round: 1, Snapshot: &bakeoff.Snapshot{Split: bakeoff.Split{Seed: 7}},
		Recipes: []bakeoff.Candidate{{Name: "forest", Trainer: "random_forest"}},
		Trials:  []bakeoff.Trial{{Candidate: "forest", State: bakeoff.TrialBuilt, Artifact: artifact(id), Bytes: 10}},
		Decision: &bakeoff.Decision{
			Verdict: bakeoff.Promoted, Reason: "it is better", Candidate: "forest", Champion: champion, Golden: golden,
			Leaderboard: []bakeoff.LeaderboardRow{{Candidate: "forest", Role: bakeoff.RoleChallenger, Metrics: map[string]float64{"roc_auc": 0.8}}},
		},
	}
	if _, err := f.store.PutBytes(t.Context(), []byte(id)); err != nil { // the artifact
		t.Fatal(err)
	}
	if err := f.store.CreateRun(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	return run
}

func artifact(run string) bakeoff.Digest { return bakeoff.DigestOf([]byte(run)) }

func (f fixture) commit(t *testing.T, run bakeoff.Run) bakeoff.Report {
	t.Helper()
	report, err := f.Commit(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func (f fixture) champions(t *testing.T) [2]int {
	t.Helper()
	m, _, err := f.store.Model(t.Context(), "churn")
	if err != nil {
		t.Fatal(err)
	}
	return [2]int{m.Champion(), m.Aliases[bakeoff.AliasPrevious].Version}
}

func TestPromotionIsNumberedOnceAndTellsItsLineage(t *testing.T) {
	f := open(t)
	run := f.decided(t, "churn-a", 0)
	first := f.commit(t, run)
	if first.Verdict != bakeoff.Promoted || first.Champion == nil || first.Champion.Version != 1 || first.Previous != nil {
		t.Fatalf("first promotion: %+v", first)
	}
	if diff := cmp.Diff(first, f.commit(t, run)); diff != "" {
		t.Errorf("committing again is not the same report:\n%s", diff)
	}
	second := f.commit(t, f.decided(t, "churn-b", 1))
	if second.Champion.Version != 2 || second.Previous.Version != 1 {
		t.Errorf("second promotion: %+v", second)
	}
	if got := f.champions(t); got != [2]int{2, 1} {
		t.Errorf("champion and previous are %v", got)
	}
	v, err := f.store.Version(t.Context(), "churn", 2)
	if err != nil {
		t.Fatal(err)
	}
	l := v.Lineage
	if l.Run != "churn-b" || l.Seed != 7 || l.Recipe.Trainer != "random_forest" || l.Metrics["roc_auc"] != 0.8 || l.Bakeoff != "v0" {
		t.Errorf("lineage %+v", l)
	}
	if owed, err := f.store.Outbox(t.Context()); err != nil || len(owed) != 2 {
		t.Errorf("%d messages are owed (%v), want one a run", len(owed), err)
	}
}

func TestAPromotionAgainstAnotherChampionIsJudgedAgain(t *testing.T) {
	f := open(t)
	f.commit(t, f.decided(t, "churn-a", 0))
	_, err := f.Commit(t.Context(), f.decided(t, "churn-b", 0)) // judged when there was none
	if !errors.Is(err, bakeoff.ErrChampionMoved) {
		t.Errorf("got %v", err)
	}
	if got := f.champions(t); got != [2]int{1, 0} {
		t.Errorf("champion and previous are %v", got)
	}
}

func TestRunsThatEndTogetherPromoteOnce(t *testing.T) {
	f := open(t)
	runs := []bakeoff.Run{f.decided(t, "churn-a", 0), f.decided(t, "churn-b", 0), f.decided(t, "churn-c", 0)}
	errs := make([]error, len(runs))
	var all sync.WaitGroup
	for i, run := range runs {
		all.Go(func() { _, errs[i] = f.Commit(t.Context(), run) })
	}
	all.Wait()
	promoted := 0
	for _, err := range errs {
		switch {
		case err == nil:
			promoted++
		case !errors.Is(err, bakeoff.ErrChampionMoved):
			t.Error(err)
		}
	}
	if promoted != 1 || f.champions(t) != [2]int{1, 0} {
		t.Errorf("%d were promoted, champions %v", promoted, f.champions(t))
	}
}

func TestWhatDoesNotProveItselfIsNotPromoted(t *testing.T) {
	f := open(t)
	f.commit(t, f.decided(t, "churn-a", 0))
	f.runtime.broken[artifact("churn-b")] = true
	report := f.commit(t, f.decided(t, "churn-b", 1))
	if report.Verdict != bakeoff.Failed || !strings.Contains(report.Reason, "golden row 3") {
		t.Errorf("%s: %s", report.Verdict, report.Reason)
	}
	if report.Champion.Version != 1 || f.champions(t) != [2]int{1, 0} {
		t.Errorf("champion %+v, %v", report.Champion, f.champions(t))
	}
}

func TestRollbackHoldsUntilSomebodyPromotes(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	act := registry.Act{Model: "churn", By: "kim", Why: "complaints"}
	if _, err := f.Rollback(ctx, act, 0, true); bakeoff.CodeOf(err) != bakeoff.CodeNotFound || !strings.Contains(err.Error(), "has no champion") {
		t.Errorf("rollback before anything: %v", err)
	}
	f.commit(t, f.decided(t, "churn-a", 0))
	if _, err := f.Rollback(ctx, act, 0, true); bakeoff.CodeOf(err) != bakeoff.CodeNotFound {
		t.Errorf("rollback with nothing before: %v", err)
	}
	f.commit(t, f.decided(t, "churn-b", 1))
	if _, err := f.Rollback(ctx, act, 0, true); err != nil {
		t.Fatal(err)
	}
	if got := f.champions(t); got != [2]int{1, 2} {
		t.Errorf("champion and previous are %v", got)
	}
	if _, err := f.Rollback(ctx, act, 0, true); bakeoff.CodeOf(err) != bakeoff.CodeConflict || f.champions(t) != [2]int{1, 2} {
		t.Errorf("a second rollback: %v, champions %v", err, f.champions(t))
	}
	report := f.commit(t, f.decided(t, "churn-c", 1))
	if report.Verdict != bakeoff.Kept || !strings.Contains(report.Reason, "by kim") || !strings.Contains(report.Reason, "complaints") {
		t.Errorf("%s: %s", report.Verdict, report.Reason)
	}
	if _, err := f.Promote(ctx, act, 2, false); err != nil {
		t.Fatal(err)
	}
	if report := f.commit(t, f.decided(t, "churn-d", 2)); report.Verdict != bakeoff.Promoted || report.Champion.Version != 3 {
		t.Errorf("after the hold was lifted: %s, %+v", report.Verdict, report.Champion)
	}
}

func TestAPromotionByHandHoldsIfAsked(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	act := registry.Act{Model: "churn", By: "kim", Why: "the audit asks for it", Force: true}
	first := f.decided(t, "churn-a", 0)
	f.commit(t, first)
	kept := func(id string, champion int) {
		t.Helper()
		report := f.commit(t, f.decided(t, id, champion))
		if report.Verdict != bakeoff.Kept || !strings.Contains(report.Reason, "by kim") || !strings.Contains(report.Reason, "the audit asks for it") {
			t.Errorf("%s: %s", report.Verdict, report.Reason)
		}
	}
	if _, err := f.PromoteTrial(ctx, act, first.ID, "forest", true); err != nil {
		t.Fatal(err)
	}
	kept("churn-b", 2)
	if _, err := f.Promote(ctx, act, 1, true); err != nil {
		t.Fatal(err)
	}
	kept("churn-c", 1)
	if _, err := f.Promote(ctx, act, 2, false); err != nil {
		t.Fatal(err)
	}
	if m, err := f.Promote(ctx, act, 2, true); err != nil || m.Hold == nil || m.Champion() != 2 { // as an afterthought
		t.Errorf("%+v, %v", m, err)
	}
	kept("churn-d", 2)
	if _, err := f.Promote(ctx, act, 2, false); err != nil { // which lifts it
		t.Fatal(err)
	}
	if _, err := f.Promote(ctx, act, 2, false); bakeoff.CodeOf(err) != bakeoff.CodeConflict {
		t.Errorf("promoted once more: %v", err)
	}
	if report := f.commit(t, f.decided(t, "churn-e", 2)); report.Verdict != bakeoff.Promoted {
		t.Errorf("after the hold was lifted: %s: %s", report.Verdict, report.Reason)
	}
}

func TestRollbackToAVersionThatDoesNotProveItselfChangesNothing(t *testing.T) {
	f := open(t)
	f.commit(t, f.decided(t, "churn-a", 0))
	f.commit(t, f.decided(t, "churn-b", 1))
	f.runtime.broken[artifact("churn-a")] = true
	if _, err := f.Rollback(t.Context(), registry.Act{Model: "churn", By: "kim"}, 1, true); err == nil {
		t.Error("it was rolled back to a broken version")
	}
	m, _, err := f.store.Model(t.Context(), "churn")
	if err != nil || m.Champion() != 2 || m.Hold != nil {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestAPersonPromotesWhatARunHasBuilt(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	run := f.decided(t, "churn-a", 0)
	act := registry.Act{Model: "churn", By: "kim", Why: "cannot be compared"}
	if _, err := f.PromoteTrial(ctx, act, run.ID, "boosting", false); bakeoff.CodeOf(err) != bakeoff.CodeNotFound {
		t.Errorf("a candidate that was not built: %v", err)
	}
	if _, err := f.PromoteTrial(ctx, act, run.ID, "forest", false); err != nil {
		t.Fatal(err)
	}
	v, err := f.store.Version(ctx, "churn", 1)
	if err != nil || v.Candidate != "forest" || f.champions(t) != [2]int{1, 0} {
		t.Errorf("%+v, %v, champions %v", v, err, f.champions(t))
	}
	if _, err := f.Rollback(ctx, act, 1, true); bakeoff.CodeOf(err) != bakeoff.CodeConflict {
		t.Errorf("rollback to the champion itself: %v", err)
	}
}

func TestAQuietRunOwesNoMessageAndTheReportSaysWhereItComesFrom(t *testing.T) {
	f := open(t)
	run := f.decided(t, "churn-a", 0)
	run.Quiet, run.Late, run.RetryOf = true, true, "churn-0"
	run.Deadline = run.Created.Add(time.Hour)
	run.Tick = time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC)
	report := f.commit(t, run)
	if !report.Late || !report.Deadline.Equal(run.Deadline) || report.RetryOf != "churn-0" || !report.Tick.Equal(run.Tick) {
		t.Errorf("report %+v", report)
	}
	if owed, err := f.store.Outbox(t.Context()); err != nil || len(owed) != 0 {
		t.Errorf("%d messages are owed (%v), want none", len(owed), err)
	}
}

func TestEveryMoveOfTheChampionIsOwedToTheHooks(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	act := registry.Act{Model: "churn", By: "kim", Why: "complaints", Force: true}
	current := bakeoff.DigestOf([]byte("today's file"))
	if err := f.store.PutPipeline(ctx, bakeoff.PipelineFile{Name: "churn", Revision: current}); err != nil {
		t.Fatal(err)
	}
	a, b := f.decided(t, "churn-a", 0), f.decided(t, "churn-b", 1)
	a.Revision, b.Revision = "of a", "of b"
	f.commit(t, a)
	f.commit(t, a) // again: the same move
	f.commit(t, b)
	if _, err := f.Rollback(ctx, act, 0, true); err != nil {
		t.Fatal(err)
	}
	f.commit(t, f.decided(t, "churn-c", 1)) // kept: held
	if _, err := f.Promote(ctx, act, 1, false); err != nil {
		t.Fatal(err) // lifts the hold, moves nothing
	}
	if _, err := f.Promote(ctx, act, 2, false); err != nil {
		t.Fatal(err)
	}
	if _, err := f.PromoteTrial(ctx, act, "churn-c", "forest", false); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Resume(ctx, act); err != nil {
		t.Fatal(err)
	}
	type move struct {
		Version, Previous int
		Run, By           string
		Revision          bakeoff.Digest
	}
	want := []move{
		{1, 0, "churn-a", "churn-a", "of a"},
		{2, 1, "churn-b", "churn-b", "of b"},
		{1, 2, "", "kim", current},
		{2, 1, "", "kim", current},
		{3, 2, "", "kim", current},
	}
	owed, err := f.store.Deployments(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var got []move
	for _, d := range owed {
		got = append(got, move{d.Version.Version, d.Previous, d.Run, d.By, d.Revision})
		if !strings.HasPrefix(d.ID, fmt.Sprintf("churn-v%d-20", d.Version.Version)) || strings.Contains(d.ID, ".") || d.Version.Artifact == "" {
			t.Errorf("deployment %+v", d)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("moves (-want +got):\n%s", diff)
	}
}

// toldMove is a message about a move, in short.
type toldMove struct {
	Champion, Previous int
	Rollback, Hold     bool
	By, Why, Run       string
	Revision           bakeoff.Digest
}

// toldMoves returns the messages about moves that are owed, oldest first.
func (f fixture) toldMoves(t *testing.T) []toldMove {
	t.Helper()
	owed, err := f.store.Outbox(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []toldMove
	for _, n := range owed {
		m := n.Move
		if m == nil {
			continue
		}
		one := toldMove{m.Champion.Version, 0, m.Rollback, m.Hold, m.By, m.Why, m.Run, n.Revision}
		if m.Previous != nil {
			one.Previous = m.Previous.Version
		}
		all = append(all, one)
		if !strings.HasPrefix(n.ID, fmt.Sprintf("churn-v%d-20", m.Champion.Version)) || !n.Created.Equal(m.Moved) || m.Champion.Candidate != "forest" || n.Report.Run != "" {
			t.Errorf("notification %+v", n)
		}
	}
	return all
}

// TestWhatAPersonMakesTheChampionIsTold rolls back and promotes in every way: with the move, and only with one,
// goes a message, unless none is wanted.
func TestWhatAPersonMakesTheChampionIsTold(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	act := registry.Act{Model: "churn", By: "kim", Why: "complaints"}
	quiet := act
	quiet.Quiet = true
	current := bakeoff.DigestOf([]byte("today's file"))
	if err := f.store.PutPipeline(ctx, bakeoff.PipelineFile{Name: "churn", Revision: current}); err != nil {
		t.Fatal(err)
	}
	f.decided(t, "churn-z", 0)
	did := func(_ bakeoff.Model, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	did(f.PromoteTrial(ctx, act, "churn-z", "forest", false)) // v1, before which there was none
	f.commit(t, f.decided(t, "churn-a", 1))                   // v2
	did(f.Rollback(ctx, act, 0, true))
	did(f.Promote(ctx, act, 1, false)) // lifts the hold, moves nothing
	did(f.Promote(ctx, act, 1, true))  // holds, moves nothing
	did(f.Promote(ctx, act, 2, true))
	did(f.Rollback(ctx, quiet, 1, false))
	forced := quiet
	forced.Force = true // it passed beside another champion
	did(f.PromoteTrial(ctx, forced, "churn-z", "forest", false))
	if _, err := f.Promote(ctx, act, 9, false); bakeoff.CodeOf(err) != bakeoff.CodeNotFound {
		t.Errorf("a version that does not exist: %v", err)
	}
	want := []toldMove{
		{1, 0, false, false, "kim", "complaints", "churn-z", current},
		{1, 2, true, true, "kim", "complaints", "churn-z", current},
		{2, 1, false, true, "kim", "complaints", "churn-a", current},
	}
	if diff := cmp.Diff(want, f.toldMoves(t)); diff != "" {
		t.Errorf("messages about moves (-want +got):\n%s", diff)
	}
	if moves, err := f.store.Deployments(ctx); err != nil || len(moves) != 6 {
		t.Errorf("%d moves are owed to the hooks (%v), want 6: silence is for people alone", len(moves), err)
	}
}

// TestADroppedModelKeepsItsVersions takes a model out of service and brings it back, by a person and by a run.
func TestADroppedModelKeepsItsVersions(t *testing.T) {
	f := open(t)
	ctx, act := t.Context(), registry.Act{Model: "churn", By: "kim"}
	if _, err := f.Drop(ctx, act); bakeoff.CodeOf(err) != bakeoff.CodeNotFound {
		t.Errorf("a model without a champion: %v", err)
	}
	f.commit(t, f.decided(t, "churn-a", 0))
	f.commit(t, f.decided(t, "churn-b", 1))
	if _, err := f.Rollback(ctx, act, 0, true); err != nil {
		t.Fatal(err)
	}
	owed := len(f.toldMoves(t))
	m, err := f.Drop(ctx, act)
	if err != nil || !m.Dropped() || m.Hold != nil || len(m.Aliases) != 0 || m.Latest != 2 {
		t.Errorf("dropped: %+v, %v", m, err)
	}
	if moves, err := f.store.Deployments(ctx); err != nil || len(moves) != 3 || len(f.toldMoves(t)) != owed {
		t.Errorf("%d moves are owed to the hooks, %v; nothing is deployed", len(moves), err)
	}
	if report := f.commit(t, f.decided(t, "churn-c", 0)); report.Champion.Version != 3 || report.Previous != nil {
		t.Errorf("the next promotion: %+v", report)
	}
	if _, err := f.Drop(ctx, act); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Promote(ctx, act, 1, false); err != nil {
		t.Fatal(err)
	}
	if got := f.champions(t); got != [2]int{1, 0} {
		t.Errorf("champion and previous are %v", got)
	}
}

func TestADroppedModelHasNothingWaiting(t *testing.T) {
	f := open(t)
	f.commit(t, f.asking(t, "churn-a", 0, aDay)) // for a first champion
	m, err := f.Drop(t.Context(), kim)
	if err != nil || m.Pending != nil {
		t.Errorf("dropped: %+v, %v", m, err)
	}
	if _, err := f.Approve(t.Context(), kim, ""); bakeoff.CodeOf(err) != bakeoff.CodeNotFound {
		t.Errorf("approved what was taken out of service: %v", err)
	}
	if diff := cmp.Diff([]string{"drop by kim v0"}, f.acts(t)); diff != "" {
		t.Errorf("acts (-want +got):\n%s", diff)
	}
}

func TestTheHooksOfAVersionStandInForAFileThatIsNotKnown(t *testing.T) {
	f := open(t)
	a, b := f.decided(t, "churn-a", 0), f.decided(t, "churn-b", 1)
	a.Revision, b.Revision = "of a", "of b"
	f.commit(t, a)
	f.commit(t, b)
	if _, err := f.Rollback(t.Context(), registry.Act{Model: "churn", By: "kim"}, 1, false); err != nil {
		t.Fatal(err)
	}
	owed, err := f.store.Deployments(t.Context())
	if err != nil || len(owed) != 3 || owed[2].Revision != "of a" {
		t.Errorf("%v, %+v", err, owed)
	}
	if told := f.toldMoves(t); len(told) != 1 || told[0].Revision != "of a" {
		t.Errorf("told %+v: so do its receivers", told)
	}
}

func TestEveryVerdictThatComparedCountsAsAUseOfTheHoldout(t *testing.T) {
	f := open(t)
	use := func(id string, champion int, change func(*bakeoff.Run)) (bakeoff.Report, *bakeoff.HoldoutUse) {
		t.Helper()
		run := f.decided(t, id, champion)
		run.Decision.Leaderboard[0].Against = &bakeoff.Comparison{Candidate: "forest"}
		change(&run)
		report := f.commit(t, run)
		f.commit(t, run) // again: it has its verdict, and counts once
		m, _, err := f.store.Model(t.Context(), "churn")
		if err != nil {
			t.Fatal(err)
		}
		return report, m.Holdout
	}
	kept := func(r *bakeoff.Run) { r.Decision.Verdict, r.Decision.Reason = bakeoff.Kept, "cannot tell" }
	for i, c := range []struct {
		champion int
		change   func(*bakeoff.Run)
		uses     int
		told     bool
	}{
		{0, func(*bakeoff.Run) {}, 1, true}, // the first champion
		{1, kept, 2, true},
		{1, func(r *bakeoff.Run) { r.Decision.Verdict = bakeoff.Failed }, 2, false},
		{1, func(r *bakeoff.Run) { kept(r); r.Decision.Leaderboard[0].Against = nil }, 2, false}, // cannot be compared
		{1, kept, 3, true},
		{1, func(r *bakeoff.Run) { kept(r); r.Snapshot.Split.Seed = 8 }, 1, true}, // another generation
	} {
		report, use := use(fmt.Sprint("churn-", i), c.champion, c.change)
		if use == nil || use.Uses != c.uses {
			t.Errorf("run %d: %+v, want %d uses", i, use, c.uses)
		}
		if told := report.Holdout != nil; told != c.told || told && *report.Holdout != *use {
			t.Errorf("run %d tells of %+v", i, report.Holdout)
		}
	}
	// What a person does leaves the count alone.
	f.commit(t, f.decided(t, "churn-b", 1))
	if m, err := f.Rollback(t.Context(), registry.Act{Model: "churn", By: "kim"}, 0, true); err != nil || m.Holdout == nil || m.Holdout.Uses != 1 {
		t.Errorf("after a rollback: %+v, %v", m.Holdout, err)
	}
}

// What stands for the champion in a comparison is no candidate: its recipe is one already, or was.
func TestAChampionThatWasBuiltAgainIsNotPromoted(t *testing.T) {
	f := open(t)
	f.commit(t, f.decided(t, "churn-a", 0))
	run := f.decided(t, "churn-b", 1)
	run = run.Rebuilt(bakeoff.Rebuild{Version: 1, Candidate: "forest", Recipe: bakeoff.Candidate{Name: bakeoff.ChampionName}})
	run.Trials[0].State, run.Trials[0].Artifact = bakeoff.TrialBuilt, artifact("churn-b")
	run.ID = "churn-c"
	if err := f.store.CreateRun(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	act := registry.Act{Model: "churn", By: "kim"}
	if _, err := f.PromoteTrial(t.Context(), act, run.ID, bakeoff.ChampionName, false); bakeoff.CodeOf(err) != bakeoff.CodeNotFound {
		t.Errorf("got %v", err)
	}
	report := f.commit(t, run)
	if v, err := f.store.Version(t.Context(), "churn", 2); err != nil || v.Lineage.Recipe.Name != "forest" || report.Champion.Version != 2 {
		t.Errorf("%+v, %v", v.Lineage.Recipe, err)
	}
}

// A version is built again with the parameters that its search has chosen, and without the search.
func TestAVersionHasTheParametersThatWereChosen(t *testing.T) {
	f := open(t)
	run := f.decided(t, "churn-a", 0)
	run.Recipes[0].Params = []byte(`{"depth":3}`)
	run.Recipes[0].Search = &bakeoff.Search{Method: bakeoff.SearchRandom}
	run.Trials[0].Search = &bakeoff.Searching{
		Method: bakeoff.SearchRandom, Metric: "roc_auc", Folds: 3, Rung: 1, Rungs: 1, Best: 2, Decided: 1,
		Settings: []bakeoff.Setting{
			{Params: []byte(`{"depth":3}`), State: bakeoff.SettingScored, Scores: []bakeoff.SettingScore{{Mean: 0.7, Seconds: 2}}},
			{Params: []byte(`{"depth":5}`), State: bakeoff.SettingScored, Scores: []bakeoff.SettingScore{{Mean: 0.75, Spread: 0.01}}},
		},
	}
	f.commit(t, run)
	v, err := f.store.Version(t.Context(), "churn", 1)
	if err != nil {
		t.Fatal(err)
	}
	own := 0.7
	want := &bakeoff.Searched{
		Method: bakeoff.SearchRandom, Settings: 2, Tried: 2, Folds: 3, Seconds: 2, Metric: "roc_auc", Best: 2,
		Params: []byte(`{"depth":5}`), Score: 0.75, Spread: 0.01, Own: &own,
	}
	if diff := cmp.Diff(want, v.Lineage.Search); diff != "" || v.Lineage.Recipe.Search != nil || string(v.Lineage.Recipe.Params) != `{"depth":5}` {
		t.Errorf("recipe %+v, search (-want +got)\n%s", v.Lineage.Recipe, diff)
	}
	rotated := v.Lineage.Snapshot
	rotated.Split.Rotate, rotated.Split.Period = 24*time.Hour, 9
	if again := bakeoff.RebuildOf(v, rotated); again == nil || again.Recipe.Search != nil || string(again.Recipe.Params) != `{"depth":5}` {
		t.Errorf("built again by %+v", again)
	}
}
