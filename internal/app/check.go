package app

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/build"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/judge"
	"github.com/bakeoffhq/bakeoff/internal/learn"
	"github.com/bakeoffhq/bakeoff/internal/spec"
)

// Plan is what a run of a pipeline file would do.
type Plan struct {
	Pipeline *bakeoff.Pipeline `json:"-"`
	Name     string            `json:"pipeline"`
	Revision bakeoff.Digest    `json:"revision"`
	Metric   string            `json:"metric"`
	Snapshot bakeoff.Snapshot  `json:"snapshot"`
}

// Check reads a pipeline file and its data and changes nothing. What is wrong with either is an
// error with bakeoff.CodeInvalid.
func Check(ctx context.Context, path string, lookup func(string) (string, bool)) (*Plan, error) {
	_, p, err := LoadPipeline(path, lookup)
	if err != nil {
		return nil, err
	}
	snapshot, err := dataset.Inspect(ctx, build.Source(p))
	if err != nil {
		return nil, err
	}
	task := snapshot.Schema.Task
	for _, c := range p.Candidates {
		if c.Trainer != bakeoff.TrainerCommand && !learn.Fits(c.Trainer, task) {
			return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "%s: candidate %s: %s cannot learn a %s target", path, c.Name, c.Trainer, task).
				WithHint("take a trainer that can, or state another data.task")
		}
	}
	objective, err := judge.Objective(p, task)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Plan{Pipeline: p, Name: p.Name, Revision: p.Revision, Metric: objective, Snapshot: snapshot}, nil
}

// PipelineSchema returns the JSON Schema of pipeline files.
func PipelineSchema() []byte { return spec.Schema() }

// PipelineTemplate returns a commented pipeline file to start from, for the column target of the CSV
// file source; a relative path starts at dir. The data is read, to find what the target asks for.
func PipelineTemplate(ctx context.Context, dir, name, source, target string) (string, error) {
	path := source
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	found, err := dataset.Inspect(ctx, dataset.Source{
		Path: path, Target: target, Split: bakeoff.Split{Holdout: 0.2, By: bakeoff.SplitByHash, Seed: 1},
	})
	if err != nil {
		return "", err
	}
	return spec.Template(name, source, target, found.Schema.Task), nil
}
