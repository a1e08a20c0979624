package tree

import (
	"math"
	"math/bits"
	"slices"
)

// A batch of rows is scored without a walk down the trees. Every value becomes the number of its
// bin among the model's thresholds once, and for each column that a tree asks there is a table with
// the leaves that a row of that bin may still end in, one bit a leaf from left to right. A row's
// leaf is the first one that all of the tables allow: a step to the right rules out all leaves on
// the left, and the first leaf that no step rules out is where the walk ends (Lucchese et al. 2015,
// QuickScorer). There is nothing to mispredict and no step waits for the one before it.

const (
	maskLeaves = 64  // of a tree, one bit each
	maskBins   = 256 // of a column: one more than its thresholds, and the missing value
	maskRows   = 256 // whose masks stay in the first-level cache
	maskBlock  = 4096
	// maskLeast is the number of rows from which a plan pays.
	maskLeast = 192
)

// plan is an ensemble as batches ask it. It is made for a batch and not kept: that takes less time
// than a few hundred rows, and a model that is open does not take twice its memory.
type plan struct {
	columns []planColumn // those that are asked
	trees   []planTree
	splits  []planSplit
	leaves  []float64
	most    int // how many columns a tree asks at most
}

// planColumn is a column that some tree asks.
type planColumn struct {
	column  int
	missing uint8 // the bin of a missing value; those of values come before it
	steps   uint8 // powers of two that a search through the edges takes
	edges   *[maskBins]float64
}

// planTree says where a tree's splits and leaves end in those of the plan.
type planTree struct{ splits, leaves int }

// planSplit is a split of a tree; those of one column are neighbours.
type planSplit struct {
	left   uint64 // the leaves on its left
	column int32  // of the plan
	node   uint32
}

// planOf returns the plan of an ensemble, or nil for one that has none: for trees of more leaves or
// columns of more thresholds than there is place for, and for leaves that are distributions.
func planOf(e *Ensemble) *plan {
	g := &e.trees
	if e.hasShares() || !g.isShort() {
		return nil
	}
	p := &plan{leaves: make([]float64, 0, len(g.nodes)/2+1), splits: make([]planSplit, 0, len(g.nodes)/2)}
	index, ok := p.addColumns(e)
	if !ok {
		return nil
	}
	for _, root := range g.roots {
		p.addTree(g, root, index)
	}
	return p
}

// isShort reports whether no tree has more leaves than a mask has bits.
func (g *grove) isShort() bool {
	for i, root := range g.roots {
		end := len(g.nodes)
		if i+1 < len(g.roots) {
			end = int(g.roots[i+1])
		}
		if end-int(root) > 2*maskLeaves-1 {
			return false
		}
	}
	return true
}

// addColumns adds the columns that are asked and returns where in the plan each is, or false where
// one has too many thresholds.
func (p *plan) addColumns(e *Ensemble) (index []int32, ok bool) {
	index = make([]int32, len(e.columns))
	asked, thresholds := e.asked()
	for i := range e.columns {
		if !asked[i] {
			continue
		}
		if len(thresholds[i]) > maskBins-2 {
			return nil, false
		}
		index[i] = int32(len(p.columns))
		p.columns = append(p.columns, newPlanColumn(i, &e.columns[i], thresholds[i]))
	}
	return index, true
}

func newPlanColumn(at int, c *column, thresholds []float64) planColumn {
	if c.slots != nil {
		return planColumn{column: at, missing: c.bins}
	}
	p := planColumn{
		column: at, missing: uint8(len(thresholds) + 1), steps: uint8(bits.Len(uint(len(thresholds)))),
		edges: new([maskBins]float64),
	}
	for i := copy(p.edges[:], thresholds); i < maskBins; i++ {
		p.edges[i] = math.Inf(1)
	}
	return p
}

