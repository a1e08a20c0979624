package judge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// Store is what judging needs of the store.
type Store interface {
	Run(ctx context.Context, id string) (bakeoff.Run, uint64, error)
	Model(ctx context.Context, name string) (bakeoff.Model, uint64, error)
	Version(ctx context.Context, model string, n int) (bakeoff.Version, error)
	GetFile(ctx context.Context, digest bakeoff.Digest, path string) error
	PutFile(ctx context.Context, path string) (bakeoff.Digest, error)
	PublishEvent(ctx context.Context, e bakeoff.Event) error
}

// Pipelines finds a revision of a pipeline.
type Pipelines interface {
	Pipeline(ctx context.Context, name string, revision bakeoff.Digest) (*bakeoff.Pipeline, error)
}

// Opener opens an artifact of a pipeline as it is in the store, in the runtime that serves it.
type Opener func(ctx context.Context, pipeline string, artifact bakeoff.Digest, recipe bakeoff.Candidate, schema bakeoff.Schema) (Scorer, error)

// Tasks does the tasks of kind evaluate.
type Tasks struct {
	Store     Store
	Pipelines Pipelines
	Open      Opener
	Scratch   string // an existing folder for what is read from the store
}

// Evaluate judges a run against the champion of this moment, and keeps what all contestants answered.
// What makes a decision impossible is a result with its reason.
func (t *Tasks) Evaluate(ctx context.Context, a bakeoff.Attempt) (result bakeoff.Result, err error) {
	run, _, err := t.Store.Run(ctx, a.Task.Run)
	if err != nil {
		return result, err
	}
	dir, err := os.MkdirTemp(t.Scratch, "evaluate-")
	if err != nil {
		return result, fmt.Errorf("make a folder for the evaluation: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	in, err := t.inputs(ctx, run, dir)
	if bakeoff.CodeOf(err) == bakeoff.CodeInvalid { // a variable that the file names is gone
		result.Failure = err.Error()
		return result, nil
	}
	if err != nil {
		return result, err
	}
	in.Progress = t.phase(ctx, run.ID)
	decision, c, err := evaluate(ctx, in)
	if bakeoff.CodeOf(err) == bakeoff.CodeInvalid {
		result.Failure = err.Error()
		return result, nil
	}
	if err == nil {
		err = t.keep(ctx, c, filepath.Join(dir, "answers.parquet"), &decision)
	}
	result.Decision = &decision
	return result, err
}

// phase returns what tells how far the judging is, now and then.
func (t *Tasks) phase(ctx context.Context, run string) func(share float64) {
	pace := bakeoff.NewPace(time.Now())
	return func(share float64) {
		if now := time.Now(); pace.Due(now, share) {
			_ = t.Store.PublishEvent(ctx, bakeoff.Event{Time: now.UTC(), Run: run, Kind: bakeoff.EventProgress, Progress: share}) // judging is worth more
		}
	}
}

// inputs reads what the judge needs from the store into dir.
func (t *Tasks) inputs(ctx context.Context, run bakeoff.Run, dir string) (Inputs, error) {
	if run.Snapshot == nil {
		return Inputs{}, fmt.Errorf("run %s has no snapshot", run.ID)
	}
	p, err := t.Pipelines.Pipeline(ctx, run.Pipeline, run.Revision)
	if err != nil {
		return Inputs{}, err
	}
	in := Inputs{Pipeline: p, Snapshot: *run.Snapshot, At: run.Due()}
	in.Open = func(ctx context.Context, artifact bakeoff.Digest, recipe bakeoff.Candidate, schema bakeoff.Schema) (Scorer, error) {
		return t.Open(ctx, run.Pipeline, artifact, recipe, schema)
	}
	for _, trial := range run.Trials {
		recipe, _ := run.Recipe(trial.Candidate) // each trial has one
		entry := Entry{Trial: trial, Recipe: recipe}
		if run.Rebuild != nil && trial.Candidate == bakeoff.ChampionName {
			in.Rebuilt = &entry
			continue
		}
		in.Entries = append(in.Entries, entry)
	}
	holdout, err := t.rows(ctx, run.Snapshot.Holdout, run.Snapshot.Schema, filepath.Join(dir, "holdout.parquet"))
	if err != nil {
		return in, err
	}
	in.Holdout = holdout
	if err := t.trained(ctx, run.Snapshot, filepath.Join(dir, "train.parquet"), &in); err != nil {
		return in, err
	}
	return in, t.champion(ctx, run, dir, &in)
}

func (t *Tasks) rows(ctx context.Context, digest bakeoff.Digest, schema bakeoff.Schema, path string) (*dataset.Rows, error) {
	if err := t.Store.GetFile(ctx, digest, path); err != nil {
		return nil, err
	}
	return dataset.ReadParquet(ctx, path, schema)
}

// trained adds the labels and identities of the training rows, of which the judge needs no more.
func (t *Tasks) trained(ctx context.Context, s *bakeoff.Snapshot, path string, in *Inputs) error {
	if err := t.Store.GetFile(ctx, s.Train, path); err != nil {
		return err
	}
	part, err := dataset.OpenPart(path, s.Schema)
	if err != nil {
		return err
	}
	defer part.Close()
	if in.Train, err = part.Labels(); err != nil {
		return err
	}
	in.TrainIdentity, err = part.Identities()
	return err
}

// champion adds today's champion, what tells the rows that it was trained on, and a hold.
func (t *Tasks) champion(ctx context.Context, run bakeoff.Run, dir string, in *Inputs) error {
	model, _, err := t.Store.Model(ctx, run.Pipeline)
	if err != nil || model.Champion() == 0 {
		in.Rebuilt = nil
		return err
	}
	v, err := t.Store.Version(ctx, model.Name, model.Champion())
	if err != nil {
		return err
	}
	in.Champion, in.Hold, in.Moved = &v, model.Hold, model.Aliases[bakeoff.AliasChampion].Moved
	if run.Rebuild != nil && run.Rebuild.Version == v.Version {
		return nil // what is compared was trained on this run's rows
	}
	in.Rebuilt = nil // of another champion, which has moved meanwhile

	if err := t.seen(ctx, v, dir, in); err != nil { // gone or damaged: it cannot be compared, which is a verdict
		in.ChampionDoubt = fmt.Sprintf("nobody can tell which rows it has seen: %v", err)
	}
	return context.Cause(ctx)
}

// seen reads which rows a version was trained on: by its fingerprint or, where it has none or that is
// damaged, from the rows themselves.
func (t *Tasks) seen(ctx context.Context, v bakeoff.Version, dir string, in *Inputs) (err error) {
	if digest := v.Lineage.Snapshot.Fingerprint; digest != "" {
		if in.ChampionFingerprint, err = t.fingerprint(ctx, digest, filepath.Join(dir, "fingerprint")); err == nil {
			return nil
		}
	}
	path := filepath.Join(dir, "seen.parquet")
	rowsErr := t.Store.GetFile(ctx, v.Lineage.Snapshot.Train, path)
	if rowsErr == nil {
		in.ChampionSeen, rowsErr = dataset.ReadIdentities(path)
	}
	if rowsErr != nil {
		return cmp.Or(err, rowsErr) // the rows may well have been let go
	}
	return nil
}

func (t *Tasks) fingerprint(ctx context.Context, digest bakeoff.Digest, path string) (*dataset.Fingerprint, error) {
	if err := t.Store.GetFile(ctx, digest, path); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f, err := dataset.ReadFingerprint(b)
	if err != nil {
		return nil, fmt.Errorf("read its fingerprint %s: %w", digest.Short(), err)
	}
	return f, nil
}
