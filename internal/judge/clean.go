package judge

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// The least that must be left of a holdout of which rows were set aside, beside half of it: a small
// remainder of rows that a contestant happens not to have seen stands for nothing. A holdout that is
// small from the start is what its owner asked for.
const (
	leastRows  = 50
	leastClass = 10 // of each class that lost rows
)

// clean is what is left of a holdout without the rows that a contestant may have been trained on.
type clean struct {
	rows                           *dataset.Rows
	alsoInTraining, seenByChampion int
	// incomparable is as in a Case.
	incomparable string
	// contaminated is as in a Case.
	contaminated string
}

// clean sets aside, for all contestants, the rows that the challengers may have been trained on and
// those that the champion may have been. Where too little would be left, nothing is set aside and it
// says why nothing can be compared.
func (in Inputs) clean() clean {
	c := clean{rows: in.Holdout}
	if in.Champion != nil {
		c.incomparable = cmp.Or(in.ChampionDoubt, incomparable(*in.Champion, in.Snapshot))
		if in.Rebuilt == nil {
			c.incomparable = cmp.Or(c.incomparable, unidentified(*in.Champion, in.Snapshot))
		}
	}
	training := marked(in.Holdout.Identity, in.TrainIdentity)
	if why := tooFew(in.Holdout.Labels, training); why != "" {
		c.contaminated = fmt.Sprintf("%d of the %d holdout rows are training rows too, by %s%s",
			marks(training), len(training), identified(in.Snapshot.Identity), why)
		return c
	}
	aside := training
	if in.Champion != nil && c.incomparable == "" {
		seen := in.seenByChampion()
		both := either(training, seen)
		if why := tooFew(in.Holdout.Labels, both); why != "" {
			c.incomparable = fmt.Sprintf("it was trained on %d of the %d holdout rows%s", marks(seen), len(seen), why)
		} else {
			aside = both
			c.seenByChampion = marks(both) - marks(training)
		}
	}
	c.alsoInTraining = marks(training)
	c.rows = unmarked(in.Holdout, aside)
	return c
}

// seenByChampion marks the holdout rows that the champion may have been trained on. One that was built
// again has seen what the challengers have.
func (in Inputs) seenByChampion() []bool {
	if in.Rebuilt != nil {
		return make([]bool, len(in.Holdout.Identity))
	}
	if in.ChampionFingerprint == nil {
		return marked(in.Holdout.Identity, in.ChampionSeen)
	}
	seen := make([]bool, len(in.Holdout.Identity))
	for i, id := range in.Holdout.Identity {
		seen[i] = in.ChampionFingerprint.Has(id)
	}
	return seen
}

// tooFew says, behind a clause about how many rows are to be set aside, why what is left is too
// little to decide by; "" where it is enough.
func tooFew(y bakeoff.Labels, aside []bool) string {
	n := marks(aside)
	left := len(aside) - n
	switch {
	case n == 0:
		return ""
	case 2*n > len(aside):
		return ", more than half"
	case left < leastRows:
		return fmt.Sprintf(", and only %d are left, of at least %d that are needed", left, leastRows)
	}
	lost, kept := make([]int, len(y.Classes)), make([]int, len(y.Classes))
	for i, code := range y.Codes {
		switch {
		case code < 0:
		case aside[i]:
			lost[code]++
		default:
			kept[code]++
		}
	}
	for code, class := range y.Classes {
		if lost[code] > 0 && kept[code] < leastClass {
			return fmt.Sprintf(", and only %d of the class %s are left, of at least %d that are needed", kept[code], class, leastClass)
		}
	}
	return ""
}

// identified says by what rows are the same.
func identified(i bakeoff.Identity) string {
	if i.Key != "" {
		return "the key " + i.Key
	}
	return "all of their columns"
}

// marks counts.
func marks(m []bool) int {
	n := 0
	for _, is := range m {
		if is {
			n++
		}
	}
	return n
}

// either marks what is marked in a or in b.
func either(a, b []bool) []bool {
	both := slices.Clone(a)
	for i, is := range b {
		both[i] = both[i] || is
	}
	return both
}

// rebuilt says in brackets that the champion's recipe took its place; "" where the champion took part.
func (b *board) rebuilt() string {
	champion, ok := first(b.of(bakeoff.RoleChampion))
	if !ok || !champion.ranked || !champion.row.Rebuilt {
		return ""
	}
	return fmt.Sprintf(" (v%d was built again on this period's training rows, to be compared on rows that it has not seen)", champion.row.Version)
}
