package neighbors

import "math"

// tree sorts rows into boxes, so that a search can leave out whole boxes. It holds the rows in an
// order of its own, each box's together.
//
// A box is no farther from a question than each of its rows, also after rounding: it is measured by
// the same sums, at the point of the box that is nearest.
type tree struct {
	points Points
	rows   []int32 // the number of each row of points
	nodes  []node  // the first is the root
	// The bounds of each node's box, row-major: numbers and slots, both ends within.
	low, high         []float64
	lowSlot, highSlot []int32
}

// node is a box of the rows from lo up to hi.
type node struct {
	lo, hi int32
	child  int32 // of the two that share it, next to each other; 0 for a leaf
}

// Bounds on the tree: a leaf has about as many rows as are searched as fast as another box is
// looked at, and skewed numbers do not make it endlessly deep.
const (
	leafRows = 24
	maxDepth = 48
)

// grow sorts the rows.
func grow(p Points) *tree {
	t := &tree{points: p, rows: make([]int32, p.Rows)}
	for i := range t.rows {
		t.rows[i] = int32(i)
	}
	g := &grower{tree: t, sums: make([]float64, p.Dense), counts: map[int32]int{}}
	t.add(0, p.Rows)
	g.split(0, maxDepth)
	t.points = p.pick(t.rows)
	return t
}

// pick returns the rows of that number, in that order.
func (p *Points) pick(rows []int32) Points {
	q := Points{Rows: len(rows), Dense: p.Dense, Hot: p.Hot}
	q.Numbers = make([]float64, 0, len(rows)*p.Dense)
	q.Slots = make([]int32, 0, len(rows)*p.Hot)
	for _, row := range rows {
		numbers, slots := p.row(int(row))
		q.Numbers, q.Slots = append(q.Numbers, numbers...), append(q.Slots, slots...)
	}
	return q
}

// add makes a leaf of some rows, with its box.
func (t *tree) add(lo, hi int) {
	n := len(t.nodes)
	t.nodes = append(t.nodes, node{lo: int32(lo), hi: int32(hi)})
	for range t.points.Dense {
		t.low, t.high = append(t.low, math.Inf(1)), append(t.high, math.Inf(-1))
	}
	for range t.points.Hot {
		t.lowSlot, t.highSlot = append(t.lowSlot, math.MaxInt32), append(t.highSlot, -1)
	}
	low, high, lowSlot, highSlot := t.box(n)
	for _, row := range t.rows[lo:hi] {
		numbers, slots := t.points.row(int(row))
		for j, v := range numbers {
			low[j], high[j] = min(low[j], v), max(high[j], v)
		}
		for j, s := range slots {
			lowSlot[j], highSlot[j] = min(lowSlot[j], s), max(highSlot[j], s)
		}
	}
}

// box returns the bounds of a node.
func (t *tree) box(n int) (low, high []float64, lowSlot, highSlot []int32) {
	dense, hot := t.points.Dense, t.points.Hot
	return t.low[n*dense : (n+1)*dense], t.high[n*dense : (n+1)*dense], t.lowSlot[n*hot : (n+1)*hot], t.highSlot[n*hot : (n+1)*hot]
}

// grower is what growing takes beside the tree.
type grower struct {
	*tree
	sums   []float64
	counts map[int32]int
}

// split cuts a leaf in two where its rows differ most, and goes on with both.
func (g *grower) split(n, depth int) {
	lo, hi := int(g.nodes[n].lo), int(g.nodes[n].hi)
	if hi-lo <= leafRows || depth == 0 {
		return
	}
	rows := g.rows[lo:hi]
	column, at, spread := g.widest(rows)
	if slot, mean, apart := g.mostMixed(rows); apart > spread {
		column, at, spread = g.points.Dense+slot, mean, apart
	}
	if spread == 0 {
		return // the rows are all the same
	}
	cut := lo + partition(rows, func(row int32) bool { return g.value(row, column) <= at })
	if cut == lo || cut == hi {
		return // a mean that rounding has moved out of the numbers
	}
	child := len(g.nodes)
	g.add(lo, cut)
	g.add(cut, hi)
	g.nodes[n].child = int32(child)
	g.split(child, depth-1)
	g.split(child+1, depth-1)
}

