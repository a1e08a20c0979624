package dispatch

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// maxRounds is how often a run is judged before a champion that keeps moving keeps its place.
const maxRounds = 2

// Event is something that happened to a run. Exactly one field is set.
type Event struct {
	Result    *bakeoff.Result // a task ended
	Moved     int             // the champion that this round judged is no longer the champion
	Committed *Committed      // the decision was carried out
	Refused   string          // the decision cannot be carried out, for this reason
	Cancel    string          // somebody wants the run to end; the value says who and why
	Deadline  bool            // look at the clock: the run's deadline may have passed
}

// Committed is the verdict as it was stored.
type Committed struct {
	Verdict bakeoff.Verdict
	Reason  string
}

// Effect is what a state asks to be done. Exactly one field is set. Doing it again is harmless.
type Effect struct {
	Publish *bakeoff.Task // put the task on its queue
	Commit  bool          // carry out the run's decision
}

// Step returns the state that follows from an event. It is a pure function, and an event that has
// happened already, or no longer matters, leaves the state as it is: events may be repeated, late
// and out of order. The argument is not changed.
func Step(r bakeoff.Run, e Event, now time.Time) bakeoff.Run {
	r.Trials = slices.Clone(r.Trials)
	switch {
	case r.Phase == bakeoff.PhaseEnded:
	case e.Result != nil:
		r = ended(r, *e.Result)
	case e.Moved == r.Round && r.Round > 0 && r.Phase == bakeoff.PhasePromote:
		r = moved(r)
	case e.Refused != "" && r.Phase == bakeoff.PhasePromote && r.Decision.Verdict != bakeoff.Failed:
		d := *r.Decision
		d.Verdict, d.Candidate, d.Golden = bakeoff.Failed, "", nil
		d.Reason = "the decision could not be carried out: " + e.Refused
		r = decide(r, d)
	case e.Committed != nil && r.Phase == bakeoff.PhasePromote:
		r.Phase, r.Verdict, r.Reason, r.Ended = bakeoff.PhaseEnded, e.Committed.Verdict, e.Committed.Reason, now
	case e.Cancel != "" && r.Phase != bakeoff.PhasePromote:
		r = cancelled(r, e.Cancel)
	case e.Deadline && !r.Late && !r.Deadline.IsZero() && !now.Before(r.Deadline):
		r = late(r)
	case e.Deadline && r.Phase == bakeoff.PhaseBuild:
		r = endSearches(r, now)
	}
	return r
}

// Effects lists what has to be done in a state, whatever led to it. Carrying them out again and
// again until the state changes is what makes a run survive lost messages and crashes.
func Effects(r bakeoff.Run) []Effect {
	publish := func(t bakeoff.Task) Effect {
		t.Run = r.ID
		return Effect{Publish: &t}
	}
	switch r.Phase {
	case bakeoff.PhaseSnapshot:
		return []Effect{publish(bakeoff.Task{Kind: bakeoff.TaskSnapshot, Queue: bakeoff.QueueJudge})}
	case bakeoff.PhaseBuild:
		var es []Effect
		for i, t := range r.Trials {
			switch t.State {
			case bakeoff.TrialQueued:
				es = append(es, publish(bakeoff.Task{Kind: bakeoff.TaskBuild, Candidate: t.Candidate, Queue: queue(r, i)}))
			case bakeoff.TrialSearching:
				for _, task := range settingTasks(t, queue(r, i)) {
					es = append(es, publish(task))
				}
			}
		}
		return es
	case bakeoff.PhaseEvaluate:
		return []Effect{publish(bakeoff.Task{Kind: bakeoff.TaskEvaluate, Round: r.Round, Queue: bakeoff.QueueJudge})}
	case bakeoff.PhasePromote:
		return []Effect{{Commit: true}}
	default:
		return nil
	}
}

// queue names the queue whose workers build a trial.
func queue(r bakeoff.Run, trial int) string {
	return cmp.Or(r.Recipes[trial].Queue, bakeoff.QueueDefault)
}

// ended takes in the result of a task.
func ended(r bakeoff.Run, result bakeoff.Result) bakeoff.Run {
	switch {
	case result.Task.Kind == bakeoff.TaskSnapshot && r.Phase == bakeoff.PhaseSnapshot:
		if result.Snapshot == nil {
			return decide(r, failed(r, "no snapshot: "+result.Failure))
		}
		r.Snapshot, r.Phase = result.Snapshot, bakeoff.PhaseBuild
		if result.Rebuild != nil {
			r = r.Rebuilt(*result.Rebuild)
		}
		return queueTrials(r)
	case result.Task.Kind == bakeoff.TaskBuild && r.Phase == bakeoff.PhaseBuild:
		return trialEnded(r, result)
	case result.Task.Kind == bakeoff.TaskSearch && r.Phase == bakeoff.PhaseBuild:
		return settingEnded(r, result)
	case result.Task.Kind == bakeoff.TaskEvaluate && r.Phase == bakeoff.PhaseEvaluate && result.Task.Round == r.Round:
		if result.Decision == nil {
			return decide(r, failed(r, "no evaluation: "+result.Failure))
		}
		return decide(r, *result.Decision)
	default:
		return r // late or repeated
	}
}

