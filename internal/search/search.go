// Package search turns the parameters that a candidate may vary into settings to try, the training rows
// into folds to try them on, and the scores of the settings into the one to build.
//
// All of it is pure: the same candidate, rows, seed and scores give the same settings, folds and choice,
// whatever the number of workers and the order in which they end.
package search

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/metric"
)

// The bounds and defaults of what a pipeline file may ask for.
const (
	MaxSettings     = 200
	DefaultSettings = 20
	MinFolds        = 2
	MaxFolds        = 10
	DefaultFolds    = 3
	MinFactor       = 2
	MaxFactor       = 10
	DefaultFactor   = 3
)

// Begin returns the search of a candidate's parameters as it is before anything was tried.
func Begin(c bakeoff.Candidate, s bakeoff.Snapshot) bakeoff.Searching {
	params := Settings(c, s.Split.Seed)
	begun := bakeoff.Searching{
		Method: c.Search.Method, Metric: cmp.Or(c.Search.Metric, metric.Default(s.Schema.Task).Name()),
		Folds: c.Search.Folds, Rung: 1, Rungs: 1, Settings: make([]bakeoff.Setting, len(params)),
		Note: groupNote(s),
	}
	if c.Search.Method == bakeoff.SearchHalving {
		begun.Factor = c.Search.Factor
		begun.Rungs = rungs(len(params), begun.Factor, s.Rows.Train)
	}
	for i, p := range params {
		begun.Settings[i] = bakeoff.Setting{Params: p, State: bakeoff.SettingWaiting, Rung: 1}
	}
	return begun
}

// groupNote says that groups may be torn apart, where they may.
func groupNote(s bakeoff.Snapshot) string {
	known := slices.ContainsFunc(s.Schema.Columns, func(c bakeoff.ColumnSchema) bool { return c.Name == s.Split.Column })
	if s.Split.By != bakeoff.SplitByGroup || known {
		return ""
	}
	return fmt.Sprintf("the search may have rows of one %s in two folds: the column is not among the features", s.Split.Column)
}

// Take records what an evaluation of a setting left. It reports false where the search does not wait for
// it: then it was told already, or came too late. The argument is not changed.
func Take(t bakeoff.Trial, task bakeoff.Task, score bakeoff.SettingScore) (bakeoff.Searching, bool) {
	if _, waits := t.Setting(task); !waits {
		return bakeoff.Searching{}, false
	}
	s := clone(*t.Search)
	one := &s.Settings[task.Setting-1]
	one.Scores = append(slices.Clip(one.Scores), score)
	one.State = bakeoff.SettingScored
	if !score.OK() {
		one.State = bakeoff.SettingFailed
	}
	return s, true
}

// HandOut marks the next setting that waits as handed out; false where none waits. The argument is not
// changed.
func HandOut(s bakeoff.Searching) (bakeoff.Searching, bool) {
	i := slices.IndexFunc(s.Settings, func(one bakeoff.Setting) bool { return one.State == bakeoff.SettingWaiting })
	if i < 0 {
		return s, false
	}
	s = clone(s)
	s.Settings[i].State = bakeoff.SettingQueued
	return s, true
}

// Out counts the settings that are handed out and have not ended.
func Out(s bakeoff.Searching) int {
	return count(s, func(one bakeoff.Setting) bool { return one.State == bakeoff.SettingQueued })
}

// Settle moves a search on whose settings have all ended: the best go on to the next rung or, after the
// last, the best of all is chosen. It reports false where none can be, since all have failed; failed is
// then the first of them. A search in which settings are still to be scored stays as it is. The argument
// is not changed.
func Settle(s bakeoff.Searching) (next bakeoff.Searching, failed bakeoff.SettingScore, ok bool) {
	if s.Best > 0 || slices.ContainsFunc(s.Settings, unended) {
		return s, failed, true
	}
	ranked := ranking(s, s.Rung)
	if len(ranked) == 0 || s.Rung == s.Rungs {
		return choose(s, s.Rung)
	}
	return climb(s, ranked), failed, true
}

// climb begins the next rung, with the best of one that has ended. The candidate's own parameters are in
// it too, whatever they came to, unless they have failed: the choice is always made beside them.
func climb(s bakeoff.Searching, ranked []int) bakeoff.Searching {
	others := slices.DeleteFunc(slices.Clone(ranked), func(i int) bool { return i == 0 })
	next := others[:kept(len(others), s.Factor)]
	if len(others) < len(ranked) {
		next = append(next, 0)
	}
	s = clone(s)
	s.Rung++
	for _, i := range next {
		s.Settings[i].State, s.Settings[i].Rung = bakeoff.SettingWaiting, s.Rung
	}
	return s
}

