package dispatch_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dispatch"
)

var five = time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC) // 05:00 in Seoul

// nightly is a pipeline of four candidates, one of them for another queue.
func nightly() *bakeoff.Pipeline {
	return &bakeoff.Pipeline{Name: "p", Revision: "sha256:r", Parallel: 2, Candidates: []bakeoff.Candidate{
		{Name: "a"}, {Name: "b", Queue: "gpu"}, {Name: "c"}, {Name: "d"},
	}}
}

func tasks(r bakeoff.Run) []bakeoff.Task {
	var out []bakeoff.Task
	for _, e := range dispatch.Effects(r) {
		if e.Publish != nil {
			out = append(out, *e.Publish)
		}
	}
	return out
}

func frozen(r bakeoff.Run) bakeoff.Run {
	return dispatch.Step(r, dispatch.Event{Result: &bakeoff.Result{
		Task: bakeoff.Task{Kind: bakeoff.TaskSnapshot}, Snapshot: &bakeoff.Snapshot{Digest: "sha256:0"},
	}}, five)
}

func ended(r bakeoff.Run, candidate string, state bakeoff.TrialState) bakeoff.Run {
	return dispatch.Step(r, dispatch.Event{Result: &bakeoff.Result{
		Task:  bakeoff.Task{Kind: bakeoff.TaskBuild, Candidate: candidate},
		Trial: &bakeoff.Trial{Candidate: candidate, State: state, Artifact: bakeoff.Digest("sha256:" + candidate), Log: "sha256:log"},
	}}, five)
}

func TestACandidateIsBuiltByTheWorkersOfItsQueue(t *testing.T) {
	r := frozen(dispatch.NewRun("p-1", nightly(), dispatch.Start{Trigger: bakeoff.TriggerPerson}, five))
	want := []bakeoff.Task{
		{Run: "p-1", Kind: bakeoff.TaskBuild, Candidate: "a", Queue: bakeoff.QueueDefault},
		{Run: "p-1", Kind: bakeoff.TaskBuild, Candidate: "b", Queue: "gpu"},
	}
	if diff := cmp.Diff(want, tasks(r)); diff != "" {
		t.Error(diff)
	}
}

