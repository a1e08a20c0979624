package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

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
	live    *predict.Live // what is open for requests
	read    sync.Map      // the digests of artifacts that were read back whole, and when
}

// opened is an open artifact and the folder that it was unpacked into.
type opened struct {
	*score.Model
	dir string
}

// Close ends the model and removes its folder.
func (o *opened) Close() error { return errors.Join(o.Model.Close(), os.RemoveAll(o.dir)) }

// open reads an artifact back from the store. The pipeline, be it one that was removed, names the folder
// that a predict command runs in.
func (r *servingRuntime) open(ctx context.Context, pipeline string, artifact bakeoff.Digest, s score.Spec) (*opened, error) {
	file, err := r.store.LastPipeline(ctx, pipeline)
	if err != nil {
		return nil, err
	}
	s.PipelineDir = filepath.Dir(file.Path)
	if s.Threads == 0 {
		s.Threads = r.threads
	}
	return openArtifact(ctx, r.scratch, artifact, r.store.GetFile, s)
}

// getFile writes an object to a path and checks its digest.
type getFile func(ctx context.Context, digest bakeoff.Digest, path string) error

// openArtifact gets an artifact, unpacks it into a folder below scratch and opens it.
func openArtifact(ctx context.Context, scratch string, artifact bakeoff.Digest, get getFile, s score.Spec) (*opened, error) {
	dir, err := os.MkdirTemp(scratch, "serve-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for an artifact: %w", err)
	}
	s.Dir = filepath.Join(dir, "model")
	model, err := unpackArtifact(ctx, artifact, filepath.Join(dir, "artifact.tar"), get, s)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &opened{model, dir}, nil
}

func unpackArtifact(ctx context.Context, artifact bakeoff.Digest, archive string, get getFile, s score.Spec) (*score.Model, error) {
	if err := get(ctx, artifact, archive); err != nil {
		return nil, err
	}
	f, err := os.Open(archive)
	if err != nil {
		return nil, fmt.Errorf("unpack artifact %s: %w", artifact.Short(), err)
	}
	if err := errors.Join(os.Mkdir(s.Dir, 0o700), build.Unpack(f, s.Dir, maxArtifact), f.Close(), os.Remove(archive)); err != nil {
		return nil, fmt.Errorf("unpack artifact %s: %w", artifact.Short(), err)
	}
	return score.Open(ctx, s)
}

// released says of a version that it has nothing left to open, nil where it has.
func released(v bakeoff.Version) error {
	if v.Released.IsZero() {
		return nil
	}
	return bakeoff.Errorf(bakeoff.CodeConflict, "retention let go of the artifact of %s v%d on %s", v.Model, v.Version, v.Released.Format(time.DateOnly)).
		WithHint("`bakeoff models %s` lists the versions; build it again from its run's pipeline", v.Model)
}

// version opens the artifact of a version.
func (r *servingRuntime) version(ctx context.Context, v bakeoff.Version) (*opened, error) {
	if err := released(v); err != nil {
		return nil, err
	}
	return r.open(ctx, v.Model, v.Artifact, score.Spec{Recipe: v.Lineage.Recipe, Schema: v.Lineage.Snapshot.Schema})
}

// served opens the artifact of a version for requests that never end. Many are answered at once, each
// of them by one thread.
func (r *servingRuntime) served(ctx context.Context, v bakeoff.Version) (predict.Model, error) {
	if err := released(v); err != nil {
		return nil, err
	}
	m, err := r.open(ctx, v.Model, v.Artifact, score.Spec{
		Recipe: v.Lineage.Recipe, Schema: v.Lineage.Snapshot.Schema, Threads: 1, Restart: true,
	})
	if err != nil {
		return nil, err // a nil *opened is not a nil Model
	}
	return m, nil
}

// judged opens a contestant's artifact for the judge.
func (r *servingRuntime) judged(ctx context.Context, pipeline string, artifact bakeoff.Digest, recipe bakeoff.Candidate, schema bakeoff.Schema) (judge.Scorer, error) {
	return r.open(ctx, pipeline, artifact, score.Spec{Recipe: recipe, Schema: schema})
}

// Check has the version's artifact give its golden answers. One that is open here for requests is
// read back from the store and not opened a second time, which would keep them waiting: the digest
// says that it would be the same. What was read back within freshTime is not read again: a person
// who goes back and forth between two versions costs requests no more than the swaps.
func (r *servingRuntime) Check(ctx context.Context, v bakeoff.Version, golden *bakeoff.Golden) (err error) {
	if err := released(v); err != nil {
		return err
	}
	if open, err := r.live.Check(ctx, v, golden); open {
		return errors.Join(err, r.verify(ctx, v.Artifact))
	}
	model, err := r.version(ctx, v)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, model.Close()) }()
	return model.Check(ctx, golden)
}

// freshTime is for how long an artifact that was read back whole counts as proven.
const freshTime = time.Minute

// verify reads an artifact back by its digest, unless that was done a moment ago.
func (r *servingRuntime) verify(ctx context.Context, artifact bakeoff.Digest) error {
	if at, ok := r.read.Load(artifact); ok && time.Since(at.(time.Time)) < freshTime {
		return nil
	}
	err := r.store.Verify(ctx, artifact)
	if err == nil {
		r.read.Store(artifact, time.Now())
	} else {
		r.read.Delete(artifact)
	}
	return err
}

// Answer has the version answer the first rows of the holdout of its snapshot.
func (r *servingRuntime) Answer(ctx context.Context, v bakeoff.Version) (golden *bakeoff.Golden, err error) {
	model, err := r.version(ctx, v)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, model.Close()) }()
	few, err := r.firstHeldOut(ctx, v.Lineage.Snapshot, judge.GoldenRows)
	if err != nil {
		return nil, err
	}
	answers, err := model.Score(ctx, few)
	if err != nil {
		return nil, err
	}
	return judge.NewGolden(few, answers), nil
}

// holdout reads the rows of a snapshot that are held out.
func (r *servingRuntime) holdout(ctx context.Context, s bakeoff.Snapshot) (rows *dataset.Rows, err error) {
	err = r.withHoldout(ctx, s, func(path string) error {
		rows, err = dataset.ReadParquet(ctx, path, s.Schema)
		return err
	})
	return rows, err
}

// firstHeldOut reads the first of them, at most n.
func (r *servingRuntime) firstHeldOut(ctx context.Context, s bakeoff.Snapshot, n int) (rows *dataset.Table, err error) {
	err = r.withHoldout(ctx, s, func(path string) error {
		part, err := dataset.OpenPart(path, s.Schema)
		if err != nil {
			return err
		}
		defer part.Close()
		first, _, err := part.Group(ctx, 0)
		if err == nil {
			rows = first.Slice(0, min(first.Rows, n))
		}
		return err
	})
	return rows, err
}

// withHoldout calls read with the path of the rows that are held out, for the time of the call.
func (r *servingRuntime) withHoldout(ctx context.Context, s bakeoff.Snapshot, read func(path string) error) (err error) {
	dir, err := os.MkdirTemp(r.scratch, "holdout-")
	if err != nil {
		return fmt.Errorf("make a folder for the holdout: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "holdout.parquet")
	if err := r.store.GetFile(ctx, s.Holdout, path); err != nil {
		return err
	}
	return read(path)
}

// Answer answers some rows, given by feature name, with the champion of a model.
func (n *Node) Answer(ctx context.Context, model string, rows []map[string]any) (answers *bakeoff.Predictions, v bakeoff.Version, err error) {
	if v, err = n.championOr(ctx, model, 0); err != nil {
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