// CutShort chooses among what has been scored so far, in the last rung that has ended or, where none has,
// in the first. It reports false where nothing has been. The argument is not changed.
func CutShort(s bakeoff.Searching) (bakeoff.Searching, bool) {
	rung := max(1, s.Rung-1)
	cut, _, ok := choose(s, rung)
	if !ok {
		return s, false
	}
	cut.CutShort = true
	for i := range cut.Settings {
		if unended(cut.Settings[i]) {
			cut.Settings[i].State = bakeoff.SettingWaiting // nobody waits for it any more
		}
	}
	return cut, true
}

// choose takes the best setting of a rung or, where all have failed in it, of the one before.
func choose(s bakeoff.Searching, rung int) (bakeoff.Searching, bakeoff.SettingScore, bool) {
	for ; rung > 0; rung-- {
		if ranked := ranking(s, rung); len(ranked) > 0 {
			s = clone(s)
			s.Best, s.Decided = ranked[0]+1, rung
			return s, bakeoff.SettingScore{}, true
		}
	}
	return s, firstFailure(s), false
}

func firstFailure(s bakeoff.Searching) bakeoff.SettingScore {
	for _, one := range s.Settings {
		for _, score := range one.Scores {
			if !score.OK() {
				return score
			}
		}
	}
	return bakeoff.SettingScore{Class: bakeoff.FailedInternal, Reason: string(bakeoff.FailedInternal) + ": nothing was tried"}
}

// ranking returns the settings with a score in a rung, by their place in the list, the best first. Of
// equals the first is the better: the candidate's own parameters before any other.
func ranking(s bakeoff.Searching, rung int) []int {
	m, known := metric.Lookup(s.Metric)
	if !known {
		return nil
	}
	var ranked []int
	for i, one := range s.Settings {
		if _, ok := one.At(rung); ok {
			ranked = append(ranked, i)
		}
	}
	slices.SortStableFunc(ranked, func(a, b int) int {
		x, _ := s.Settings[a].At(rung)
		y, _ := s.Settings[b].At(rung)
		switch {
		case m.Better(x.Mean, y.Mean):
			return -1
		case m.Better(y.Mean, x.Mean):
			return 1
		}
		return 0
	})
	return ranked
}

// Progress counts the evaluations that have ended and all that there will be, as far as is known: those
// of rungs to come as if nothing failed.
func Progress(s bakeoff.Searching) (done, total int) {
	for _, one := range s.Settings {
		done += len(one.Scores)
	}
	total = done + count(s, unended)
	in := func(one bakeoff.Setting) bool { return one.Rung == s.Rung && one.State != bakeoff.SettingFailed }
	own := 0
	if in(s.Settings[0]) {
		own = 1
	}
	others := count(s, in) - own
	for rung := s.Rung; rung < s.Rungs && s.Best == 0; rung++ {
		others = kept(others, s.Factor)
		total += others + own
	}
	return done, total
}

// What is left before a deadline has room for so many builds, which may be slower than the evaluations
// were, and for starting and storing one.
const (
	reserveBuilds = 3
	reserveMore   = 3 * time.Second
)

// Reserve is how long before its run's deadline a search ends, so that the best setting so far can still
// be built; false where there is none yet. A build takes about what the evaluation took, divided by the
// folds less one: that many times all rows were gone through.
func Reserve(s bakeoff.Searching) (time.Duration, bool) {
	longest, scored := 0.0, false
	for _, one := range s.Settings {
		for i, score := range one.Scores {
			scored = scored || score.OK()
			longest = max(longest, score.Seconds/Share(s, i+1))
		}
	}
	build := longest / float64(max(1, s.Folds-1))
	return time.Duration(reserveBuilds*build*float64(time.Second)) + reserveMore, scored
}

func unended(one bakeoff.Setting) bool {
	return one.State == bakeoff.SettingWaiting || one.State == bakeoff.SettingQueued
}

func count(s bakeoff.Searching, is func(bakeoff.Setting) bool) int {
	n := 0
	for _, one := range s.Settings {
		if is(one) {
			n++
		}
	}
	return n
}

func clone(s bakeoff.Searching) bakeoff.Searching {
	s.Settings = slices.Clone(s.Settings)
	return s
}
