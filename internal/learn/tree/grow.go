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
	crew    *crew // whose threads work for it; nil for one thread
	number  int   // of the tree, among those of all growers
	// all has the derivatives of the rows, words what the packing makes of them.
	all   []derivative
	words []uint64
	pack  packing
	gains []float64 // of the tree, by feature, in units of its packing

	train, held sorter
	gathered    []uint64 // the words of a node's rows, in their order
	pool        *histograms
	scratch     [][mostPerGroup]table // of each thread
	scanners    []scanner
	found       []division // of each thread, by child and feature
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
	id          uint64      // of its place in the tree
	children    *[2]growing // what its division would make, once that is known and until it is made
	left        int         // the right child follows; 0 for a leaf
	value       float64     // of a leaf
}

// hand is who does a piece of work: a worker below the grower's threads, and on how many of them.
type hand struct{ worker, threads int }

// span is a range of a sorter's rows.
type span struct{ lo, hi int }

func (s span) len() int { return s.hi - s.lo }

// newGrower returns a grower for some of the rows of a data set.
func newGrower(m *matrix, p BoostParams, rows, train, held int, seed uint64, threads, memory int) *grower {
	g := &grower{
		matrix: m, p: p, seed: seed, threads: threads,
		all: make([]derivative, rows), words: make([]uint64, rows), gains: make([]float64, len(m.features)),
		train: newSorter(train), held: newSorter(held), gathered: make([]uint64, train),
		scanners: make([]scanner, threads), found: make([]division, 2*threads*len(m.features)),
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

// everybody is a hand that uses all threads.
func (g *grower) everybody() hand { return hand{threads: g.threads} }

// threadsFor returns how many threads to use for work that takes one thread about so many
// nanoseconds: handing it to another takes a while too.
func (h hand) threadsFor(nanoseconds int) int {
	const worthwhile = 5_000
	return min(h.threads, 1+nanoseconds/worthwhile)
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
		g.lookAhead()
		g.divide(heap.Pop(&g.queue).(int))
	}
	g.takeBack()
	g.answer()
	return ctx.Err()
}

// quantise computes the derivatives of an output and packs them. Its blocks do not depend on the
// number of threads, and so neither do the sums.
func (g *grower) quantise(l loss, output int) error {
	const block = 4096
	rows := g.train.all
	threads := g.everybody().threadsFor(8 * len(rows))
	parts := make([]spread, (len(rows)+block-1)/block)
	g.crew.inParallel(threads, len(parts), func(_, i int) {
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
	g.crew.inBlocks(threads, len(rows), func(_, lo, hi int) {
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
		g.drop(&g.nodes[i])
	}
	clear(g.gains)
	g.train.reset()
	g.held.reset()
	g.queue.heap = g.queue.heap[:0]
	g.leaves = 1
	root := growing{train: span{0, len(g.train.rows)}, held: span{0, len(g.held.rows)}, limits: noLimits(), id: 1, best: division{feature: -1}}
	g.nodes = append(g.nodes[:0], root)
	if n := &g.nodes[0]; g.divisible(n) && g.p.MaxLeaves > 1 {
		n.histogram = g.count(g.train.rows, g.gathered[:len(g.train.rows)], g.everybody()) // quantise has gathered them
		first, rest := g.tablesOf(n.histogram, 0)
		for bin := range g.matrix.lanes[0].width {
			n.sum = n.sum.plus(g.scanners[0].cell(first, rest, bin))
		}
		g.search(g.everybody(), n)
		g.enqueue(0)
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
func (g *grower) histogram(n *growing, h hand) histogram {
	rows, words := g.train.rows[n.train.lo:n.train.hi], g.gathered[n.train.lo:n.train.hi]
	g.crew.inBlocks(h.threadsFor(len(rows)), len(rows), func(_, lo, hi int) {
		to := words[lo:hi]
		for i, row := range rows[lo:hi] {
			to[i] = g.words[row]
		}
	})
	return g.count(rows, words, h)
}

// count is histogram for rows whose words are gathered.
func (g *grower) count(rows []int32, words []uint64, h hand) histogram {
	counted := g.pool.take()
	threads := h.threadsFor(len(rows) * len(g.matrix.lanes) / 2)
	g.crew.inParallel(threads, len(g.matrix.groups), func(worker, group int) {
		if g.wide() {
			g.matrix.sumWide(group, counted, &g.pack, &g.scratch[h.worker+worker], rows, words)
			return
		}
		g.matrix.sum(group, counted[group*g.matrix.perGroup:], rows, words)
	})
	return counted
}

// divisible reports whether a node may be divided, as far as it is up to the node.
func (g *grower) divisible(n *growing) bool {
	return n.train.len() >= 2*g.p.MinSamplesLeaf && (g.p.MaxDepth == 0 || n.depth < g.p.MaxDepth) && len(g.matrix.features) > 0
}

// aloneRows is how many rows a node has that is worth all threads. Smaller ones are looked at side by
// side, each by a thread.
const aloneRows = 1 << 14

// lookAhead finds out what the division of the first node in the queue would make. Several threads do
// that for the next nodes too, one more than there are threads so that none waits for the slowest, since
// most of them will be divided sooner or later: what is made of
// them does not depend on when it was found out.
func (g *grower) lookAhead() {
	first := &g.nodes[g.queue.heap[0]]
	if first.children != nil {
		return
	}
	if g.threads == 1 || first.train.len() >= aloneRows {
		g.expand(first, g.everybody(), g.leaves+1 < g.p.MaxLeaves)
		return
	}
	next := g.next(g.threads + 1)
	g.crew.inParallel(g.threads, len(next), func(worker, k int) {
		if n := &g.nodes[next[k]]; n.children == nil {
			g.expand(n, hand{worker, 1}, g.leaves+1+k < g.p.MaxLeaves)
		}
	})
}

// next returns the first nodes in the queue, as many as are wanted and may be divided.
func (g *grower) next(wanted int) []int {
	wanted = min(wanted, len(g.queue.heap), g.p.MaxLeaves-g.leaves)
	nodes := make([]int, wanted)
	for k := range nodes {
		nodes[k] = heap.Pop(&g.queue).(int)
	}
	for _, i := range nodes {
		heap.Push(&g.queue, i)
	}
	return nodes
}

// expand finds the children that the best division of a node makes and, if it is wanted, the best
// divisions of those.
func (g *grower) expand(n *growing, h hand, search bool) {
	f := &g.matrix.features[n.best.feature]
	goes := n.best.leftOf(f)
	middle := g.train.divide(n.train, f.cells, &goes, g.crew, h.threadsFor(n.train.len()))
	heldMiddle := g.held.divide(n.held, f.cells, &goes, nil, 1)
	s := &g.scanners[h.worker]
	s.limits = n.limits
	leftLimits, rightLimits := s.divideLimits(&n.best, n.sum, g.direction(f))
	n.children = &[2]growing{
		{
			train: span{n.train.lo, middle}, held: span{n.held.lo, heldMiddle}, id: 2 * n.id,
			depth: n.depth + 1, sum: n.best.left, limits: leftLimits, best: division{feature: -1},
		},
		{
			train: span{middle, n.train.hi}, held: span{heldMiddle, n.held.hi}, id: 2*n.id + 1,
			depth: n.depth + 1, sum: n.sum.minus(n.best.left), limits: rightLimits, best: division{feature: -1},
		},
	}
	if !search {
		return
	}
	left, right := &n.children[0], &n.children[1]
	switch l, r := g.divisible(left), g.divisible(right); {
	case l && r:
		g.fill(n, h)
		g.search(h, left, right)
	case l:
		g.fill(n, h)
		g.search(h, left)
	case r:
		g.fill(n, h)
		g.search(h, right)
	}
}

// fill gives the children of a node their histograms: the smaller one's is summed, and the larger
// one's is what remains of the parent's.
func (g *grower) fill(n *growing, h hand) {
	small, large := &n.children[0], &n.children[1]
	if small.train.len() > large.train.len() {
		small, large = large, small
	}
	small.histogram = g.histogram(small, h)
	if n.histogram == nil {
		large.histogram = g.histogram(large, h)
		return
	}
	large.histogram, n.histogram = n.histogram, nil
	g.matrix.subtract(large.histogram, small.histogram)
}

// divide makes the division of a node whose children are known.
func (g *grower) divide(i int) {
	n := &g.nodes[i]
	g.gains[n.best.feature] += n.best.gain
	children, left := n.children, len(g.nodes)
	n.children, n.left = nil, left
	g.drop(n)
	g.nodes = append(g.nodes, children[0], children[1])
	g.leaves++
	g.enqueue(left)
	g.enqueue(left + 1)
}

// enqueue opens a node if it has a division.
func (g *grower) enqueue(i int) {
	n := &g.nodes[i]
	if n.best.feature >= 0 {
		heap.Push(&g.queue, i)
	}
	if n.best.feature < 0 || g.pool.full() {
		g.drop(n)
	}
}

// takeBack undoes what was found out about divisions that were not made: the rows of a leaf are in
// their order again.
func (g *grower) takeBack() {
	for i := range g.nodes {
		n := &g.nodes[i]
		if n.children == nil {
			continue
		}
		g.train.merge(n.train, n.children[0].train.hi)
		g.held.merge(n.held, n.children[0].held.hi)
		g.drop(&n.children[0])
		g.drop(&n.children[1])
		n.children = nil
	}
}

// direction says whether the answers must rise or fall with a feature.
func (g *grower) direction(f *feature) int8 {
	if g.p.Monotonic == nil {
		return 0
	}
	return g.p.Monotonic[f.column]
}

func (g *grower) rowsOf(i int) []int32 {
	return g.train.rows[g.nodes[i].train.lo:g.nodes[i].train.hi]
}

// drop gives a node's histogram back.
func (g *grower) drop(n *growing) {
	g.pool.give(n.histogram)
	n.histogram = nil
}

// search finds the best division of each node, of equal ones that by the first feature.
func (g *grower) search(h hand, nodes ...*growing) {
	features, lanes := len(g.matrix.features), len(g.matrix.lanes)
	all := g.found[2*h.worker*features:][:len(nodes)*features]
	wanted := g.draw(nodes)
	g.crew.inParallel(h.threadsFor(100*features*len(nodes)), lanes*len(nodes), func(worker, task int) {
		k := task / lanes
		from := k * features
		found, wanted := all[from:from+features], wanted
		if wanted != nil {
			wanted = wanted[from : from+features]
		}
		g.searchLane(&g.scanners[h.worker+worker], nodes[k], task%lanes, found, wanted)
	})
	for k, n := range nodes {
		n.best = division{feature: -1}
		for j, d := range all[k*features : (k+1)*features] {
			if d.feature >= 0 && d.gain > n.best.gain {
				n.best, n.best.feature = d, j
			}
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
func (g *grower) draw(nodes []*growing) []bool {
	if g.p.MaxFeatures == 0 || g.p.MaxFeatures == 1 {
		return nil
	}
	features := len(g.matrix.features)
	wanted := make([]bool, features*len(nodes))
	for k, n := range nodes {
		r := rand.New(rand.NewPCG(g.seed^streamFeatures^uint64(g.number)<<32, n.id))
		most := max(1, int(math.Round(g.p.MaxFeatures*float64(features))))
		for _, j := range r.Perm(features)[:most] {
			wanted[k*features+j] = true
		}
	}
	return wanted
}

// answer gives the leaves their values, from derivatives that are not rounded.
func (g *grower) answer() {
	g.crew.inParallel(g.everybody().threadsFor(3*len(g.train.rows)), len(g.nodes), func(_, i int) {
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
	g.crew.inParallel(g.everybody().threadsFor(2*len(g.train.rows)), len(g.nodes), func(_, i int) {
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
