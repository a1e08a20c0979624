package tree

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// edgeSample is the number of rows that the bin edges are learnt from.
const edgeSample = 200_000

// feature is a column that has something to tell, as training sees it: one bin a row.
type feature struct {
	column int
	// edges are the upper bounds of the bins, ascending; the last is +Inf. Bin b holds the x with
	// edges[b-1] < x <= edges[b]. Scoring takes the bin of a category for its x.
	edges []float64
	// slots has the bin of each level of a category, bins for a level that training did not see.
	slots []uint8
	// unordered says that any set of bins may be told from the others, not only a range.
	unordered bool
	bins      int  // without the bin of missing values, which is number bins
	missing   bool // training has missing values
	cells     []uint8
}

// width is the number of bins that occur.
func (f *feature) width() int {
	if f.missing {
		return f.bins + 1
	}
	return f.bins
}

// binFeatures learns the bins of every column and returns the columns that are not constant,
// binned. The seed decides the sample of large data.
func binFeatures(d Data, bins int, o Options) []feature {
	sample := sampleRows(d.Rows, o.Seed)
	all := make([]feature, len(d.Columns))
	inParallel(o.Threads, len(d.Columns), func(_, i int) {
		c := d.Columns[i].read()
		if c.Levels > 0 {
			all[i] = binCategory(c, bins)
		} else {
			all[i] = binNumber(c, bins, sample)
		}
		all[i].column = i
	})
	return slices.DeleteFunc(all, func(f feature) bool { return f.cells == nil })
}

// sampleRows returns ascending row numbers, one drawn from each of edgeSample equal ranges, or
// nil for all rows where there are no more than that.
func sampleRows(rows int, seed uint64) []int32 {
	if rows <= edgeSample {
		return nil
	}
	r := rand.New(rand.NewPCG(seed, streamSample))
	sample := make([]int32, edgeSample)
	for i := range sample {
		lo, hi := i*rows/edgeSample, (i+1)*rows/edgeSample
		sample[i] = int32(lo + r.IntN(hi-lo))
	}
	return sample
}

// Streams of random numbers that are drawn from one seed. A forest's trees are the streams from 0.
const (
	streamSample = 1<<63 + iota
	streamValidation
	streamSubsample
	streamFeatures
)

// binNumber returns the binned column, without cells where it is constant.
func binNumber(c Column, bins int, sample []int32) feature {
	values := make([]float64, 0, min(len(c.Numbers), edgeSample))
	keep := func(x float64) {
		if x == x {
			values = append(values, x)
		}
	}
	if sample == nil {
		for _, x := range c.Numbers {
			keep(x)
		}
	} else {
		for _, row := range sample {
			keep(c.Numbers[row])
		}
	}
	sortNumbers(values)
	distinct, counts := countDistinct(values)
	f := feature{edges: mergeBins(distinct, counts, bins)}
	f.bins = len(f.edges)
	cells := make([]uint8, len(c.Numbers))
	present := len(cells) - fillCells(cells, c.Numbers, f.edges)
	f.keepUnlessConstant(cells, present)
	return f
}

// fillCells writes each number's bin and returns how many are missing.
func fillCells(cells []uint8, numbers, edges []float64) (missing int) {
	var upper [256]uint64
	for i := range upper {
		upper[i] = math.MaxUint64
	}
	for i, edge := range edges {
		upper[uint8(i)] = orderedBits(edge + 0)
	}
	size := 1 << bits.Len(uint(len(edges)-1))
	first := uint8(size / 2) // the first step of the search
	cells = cells[:len(numbers)]
	for row, x := range numbers {
		// binOf, without a branch: it would be mispredicted half of the time.
		key := orderedBits(x + 0) // the zero below zero is zero
		var at uint8
		for step := first; step > 0; step >>= 1 {
			_, below := bits.Sub64(upper[at+step-1], key, 0)
			at += step & -uint8(below)
		}
		if x != x {
			at = uint8(len(edges))
			missing++
		}
		cells[row] = at
	}
	return missing
}

