package tree

import (
	"container/heap"
	"context"
	"math"
)

// grower grows one tree after the other on the same rows.
type grower struct {
	matrix  *matrix
	p       BoostParams
	threads int
	moments []moment  // by row
	unit    unit      // of the moments
	first   unit      // of the first tree, so that the gains of all trees compare
	gains   []float64 // of the tree, by feature

	train, held sorter
	pool        histograms
	scanners    []scanner
	found       []division // by child and feature
	nodes       []growing
	queue       openNodes
	leaves      int
}

// growing is a node of the tree that grows.
type growing struct {
	train, held span
	depth       int
	sum         moment
	best        division
	histogram   []moment // nil where it is not kept
	left        int      // the right child follows; 0 for a leaf
}

// span is a range of a sorter's rows.
type span struct{ lo, hi int }

func (s span) len() int { return s.hi - s.lo }

func newGrower(m *matrix, p BoostParams, train, held []int32, threads, memory int) *grower {
	g := &grower{
		matrix: m, p: p, threads: threads,
		moments: make([]moment, len(train)+len(held)), gains: make([]float64, len(m.features)),
		train: newSorter(train), held: newSorter(held),
		pool:     newHistograms(m.size, memory),
		scanners: make([]scanner, threads), found: make([]division, 2*len(m.features)),
	}
	g.queue.nodes = &g.nodes
	return g
}

// grow grows a tree for the moments of the rows.
func (g *grower) grow(ctx context.Context) error {
	g.reset()
	for g.leaves < g.p.MaxLeaves && len(g.queue.heap) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		g.divide(heap.Pop(&g.queue).(int))
	}
	return ctx.Err()
}

// reset starts over with the root alone.
func (g *grower) reset() {
	for i := range g.nodes {
		g.drop(i)
	}
	clear(g.gains)
	if g.first == (unit{}) {
		g.first = g.unit
	}
	for i := range g.scanners {
		g.scanners[i].unit, g.scanners[i].l2, g.scanners[i].minRows = g.unit, g.p.L2, int64(g.p.MinSamplesLeaf)
	}
	g.train.reset()
	g.held.reset()
	g.queue.heap = g.queue.heap[:0]
	g.leaves = 1
	root := growing{train: span{0, len(g.train.rows)}, held: span{0, len(g.held.rows)}}
	for _, row := range g.train.rows {
		root.sum = root.sum.plus(g.moments[row])
	}
	g.nodes = append(g.nodes[:0], root)
	if g.divisible(0) {
		g.nodes[0].histogram = g.histogram(g.train.rows)
		g.search([]int{0})
	}
}

// divisible reports whether a node may be divided at all.
func (g *grower) divisible(i int) bool {
	n := &g.nodes[i]
	return n.train.len() >= 2*g.p.MinSamplesLeaf && (g.p.MaxDepth == 0 || n.depth < g.p.MaxDepth) &&
		g.leaves < g.p.MaxLeaves && len(g.matrix.features) > 0
}

// divide makes the best division of a node and looks for those of its children.
func (g *grower) divide(i int) {
	n := g.nodes[i]
	f := &g.matrix.features[n.best.feature]
	goes := n.best.leftOf(f)
	middle := g.train.divide(n.train, f.cells, &goes)
	heldMiddle := g.held.divide(n.held, f.cells, &goes)
	g.gains[n.best.feature] += n.best.gain * (g.unit.g / g.first.g) * (g.unit.g / g.first.g)
	left := len(g.nodes)
	g.nodes[i].left = left
	g.nodes = append(g.nodes,
		growing{train: span{n.train.lo, middle}, held: span{n.held.lo, heldMiddle}, depth: n.depth + 1, sum: n.best.left},
		growing{train: span{middle, n.train.hi}, held: span{heldMiddle, n.held.hi}, depth: n.depth + 1, sum: n.sum.minus(n.best.left)})
	g.leaves++
	g.open(i, left)
	g.drop(i)
}

// open looks for the best divisions of two new children, as far as they may be divided.
func (g *grower) open(parent, left int) {
	var wanted []int
	for child := left; child <= left+1; child++ {
		if g.divisible(child) {
			wanted = append(wanted, child)
		}
	}
	if len(wanted) == 0 {
		return
	}
	g.fill(parent, left)
	g.search(wanted)
	for child := left; child <= left+1; child++ {
		if !g.divisible(child) {
			g.drop(child)
		}
	}
}

// fill gives two children their histograms: the smaller one's is summed, and the larger one's is
// what remains of the parent's.
func (g *grower) fill(parent, left int) {
	small, large := left, left+1
	if g.nodes[small].train.len() > g.nodes[large].train.len() {
		small, large = large, small
	}
	g.nodes[small].histogram = g.histogram(g.rowsOf(small))
	if g.nodes[parent].histogram == nil {
		g.nodes[large].histogram = g.histogram(g.rowsOf(large))
		return
	}
	g.nodes[large].histogram, g.nodes[parent].histogram = g.nodes[parent].histogram, nil
	subtract(g.nodes[large].histogram, g.nodes[small].histogram)
}

func (g *grower) rowsOf(i int) []int32 {
	return g.train.rows[g.nodes[i].train.lo:g.nodes[i].train.hi]
}

