package bakeoff_test

import (
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

func TestPace(t *testing.T) {
	began := time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC)
	p := bakeoff.NewPace(began)
	for _, step := range []struct {
		after time.Duration
		share float64
		due   bool
	}{
		{0, 0.1, false},
		{999 * time.Millisecond, 0.2, false},
		{time.Second, 0.3, true},
		{1500 * time.Millisecond, 0.4, false},
		{2 * time.Second, 0.3, false}, // it never goes back, nor stands still
		{3 * time.Second, 0.5, true},
	} {
		if got := p.Due(began.Add(step.after), step.share); got != step.due {
			t.Errorf("after %s, share %v: due %t, want %t", step.after, step.share, got, step.due)
		}
	}
}
