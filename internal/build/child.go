package build

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/card"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/learn"
)

// The variables of the build contract.
const (
	envTrain      = "BAKEOFF_TRAIN"
	envSchema     = "BAKEOFF_SCHEMA"
	envParams     = "BAKEOFF_PARAMS"
	envModel      = "BAKEOFF_MODEL"
	envSeed       = "BAKEOFF_SEED"
	envThreads    = "BAKEOFF_THREADS"
	envCheckpoint = "BAKEOFF_CHECKPOINT"
	envProgress   = "BAKEOFF_PROGRESS"
)

// ChildCommand is the name of the hidden command under which this program is its own trainer:
// "bakeoff __build LEARNER" calls TrainChild.
const ChildCommand = "__build"

// TrainChild trains a built-in learner under the contract that Build describes, reading the
// variables through env and leaving the model in BAKEOFF_MODEL. BAKEOFF_TRAIN is the snapshot's
// Parquet file. It is what the child process does; its error is for the child's stderr and is one
// line with what to do, since the last line there becomes the trial's reason. Where BAKEOFF_FOLDS is set,
// it leaves a score in the place of a model, as Score describes.
func TrainChild(ctx context.Context, learner string, env func(string) string) error {
	request, err := readRequest(ctx, learner, env)
	if err != nil {
		return err
	}
	defer request.Part.Close()
	if env(envFolds) != "" {
		rows, err := dataset.ReadParquet(ctx, env(envTrain), request.Schema)
		if err != nil {
			return fmt.Errorf("read %s: %w", envTrain, err)
		}
		request.Table = rows.Table
		return hinted(scoreChild(ctx, request, rows, env))
	}
	progress, err := openProgress(env(envProgress))
	if err != nil {
		return err
	}
	defer progress.close()
	request.Progress = func(share float64, message string) { progress.tell(learningShare*share, message) }
	model, err := learn.Train(ctx, request)
	if err != nil {
		return hinted(err)
	}
	if err := writeModel(model, filepath.Join(env(envModel), learn.FileName)); err != nil {
		return err
	}
	return writeCard(ctx, model, request, filepath.Join(env(envModel), bakeoff.CardFile))
}

// learningShare is how much of a build is learning; the rest is describing what was learnt.
const learningShare = 0.95

// cardGroups is how many groups of rows a card is made of, where the rows stay on disk.
const cardGroups = 4

// writeCard leaves the model's card beside it.
func writeCard(ctx context.Context, model *learn.Model, r learn.Request, path string) error {
	r.Progress(1, "describing the model")
	t := card.Training{Table: r.Table, Schema: r.Schema, Labels: r.Labels, Seed: r.Seed, Threads: r.Threads}
	if r.Table == nil {
		sample, rows, err := r.Part.Sample(ctx, cardGroups)
		if err != nil {
			return fmt.Errorf("describe the model: %w", err)
		}
		t.Table, t.Places = sample, rows
	}
	c, err := card.Make(ctx, model, t)
	if err != nil {
		return fmt.Errorf("describe the model: %w", err)
	}
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("describe the model: %w", err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return fmt.Errorf("write the model's card: %w", err)
	}
	return nil
}

// hinted has an error say in its one line what to do.
func hinted(err error) error {
	if hint := bakeoff.HintOf(err); hint != "" {
		return bakeoff.Errorf(bakeoff.CodeOf(err), "%s (%s)", err, hint)
	}
	return err
}

func readRequest(ctx context.Context, learner string, env func(string) string) (learn.Request, error) {
	request := learn.Request{Learner: learner}
	var err error
	if request.Seed, err = strconv.ParseUint(env(envSeed), 10, 64); err != nil {
		return request, fmt.Errorf("read %s: %w", envSeed, err)
	}
	if request.Threads, err = strconv.Atoi(env(envThreads)); err != nil {
		return request, fmt.Errorf("read %s: %w", envThreads, err)
	}
	if request.Params, err = os.ReadFile(env(envParams)); err != nil {
		return request, fmt.Errorf("read %s: %w", envParams, err)
	}
	schema, err := os.ReadFile(env(envSchema))
	if err != nil {
		return request, fmt.Errorf("read %s: %w", envSchema, err)
	}
	if err := json.Unmarshal(schema, &request.Schema); err != nil {
		return request, fmt.Errorf("read %s: %w", envSchema, err)
	}
	if request.Part, err = dataset.OpenPart(env(envTrain), request.Schema); err != nil {
		return request, fmt.Errorf("read %s: %w", envTrain, err)
	}
	if err := readRows(ctx, &request); err != nil {
		request.Part.Close()
		return request, fmt.Errorf("read %s: %w", envTrain, err)
	}
	return request, nil
}

// tableBytes is up to which size all columns are read at once, which is faster where a learner asks for
// one more than once.
const tableBytes = 128 << 20

// largeGC is how much more memory than it holds a learner takes beyond that, in per cent.
const largeGC = 20

func readRows(ctx context.Context, request *learn.Request) (err error) {
	if request.Labels, err = request.Part.Labels(); err != nil {
		return err
	}
	if request.Part.Bytes() > tableBytes {
		// Few and large pieces of memory come and go: they are quickly collected, and as much again as the
		// learner holds would wait for that by default.
		debug.SetGCPercent(largeGC)
		return nil
	}
	request.Table, err = request.Part.Table(ctx)
	return err
}

func writeModel(model *learn.Model, path string) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("write model: %w", err)
	}
	defer func() {
		if closeErr := f.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("write model: %w", closeErr)
		}
	}()
	w := bufio.NewWriter(f)
	if err := model.Encode(w); err != nil {
		return fmt.Errorf("write model: %w", err)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write model: %w", err)
	}
	return nil
}

// progressPipe is the child's end of the progress descriptor; nothing listens where w is nil.
type progressPipe struct{ w io.WriteCloser }

// openProgress opens the descriptor of that number; "" for none.
func openProgress(number string) (progressPipe, error) {
	if number == "" {
		return progressPipe{}, nil
	}
	fd, err := strconv.Atoi(number)
	if err != nil || fd < 3 {
		return progressPipe{}, bakeoff.Errorf(bakeoff.CodeInvalid, "%s is %q, want a descriptor of 3 or more", envProgress, number)
	}
	f := os.NewFile(uintptr(fd), "progress")
	if f == nil {
		return progressPipe{}, errors.New("the progress descriptor is not open")
	}
	return progressPipe{f}, nil
}

// tell writes one line. Nobody listening is no reason to stop training.
func (p progressPipe) tell(fraction float64, message string) {
	if p.w == nil {
		return
	}
	line, err := json.Marshal(report{Progress: &fraction, Message: message})
	if err == nil {
		_, _ = p.w.Write(append(line, '\n'))
	}
}

func (p progressPipe) close() {
	if p.w != nil {
		_ = p.w.Close()
	}
}
