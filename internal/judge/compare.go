package judge

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/metric"
)

// family is the challengers compared with one reference on the same rows, by falling rank, their
// p-values corrected together: whoever looks at more challengers finds more gains that are none.
type family struct {
	reference place
	of        map[string]bakeoff.Comparison // by candidate
	size      int
}

// compareAll compares every ranked challenger with a ranked reference.
func (b *board) compareAll(reference place) family {
	challengers := b.challengers()
	f := family{reference: reference, of: make(map[string]bakeoff.Comparison, len(challengers)), size: len(challengers)}
	p := make([]float64, len(challengers))
	tests := make([]metric.Comparison, len(challengers))
	b.each(len(challengers), func(i int) {
		tests[i] = b.test(challengers[i], reference)
		p[i] = tests[i].P
	})
	adjusted := metric.Holm(p)
	for i, k := range challengers {
		f.of[k.row.Candidate] = b.comparison(k, reference, tests[i], adjusted[i], f.size)
	}
	return f
}

// test compares a ranked place with another. Rows on which the two cannot be compared tell nothing:
// the chance that all is noise is then one.
func (b *board) test(k, reference place) metric.Comparison {
	t, err := k.evidence.Compare(reference.evidence, b.metrics.confidence, b.metrics.seed)
	if err != nil {
		return metric.Comparison{P: 1, Gain: b.ahead(k, reference)}
	}
	return t
}

// ahead is by how much a place is better than another, in the metric's unit.
func (b *board) ahead(k, reference place) float64 {
	if b.metrics.objective.HigherIsBetter() {
		return k.value - reference.value
	}
	return reference.value - k.value
}

// comparison records a test of one of so many challengers.
func (b *board) comparison(k, reference place, t metric.Comparison, adjusted float64, challengers int) bakeoff.Comparison {
	asked := 0.0
	if !b.rule.Significant {
		asked = b.margin(reference)
	}
	return bakeoff.Comparison{
		Candidate: k.row.Candidate, With: reference.row.Candidate, Role: reference.row.Role,
		Test: t.Test, Gain: t.Gain, Interval: t.Interval, P: t.P, Adjusted: adjusted,
		Detectable: t.Detectable(b.alpha()/float64(max(1, challengers)), bakeoff.Power),
		Needed:     b.needed(t, reference, challengers), Asked: asked,
	}
}

// needed is the gain that the gate's rule asks for, about, of one of so many challengers.
func (b *board) needed(t metric.Comparison, reference place, challengers int) float64 {
	if b.rule.Significant {
		return distuv.UnitNormal.Quantile(1-b.alpha()/float64(max(1, challengers))) * t.Deviation
	}
	return b.margin(reference)
}

// margin is the gate's margin over a reference, in the metric's unit.
func (b *board) margin(reference place) float64 {
	if b.rule.Relative {
		return b.rule.Margin * math.Abs(reference.value)
	}
	return b.rule.Margin
}

// alpha is the chance that the gate grants itself of a promotion by noise, for all challengers of a
// run together.
func (b *board) alpha() float64 { return 1 - b.metrics.confidence }

// significant reports whether a candidate is better than the family's reference beyond noise.
func (f family) significant(candidate string, alpha float64) bool {
	c, ok := f.of[candidate]
	return ok && c.Gain > 0 && c.Adjusted <= alpha
}

// smallest returns the smallest gain that the rows find: of the best challenger over the champion
// or, where the two answer alike, of the next. Where there is no champion, what a challenger gains
// over another tells more than what it gains over the baseline.
func (b *board) smallest(f family) float64 {
	if f.reference.row.Role == bakeoff.RoleBaseline && b.second != nil && b.second.Detectable > 0 {
		return b.second.Detectable
	}
	for _, k := range b.challengers() {
		if c := f.of[k.row.Candidate]; c.Detectable > 0 {
			return c.Detectable
		}
	}
	return 0
}

// note adds to the ranked rows how they compare with the reference, and with the best.
func (b *board) note(f family) {
	best, second := b.bestTwo()
	for i := range b.places {
		k := &b.places[i]
		if !k.ranked {
			continue
		}
		if c, ok := f.of[k.row.Candidate]; ok && k.row.Role == bakeoff.RoleChallenger {
			k.row.Against = &c
		}
		k.row.Noise = best != nil && k.row.Role != bakeoff.RoleBaseline && (k == best || b.test(*best, *k).P > b.alpha())
	}
	if second != nil {
		t := b.test(*best, *second)
		c := b.comparison(*best, *second, t, t.P, f.size)
		b.second = &c
	}
	b.detectable = b.smallest(f)
}

// bestTwo returns the first two ranked places that are not the baseline's, nil where there is none.
func (b *board) bestTwo() (best, second *place) {
	for i := range b.places {
		k := &b.places[i]
		switch {
		case !k.ranked || k.row.Role == bakeoff.RoleBaseline:
		case best == nil:
			best = k
		default:
			return best, k
		}
	}
	return best, nil
}

// gainInWords writes an improvement of the objective: in points where the metric is a share.
func (b *board) gainInWords(gain float64) string {
	if b.metrics.objective.Unit() {
		return number(100*math.Abs(gain), 2) + " pt"
	}
	return number(math.Abs(gain), 2)
}
