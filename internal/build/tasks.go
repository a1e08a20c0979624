package build

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// Store is what building needs of the store.
type Store interface {
	Run(ctx context.Context, id string) (bakeoff.Run, uint64, error)
	Identity(ctx context.Context, pipeline string) (*bakeoff.Identity, error)
	PutIdentity(ctx context.Context, pipeline string, i bakeoff.Identity) error
	GetFile(ctx context.Context, digest bakeoff.Digest, path string) error
	PutFile(ctx context.Context, path string) (bakeoff.Digest, error)
	PublishEvent(ctx context.Context, e bakeoff.Event) error
}

// Pipelines finds a revision of a pipeline.
type Pipelines interface {
	Pipeline(ctx context.Context, name string, revision bakeoff.Digest) (*bakeoff.Pipeline, error)
}

// Tasks does the tasks of kind snapshot, search and build.
type Tasks struct {
	Store     Store
	Pipelines Pipelines
	Scratch   string   // an existing folder; every attempt has one of its own in it, which ends with the attempt
	Self      []string // as in Request
	Threads   int      // as in Request
	Mark      string   // as in Request
	// Judge says whether a pipeline can be judged on rows of that schema, before anything is built
	// in vain; its error has bakeoff.CodeInvalid.
	Judge func(p *bakeoff.Pipeline, s bakeoff.Schema) error
	// Rebuild says whether the champion of a pipeline has to be built again to be compared on a snapshot
	// whose holdout rotates, nil for no.
	Rebuild func(ctx context.Context, s bakeoff.Snapshot, pipeline string) (*bakeoff.Rebuild, error)
}

// scratch makes a folder for an attempt.
func (t *Tasks) scratch(a bakeoff.Attempt) (dir string, remove func() error, err error) {
	dir, err = os.MkdirTemp(t.Scratch, string(a.Task.Kind)+"-")
	if err != nil {
		return "", nil, fmt.Errorf("make a folder for the attempt: %w", err)
	}
	return dir, func() error { return RemoveAll(dir) }, nil
}

// RemoveAll removes a folder in which a trainer has worked: folders that it has left read-only, as
// some package caches do, are made writable first.
func RemoveAll(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if entry != nil && entry.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return err
	}) // what it could not open is told by the removal
	return os.RemoveAll(dir)
}

// Snapshot freezes the rows of a run. Data that cannot be used is a result with its reason.
func (t *Tasks) Snapshot(ctx context.Context, a bakeoff.Attempt) (result bakeoff.Result, err error) {
	run, _, err := t.Store.Run(ctx, a.Task.Run)
	if err != nil {
		return result, err
	}
	p, err := t.Pipelines.Pipeline(ctx, run.Pipeline, run.Revision)
	if bakeoff.CodeOf(err) == bakeoff.CodeInvalid { // a variable that the file names is gone
		result.Failure = err.Error()
		return result, nil
	}
	if err != nil {
		return result, err
	}
	dir, remove, err := t.scratch(a)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	return t.freeze(ctx, p, run, dir)
}

// storeFrom is the share of freezing at which the frozen rows begin to be stored.
const storeFrom = 0.75

// phase returns what tells of the progress of a run's phase, now and then.
func (t *Tasks) phase(ctx context.Context, run string) func(share float64) {
	pace, tell := bakeoff.NewPace(time.Now()), t.teller(bakeoff.Event{Run: run})
	return func(share float64) {
		if pace.Due(time.Now(), share) {
			_ = tell(ctx, bakeoff.EventProgress, share, "") // the work is worth more than its progress bar
		}
	}
}

// freeze freezes the rows of a pipeline as they are split when a run is due.
func (t *Tasks) freeze(ctx context.Context, p *bakeoff.Pipeline, run bakeoff.Run, dir string) (result bakeoff.Result, err error) {
	source := Source(p, run.Due())
	told := t.phase(ctx, run.ID)
	source.Progress = func(share float64) { told(storeFrom * share) }
	if source.Previous, err = t.Store.Identity(ctx, p.Name); err != nil {
		return result, err
	}
	train, holdout := filepath.Join(dir, "train.parquet"), filepath.Join(dir, "holdout.parquet")
	snapshot, err := dataset.Freeze(ctx, source, train, holdout)
	if err == nil {
		err = t.Judge(p, snapshot.Schema)
	}
	if bakeoff.CodeOf(err) == bakeoff.CodeInvalid {
		result.Failure = err.Error()
		if hint := bakeoff.HintOf(err); hint != "" {
			result.Failure += " (" + hint + ")"
		}
		return result, nil
	}
	if err != nil {
		return result, err
	}
	fingerprint := filepath.Join(dir, "fingerprint")
	if snapshot.Fingerprint, snapshot.FingerprintBytes, err = dataset.WriteFingerprint(train, fingerprint); err != nil {
		return result, err
	}
	for i, path := range []string{train, holdout, fingerprint} {
		told([]float64{storeFrom, 0.95, 0.99}[i])
		if _, err := t.Store.PutFile(ctx, path); err != nil {
			return result, err
		}
	}
	if err := t.Store.PutIdentity(ctx, p.Name, snapshot.Identity); err != nil {
		return result, err
	}
	result.Snapshot = &snapshot
	if snapshot.Split.Rotate > 0 {
		result.Rebuild, err = t.Rebuild(ctx, snapshot, p.Name)
	}
	return result, err
}

// Source says where the rows of a pipeline come from, and how they are split at a moment, as freezing
// them asks for it.
func Source(p *bakeoff.Pipeline, at time.Time) dataset.Source {
	d := p.Data
	return dataset.Source{
		Path: d.Source, Target: d.Target, Task: d.Task, Key: d.Key, Weight: d.Weight,
		Columns: d.Columns, Ignore: d.Ignore, Missing: d.Missing, Split: d.Split.At(at),
	}
}

