package tree

import "math"

// limits bound the answers below a node, in the units of the tree's packing, so that they rise or
// fall with a feature as was asked: where a split on such a feature has given one side the larger
// answer, no leaf on that side answers less than the middle, and none on the other side more.
type limits struct{ low, high float64 }

func noLimits() limits { return limits{math.Inf(-1), math.Inf(1)} }

func (l limits) clip(value float64) float64 { return min(max(value, l.low), l.high) }

// answer is the best one within the limits.
func (s *scanner) answer(m sums) float64 { return s.limits.clip(-m.g / (m.h + s.l2)) }

// scoreOf is twice what an answer gains over answering zero.
func (s *scanner) scoreOf(m sums, answer float64) float64 {
	return -float64(answer * (float64(2*m.g) + float64((m.h+s.l2)*answer)))
}

// cutWithin is cut where answers have limits.
func (s *scanner) cutWithin(more, total sums, sides float64) (int, float64) {
	best := -1
	for i := range s.count {
		left := sums{s.g[i], s.h[i], s.n[i]}.plus(more)
		right := total.minus(left)
		if !s.allows(left) || !s.allows(right) {
			continue
		}
		a, b := s.answer(left), s.answer(right)
		if s.direction > 0 && a > b || s.direction < 0 && a < b {
			continue
		}
		if score := s.scoreOf(left, a) + s.scoreOf(right, b); score > sides {
			best, sides = i, score
		}
	}
	return best, sides
}

// divideLimits returns the limits of the two sides of a division.
func (s *scanner) divideLimits(d *division, total sums, direction int8) (left, right limits) {
	left, right = s.limits, s.limits
	if direction == 0 {
		return left, right
	}
	middle := float64(s.answer(d.left)/2) + float64(s.answer(total.minus(d.left))/2)
	if direction > 0 {
		left.high, right.low = middle, middle
	} else {
		left.low, right.high = middle, middle
	}
	return left, right
}