func TestTheDeadline(t *testing.T) {
	due := five.Add(2 * time.Hour)
	start := dispatch.Start{Trigger: bakeoff.TriggerSchedule, Tick: five, Deadline: due, Quiet: true}
	fresh := dispatch.NewRun("p-1", nightly(), start, five)
	if !fresh.Tick.Equal(five) || !fresh.Quiet || !fresh.Deadline.Equal(due) {
		t.Errorf("a new run %+v", fresh)
	}
	look := func(r bakeoff.Run, at time.Time) bakeoff.Run {
		return dispatch.Step(r, dispatch.Event{Deadline: true}, at)
	}

	t.Run("has not passed", func(t *testing.T) {
		r := frozen(fresh)
		if diff := cmp.Diff(r, look(r, due.Add(-time.Second))); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("before the rows are frozen the run fails", func(t *testing.T) {
		r := look(fresh, due)
		if r.Phase != bakeoff.PhasePromote || !r.Late || r.Decision.Verdict != bakeoff.Failed ||
			r.Decision.Reason != "no snapshot: deadline passed at 2026-11-23T22:00:00Z" {
			t.Errorf("%s, late %v, decision %+v", r.Phase, r.Late, r.Decision)
		}
	})
	t.Run("while trials are built the built ones are judged", func(t *testing.T) {
		r := look(ended(frozen(fresh), "a", bakeoff.TrialBuilt), due)
		if r.Phase != bakeoff.PhaseEvaluate || !r.Late || r.Round != 1 {
			t.Fatalf("%s, late %v, round %d", r.Phase, r.Late, r.Round)
		}
		if r.Trials[0].State != bakeoff.TrialBuilt {
			t.Errorf("the built trial is %s", r.Trials[0].State)
		}
		for _, trial := range r.Trials[1:] { // one queued elsewhere, one queued, one waiting
			if trial.State != bakeoff.TrialFailed || trial.Class != bakeoff.FailedDeadline || trial.Reason != "deadline passed at 2026-11-23T22:00:00Z" {
				t.Errorf("%+v", trial)
			}
		}
	})
	t.Run("during the evaluation the run goes on and is late", func(t *testing.T) {
		r := frozen(fresh)
		for _, c := range []string{"a", "b", "c", "d"} {
			r = ended(r, c, bakeoff.TrialBuilt)
		}
		after := look(r, due)
		if after.Phase != bakeoff.PhaseEvaluate || !after.Late {
			t.Errorf("%s, late %v", after.Phase, after.Late)
		}
	})
}

// over ends a run whose trials a to d ended as said.
func over(verdict bakeoff.Verdict, states ...bakeoff.TrialState) bakeoff.Run {
	r := frozen(dispatch.NewRun("p-1", nightly(), dispatch.Start{Trigger: bakeoff.TriggerSchedule, Tick: five, Deadline: five.Add(time.Hour)}, five))
	for i, s := range states {
		r = ended(r, nightly().Candidates[i].Name, s)
	}
	r = dispatch.Step(r, dispatch.Event{Result: &bakeoff.Result{
		Task: bakeoff.Task{Kind: bakeoff.TaskEvaluate, Round: 1}, Decision: &bakeoff.Decision{Verdict: verdict},
	}}, five)
	return dispatch.Step(r, dispatch.Event{Committed: &dispatch.Committed{Verdict: verdict, Reason: "so"}}, five)
}

func TestARetryBuildsOnlyWhatFailed(t *testing.T) {
	const built, failed = bakeoff.TrialBuilt, bakeoff.TrialFailed
	of := over(bakeoff.Kept, built, failed, built, built)
	of.Decision.Leaderboard = []bakeoff.LeaderboardRow{
		{Candidate: "d", Role: bakeoff.RoleChallenger, State: failed, Reason: "no predictions: 3 of 5 rows"},
	}
	r, err := dispatch.NewRetry("p-2", of, true, five.Add(3*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if r.RetryOf != "p-1" || r.Trigger != bakeoff.TriggerRetry || !r.Quiet || !r.Deadline.IsZero() || !r.Tick.IsZero() {
		t.Errorf("the retry is %+v", r)
	}
	if r.Phase != bakeoff.PhaseBuild || r.Revision != of.Revision || r.Snapshot.Digest != of.Snapshot.Digest {
		t.Errorf("the retry is in %s, on revision %s and snapshot %s", r.Phase, r.Revision, r.Snapshot.Digest)
	}
	want := []bakeoff.Trial{of.Trials[0], {Candidate: "b", State: bakeoff.TrialQueued}, of.Trials[2], {Candidate: "d", State: bakeoff.TrialQueued}}
	if diff := cmp.Diff(want, r.Trials); diff != "" {
		t.Error(diff)
	}
	if of.Trials[1].State != failed {
		t.Error("the run that it repeats was changed")
	}
}

func TestARetryOfARunThatOnlyTheJudgeFailedIsJudgedAgain(t *testing.T) {
	built := bakeoff.TrialBuilt
	r, err := dispatch.NewRetry("p-2", over(bakeoff.Failed, built, built, built, built), false, five)
	if err != nil || r.Phase != bakeoff.PhaseEvaluate || r.Round != 1 {
		t.Errorf("%s, round %d, %v", r.Phase, r.Round, err)
	}
}

func TestWhatCannotBeRetried(t *testing.T) {
	built := bakeoff.TrialBuilt
	fresh := dispatch.NewRun("p-1", nightly(), dispatch.Start{}, five)
	unfrozen := dispatch.Step(fresh, dispatch.Event{Cancel: "by kim"}, five)
	unfrozen = dispatch.Step(unfrozen, dispatch.Event{Committed: &dispatch.Committed{Verdict: bakeoff.Failed}}, five)
	for _, c := range []struct {
		name string
		of   bakeoff.Run
		code bakeoff.Code
	}{
		{"open", frozen(fresh), bakeoff.CodeConflict},
		{"nothing failed", over(bakeoff.Promoted, built, built, built, built), bakeoff.CodeInvalid},
		{"no snapshot", unfrozen, bakeoff.CodeInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := dispatch.NewRetry("p-2", c.of, false, five)
			if bakeoff.CodeOf(err) != c.code || bakeoff.HintOf(err) == "" {
				t.Errorf("got %v (%s)", err, bakeoff.HintOf(err))
			}
		})
	}
}

// A retry builds the champion again if that failed, or if what was built does not answer.
func TestARetryBuildsTheChampionAgain(t *testing.T) {
	of := frozen(dispatch.NewRun("p-1", nightly(), dispatch.Start{Trigger: bakeoff.TriggerPerson}, five))
	of = of.Rebuilt(bakeoff.Rebuild{Version: 3, Candidate: "b", Recipe: bakeoff.Candidate{Name: bakeoff.ChampionName, Queue: "gpu"}})
	for i := range of.Trials {
		of.Trials[i].State = bakeoff.TrialBuilt
	}
	of.Phase, of.Verdict = bakeoff.PhaseEnded, bakeoff.Kept
	if _, err := dispatch.NewRetry("p-2", of, false, five); bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
		t.Errorf("nothing failed: %v", err)
	}
	silent, failed := of, of
	silent.Decision = &bakeoff.Decision{Leaderboard: []bakeoff.LeaderboardRow{
		{Candidate: "b", Role: bakeoff.RoleChampion, Version: 3, Rebuilt: true, State: bakeoff.TrialFailed},
		{Candidate: "b", Role: bakeoff.RoleChallenger, State: bakeoff.TrialBuilt},
	}}
	failed.Trials = slices.Clone(of.Trials)
	failed.Trials[0].State = bakeoff.TrialFailed
	for name, of := range map[string]bakeoff.Run{"does not answer": silent, "failed": failed} {
		r, err := dispatch.NewRetry("p-2", of, false, five)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := []bakeoff.Task{{Run: "p-2", Kind: bakeoff.TaskBuild, Candidate: bakeoff.ChampionName, Queue: "gpu"}}
		if diff := cmp.Diff(want, tasks(r)); diff != "" || r.Rebuild == nil || r.Rebuild.Version != 3 {
			t.Errorf("%s: %+v\n%s", name, r.Rebuild, diff)
		}
	}
}

// A run that ends before the judge has seen it tells the champion's trial from the challengers'.
func TestACancelledRunShowsTheChampionAsOne(t *testing.T) {
	r := frozen(dispatch.NewRun("p-1", nightly(), dispatch.Start{Trigger: bakeoff.TriggerPerson}, five))
	r = r.Rebuilt(bakeoff.Rebuild{Version: 3, Candidate: "b", Recipe: bakeoff.Candidate{Name: bakeoff.ChampionName}})
	row := dispatch.Step(r, dispatch.Event{Cancel: "by kim"}, five).Decision.Leaderboard[0]
	if row.Role != bakeoff.RoleChampion || row.Candidate != "b" || row.Version != 3 || !row.Rebuilt || row.State != bakeoff.TrialFailed {
		t.Errorf("%+v", row)
	}
}
