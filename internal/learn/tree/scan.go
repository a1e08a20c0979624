package tree

import (
	"cmp"
	"slices"
)

// division is a way to divide the rows of a node by one feature.
type division struct {
	gain        float64
	feature     int // -1: none is worth making
	bin         int // of a number: the last bin on the left
	missingLeft bool
	isSet       bool // of a category
	set         binSet
	left        moment
}

// The rules for categories: a level with fewer than fewRows rows in a node has too little to say
// to have a place in the order, and the order shrinks what the others say towards nothing by as
// much as if each had levelSmoothing more rows.
const (
	fewRows        = 10
	levelSmoothing = 10
)

// minSecond is the least sum of second derivatives on a side.
const minSecond = 1e-3

// scanner finds the best division of a node.
type scanner struct {
	unit    unit
	l2      float64
	minRows int64
	order   []level // of a category, kept to be used again
}

// level is a bin of a category within a node.
type level struct {
	bin int
	key float64
	sum moment
}

// nodeSum is what a scan must know of a node.
type nodeSum struct {
	total moment
	score float64
}

// score is twice what the best answer gains over answering zero: G²/(H+l2). First derivatives stay
// in the units of their integers: only the order of gains matters.
func (s *scanner) score(m moment) float64 {
	g := float64(m.g)
	return g * g / (s.unit.second(m) + s.l2)
}

func (s *scanner) allows(m moment) bool {
	return s.unit.rows(m) >= s.minRows && s.unit.second(m) >= minSecond
}

// try makes left the best division if it is allowed and better.
func (s *scanner) try(best *division, n *nodeSum, left moment) bool {
	right := n.total.minus(left)
	if !s.allows(left) || !s.allows(right) {
		return false
	}
	sides := s.score(left) + s.score(right)
	// What is within rounding of nothing is nothing: a node of equal rows stays whole.
	gain := sides - n.score
	if !(gain > best.gain) || gain <= 1e-12*sides {
		return false
	}
	best.gain, best.left = gain, left
	return true
}

// best returns the best division of a node by one feature, given the feature's part of the histogram.
func (s *scanner) best(f *feature, cells []moment, total moment) division {
	n := &nodeSum{total, s.score(total)}
	d := division{feature: -1}
	if f.unordered {
		s.scanSets(&d, f, cells, n)
	} else {
		s.scanRanges(&d, f, cells, n)
	}
	return d
}

// scanRanges tries the upper edge of every bin, with the missing values right, then left.
func (s *scanner) scanRanges(d *division, f *feature, cells []moment, n *nodeSum) {
	var missing, left moment
	if f.missing {
		missing = cells[f.bins]
	}
	for bin, c := range cells[:f.bins] {
		if c.hn == 0 {
			continue
		}
		left = left.plus(c)
		if s.try(d, n, left) {
			d.feature, d.bin, d.missingLeft = 0, bin, false
		}
		if missing.hn != 0 && s.try(d, n, left.plus(missing)) {
			d.feature, d.bin, d.missingLeft = 0, bin, true
		}
	}
	if d.feature >= 0 && missing.hn == 0 {
		d.missingLeft = s.larger(d.left, n)
	}
}

// larger reports whether the left side has at least as many rows as the right one: where training
// has no missing values in a node, later ones follow most of its rows.
func (s *scanner) larger(left moment, n *nodeSum) bool {
	return 2*s.unit.rows(left) >= s.unit.rows(n.total)
}

// scanSets orders the levels by their mean derivative, which makes the best subset one end of
// the order (Fisher 1958), and tries every end. The levels with few rows stay together, on either side.
func (s *scanner) scanSets(d *division, f *feature, cells []moment, n *nodeSum) {
	s.order = s.order[:0]
	var few moment
	for bin, c := range cells {
		switch rows := s.unit.rows(c); {
		case rows >= fewRows:
			smooth := s.l2 + levelSmoothing*s.unit.second(c)/float64(rows)
			s.order = append(s.order, level{bin, float64(c.g) / (s.unit.second(c) + smooth), c})
		case rows > 0:
			few = few.plus(c)
		}
	}
	slices.SortFunc(s.order, func(a, b level) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.bin, b.bin))
	})
	ends, fewLeft := 0, false
	var left moment
	for i, l := range s.order {
		left = left.plus(l.sum)
		if s.try(d, n, left) {
			ends, fewLeft = i+1, false
		}
		if few.hn != 0 && s.try(d, n, left.plus(few)) {
			ends, fewLeft = i+1, true
		}
	}
	if ends > 0 {
		d.feature, d.isSet, d.missingLeft = 0, true, s.larger(d.left, n)
		d.set = s.leftBins(cells, s.order[:ends], fewLeft, d.missingLeft)
		if f.missing {
			d.missingLeft = d.set.has(uint8(f.bins))
		}
	}
}

// leftBins returns the bins that go left: those of the levels, those with few rows where fewLeft,
// and those without rows where noneLeft.
func (s *scanner) leftBins(cells []moment, levels []level, fewLeft, noneLeft bool) binSet {
	var set binSet
	for bin, c := range cells {
		rows := s.unit.rows(c)
		if rows == 0 && noneLeft || rows > 0 && rows < fewRows && fewLeft {
			set.add(uint8(bin))
		}
	}
	for _, l := range levels {
		set.add(uint8(l.bin))
	}
	return set
}
