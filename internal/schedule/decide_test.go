package schedule_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/cron"
	"github.com/bakeoffhq/bakeoff/internal/schedule"
)

// at is a moment of the day on which the tests play.
func at(clock string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05", "2026-11-22 "+clock+":00"[:8-len(clock)])
	if err != nil {
		panic(err)
	}
	return t
}

func hourly(change func(*bakeoff.Schedule)) *bakeoff.Schedule {
	s := &bakeoff.Schedule{Cron: "0 * * * *", Timezone: "UTC", Missed: bakeoff.MissedLatest, Within: 6 * time.Hour, Overlap: bakeoff.OverlapSkip}
	if change != nil {
		change(s)
	}
	return s
}

// decided is a cursor and what it owes, in words.
type decided struct {
	At      string
	Owed    []string
	Waiting []string
	Range   string
	Tell    string
}

func words(c bakeoff.Cursor) decided {
	clock := func(t time.Time) string { return t.Format("15:04") }
	tick := func(t bakeoff.Tick) string {
		text := string(t.State) + " " + clock(t.Time)
		if t.Count > 1 {
			text += " to " + clock(t.Last) + fmt.Sprintf(" (%d)", t.Count)
		}
		if t.Reason != "" {
			text += ": " + t.Reason
		}
		return text
	}
	d := decided{At: clock(c.At)}
	for _, claim := range c.Owed {
		text := tick(claim.Tick)
		if claim.Cancel != "" {
			text += ", cancels " + claim.Cancel
		}
		d.Owed = append(d.Owed, text)
	}
	for _, t := range c.Waiting {
		d.Waiting = append(d.Waiting, clock(t))
	}
	if c.Range != nil {
		d.Range = tick(*c.Range)
	}
	if !c.Tell.IsZero() {
		d.Tell = clock(c.Tell)
	}
	return d
}

