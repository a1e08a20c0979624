package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/build"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/judge"
	"github.com/bakeoffhq/bakeoff/internal/predict"
	"github.com/bakeoffhq/bakeoff/internal/score"
	"github.com/bakeoffhq/bakeoff/internal/store"
)

// maxArtifact bounds what an artifact unpacks to.
const maxArtifact = 16 << 30

// servingRuntime opens artifacts as they are in the store: by digest, in the one way that judging,
// proving and predicting share.
type servingRuntime struct {
	store   *store.Store
	scratch string
	threads int
}

// opened is an open artifact and the folder that it was unpacked into.
type opened struct {
	*score.Model
	dir string
}

// Close ends the model and removes its folder.
func (o *opened) Close() error { return errors.Join(o.Model.Close(), os.RemoveAll(o.dir)) }

// open reads an artifact back from the store. The pipeline names the folder that a predict command
// runs in.
func (r *servingRuntime) open(ctx context.Context, pipeline string, artifact bakeoff.Digest, recipe bakeoff.Candidate, schema bakeoff.Schema) (*opened, error) {
	file, err := r.store.Pipeline(ctx, pipeline, "")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(r.scratch, "serve-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for an artifact: %w", err)
	}
	model, err := r.unpack(ctx, artifact, dir, score.Spec{
		Dir: filepath.Join(dir, "model"), Recipe: recipe, Schema: schema, PipelineDir: filepath.Dir(file.Path), Threads: r.threads,
	})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &opened{model, dir}, nil
}

func (r *servingRuntime) unpack(ctx context.Context, artifact bakeoff.Digest, dir string, spec score.Spec) (*score.Model, error) {
	archive := filepath.Join(dir, "artifact.tar")
	if err := r.store.GetFile(ctx, artifact, archive); err != nil {
		return nil, err
	}
	f, err := os.Open(archive)
	if err != nil {
		return nil, fmt.Errorf("unpack artifact %s: %w", artifact.Short(), err)
	}
	if err := errors.Join(os.Mkdir(spec.Dir, 0o700), build.Unpack(f, spec.Dir, maxArtifact), f.Close(), os.Remove(archive)); err != nil {
		return nil, fmt.Errorf("unpack artifact %s: %w", artifact.Short(), err)
	}
	return score.Open(ctx, spec)
}

// version opens the artifact of a version.
func (r *servingRuntime) version(ctx context.Context, v bakeoff.Version) (*opened, error) {
	return r.open(ctx, v.Model, v.Artifact, v.Lineage.Recipe, v.Lineage.Snapshot.Schema)
}

// judged opens a contestant's artifact for the judge.
func (r *servingRuntime) judged(ctx context.Context, pipeline string, artifact bakeoff.Digest, recipe bakeoff.Candidate, schema bakeoff.Schema) (judge.Scorer, error) {
	return r.open(ctx, pipeline, artifact, recipe, schema)
}

// Check has the version's artifact give its golden answers.
func (r *servingRuntime) Check(ctx context.Context, v bakeoff.Version, golden *bakeoff.Golden) (err error) {
	model, err := r.version(ctx, v)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, model.Close()) }()
	return model.Check(ctx, golden)
}

// Answer has the version answer the first rows of the holdout of its snapshot.
func (r *servingRuntime) Answer(ctx context.Context, v bakeoff.Version) (golden *bakeoff.Golden, err error) {
	model, err := r.version(ctx, v)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, model.Close()) }()
	rows, err := r.holdout(ctx, v.Lineage.Snapshot)
	if err != nil {
		return nil, err
	}
	few := rows.Table.Slice(0, min(rows.Table.Rows, judge.GoldenRows))
	answers, err := model.Score(ctx, few)
	if err != nil {
		return nil, err
	}
	return judge.NewGolden(few, answers), nil
}

func (r *servingRuntime) holdout(ctx context.Context, s bakeoff.Snapshot) (rows *dataset.Rows, err error) {
	dir, err := os.MkdirTemp(r.scratch, "holdout-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the holdout: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "holdout.parquet")
	if err := r.store.GetFile(ctx, s.Holdout, path); err != nil {
		return nil, err
	}
	return dataset.ReadParquet(ctx, path, s.Schema)
}

// live returns a version of a model, its champion for 0.
func (n *Node) live(ctx context.Context, model string, number int) (bakeoff.Version, error) {
	if number == 0 {
		m, _, err := n.store.Model(ctx, model)
		if err != nil {
			return bakeoff.Version{}, err
		}
		if number = m.Champion(); number == 0 {
			return bakeoff.Version{}, bakeoff.Errorf(bakeoff.CodeNotFound, "model %s has no champion", model).
				WithHint("`bakeoff why %s` says why no run has promoted one", model)
		}
	}
	return n.store.Version(ctx, model, number)
}

// Score answers the rows of a CSV file with a version of a model, its champion for 0, and writes
// them to another.
func (n *Node) Score(ctx context.Context, model string, number int, in, out string) (sum predict.Summary, v bakeoff.Version, err error) {
	if v, err = n.live(ctx, model, number); err != nil {
		return sum, v, err
	}
	opened, err := n.runtime.version(ctx, v)
	if err != nil {
		return sum, v, err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	snapshot := v.Lineage.Snapshot
	sum, err = predict.Batch(ctx, opened, snapshot.Schema, snapshot.Missing, in, out)
	return sum, v, err
}

// Answer answers some rows, given by feature name, with the champion of a model.
func (n *Node) Answer(ctx context.Context, model string, rows []map[string]any) (answers *bakeoff.Predictions, v bakeoff.Version, err error) {
	if v, err = n.live(ctx, model, 0); err != nil {
		return nil, v, err
	}
	table, err := dataset.FromRows(v.Lineage.Snapshot.Schema, rows)
	if err != nil {
		return nil, v, err
	}
	opened, err := n.runtime.version(ctx, v)
	if err != nil {
		return nil, v, err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	answers, err = opened.Score(ctx, table)
	return answers, v, err
}
