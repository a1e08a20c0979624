package dispatch

import (
	"fmt"
	"slices"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/search"
)

// begun has the search of a trial's parameters begin.
func begun(t bakeoff.Trial, recipe bakeoff.Candidate, s bakeoff.Snapshot) bakeoff.Trial {
	begin := search.Begin(recipe, s)
	t.State, t.Search = bakeoff.TrialSearching, &begin
	return t
}

// handOut hands out the next setting of a trial's search; false where none waits.
func handOut(t *bakeoff.Trial) bool {
	next, ok := search.HandOut(*t.Search)
	if ok {
		t.Search = &next
	}
	return ok
}

// tasksOut counts the tasks of a trial that are handed out and have not ended.
func tasksOut(t bakeoff.Trial) int {
	switch t.State {
	case bakeoff.TrialQueued:
		return 1
	case bakeoff.TrialSearching:
		return search.Out(*t.Search)
	}
	return 0
}

// settingTasks are the tasks of a search that are handed out.
func settingTasks(t bakeoff.Trial, queue string) []bakeoff.Task {
	var tasks []bakeoff.Task
	for i, one := range t.Search.Settings {
		if one.State == bakeoff.SettingQueued {
			tasks = append(tasks, bakeoff.Task{
				Kind: bakeoff.TaskSearch, Candidate: t.Candidate, Setting: i + 1, Rung: one.Rung, Queue: queue,
			})
		}
	}
	return tasks
}

// settingEnded records what an evaluation of a setting left, and goes on with the search.
func settingEnded(r bakeoff.Run, result bakeoff.Result) bakeoff.Run {
	i := slices.IndexFunc(r.Trials, func(t bakeoff.Trial) bool { return t.Candidate == result.Task.Candidate })
	if i < 0 || r.Trials[i].State != bakeoff.TrialSearching || result.Setting == nil {
		return r
	}
	next, ok := search.Take(r.Trials[i], result.Task, *result.Setting)
	if !ok {
		return r
	}
	r.Trials[i].Search = &next
	return queueTrials(r)
}

// settled moves a trial on whose search has nothing more to wait for: to its next rung, to the build of
// what was chosen or, where every setting has failed, to its end.
func settled(t bakeoff.Trial) bakeoff.Trial {
	if t.State != bakeoff.TrialSearching {
		return t
	}
	next, failed, ok := search.Settle(*t.Search)
	t.Search = &next
	switch {
	case !ok:
		t.State, t.Class = bakeoff.TrialFailed, failed.Class
		t.Reason = fmt.Sprintf("%s: each of the %d settings that were tried; the first: %s", failed.Class, len(next.Settings), failed.Reason)
	case next.Best > 0:
		t.State = bakeoff.TrialWaiting
	}
	return t
}

// endSearches ends the searches that have to leave the rest of the time to the build of the best setting.
func endSearches(r bakeoff.Run, now time.Time) bakeoff.Run {
	ended := false
	for i, t := range r.Trials {
		if end := searchEnd(r, t); end.IsZero() || now.Before(end) {
			continue
		}
		if cut, ok := search.CutShort(*t.Search); ok {
			r.Trials[i].State, r.Trials[i].Search = bakeoff.TrialWaiting, &cut
			ended = true
		}
	}
	if !ended {
		return r
	}
	return queueTrials(r)
}

// searchEnd is when the search of a trial ends because of its run's deadline; zero for never, or not yet.
func searchEnd(r bakeoff.Run, t bakeoff.Trial) time.Time {
	if r.Deadline.IsZero() || r.Late || t.State != bakeoff.TrialSearching {
		return time.Time{}
	}
	reserve, ok := search.Reserve(*t.Search)
	if !ok {
		return time.Time{}
	}
	return r.Deadline.Add(-reserve)
}

// wakeTime is when the clock next moves a run on: at its deadline, or at the end of a search before it.
// Zero is never.
func wakeTime(r bakeoff.Run) time.Time {
	if r.Deadline.IsZero() || r.Late || r.Phase == bakeoff.PhasePromote {
		return time.Time{}
	}
	wake := r.Deadline
	if r.Phase != bakeoff.PhaseBuild {
		return wake
	}
	for _, t := range r.Trials {
		if end := searchEnd(r, t); !end.IsZero() && end.Before(wake) {
			wake = end
		}
	}
	return wake
}

// searchMoved reports whether a search has come further. Comparing what can change is enough.
func searchMoved(a, b *bakeoff.Searching) bool {
	if a == nil || b == nil {
		return (a == nil) != (b == nil)
	}
	return a.Rung != b.Rung || a.Best != b.Best || !slices.EqualFunc(a.Settings, b.Settings, func(x, y bakeoff.Setting) bool {
		return x.State == y.State && x.Rung == y.Rung
	})
}

// searchEvent tells how far the search of a trial is; false where it is no further than before.
func searchEvent(before, after bakeoff.Trial) (bakeoff.Event, bool) {
	if after.State != bakeoff.TrialSearching {
		return bakeoff.Event{}, false
	}
	done, total := search.Progress(*after.Search)
	if before.State == bakeoff.TrialSearching {
		if was, _ := search.Progress(*before.Search); was == done {
			return bakeoff.Event{}, false
		}
	}
	return bakeoff.Event{
		Kind: bakeoff.EventProgress, Candidate: after.Candidate, Progress: float64(done) / float64(total),
		Message: fmt.Sprintf("searching %d/%d", done, total),
	}, true
}
