package tree

import (
	"context"
	"math"
	"math/bits"
	"math/rand/v2"
)

// grownTree is a tree of a forest and the gain of its splits by feature.
type grownTree struct {
	grove
	gains []float64
}

// forestGrower grows one tree after the other and keeps its memory.
type forestGrower struct {
	f         *forester
	criterion criterion
	cells     []uint8 // of one feature, for the rows of a node of extra trees
	random    *rand.PCG
	drawn     []uint8 // how often the bootstrap drew each row
	// bunches hold the rows of the nodes of even depth, and those of odd depth: a node's rows are
	// copied from one to the other as they are divided among its children.
	bunches  [2]bunch
	features []int // a permutation: the ones drawn for a node come first
	// open are the nodes that are not decided yet, and constant, for each of them in turn, the
	// features that are known not to vary in it, as bits.
	open     []openNode
	constant []uint64
	known    []uint64 // the part of constant for the node at hand
	saved    []uint64 // known, while a child is looked at
	leaves   int
	counts   []uint32 // of a leaf, by class
	tree     grownTree
	best     cut // of the node; here, since a variable that a criterion sees is allocated for each node
}

// openNode is a node that is either a leaf or to be divided.
type openNode struct {
	span
	node  int
	depth int
	cut   cut // made beforehand where the best node is divided next
}

func newForestGrower(f *forester) *forestGrower {
	rows := f.rows
	g := &forestGrower{
		f: f, drawn: make([]uint8, rows), random: rand.NewPCG(0, 0),
		features: make([]int, len(f.features)), counts: make([]uint32, f.target.classes),
		bunches: [2]bunch{newBunch(rows), newBunch(rows)},
		known:   make([]uint64, (len(f.features)+63)/64), saved: make([]uint64, (len(f.features)+63)/64),
	}
	if f.extra {
		g.cells = make([]uint8, rows)
	}
	minRows, binary := int64(f.p.MinSamplesLeaf), f.target.classes == 2
	switch {
	case f.target.classes > 2:
		g.criterion = newGini(f, g.drawn)
	case f.weights != nil:
		g.criterion = &heavyMeans{labels: f.labels, weights: f.weights, drawn: g.drawn, minRows: minRows, binary: binary}
	default:
		g.criterion = &means{labels: f.labels, minRows: minRows, binary: binary, shift: f.shift}
	}
	return g
}

// grow grows a tree. It ends early when ctx does.
func (g *forestGrower) grow(ctx context.Context, number uint64) grownTree {
	g.begin(number)
	for n := 0; len(g.open) > 0; n++ {
		if n%64 == 0 && ctx.Err() != nil {
			return grownTree{}
		}
		o := g.take()
		if o.cut.feature < 0 {
			o.cut = g.choose(g.at(o), o.depth)
		}
		if o.cut.feature < 0 || g.full() {
			g.leaf(o.node, g.at(o))
			continue
		}
		g.divide(o)
	}
	return grownTree{grove: g.tree.inBreadth(), gains: g.tree.gains}
}

// begin makes the tree a root with the rows that it learns from.
func (g *forestGrower) begin(number uint64) {
	g.random.Seed(g.f.o.Seed, number)
	t := &g.tree
	t.gains, t.nodes, t.shares = make([]float64, len(g.f.features)), append(t.nodes[:0], node{}), t.shares[:0]
	if g.f.target.classes > 2 {
		t.starts = append(t.starts[:0], 0)
	}
	for j := range g.features {
		g.features[j] = j
	}
	clear(g.known)
	g.leaves = 1
	g.add(span{0, g.draw()}, 0, 0)
}

// full reports whether the tree may have no more leaves.
func (g *forestGrower) full() bool { return g.f.p.MaxLeaves > 0 && g.leaves >= g.f.p.MaxLeaves }

// add adds a node in which the features that are known to be constant are those of its parent.
func (g *forestGrower) add(s span, node, depth int) {
	o := openNode{span: s, node: node, depth: depth, cut: cut{feature: -1}}
	if g.f.p.MaxLeaves > 0 {
		if o.cut = g.choose(g.at(o), depth); o.cut.feature < 0 {
			g.leaf(node, g.at(o))
			return
		}
	}
	g.open = append(g.open, o)
	g.constant = append(g.constant, g.known...)
	if g.f.p.MaxLeaves > 0 {
		g.rise()
	}
}

