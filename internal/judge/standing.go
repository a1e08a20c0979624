package judge

import (
	"fmt"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// standing returns an outcome, or that the champion stays for another reason than its rivals: a
// person holds it, or it cools down. The candidate that passed the gate is named all the same.
func (b *board) standing(c Case, o outcome) outcome {
	switch until := c.Moved.Add(c.Pipeline.Gate.Cooldown); {
	case o.verdict == bakeoff.Failed:
		return o
	case c.Hold != nil:
		b.deciding = nil
		o.verdict, o.reason = bakeoff.Kept, held(*c.Hold)+"; `bakeoff resume` lifts the hold"
	case o.verdict == bakeoff.Promoted && c.Champion != 0 && c.At.Before(until):
		o.verdict = bakeoff.Kept
		o.reason = fmt.Sprintf("%s would be promoted, but v%d became champion %s and cools down until %s, unless a person promotes: %s",
			o.candidate, c.Champion, ago(c.At.Sub(c.Moved)), until.UTC().Format(minute), o.reason)
	}
	return o
}

// minute is how a reason writes a time, which is in UTC.
const minute = "2006-01-02 15:04 UTC"

// ago says how long before a run something was.
func ago(d time.Duration) string {
	switch {
	case d < time.Minute: // or meanwhile
		return "just now"
	case d < time.Hour:
		return plural(int(d/time.Minute), "minute") + " ago"
	case d < 24*time.Hour:
		return plural(int(d/time.Hour), "hour") + " ago"
	}
	return plural(int(d/(24*time.Hour)), "day") + " ago"
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// approval is what a decision to promote says of asking a person.
func approval(c Case, o outcome) *bakeoff.Approval {
	if o.verdict != bakeoff.Promoted {
		return nil
	}
	return c.Pipeline.Gate.Approve
}