// stoppedLogTime bounds how long the log of a build that was stopped is being stored.
const stoppedLogTime = 5 * time.Second

// Build builds one trial. A trainer that fails is a result with its reason. Of a build that was
// stopped, by the end of ctx, the result is a trial with nothing but its log, beside ctx's cause.
func (t *Tasks) Build(ctx context.Context, a bakeoff.Attempt) (result bakeoff.Result, err error) {
	run, _, err := t.Store.Run(ctx, a.Task.Run)
	if err != nil {
		return result, err
	}
	if run.Snapshot == nil {
		return result, fmt.Errorf("run %s has no snapshot", run.ID)
	}
	p, err := t.Pipelines.Pipeline(ctx, run.Pipeline, run.Revision)
	if bakeoff.CodeOf(err) == bakeoff.CodeInvalid { // a variable that the file names is gone
		result.Trial = &bakeoff.Trial{
			Candidate: a.Task.Candidate, State: bakeoff.TrialFailed, Class: bakeoff.FailedStart,
			Reason: string(bakeoff.FailedStart) + ": " + err.Error(), Attempt: a.Number, Started: a.Started,
		}
		return result, nil
	}
	if err != nil {
		return result, err
	}
	candidate, ok := run.Recipe(a.Task.Candidate)
	if !ok {
		return result, fmt.Errorf("run %s has no candidate %s", run.ID, a.Task.Candidate)
	}
	dir, remove, err := t.scratch(a)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	trial, err := t.trial(ctx, run, p, candidate, a, dir)
	result.Trial = &trial
	return result, err
}

// trial builds in dir and keeps what was left: the log always, the artifact when there is one.
func (t *Tasks) trial(ctx context.Context, run bakeoff.Run, p *bakeoff.Pipeline, c bakeoff.Candidate, a bakeoff.Attempt, dir string) (bakeoff.Trial, error) {
	train := filepath.Join(dir, "train.parquet")
	if err := t.Store.GetFile(ctx, run.Snapshot.Train, train); err != nil {
		return bakeoff.Trial{}, err
	}
	earlier := ""
	if a.Log != "" {
		earlier = filepath.Join(dir, "earlier.txt")
		if err := t.Store.GetFile(ctx, a.Log, earlier); err != nil {
			return bakeoff.Trial{}, err
		}
	}
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o700); err != nil {
		return bakeoff.Trial{}, fmt.Errorf("make a folder for the trainer: %w", err)
	}
	tell := t.teller(bakeoff.Event{Run: run.ID, Candidate: c.Name, Attempt: a.Number})
	if err := tell(ctx, bakeoff.EventStarted, 0, ""); err != nil {
		return bakeoff.Trial{}, err
	}
	echo := startEcho(ctx, func(ctx context.Context, text string) error { return tell(ctx, bakeoff.EventLog, 0, text) })
	defer echo.close()
	var searched *bakeoff.Searched
	for _, one := range run.Trials {
		if one.Candidate == c.Name {
			searched = one.Searched()
		}
	}
	out, err := Build(ctx, Request{
		Run: run.ID, Candidate: c, Attempt: a.Number, Snapshot: *run.Snapshot, TrainParquet: train, PipelineDir: p.Dir,
		Seed: run.Snapshot.Split.Seed, Threads: t.Threads, Dir: work, Self: t.Self, Mark: t.Mark, EarlierLog: earlier, Echo: echo,
		Search: searched,
	}, func(fraction float64, message string) {
		_ = tell(ctx, bakeoff.EventProgress, fraction, message) // the build is worth more than its progress bar
	})
	if err != nil {
		return bakeoff.Trial{}, err
	}
	if ctx.Err() != nil {
		return bakeoff.Trial{Log: t.stoppedLog(ctx, out.LogPath)}, context.Cause(ctx) // we stopped it: that is not the trainer's failure
	}
	if out.Trial.Log, err = t.Store.PutFile(ctx, out.LogPath); err != nil {
		return bakeoff.Trial{}, err
	}
	if out.Trial.State != bakeoff.TrialBuilt {
		return out.Trial, nil
	}
	return out.Trial, t.keep(ctx, out, filepath.Join(dir, "artifact.tar"))
}

// stoppedLog keeps what a build had printed when it was stopped: whoever cancelled it may ask what it
// was doing. It returns "" where that cannot be kept, which is no reason to stop less.
func (t *Tasks) stoppedLog(ctx context.Context, path string) bakeoff.Digest {
	if errors.Is(context.Cause(ctx), bakeoff.ErrLeaseLost) { // another may begin any moment
		return ""
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stoppedLogTime)
	defer cancel()
	digest, err := t.Store.PutFile(ctx, path)
	if err != nil {
		return ""
	}
	return digest
}

// keep stores the artifact under its digest.
func (t *Tasks) keep(ctx context.Context, out Outcome, archive string) error {
	f, err := os.OpenFile(archive, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("pack artifact: %w", err)
	}
	_, _, err = Pack(out.ModelDir, f)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("pack artifact: %w", err)
	}
	digest, err := t.Store.PutFile(ctx, archive)
	if err == nil && digest != out.Trial.Artifact {
		err = errors.New("the artifact changed after its trainer had ended")
	}
	return err
}

// teller returns what publishes events of an attempt, whose names about holds.
func (t *Tasks) teller(about bakeoff.Event) func(ctx context.Context, kind bakeoff.EventKind, progress float64, message string) error {
	return func(ctx context.Context, kind bakeoff.EventKind, progress float64, message string) error {
		e := about
		e.Time, e.Kind, e.Progress, e.Message = time.Now().UTC(), kind, progress, message
		return t.Store.PublishEvent(ctx, e)
	}
}
