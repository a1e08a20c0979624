package tree

import (
	"container/heap"
	"context"
	"math"
	"math/rand/v2"

	"github.com/bakeoffhq/bakeoff"
)

// grower grows one tree after the other on the same rows.
type grower struct {
	matrix  *matrix
	p       BoostParams
	seed    uint64
	threads int
	number  int // of the tree, among those of all growers
	// all has the derivatives of the rows, words what the packing makes of them.
	all   []derivative
	words []uint64
	pack  packing
	gains []float64 // of the tree, by feature, in units of its packing

	train, held sorter
	gathered    []uint64 // the words of a node's rows, in their order
	pool        histograms
	scratch     [][mostPerGroup]table // of each thread
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
	sum         sums
	best        division
	histogram   histogram // nil where it is not kept
	limits      limits
	left        int     // the right child follows; 0 for a leaf
	value       float64 // of a leaf
}

// span is a range of a sorter's rows.
type span struct{ lo, hi int }

func (s span) len() int { return s.hi - s.lo }

// newGrower returns a grower for some of the rows of a data set.
func newGrower(m *matrix, p BoostParams, rows, train, held int, seed uint64, threads, memory int) *grower {
	g := &grower{
		matrix: m, p: p, seed: seed, threads: threads,
		all: make([]derivative, rows), words: make([]uint64, rows), gains: make([]float64, len(m.features)),
		train: newSorter(train), held: newSorter(held), gathered: make([]uint64, train),
		scanners: make([]scanner, threads), found: make([]division, 2*len(m.features)),
	}
	tables := m.tables()
	if train > narrowRows {
		tables *= 2
		g.scratch = make([][mostPerGroup]table, threads)
	}
	g.pool = newHistograms(tables, memory)
	g.queue.nodes = &g.nodes
	return g
}

// wide reports whether a histogram has two tables a feature.
func (g *grower) wide() bool { return g.scratch != nil }

// threadsFor returns how many threads to use for work that takes one thread about so many
// nanoseconds: waking another takes a while too.
func (g *grower) threadsFor(nanoseconds int) int {
	const worthwhile = 60_000
	return min(g.threads, 1+nanoseconds/worthwhile)
}

// grow grows a tree, which is that number among those of all growers, for an output of the loss, from the rows of train.
func (g *grower) grow(ctx context.Context, l loss, output, number int, train, held []int32) error {
	g.number, g.train.all, g.held.all = number, train, held
	if err := g.quantise(l, output); err != nil {
		return err
	}
	g.reset()
	for g.leaves < g.p.MaxLeaves && len(g.queue.heap) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		g.divide(heap.Pop(&g.queue).(int))
	}
	g.answer()
	return ctx.Err()
}

// quantise computes the derivatives of an output and packs them. Its blocks do not depend on the
// number of threads, and so neither do the sums.
func (g *grower) quantise(l loss, output int) error {
	const block = 4096
	rows := g.train.all
	threads := g.threadsFor(8 * len(rows))
	parts := make([]spread, (len(rows)+block-1)/block)
	inParallel(threads, len(parts), func(_, i int) {
		part := rows[i*block : min(len(rows), (i+1)*block)]
		l.derivatives(output, part, g.all)
		parts[i] = measure(g.all, part)
	})
	s := joinSpreads(parts, len(rows))
	if s.topG > math.MaxFloat64 || s.topH > math.MaxFloat64 {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "the weights of rows, times what the target's values are off, are beyond all numbers").
			WithHint("divide the weights by their largest")
	}
	s.constant = l.constant()
	g.pack = newPacking(s, g.wide())
	p := g.pack.packer()
	inBlocks(threads, len(rows), func(_, lo, hi int) {
		to := g.gathered[lo:hi]
		for i, row := range rows[lo:hi] {
			w := p.pack(g.all[row])
			g.words[row], to[i] = w, w
		}
	})
	for i := range g.scanners {
		g.scanners[i].reset(&g.pack, &g.p)
	}
	return nil
}

// reset starts over with the root alone.
func (g *grower) reset() {
	for i := range g.nodes {
		g.drop(i)
	}
	clear(g.gains)
	g.train.reset()
	g.held.reset()
	g.queue.heap = g.queue.heap[:0]
	g.leaves = 1
	root := growing{train: span{0, len(g.train.rows)}, held: span{0, len(g.held.rows)}, limits: noLimits()}
	g.nodes = append(g.nodes[:0], root)
	if g.divisible(0) {
		n := &g.nodes[0]
		n.histogram = g.count(g.train.rows) // quantise has gathered them
		first, rest := g.tablesOf(n.histogram, 0)
		for bin := range g.matrix.lanes[0].width {
			n.sum = n.sum.plus(g.scanners[0].cell(first, rest, bin))
		}
		g.search([]int{0})
	}
}

// tablesOf returns the tables of a lane; the second is nil where one has all sums.
func (g *grower) tablesOf(h histogram, lane int) (first, rest *table) {
	if g.wide() {
		rest = &h[g.matrix.tables()+lane]
	}
	return &h[lane], rest
}

// histogram counts the rows of a node.
func (g *grower) histogram(rows []int32) histogram {
	inBlocks(g.threadsFor(len(rows)), len(rows), func(_, lo, hi int) {
		to := g.gathered[lo:hi]
		for i, row := range rows[lo:hi] {
			to[i] = g.words[row]
		}
	})
	return g.count(rows)
}

