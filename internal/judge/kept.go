package judge

import (
	"context"
	"fmt"
	"os"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/answers"
)

// keep stores the answers of a case and names them in its decision.
func (t *Tasks) keep(ctx context.Context, c Case, path string, d *bakeoff.Decision) error {
	if err := answers.Write(ctx, path, c.Kept()); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("keep answers: %w", err)
	}
	d.Answers, err = t.Store.PutFile(ctx, path)
	d.AnswersBytes = info.Size()
	return err
}

// Kept returns a case as it is kept. Answers that are none, such as one that is not a number, are kept
// as the reason alone.
func (c Case) Kept() *answers.File {
	f := &answers.File{
		Rules: answers.Rules{
			Pipeline: c.Pipeline.Name, AtLeast: c.Pipeline.AtLeast, Judge: c.Pipeline.Judge, Gate: c.Pipeline.Gate, Seed: c.Pipeline.Data.Split.Seed,
		},
		Task: c.Task, Rows: c.Rows, Champion: c.Champion, Hold: c.Hold, Incomparable: c.Incomparable, Contaminated: c.Contaminated,
		At: c.At, Moved: c.Moved, Labels: c.Labels, Baseline: c.Baseline, Slices: c.Slices,
	}
	for _, k := range c.Contestants {
		f.Contestants = append(f.Contestants, k.kept(c.Labels))
	}
	return f
}

func (k Contestant) kept(y bakeoff.Labels) answers.Contestant {
	kept := answers.Contestant{
		Candidate: k.Candidate, Role: k.Role, Version: k.Version, Rebuilt: k.Rebuilt, Trial: k.Trial, Failure: k.Failure, Unseen: k.Unseen, Speed: k.Speed, Predictions: k.Predictions,
	}
	if k.Predictions == nil || y.Len() == 0 {
		kept.Predictions = nil
		return kept
	}
	if err := checkAnswers(k.Predictions, y); err != nil {
		kept.Predictions = nil
		if kept.Failure == "" {
			kept.Failure = err.Error()
		}
	}
	return kept
}

// Again returns the case of a kept file. Its pipeline has what decides, and nothing else.
func Again(f *answers.File) Case {
	p := &bakeoff.Pipeline{Name: f.Rules.Pipeline, AtLeast: f.Rules.AtLeast, Judge: f.Rules.Judge, Gate: f.Rules.Gate}
	p.Data.Split.Seed = f.Rules.Seed
	c := Case{
		Pipeline: p, Task: f.Task, Labels: f.Labels, Baseline: f.Baseline,
		Rows: f.Rows, Champion: f.Champion, Hold: f.Hold, Incomparable: f.Incomparable, Contaminated: f.Contaminated, At: f.At, Moved: f.Moved, Slices: f.Slices,
	}
	for _, k := range f.Contestants {
		c.Contestants = append(c.Contestants, Contestant{
			Candidate: k.Candidate, Role: k.Role, Version: k.Version, Rebuilt: k.Rebuilt, Trial: k.Trial, Failure: k.Failure, Unseen: k.Unseen, Speed: k.Speed, Predictions: k.Predictions,
		})
	}
	return c
}
