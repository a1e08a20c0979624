package bakeoff

import "time"

// Pace thins out what is told of a phase's progress, since each telling is a synced write to the store:
// nothing in a phase that is short, and no share that is not above the last.
type Pace struct {
	last  time.Time // of the telling, or else the beginning
	share float64
}

// PaceEvery is the least time between two tellings.
const PaceEvery = time.Second

// NewPace begins a phase at a moment.
func NewPace(now time.Time) *Pace { return &Pace{last: now} }

// Due reports whether a share of the phase, from 0 to 1, is to be told now, and takes it as told.
func (p *Pace) Due(now time.Time, share float64) bool {
	if now.Sub(p.last) < PaceEvery || share <= p.share {
		return false
	}
	p.last, p.share = now, share
	return true
}
