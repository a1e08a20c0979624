package spec

import (
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// leastRotation is how long the same rows are held out at least: each change of them costs a build of
// the champion with every run until another one is promoted.
const leastRotation = 24 * time.Hour

// rotation reads for how long the same rows are held out.
func (d *decoder) rotation(n *node, by bakeoff.SplitBy) time.Duration {
	v := d.duration(n, "rotation", "leave it out for rows that are held out for ever")
	switch {
	case v <= 0:
		return 0
	case v < leastRotation:
		d.node(n, "write a day or more, such as 4w", "the rotation %s is less than a day", n.shown())
	case by == bakeoff.SplitByTime:
		d.node(n, "leave it out: by: time always holds out the newest rows", "a split by time does not rotate")
	case by == bakeoff.SplitByColumn:
		d.node(n, "the column decides; leave it out", "a split by column does not rotate")
	}
	return v
}