// trialEnded records a trial and hands out the next, or moves on when it was the last.
func trialEnded(r bakeoff.Run, result bakeoff.Result) bakeoff.Run {
	i := slices.IndexFunc(r.Trials, func(t bakeoff.Trial) bool { return t.Candidate == result.Task.Candidate })
	if i < 0 || r.Trials[i].State != bakeoff.TrialQueued || result.Trial == nil {
		return r
	}
	searched := r.Trials[i].Search
	r.Trials[i] = *result.Trial
	r.Trials[i].Search = searched // which whoever built knows nothing of
	return queueTrials(r)
}

// queueTrials hands out waiting trials and the settings of searches, in the file's order, while fewer
// than Parallel are out. With none out and none waiting, the judge is next.
func queueTrials(r bakeoff.Run) bakeoff.Run {
	out := 0
	for i, t := range r.Trials {
		r.Trials[i] = settled(t)
		out += tasksOut(r.Trials[i])
	}
	room := func() bool { return r.Parallel == 0 || out < r.Parallel }
	for i := range r.Trials {
		t := &r.Trials[i]
		if t.State == bakeoff.TrialWaiting && r.Recipes[i].Search != nil && t.Search.Chosen() == nil && room() {
			*t = begun(*t, r.Recipes[i], *r.Snapshot)
		}
		switch {
		case t.State == bakeoff.TrialWaiting && room():
			t.State = bakeoff.TrialQueued
			out++
		case t.State == bakeoff.TrialSearching:
			for room() && handOut(t) {
				out++
			}
		}
	}
	if out == 0 {
		r.Phase, r.Round = bakeoff.PhaseEvaluate, 1
	}
	return r
}

// moved has the run judged again against the champion of now, once.
func moved(r bakeoff.Run) bakeoff.Run {
	if r.Round < maxRounds {
		r.Phase, r.Decision = bakeoff.PhaseEvaluate, nil
		r.Round++
		return r
	}
	d := *r.Decision
	d.Verdict, d.Candidate, d.Golden = bakeoff.Kept, "", nil
	d.Champion = 0 // no champion in particular: this decision stands
	d.Reason = fmt.Sprintf("the champion was moved by somebody else in each of the %d times that this run was judged", maxRounds)
	return decide(r, d)
}

// cancelled ends every trial that has not ended, and the run with it.
func cancelled(r bakeoff.Run, why string) bakeoff.Run {
	reason := string(bakeoff.FailedCancelled) + ": " + why
	r = endTrials(r, bakeoff.FailedCancelled, reason)
	return decide(r, failed(r, reason))
}

// late is what the passing of the deadline does. While rows are frozen, nothing can be decided any
// more; while trials are built, those that have not ended end now and the judge, who knows how many
// at_least asks for, decides about the others; an evaluation that is under way is soon done and
// goes on. A decision that is being carried out is no longer late.
func late(r bakeoff.Run) bakeoff.Run {
	passed := "deadline passed at " + r.Deadline.UTC().Format(time.RFC3339)
	switch r.Phase {
	case bakeoff.PhaseSnapshot:
		r.Late = true
		r = endTrials(r, bakeoff.FailedDeadline, passed)
		return decide(r, failed(r, "no snapshot: "+passed))
	case bakeoff.PhaseBuild:
		r.Late = true
		return queueTrials(endTrials(r, bakeoff.FailedDeadline, passed))
	case bakeoff.PhaseEvaluate:
		r.Late = true
	}
	return r
}

// endTrials ends every trial that has not ended.
func endTrials(r bakeoff.Run, class bakeoff.FailureClass, reason string) bakeoff.Run {
	for i, t := range r.Trials {
		if t.State != bakeoff.TrialBuilt && t.State != bakeoff.TrialFailed {
			r.Trials[i].State, r.Trials[i].Class, r.Trials[i].Reason = bakeoff.TrialFailed, class, reason
		}
	}
	return r
}

func decide(r bakeoff.Run, d bakeoff.Decision) bakeoff.Run {
	r.Phase, r.Decision = bakeoff.PhasePromote, &d
	return r
}

// failed is the decision of a run that the judge has not seen to its end.
func failed(r bakeoff.Run, reason string) bakeoff.Decision {
	d := bakeoff.Decision{Verdict: bakeoff.Failed, Reason: reason}
	if r.Snapshot != nil {
		d.Rows = r.Snapshot.Rows
	}
	for _, t := range r.Trials {
		row := r.Row(t)
		if t.State != bakeoff.TrialBuilt && t.State != bakeoff.TrialFailed {
			row.State, row.Reason = bakeoff.TrialFailed, "not built: the run ended before"
		}
		d.Leaderboard = append(d.Leaderboard, row)
	}
	return d
}
