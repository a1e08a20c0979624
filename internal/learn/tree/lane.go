package tree

import (
	"cmp"
	"slices"
)

// lane is one byte of a row's word: the bin of one feature, or those of several with few bins, as the
// digits of one number. A lane of several features is counted once for all of them, and their own
// sums are made from its sums.
type lane struct {
	features []int // the first has the highest digit
	width    int   // bins
}

// lanesOf puts features together whose bins, multiplied, are few beside the rows: what is saved at
// the rows must not be lost at the bins.
func lanesOf(features []feature, rows int) []lane {
	most := min(256, rows/64)
	order := make([]int, len(features))
	for j := range order {
		order[j] = j
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(features[b].width(), features[a].width()) })
	var lanes []lane
	open := 0 // lanes before it have no room for another feature
	for _, j := range order {
		width := features[j].width()
		for open < len(lanes) && 2*lanes[open].width > most {
			open++
		}
		i := open
		for i < len(lanes) && lanes[i].width*width > most {
			i++
		}
		if i == len(lanes) {
			lanes = append(lanes, lane{width: 1})
		}
		lanes[i].features = append(lanes[i].features, j)
		lanes[i].width *= width
	}
	return lanes
}

// addTo adds the lane's bin of each row to a byte of its word.
func (l *lane) addTo(words []uint64, features []feature, shift int) {
	scale := l.width
	for _, j := range l.features {
		scale /= features[j].width()
		for row, bin := range features[j].cells[:len(words)] {
			words[row] += uint64(bin) * uint64(scale) << shift
		}
	}
}

// divide gives each feature of a lane the sums of its bins: each digit's are those of a range of
// the lane's bins, and what is summed over all ranges is the lane of the remaining digits.
func (l *lane) divide(cells []uint64, features []feature, to *[mostPerGroup]table) {
	var scratch [2]table
	for m, j := range l.features[:len(l.features)-1] {
		inner := len(cells) / features[j].width()
		next := scratch[m%2][:inner]
		clear(next)
		for digit := range features[j].width() {
			var sum uint64
			for i, c := range cells[digit*inner:][:len(next)] {
				sum += c
				next[i] += c
			}
			to[m][uint8(digit)] = sum
		}
		cells = next
	}
	copy(to[len(l.features)-1][:], cells)
}