// value returns a number or, after them, a slot as a number.
func (g *grower) value(row int32, column int) float64 {
	numbers, slots := g.points.row(int(row))
	if column < len(numbers) {
		return numbers[column]
	}
	return float64(slots[column-len(numbers)])
}

// widest returns the number with the largest variance among the rows, its mean and the variance.
func (g *grower) widest(rows []int32) (column int, mean, variance float64) {
	clear(g.sums)
	for _, row := range rows {
		numbers, _ := g.points.row(int(row))
		for j, v := range numbers {
			g.sums[j] += v
		}
	}
	squares := make([]float64, len(g.sums))
	for _, row := range rows {
		numbers, _ := g.points.row(int(row))
		for j, v := range numbers {
			d := v - g.sums[j]/float64(len(rows))
			squares[j] += d * d
		}
	}
	for j, s := range squares {
		if v := s / float64(len(rows)); v > variance {
			column, mean, variance = j, g.sums[j]/float64(len(rows)), v
		}
	}
	return column, mean, variance
}

// mostMixed returns the category whose slots differ most often between two of the rows, the mean of
// its slots and the share of such pairs, which weighs as much as a variance does.
func (g *grower) mostMixed(rows []int32) (column int, mean, share float64) {
	for j := range g.points.Hot {
		clear(g.counts)
		sum := 0.0
		for _, row := range rows {
			slot := g.points.Slots[int(row)*g.points.Hot+j]
			g.counts[slot]++
			sum += float64(slot)
		}
		same := 0.0 // whole numbers, which come to the same in any order
		for _, n := range g.counts {
			same += float64(n) * float64(n)
		}
		if s := 1 - same/float64(len(rows))/float64(len(rows)); s > share {
			column, mean, share = j, sum/float64(len(rows)), s
		}
	}
	return column, mean, share
}

// partition brings the rows for which first is true to the front, both parts in their order, and
// returns how many they are.
func partition(rows []int32, first func(int32) bool) int {
	var rest []int32
	n := 0
	for _, row := range rows {
		if first(row) {
			rows[n] = row
			n++
		} else {
			rest = append(rest, row)
		}
	}
	copy(rows[n:], rest)
	return n
}

// question is a row that is asked about.
type question struct {
	numbers []float64
	slots   []int32
	corner  []float64 // scratch: the point of a box that is nearest
}

// far returns the squared distance of a box, or something beyond the bound.
func (t *tree) far(n int32, q *question, bound float64) float64 {
	low, high, lowSlot, highSlot := t.box(int(n))
	near := 0.0
	for j, s := range q.slots {
		if s < lowSlot[j] || s > highSlot[j] {
			near++
			if s >= 0 && lowSlot[j] >= 0 {
				near++
			}
		}
	}
	if near > bound {
		return near
	}
	corner := q.corner[:len(low)]
	for j, v := range q.numbers {
		corner[j] = min(max(v, low[j]), high[j])
	}
	return distance(near, bound, q.numbers, corner)
}

// visit offers the rows of a box to the heap, the nearer of two boxes first.
func (t *tree) visit(n int32, q *question, h *heap) {
	child := t.nodes[n].child
	if child == 0 {
		t.scan(n, q, h)
		return
	}
	a, b := child, child+1
	nearA, nearB := t.far(a, q, h.bound), t.far(b, q, h.bound)
	if nearB < nearA {
		a, b, nearA, nearB = b, a, nearB, nearA
	}
	if nearA <= h.bound { // at the bound, earlier rows may still count
		t.visit(a, q, h)
	}
	if nearB <= h.bound {
		t.visit(b, q, h)
	}
}

// scan offers the rows of a leaf to the heap.
func (t *tree) scan(n int32, q *question, h *heap) {
	p := &t.points
	for at := int(t.nodes[n].lo); at < int(t.nodes[n].hi); at++ {
		near := apart(q.slots, p.Slots[at*p.Hot:(at+1)*p.Hot])
		if near > h.bound {
			continue
		}
		near = distance(near, h.bound, q.numbers, p.Numbers[at*p.Dense:(at+1)*p.Dense])
		if near <= h.bound {
			h.offer(neighbour{near, t.rows[at]})
		}
	}
}
