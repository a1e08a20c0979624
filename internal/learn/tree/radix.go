package tree

import (
	"math"
	"slices"
)

// sortNumbers sorts numbers, none of them NaN. Many of them are sorted by one byte after the other of
// their bits, which takes a third of the time of comparisons; bytes that all have alike are passed over.
func sortNumbers(values []float64) {
	const worthwhile = 1 << 10
	if len(values) < worthwhile {
		slices.Sort(values)
		return
	}
	keys, scratch := make([]uint64, len(values)), make([]uint64, len(values))
	counts := new([8][256]int32)
	for i, x := range values {
		key := orderedBits(x)
		keys[i] = key
		for b := range counts {
			counts[b][uint8(key>>(8*b))]++
		}
	}
	for b := range counts {
		if int(counts[b][uint8(keys[0]>>(8*b))]) == len(keys) {
			continue
		}
		at := int32(0)
		for digit, n := range counts[b] {
			counts[b][digit] = at
			at += n
		}
		for _, key := range keys {
			place := &counts[b][uint8(key>>(8*b))]
			scratch[*place] = key
			*place++
		}
		keys, scratch = scratch, keys
	}
	for i, key := range keys {
		values[i] = numberOf(key)
	}
}

// orderedBits returns bits that are ordered as the numbers are.
func orderedBits(x float64) uint64 {
	b := math.Float64bits(x)
	return b ^ (uint64(int64(b)>>63) | 1<<63)
}

// numberOf is the inverse of orderedBits.
func numberOf(b uint64) float64 {
	return math.Float64frombits(b ^ (uint64(int64(^b)>>63) | 1<<63))
}
