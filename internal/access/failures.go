package access

import (
	"net/netip"
	"sync"
	"time"
)

const (
	maxFailures = 10     // in a minute, from one network
	maxNetworks = 10_000 // counted apart; the others of a minute are counted together
)

// failures counts what was refused in the current minute.
type failures struct {
	window time.Duration

	mu    sync.Mutex // guards what follows
	since time.Time
	by    map[netip.Prefix]int
}

func newFailures() *failures {
	return &failures{window: time.Minute, by: map[netip.Prefix]int{}}
}

// add counts a failure and returns how many there have been in this minute, with it.
func (f *failures) add(from netip.Prefix, now time.Time) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Sub(f.since) >= f.window {
		f.since = now
		f.by = map[netip.Prefix]int{}
	}
	if _, known := f.by[from]; !known && len(f.by) >= maxNetworks {
		from = netip.Prefix{}
	}
	f.by[from]++
	return f.by[from]
}