// asked says which columns the trees ask, and has the ascending thresholds of those that are numbers.
func (e *Ensemble) asked() (asked []bool, thresholds [][]float64) {
	asked, thresholds = make([]bool, len(e.columns)), make([][]float64, len(e.columns))
	for i := range e.trees.nodes {
		if n := &e.trees.nodes[i]; n.next != 0 {
			c := n.column & columnMask
			asked[c] = true
			if e.columns[c].slots == nil {
				thresholds[c] = append(thresholds[c], n.value)
			}
		}
	}
	for i, list := range thresholds {
		slices.Sort(list)
		thresholds[i] = slices.Compact(list)
	}
	return asked, thresholds
}

func (p *plan) addTree(g *grove, root uint32, index []int32) {
	splits := len(p.splits)
	p.addNode(g, root, index, len(p.leaves))
	added := p.splits[splits:]
	slices.SortStableFunc(added, func(a, b planSplit) int { return int(a.column - b.column) })
	columns := 0
	for i, s := range added {
		if i == 0 || s.column != added[i-1].column {
			columns++
		}
	}
	p.most = max(p.most, columns)
	p.trees = append(p.trees, planTree{splits: len(p.splits), leaves: len(p.leaves)})
}

// addNode adds what is below a node, its leaves from left to right; first is the tree's first one.
func (p *plan) addNode(g *grove, at uint32, index []int32, first int) {
	n := &g.nodes[at]
	if n.next == 0 {
		p.leaves = append(p.leaves, n.value)
		return
	}
	lo := len(p.leaves) - first
	p.addNode(g, n.next, index, first)
	hi := len(p.leaves) - first
	p.splits = append(p.splits, planSplit{left: 1<<hi - 1<<lo, column: index[n.column&columnMask], node: at})
	p.addNode(g, n.next+1, index, first)
}

// leafTable has the leaves that a row may end in, by its bin of one column.
type leafTable [maskBins]uint64

// fill makes t the table of the splits, which are all those of a tree on one column.
func (t *leafTable) fill(e *Ensemble, c *planColumn, splits []planSplit) {
	for i := range t[:int(c.missing)+1] {
		t[i] = math.MaxUint64
	}
	for _, s := range splits {
		n := &e.trees.nodes[s.node]
		if n.column&missingLeft == 0 {
			t[c.missing] &^= s.left
		}
		lo := 0
		if c.edges != nil { // the bins above the threshold's go right, all others left
			lo = int(c.bin(n.value)) + 1
		}
		for bin := lo; bin < int(c.missing); bin++ {
			if c.edges != nil || e.trees.isRight(n, uint8(bin)) {
				t[bin] &^= s.left
			}
		}
	}
}

// isRight reports whether the bin of a category goes right.
func (g *grove) isRight(n *node, bin uint8) bool {
	if n.column&asksSet != 0 {
		return !g.sets[math.Float64bits(n.value)].has(bin)
	}
	return float64(bin) > n.value
}

// bin returns how many edges are below a number: the bin of a value, or the index of a threshold.
// It has no branch on the comparison, which would be mispredicted as often as not.
func (c *planColumn) bin(x float64) uint8 {
	at, edges := uint32(0), c.edges
	for k := c.steps; k > 0; k-- {
		half := uint32(1) << (k - 1&31)
		at += above(x, edges[(at+half-1)%maskBins]) << (k - 1&31)
	}
	return uint8(at)
}

// masker is the memory of one goroutine that scores blocks by a plan.
type masker struct {
	bins   []uint8 // by column of the plan, maskBlock each
	tables []leafTable
	asked  []int32 // the column of each table
	masks  [maskRows]uint64
	sums   []float64 // row-major
}

