// Package linear turns an encoded matrix and a target into the coefficients of a linear model:
// logistic regression, binary and multinomial, and ridge regression.
//
// The objectives are scikit-learn's, so that the optimum is: the sum of the rows' losses, times C
// for logistic regression, plus the L2 penalty on the coefficients, with the intercept free.
//
// All sums over rows are taken by blocks of rows whose bounds depend on the matrix alone, and
// added in block order: the result is the same, to the bit, whatever the number of threads.
package linear

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// Design is an encoded matrix: a few numbers a row and, for each category column, the position of
// its one. Every number must be finite; the numbers should have a scale near one.
type Design struct {
	Rows  int
	Dense int // numbers a row: columns 0 to Dense-1
	Hot   int // category columns
	Width int // columns in all: Dense and the slots of the categories
	// Numbers is row-major, with Stride numbers a row: Dense of the row's own, a one, and zeros up to
	// a multiple of four. Rows of zeros at its end make the rows a multiple of four.
	Numbers []float64
	Stride  int
	// Slots has Rows*Hot columns that are one, row-major: Dense to Width-1 in ascending order
	// within a row, or -1 where all of a category's columns are zero.
	Slots []int32
	// Weights says how much each row counts, from 0; nil for one each.
	Weights []float64
}

// NewDesign returns a matrix whose numbers are zero, and whose slots are to be filled.
func NewDesign(rows, dense, hot, width int) *Design {
	d := &Design{}
	d.Reset(rows, dense, hot, width)
	return d
}

// Reset makes d what NewDesign returns, in the memory that it has, as far as that goes.
func (d *Design) Reset(rows, dense, hot, width int) {
	d.Rows, d.Dense, d.Hot, d.Width, d.Stride = rows, dense, hot, width, upToFour(dense+1)
	numbers, slots := upToFour(rows)*d.Stride, rows*hot
	d.Numbers = slices.Grow(d.Numbers[:0], numbers)[:numbers]
	d.Slots = slices.Grow(d.Slots[:0], slots)[:slots]
	clear(d.Numbers)
	for i := range rows {
		d.Numbers[i*d.Stride+dense] = 1
	}
}

// row returns the numbers and the slots of one row.
func (d *Design) row(i int) ([]float64, []int32) {
	return d.Numbers[i*d.Stride:][:d.Dense], d.Slots[i*d.Hot : (i+1)*d.Hot]
}

// Options are what does not change the result.
type Options struct {
	Threads int // how many to use; at least one is used
	// Progress is told each iteration and a guess of the share done, from 0 to 1; it may be nil.
	Progress func(iteration int, fraction float64)
}

func (o Options) report(iteration int, fraction float64) {
	if o.Progress != nil {
		o.Progress(iteration, fraction)
	}
}

// Bounds on the blocks of rows: enough of them for many threads, each worth a thread's while, and
// the sums of all blocks together no larger than a processor's cache can hold.
const (
	maxBlocks     = 32
	minBlocks     = 4
	minBlockRows  = 512
	maxBlockFloat = 1 << 22
)

// blocks returns how many blocks the rows are taken in, if each sums up size numbers.
func blocks(rows, size int) int {
	n := min(maxBlocks, rows/minBlockRows, max(minBlocks, maxBlockFloat/max(size, 1)))
	return max(n, 1)
}

// sums are the totals of one pass over the rows, one block after the other.
type sums struct {
	size  int
	block [][]float64
}

func newSums(rows, size int) *sums {
	s := &sums{size: size, block: make([][]float64, blocks(rows, size))}
	for b := range s.block {
		s.block[b] = make([]float64, size)
	}
	return s
}

// over calls add for each block of rows with that block's zeroed sums, and leaves the total of
// all blocks in total. It returns early, with the context's cause, when the context ends.
func (s *sums) over(ctx context.Context, rows, threads int, total []float64, add func(sum []float64, lo, hi int)) error {
	err := inBlocks(ctx, rows, len(s.block), threads, func(b, lo, hi int) {
		clear(s.block[b])
		add(s.block[b], lo, hi)
	})
	if err != nil {
		return err
	}
	clear(total)
	for _, sum := range s.block {
		for i, v := range sum {
			total[i] += v
		}
	}
	return nil
}

// inBlocks calls do for each of n blocks of rows, on so many threads, and waits for all.
func inBlocks(ctx context.Context, rows, n, threads int, do func(block, lo, hi int)) error {
	if min(threads, n) > 1 {
		return inParallel(ctx, rows, n, threads, do)
	}
	for b := 0; b < n && ctx.Err() == nil; b++ {
		do(b, bound(b, rows, n), bound(b+1, rows, n))
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// bound returns where block b of n begins: at a multiple of four rows.
func bound(b, rows, n int) int { return min(rows, 4*(b*quads(rows)/n)) }

func inParallel(ctx context.Context, rows, n, threads int, do func(block, lo, hi int)) error {
	var next atomic.Int64
	work := func() {
		for ctx.Err() == nil {
			b := int(next.Add(1)) - 1
			if b >= n {
				return
			}
			do(b, bound(b, rows, n), bound(b+1, rows, n))
		}
	}
	var wait sync.WaitGroup
	for range min(threads, n) - 1 {
		wait.Go(work)
	}
	work()
	wait.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
