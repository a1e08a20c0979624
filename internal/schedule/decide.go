package schedule

import (
	"fmt"
	"slices"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/cron"
)

const (
	// onTime is how late a tick may be looked at without counting as missed: longer than a restart
	// or a slow disk, shorter than what a person would call missed.
	onTime = 2 * time.Minute

	// defaultWithin is how old a missed tick may be to be made up for, where a schedule does not say.
	defaultWithin = 6 * time.Hour

	// maxWaiting bounds the ticks of a pipeline that wait for their run.
	maxWaiting = 1000

	// tellAfter is how long ticks without a run may go on before they are told of, and tellAgain
	// how long until the next time if they still do.
	tellAfter = time.Hour
	tellAgain = 24 * time.Hour

	// farAhead is how far a cursor may be ahead of the clock. One that is further was written by a
	// clock that was wrong, and would keep the schedule silent for as long.
	farAhead = 24 * time.Hour

	// tickForm is how a tick stands in the ID of its run.
	tickForm = "20060102T150405Z"
)

// The reasons of ticks without a run that do not name somebody.
const (
	noNode      = "no node was running"
	notInTime   = "the node did not look in time"
	pastDue     = "its deadline passed before it could begin"
	tooMany     = "as many ticks as may wait were waiting already"
	notAnyMore  = "the pipeline has no schedule any more"
	wasReplaced = "replaced by the tick of "
)

// Entry is a pipeline as the scheduler knows it. A Schedule of nil ends what it had.
type Entry struct {
	Name     string
	Revision bakeoff.Digest
	Schedule *bakeoff.Schedule
}

// RunID returns the ID of the run of a tick.
func RunID(pipeline string, tick time.Time) string {
	return pipeline + "-" + tick.UTC().Format(tickForm)
}

// Situation is what a decision follows from, beside the cursor.
type Situation struct {
	Entry Entry
	Times *cron.Schedule // the entry's, parsed; nil where it has none
	Since time.Time      // since when this process has looked at the pipeline
	Now   time.Time
	Pause *bakeoff.Pause // nil where it is not paused
	Open  string         // the run of the pipeline that is open; "" for none
}

// Decide returns the cursor that follows, and whether it is another one. It changes neither of its
// arguments. While a cursor owes something, nothing is decided.
func Decide(c bakeoff.Cursor, s Situation) (bakeoff.Cursor, bool) {
	if len(c.Owed) > 0 {
		return c, false
	}
	c.Waiting = slices.Clone(c.Waiting)
	if c.Range != nil {
		r := *c.Range
		c.Range = &r
	}
	d := decision{c: c, s: s}
	d.follow()
	d.begin()
	d.due()
	d.tell()
	if !d.changed {
		return c, false
	}
	if s.Entry.Schedule != nil { // else what it had is still needed to carry out what it owes
		d.c.Revision, d.c.Schedule = s.Entry.Revision, *s.Entry.Schedule
	}
	return d.c, true
}

// decision is a cursor under way.
type decision struct {
	c       bakeoff.Cursor
	s       Situation
	changed bool
}

func (d *decision) policy() bakeoff.Schedule {
	if d.s.Entry.Schedule == nil {
		return bakeoff.Schedule{}
	}
	return *d.s.Entry.Schedule
}

func (d *decision) within() time.Duration {
	if w := d.policy().Within; w > 0 {
		return w
	}
	return defaultWithin
}

// follow makes the cursor one of the declared schedule. One that is new, or has been edited, is due
// from now on; what the earlier one still had due is missed.
func (d *decision) follow() {
	times := ""
	if d.s.Times != nil {
		times = d.s.Times.String()
	}
	if d.c.Times == times {
		if times != "" && d.c.At.Sub(d.s.Now) > farAhead {
			d.c.At, d.changed = d.s.Now.UTC(), true
		}
		return
	}
	if earlier, err := cron.Parse(d.c.Schedule); err == nil && d.c.Times != "" {
		d.overdue(earlier)
	}
	if d.c.At.Before(d.s.Now) || d.c.At.Sub(d.s.Now) > farAhead {
		d.c.At = d.s.Now.UTC()
	}
	d.c.Times, d.changed = times, true
	if times == "" {
		d.dropWaiting(notAnyMore)
	}
	if times == "" || !d.pauseGoesOn() {
		d.interrupt()
	}
}