// score writes the answers for rows lo up to hi, at most maskBlock, to their place in out.
func (m *masker) score(e *Ensemble, p *plan, d Data, lo, hi int, out []float64) {
	rows, width, outputs := hi-lo, e.width(), e.outputs()
	m.grow(p, outputs)
	for i := range p.columns {
		m.fill(e, &p.columns[i], d, lo, m.bins[i*maskBlock:][:rows])
	}
	e.start(m.sums, rows)
	var from planTree
	for t, to := range p.trees {
		m.tree(e, p, p.splits[from.splits:to.splits])
		leaves := p.leaves[from.leaves:to.leaves]
		for first := 0; first < rows; first += maskRows {
			last := min(first+maskRows, rows)
			m.narrow(first, last)
			m.add(leaves, m.sums[first*outputs+t%outputs:last*outputs], outputs)
		}
		from = to
	}
	for i := range rows {
		e.answer(m.sums[i*outputs:(i+1)*outputs], out[(lo+i)*width:(lo+i+1)*width])
	}
}

func (m *masker) grow(p *plan, outputs int) {
	if m.sums != nil {
		return
	}
	m.bins = make([]uint8, len(p.columns)*maskBlock)
	m.sums = make([]float64, maskBlock*outputs)
	m.tables = make([]leafTable, p.most)
}

// fill bins the rows of a column from lo on.
func (m *masker) fill(e *Ensemble, c *planColumn, d Data, lo int, bins []uint8) {
	if c.edges != nil {
		for i, x := range d.Columns[c.column].Numbers[lo:][:len(bins)] {
			bin := c.bin(x)
			if x != x {
				bin = c.missing
			}
			bins[i] = bin
		}
		return
	}
	slots := e.columns[c.column].slots
	for i, code := range d.Columns[c.column].Codes[lo:][:len(bins)] {
		bins[i] = c.missing
		if uint(code) < uint(len(slots)) {
			bins[i] = slots[code]
		}
	}
}

// tree makes the tables of a tree.
func (m *masker) tree(e *Ensemble, p *plan, splits []planSplit) {
	m.asked = m.asked[:0]
	for len(splits) > 0 {
		column, n := splits[0].column, 1
		for n < len(splits) && splits[n].column == column {
			n++
		}
		m.tables[len(m.asked)].fill(e, &p.columns[column], splits[:n])
		m.asked = append(m.asked, column)
		splits = splits[n:]
	}
}

// narrow makes masks the leaves that the rows from first up to last may end in.
func (m *masker) narrow(first, last int) {
	masks := m.masks[:last-first]
	for i := range masks {
		masks[i] = math.MaxUint64
	}
	at := 0
	for ; at+4 <= len(m.asked); at += 4 {
		narrow4(masks, (*[4]leafTable)(m.tables[at:]), m.column(at, first), m.column(at+1, first), m.column(at+2, first), m.column(at+3, first))
	}
	for ; at < len(m.asked); at++ {
		t, bins := &m.tables[at], m.column(at, first)[:len(masks)]
		for i := range masks {
			masks[i] &= t[bins[i]]
		}
	}
}

// column returns the bins of the column that a table is for, from a row on.
func (m *masker) column(table, first int) []uint8 {
	at := int(m.asked[table]) * maskBlock
	return m.bins[at+first : at+maskBlock]
}

func narrow4(masks []uint64, t *[4]leafTable, a, b, c, d []uint8) {
	a, b, c, d = a[:len(masks)], b[:len(masks)], c[:len(masks)], d[:len(masks)]
	for i := range masks {
		masks[i] &= t[0][a[i]] & t[1][b[i]] & t[2][c[i]] & t[3][d[i]]
	}
}

// add adds the leaf of each row to its sum, which are stride apart.
func (m *masker) add(leaves, sums []float64, stride int) {
	var values [maskLeaves]float64
	copy(values[:], leaves)
	if stride == 1 {
		for i, mask := range m.masks[:len(sums)] {
			sums[i] += values[bits.TrailingZeros64(mask)&(maskLeaves-1)]
		}
		return
	}
	for i, at := 0, 0; at < len(sums); i, at = i+1, at+stride {
		sums[at] += values[bits.TrailingZeros64(m.masks[i])&(maskLeaves-1)]
	}
}
