// Package neighbors turns the training rows themselves into a model: a row is answered by the k of
// them that are nearest to it.
//
// The search is exact. It leaves a box of rows, and a row, as soon as it is farther away than the k
// best so far. Memory and the time for an answer grow with the training rows. Of rows that are
// equally far the earlier ones count, so that the answers depend on nothing else.
package neighbors

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// Points are encoded rows: a few numbers and the slot of each category column.
type Points struct {
	Rows  int
	Dense int // numbers a row
	Hot   int // category columns
	// Numbers has Rows*Dense finite numbers, row-major.
	Numbers []float64
	// Slots has Rows*Hot slots, row-major; -1 for none. Two rows with different slots are as far
	// apart as if each slot were a column that is one, and the others zero.
	Slots []int32
}

// row returns the numbers and the slots of one row.
func (p *Points) row(i int) ([]float64, []int32) {
	return p.Numbers[i*p.Dense : (i+1)*p.Dense], p.Slots[i*p.Hot : (i+1)*p.Hot]
}

// Rows are training rows, encoded, and what is known of them.
type Rows struct {
	Points
	Classes int       // 0 for a regression
	Codes   []int32   // the class of each row, or
	Values  []float64 // its value
	Weights []float64 // how much the vote of each row counts, above 0; nil for one each
}

// Model answers by neighbours. It is immutable and safe for concurrent use.
type Model struct {
	rows       Rows // but for their points, which the tree has
	tree       *tree
	k          int
	byDistance bool
}

// New returns the model that answers by the k nearest of the rows, of which there are as many at
// least. ByDistance has each count by one over its distance; those at no distance at all then
// outvote the others.
func New(rows Rows, k int, byDistance bool) *Model {
	m := &Model{rows: rows, tree: grow(rows.Points), k: k, byDistance: byDistance}
	m.rows.Points = Points{}
	return m
}

// Size returns how many numbers and slots the model keeps.
func (m *Model) Size() int64 {
	return int64(m.tree.points.Rows) * int64(m.tree.points.Dense+m.tree.points.Hot)
}

// blockRows is how many questions a goroutine takes at a time.
const blockRows = 32

// Predict returns, for each row of p, the share of the votes that each class has, row-major, or the
// mean of the neighbours' values. The answers do not depend on threads.
func (m *Model) Predict(ctx context.Context, p *Points, threads int) ([]float64, error) {
	width := max(1, m.rows.Classes)
	out := make([]float64, p.Rows*width)
	blocks := (p.Rows + blockRows - 1) / blockRows
	var next atomic.Int64
	work := func() {
		h := &heap{rows: make([]neighbour, 0, m.k)}
		q := &question{corner: make([]float64, p.Dense)}
		for b := int(next.Add(1)) - 1; b < blocks && ctx.Err() == nil; b = int(next.Add(1)) - 1 {
			for row := b * blockRows; row < min((b+1)*blockRows, p.Rows); row++ {
				q.numbers, q.slots = p.row(row)
				h.reset()
				m.tree.visit(0, q, h)
				m.answer(out[row*width:(row+1)*width], h.sorted())
			}
		}
	}
	var wait sync.WaitGroup
	for range min(threads, blocks) - 1 {
		wait.Go(work)
	}
	work()
	wait.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return out, nil
}

// apart returns the squared distance that slots make.
func apart(a, b []int32) float64 {
	b = b[:len(a)]
	ones := 0
	for i, slot := range a {
		switch other := b[i]; {
		case slot == other:
		case slot < 0 || other < 0:
			ones++
		default:
			ones += 2
		}
	}
	return float64(ones)
}

