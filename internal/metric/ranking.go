package metric

import (
	"math"

	"github.com/bakeoffhq/bakeoff"
)

// ranking is the rows of a holdout by falling score of one class. Rows of equal score form a tie.
type ranking struct {
	class int
	rows  []int32
	ends  []int32 // of each tie: the index after its last row
	found []int32 // of each tie: how many rows up to its end are of the class
}

// newRanking ranks the rows by the probability of a class.
func newRanking(y bakeoff.Labels, p *bakeoff.Predictions, class int) ranking {
	k := len(p.Classes)
	order := make([]scored, p.Len())
	for i := range order {
		order[i] = scored{falling(p.Probabilities[i*k+class]), int32(i)}
	}
	order = sorted(order)
	r := ranking{
		class: class, rows: make([]int32, len(order)),
		ends: make([]int32, 0, len(order)), found: make([]int32, 0, len(order)),
	}
	found := int32(0)
	for i, o := range order {
		r.rows[i] = o.row
		if int(y.Codes[o.row]) == class {
			found++
		}
		if i+1 == len(order) || order[i+1].key != o.key {
			r.ends, r.found = append(r.ends, int32(i+1)), append(r.found, found)
		}
	}
	return r
}

// tie is rows of equal score.
type tie struct {
	rows                 []int32
	positives, negatives float64 // of the ranking's class, and not
}

// ties calls visit for each tie, from the highest score to the lowest.
func (r ranking) ties(visit func(tie)) {
	for i := range r.ends {
		visit(r.tie(i))
	}
}

// tiesUpwards calls visit for each tie, from the lowest score to the highest.
func (r ranking) tiesUpwards(visit func(tie)) {
	for i := range r.ends {
		visit(r.tie(len(r.ends) - 1 - i))
	}
}

func (r ranking) tie(i int) tie {
	start, found := int32(0), int32(0)
	if i > 0 {
		start, found = r.ends[i-1], r.found[i-1]
	}
	rows, positives := r.rows[start:r.ends[i]], float64(r.found[i]-found)
	return tie{rows: rows, positives: positives, negatives: float64(len(rows)) - positives}
}

// totals returns how many rows are of the ranking's class, and how many are not.
func (r ranking) totals() (positives, negatives float64) {
	positives = float64(r.found[len(r.found)-1])
	return positives, float64(len(r.rows)) - positives
}

// scored is a row with a key that is the smaller the higher its score.
type scored struct {
	key uint64
	row int32
}

// falling maps finite numbers to keys of the opposite order, equal ones to equal keys.
func falling(score float64) uint64 {
	if score == 0 {
		score = 0 // of either sign
	}
	bits := math.Float64bits(score)
	if bits>>63 == 1 {
		return bits
	}
	return ^bits &^ (1 << 63)
}

// A pass of sorted looks at so many bits of the keys.
const (
	digitBits = 11
	digits    = (64 + digitBits - 1) / digitBits
	digitMask = 1<<digitBits - 1
)

// sorted returns the rows by rising key, those of equal key in the order given, in the same memory
// or other. It distributes them by one digit of the key after the other, from the last, which for
// many rows takes a quarter of the time of comparing them.
func sorted(order []scored) []scored {
	counts := new([digits][1 << digitBits]int32)
	for _, o := range order {
		for d := range digits {
			counts[d][o.key>>(d*digitBits)&digitMask]++
		}
	}
	other := make([]scored, len(order))
	for d := range digits {
		starts, shift := &counts[d], d*digitBits
		if len(order) == 0 || int(starts[order[0].key>>shift&digitMask]) == len(order) {
			continue // all have the same digit
		}
		next := int32(0)
		for i, n := range starts {
			starts[i] = next
			next += n
		}
		for _, o := range order {
			at := &starts[o.key>>shift&digitMask]
			other[*at] = o
			*at++
		}
		order, other = other, order
	}
	return order
}
