package dispatch

import (
	"slices"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// Start says why and under which conditions a run is made.
type Start struct {
	Trigger  bakeoff.Trigger
	Tick     time.Time // TriggerSchedule: the nominal time
	Deadline time.Time // when its unfinished trials end; zero for never
	Quiet    bool      // nobody is to be notified of its verdict
}

// NewRun returns the first state of a run of a pipeline.
func NewRun(id string, p *bakeoff.Pipeline, s Start, now time.Time) bakeoff.Run {
	r := bakeoff.Run{
		ID: id, Pipeline: p.Name, Revision: p.Revision, Trigger: s.Trigger, Created: now,
		Tick: s.Tick, Deadline: s.Deadline, Quiet: s.Quiet,
		Phase: bakeoff.PhaseSnapshot, Parallel: p.Parallel, Recipes: p.Candidates,
	}
	for _, c := range p.Candidates {
		r.Trials = append(r.Trials, bakeoff.Trial{Candidate: c.Name, State: bakeoff.TrialWaiting})
	}
	return r
}

// NewRetry returns the first state of a run that repeats what failed in another: on the same
// snapshot, revision and seed it takes over the trials that were built and builds the others anew.
// A trial that was built but whose answers the judge could not use counts as failed. Where no trial
// failed and yet no decision was reached, the trials are judged once more. It has no deadline.
//
// A run that is still open is an error with bakeoff.CodeConflict; one in which nothing failed, or
// that has no snapshot to go on from, is one with bakeoff.CodeInvalid.
func NewRetry(id string, of bakeoff.Run, quiet bool, now time.Time) (bakeoff.Run, error) {
	if of.Phase != bakeoff.PhaseEnded {
		return bakeoff.Run{}, bakeoff.Errorf(bakeoff.CodeConflict, "run %s has not ended", of.ID).
			WithHint("wait for its verdict, or end it with `bakeoff cancel`")
	}
	if of.Snapshot == nil {
		return bakeoff.Run{}, bakeoff.Errorf(bakeoff.CodeInvalid, "run %s ended before its rows were frozen: there is nothing to go on from", of.ID).
			WithHint("`bakeoff run %s` starts a new run", of.Pipeline)
	}
	r := bakeoff.Run{
		ID: id, Pipeline: of.Pipeline, Revision: of.Revision, Trigger: bakeoff.TriggerRetry, RetryOf: of.ID, Quiet: quiet,
		Created: now, Parallel: of.Parallel, Recipes: of.Recipes, Snapshot: of.Snapshot, Rebuild: of.Rebuild, Phase: bakeoff.PhaseBuild,
		Trials: slices.Clone(of.Trials),
	}
	again := 0
	for i, t := range r.Trials {
		if t.State != bakeoff.TrialBuilt || answersNot(of, t.Candidate) {
			r.Trials[i] = bakeoff.Trial{Candidate: t.Candidate, State: bakeoff.TrialWaiting}
			if t.Search.Chosen() != nil {
				r.Trials[i].Search = t.Search // the rows are the same, and so would be the choice
			}
			again++
		}
	}
	if again == 0 && of.Verdict != bakeoff.Failed {
		return bakeoff.Run{}, bakeoff.Errorf(bakeoff.CodeInvalid, "nothing failed in run %s", of.ID).
			WithHint("`bakeoff run %s` starts a new run", of.Pipeline)
	}
	return queueTrials(r), nil
}

// answersNot reports whether the judge could not use a trial that was built.
func answersNot(r bakeoff.Run, candidate string) bool {
	return r.Decision != nil && slices.ContainsFunc(r.Decision.Leaderboard, func(row bakeoff.LeaderboardRow) bool {
		isIt := row.Candidate == candidate && row.Role == bakeoff.RoleChallenger || candidate == bakeoff.ChampionName && row.Rebuilt
		return isIt && row.State == bakeoff.TrialFailed
	})
}
