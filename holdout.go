package bakeoff

import (
	"fmt"
	"time"
)

// HoldoutUse counts how often the same holdout has decided about a model's champion. Each decision
// uses it up a little: among many nights one finds a gain that is none, and whoever changes recipes
// after a look at the leaderboard fits them to these rows.
type HoldoutUse struct {
	// Generation is the Generation of the snapshots that are counted.
	Generation string    `json:"generation"`
	Uses       int       `json:"uses"`
	Since      time.Time `json:"since"` // of the first
	// Until is, of a split by time, the newest time that was held out when the count began. Once every
	// row that is held out is newer, the count begins anew.
	Until float64 `json:"until,omitempty"`
}

// WornHoldout is the number of uses from which on a person is told that a holdout is worn.
const WornHoldout = 30

// Worn reports whether a holdout has decided so often that a person should do something about it.
func (u HoldoutUse) Worn() bool { return u.Uses >= WornHoldout }

// Advice says in words what it means that a holdout is worn, and names the ways out; "" where it is not.
func (u HoldoutUse) Advice() string {
	if !u.Worn() {
		return ""
	}
	const why = "The more often the same rows decide, the likelier it is that some night's gain is luck, and that recipes fit these rows alone. "
	if u.Until != 0 {
		return why + "Rows leave this holdout as newer ones come: a smaller data.split.holdout is renewed sooner."
	}
	return why + "data.split.rotate: 4w holds out other rows every four weeks, by: time always the newest; " +
		"another data.split.seed does so once, and the champion then stays until a person promotes."
}

// Used returns the count after one more decision by a snapshot's holdout; u is nil before the first.
func (u *HoldoutUse) Used(s Snapshot, at time.Time) *HoldoutUse {
	span := Span{}
	if s.Span != nil {
		span = *s.Span
	}
	if u == nil || u.Generation != s.Generation() || s.Span != nil && span.From > u.Until {
		return &HoldoutUse{Generation: s.Generation(), Uses: 1, Since: at, Until: span.To}
	}
	next := *u
	next.Uses++
	return &next
}

// Generation says in words what decides which rows are held out. Snapshots of one generation hold out
// the same rows, as far as they have them; where time decides, the newest rows of each.
func (s Snapshot) Generation() string {
	switch s.Split.By {
	case SplitByTime:
		return "by time, column " + s.Split.Column
	case SplitByColumn:
		return "by column " + s.Split.Column
	case SplitByGroup:
		return fmt.Sprintf("by group, column %s, seed %d", s.Split.Column, s.Split.Seed) + s.Split.rotation()
	}
	return fmt.Sprintf("by hash, identity %d, seed %d", s.Identity.Generation, s.Split.Seed) + s.Split.rotation()
}