// take takes the next node: the last one, so that a part of the tree is finished while its rows are
// in the cache; with a limit of leaves the one that gains most.
func (g *forestGrower) take() openNode {
	last := len(g.open) - 1
	if g.f.p.MaxLeaves > 0 {
		g.swap(0, last)
		g.sink(last)
	}
	o := g.open[last]
	g.open = g.open[:last]
	copy(g.known, g.constant[last*len(g.known):])
	g.constant = g.constant[:last*len(g.known)]
	return o
}

// at returns the rows of a node.
func (g *forestGrower) at(o openNode) bunch { return g.bunches[o.depth&1].part(o.span) }

// draw draws the rows of the tree and returns how many different ones there are.
func (g *forestGrower) draw() int {
	for row := range g.drawn {
		g.drawn[row] = 1
	}
	if g.f.p.Bootstrap {
		g.bootstrap()
	}
	n, root := 0, g.bunches[0]
	for row, times := range g.drawn {
		if times > 0 {
			root.rows[n], root.words[n] = uint32(row), g.criterion.word(row, times)
			n++
		}
	}
	return n
}

// bootstrap draws rows with replacement, two by each random number.
func (g *forestGrower) bootstrap() {
	clear(g.drawn)
	rows := uint64(len(g.drawn))
	draws := max(1, int(math.Round(float64(rows)*g.f.p.MaxSamples)))
	one := func(r uint64) {
		if times := &g.drawn[r*rows>>32]; *times < 255 {
			*times++
		}
	}
	for ; draws > 1; draws -= 2 {
		r := g.random.Uint64()
		one(r >> 32)
		one(r & math.MaxUint32)
	}
	if draws > 0 {
		one(g.random.Uint64() >> 32)
	}
}

// below draws a number from 0 up to n.
func (g *forestGrower) below(n int) int {
	hi, _ := bits.Mul64(g.random.Uint64(), uint64(n))
	return int(hi)
}

// choose returns the best cut of a node by the features that it draws; one without a feature for a
// leaf. It draws more than it should while none of them can divide the node.
func (g *forestGrower) choose(b bunch, depth int) cut {
	best := &g.best
	*best = cut{gain: -1, feature: -1}
	weight, pure := g.criterion.enter(b)
	if pure || g.mayNotDivide(b, weight, depth) {
		return *best
	}
	for i := range g.features {
		if i >= g.f.drawn && best.feature >= 0 || best.perfect {
			break
		}
		other := i + g.below(len(g.features)-i)
		g.features[i], g.features[other] = g.features[other], g.features[i]
		j := g.features[i]
		if g.known[j>>6]>>(j&63)&1 != 0 {
			continue
		}
		if !g.tryFeature(j, b) {
			g.known[j>>6] |= 1 << (j & 63)
		}
	}
	return *best
}

// tryFeature tries the cuts of a feature; it returns false if the feature does not vary.
func (g *forestGrower) tryFeature(j int, b bunch) bool {
	if g.f.extra {
		return g.tryRandomCut(j, b)
	}
	return g.criterion.cut(&g.best, j, &g.f.features[j], b)
}

// mayNotDivide reports whether the parameters make a node a leaf, or all its rows have one value.
func (g *forestGrower) mayNotDivide(b bunch, weight int64, depth int) bool {
	p := &g.f.p
	if p.MaxDepth > 0 && depth >= p.MaxDepth {
		return true
	}
	rows := weight
	if g.f.weights != nil {
		rows = rowsDrawn(b, g.drawn)
	}
	return rows < int64(p.MinSamplesSplit) || rows < 2*int64(p.MinSamplesLeaf) ||
		g.f.target.classes == 0 && g.sameValue(b.rows)
}

func (g *forestGrower) sameValue(rows []uint32) bool {
	first := g.f.target.values[rows[0]]
	for _, row := range rows[1:] {
		if g.f.target.values[row] != first {
			return false
		}
	}
	return true
}

