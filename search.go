package bakeoff

import (
	"encoding/json"
	"slices"
)

// SearchMethod names a way to choose a candidate's parameters.
type SearchMethod string

// The methods.
const (
	SearchGrid    SearchMethod = "grid"    // every combination of the values that are listed
	SearchRandom  SearchMethod = "random"  // combinations that are drawn
	SearchHalving SearchMethod = "halving" // drawn ones on few rows, of which the best go on, on more
)

// SearchMethods returns the methods, in the order in which they are explained.
func SearchMethods() []SearchMethod {
	return []SearchMethod{SearchRandom, SearchHalving, SearchGrid}
}

// Search has a candidate's parameters chosen by cross-validation inside the training rows, before it is
// built. The holdout plays no part in it.
type Search struct {
	Method SearchMethod `json:"method"`
	Params []Dimension  `json:"params"` // sorted by name
	// Settings is how many are tried, the candidate's own parameters among them; 0 for SearchGrid, which
	// tries all.
	Settings int    `json:"settings,omitempty"`
	Folds    int    `json:"folds"`
	Factor   int    `json:"factor,omitempty"` // SearchHalving: one of so many goes on, on so many times the rows
	Metric   string `json:"metric,omitempty"` // the pipeline's objective; "" for the learning task's default
}

// Dimension is one parameter that a search varies: over the Values or, where there are none, between
// From and To, both included.
type Dimension struct {
	Name   string            `json:"name"`
	Values []json.RawMessage `json:"values,omitempty"`
	From   float64           `json:"from,omitempty"`
	To     float64           `json:"to,omitempty"`
	Log    bool              `json:"log,omitempty"`   // what is drawn is evenly spread in its logarithm
	Whole  bool              `json:"whole,omitempty"` // whole numbers only
	// Default is what the parameter is where nobody sets it.
	Default json.RawMessage `json:"default"`
}

// SettingState is the state of a setting in the rung that it takes part in.
type SettingState string

// The states of a setting.
const (
	SettingWaiting SettingState = "waiting" // not yet handed out
	SettingQueued  SettingState = "queued"  // a task on the queue, or on a worker
	SettingScored  SettingState = "scored"
	SettingFailed  SettingState = "failed"
)

// Setting is one combination of parameters that a search tries.
type Setting struct {
	Params json.RawMessage `json:"params,omitempty"` // all that the trainer is given
	State  SettingState    `json:"state,omitempty"`
	Rung   int             `json:"rung,omitempty"`   // the last one that it takes part in, from 1
	Scores []SettingScore  `json:"scores,omitempty"` // one a rung that has ended for it
}

// SettingScore is what one evaluation of a setting left: how good models with these parameters were on
// folds of the training rows that they had not seen, or why there is no telling.
type SettingScore struct {
	Mean    float64      `json:"mean"`            // of the metric over the folds
	Spread  float64      `json:"spread"`          // its standard deviation over the folds
	Seconds float64      `json:"seconds"`         // of the attempt
	Class   FailureClass `json:"class,omitempty"` // where it failed
	Reason  string       `json:"reason,omitempty"`
	Attempt int          `json:"attempt,omitempty"`
	Worker  string       `json:"worker,omitempty"`
}

// OK reports whether there is a score.
func (s SettingScore) OK() bool { return s.Class == "" }

// At returns the score of a setting in a rung; false where it has none there.
func (s Setting) At(rung int) (SettingScore, bool) {
	if rung < 1 || rung > len(s.Scores) || !s.Scores[rung-1].OK() {
		return SettingScore{}, false
	}
	return s.Scores[rung-1], true
}