// overdue decides what a schedule that ends still had due: skipped by a pause, or missed.
func (d *decision) overdue(earlier *cron.Schedule) {
	if d.s.Pause != nil {
		d.skipPaused(earlier)
		return
	}
	d.miss(earlier, d.s.Now)
}

// pauseGoesOn reports whether the range is that of the pause that stands: it is told when it is lifted.
func (d *decision) pauseGoesOn() bool {
	return d.s.Pause != nil && d.c.Range != nil && sameFate(*d.c.Range, bakeoff.Tick{State: bakeoff.TickSkipped, Reason: pausedBy(*d.s.Pause)})
}

// begin gives the ticks that wait their runs, one after the other.
func (d *decision) begin() {
	if d.s.Pause != nil && len(d.c.Waiting) > 0 {
		d.dropWaiting(pausedBy(*d.s.Pause))
	}
	for len(d.c.Waiting) > 0 && d.s.Open == "" {
		t := d.c.Waiting[0]
		d.c.Waiting = d.c.Waiting[1:]
		switch {
		case t.Before(d.s.Since) && d.s.Now.Sub(t) > d.within():
			d.without(t, t, 1, bakeoff.TickMissed, noNode)
		case d.expired(t):
			d.without(t, t, 1, bakeoff.TickMissed, pastDue)
		default:
			d.claim(t, "")
		}
	}
}

func (d *decision) dropWaiting(reason string) {
	for _, t := range d.c.Waiting {
		d.without(t, t, 1, bakeoff.TickSkipped, reason)
	}
	d.c.Waiting = nil
}

// due decides the ticks from the cursor up to now.
func (d *decision) due() {
	times, now := d.s.Times, d.s.Now
	if times == nil || times.Next(d.c.At).After(now) {
		return
	}
	if d.s.Pause != nil {
		d.skipPaused(times)
		return
	}
	d.late(now.Add(-onTime))
	for t := times.Next(d.c.At); !t.After(now); t = times.Next(t) {
		d.place(t, d.policy().Overlap)
	}
}

// skipPaused decides the ticks from the cursor up to now while a pause stands: those before it are
// missed; those since are skipped by it, whether a node was running or not. So are those that were
// still on time when it began: nobody was late for them, the pause was faster.
func (d *decision) skipPaused(times *cron.Schedule) {
	p := *d.s.Pause
	if before := p.Since.Add(-onTime - 1); before.Before(d.s.Now) {
		d.miss(times, before)
	}
	n, first, last := times.Count(d.c.At, d.s.Now)
	d.without(first, last, n, bakeoff.TickSkipped, pausedBy(p))
}

// late applies the policy for missed ticks, if there are any up to the time. It leaves those that
// are to have a run, but for a backlog of them, to its caller.
func (d *decision) late(upTo time.Time) {
	times := d.s.Times
	if times.Next(d.c.At).After(upTo) {
		return
	}
	oldest := d.s.Now.Add(-d.within())
	switch d.policy().Missed {
	case bakeoff.MissedNone:
		d.miss(times, upTo)
	case bakeoff.MissedAll:
		d.miss(times, oldest.Add(-1))
		// In order, whatever the policy for overlaps: they were not due at the same time.
		for t := times.Next(d.c.At); !t.After(upTo); t = times.Next(t) {
			d.place(t, bakeoff.OverlapQueue)
		}
	default: // the newest of all that are due, which may be one on time
		_, _, newest := times.Count(d.c.At, d.s.Now)
		if newest.Before(oldest) {
			d.miss(times, newest)
		} else {
			d.miss(times, newest.Add(-1))
		}
	}
}

// miss decides the ticks from the cursor up to a time as missed.
func (d *decision) miss(times *cron.Schedule, upTo time.Time) {
	before := upTo
	if d.s.Since.Add(-1).Before(before) {
		before = d.s.Since.Add(-1)
	}
	n, first, last := times.Count(d.c.At, before)
	d.without(first, last, n, bakeoff.TickMissed, noNode)
	n, first, last = times.Count(d.c.At, upTo)
	d.without(first, last, n, bakeoff.TickMissed, notInTime)
}

