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
	left        sums
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

// scanner finds the best division of a node. Sums are in the units of the tree's packing: only
// the order of gains matters.
type scanner struct {
	pack    *packing
	l2      float64
	minRows int
	minH    float64

	// Of the node and the feature that are scanned, where some feature has a direction.
	bounded   bool
	limits    limits
	direction int8

	// The bins of a feature that occur in a node, with the sums up to each.
	count int
	words table
	g, h  [256]float64
	n     [256]int
	bins  [256]uint8
	order []level // of a category, kept to be used again

	first, rest [mostPerGroup]table // of the features of a lane
	levels      [256]sums
}

// level is a bin of a category within a node.
type level struct {
	bin int
	key float64
	sum sums
}

// reset makes the scanner ready for the trees of a packing.
func (s *scanner) reset(p *packing, params *BoostParams) {
	s.pack, s.l2, s.minH, s.minRows = p, params.L2/p.h, minSecond/p.h, params.MinSamplesLeaf
	s.bounded = params.Monotonic != nil
}

// score is twice what the best answer gains over answering zero: G²/(H+l2).
func (s *scanner) score(m sums) float64 { return float64(m.g*m.g) / (m.h + s.l2) }

func (s *scanner) allows(m sums) bool { return m.n >= s.minRows && m.h >= s.minH }

// best returns the best division of a node by one feature, whose tables are given.
func (s *scanner) best(f *feature, first, rest *table, total sums) division {
	d := division{feature: -1}
	score := s.score(total)
	if s.bounded {
		score = s.scoreOf(total, s.answer(total))
	}
	// What is within rounding of nothing is nothing: a node of equal rows stays whole.
	sides := score * (1 + 1e-12)
	if f.unordered {
		sides = s.scanSets(&d, f, first, rest, total, sides)
	} else {
		sides = s.scanRanges(&d, f, first, rest, total, sides)
	}
	d.gain = sides - score
	return d
}

// cell returns the sums of one bin.
func (s *scanner) cell(first, rest *table, bin int) sums {
	if rest == nil {
		return s.pack.unpack(first[bin])
	}
	return wideSums(first[bin], rest[bin])
}

// scanRanges tries the upper edge of every bin, with the missing values right, then left.
func (s *scanner) scanRanges(d *division, f *feature, first, rest *table, total sums, sides float64) float64 {
	var missing sums
	if f.missing {
		missing = s.cell(first, rest, f.bins)
	}
	if rest == nil {
		s.addUp(first[:f.bins])
	} else {
		s.addUpWide(first[:f.bins], rest[:f.bins])
	}
	best, sides := s.cut(sums{}, total, sides)
	left := false
	if missing.n > 0 {
		var other int
		if other, sides = s.cut(missing, total, sides); other >= 0 {
			best, left = other, true
		}
	}
	if best < 0 {
		return sides
	}
	d.feature, d.bin, d.missingLeft = 0, int(s.bins[best]), left
	d.left = sums{s.g[best], s.h[best], s.n[best]}
	if left {
		d.left = d.left.plus(missing)
	}
	if missing.n == 0 {
		d.missingLeft = larger(d.left, total)
	}
	return sides
}

// addUp fills in the sums up to each bin that occurs.
func (s *scanner) addUp(cells []uint64) {
	var sum uint64
	var k uint8
	for bin, c := range cells {
		sum += c
		// Written for every bin and kept for those that occur, without a branch: it would be mispredicted.
		s.words[k], s.bins[k] = sum, uint8(bin)
		k += uint8((c | -c) >> 63)
	}
	s.count = int(k)
	p := *s.pack
	for i, w := range s.words[:s.count] {
		i := uint8(i)
		s.g[i] = float64(int64(w) >> (p.gShift & 63))
		s.h[i] = float64(int64(w >> (p.hShift & 63) & p.hMask))
		s.n[i] = int(w & p.nMask)
	}
}

// addUpWide is addUp for wide sums.
func (s *scanner) addUpWide(first, rest []uint64) {
	var a, b uint64
	s.count = 0
	rest = rest[:len(first)]
	for bin, c := range rest {
		if c == 0 {
			continue
		}
		a += first[bin]
		b += c
		i := uint8(s.count)
		s.bins[i] = uint8(bin)
		s.g[i], s.h[i], s.n[i] = float64(int64(a)), float64(int64(b>>wideShift)), int(b&(1<<wideShift-1))
		s.count++
	}
}

