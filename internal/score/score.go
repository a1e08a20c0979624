// Package score turns an unpacked artifact into a model that scores rows, in one way for all
// trainers, so that the judge and the prediction service ask the same thing in the same way.
package score

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/learn"
)

// Spec says what to open.
type Spec struct {
	Dir         string            // the unpacked artifact; a predict command's scratch is made beside it
	Recipe      bakeoff.Candidate // what built it
	Schema      bakeoff.Schema    // of its training rows
	PipelineDir string            // where a predict command runs
	Threads     int               // how many threads scoring may use
	// BlockTime is how long a predict command may take for a block of 1,000 rows, the first one
	// including its start; 0 for a minute.
	BlockTime time.Duration
	// Restart has a predict process that has ended, or answered wrongly and so been ended, started
	// again for the next rows; and whoever stops waiting for an answer does not end the process.
	// Live requests want that, a judge does not.
	Restart bool
}

// answerer is what differs between a built-in learner's model and a predict command.
type answerer interface {
	answer(ctx context.Context, t *dataset.Table) (*bakeoff.Predictions, error)
	answerInto(ctx context.Context, t *dataset.Table, p *bakeoff.Predictions) error
	unseen(t *dataset.Table) int
	memory() int64
	close() error
}

// Model is an open artifact. Its methods may be called from many goroutines.
type Model struct {
	schema   bakeoff.Schema
	answerer answerer
	command  bool // the answers are another program's
}

// Open opens an artifact: a built-in learner's model is decoded, a command's predict process is
// started. ctx bounds the opening, not the model's life; Close ends that. An artifact or a command
// that cannot be used is a *bakeoff.Error of CodeInvalid.
func Open(ctx context.Context, s Spec) (*Model, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if s.Recipe.Trainer == bakeoff.TrainerCommand {
		p, err := startProcess(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("start the predict command of %s: %w", s.Recipe.Name, err)
		}
		return &Model{schema: s.Schema, answerer: p, command: true}, nil
	}
	learned, err := openLearned(s.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the model of %s: %w", s.Recipe.Name, err)
	}
	return &Model{schema: learned.Schema(), answerer: &builtin{model: learned, threads: max(1, s.Threads)}}, nil
}

// Schema returns the schema of the rows that the model was trained on.
func (m *Model) Schema() bakeoff.Schema { return m.schema }

// Serial reports whether the model answers one call at a time, in a process of its own.
func (m *Model) Serial() bool { return m.command }

// Close ends the model. A predict process is asked to end, then made to, and waited for.
func (m *Model) Close() error { return m.answerer.close() }

// Score returns the model's answers for the rows of t, which has at least the schema's columns,
// in any order; one that is missing or of another kind is a *bakeoff.Error that names it. A
// predict command is asked in blocks; one that breaks the protocol is a *bakeoff.Error of
// CodeInvalid that names the row, and the model answers no more, unless Spec.Restart was set.
func (m *Model) Score(ctx context.Context, t *dataset.Table) (*bakeoff.Predictions, error) {
	return m.answerer.answer(ctx, t)
}

// ScoreInto is Score, with the same answers, for whoever asks again and again: they are written to p,
// whose memory is used. A built-in learner's model allocates nothing for a few rows then.
func (m *Model) ScoreInto(ctx context.Context, t *dataset.Table, p *bakeoff.Predictions) error {
	return m.answerer.answerInto(ctx, t, p)
}

// Unseen counts the cells of t with a category that the training rows did not have.
func (m *Model) Unseen(t *dataset.Table) int { return m.answerer.unseen(t) }

// Memory returns how many bytes the open model takes: what a built-in learner's holds, or what its
// predict process and all that it has started take; 0 where the system does not tell.
func (m *Model) Memory() int64 { return m.answerer.memory() }

// builtin is a built-in learner's model.
type builtin struct {
	model   *learn.Model
	threads int
}

func (b *builtin) answer(ctx context.Context, t *dataset.Table) (*bakeoff.Predictions, error) {
	return b.model.Predict(ctx, t, b.threads)
}

func (b *builtin) answerInto(ctx context.Context, t *dataset.Table, p *bakeoff.Predictions) error {
	return b.model.PredictInto(ctx, t, b.threads, p)
}

func (b *builtin) unseen(t *dataset.Table) int { return b.model.Unseen(t) }

func (b *builtin) memory() int64 { return b.model.Memory() }

func (b *builtin) close() error { return nil }

// openLearned reads the file that a built-in learner leaves. Access stays inside of dir.
func openLearned(dir string) (*learn.Model, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open(learn.FileName)
	if err != nil {
		return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "the artifact has no model: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	return learn.Decode(text)
}
