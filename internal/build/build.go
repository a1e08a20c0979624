// Package build turns a candidate and a snapshot's training rows into an artifact, by running a
// trainer as a child process, and an artifact's files into one archive and back.
package build

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/proc"
)

// Of a log the first and the last bytes are kept; a trainer's last words are its stderr's.
const (
	logHead   = 1 << 20
	logTail   = 1 << 20
	logBefore = 64 << 10 // of earlier attempts
	lastWords = 16 << 10
)

// Request says what to build, from what and where.
type Request struct {
	Run          string // the run's ID
	Candidate    bakeoff.Candidate
	Attempt      int // from 1
	Snapshot     bakeoff.Snapshot
	TrainParquet string // path of the snapshot's training rows
	PipelineDir  string // where a command runs
	Seed         uint64
	Threads      int               // how many threads the trainer may use; at least 1 is handed on
	Dir          string            // an empty folder of this attempt, to be filled and left behind
	Self         []string          // the argv that runs this program, its path absolute; ChildCommand follows
	Mark         string            // whose the trainer is, as in proc.Command
	Search       *bakeoff.Searched // how the candidate's parameters were chosen, which the log begins with; nil for by a person
	EarlierLog   string            // path of what earlier attempts printed, whose end begins the log; "" for none
	// Echo gets what goes to the log of this attempt, as it comes and without bound; nil for nobody. It
	// is written to by several goroutines, must not wait, and should not fail.
	Echo io.Writer
}

// Outcome is what an attempt left. The folders are in the request's Dir and end with it.
type Outcome struct {
	Trial    bakeoff.Trial // with the artifact's digest and packed size, as Pack tells them; without the log's
	ModelDir string        // the artifact's files; "" unless built
	LogPath  string        // what the trainer printed, its middle dropped where it is long
}

// Build runs one attempt and waits for its end. A trainer that fails, in whatever way, is an
// outcome with its reason; the error is for faults of ours, such as a full disk. Progress is
// called from one goroutine at a time, the fraction from 0 to 1, and not after Build returned; it
// may be nil.
//
// The trainer is a child process with limits, see package proc. A command runs in the pipeline's
// folder, so that the files it names are found, and so may read what lies there; HOME and TMPDIR
// are folders of the attempt. A built-in learner is this program run again in the attempt's
// folder. Both get these variables, PATH and a LANG of C.UTF-8, and nothing else:
//
//	BAKEOFF_TRAIN       path of the training rows with labels: CSV for a command, and for a
//	                    built-in learner the snapshot's Parquet file, which saves writing and
//	                    parsing text
//	BAKEOFF_SCHEMA      path of a JSON file, a bakeoff.Schema
//	BAKEOFF_PARAMS      path of a JSON file, an object
//	BAKEOFF_MODEL       path of an empty folder; what is left there is the artifact
//	BAKEOFF_SEED        a whole number from 0 to 2^64 - 1
//	BAKEOFF_THREADS     a whole number from 1
//	BAKEOFF_CHECKPOINT  path of a folder; it lasts as long as the attempt
//	BAKEOFF_PROGRESS    number of a descriptor for lines like {"progress": 0.4, "message": "tree 40/100"}
//
// Exit code 0 with a file in BAKEOFF_MODEL is a built trial. The limits hold for each attempt: that
// of time counts from the start of the child, that of memory is for the child and all that it
// starts, as proc.Command says. Where memory is not watched, the log says so.
func Build(ctx context.Context, r Request, progress func(fraction float64, message string)) (Outcome, error) {
	s, err := prepare(ctx, r)
	if err != nil {
		return Outcome{}, fmt.Errorf("prepare the build of %s: %w", r.Candidate.Name, err)
	}
	started := time.Now().UTC()
	exit, words, err := s.run(ctx, progress)
	if err != nil {
		return Outcome{}, fmt.Errorf("build %s: %w", r.Candidate.Name, err)
	}
	out := Outcome{LogPath: s.log, Trial: bakeoff.Trial{
		Candidate: r.Candidate.Name, Attempt: r.Attempt,
		Started: started, Seconds: exit.Elapsed.Seconds(),
	}}
	if !exit.OK() {
		out.fail(exit.Class, explain(exit, words))
		return out, nil
	}
	if err := out.collect(s.model); err != nil {
		return Outcome{}, fmt.Errorf("build %s: %w", r.Candidate.Name, err)
	}
	return out, nil
}

// explain returns the reason of a failure: for an exit code, with the trainer's last words.
func explain(exit proc.Exit, words []byte) string {
	if last := lastLine(words); exit.Class == bakeoff.FailedExit && last != "" {
		return exit.Reason() + ": " + last
	}
	return exit.Reason()
}

func (o *Outcome) fail(class bakeoff.FailureClass, reason string) {
	o.Trial.State, o.Trial.Class, o.Trial.Reason = bakeoff.TrialFailed, class, reason
}

// collect decides what became of a trainer that ended well.
func (o *Outcome) collect(dir string) error {
	empty, err := isEmpty(dir)
	if err != nil {
		return err
	}
	if empty {
		o.fail(bakeoff.FailedEmptyArtifact, string(bakeoff.FailedEmptyArtifact)+": nothing was left in "+envModel)
		return nil
	}
	digest, size, err := Pack(dir, io.Discard)
	if bakeoff.CodeOf(err) == bakeoff.CodeInvalid {
		o.fail(bakeoff.FailedArtifact, fmt.Sprintf("%s: %v (%s)", bakeoff.FailedArtifact, err, bakeoff.HintOf(err)))
		return nil
	}
	if err != nil {
		return err
	}
	o.Trial.State, o.Trial.Artifact, o.Trial.Bytes = bakeoff.TrialBuilt, digest, size
	o.ModelDir = dir
	return nil
}

