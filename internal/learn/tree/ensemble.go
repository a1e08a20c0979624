package tree

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/bakeoffhq/bakeoff"
)

// Ensemble is a trained model: it scores data that has the same columns, in the same order, as the
// data that it was trained on. It is immutable and safe for concurrent use.
type Ensemble struct {
	forest  bool
	classes int // 0 for regression
	columns []column
	// base has, for boosting, the score that each output starts from; for a classification forest
	// the share of each class in the training rows.
	base      []float64
	smoothing float64 // of a classification forest, see setShares
	trees     grove
}

// column is what scoring must know of a training column.
type column struct {
	// slots has the bin of each level of a category, bins for one that training did not see; nil for numbers.
	slots []uint8
	bins  uint8
	gain  float64 // the sum over the splits on this column
}

// grove holds trees one after the other, each with its nodes in breadth-first order.
type grove struct {
	roots  []uint32
	nodes  []node
	sets   []binSet
	shares []share  // of the leaves of a multiclass forest
	starts []uint32 // where in shares a leaf's begin; one more than there are such leaves
}

// node is one node of a tree. Two children are neighbours, and a child comes after its parent.
type node struct {
	// value is a leaf's answer; where the left side of a number ends, itself included; or the bits
	// of the index of the set of bins that go left.
	value float64
	// next is the left child, the right one follows it; 0 for a leaf.
	next uint32
	// column is the column that a split asks, and the flags below; for a leaf of a multiclass
	// forest the index of its distribution.
	column uint32
}

// The flags of a split, above its column.
const (
	missingLeft = 1 << 31 // a missing value goes left
	asksSet     = 1 << 30 // the left side is a set of bins
	columnMask  = asksSet - 1
)

// binSet is a set of bins.
type binSet [4]uint64

func (s *binSet) add(bin uint8)      { s[bin>>6] |= 1 << (bin & 63) }
func (s *binSet) has(bin uint8) bool { return s[bin>>6]>>(bin&63)&1 != 0 }

// share is the part that one class has in a leaf.
type share struct {
	part  float64 // see setShares
	class uint32
	count uint32 // rows, as often as the bootstrap drew them
}

// setShares computes the parts of a leaf: with n rows of which c are of the class, c/(n+smoothing).
// What is missing to one belongs to all classes in the proportion of the training rows: this is
// the mean of a Dirichlet posterior, and keeps every probability above zero.
func setShares(leaf []share, smoothing float64) {
	var n float64
	for _, s := range leaf {
		n += float64(s.count)
	}
	for i := range leaf {
		leaf[i].part = float64(leaf[i].count) / (n + smoothing)
	}
}

// add appends one tree whose nodes, sets and leaves are numbered from zero.
func (g *grove) add(t *grove) {
	base, set, leaf := uint32(len(g.nodes)), uint64(len(g.sets)), uint32(max(0, len(g.starts)-1))
	g.roots = append(g.roots, base)
	for _, n := range t.nodes {
		switch {
		case n.next == 0 && len(t.starts) > 0:
			n.column += leaf
		case n.next != 0:
			n.next += base
			if n.column&asksSet != 0 {
				n.value = math.Float64frombits(math.Float64bits(n.value) + set)
			}
		}
		g.nodes = append(g.nodes, n)
	}
	g.sets = append(g.sets, t.sets...)
	if len(t.starts) > 0 {
		first := uint32(len(g.shares))
		g.starts = g.starts[:leaf]
		for _, s := range t.starts {
			g.starts = append(g.starts, s+first)
		}
		g.shares = append(g.shares, t.shares...)
	}
}

// lanes is the number of walks that go side by side: of some rows down one tree, or of one row down
// some trees. Each step of a walk waits for memory, and the steps of several do not wait for each other.
const lanes = 4

// leavesOf finds the leaves where walks from the nodes end, each of a row of x.
func (g *grove) leavesOf(from [lanes]uint32, x [lanes][]float64) [lanes]uint32 {
	a, b, c, d := from[0], from[1], from[2], from[3]
	xa, xb, xc, xd := x[0], x[1], x[2], x[3]
	for {
		na, nb, nc, nd := &g.nodes[a], &g.nodes[b], &g.nodes[c], &g.nodes[d]
		if na.next|nb.next|nc.next|nd.next == 0 {
			return [lanes]uint32{a, b, c, d}
		}
		a, b, c, d = g.step(a, na, xa), g.step(b, nb, xb), g.step(c, nc, xc), g.step(d, nd, xd)
	}
}

// leafOf finds the leaf that one row falls into.
func (g *grove) leafOf(root uint32, x []float64) uint32 {
	i := root
	for n := &g.nodes[i]; n.next != 0; n = &g.nodes[i] {
		i = n.next
		switch v := x[n.column&columnMask]; {
		case n.column&asksSet != 0 || v != v:
			i += g.asksRight(n, v)
		case v > n.value: // a branch, which the processor follows ahead of the comparison
			i++
		}
	}
	return i
}