// count is histogram for rows whose words are gathered.
func (g *grower) count(rows []int32) histogram {
	h := g.pool.take()
	words := g.gathered[:len(rows)]
	threads := g.threadsFor(len(rows) * len(g.matrix.lanes) / 2)
	inParallel(threads, len(g.matrix.groups), func(worker, group int) {
		if g.wide() {
			g.matrix.sumWide(group, h, &g.pack, &g.scratch[worker], rows, words)
			return
		}
		g.matrix.sum(group, h[group*g.matrix.perGroup:], rows, words)
	})
	return h
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
	middle := g.train.divide(n.train, f.cells, &goes, g.threadsFor(n.train.len()))
	heldMiddle := g.held.divide(n.held, f.cells, &goes, 1)
	g.gains[n.best.feature] += n.best.gain
	s := &g.scanners[0]
	s.limits = n.limits
	leftLimits, rightLimits := s.divideLimits(&n.best, n.sum, g.direction(f))
	left := len(g.nodes)
	g.nodes[i].left = left
	g.nodes = append(g.nodes,
		growing{
			train: span{n.train.lo, middle}, held: span{n.held.lo, heldMiddle},
			depth: n.depth + 1, sum: n.best.left, limits: leftLimits,
		},
		growing{
			train: span{middle, n.train.hi}, held: span{heldMiddle, n.held.hi},
			depth: n.depth + 1, sum: n.sum.minus(n.best.left), limits: rightLimits,
		})
	g.leaves++
	g.open(i, left)
	g.drop(i)
}

// direction says whether the answers must rise or fall with a feature.
func (g *grower) direction(f *feature) int8 {
	if g.p.Monotonic == nil {
		return 0
	}
	return g.p.Monotonic[f.column]
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
	g.matrix.subtract(g.nodes[large].histogram, g.nodes[small].histogram)
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
	threads := g.threadsFor(100 * features * len(nodes))
	wanted := g.draw(nodes)
	lanes := len(g.matrix.lanes)
	inParallel(threads, lanes*len(nodes), func(worker, task int) {
		k := task / lanes
		from := k * features
		found, wanted := g.found[from:from+features], wanted
		if wanted != nil {
			wanted = wanted[from : from+features]
		}
		g.searchLane(&g.scanners[worker], &g.nodes[nodes[k]], task%lanes, found, wanted)
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

// searchLane finds the best division of a node by each feature of a lane that is wanted.
func (g *grower) searchLane(s *scanner, n *growing, at int, found []division, wanted []bool) {
	l := &g.matrix.lanes[at]
	first, rest := g.tablesOf(n.histogram, at)
	if len(l.features) > 1 {
		l.divide(first[:l.width], g.matrix.features, &s.first)
		if rest != nil {
			l.divide(rest[:l.width], g.matrix.features, &s.rest)
		}
	}
	for m, j := range l.features {
		if wanted != nil && !wanted[j] {
			found[j] = division{feature: -1}
			continue
		}
		first, rest := first, rest
		if len(l.features) > 1 {
			if first = &s.first[m]; rest != nil {
				rest = &s.rest[m]
			}
		}
		f := &g.matrix.features[j]
		s.limits, s.direction = n.limits, g.direction(f)
		found[j] = s.best(f, first, rest, n.sum)
	}
}

// draw returns which features each node may be divided by, one node after the other; nil for all.
func (g *grower) draw(nodes []int) []bool {
	if g.p.MaxFeatures == 0 || g.p.MaxFeatures == 1 {
		return nil
	}
	features := len(g.matrix.features)
	wanted := make([]bool, features*len(nodes))
	for k, i := range nodes {
		r := rand.New(rand.NewPCG(g.seed^streamFeatures, uint64(g.number)<<32|uint64(i)))
		most := max(1, int(math.Round(g.p.MaxFeatures*float64(features))))
		for _, j := range r.Perm(features)[:most] {
			wanted[k*features+j] = true
		}
	}
	return wanted
}

// answer gives the leaves their values, from derivatives that are not rounded.
func (g *grower) answer() {
	inParallel(g.threadsFor(3*len(g.train.rows)), len(g.nodes), func(_, i int) {
		if n := &g.nodes[i]; n.left == 0 {
			unit := g.pack.g / g.pack.h
			n.value = g.value(g.rowsOf(i), limits{n.limits.low * unit, n.limits.high * unit})
		}
	})
}

// value is the answer to some rows: the step of Newton's method within limits, times the learning rate.
func (g *grower) value(rows []int32, l limits) float64 {
	var sum derivative
	for _, row := range rows {
		d := &g.all[row]
		sum.g, sum.h = sum.g+d.g, sum.h+d.h
	}
	if sum.h += g.p.L2; sum.h <= 0 {
		return 0
	}
	return g.p.LearningRate * l.clip(-sum.g/sum.h)
}

// addTo adds each row's answer to its score.
func (g *grower) addTo(scores []float64) {
	inParallel(g.threadsFor(2*len(g.train.rows)), len(g.nodes), func(_, i int) {
		n := &g.nodes[i]
		if n.left != 0 {
			return
		}
		for _, row := range g.rowsOf(i) {
			scores[row] += n.value
		}
		for _, row := range g.held.rows[n.held.lo:n.held.hi] {
			scores[row] += n.value
		}
	})
}

// tree returns the tree that has grown.
func (g *grower) tree() grove {
	t := grove{nodes: make([]node, 0, len(g.nodes))}
	queue := []int{0}
	for at := 0; at < len(queue); at++ {
		n := &g.nodes[queue[at]]
		if n.left == 0 {
			t.nodes = append(t.nodes, node{value: n.value})
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
