package tree

import "math/bits"

// cut is a way to divide the rows of a forest's node: the bins up to bin go left.
type cut struct {
	score       float64 // of the two sides together
	feature     int     // -1: there is none
	bin         int
	missingLeft bool
	left        int64 // the weight of the rows that go left
}

// settle decides where missing values go if the node has none to learn it from: with most rows.
func (c *cut) settle(j int, hasMissing bool, weight int64) {
	if c.feature == j && !hasMissing {
		c.missingLeft = 2*c.left >= weight
	}
}

// bunch is the rows of a node in one tree: row numbers, and for each its word and how often the
// bootstrap drew it, in a form that the criterion chooses.
type bunch struct {
	rows  []int32
	words []int64
}

// criterion measures how well cuts divide a node.
type criterion interface {
	// word packs the label and the weight of a row.
	word(label int64, weight uint8) int64
	// weight returns the weight of a row.
	weight(word int64) int64
	// enter begins a node: it returns the weight and the score of its rows as a whole, and whether
	// their classes are known to be all the same.
	enter(b bunch) (weight int64, score float64, pure bool)
	// cut makes the best cut of feature number j the best of all, if it is better.
	cut(best *cut, j int, f *feature, b bunch)
}

// occupied marks the bins that occur in a node, so that small nodes need not read all bins.
type occupied [4]uint64

func (o *occupied) add(bin uint8) { o[bin>>6] |= 1 << (bin & 63) }

func (o *occupied) has(bin int) bool { return o[bin>>6]>>(bin&63)&1 != 0 }

// middle returns the last bin on the left of a cut between two neighbouring bins of a node: half
// way, where there are bins between them that only other nodes have.
func middle(last, next int) int { return (last + next - 1) / 2 }

// means scores a side by S²/N, where S is the sum of its labels and N their number: for squared
// error, and for two classes, for which the Gini impurity is the same.
type means struct {
	minRows int64
	binary  bool
	shift   uint
	total   int64
	sums    [256]int64
}

// A word is the label times the weight, above shift, plus the weight: one addition sums both.
func (m *means) word(label int64, weight uint8) int64 { return (label<<m.shift | 1) * int64(weight) }
func (m *means) weight(word int64) int64              { return word & (1<<m.shift - 1) }
func (m *means) label(word int64) int64               { return word >> m.shift }

func (m *means) score(sum int64) float64 {
	s := float64(m.label(sum))
	return s * s / float64(m.weight(sum))
}

func (m *means) enter(b bunch) (weight int64, score float64, pure bool) {
	m.total = 0
	for _, w := range b.words {
		m.total += w
	}
	weight = m.weight(m.total)
	sum := m.label(m.total)
	return weight, m.score(m.total), m.binary && (sum == 0 || sum == weight)
}

func (m *means) cut(best *cut, j int, f *feature, b bunch) {
	var bins occupied
	cells := f.cells
	for i, row := range b.rows {
		bin := cells[row]
		m.sums[bin] += b.words[i]
		bins.add(bin)
	}
	var missing, left int64
	if f.missing {
		missing, m.sums[f.bins] = m.sums[f.bins], 0
	}
	last := -1
	for i, word := range bins {
		for ; word != 0; word &= word - 1 {
			bin := i*64 + bits.TrailingZeros64(word)
			if bin == f.bins {
				break
			}
			if last >= 0 {
				m.try(best, j, last, bin, left, false)
				if missing != 0 {
					m.try(best, j, last, bin, left+missing, true)
				}
			}
			left += m.sums[bin]
			m.sums[bin] = 0
			last = bin
		}
	}
	if missing != 0 && last >= 0 { // all values against the missing ones
		m.try(best, j, f.bins-1, f.bins, left, false)
	}
	best.settle(j, missing != 0, m.weight(m.total))
}

func (m *means) try(best *cut, j, last, next int, left int64, missingLeft bool) {
	right := m.total - left
	if m.weight(left) < m.minRows || m.weight(right) < m.minRows {
		return
	}
	if score := m.score(left) + m.score(right); score > best.score {
		*best = cut{score, j, middle(last, next), missingLeft, m.weight(left)}
	}
}
