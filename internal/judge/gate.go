package judge

import (
	"fmt"
	"maps"
	"slices"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/metric"
)

// outcome is what a decision comes to.
type outcome struct {
	verdict   bakeoff.Verdict
	reason    string
	candidate string // the one that passed the gate: the one to promote, if nothing stands in its way
}

func failed(format string, args ...any) outcome {
	return outcome{verdict: bakeoff.Failed, reason: fmt.Sprintf(format, args...)}
}

func kept(format string, args ...any) outcome {
	return outcome{verdict: bakeoff.Kept, reason: fmt.Sprintf(format, args...)}
}

func promoted(p place, format string, args ...any) outcome {
	return outcome{verdict: bakeoff.Promoted, reason: fmt.Sprintf(format, args...), candidate: p.row.Candidate}
}

// decide walks the table of the package comment.
func (b *board) decide(c Case) outcome {
	if o, over := b.tooFew(c); over {
		return o
	}
	baseline := b.of(bakeoff.RoleBaseline)[0]
	if !baseline.ranked {
		return failed("nothing can be judged: %s; choose another metric or split", baseline.row.Reason)
	}
	if c.Contaminated != "" {
		return kept("nobody can be judged by this holdout: %s; it takes a data.key that differs from row to row, or a split.by that keeps rows of one identity together", c.Contaminated)
	}
	champion, ok := first(b.of(bakeoff.RoleChampion))
	if ok && !champion.ranked {
		return kept("v%d stays because it cannot be compared with the challengers: %s; `bakeoff promote --force` decides by hand",
			champion.row.Version, unlike(c, champion))
	}
	reference := baseline
	if ok {
		reference = champion
	}
	f := b.compareAll(reference)
	b.note(f)
	b.stopAll(c.Pipeline.Gate)
	best, o := b.challenger()
	if o.verdict != "" {
		return o
	}
	if b.rule.Significant {
		return b.beyondNoise(f)
	}
	b.decidedBy(f, best)
	if !b.metrics.objective.Better(best.value, baseline.value) {
		return kept("no challenger beats the baseline: %s", b.against(best, baseline))
	}
	if !ok {
		return b.first(best, baseline)
	}
	return b.gain(c.Pipeline.Gate.Gain, best, champion)
}

// first promotes the first champion.
func (b *board) first(best, baseline place) outcome {
	own, other := pair(best.value, baseline.value)
	return promoted(best, "first champion: %s has %s %s and beats the baseline's %s",
		best.row.Candidate, b.metrics.objective.Name(), own, other)
}

// tooFew decides where fewer challengers than at_least were built and answer.
func (b *board) tooFew(c Case) (outcome, bool) {
	built, failure := 0, ""
	for _, k := range b.of(bakeoff.RoleChallenger) {
		switch {
		case k.row.State == bakeoff.TrialBuilt:
			built++
		case failure == "": // stable sorting left the failed ones in the file's order
			failure = fmt.Sprintf("; %s failed: %s", k.row.Candidate, oneLine(k.row.Reason))
		}
	}
	need := max(1, c.Pipeline.AtLeast)
	if built >= need {
		return outcome{}, false
	}
	return failed("%s built of the %d that at_least asks for%s", count(built), need, failure), true
}

// unlike says why the champion is not ranked.
func unlike(c Case, champion place) string {
	if c.Incomparable != "" && champion.row.State == bakeoff.TrialBuilt {
		return c.Incomparable
	}
	return oneLine(champion.row.Reason)
}

// challenger returns the best challenger that nothing in the gate stops, or the outcome of there
// being none. With enough challengers built and the objective defined, at least one is ranked.
func (b *board) challenger() (place, outcome) {
	passing := b.passing()
	if len(passing) > 0 {
		return passing[0], outcome{}
	}
	all := b.challengers()
	return place{}, kept("no challenger passes %s: the best, %s, %s", stoppedBy(all), all[0].row.Candidate, all[0].stop.why)
}

// passing returns the ranked challengers that nothing in the gate stops, the best first.
func (b *board) passing() []place {
	return slices.DeleteFunc(b.challengers(), func(k place) bool { return k.stop.why != "" })
}

// belowFloor says which floor a place does not reach, the first by name, or "".
func (b *board) belowFloor(floors map[string]float64, p place) string {
	for _, name := range slices.Sorted(maps.Keys(floors)) {
		m, _ := metric.Lookup(name)
		v, ok := p.row.Metrics[name]
		switch own, floor := pair(v, floors[name]); {
		case !ok:
			return fmt.Sprintf("has no value to compare with the floor: %s", b.undefined[name])
		case m.HigherIsBetter() && v < floors[name]:
			return fmt.Sprintf("has %s %s, and at least %s is asked", name, own, floor)
		case !m.HigherIsBetter() && v > floors[name]:
			return fmt.Sprintf("has %s %s, and at most %s is allowed", name, own, floor)
		}
	}
	return ""
}

// gain decides between the best challenger and the champion.
func (b *board) gain(g bakeoff.Gain, best, champion place) outcome {
	m := b.metrics.objective
	name := fmt.Sprintf("v%d", champion.row.Version)
	switch {
	case best.value == champion.value:
		return kept("no challenger is better than %s: %s has the same %s, %s, and a tie goes to the champion",
			name, b.label(best), m.Name(), number(best.value, 4))
	case !m.Better(best.value, champion.value):
		return kept("no challenger is better than %s: %s", name, b.against(best, champion))
	}
	margin := b.margin(champion)
	asked := champion.value + margin
	if !m.HigherIsBetter() {
		asked = champion.value - margin
	}
	lead, limit := b.lead(g, best.value, champion.value)
	own, other := pair(best.value, champion.value)
	reason := fmt.Sprintf("%s is ahead of %s by %s of %s (%s against %s)", best.row.Candidate, name, lead, m.Name(), own, other)
	if margin > 0 {
		reason += fmt.Sprintf("; more than %s is asked", limit)
	}
	if m.Better(best.value, asked) {
		return promoted(best, "%s", reason)
	}
	return kept("%s", reason)
}

// label names the challenger that is considered, and says how it was chosen.
func (b *board) label(best place) string {
	all := b.challengers()
	i := slices.IndexFunc(all, func(k place) bool { return k.row.Candidate == best.row.Candidate })
	if ahead := stoppedBy(all[:i]); ahead != "" {
		return "the best that passes " + ahead + ", " + best.row.Candidate + ","
	}
	return "the best, " + best.row.Candidate + ","
}

// against says how the best challenger compares with another place.
func (b *board) against(best, other place) string {
	own, theirs := pair(best.value, other.value)
	return fmt.Sprintf("%s has %s %s against %s", b.label(best), b.metrics.objective.Name(), own, theirs)
}

func first(places []place) (place, bool) {
	if len(places) == 0 {
		return place{}, false
	}
	return places[0], true
}