// drop gives a node's histogram back.
func (g *grower) drop(i int) {
	g.pool.give(g.nodes[i].histogram)
	g.nodes[i].histogram = nil
}

// search finds the best division of each node, of equal ones that by the first feature, and opens
// the nodes that have one.
func (g *grower) search(nodes []int) {
	features := len(g.matrix.features)
	threads := g.threads
	if g.matrix.size*len(nodes) < 2048 {
		threads = 1 // less work than waking a goroutine
	}
	inParallel(threads, features*len(nodes), func(worker, task int) {
		n, j := &g.nodes[nodes[task/features]], task%features
		f, at := &g.matrix.features[j], g.matrix.offsets[j]
		g.found[task] = g.scanners[worker].best(f, n.histogram[at:][:f.width()], n.sum)
	})
	for k, i := range nodes {
		n := &g.nodes[i]
		n.best = division{feature: -1}
		for j, d := range g.found[k*features : (k+1)*features] {
			if d.feature >= 0 && d.gain > n.best.gain {
				n.best, n.best.feature = d, j
			}
		}
		if n.best.feature >= 0 {
			heap.Push(&g.queue, i)
		}
		if n.best.feature < 0 || g.pool.full() {
			g.drop(i)
		}
	}
}

// value is the answer of a node: the step of Newton's method, times the learning rate.
func (g *grower) value(n *growing) float64 {
	h := g.unit.second(n.sum) + g.p.L2
	if h <= 0 {
		return 0
	}
	return -g.p.LearningRate * g.unit.first(n.sum) / h
}

// addTo adds each row's answer to its score.
func (g *grower) addTo(scores []float64) {
	for i := range g.nodes {
		n := &g.nodes[i]
		if n.left != 0 {
			continue
		}
		value := g.value(n)
		for _, row := range g.rowsOf(i) {
			scores[row] += value
		}
		for _, row := range g.held.rows[n.held.lo:n.held.hi] {
			scores[row] += value
		}
	}
}

// tree returns the tree that has grown.
func (g *grower) tree() grove {
	t := grove{nodes: make([]node, 0, len(g.nodes))}
	queue := []int{0}
	for at := 0; at < len(queue); at++ {
		n := &g.nodes[queue[at]]
		if n.left == 0 {
			t.nodes = append(t.nodes, node{value: g.value(n)})
			continue
		}
		made := n.best.node(&g.matrix.features[n.best.feature], &t.sets)
		made.next = uint32(len(queue))
		t.nodes = append(t.nodes, made)
		queue = append(queue, n.left, n.left+1)
	}
	return t
}

// node returns the division in the terms of the raw column; a set goes to sets.
func (d *division) node(f *feature, sets *[]binSet) node {
	n := node{column: uint32(f.column)}
	if d.missingLeft {
		n.column |= missingLeft
	}
	if d.isSet {
		n.column |= asksSet
		n.value = math.Float64frombits(uint64(len(*sets)))
		*sets = append(*sets, d.set)
	} else {
		n.value = f.edges[d.bin]
	}
	return n
}

// leftOf says for each bin of the feature whether it goes left: 1, else 0.
func (d *division) leftOf(f *feature) (goes [256]uint8) {
	for bin := range f.bins {
		if d.isSet && d.set.has(uint8(bin)) || !d.isSet && bin <= d.bin {
			goes[bin] = 1
		}
	}
	if d.missingLeft {
		goes[f.bins] = 1
	}
	return goes
}

// sorter holds rows so that those of a node are neighbours, in ascending order.
type sorter struct {
	all     []int32 // as they were given
	rows    []int32
	scratch []int32
}

func newSorter(rows []int32) sorter {
	return sorter{all: rows, rows: make([]int32, len(rows)), scratch: make([]int32, len(rows))}
}

func (s *sorter) reset() { copy(s.rows, s.all) }

// divide moves the rows of a span that go left before the others and returns where those begin.
func (s *sorter) divide(at span, cells []uint8, goes *[256]uint8) int {
	rows, right := s.rows[at.lo:at.hi], s.scratch[:at.len()]
	l, r := 0, 0
	for _, row := range rows {
		left := int(goes[cells[row]])
		// Both are written and one is kept: a branch here would be mispredicted half of the time.
		rows[l], right[r] = row, row
		l += left
		r += 1 - left
	}
	copy(rows[l:], right[:r])
	return at.lo + l
}

// openNodes is a heap of the nodes that can be divided, the largest gain first, of equal ones the
// older node.
type openNodes struct {
	heap  []int
	nodes *[]growing
}

func (o *openNodes) Len() int { return len(o.heap) }

func (o *openNodes) Less(i, j int) bool {
	a, b := o.heap[i], o.heap[j]
	if x, y := (*o.nodes)[a].best.gain, (*o.nodes)[b].best.gain; x != y {
		return x > y
	}
	return a < b
}

func (o *openNodes) Swap(i, j int) { o.heap[i], o.heap[j] = o.heap[j], o.heap[i] }
func (o *openNodes) Push(i any)    { o.heap = append(o.heap, i.(int)) }

func (o *openNodes) Pop() any {
	last := o.heap[len(o.heap)-1]
	o.heap = o.heap[:len(o.heap)-1]
	return last
}
