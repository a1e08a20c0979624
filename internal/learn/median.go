package learn

import (
	"math"
	"slices"
)

// median returns the median of values that has none missing, in time that grows with their number
// alone; the mean of the middle two of an even number. It leaves values in another order.
func median(values []float64) float64 {
	half := len(values) / 2
	upper := nth(slices.Clone(values), half)
	if len(values)%2 == 1 {
		return upper
	}
	below, lower := 0, math.Inf(-1)
	for _, v := range values {
		if v < upper {
			below++
			lower = max(lower, v)
		}
	}
	if below < half { // the one before is as large
		return upper
	}
	return float64(lower/2) + float64(upper/2)
}

// few values are parted instead of counted.
const few = 1024

// nth returns the value that would be at place n if values were sorted. It makes buckets by some
// bits of the values, the first ones first, and goes on with that bucket which has place n. It
// overwrites values.
func nth(values []float64, n int) float64 {
	bits := 12
	if len(values) > 1<<15 {
		bits = 16 // worth the larger table
	}
	var count []int32
	for shift := 64; len(values) > few && shift > 0; {
		step := min(bits, shift)
		shift -= step
		mask := uint64(1)<<step - 1
		count = append(count[:0], make([]int32, 1<<step)...)
		for _, v := range values {
			count[ascending(v)>>shift&mask]++
		}
		bucket := uint64(0)
		for n >= int(count[bucket]) {
			n -= int(count[bucket])
			bucket++
		}
		kept := values[:0]
		for _, v := range values {
			if ascending(v)>>shift&mask == bucket {
				kept = append(kept, v)
			}
		}
		values = kept
	}
	return nthOfFew(values, n)
}

// nthOfFew is nth for few values: it parts them at one of three of them, and goes on with the part that
// has place n. Where that does not get on, it sorts what is left.
func nthOfFew(values []float64, n int) float64 {
	for tries := 0; len(values) > 12 && tries < 40; tries++ {
		a, b, c := values[0], values[len(values)/2], values[len(values)-1]
		middle := max(min(a, b), min(max(a, b), c))
		i, j := 0, len(values)-1
		for i <= j { // what is left of i is no larger, what is right of j no smaller
			for values[i] < middle {
				i++
			}
			for values[j] > middle {
				j--
			}
			if i <= j {
				values[i], values[j] = values[j], values[i]
				i++
				j--
			}
		}
		switch {
		case n <= j:
			values = values[:j+1]
		case n >= i:
			values, n = values[i:], n-i
		default:
			return middle
		}
	}
	slices.Sort(values)
	return values[n]
}

// ascending returns the bits of a number so that larger numbers have larger ones.
func ascending(v float64) uint64 {
	b := math.Float64bits(v)
	return b ^ (uint64(int64(b)>>63) | 1<<63)
}
