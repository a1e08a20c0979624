package judge

import (
	"fmt"

	"github.com/bakeoffhq/bakeoff"
)

// beyondNoise decides by `gain: significant`: the best of the challengers that pass the floors and
// that the judge can tell, beyond noise, from the champion and from the baseline is promoted. Where
// it can tell none, that is the verdict, and the reason says how large a gain it would have found.
func (b *board) beyondNoise(f family) outcome {
	baseline := b.of(bakeoff.RoleBaseline)[0]
	floor := f
	if f.reference.row.Role == bakeoff.RoleChampion {
		floor = b.compareAll(baseline)
	}
	passing := b.passing()
	for _, k := range passing {
		if f.significant(k.row.Candidate, b.alpha()) && floor.significant(k.row.Candidate, b.alpha()) {
			b.decidedBy(f, k)
			return b.beyond(k, f)
		}
	}
	best := passing[0]
	b.decidedBy(f, best)
	switch {
	case !b.metrics.objective.Better(best.value, baseline.value):
		return kept("no challenger beats the baseline: %s", b.against(best, baseline))
	case !floor.significant(best.row.Candidate, b.alpha()):
		b.decidedBy(floor, best)
		return kept("cannot tell %s from the baseline: %s", b.label(best), b.noise(best, floor))
	case b.metrics.objective.Better(best.value, f.reference.value):
		return kept("cannot tell %s from v%d: %s", b.label(best), f.reference.row.Version, b.noise(best, f))
	case best.value == f.reference.value:
		return b.gain(bakeoff.Gain{}, best, f.reference) // a tie
	}
	return kept("no challenger is better than v%d: %s%s", f.reference.row.Version, b.against(best, f.reference), b.finds(f.of[best.row.Candidate]))
}

// decidedBy keeps the comparison that the verdict is about.
func (b *board) decidedBy(f family, k place) {
	if c, ok := f.of[k.row.Candidate]; ok {
		b.deciding = &c
	}
}

// beyond promotes a challenger that is better than the reference beyond noise.
func (b *board) beyond(k place, f family) outcome {
	won := b.corrected(f.of[k.row.Candidate], f.size)
	if f.reference.row.Role == bakeoff.RoleBaseline {
		o := b.first(k, f.reference)
		o.reason += " (" + won + ")"
		return o
	}
	own, other := pair(k.value, f.reference.value)
	return promoted(k, "%s is ahead of v%d by %s of %s (%s against %s; %s)", k.row.Candidate, f.reference.row.Version,
		b.gainInWords(f.of[k.row.Candidate].Gain), b.metrics.objective.Name(), own, other, won)
}

// noise says of a challenger that is ahead, and yet not beyond noise, by how much and what would be.
func (b *board) noise(k place, f family) string {
	own, other := pair(k.value, f.reference.value)
	c := f.of[k.row.Candidate]
	return fmt.Sprintf("it is ahead by %s of %s (%s against %s), within noise (%s)%s",
		b.gainInWords(c.Gain), b.metrics.objective.Name(), own, other, b.corrected(c, f.size), b.finds(c))
}

// finds says which gain these rows would have found.
func (b *board) finds(c bakeoff.Comparison) string {
	if c.Detectable == 0 {
		return ""
	}
	return fmt.Sprintf("; this holdout finds a gain of %s or more", b.gainInWords(c.Detectable))
}

// corrected writes the chance that a gain is noise.
func (b *board) corrected(c bakeoff.Comparison, challengers int) string {
	p := "p " + number(c.Adjusted, 2)
	if c.Adjusted < 0.0001 {
		p = "p < 0.0001"
	}
	if challengers > 1 {
		p += fmt.Sprintf(", corrected for %d challengers", challengers)
	}
	return p
}
