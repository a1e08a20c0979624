package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/search"
)

// Score runs one attempt at scoring a built-in learner's parameters, those of the request's candidate,
// inside the training rows, and waits for its end. It is run as Build runs a learner, with the same
// limits, and one more variable:
//
//	BAKEOFF_FOLDS  path of a JSON file, a Folding
//
// A trainer that fails, in whatever way, is a score with its reason; the error is for faults of ours.
func Score(ctx context.Context, r Request, f Folding) (bakeoff.SettingScore, error) {
	s, err := prepare(ctx, r)
	if err != nil {
		return bakeoff.SettingScore{}, fmt.Errorf("prepare the scoring of %s: %w", r.Candidate.Name, err)
	}
	how := filepath.Join(filepath.Dir(s.model), "folds.json")
	if err := writeJSON(how, f); err != nil {
		return bakeoff.SettingScore{}, fmt.Errorf("prepare the scoring of %s: %w", r.Candidate.Name, err)
	}
	s.command.Env = append(s.command.Env, envFolds+"="+how)
	exit, words, err := s.run(ctx, nil)
	if err != nil {
		return bakeoff.SettingScore{}, fmt.Errorf("score %s: %w", r.Candidate.Name, err)
	}
	score := bakeoff.SettingScore{Seconds: exit.Elapsed.Seconds()}
	if !exit.OK() {
		score.Class, score.Reason = exit.Class, explain(exit, words)
		return score, nil
	}
	text, err := os.ReadFile(filepath.Join(s.model, scoreFile))
	if err == nil {
		err = json.Unmarshal(text, &score)
	}
	if err != nil {
		return bakeoff.SettingScore{}, fmt.Errorf("read the score of %s: %w", r.Candidate.Name, err)
	}
	score.Seconds = exit.Elapsed.Seconds()
	return score, nil
}

// Search scores one setting of a candidate's search, on all its folds. A trainer that fails is a result
// with its reason. Of an attempt that was stopped, by the end of ctx, the error is ctx's cause.
func (t *Tasks) Search(ctx context.Context, a bakeoff.Attempt) (result bakeoff.Result, err error) {
	run, _, err := t.Store.Run(ctx, a.Task.Run)
	if err != nil {
		return result, err
	}
	if run.Snapshot == nil {
		return result, fmt.Errorf("run %s has no snapshot", run.ID)
	}
	candidate, folding, err := settingOf(run, a.Task)
	if err != nil {
		return result, err
	}
	dir, remove, err := t.scratch(a)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	train := filepath.Join(dir, "train.parquet")
	if err := t.Store.GetFile(ctx, run.Snapshot.Train, train); err != nil {
		return result, err
	}
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o700); err != nil {
		return result, fmt.Errorf("make a folder for the trainer: %w", err)
	}
	score, err := Score(ctx, Request{
		Run: run.ID, Candidate: candidate, Attempt: a.Number, Snapshot: *run.Snapshot, TrainParquet: train,
		Seed: run.Snapshot.Split.Seed, Threads: t.Threads, Dir: work, Self: t.Self, Mark: t.Mark,
	}, folding)
	if ctx.Err() != nil {
		return result, context.Cause(ctx) // we stopped it: that is not the trainer's failure
	}
	result.Setting = &score
	return result, err
}

// settingOf returns the candidate with the parameters of the setting that a task is about, and how they
// are scored.
func settingOf(run bakeoff.Run, task bakeoff.Task) (bakeoff.Candidate, Folding, error) {
	for _, trial := range run.Trials {
		setting, ok := trial.Setting(task)
		if trial.Candidate != task.Candidate || !ok {
			continue
		}
		candidate, _ := run.Recipe(task.Candidate) // each trial has one
		candidate.Params = setting.Params
		split := run.Snapshot.Split
		f := Folding{Metric: trial.Search.Metric, Division: search.Division{
			Folds: trial.Search.Folds, Share: search.Share(*trial.Search, task.Rung), Seed: split.Seed,
		}}
		if split.By == bakeoff.SplitByGroup {
			f.Group = split.Column
		}
		return candidate, f, nil
	}
	return bakeoff.Candidate{}, Folding{}, fmt.Errorf("run %s does not search with setting %d of %s", run.ID, task.Setting, task.Candidate)
}

// searchPreface begins the log of a build whose parameters were searched for: what was tried, and what
// came of it.
func searchPreface(s *bakeoff.Searched) string {
	if s == nil || s.Params == nil {
		return ""
	}
	text := fmt.Sprintf("[search: %d of %d settings tried (%s, %d folds), %d failed; the best has %s %.6g, with a spread of %.2g over the folds, by %s]\n",
		s.Tried, s.Settings, s.Method, s.Folds, s.Failed, s.Metric, s.Score, s.Spread, s.Params)
	if s.Note != "" {
		text += "[" + s.Note + "]\n"
	}
	return text
}