// place decides one tick by what is open.
func (d *decision) place(t time.Time, overlap bakeoff.OverlapPolicy) {
	switch {
	case d.expired(t):
		reason := pastDue
		if d.s.Now.Sub(t) > onTime {
			reason = d.whyLate(t)
		}
		d.without(t, t, 1, bakeoff.TickMissed, reason)
	case d.s.Open == "" && len(d.c.Waiting) == 0:
		d.claim(t, "")
	case overlap == bakeoff.OverlapReplace && d.s.Open != "":
		d.claim(t, d.s.Open)
	case overlap == bakeoff.OverlapQueue && len(d.c.Waiting) < maxWaiting:
		d.interrupt()
		d.c.Waiting = append(d.c.Waiting, t.UTC())
		d.reach(t)
	case overlap == bakeoff.OverlapQueue:
		d.without(t, t, 1, bakeoff.TickSkipped, tooMany)
	default:
		d.without(t, t, 1, bakeoff.TickSkipped, "run "+d.s.Open+" was still open")
	}
}

func (d *decision) whyLate(t time.Time) string {
	if t.Before(d.s.Since) {
		return noNode
	}
	return notInTime
}

func (d *decision) expired(t time.Time) bool {
	deadline := d.policy().Deadline
	return deadline > 0 && !d.s.Now.Before(t.Add(deadline))
}

// claim gives a tick its run.
func (d *decision) claim(t time.Time, cancel string) {
	d.interrupt()
	run := RunID(d.s.Entry.Name, t)
	d.c.Owed = append(d.c.Owed, bakeoff.Claim{Cancel: cancel, Tick: bakeoff.Tick{
		Pipeline: d.s.Entry.Name, Time: t.UTC(), Last: t.UTC(), Count: 1, State: bakeoff.TickRun, Run: run, Decided: d.s.Now.UTC(),
	}})
	d.s.Open = run
	d.reach(t)
}

// without decides n ticks that have no run: they become part of a range.
func (d *decision) without(first, last time.Time, n int, state bakeoff.TickState, reason string) {
	if n == 0 {
		return
	}
	fate := bakeoff.Tick{State: state, Reason: reason}
	if d.c.Range == nil || !sameFate(*d.c.Range, fate) {
		goesOn := d.c.Range == nil && d.c.Before != nil && sameFate(*d.c.Before, fate)
		if !goesOn {
			d.interrupt()
		}
		d.c.Range = &bakeoff.Tick{Pipeline: d.s.Entry.Name, Time: first.UTC(), State: state, Reason: reason, Decided: d.s.Now.UTC()}
		d.c.Tell = d.tellAt(first.UTC(), state, goesOn)
	}
	r := d.c.Range // which a tick that waited may be older than
	r.Count += n
	if first.Before(r.Time) {
		r.Time = first.UTC()
	}
	if last.After(r.Last) {
		r.Last = last.UTC()
	}
	d.reach(last)
}

// tellAt returns when a range is told of though it may go on; zero for one that a person asked for.
func (d *decision) tellAt(first time.Time, state bakeoff.TickState, goesOn bool) time.Time {
	switch {
	case d.s.Pause != nil && state == bakeoff.TickSkipped:
		return time.Time{}
	case goesOn:
		return first.Add(tellAgain)
	default:
		return first.Add(tellAfter)
	}
}

func sameFate(a, b bakeoff.Tick) bool { return a.State == b.State && a.Reason == b.Reason }

// reach moves the cursor forward to a tick that is decided.
func (d *decision) reach(t time.Time) {
	d.changed = true
	if t.After(d.c.At) {
		d.c.At = t.UTC()
	}
}

// tell ends a range that has gone on for long enough, or whose pause is over.
func (d *decision) tell() {
	switch {
	case d.c.Range == nil:
	case d.c.Tell.IsZero() && d.s.Pause == nil:
		d.interrupt()
	case !d.c.Tell.IsZero() && !d.s.Now.Before(d.c.Tell):
		told := *d.c.Range
		d.interrupt()
		d.c.Before = &told
	}
}

// interrupt ends the range, if there is one: what comes next does not go on from it.
func (d *decision) interrupt() {
	if d.c.Before != nil || d.c.Range != nil {
		d.changed = true
	}
	if r := d.c.Range; r != nil {
		r.Told = fmt.Sprintf("%s-%s-%s", r.Pipeline, r.State, r.Time.Format(tickForm))
		d.c.Owed = append(d.c.Owed, bakeoff.Claim{Tick: *r})
	}
	d.c.Range, d.c.Before, d.c.Tell = nil, nil, time.Time{}
}

// pausedBy says who paused a pipeline, for the ticks that were skipped.
func pausedBy(p bakeoff.Pause) string {
	text := "paused by " + p.By + " since " + p.Since.UTC().Format(time.RFC3339)
	if p.Why != "" {
		text += ": " + p.Why
	}
	return text
}