func TestDecide(t *testing.T) {
	pause := &bakeoff.Pause{Pipeline: "churn", By: "kim", Why: "audit", Since: at("08:30")}
	const paused = "paused by kim since 2026-11-22T08:30:00Z: audit"
	tests := []struct {
		name     string
		schedule *bakeoff.Schedule
		cursor   func(*bakeoff.Cursor) // changes one that has reached 08:00
		since    string                // "" for 07:00
		now      string
		pause    *bakeoff.Pause
		open     string
		want     *decided // nil for no change
	}{
		{name: "nothing is due", now: "08:59:59"},
		{name: "on time", now: "09:00", want: &decided{At: "09:00", Owed: []string{"run 09:00"}}},
		{name: "a little late, by a restart", since: "09:01", now: "09:01", want: &decided{At: "09:00", Owed: []string{"run 09:00"}}},
		{name: "a clock that went back", cursor: func(c *bakeoff.Cursor) { c.At = at("12:00") }, now: "09:00"},
		{
			name: "a clock that was a year ahead", cursor: func(c *bakeoff.Cursor) { c.At = at("12:00").AddDate(1, 0, 0) }, now: "09:30",
			want: &decided{At: "09:30"},
		},

		{
			name: "down for three hours", since: "11:30", now: "11:30",
			want: &decided{At: "11:00", Owed: []string{"missed 09:00 to 10:00 (2): no node was running", "run 11:00"}},
		},
		{
			name: "asleep for three hours", now: "11:30",
			want: &decided{At: "11:00", Owed: []string{"missed 09:00 to 10:00 (2): the node did not look in time", "run 11:00"}},
		},
		{
			name: "down until a tick", since: "11:00", now: "11:00",
			want: &decided{At: "11:00", Owed: []string{"missed 09:00 to 10:00 (2): no node was running", "run 11:00"}},
		},
		{
			name: "down, the newest too old", schedule: hourly(func(s *bakeoff.Schedule) { s.Within = 20 * time.Minute }), since: "11:30", now: "11:30",
			want: &decided{At: "11:00", Owed: []string{"missed 09:00 to 11:00 (3): no node was running"}},
		},
		{
			name: "down, nothing is made up for", schedule: hourly(func(s *bakeoff.Schedule) { s.Missed = bakeoff.MissedNone }), since: "11:30", now: "11:30",
			want: &decided{At: "11:00", Owed: []string{"missed 09:00 to 11:00 (3): no node was running"}},
		},
		{
			name: "down, all are made up for", schedule: hourly(func(s *bakeoff.Schedule) { s.Missed, s.Within = bakeoff.MissedAll, 2*time.Hour }), since: "11:30", now: "11:30",
			want: &decided{At: "11:00", Owed: []string{"missed 09:00: no node was running", "run 10:00"}, Waiting: []string{"11:00"}},
		},
		{
			name: "down, and a deadline has passed", schedule: hourly(func(s *bakeoff.Schedule) { s.Deadline = 30 * time.Minute }), since: "11:30", now: "11:30",
			want: &decided{At: "11:00", Owed: []string{"missed 09:00 to 11:00 (3): no node was running"}},
		},
		{
			name: "down, and a run from before is open", since: "11:30", now: "11:30", open: "churn-x",
			want: &decided{At: "11:00", Owed: []string{"missed 09:00 to 10:00 (2): no node was running"}, Range: "skipped 11:00: run churn-x was still open", Tell: "12:00"},
		},
		{
			name: "no policies are the usual ones", schedule: &bakeoff.Schedule{Cron: "0 * * * *", Timezone: "UTC"}, since: "18:30", now: "18:30",
			want: &decided{At: "18:00", Owed: []string{"missed 09:00 to 17:00 (9): no node was running", "run 18:00"}},
		},

		{
			name: "a run is open", now: "09:00", open: "churn-x",
			want: &decided{At: "09:00", Range: "skipped 09:00: run churn-x was still open", Tell: "10:00"},
		},
		{name: "it still is", now: "09:00", open: "churn-x", cursor: func(c *bakeoff.Cursor) {
			c.Range = &bakeoff.Tick{Pipeline: "churn", Time: at("08:00"), Last: at("08:00"), Count: 1, State: bakeoff.TickSkipped, Reason: "run churn-x was still open"}
			c.Tell = at("09:30")
		}, want: &decided{At: "09:00", Range: "skipped 08:00 to 09:00 (2): run churn-x was still open", Tell: "09:30"}},
		{name: "another is", now: "09:00", open: "churn-y", cursor: func(c *bakeoff.Cursor) {
			c.Range = &bakeoff.Tick{Pipeline: "churn", Time: at("08:00"), Last: at("08:00"), Count: 1, State: bakeoff.TickSkipped, Reason: "run churn-x was still open"}
			c.Tell = at("09:30")
		}, want: &decided{At: "09:00", Owed: []string{"skipped 08:00: run churn-x was still open"}, Range: "skipped 09:00: run churn-y was still open", Tell: "10:00"}},
		{name: "it is told of after an hour", now: "08:45", open: "churn-x", cursor: func(c *bakeoff.Cursor) {
			c.Range = &bakeoff.Tick{Pipeline: "churn", Time: at("07:45"), Last: at("08:00"), Count: 2, State: bakeoff.TickSkipped, Reason: "run churn-x was still open"}
			c.Tell = at("08:45")
		}, want: &decided{At: "08:00", Owed: []string{"skipped 07:45 to 08:00 (2): run churn-x was still open"}}},
		{name: "and then after a day", now: "09:00", open: "churn-x", cursor: func(c *bakeoff.Cursor) {
			c.Before = &bakeoff.Tick{State: bakeoff.TickSkipped, Reason: "run churn-x was still open"}
		}, want: &decided{At: "09:00", Range: "skipped 09:00: run churn-x was still open", Tell: "09:00"}},
		{
			name: "a run is open, and ticks wait", schedule: hourly(func(s *bakeoff.Schedule) { s.Overlap = bakeoff.OverlapQueue }), now: "09:00", open: "churn-x",
			want: &decided{At: "09:00", Waiting: []string{"09:00"}},
		},
		{
			name: "one waits already", schedule: hourly(func(s *bakeoff.Schedule) { s.Overlap = bakeoff.OverlapQueue }), now: "09:00", open: "churn-x",
			cursor: func(c *bakeoff.Cursor) { c.Waiting = []time.Time{at("08:00")} }, want: &decided{At: "09:00", Waiting: []string{"08:00", "09:00"}},
		},
		{
			name: "the open run has ended", now: "08:20", cursor: func(c *bakeoff.Cursor) { c.Waiting = []time.Time{at("07:00"), at("08:00")} },
			want: &decided{At: "08:00", Owed: []string{"run 07:00"}, Waiting: []string{"08:00"}},
		},
		{
			name: "the deadline of one that waits has passed", schedule: hourly(func(s *bakeoff.Schedule) { s.Deadline = time.Hour }), now: "08:20",
			cursor: func(c *bakeoff.Cursor) { c.Waiting = []time.Time{at("07:00"), at("08:00")} },
			want:   &decided{At: "08:00", Owed: []string{"missed 07:00: its deadline passed before it could begin", "run 08:00"}},
		},
		{
			name: "one has waited through days without a node", since: "08:10", now: "08:20",
			cursor: func(c *bakeoff.Cursor) { c.Waiting = []time.Time{at("01:00"), at("08:00")} },
			want:   &decided{At: "08:00", Owed: []string{"missed 01:00: no node was running", "run 08:00"}},
		},
		{
			name: "a run is open, and is replaced", schedule: hourly(func(s *bakeoff.Schedule) { s.Overlap = bakeoff.OverlapReplace }), now: "09:00", open: "churn-x",
			want: &decided{At: "09:00", Owed: []string{"run 09:00, cancels churn-x"}},
		},

		{name: "paused", now: "10:00", pause: pause, want: &decided{At: "10:00", Range: "skipped 09:00 to 10:00 (2): " + paused}},
		{
			name: "paused while a tick waits", now: "08:40", pause: pause, cursor: func(c *bakeoff.Cursor) { c.Waiting = []time.Time{at("08:00")} },
			want: &decided{At: "08:00", Range: "skipped 08:00: " + paused},
		},
		{name: "paused for a day", now: "08:59", pause: pause, cursor: func(c *bakeoff.Cursor) {
			c.Range = &bakeoff.Tick{Pipeline: "churn", Time: at("08:00").AddDate(0, 0, -1), Last: at("08:00"), Count: 25, State: bakeoff.TickSkipped, Reason: paused}
		}},
		{
			name: "paused while no node was running", since: "11:30", now: "11:30", pause: &bakeoff.Pause{Pipeline: "churn", By: "kim", Since: at("09:30")},
			want: &decided{
				At: "11:00", Owed: []string{"missed 09:00: no node was running"},
				Range: "skipped 10:00 to 11:00 (2): paused by kim since 2026-11-22T09:30:00Z",
			},
		},
		{
			name: "paused just after a tick that nobody had looked at yet", now: "09:00:02", pause: &bakeoff.Pause{Pipeline: "churn", By: "kim", Since: at("09:00:01")},
			want: &decided{At: "09:00", Range: "skipped 09:00: paused by kim since 2026-11-22T09:00:01Z"},
		},
		{
			name: "paused just after a tick, during a restart", since: "09:01", now: "09:01", pause: &bakeoff.Pause{Pipeline: "churn", By: "kim", Since: at("09:00:30")},
			want: &decided{At: "09:00", Range: "skipped 09:00: paused by kim since 2026-11-22T09:00:30Z"},
		},
		{
			name: "a node that starts while a pause stands goes on with it", since: "11:30", now: "11:30", pause: pause, cursor: func(c *bakeoff.Cursor) {
				c.At = at("09:00")
				c.Range = &bakeoff.Tick{Pipeline: "churn", Time: at("09:00"), Last: at("09:00"), Count: 1, State: bakeoff.TickSkipped, Reason: paused}
			},
			want: &decided{At: "11:00", Range: "skipped 09:00 to 11:00 (3): " + paused},
		},
		{name: "resumed", now: "08:59", cursor: func(c *bakeoff.Cursor) {
			c.Range = &bakeoff.Tick{Pipeline: "churn", Time: at("07:00"), Last: at("08:00"), Count: 2, State: bakeoff.TickSkipped, Reason: paused}
		}, want: &decided{At: "08:00", Owed: []string{"skipped 07:00 to 08:00 (2): " + paused}}},

		{name: "edited", schedule: hourly(func(s *bakeoff.Schedule) { s.Cron = "30 * * * *" }), now: "08:45", want: &decided{At: "08:45"}},
		{
			name: "edited while no node was running", schedule: hourly(func(s *bakeoff.Schedule) { s.Cron = "30 * * * *" }), since: "11:45", now: "11:45",
			want: &decided{At: "11:45", Range: "", Owed: []string{"missed 09:00 to 11:00 (3): no node was running"}},
		},
		{
			name: "edited while paused and no node was running", schedule: hourly(func(s *bakeoff.Schedule) { s.Cron = "30 * * * *" }), since: "11:45", now: "11:45",
			pause: pause, want: &decided{At: "11:45", Range: "skipped 09:00 to 11:00 (3): " + paused},
		},
		{
			name: "paused between two ticks and edited, no node was running", schedule: hourly(func(s *bakeoff.Schedule) { s.Cron = "30 * * * *" }), since: "11:45", now: "11:45",
			pause: &bakeoff.Pause{Pipeline: "churn", By: "kim", Since: at("09:30")},
			want: &decided{
				At: "11:45", Owed: []string{"missed 09:00: no node was running"},
				Range: "skipped 10:00 to 11:00 (2): paused by kim since 2026-11-22T09:30:00Z",
			},
		},
		{name: "another policy is no edit", schedule: hourly(func(s *bakeoff.Schedule) { s.Missed = bakeoff.MissedNone }), now: "08:45"},
		{
			name: "no schedule any more", schedule: &bakeoff.Schedule{}, now: "09:30", since: "09:15", cursor: func(c *bakeoff.Cursor) { c.Waiting = []time.Time{at("08:00")} },
			want: &decided{At: "09:30", Owed: []string{"missed 09:00: no node was running", "skipped 08:00: the pipeline has no schedule any more"}},
		},
		{
			name: "no schedule any more, while paused", schedule: &bakeoff.Schedule{}, now: "09:30", since: "09:15", pause: pause,
			want: &decided{At: "09:30", Owed: []string{"skipped 09:00: " + paused}},
		},
		{name: "nothing while something is owed", now: "12:00", cursor: func(c *bakeoff.Cursor) { c.Owed = []bakeoff.Claim{{}} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := begun(t, hourly(nil), at("08:00"))
			if tt.cursor != nil {
				tt.cursor(&c)
			}
			s := situation(t, tt.schedule)
			s.Now, s.Since, s.Pause, s.Open = at(tt.now), at("07:00"), tt.pause, tt.open
			if tt.since != "" {
				s.Since = at(tt.since)
			}
			before := words(c)
			got, changed := schedule.Decide(c, s)
			if diff := cmp.Diff(before, words(c)); diff != "" {
				t.Errorf("the cursor that was given is another now:\n%s", diff)
			}
			if changed != (tt.want != nil) {
				t.Fatalf("changed: %v; %+v", changed, words(got))
			}
			if tt.want == nil {
				return
			}
			if diff := cmp.Diff(*tt.want, words(got)); diff != "" {
				t.Error(diff)
			}
			got.Owed = nil
			if again, changed := schedule.Decide(got, s); changed && s.Open != "" {
				t.Errorf("decided again at the same moment: %+v", words(again))
			}
		})
	}
}

