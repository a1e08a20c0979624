package tree

import (
	"context"
	"math/rand/v2"
	"slices"
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
	rand      *rand.Rand
	drawn     []uint8 // how often the bootstrap drew each row
	bunch     bunch
	scratch   bunch
	features  []int // a permutation: the ones drawn for a node come first
	spans     []span
	depths    []int32
	counts    []uint32 // of a leaf, by class
	tree      grownTree
	best      cut // of the node; here, since a variable that a criterion sees is allocated for each node
}

func newForestGrower(f *forester) *forestGrower {
	rows := len(f.words)
	g := &forestGrower{
		f: f, drawn: make([]uint8, rows), features: make([]int, len(f.features)), counts: make([]uint32, f.target.classes),
		bunch:   bunch{make([]int32, rows), make([]int64, rows)},
		scratch: bunch{make([]int32, rows), make([]int64, rows)},
	}
	if minRows := int64(f.p.MinSamplesLeaf); f.target.classes > 2 {
		g.criterion = newGini(f.target.classes, rows, minRows, f.shift)
	} else {
		g.criterion = &means{minRows: minRows, binary: f.target.classes == 2, shift: f.shift}
	}
	return g
}

// grow grows a tree, node by node in breadth-first order. It ends early when ctx does.
func (g *forestGrower) grow(ctx context.Context, number uint64) grownTree {
	g.rand = rand.New(rand.NewPCG(g.f.o.Seed, number))
	t := &g.tree
	t.gains, t.nodes, t.shares = make([]float64, len(g.f.features)), t.nodes[:0], t.shares[:0]
	if g.f.target.classes > 2 {
		t.starts = append(t.starts[:0], 0)
	}
	for j := range g.features {
		g.features[j] = j
	}
	g.spans = append(g.spans[:0], span{0, g.bootstrap()})
	g.depths = append(g.depths[:0], 0)
	for i := 0; i < len(g.spans); i++ {
		if i%64 == 0 && ctx.Err() != nil {
			return grownTree{}
		}
		b := g.at(g.spans[i])
		if c, ok := g.choose(b, g.depths[i]); ok {
			g.divide(i, c)
		} else {
			g.leaf(b)
		}
	}
	return grownTree{
		grove: grove{nodes: slices.Clone(t.nodes), shares: slices.Clone(t.shares), starts: slices.Clone(t.starts)},
		gains: t.gains,
	}
}

// at returns the rows of a node.
func (g *forestGrower) at(s span) bunch {
	return bunch{g.bunch.rows[s.lo:s.hi], g.bunch.words[s.lo:s.hi]}
}

// bootstrap draws the rows of the tree and returns how many different ones there are.
func (g *forestGrower) bootstrap() int {
	rows := len(g.drawn)
	for row := range g.drawn {
		g.drawn[row] = 1
	}
	if g.f.p.Bootstrap {
		clear(g.drawn)
		for range rows {
			if row := g.rand.IntN(rows); g.drawn[row] < 255 {
				g.drawn[row]++
			}
		}
	}
	n := 0
	for row, times := range g.drawn {
		if times > 0 {
			g.bunch.rows[n], g.bunch.words[n] = int32(row), g.criterion.word(g.f.words[row], times)
			n++
		}
	}
	return n
}

// choose returns the best cut of a node by the features that it draws; false for a leaf. It draws
// more than it should while none of them can divide the node.
func (g *forestGrower) choose(b bunch, depth int32) (cut, bool) {
	best := &g.best
	*best = cut{score: -1, feature: -1}
	weight, whole, pure := g.criterion.enter(b)
	p := &g.f.p
	if pure || weight < int64(p.MinSamplesSplit) || weight < 2*int64(p.MinSamplesLeaf) ||
		p.MaxDepth > 0 && int(depth) >= p.MaxDepth || g.f.target.classes == 0 && g.sameValue(b.rows) {
		return *best, false
	}
	for i := range g.features {
		if i >= g.f.drawn && best.feature >= 0 {
			break
		}
		other := i + g.rand.IntN(len(g.features)-i)
		g.features[i], g.features[other] = g.features[other], g.features[i]
		j := g.features[i]
		g.criterion.cut(best, j, &g.f.features[j], b)
	}
	if best.feature >= 0 {
		g.tree.gains[best.feature] += max(0, best.score-whole)
	}
	return *best, best.feature >= 0
}

func (g *forestGrower) sameValue(rows []int32) bool {
	first := g.f.target.values[rows[0]]
	for _, row := range rows[1:] {
		if g.f.target.values[row] != first {
			return false
		}
	}
	return true
}

// divide makes a cut: the node becomes a split, and its children the last nodes.
func (g *forestGrower) divide(i int, c cut) {
	f := &g.f.features[c.feature]
	d := division{bin: c.bin, missingLeft: c.missingLeft}
	n := d.node(f, nil)
	n.next = uint32(len(g.spans))
	g.tree.nodes = append(g.tree.nodes, n)
	goes := d.leftOf(f)
	s := g.spans[i]
	middle := s.lo + g.partition(g.at(s), f.cells, &goes)
	g.spans = append(g.spans, span{s.lo, middle}, span{middle, s.hi})
	g.depths = append(g.depths, g.depths[i]+1, g.depths[i]+1)
}

// partition moves the rows that go left before the others, both in their order, and returns their
// number.
func (g *forestGrower) partition(b bunch, cells []uint8, goes *[256]uint8) int {
	rightRows, rightWords := g.scratch.rows[:len(b.rows)], g.scratch.words[:len(b.rows)]
	l, r := 0, 0
	for i, row := range b.rows {
		word := b.words[i]
		left := int(goes[cells[row]])
		b.rows[l], b.words[l] = row, word
		rightRows[r], rightWords[r] = row, word
		l += left
		r += 1 - left
	}
	copy(b.rows[l:], rightRows[:r])
	copy(b.words[l:], rightWords[:r])
	return l
}

// leaf adds a leaf for the rows.
func (g *forestGrower) leaf(b bunch) {
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
		n.value = (float64(ones) + m.smoothing*m.base[1]) / (float64(weight) + m.smoothing)
	default:
		n.column = uint32(len(g.tree.starts) - 1)
		g.addShares(b)
	}
	g.tree.nodes = append(g.tree.nodes, n)
}

// meanValue sums the values themselves, not their integers, in the order of the rows. The first
// value is the origin: equal values have that value as their mean, to the last bit.
func (g *forestGrower) meanValue(b bunch) float64 {
	var sum, weight float64
	origin := g.f.target.values[b.rows[0]]
	for i, row := range b.rows {
		w := float64(g.criterion.weight(b.words[i]))
		weight += w
		sum += w * (g.f.target.values[row] - origin)
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
