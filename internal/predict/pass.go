package predict

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

const (
	// blockRows is how many rows are scored and written at a time: for a predict command, which is told
	// so many at once, or for a built-in learner's model, which is faster with many.
	serialRows = 1_000
	blockRows  = 8_192
	// blockAnswers bounds the rows where there are very many classes.
	blockAnswers = 1 << 18
)

// batch is one pass over a file. One goroutine reads blocks of rows, some score them and encode them
// as they are to be written, and the caller's writes them in the order of the file. No more than two
// blocks a worker are under way, so that memory does not grow with the file.
type batch struct {
	model   Scorer
	schema  bakeoff.Schema
	in      *dataset.Reader
	out     sink
	workers int
	rows    int // of a block
	summary Summary
}

// sink is the form of the output.
type sink interface {
	// encode prepares rows and their answers for write, in any goroutine.
	encode(rows *dataset.Batch, t *dataset.Table, p *bakeoff.Predictions) encoded
	// write is called in the order of the file, by one goroutine.
	write(encoded) error
}

// encoded are rows as one of the sinks has them.
type encoded struct {
	text   *[]byte
	values dataset.Encoded
}

func newBatch(m Scorer, schema bakeoff.Schema, in *dataset.Reader) *batch {
	b := &batch{model: m, schema: schema, in: in, workers: runtime.GOMAXPROCS(0), rows: blockRows}
	if m.Serial() {
		b.workers, b.rows = 1, serialRows
	}
	b.rows = max(1, min(b.rows, blockAnswers/max(1, len(schema.Classes))))
	return b
}

// added returns the names of the columns that are added to the input's.
func (b *batch) added() []string {
	names := []string{predictionColumn}
	for _, class := range b.schema.Classes {
		names = append(names, probabilityPrefix+class)
	}
	return names
}

// checkNames refuses an input that has one of the added columns.
func (b *batch) checkNames() error {
	header := b.in.Header()
	for _, name := range b.added() {
		if slices.Contains(header, name) {
			return bakeoff.Errorf(bakeoff.CodeInvalid, "the file has a column %q already", name).
				WithHint("that name is for the prediction: rename or remove the column")
		}
	}
	return nil
}

// block is some rows on their way through a batch.
type block struct {
	rows *dataset.Batch
	done chan struct{} // closed when what follows is set
	out  encoded
	sum  Summary
	err  error
}

// run scores all rows and writes them to the sink.
func (b *batch) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var others sync.WaitGroup
	defer others.Wait()
	defer cancel()
	work, order := make(chan *block), make(chan *block, b.workers)
	others.Go(func() { b.read(ctx, work, order) })
	for range b.workers {
		others.Go(func() {
			for k := range work {
				b.score(ctx, k)
				close(k.done)
			}
		})
	}
	for k := range order {
		<-k.done
		if err := b.write(k); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// read sends the blocks of the file to those who score them and, in the order of the file, to the one
// who writes them. An error is the last block.
func (b *batch) read(ctx context.Context, work, order chan<- *block) {
	defer close(work)
	defer close(order)
	for {
		k := &block{done: make(chan struct{})}
		k.rows, k.err = b.in.Next(ctx, b.rows)
		if errors.Is(k.err, io.EOF) {
			return
		}
		select {
		case order <- k:
		case <-ctx.Done():
			return
		}
		if k.err != nil {
			close(k.done)
			return
		}
		select {
		case work <- k:
		case <-ctx.Done():
			k.err = context.Cause(ctx)
			close(k.done)
			return
		}
	}
}

// write writes a block that is done.
func (b *batch) write(k *block) error {
	if k.err != nil {
		return k.err
	}
	if err := b.out.write(k.out); err != nil {
		return fmt.Errorf("write predictions: %w", err)
	}
	b.summary.Rows += k.sum.Rows
	b.summary.Unseen += k.sum.Unseen
	return nil
}

// score fills in a block.
func (b *batch) score(ctx context.Context, k *block) {
	k.sum.Rows = k.rows.Rows()
	table, err := k.rows.Table()
	if err != nil {
		k.err = err
		return
	}
	answers, err := b.model.Score(ctx, table)
	if err == nil && answers.Len() != table.Rows {
		err = fmt.Errorf("%d answers for %d rows", answers.Len(), table.Rows)
	}
	if err != nil {
		k.err = fmt.Errorf("score the rows from row %d: %w", k.rows.First(), err)
		return
	}
	k.sum.Unseen = b.model.Unseen(table)
	k.out = b.out.encode(k.rows, table, answers)
}
