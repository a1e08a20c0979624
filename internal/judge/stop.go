package judge

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// stop is what keeps a challenger from being promoted, whatever its gain; the zero value is nothing.
type stop struct {
	by  string // the part of the gate
	why string // a clause about the challenger
}

// stopAll finds for each ranked challenger what in the gate stops it.
func (b *board) stopAll(g bakeoff.Gate) {
	for i := range b.places {
		k := &b.places[i]
		if k.ranked && k.row.Role == bakeoff.RoleChallenger {
			k.stop = b.stop(g, *k)
			k.row.Stopped = k.stop.why
		}
	}
}

// stop returns the first part of the gate that a place does not pass.
func (b *board) stop(g bakeoff.Gate, k place) stop {
	if why := b.belowFloor(g.Floors, k); why != "" {
		return stop{"the floors", why}
	}
	if why := overBudget(g.Budgets, k.row); why != "" {
		return stop{"the budgets", why}
	}
	if why := b.worseSlice(k); why != "" {
		return stop{"the slices", why}
	}
	return stop{}
}

// stoppedBy names the parts of the gate that stop some places, as "the floors and the slices".
func stoppedBy(places []place) string {
	var parts []string
	for _, k := range places {
		if k.stop.by != "" && !slices.Contains(parts, k.stop.by) {
			parts = append(parts, k.stop.by)
		}
	}
	return strings.Join(parts, " and ")
}

// overBudget says which budget a contestant exceeds, or "".
func overBudget(b bakeoff.Budgets, row bakeoff.LeaderboardRow) string {
	s := row.Speed
	if s == nil {
		s = &bakeoff.Speed{}
	}
	switch {
	case b.Size > 0 && row.Bytes > b.Size:
		own, limit := sizes(row.Bytes, b.Size)
		return fmt.Sprintf("has an artifact of %s, and at most %s is allowed", own, limit)
	case (b.Timed() || b.Memory > 0) && row.Speed == nil:
		return "was not measured, and there are budgets"
	case b.Memory > 0 && s.Memory == 0:
		return "has a memory that this system does not tell, and there is a budget for it"
	case b.Memory > 0 && s.Memory > b.Memory:
		own, limit := sizes(s.Memory, b.Memory)
		return fmt.Sprintf("takes %s of memory, and at most %s is allowed", own, limit)
	case b.P50 > 0 && s.P50 > b.P50.Seconds():
		return slow("p50", s.P50, b.P50)
	case b.P95 > 0 && s.P95 > b.P95.Seconds():
		return slow("p95", s.P95, b.P95)
	case b.RowsPerSecond > 0 && s.RowsPerSecond < b.RowsPerSecond:
		own, asked := pair(s.RowsPerSecond, b.RowsPerSecond)
		return fmt.Sprintf("answers %s rows a second, and at least %s are asked", own, asked)
	}
	return ""
}

// sizes writes two sizes in the unit of the second.
func sizes(own, limit int64) (string, string) {
	scale, unit := 1.0, " B"
	for _, u := range []string{" kB", " MB", " GB", " TB"} {
		if float64(limit) >= 1000*scale {
			scale, unit = 1000*scale, u
		}
	}
	a, b := pair(float64(own)/scale, float64(limit)/scale)
	return a + unit, b + unit
}

// slow says that a row takes too long.
func slow(what string, seconds float64, budget time.Duration) string {
	own, limit := pair(1000*seconds, 1000*budget.Seconds())
	return fmt.Sprintf("has %s %s ms a row, and at most %s ms is allowed", what, own, limit)
}