// cut returns the bin after which both sides together score most, where more is joined to the
// left side, and their score; -1 where no cut that is allowed scores more than sides.
func (s *scanner) cut(more, total sums, sides float64) (int, float64) {
	if s.bounded {
		return s.cutWithin(more, total, sides)
	}
	lo, hi := 0, s.count
	for lo < hi && !s.allows(sums{0, s.h[lo] + more.h, s.n[lo] + more.n}) {
		lo++
	}
	for lo < hi && !s.allows(sums{0, total.h - s.h[hi-1] - more.h, total.n - s.n[hi-1] - more.n}) {
		hi--
	}
	best := -1
	bestOver, bestUnder := sides, 1.0 // a fraction, so that comparing needs no division
	leftH, rightG, rightH := more.h+s.l2, total.g-more.g, total.h-more.h+s.l2
	gs, hs := s.g[lo:hi], s.h[lo:hi]
	hs = hs[:len(gs)]
	for i, g := range gs {
		a, b := g+more.g, rightG-g
		l, r := hs[i]+leftH, rightH-hs[i]
		over, under := float64(float64(a*a)*r)+float64(float64(b*b)*l), float64(l*r)
		if float64(over*bestUnder) > float64(bestOver*under) {
			best, bestOver, bestUnder = lo+i, over, under
		}
	}
	return best, bestOver / bestUnder
}

// larger reports whether the left side has at least as many rows as the right one: where training
// has no missing values in a node, later ones follow most of its rows.
func larger(left, total sums) bool { return 2*left.n >= total.n }

// scanSets orders the levels by their mean derivative, which makes the best subset one end of
// the order (Fisher 1958), and tries every end. The levels with few rows stay together, on either side.
func (s *scanner) scanSets(d *division, f *feature, first, rest *table, total sums, sides float64) float64 {
	s.order = s.order[:0]
	var few sums
	cells := s.levels[:f.width()]
	for bin := range cells {
		c := s.cell(first, rest, bin)
		cells[bin] = c
		switch {
		case c.n >= fewRows:
			smooth := s.l2 + levelSmoothing*c.h/float64(c.n)
			s.order = append(s.order, level{bin, c.g / (c.h + smooth), c})
		case c.n > 0:
			few = few.plus(c)
		}
	}
	slices.SortFunc(s.order, byKey)
	s.addLevels()
	best, sides := s.cut(sums{}, total, sides)
	fewLeft := false
	if few.n > 0 {
		var other int
		if other, sides = s.cut(few, total, sides); other >= 0 {
			best, fewLeft = other, true
		}
	}
	if best < 0 {
		return sides
	}
	d.feature, d.isSet = 0, true
	d.left = sums{s.g[best], s.h[best], s.n[best]}
	if fewLeft {
		d.left = d.left.plus(few)
	}
	d.missingLeft = larger(d.left, total)
	d.set = leftBins(cells, s.order[:best+1], fewLeft, d.missingLeft)
	if f.missing {
		d.missingLeft = d.set.has(uint8(f.bins))
	}
	return sides
}

func byKey(a, b level) int {
	switch {
	case a.key < b.key:
		return -1
	case a.key > b.key:
		return 1
	}
	return cmp.Compare(a.bin, b.bin)
}

// addLevels fills in the sums up to each level of the order.
func (s *scanner) addLevels() {
	var sum sums
	for i, l := range s.order {
		sum = sum.plus(l.sum)
		s.g[i], s.h[i], s.n[i] = sum.g, sum.h, sum.n
	}
	s.count = len(s.order)
}

// leftBins returns the bins that go left: those of the levels, those with few rows where fewLeft,
// and those without rows where noneLeft.
func leftBins(cells []sums, levels []level, fewLeft, noneLeft bool) binSet {
	var set binSet
	for bin, c := range cells {
		if c.n == 0 && noneLeft || c.n > 0 && c.n < fewRows && fewLeft {
			set.add(uint8(bin))
		}
	}
	for _, l := range levels {
		set.add(uint8(l.bin))
	}
	return set
}