func situation(t *testing.T, declared *bakeoff.Schedule) schedule.Situation {
	t.Helper()
	if declared == nil {
		declared = hourly(nil)
	}
	s := schedule.Situation{Entry: schedule.Entry{Name: "churn", Revision: "sha256:1", Schedule: declared}}
	if declared.Cron == "" {
		s.Entry.Schedule = nil
		return s
	}
	times, err := cron.Parse(*declared)
	if err != nil {
		t.Fatal(err)
	}
	s.Times = times
	return s
}

// begun returns the cursor of a schedule that was first seen at a time.
func begun(t *testing.T, declared *bakeoff.Schedule, now time.Time) bakeoff.Cursor {
	t.Helper()
	s := situation(t, declared)
	s.Now, s.Since = now, now
	c, changed := schedule.Decide(bakeoff.Cursor{Pipeline: "churn"}, s)
	if !changed || !c.At.Equal(now) || len(c.Owed) > 0 {
		t.Fatalf("a new schedule: %+v", words(c))
	}
	return c
}

func TestAYearWithoutANodeIsOneRange(t *testing.T) {
	minutely := hourly(func(s *bakeoff.Schedule) { s.Cron = "* * * * *" })
	c := begun(t, minutely, at("08:00").AddDate(-1, 0, 0))
	s := situation(t, minutely)
	s.Now, s.Since = at("08:00"), at("08:00")
	started := time.Now()
	c, _ = schedule.Decide(c, s)
	if took := time.Since(started); took > time.Second {
		t.Errorf("a year of minutes took %s", took)
	}
	want := "churn-missed-20251122T080100Z"
	if len(c.Owed) != 2 || c.Owed[0].Tick.Count != 365*24*60-1 || c.Owed[0].Tick.Told != want || c.Owed[1].Tick.Run != "churn-20261122T080000Z" {
		t.Errorf("%+v", words(c))
	}
}
