package schedule

import (
	"context"
	"time"
)

// SetClock has a scheduler go by a clock of the test.
func (s *Scheduler) SetClock(now func() time.Time) { s.now = now }

// Look looks at one pipeline, as Run does when it is due.
func (s *Scheduler) Look(ctx context.Context, name string) error {
	s.mu.Lock()
	p := s.pipelines[name]
	s.mu.Unlock()
	if p == nil {
		return nil
	}
	return s.look(ctx, p)
}

// LookAtDue looks at every pipeline that is due, once.
func (s *Scheduler) LookAtDue(ctx context.Context) { s.lookAtDue(ctx) }