// step returns the child that a row goes to, for a leaf the leaf.
func (g *grove) step(i uint32, n *node, x []float64) uint32 {
	if n.next == 0 {
		return i
	}
	v := x[n.column&columnMask]
	if n.column&asksSet != 0 || v != v {
		return n.next + g.asksRight(n, v)
	}
	return n.next + above(v, n.value)
}

// above is 1 if v is above the bound, else 0, without a branch, which would often be mispredicted.
func above(v, bound float64) uint32 {
	if v > bound {
		return 1
	}
	return 0
}

// asksRight is above for a missing value and for a bin.
func (g *grove) asksRight(n *node, v float64) uint32 {
	if v != v && n.column&missingLeft != 0 || v == v && g.sets[math.Float64bits(n.value)].has(uint8(v)) {
		return 0
	}
	return 1
}

// width is the number of answers a row.
func (e *Ensemble) width() int { return max(1, e.classes) }

// outputs is the number of sums over trees a row.
func (e *Ensemble) outputs() int {
	if e.classes == 2 {
		return 1
	}
	return max(1, e.classes)
}

// Importance returns each column's share of the gain of all splits. The shares sum to one; all are
// zero where no split was worth making.
func (e *Ensemble) Importance() []float64 {
	var total float64
	shares := make([]float64, len(e.columns))
	for i, c := range e.columns {
		shares[i] = c.gain
		total += c.gain
	}
	for i := range shares {
		if total > 0 {
			shares[i] /= total
		}
	}
	return shares
}

// Steps returns about how many nodes a row passes on its way to all its leaves, as if the trees were
// balanced.
func (e *Ensemble) Steps() int64 {
	steps := int64(0)
	for i, root := range e.trees.roots {
		end := len(e.trees.nodes)
		if i+1 < len(e.trees.roots) {
			end = int(e.trees.roots[i+1])
		}
		steps += int64(bits.Len(uint(end - int(root))))
	}
	return steps
}

// Predict scores the rows of d: row-major, the probability of each class for classification, one
// value a row for regression. It uses at most threads goroutines, and does not depend on their
// number. It fails if the columns of d are not those of the training data.
func (e *Ensemble) Predict(d Data, threads int) ([]float64, error) {
	if err := e.checkColumns(d); err != nil {
		return nil, err
	}
	out := make([]float64, d.Rows*e.width())
	if d.Rows >= maskLeast {
		if p := planOf(e); p != nil {
			e.predictMasked(p, d, threads, out)
			return out, nil
		}
	}
	// A block's inputs should stay in the first-level cache while all trees pass over them.
	block := max(16, min(256, 4096/(len(e.columns)+1)))
	blocks := (d.Rows + block - 1) / block
	scorers := make([]scorer, max(1, min(threads, blocks)))
	inParallel(threads, blocks, func(worker, task int) {
		lo := task * block
		scorers[worker].score(e, d, lo, min(d.Rows, lo+block), out)
	})
	return out, nil
}

// Scorer is the memory that scoring a few rows takes. Used again, it lets them be scored without
// allocating. Its zero value is ready for use with any ensemble, by one goroutine at a time.
type Scorer struct{ rows scorer }

// Score is Predict for a few rows, in the calling goroutine: it writes to out, which has a place for
// each answer.
func (s *Scorer) Score(e *Ensemble, d Data, out []float64) error {
	if err := e.checkColumns(d); err != nil {
		return err
	}
	if want := d.Rows * e.width(); len(out) != want {
		return fmt.Errorf("place for %d answers, want %d", len(out), want)
	}
	s.rows.score(e, d, 0, d.Rows, out)
	return nil
}

// predictMasked scores all rows of d by a plan, in as many blocks of the same size as threads can share.
func (e *Ensemble) predictMasked(p *plan, d Data, threads int, out []float64) {
	threads = max(1, threads)
	blocks := (d.Rows + maskBlock - 1) / maskBlock
	blocks = min((blocks+threads-1)/threads*threads, d.Rows)
	maskers := make([]masker, min(threads, blocks))
	inParallel(threads, blocks, func(worker, task int) {
		maskers[worker].score(e, p, d, task*d.Rows/blocks, (task+1)*d.Rows/blocks, out)
	})
}

func (e *Ensemble) checkColumns(d Data) error {
	if err := d.check(); err != nil {
		return err
	}
	if len(d.Columns) != len(e.columns) {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "%d columns, the model was trained on %d", len(d.Columns), len(e.columns))
	}
	for i, c := range d.Columns {
		if (c.Levels > 0) != (e.columns[i].slots != nil) {
			return bakeoff.Errorf(bakeoff.CodeInvalid, "column %d: numbers and categories are mistaken for each other", i)
		}
	}
	return nil
}

// scorer is the memory of one goroutine that scores.
type scorer struct {
	inputs []float64 // row-major
	sums   []float64 // row-major
}

// score writes the answers for rows lo up to hi to their place in out.
func (s *scorer) score(e *Ensemble, d Data, lo, hi int, out []float64) {
	s.fill(e, d, lo, hi)
	s.sum(e, hi-lo)
	width, outputs := e.width(), e.outputs()
	for i := range hi - lo {
		e.answer(s.sums[i*outputs:(i+1)*outputs], out[(lo+i)*width:(lo+i+1)*width])
	}
}