// distance adds the squared differences of the numbers to sum, and returns early what is beyond the
// bound already.
func distance(sum, bound float64, a, b []float64) float64 {
	for len(a) >= 4 && len(b) >= 4 {
		p, q := (*[4]float64)(a), (*[4]float64)(b)
		d0, d1, d2, d3 := p[0]-q[0], p[1]-q[1], p[2]-q[2], p[3]-q[3]
		sum += (float64(d0*d0) + float64(d1*d1)) + (float64(d2*d2) + float64(d3*d3))
		if sum > bound {
			return sum
		}
		a, b = a[4:], b[4:]
	}
	b = b[:len(a)]
	for i, v := range a {
		d := v - b[i]
		sum += float64(d * d)
	}
	return sum
}

// answer fills in the answer that the nearest rows give.
func (m *Model) answer(out []float64, nearest []neighbour) {
	if m.rows.Classes > 0 {
		m.shares(out, nearest)
	} else {
		out[0] = m.mean(nearest)
	}
}

// vote returns how much a neighbour counts; exact says that one at no distance is among them.
func (m *Model) vote(n neighbour, exact bool) float64 {
	vote := 1.0
	if m.rows.Weights != nil {
		vote = m.rows.Weights[n.row]
	}
	switch {
	case !m.byDistance, exact && n.square == 0:
		return vote
	case exact:
		return 0
	}
	return vote / math.Sqrt(n.square)
}

// shares fills p with the share of the votes of each class.
func (m *Model) shares(p []float64, rows []neighbour) {
	exact := rows[0].square == 0
	total := 0.0
	for _, n := range rows {
		vote := m.vote(n, exact)
		p[m.rows.Codes[n.row]] += vote
		total += vote
	}
	for k := range p {
		p[k] /= total
	}
}

// mean returns the mean of the neighbours' values, reckoned in units of the largest so that no sum
// overflows.
func (m *Model) mean(rows []neighbour) float64 {
	exact := rows[0].square == 0
	unit := 0.0
	for _, n := range rows {
		unit = max(unit, math.Abs(m.rows.Values[n.row]))
	}
	if unit == 0 {
		return 0
	}
	sum, total := 0.0, 0.0
	for _, n := range rows {
		vote := m.vote(n, exact)
		sum += float64(vote * (m.rows.Values[n.row] / unit))
		total += vote
	}
	return min(max(sum/total, -1), 1) * unit
}

// neighbour is a training row and its squared distance.
type neighbour struct {
	square float64
	row    int32
}

// before orders neighbours: the nearer first, then the earlier.
func (n neighbour) before(o neighbour) bool {
	return n.square < o.square || n.square == o.square && n.row < o.row
}

// heap holds the nearest rows so far, as many as it has room for, the farthest on top.
type heap struct {
	rows  []neighbour
	bound float64 // a row farther than that is none of them
}

func (h *heap) reset() { h.rows, h.bound = h.rows[:0], math.Inf(1) }

// offer adds a row, in the place of the farthest where there is no room.
func (h *heap) offer(n neighbour) {
	switch {
	case len(h.rows) < cap(h.rows):
		h.rows = append(h.rows, n)
		h.up(len(h.rows) - 1)
	case n.before(h.rows[0]):
		h.rows[0] = n
		h.down(0)
	}
	if len(h.rows) == cap(h.rows) {
		h.bound = h.rows[0].square
	}
}

func (h *heap) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !h.rows[parent].before(h.rows[i]) {
			return
		}
		h.rows[i], h.rows[parent] = h.rows[parent], h.rows[i]
		i = parent
	}
}

func (h *heap) down(i int) {
	for {
		top := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h.rows); child++ {
			if h.rows[top].before(h.rows[child]) {
				top = child
			}
		}
		if top == i {
			return
		}
		h.rows[i], h.rows[top] = h.rows[top], h.rows[i]
		i = top
	}
}

// sorted returns the rows, the nearest first. The heap is none any more.
func (h *heap) sorted() []neighbour {
	slices.SortFunc(h.rows, func(a, b neighbour) int {
		if a.before(b) {
			return -1
		}
		return 1
	})
	return h.rows
}
