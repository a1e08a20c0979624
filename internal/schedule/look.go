package schedule

import (
	"context"
	"fmt"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// lookAndLog looks at a pipeline, and again soon after a fault, of which it logs the first in a row.
func (s *Scheduler) lookAndLog(ctx context.Context, p *pipeline) {
	bounded, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	err := s.look(bounded, p)
	if ctx.Err() != nil {
		return
	}
	p.looking.Lock()
	failed := p.failures
	if err == nil {
		p.failures = 0
	} else {
		p.failures++
	}
	p.looking.Unlock()
	switch {
	case err == nil && failed > 0:
		s.log.Info("the schedule goes on", "pipeline", p.name)
	case err != nil:
		if failed == 0 {
			s.log.Error("the schedule could not be followed; it is tried again", "pipeline", p.name, "error", err)
		}
		s.lookAgain(p, s.now().Add(min(time.Second<<min(failed, 5), longestSleep)))
	}
}

// lookAgain has a pipeline looked at at a time, or earlier.
func (s *Scheduler) lookAgain(p *pipeline, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at.Before(p.due) {
		p.due = at
	}
}

// look carries out what a pipeline's cursor owes, decides what is due, and so on until nothing is.
func (s *Scheduler) look(ctx context.Context, p *pipeline) error {
	p.looking.Lock()
	defer p.looking.Unlock()
	for {
		if err := s.load(ctx, p); err != nil {
			return err
		}
		situation, err := s.situation(ctx, p)
		if err != nil {
			return err
		}
		owed := p.cursor.Owed
		for _, claim := range owed {
			if err := s.carryOut(ctx, situation.Entry, p.cursor, claim); err != nil {
				return err
			}
		}
		if len(owed) > 0 { // a run that was just started, or cancelled, counts
			if situation.Open, err = s.runs.Open(ctx, p.name); err != nil {
				return err
			}
		}
		settled := p.cursor
		settled.Owed = nil
		next, changed := Decide(settled, situation)
		if !changed && len(owed) == 0 {
			s.sleepUntil(p, situation)
			return nil
		}
		if err := s.write(ctx, p, next); err != nil {
			return err
		}
	}
}

// load reads the cursor, unless it is known.
func (s *Scheduler) load(ctx context.Context, p *pipeline) (err error) {
	if p.loaded {
		return nil
	}
	p.cursor, p.revision, err = s.store.Cursor(ctx, p.name)
	p.loaded = err == nil
	return err
}

// write makes a cursor the stored one, unless somebody else was faster: then it is read again.
func (s *Scheduler) write(ctx context.Context, p *pipeline, c bakeoff.Cursor) error {
	revision, err := s.store.PutCursor(ctx, c, p.revision)
	if err != nil {
		p.loaded = false // it may have been written all the same
		if bakeoff.CodeOf(err) == bakeoff.CodeConflict {
			return nil
		}
		return err
	}
	p.cursor, p.revision = c, revision
	return nil
}

// situation gathers what a decision follows from.
func (s *Scheduler) situation(ctx context.Context, p *pipeline) (Situation, error) {
	s.mu.Lock()
	situation := Situation{Entry: p.entry, Times: p.times, Since: p.since, Now: s.now()}
	s.mu.Unlock()
	var err error
	if situation.Pause, err = s.store.Pause(ctx, p.name); err != nil {
		return situation, err
	}
	situation.Open, err = s.runs.Open(ctx, p.name)
	return situation, err
}

// sleepUntil sets when a pipeline is looked at again, and forgets one whose schedule has ended.
func (s *Scheduler) sleepUntil(p *pipeline, looked Situation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.due.IsZero() || p.entry != looked.Entry {
		return // something has changed meanwhile
	}
	if looked.Times == nil {
		delete(s.pipelines, p.name)
		return
	}
	due := looked.Times.Next(p.cursor.At)
	if t := p.cursor.Tell; p.cursor.Range != nil && !t.IsZero() && t.Before(due) {
		due = t
	}
	if soon := looked.Now.Add(longestSleep); soon.Before(due) && (len(p.cursor.Waiting) > 0 || p.cursor.At.After(looked.Now)) {
		due = soon // a Wake may be lost with a process; and the clock may prove to be wrong
	}
	p.due = due
}

// carryOut does what a claim asks for. It may have been done before.
func (s *Scheduler) carryOut(ctx context.Context, e Entry, c bakeoff.Cursor, claim bakeoff.Claim) error {
	if e.Schedule == nil { // ended meanwhile; what was claimed before has its run
		e = Entry{Name: c.Pipeline, Revision: c.Revision, Schedule: &c.Schedule}
	}
	if claim.Tick.State != bakeoff.TickRun {
		return s.tell(ctx, e, claim.Tick)
	}
	t := claim.Tick
	if claim.Cancel != "" {
		err := s.runs.Cancel(ctx, claim.Cancel, wasReplaced+t.Time.Format(time.RFC3339))
		if err != nil && !final(err) && bakeoff.CodeOf(err) != bakeoff.CodeConflict { // it may have ended
			return fmt.Errorf("cancel run %s: %w", claim.Cancel, err)
		}
	}
	var deadline time.Time
	if d := e.Schedule.Deadline; d > 0 {
		deadline = t.Time.Add(d)
	}
	_, err := s.runs.Start(ctx, e, t.Time, deadline)
	switch {
	case final(err):
		t.State, t.Run, t.Reason = bakeoff.TickSkipped, "", "its run could not be started: "+err.Error()
		t.Told = fmt.Sprintf("%s-%s-%s", t.Pipeline, t.State, t.Time.Format(tickForm))
		return s.tell(ctx, e, t)
	case err != nil && bakeoff.CodeOf(err) != bakeoff.CodeConflict:
		return fmt.Errorf("start run %s: %w", t.Run, err)
	}
	s.log.Info("tick", "pipeline", t.Pipeline, "run", t.Run)
	return s.store.RecordTick(ctx, t)
}

// final reports whether an error stays the same however often one tries.
func final(err error) bool {
	code := bakeoff.CodeOf(err)
	return code == bakeoff.CodeInvalid || code == bakeoff.CodeNotFound
}

// tell records a range of ticks without a run and has it told of.
func (s *Scheduler) tell(ctx context.Context, e Entry, t bakeoff.Tick) error {
	n := bakeoff.Notification{ID: t.Told, Pipeline: t.Pipeline, Revision: e.Revision, Created: s.now().UTC(), Ticks: &t}
	if err := s.store.PutNotification(ctx, n); err != nil {
		return err
	}
	if err := s.store.RecordTick(ctx, t); err != nil {
		return err
	}
	s.log.Warn("ticks without a run", "pipeline", t.Pipeline, "state", t.State, "count", t.Count,
		"first", t.Time, "last", t.Last, "reason", t.Reason)
	return nil
}