// fill turns the columns into rows, and levels into bins. A level that training did not see is missing.
func (s *scorer) fill(e *Ensemble, d Data, lo, hi int) {
	stride := len(e.columns)
	if n := (hi - lo) * stride; len(s.inputs) < n {
		s.inputs = make([]float64, n)
	}
	for j := range e.columns {
		c, at := &e.columns[j], j
		if c.slots == nil {
			for _, x := range d.Columns[j].Numbers[lo:hi] {
				s.inputs[at] = x
				at += stride
			}
			continue
		}
		for _, code := range d.Columns[j].Codes[lo:hi] {
			x := math.NaN()
			if uint(code) < uint(len(c.slots)) && c.slots[code] != c.bins {
				x = float64(c.slots[code])
			}
			s.inputs[at] = x
			at += stride
		}
	}
}

// sum adds up the leaves of all trees, for each row in the order of the trees.
func (s *scorer) sum(e *Ensemble, rows int) {
	outputs := e.outputs()
	if n := rows * outputs; len(s.sums) < n {
		s.sums = make([]float64, n)
	}
	e.start(s.sums, rows)
	together := rows / lanes * lanes
	for t := range e.trees.roots {
		s.sumRows(e, t, together)
	}
	for i := together; i < rows; i++ {
		s.sumTrees(e, i)
	}
}

// sumRows adds the leaves of tree t to the sums of the rows up to rows.
func (s *scorer) sumRows(e *Ensemble, t, rows int) {
	stride, root := len(e.columns), e.trees.roots[t]
	from := [lanes]uint32{root, root, root, root}
	for i := 0; i < rows; i += lanes {
		x := s.inputs[i*stride:]
		leaves := e.trees.leavesOf(from, [lanes][]float64{x[:stride], x[stride:][:stride], x[2*stride:][:stride], x[3*stride:][:stride]})
		for lane, leaf := range leaves {
			s.add(e, t, i+lane, &e.trees.nodes[leaf])
		}
	}
}

// sumTrees adds the leaves of all trees to the sums of a row.
func (s *scorer) sumTrees(e *Ensemble, row int) {
	stride, roots := len(e.columns), e.trees.roots
	x := s.inputs[row*stride : (row+1)*stride]
	t := 0
	for ; t+lanes <= len(roots); t += lanes {
		for lane, leaf := range e.trees.leavesOf([lanes]uint32(roots[t:]), [lanes][]float64{x, x, x, x}) {
			s.add(e, t+lane, row, &e.trees.nodes[leaf])
		}
	}
	for ; t < len(roots); t++ {
		s.add(e, t, row, &e.trees.nodes[e.trees.leafOf(roots[t], x)])
	}
}

// start sets the sums of so many rows to what they are before the first tree.
func (e *Ensemble) start(sums []float64, rows int) {
	outputs := e.outputs()
	if e.forest {
		clear(sums[:rows*outputs])
		return
	}
	for i := range rows {
		copy(sums[i*outputs:(i+1)*outputs], e.base)
	}
}

// add adds the leaf of tree t to the sums of a row.
func (s *scorer) add(e *Ensemble, t, row int, leaf *node) {
	outputs := e.outputs()
	switch {
	case e.hasShares():
		for _, h := range e.trees.leafShares(leaf) {
			s.sums[row*outputs+int(h.class)] += h.part
		}
	case outputs > 1:
		s.sums[row*outputs+t%outputs] += leaf.value
	default:
		s.sums[row] += leaf.value
	}
}

func (g *grove) leafShares(leaf *node) []share {
	return g.shares[g.starts[leaf.column]:g.starts[leaf.column+1]]
}

// answer turns a row's sums over trees into its probabilities or its value.
func (e *Ensemble) answer(sums, out []float64) {
	switch {
	case e.forest:
		e.average(sums, out)
	case e.classes == 0:
		out[0] = sums[0]
	case e.classes == 2:
		out[0], out[1] = sigmoid(-sums[0]), sigmoid(sums[0])
	default:
		softmax(sums, out)
	}
}

func (e *Ensemble) average(sums, out []float64) {
	n := float64(len(e.trees.roots))
	switch e.classes {
	case 0:
		out[0] = sums[0] / n
	case 2:
		out[1] = sums[0] / n
		out[0] = 1 - out[1]
	default:
		rest := n
		for _, s := range sums {
			rest -= s
		}
		for k, s := range sums {
			out[k] = (s + rest*e.base[k]) / n
		}
	}
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// softmax writes the probabilities that the scores stand for to out.
func softmax(scores, out []float64) {
	top := math.Inf(-1)
	for _, s := range scores {
		top = max(top, s)
	}
	var sum float64
	for k, s := range scores {
		out[k] = math.Exp(s - top)
		sum += out[k]
	}
	for k := range out {
		out[k] /= sum
	}
}
