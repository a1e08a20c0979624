package cron

import (
	"fmt"
	"math/bits"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// Next returns the first moment after the given one at which the schedule is due, in its zone.
// It is a whole second.
func (s *Schedule) Next(after time.Time) time.Time {
	next, _ := s.next(after)
	return next
}

// next also returns the wall-clock time that the moment stands for, as a time in UTC: zero where
// the schedule follows elapsed time.
func (s *Schedule) next(after time.Time) (moment, wall time.Time) {
	after = after.Round(0).In(s.loc)
	switch {
	case s.spec == nil:
		return s.nextMultiple(after), time.Time{}
	case s.fixed:
		// What is due up to now are the wall-clock times up to the latest that was shown.
		wall = s.nextOnClock(latestOnClock(after))
		return firstShown(wall, s.loc), wall
	default:
		return s.nextElapsed(after), time.Time{}
	}
}

// nextOnClock returns the first wall-clock time after the given one. From within a minute the
// parser's search would go on by seconds; it is the full minutes alone that are due.
func (s *Schedule) nextOnClock(wall time.Time) time.Time {
	return s.spec.Next(wall.Truncate(time.Minute).Add(59 * time.Second))
}

func (s *Schedule) nextMultiple(after time.Time) time.Time {
	every, now := int64(s.every/time.Second), after.Unix()
	n := now / every
	if now%every < 0 { // before 1970
		n--
	}
	return time.Unix((n+1)*every, 0).In(s.loc)
}

// nextElapsed looks through the stretches of time between changes of the clock, in each of which
// the wall clock runs evenly.
func (s *Schedule) nextElapsed(after time.Time) time.Time {
	for {
		_, end := after.ZoneBounds()
		_, offset := after.Zone()
		x := s.nextOnClock(onClock(after)).Add(-time.Duration(offset) * time.Second)
		if end.IsZero() || x.Before(end) {
			return x.In(s.loc)
		}
		// From the first instant of the next stretch, that instant included.
		if x = s.atChange(end.In(s.loc)); !x.IsZero() {
			return x
		}
		after = end.In(s.loc)
	}
}

// atChange returns the moment if the schedule is due at it.
func (s *Schedule) atChange(moment time.Time) time.Time {
	wall := onClock(moment)
	if s.nextOnClock(wall.Add(-1)).Equal(wall) {
		return moment
	}
	return time.Time{}
}

// Count returns how many moments are due after the one and up to the other, and the first and the
// last of them. It takes time by the days between them, not by the moments.
func (s *Schedule) Count(after, upTo time.Time) (n int, first, last time.Time) {
	first = s.Next(after)
	if first.After(upTo) {
		return 0, time.Time{}, time.Time{}
	}
	if s.spec == nil {
		n = int(upTo.Unix()/int64(s.every/time.Second) - first.Unix()/int64(s.every/time.Second))
		return n + 1, first, first.Add(time.Duration(n) * s.every)
	}
	last = after
	for at := first; !at.After(upTo); at = s.Next(last) {
		k, end := s.wholeDay(last, at, upTo)
		if k == 0 {
			k, end = 1, at
		}
		n, last = n+k, end
	}
	return n, first, last
}

// wholeDay returns how many moments are due on the day of the moment at, and the last of them, if
// the day has begun after the one time and ends before the other and the clock runs evenly through
// it; otherwise 0.
func (s *Schedule) wholeDay(begunAfter, at, endsBefore time.Time) (n int, last time.Time) {
	wall := onClock(at)
	midnight := wall.Truncate(24 * time.Hour)
	begin := at.Add(-wall.Sub(midnight))
	if !begin.After(begunAfter) || begin.Add(24*time.Hour).After(endsBefore) {
		return 0, time.Time{}
	}
	start, end := at.ZoneBounds()
	if !start.IsZero() && begin.Sub(start) < reach || !end.IsZero() && end.Sub(begin) < reach {
		return 0, time.Time{}
	}
	hours, minutes := s.spec.Hour&^star, s.spec.Minute&^star
	n = bits.OnesCount64(hours) * bits.OnesCount64(minutes)
	last = begin.Add(time.Duration(bits.Len64(hours)-1)*time.Hour + time.Duration(bits.Len64(minutes)-1)*time.Minute)
	return n, last
}

// Upcoming returns the next n moments after the given one, with the zone's offset. A Note marks a
// moment that a change of the clock moves, and a change of the offset before the next moment.
func (s *Schedule) Upcoming(pipeline string, after time.Time, n int) []bakeoff.Upcoming {
	if n <= 0 {
		return nil
	}
	ups := make([]bakeoff.Upcoming, 0, min(n, 1000))
	at, wall := s.next(after)
	for range n {
		following, itsWall := s.next(at)
		ups = append(ups, bakeoff.Upcoming{Pipeline: pipeline, Time: at, Zone: s.ZoneName(), Note: note(at, wall, following)})
		at, wall = following, itsWall
	}
	return ups
}

// note says what a person should know of a moment that stands for the wall-clock time, and of the
// time up to the one that follows.
func note(at, wall, following time.Time) string {
	var notes []string
	if !wall.IsZero() && !onClock(at).Equal(wall) {
		notes = append(notes, wall.Format("15:04")+" does not exist that day")
	}
	if !wall.IsZero() && shownTwice(at) {
		notes = append(notes, "the clock goes back that day: "+wall.Format("15:04")+" comes twice, and the first counts")
	}
	_, now := at.Zone()
	if _, then := following.Zone(); now != then {
		notes = append(notes, fmt.Sprintf("the UTC offset changes to %s before the next", following.Format("-07:00")))
	}
	return strings.Join(notes, "; ")
}
