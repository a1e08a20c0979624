package tree

import (
	"encoding/binary"
	"math"
	"slices"
)

// The binary form of an ensemble, numbers as unsigned varints and floats as eight bytes, little
// endian:
//
//	magic, kind (0 boosting, 1 forest), classes, columns
//	for each column: levels; for a category its bins, and the bin of each level as a byte; gain
//	base, as many floats as outputs or classes; for a classification forest the smoothing
//	for each column: the number of its thresholds, the thresholds in ascending order
//	the number of trees
//	for each node, tree by tree in breadth-first order: 0 for a leaf, else
//	    1 + 4 * column + 2 if a set is asked + 1 if a missing value goes left
//	    then for a set its 32 bytes, else the index of the threshold among those of the column
//	    then for a leaf its value, or in a multiclass forest the number of its classes, and each
//	    class with its rows
//
// Children need no numbers: in this order the next two nodes that nobody has claimed are the
// children of the next split. So there is no way to write a cycle.
const magic = "bktree1\n"

// AppendBinary appends the binary form of the ensemble to b. The same model gives the same bytes.
// The error is always nil; it is there for encoding.BinaryAppender.
func (e *Ensemble) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, magic...)
	kind := uint64(0)
	if e.forest {
		kind = 1
	}
	b = appendUints(b, kind, uint64(e.classes), uint64(len(e.columns)))
	for _, c := range e.columns {
		b = appendUints(b, uint64(len(c.slots)))
		if len(c.slots) > 0 {
			b = append(b, c.bins)
			b = append(b, c.slots...)
		}
		b = appendFloats(b, c.gain)
	}
	b = appendFloats(b, e.base...)
	if e.forest && e.classes > 0 {
		b = appendFloats(b, e.smoothing)
	}
	return e.appendTrees(b), nil
}

func (e *Ensemble) appendTrees(b []byte) []byte {
	thresholds := e.thresholds()
	for _, t := range thresholds {
		b = appendUints(b, uint64(len(t)))
		b = appendFloats(b, t...)
	}
	b = appendUints(b, uint64(len(e.trees.roots)))
	for i := range e.trees.nodes {
		n := &e.trees.nodes[i]
		switch {
		case n.next == 0:
			b = e.appendLeaf(append(b, 0), n)
		case n.column&asksSet != 0:
			b = appendUints(b, splitTag(n))
			for _, word := range e.trees.sets[math.Float64bits(n.value)] {
				b = binary.LittleEndian.AppendUint64(b, word)
			}
		default:
			at, _ := slices.BinarySearch(thresholds[n.column&columnMask], n.value)
			b = appendUints(b, splitTag(n), uint64(at))
		}
	}
	return b
}

// thresholds returns, for each column, the distinct thresholds of its splits in ascending order.
func (e *Ensemble) thresholds() [][]float64 {
	all := make([][]float64, len(e.columns))
	for _, n := range e.trees.nodes {
		if n.next != 0 && n.column&asksSet == 0 {
			c := n.column & columnMask
			at, found := slices.BinarySearch(all[c], n.value)
			if !found {
				all[c] = slices.Insert(all[c], at, n.value)
			}
		}
	}
	return all
}

func splitTag(n *node) uint64 {
	tag := 1 + 4*uint64(n.column&columnMask)
	if n.column&asksSet != 0 {
		tag += 2
	}
	if n.column&missingLeft != 0 {
		tag++
	}
	return tag
}

func (e *Ensemble) appendLeaf(b []byte, n *node) []byte {
	if !e.hasShares() {
		return appendFloats(b, n.value)
	}
	leaf := e.trees.leafShares(n)
	b = appendUints(b, uint64(len(leaf)))
	for _, s := range leaf {
		b = appendUints(b, uint64(s.class), uint64(s.count))
	}
	return b
}

// hasShares reports whether the leaves are shares of classes, not values.
func (e *Ensemble) hasShares() bool { return e.forest && e.classes > 2 }

func appendUints(b []byte, values ...uint64) []byte {
	for _, v := range values {
		b = binary.AppendUvarint(b, v)
	}
	return b
}

func appendFloats(b []byte, values ...float64) []byte {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}