// isEmpty reports whether the trainer left nothing but folders, or even removed the folder.
func isEmpty(dir string) (bool, error) {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() {
		return true, nil
	}
	empty := true
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		empty = false
		return fs.SkipAll
	})
	return empty, err
}

// stage is an attempt's folder, laid out for the trainer.
type stage struct {
	request Request
	command proc.Command
	model   string
	log     string
	echo    io.Writer
}

// prepare fills the attempt's folder.
func prepare(ctx context.Context, r Request) (*stage, error) {
	dir, err := filepath.Abs(r.Dir)
	if err != nil {
		return nil, err
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"model", "checkpoint", "home", "tmp"} {
		if err := os.Mkdir(in(name), 0o700); err != nil {
			return nil, err
		}
	}
	if err := writeJSON(in("schema.json"), r.Snapshot.Schema); err != nil {
		return nil, err
	}
	params := r.Candidate.Params
	if len(params) == 0 {
		params = json.RawMessage("{}")
	}
	if err := writeJSON(in("params.json"), params); err != nil {
		return nil, err
	}
	s := &stage{model: in("model"), log: in("log.txt"), request: r, echo: io.Discard}
	if r.Echo != nil {
		s.echo = r.Echo
	}
	train, err := s.trainer(ctx, r, dir)
	if err != nil {
		return nil, err
	}
	s.command.TimeLimit, s.command.Memory = r.Candidate.Limits.Time, r.Candidate.Limits.Memory
	s.command.Mark = r.Mark
	s.command.Env = []string{
		envTrain + "=" + train,
		envSchema + "=" + in("schema.json"),
		envParams + "=" + in("params.json"),
		envModel + "=" + s.model,
		envSeed + "=" + strconv.FormatUint(r.Seed, 10),
		envThreads + "=" + strconv.Itoa(max(1, r.Threads)),
		envCheckpoint + "=" + in("checkpoint"),
		envProgress + "=3",
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + in("home"),
		"TMPDIR=" + in("tmp"),
		"LANG=C.UTF-8",
	}
	return s, nil
}

// trainer sets the command's argv and working directory and returns the path of its training rows.
func (s *stage) trainer(ctx context.Context, r Request, dir string) (string, error) {
	parquet, err := filepath.Abs(r.TrainParquet)
	if err != nil {
		return "", err
	}
	if r.Candidate.Trainer != bakeoff.TrainerCommand {
		s.command.Argv = append(append([]string{}, r.Self...), ChildCommand, r.Candidate.Trainer)
		s.command.Dir = dir
		return parquet, nil
	}
	s.command.Argv = r.Candidate.Build
	if s.command.Dir, err = filepath.Abs(r.PipelineDir); err != nil {
		return "", err
	}
	csv := filepath.Join(dir, "train.csv")
	return csv, writeCSV(ctx, csv, parquet, r.Snapshot.Schema)
}

// run runs the trainer and returns how it ended and the last of what it said on stderr.
func (s *stage) run(ctx context.Context, progress func(float64, string)) (exit proc.Exit, words []byte, err error) {
	file, err := os.OpenFile(s.log, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return proc.Exit{}, nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := s.preface(file); err != nil {
		return proc.Exit{}, nil, fmt.Errorf("write log: %w", err)
	}
	if progress == nil {
		progress = func(float64, string) {}
	}
	log, last := proc.NewLog(file, logHead, logTail), proc.NewTail(lastWords)
	heard := &listener{tell: progress}
	c := s.command
	printed := io.MultiWriter(log, s.echo)
	c.Stdout, c.Stderr = printed, io.MultiWriter(printed, last)
	c.Extra = []io.Writer{heard}
	if exit, err = proc.Run(ctx, c); err != nil {
		return exit, nil, err
	}
	heard.flush()
	if err := log.Close(); err != nil {
		return exit, nil, fmt.Errorf("write log: %w", err)
	}
	return exit, last.Bytes(), nil
}

// preface begins the log with what is to be read before the trainer's own words.
func (s *stage) preface(log io.Writer) error {
	if s.command.Memory > 0 && !proc.CanLimitMemory {
		if _, err := fmt.Fprintln(io.MultiWriter(log, s.echo), "[limits.memory is not watched on this system]"); err != nil {
			return err
		}
	}
	if _, err := io.WriteString(io.MultiWriter(log, s.echo), searchPreface(s.request.Search)); err != nil {
		return err
	}
	if s.request.EarlierLog == "" {
		return nil
	}
	before := proc.NewTail(logBefore)
	earlier, err := os.Open(s.request.EarlierLog)
	if err == nil {
		_, err = io.Copy(before, earlier)
		err = errors.Join(err, earlier.Close())
	}
	if err != nil {
		return err
	}
	if n := before.Dropped(); n > 0 {
		if _, err := fmt.Fprintf(log, "[%d bytes of earlier attempts dropped here]\n", n); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(log, "%s\n[attempt %d]\n", bytes.TrimSuffix(before.Bytes(), []byte("\n")), s.request.Attempt)
	return err
}

func writeJSON(path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o600)
}

// writeCSV writes a frozen part as the text that trainers of any language read.
func writeCSV(ctx context.Context, path, parquet string, schema bakeoff.Schema) (err error) {
	part, err := dataset.OpenPart(parquet, schema)
	if err != nil {
		return fmt.Errorf("read training rows: %w", err)
	}
	defer part.Close()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := part.WriteCSV(ctx, f); err != nil {
		return fmt.Errorf("write training rows: %w", err)
	}
	return nil
}