// Searching is how far the search of a trial's parameters has come and, in the end, what it chose.
type Searching struct {
	Method SearchMethod `json:"method"`
	Metric string       `json:"metric"`
	Folds  int          `json:"folds"`
	Factor int          `json:"factor,omitempty"`
	// Rung counts from 1 to Rungs. In each the settings that are left are scored on more rows than in the
	// one before, in the last on all training rows; there is one only, unless the method is SearchHalving.
	Rung  int `json:"rung"`
	Rungs int `json:"rungs"`
	// Settings are tried; the first are the candidate's own parameters.
	Settings []Setting `json:"settings"`
	Best     int       `json:"best,omitempty"`    // the setting that was chosen, from 1; 0 while none is
	Decided  int       `json:"decided,omitempty"` // the rung whose scores it was chosen by
	CutShort bool      `json:"cut_short,omitempty"`
	// Note is what a person should know about the folds.
	Note string `json:"note,omitempty"`
}

// Chosen returns the parameters that the search has chosen; nil while it has not.
func (s *Searching) Chosen() json.RawMessage {
	if s == nil || s.Best == 0 {
		return nil
	}
	return s.Settings[s.Best-1].Params
}

// Searched says on a leaderboard, and of a version, how its parameters were chosen.
type Searched struct {
	Method   SearchMethod `json:"method"`
	Settings int          `json:"settings"` // that were to be tried, the candidate's own among them
	Tried    int          `json:"tried"`    // those that were, the failed ones too
	Failed   int          `json:"failed,omitempty"`
	Folds    int          `json:"folds"`
	Seconds  float64      `json:"seconds"` // of all evaluations together, however many went on at once
	Metric   string       `json:"metric"`
	Best     int          `json:"best,omitempty"` // which setting was chosen, 1 for the candidate's own parameters; 0 for none
	// Params are those that were chosen; nil where none were. Score is how good they were on folds of the
	// training rows, and Spread its standard deviation over the folds. It is the best of many and so too
	// good: what the model is worth is told by the holdout.
	Params json.RawMessage `json:"params,omitempty"`
	Score  float64         `json:"score"`
	Spread float64         `json:"spread"`
	// Own is the score of the candidate's own parameters on the same folds; nil where they have none.
	Own      *float64 `json:"own_score,omitempty"`
	CutShort bool     `json:"cut_short,omitempty"` // the deadline was near
	Note     string   `json:"note,omitempty"`
}

// Searched sums up the search of a trial's parameters; nil where there was none.
func (t Trial) Searched() *Searched {
	s := t.Search
	if s == nil {
		return nil
	}
	sum := &Searched{
		Method: s.Method, Settings: len(s.Settings), Folds: s.Folds, Metric: s.Metric,
		Best: s.Best, Params: s.Chosen(), CutShort: s.CutShort, Note: s.Note,
	}
	for _, one := range s.Settings {
		if len(one.Scores) > 0 {
			sum.Tried++
		}
		for _, score := range one.Scores {
			sum.Seconds += score.Seconds
		}
		if one.State == SettingFailed {
			sum.Failed++
		}
	}
	if s.Best == 0 {
		return sum
	}
	best, _ := s.Settings[s.Best-1].At(s.Decided)
	sum.Score, sum.Spread = best.Mean, best.Spread
	if own, ok := s.Settings[0].At(s.Decided); ok {
		sum.Own = &own.Mean
	}
	return sum
}

// WaitsFor reports whether a run, as it stands, waits for a task of one of its trials: a build, or the
// evaluation of a setting. One that was cancelled, or whose trial has ended without it, does not.
func (r Run) WaitsFor(task Task) bool {
	i := slices.IndexFunc(r.Trials, func(t Trial) bool { return t.Candidate == task.Candidate })
	if r.Phase != PhaseBuild || i < 0 {
		return false
	}
	t := r.Trials[i]
	switch task.Kind {
	case TaskBuild:
		return t.State == TrialQueued
	case TaskSearch:
		_, ok := t.Setting(task)
		return ok && t.State == TrialSearching
	}
	return false
}

// Setting returns the setting that a task is about; false where the search does not wait for it.
func (t Trial) Setting(task Task) (Setting, bool) {
	s := t.Search
	if s == nil || task.Rung != s.Rung || task.Setting < 1 || task.Setting > len(s.Settings) {
		return Setting{}, false
	}
	one := s.Settings[task.Setting-1]
	return one, one.State == SettingQueued && one.Rung == task.Rung
}
