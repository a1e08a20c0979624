package tree

import (
	"math"
	"math/bits"
)

// sums are those of some rows: first and second derivatives in the units of a packing, and the
// number of rows. All are whole numbers below 2^53, so that a sum is exact, whatever the order of its
// terms.
type sums struct {
	g, h float64
	n    int
}

func (s sums) plus(o sums) sums  { return sums{s.g + o.g, s.h + o.h, s.n + o.n} }
func (s sums) minus(o sums) sums { return sums{s.g - o.g, s.h - o.h, s.n - o.n} }

// packing says how one word holds the sums of some rows, so that one addition adds all three: first
// derivatives with their sign above, the number of rows below, second derivatives between them or,
// where they are one a row, the number of rows again. Sums that are smaller than a tree's are rounded
// by less than the rows' noise; answers of leaves are not computed from them.
type packing struct {
	g, h           float64 // the units, powers of two
	gShift, hShift uint
	hMask, nMask   uint64
	block          int // the number of rows that a word has room for; 0 for all of the tree's
}

const (
	// narrowRows is the number of rows up to which words have room for all rows of a tree.
	narrowRows = 1<<16 - 1
	// wideBlock is the number of rows that a word has room for where a tree has more, and
	// wideSmallBlock that where few rows have by far the largest derivatives.
	wideBlock      = 1<<13 - 1
	wideSmallBlock = 1<<9 - 1
	// wideFirst and wideSecond are the most bits of one row's derivatives where a tree has more.
	wideFirst, wideSecond = 26, 11
	// wideShift divides the second word of a wide sum: second derivatives above it, rows below.
	wideShift = 27
)

// newPacking returns the finest units in which no sum over the rows overflows.
func newPacking(s spread, wide bool) packing {
	if !wide {
		return newNarrow(s)
	}
	p := newWide(s, wideBlock)
	if s.meanG < 32*p.g {
		p = newWide(s, wideSmallBlock)
	}
	return p
}

func newNarrow(s spread) packing {
	n := bits.Len(uint(s.rows))
	h := (64-n)/2 - 1
	if s.constant {
		h = 0
	}
	g := min(48, 64-n-h)
	// A hundredth more than the sum has room for the rounding of each row.
	total := func(mean float64, size int) float64 { return math.Ldexp(1.01*mean, -size) * float64(s.rows) }
	return packing{
		g: powerAbove(total(s.meanG, g-1)), h: powerAbove(total(s.meanH, h)),
	}.layout(n, h)
}

func newWide(s spread, block int) packing {
	n := bits.Len(uint(block))
	h := n + wideSecond
	if s.constant {
		h = 0
	}
	g := min(wideFirst, 63-2*n-h)
	p := packing{
		g: powerAbove(math.Ldexp(s.topG, -g)), h: powerAbove(math.Ldexp(s.topH, -wideSecond)),
	}.layout(n, h)
	p.block = block
	return p
}

// layout sets the places of the parts, given the bits of the lower two.
func (p packing) layout(n, h int) packing {
	p.nMask, p.hMask = 1<<n-1, 1<<h-1
	p.hShift, p.gShift = uint(n), uint(n+h)
	if h == 0 {
		p.h, p.hShift, p.hMask = 1, 0, p.nMask
	}
	return p
}

// powerAbove returns a power of two that is not below x, and whose inverse is a number.
func powerAbove(x float64) float64 {
	_, e := math.Frexp(x)
	return math.Ldexp(1, max(-1000, e))
}

// packer turns derivatives into words.
type packer struct {
	g, h           float64
	gShift, hShift uint
}

func (p *packing) packer() packer {
	if p.hMask == p.nMask {
		return packer{1 / p.g, 0, p.gShift & 63, 0}
	}
	return packer{1 / p.g, 1 / p.h, p.gShift & 63, p.hShift & 63}
}

// pack returns one row's word.
func (p packer) pack(d derivative) uint64 {
	return uint64(nearest(float64(d.g*p.g)))<<(p.gShift&63) + uint64(nearest(float64(d.h*p.h)))<<(p.hShift&63) + 1
}

// nearest rounds to a whole number, of two the even one: a sum with this constant has no room for a
// fraction.
func nearest(x float64) int64 {
	const big = 3 << 51
	return int64(math.Float64bits(x+big)) - 0x4338000000000000
}

func (p *packing) unpack(w uint64) sums {
	return sums{
		float64(int64(w) >> (p.gShift & 63)), float64(w >> (p.hShift & 63) & p.hMask), int(w & p.nMask),
	}
}

// widen adds words to wide sums.
func (p *packing) widen(first, rest *table, words []uint64) {
	for bin, w := range words {
		first[uint8(bin)] += uint64(int64(w) >> (p.gShift & 63))
		rest[uint8(bin)] += w>>(p.hShift&63)&p.hMask<<wideShift + w&p.nMask
	}
}

func wideSums(first, rest uint64) sums {
	return sums{float64(int64(first)), float64(rest >> wideShift), int(rest & (1<<wideShift - 1))}
}

// gain returns what a gain in the other's units is in these.
func (p *packing) gain(other *packing) float64 {
	ratio := other.g / p.g
	return ratio * ratio * (p.h / other.h)
}
