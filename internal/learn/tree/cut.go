package tree

import "math/bits"

// cut is a way to divide the rows of a forest's node: the bins up to bin go left.
type cut struct {
	gain        float64 // what the node's impurity loses, times the weight of the node
	feature     int     // -1: there is none
	bin         int
	missingLeft bool
	left        int64 // the weight of the rows that go left
	perfect     bool  // neither side will be divided: no other cut can be better
}

// settle decides where missing values go if the node has none to learn it from: with most rows.
func (c *cut) settle(j int, hasMissing bool, weight int64) {
	if c.feature == j && !hasMissing {
		c.missingLeft = 2*c.left >= weight
	}
}

// bunch is the rows of a node in one tree: row numbers, and for each a word with its label and how
// much it counts, in a form that the criterion chooses.
type bunch struct {
	rows  []uint32
	words []int64
	cells []uint8 // the bins of the feature that is looked at, where they were gathered
}

func newBunch(rows int) bunch { return bunch{rows: make([]uint32, rows), words: make([]int64, rows)} }

func (b bunch) part(s span) bunch { return bunch{rows: b.rows[s.lo:s.hi], words: b.words[s.lo:s.hi]} }

// criterion measures how well cuts divide a node. A feature varies in a node if the node has more
// than one of its bins; only then there is a cut.
type criterion interface {
	// word packs what a tree must know of a row that the bootstrap drew some times.
	word(row int, times uint8) int64
	// weight returns how much a row counts by its word.
	weight(word int64) int64
	// enter begins a node: it returns the weight of its rows, and whether their classes are known
	// to be all the same.
	enter(b bunch) (weight int64, pure bool)
	// cut makes the best cut of feature number j the best of all, if it is better.
	cut(best *cut, j int, f *feature, b bunch) (varies bool)
	// weigh makes, with the cells gathered, the cut of feature number j that has the bins from 0 to bin on the left the best
	// of all, if it is better; hasMissing says that missing values may go either way.
	weigh(best *cut, j int, f *feature, b bunch, bin int, hasMissing bool)
}

// occupied marks the bins that occur in a node, so that small nodes need not read all bins.
type occupied [4]uint64

func (o *occupied) add(bin uint8) { o[bin>>6] |= 1 << (bin & 63) }

// list writes the bins that are marked to all, in ascending order, and returns that part of it.
func (o *occupied) list(all *[256]uint8) []uint8 {
	n := 0
	for i, word := range o {
		for ; word != 0; word &= word - 1 {
			all[n&255] = uint8(i*64 + bits.TrailingZeros64(word))
			n++
		}
	}
	return all[:n]
}

// valuesOf returns the bins without the one of missing values, which is the last, and whether it
// is there.
func (f *feature) valuesOf(bins []uint8) (values []uint8, hasMissing bool) {
	last := len(bins) - 1
	if f.missing && int(bins[last]) == f.bins {
		return bins[:last], true
	}
	return bins, false
}

// middle returns the last bin on the left of a cut between two neighbouring bins of a node: half
// way, where there are bins between them that only other nodes have.
func middle(last, next int) int { return (last + next - 1) / 2 }