// keepUnlessConstant sets cells if they tell rows apart; present counts the values in them.
func (f *feature) keepUnlessConstant(cells []uint8, present int) {
	f.missing = present < len(cells)
	if present > 0 && (f.bins > 1 || f.missing) {
		f.cells = cells
	}
}

// binOf returns the first bin whose upper edge is not below x.
func binOf(edges []float64, x float64) int {
	lo, n := 0, len(edges)
	for n > 1 {
		half := n / 2
		if edges[lo+half-1] < x {
			lo += half
		}
		n -= half
	}
	return lo
}

// mergeBins returns the upper edges of at most bins bins for ascending values that occur as often
// as counts says: a bin for each value if there are few enough, else bins of about equal size. A
// value that is more frequent than a bin's share has a bin of its own. Only the proportions of the
// counts matter.
func mergeBins(values []float64, counts []int, bins int) []float64 {
	edges := make([]float64, 0, min(bins, len(values)+1))
	left, size := 0, 0
	for _, n := range counts {
		left += n
	}
	for i := 0; i+1 < len(values) && len(edges) < bins-1; i++ {
		size += counts[i]
		// A bin ends where its size is nearest to an equal share of the rows that are left.
		free, next := bins-len(edges), counts[i+1]
		if len(values) <= bins || (2*size+next)*free >= 2*left || next*free > left {
			edges = append(edges, between(values[i], values[i+1]))
			left -= size
			size = 0
		}
	}
	return append(edges, math.Inf(1))
}

func countDistinct(sorted []float64) (distinct []float64, counts []int) {
	for i, x := range sorted {
		if i > 0 && x == distinct[len(distinct)-1] {
			counts[len(counts)-1]++
			continue
		}
		distinct = append(distinct, x)
		counts = append(counts, 1)
	}
	return distinct, counts
}

// between returns the middle of a < b, or a where no number that is below b is nearer.
func between(a, b float64) float64 {
	if m := float64(a/2) + float64(b/2); a <= m && m < b {
		return m
	}
	return a
}

// binCategory returns the binned column, without cells where it is constant. Where there are more
// levels than bins, frequent levels have a bin each and the others share one with their neighbours
// in the order of the codes, and the bins keep that order: names that begin alike often behave
// alike, while the best set of very many levels fits the noise of the training rows.
func binCategory(c Column, bins int) feature {
	counts := make([]int, c.Levels)
	present := 0
	for _, code := range c.Codes {
		if uint(code) < uint(c.Levels) {
			counts[code]++
			present++
		}
	}
	f := feature{slots: make([]uint8, c.Levels)}
	f.bins, f.unordered = assignSlots(f.slots, counts, bins)
	for bin := range f.bins - 1 {
		f.edges = append(f.edges, float64(bin)+0.5)
	}
	f.edges = append(f.edges, math.Inf(1))
	cells := make([]uint8, len(c.Codes))
	for row, code := range c.Codes {
		cells[row] = uint8(f.bins)
		if uint(code) < uint(c.Levels) {
			cells[row] = f.slots[code]
		}
	}
	f.keepUnlessConstant(cells, present)
	return f
}

// assignSlots gives every level that occurs a bin of at most bins, the others the bin of missing
// values. It returns the number of bins and whether each holds one level only.
func assignSlots(slots []uint8, counts []int, bins int) (used int, single bool) {
	var levels []float64
	var rows []int
	for level, n := range counts {
		if n > 0 {
			levels, rows = append(levels, float64(level)), append(rows, n)
		}
	}
	edges := mergeBins(levels, rows, bins)
	for level, n := range counts {
		slots[level] = uint8(len(edges))
		if n > 0 {
			slots[level] = uint8(binOf(edges, float64(level)))
		}
	}
	return len(edges), len(levels) <= bins
}
