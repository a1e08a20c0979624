package app

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

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
	// Missing says which commands are not on this machine; the workers' may have them.
	Missing []string `json:"missing_commands,omitempty"`
}

// Check reads a pipeline file and its data and changes nothing. What is wrong with either is an
// error with bakeoff.CodeInvalid.
func Check(ctx context.Context, path string, lookup func(string) (string, bool)) (*Plan, error) {
	_, p, err := LoadPipeline(path, lookup)
	if err != nil {
		return nil, err
	}
	snapshot, err := dataset.Inspect(ctx, build.Source(p, time.Now()))
	if err != nil {
		return nil, err
	}
	task := snapshot.Schema.Task
	for _, c := range p.Candidates {
		if c.Trainer != bakeoff.TrainerCommand && !learn.Fits(c.Trainer, task) {
			return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "%s: candidate %s: %s cannot learn a %s target", path, c.Name, c.Trainer, task).
				WithHint("take a trainer that can, or state another data.task")
		}
		if c.Trainer == bakeoff.TrainerCommand {
			continue
		}
		if err := learn.CheckNames(c.Params, snapshot.Schema); err != nil {
			return nil, fmt.Errorf("%s: candidate %s: %w", path, c.Name, err)
		}
	}
	objective, err := judge.Objective(p, task)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := judge.CheckSlices(p, snapshot.Schema); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Plan{Pipeline: p, Name: p.Name, Revision: p.Revision, Metric: objective, Snapshot: snapshot, Missing: missingCommands(p)}, nil
}

// missingCommands says which commands of a pipeline cannot be found here.
func missingCommands(p *bakeoff.Pipeline) []string {
	var missing []string
	for _, c := range p.Candidates {
		for _, argv := range [][]string{c.Build, c.Predict} {
			if len(argv) == 0 {
				continue
			}
			name := argv[0]
			if strings.ContainsRune(name, filepath.Separator) && !filepath.IsAbs(name) {
				name = filepath.Join(p.Dir, name)
			}
			if _, err := exec.LookPath(name); err != nil {
				missing = append(missing, fmt.Sprintf("candidate %s: there is no command %q on this machine", c.Name, argv[0]))
			}
		}
	}
	return missing
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