// divide makes a node's cut: its children are the last nodes.
func (g *forestGrower) divide(o openNode) {
	f := &g.f.features[o.cut.feature]
	g.tree.gains[o.cut.feature] += max(0, o.cut.gain)
	d := division{bin: o.cut.bin, missingLeft: o.cut.missingLeft}
	n, left := d.node(f, nil), len(g.tree.nodes)
	n.next = uint32(left)
	g.tree.nodes[o.node] = n
	g.tree.nodes = append(g.tree.nodes, node{}, node{})
	g.leaves++
	middle := o.lo + g.partition(o, f)
	copy(g.saved, g.known)
	g.add(span{middle, o.hi}, left+1, o.depth+1)
	copy(g.known, g.saved)
	g.add(span{o.lo, middle}, left, o.depth+1)
}

// partition copies the rows of a node to where its children are looked for: those that go left to
// the front, in their order, the others to the back, in the opposite order. It returns the number
// of those that go left.
func (g *forestGrower) partition(o openNode, f *feature) int {
	// Where missing values go left their bin, the last, becomes the first.
	turn := 0
	if f.missing && o.cut.missingLeft {
		turn = 256 - f.bins
	}
	bound := o.cut.bin + turn
	from, to := g.at(o), g.bunches[(o.depth+1)&1].part(o.span)
	cells, words := f.cells, from.words[:len(from.rows)]
	l, r := 0, len(from.rows)-1
	for i, row := range from.rows {
		word := words[i]
		left := int(upTo(cells[row]+uint8(turn), bound) & 1)
		to.rows[l], to.words[l] = row, word
		to.rows[r], to.words[r] = row, word
		l += left
		r -= 1 - left
	}
	return l
}

// leaf makes a node a leaf for the rows.
func (g *forestGrower) leaf(at int, b bunch) {
	var n node
	m := g.f.model
	switch m.classes {
	case 0:
		n.value = g.meanValue(b)
	case 2:
		weight, ones := int64(0), int64(0)
		for i, row := range b.rows {
			w := g.criterion.weight(b.words[i])
			weight += w
			ones += w * int64(g.f.target.codes[row])
		}
		n.value = (float64(ones) + float64(m.smoothing*m.base[1])) / (float64(weight) + m.smoothing)
	default:
		n.column = uint32(len(g.tree.starts) - 1)
		g.addShares(b)
	}
	g.tree.nodes[at] = n
}

// meanValue sums the values themselves, not their integers, in the order of the rows. The first
// value is the origin: equal values have that value as their mean, to the last bit.
func (g *forestGrower) meanValue(b bunch) float64 {
	var sum, weight float64
	origin := g.f.target.values[b.rows[0]]
	for i, row := range b.rows {
		w := float64(g.criterion.weight(b.words[i]))
		weight += w
		sum += float64(w * (g.f.target.values[row] - origin))
	}
	return origin + sum/weight
}

// addShares adds the shares of the classes that the rows have.
func (g *forestGrower) addShares(b bunch) {
	for i, row := range b.rows {
		g.counts[g.f.target.codes[row]] += uint32(g.criterion.weight(b.words[i]))
	}
	from := len(g.tree.shares)
	for class, n := range g.counts {
		if n > 0 {
			g.tree.shares = append(g.tree.shares, share{class: uint32(class), count: n})
		}
	}
	clear(g.counts)
	setShares(g.tree.shares[from:], g.f.model.smoothing)
	g.tree.starts = append(g.tree.starts, uint32(len(g.tree.shares)))
}

// inBreadth returns a copy of one tree with its nodes in breadth-first order.
func (g *grove) inBreadth() grove {
	t := grove{nodes: make([]node, 1, len(g.nodes)), shares: make([]share, 0, len(g.shares))}
	t.nodes[0] = g.nodes[0]
	if len(g.starts) > 0 {
		t.starts = append(make([]uint32, 0, len(g.starts)), 0)
	}
	for i := 0; i < len(t.nodes); i++ {
		n := &t.nodes[i]
		switch {
		case n.next != 0:
			children := g.nodes[n.next:][:2]
			n.next = uint32(len(t.nodes))
			t.nodes = append(t.nodes, children...)
		case len(g.starts) > 0:
			t.shares = append(t.shares, g.leafShares(n)...)
			n.column = uint32(len(t.starts) - 1)
			t.starts = append(t.starts, uint32(len(t.shares)))
		}
	}
	return t
}
