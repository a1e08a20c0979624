package predict

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
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

// batch is one pass over a file. One goroutine reads blocks of rows, some score them and turn them
// into text, and the caller's writes the texts in the order of the file. No more than two blocks a
// worker are under way, so that memory does not grow with the file.
type batch struct {
	model   Scorer
	schema  bakeoff.Schema
	in      *dataset.Reader
	workers int
	rows    int // of a block
	summary Summary
	spare   sync.Pool // of *[]byte, the memory of texts
}

func newBatch(m Scorer, schema bakeoff.Schema, in *dataset.Reader) *batch {
	b := &batch{model: m, schema: schema, in: in, workers: runtime.GOMAXPROCS(0), rows: blockRows}
	if m.Serial() {
		b.workers, b.rows = 1, serialRows
	}
	b.rows = max(1, min(b.rows, blockAnswers/max(1, len(schema.Classes))))
	b.spare.New = func() any { return new([]byte) }
	return b
}

// header returns the columns of the output.
func (b *batch) header() ([]string, error) {
	header := b.in.Header()
	taken := make(map[string]bool, len(header))
	for _, name := range header {
		taken[name] = true
	}
	added := []string{predictionColumn}
	for _, class := range b.schema.Classes {
		added = append(added, probabilityPrefix+class)
	}
	for _, name := range added {
		if taken[name] {
			return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "the file has a column %q already", name).
				WithHint("that name is for the prediction: rename or remove the column")
		}
	}
	return append(header, added...), nil
}

// block is some rows on their way through a batch.
type block struct {
	rows *dataset.Batch
	done chan struct{} // closed when what follows is set
	text *[]byte
	sum  Summary
	err  error
}

func (b *batch) run(ctx context.Context, header []string, w io.Writer) error {
	var first []byte
	for i, name := range header {
		if i > 0 {
			first = append(first, ',')
		}
		first = dataset.AppendCell(first, name)
	}
	if _, err := w.Write(append(first, '\n')); err != nil {
		return fmt.Errorf("write predictions: %w", err)
	}
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
		if err := b.write(w, k); err != nil {
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

// write writes the text of a block that is done.
func (b *batch) write(w io.Writer, k *block) error {
	if k.err != nil {
		return k.err
	}
	if _, err := w.Write(*k.text); err != nil {
		return fmt.Errorf("write predictions: %w", err)
	}
	b.spare.Put(k.text)
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
	k.text = b.spare.Get().(*[]byte)
	text := (*k.text)[:0]
	for row := range table.Rows {
		text = k.rows.AppendCSV(text, row)
		text = append(appendAnswer(text, answers, row), '\n')
	}
	*k.text = text
}

// appendAnswer appends the cells of a row's answer, each behind a comma.
func appendAnswer(text []byte, p *bakeoff.Predictions, row int) []byte {
	k := len(p.Classes)
	if k == 0 {
		return appendNumber(append(text, ','), p.Values[row])
	}
	text = dataset.AppendCell(append(text, ','), p.Classes[p.Class(row)])
	for _, v := range p.Probabilities[row*k : (row+1)*k] {
		text = appendNumber(append(text, ','), v)
	}
	return text
}

// appendNumber appends v so that reading gives the same bits.
func appendNumber(text []byte, v float64) []byte { return strconv.AppendFloat(text, v, 'g', -1, 64) }
