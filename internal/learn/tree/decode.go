package tree

import (
	"encoding/binary"
	"math"

	"github.com/bakeoffhq/bakeoff"
)

// Decode reads the binary form of an ensemble. It accepts only what could have been trained: every
// index is in its range, every number finite, and nothing is left over. The memory that it takes
// is bounded by the length of b.
func Decode(b []byte) (*Ensemble, error) {
	r := &reader{rest: b, size: len(b)}
	if string(r.bytes(len(magic))) != magic {
		r.fail("it does not begin like one")
	}
	e := &Ensemble{}
	r.header(e)
	r.trees(e)
	if r.err == nil && len(r.rest) > 0 {
		r.fail("%d bytes are left over", len(r.rest))
	}
	if r.err != nil {
		return nil, r.err
	}
	return e, nil
}

// reader reads until the first error, and zeros after it.
type reader struct {
	rest []byte
	size int
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		at := r.size - len(r.rest)
		r.err = bakeoff.Errorf(bakeoff.CodeInvalid, "not a tree model: byte %d: "+format, append([]any{at}, args...)...)
	}
	r.rest = nil
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.rest) {
		r.fail("it ends too early")
		return make([]byte, 0)
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

// uint reads a number that is at most most.
func (r *reader) uint(most uint64, what string) uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail("it ends too early or a number is too large")
		return 0
	}
	if v > most {
		r.fail("%s %d, want at most %d", what, v, most)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// count reads how many things follow that take at least size bytes each.
func (r *reader) count(size int, what string) int {
	return int(r.uint(uint64(len(r.rest)/size), what))
}

// number reads a float that is not NaN.
func (r *reader) number() float64 {
	b := r.bytes(8)
	if len(b) < 8 {
		return 0
	}
	x := math.Float64frombits(binary.LittleEndian.Uint64(b))
	if x != x {
		r.fail("NaN")
	}
	return x
}

func (r *reader) finite() float64 {
	x := r.number()
	if math.IsInf(x, 0) {
		r.fail("%v", x)
	}
	return x
}

func (r *reader) header(e *Ensemble) {
	e.forest = r.uint(1, "kind") == 1
	e.classes = int(r.uint(maxClasses, "classes"))
	if e.classes == 1 {
		r.fail("one class")
	}
	e.columns = make([]column, r.count(9, "columns"))
	if len(e.columns) > maxColumns {
		r.fail("%d columns, want at most %d", len(e.columns), maxColumns)
	}
	for i := range e.columns {
		r.column(&e.columns[i])
	}
	base := e.outputs()
	if e.forest {
		base = e.classes
	}
	for range base {
		if r.err != nil {
			return
		}
		e.base = append(e.base, r.finite())
	}
	if e.forest && e.classes > 0 {
		r.checkShares(e.base)
		if e.smoothing = r.finite(); e.smoothing <= 0 && r.err == nil {
			r.fail("smoothing %v, want more than zero", e.smoothing)
		}
	}
}

// checkShares checks the shares of the classes, which decide whether answers are probabilities.
func (r *reader) checkShares(shares []float64) {
	sum := 0.0
	for _, s := range shares {
		sum += s
		if s < 0 {
			r.fail("share %v of a class", s)
		}
	}
	if math.Abs(sum-1) > 1e-6 {
		r.fail("the shares of the classes sum to %v", sum)
	}
}

func (r *reader) column(c *column) {
	if levels := r.count(1, "levels"); levels > 0 {
		c.bins = r.byte()
		c.slots = append([]uint8(nil), r.bytes(levels)...)
		for _, slot := range c.slots {
			if slot > c.bins {
				r.fail("bin %d of %d", slot, c.bins)
				return
			}
		}
	}
	if c.gain = r.finite(); c.gain < 0 {
		r.fail("gain %v", c.gain)
	}
}

func (r *reader) trees(e *Ensemble) {
	thresholds := make([][]float64, len(e.columns))
	for i := range thresholds {
		thresholds[i] = r.thresholds()
	}
	trees := r.count(2, "trees")
	if e.forest && trees == 0 || !e.forest && trees%e.outputs() != 0 {
		r.fail("%d trees for %d outputs", trees, e.outputs())
	}
	if e.hasShares() {
		e.trees.starts = []uint32{0}
	}
	for range trees {
		if r.err != nil {
			return
		}
		r.tree(e, thresholds)
	}
}

func (r *reader) thresholds() []float64 {
	list := make([]float64, r.count(8, "thresholds"))
	for i := range list {
		list[i] = r.number()
		if i > 0 && !(list[i-1] < list[i]) {
			r.fail("thresholds do not ascend")
			return nil
		}
	}
	return list
}

// tree reads nodes until every split has its children. A node of the input takes at least two
// bytes, and a split promises two more nodes: more than the input can hold are refused at once.
func (r *reader) tree(e *Ensemble, thresholds [][]float64) {
	g := &e.trees
	root := len(g.nodes)
	g.roots = append(g.roots, uint32(root))
	known := root + 1
	for at := root; at < known && r.err == nil; at++ {
		var n node
		if tag := r.uint(4*uint64(len(e.columns)), "split"); tag == 0 {
			r.leaf(e, &n)
		} else {
			n = r.split(e, tag-1, thresholds)
			n.next = uint32(known)
			known += 2
		}
		if known-at > len(r.rest)/2+2 || known > math.MaxInt32 {
			r.fail("a tree does not end")
			return
		}
		g.nodes = append(g.nodes, n)
	}
}

func (r *reader) split(e *Ensemble, tag uint64, thresholds [][]float64) node {
	c := int(tag / 4)
	n := node{column: uint32(c)}
	if tag&1 != 0 {
		n.column |= missingLeft
	}
	if tag&2 == 0 {
		list := thresholds[c]
		if len(list) == 0 {
			r.fail("column %d has no threshold", c)
			return n
		}
		n.value = list[r.uint(uint64(len(list)-1), "threshold")]
		return n
	}
	if e.columns[c].slots == nil {
		r.fail("column %d is not a category", c)
		return n
	}
	n.column |= asksSet
	n.value = math.Float64frombits(uint64(len(e.trees.sets)))
	var set binSet
	if b := r.bytes(32); len(b) == 32 {
		for i := range set {
			set[i] = binary.LittleEndian.Uint64(b[8*i:])
		}
	}
	e.trees.sets = append(e.trees.sets, set)
	return n
}

func (r *reader) leaf(e *Ensemble, n *node) {
	g := &e.trees
	if !e.hasShares() {
		n.value = r.finite()
		if e.forest && e.classes == 2 && (n.value < 0 || n.value > 1) {
			r.fail("probability %v", n.value)
		}
		return
	}
	n.column = uint32(len(g.starts) - 1)
	from, next := len(g.shares), uint64(0)
	for range r.count(2, "classes of a leaf") {
		class := r.uint(uint64(e.classes-1), "class")
		if class < next {
			r.fail("classes do not ascend")
		}
		next = class + 1
		rows := r.uint(math.MaxInt32, "rows")
		if rows == 0 {
			r.fail("a class without rows")
		}
		if r.err != nil {
			return
		}
		g.shares = append(g.shares, share{class: uint32(class), count: uint32(rows)})
	}
	if len(g.shares) == from {
		r.fail("a leaf without rows")
	}
	setShares(g.shares[from:], e.smoothing)
	g.starts = append(g.starts, uint32(len(g.shares)))
}
