package dataset

import (
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync"

	"github.com/cespare/xxhash/v2"

	"github.com/bakeoffhq/bakeoff"
)

// keptBytes is up to which size the text of a file is kept in memory between two passes over it: that
// is faster, and its owner may write to it meanwhile.
const keptBytes = 64 << 20

// textRows are the rows of a file as text, to be gone through more than once: those of a small file
// are kept in memory, a large one is read again, and is refused if it has changed meanwhile.
type textRows struct {
	path   string
	file   *csvFile // of the first pass
	size   int64    // of the file in bytes
	keep   bool     // the file is small
	kept   []*block // of a small file, after the first pass
	rows   int      // after the first pass
	sum    uint64   // of all text, after the first pass
	passes int
	told   func(share float64) // of the current pass, from 0 to 1; or nil
}

func newTextRows(file *csvFile, keep int64) *textRows {
	return &textRows{path: file.path, file: file, size: file.size, keep: file.size <= keep}
}

// pass is one way through the rows.
type pass struct {
	// first is called for every block in the order of the file, from one goroutine; it may be nil.
	first func(b *block) error
	// then is called for every block behind first; worker, below workers, tells calls apart that run at
	// the same time. With one worker the order is that of the file.
	then    func(worker int, b *block) error
	workers int
}

// maxWorkers bounds how many goroutines go through the rows at a time: reading cannot keep up with more.
const maxWorkers = 8

// allWorkers is how many workers are worth starting where the order does not matter.
func allWorkers() int { return min(maxWorkers, runtime.GOMAXPROCS(0)) }

// go through the rows. The error is that of the file, of a call, or the cause of ctx ending.
func (t *textRows) each(ctx context.Context, p pass) error {
	t.passes++
	read := t.replay
	if t.passes == 1 || !t.keep {
		read = t.read
	}
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	blocks := make(chan *block, p.workers)
	var all sync.WaitGroup
	all.Go(func() {
		defer close(blocks)
		err := read(func(b *block) error {
			if p.first != nil {
				if err := p.first(b); err != nil {
					return err
				}
			}
			select {
			case blocks <- b:
				return nil
			case <-within.Done():
				return context.Cause(within)
			}
		})
		if err != nil {
			cancel(err)
		}
	})
	for worker := range p.workers {
		all.Go(func() {
			for b := range blocks {
				if within.Err() != nil {
					continue
				}
				if err := p.then(worker, b); err != nil {
					cancel(err)
				}
			}
		})
	}
	all.Wait()
	if within.Err() != nil {
		return context.Cause(within)
	}
	return nil
}

func (t *textRows) replay(take func(*block) error) error {
	for _, b := range t.kept {
		if err := take(b); err != nil {
			return err
		}
	}
	return nil
}

// read reads the file, for the first time or once more.
func (t *textRows) read(take func(*block) error) error {
	file := t.file
	if t.passes > 1 {
		again, err := openCSVFile(t.path)
		if err != nil {
			return err
		}
		defer func() { _ = again.close() }() // read only
		if !slices.Equal(again.header, file.header) {
			return t.changed()
		}
		file = again
	}
	sum := xxhash.New()
	for {
		b, err := file.nextBlock()
		if errors.Is(err, io.EOF) {
			return t.end(file.row, sum.Sum64())
		}
		if err != nil {
			return err
		}
		if t.passes > 1 && b.first+b.rows > t.rows {
			return t.changed()
		}
		if t.keep {
			t.kept = append(t.kept, b)
		} else {
			_, _ = sum.WriteString(b.text) // never fails, by its documentation
		}
		if err := take(b); err != nil {
			return err
		}
		if t.told != nil && t.size > 0 {
			t.told(min(1, float64(file.taken())/float64(t.size)))
		}
	}
}

// end compares what was read with what was read the first time.
func (t *textRows) end(rows int, sum uint64) error {
	if t.passes == 1 {
		t.rows, t.sum = rows, sum
		return nil
	}
	if rows != t.rows || sum != t.sum {
		return t.changed()
	}
	return nil
}

func (t *textRows) changed() error {
	return bakeoff.Errorf(bakeoff.CodeInvalid, "%s: the file changed while it was read", t.path).
		WithHint("write new data to another file and rename it when it is whole; then run again")
}
