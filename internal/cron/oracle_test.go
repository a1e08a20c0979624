package cron_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/cron"
)

var zones = []string{
	"America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Europe/London", "Africa/Cairo",
	"Asia/Beirut", "America/Havana", "Asia/Seoul", "Antarctica/Troll",
}

// TestADailyTimeComesOnceADay: 2010 to 2029, in zones whose clocks change at midnight, by half an
// hour, by two hours, and by decrees of a month's notice.
func TestADailyTimeComesOnceADay(t *testing.T) {
	from := 2010
	if testing.Short() {
		from = 2025
	}
	for _, zone := range zones {
		t.Run(zone, func(t *testing.T) {
			t.Parallel()
			for _, at := range []string{"0 0", "30 1", "0 2", "30 2", "0 5", "30 23"} {
				s := parse(t, at+" * * *", zone)
				begin := time.Date(from, 1, 1, 0, 0, 0, 0, s.Location()).Add(-time.Second)
				moment := s.Next(begin)
				for day := time.Date(from, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2030; day = day.AddDate(0, 0, 1) {
					if got, want := moment.Format(time.DateOnly), day.Format(time.DateOnly); got != want {
						t.Fatalf("%s: the moment of %s is %s", at, want, moment)
					}
					moment = s.Next(moment)
				}
			}
		})
	}
}

// pattern is a schedule as the oracle knows it: what matches, and whether the clock's face or
// elapsed time decides.
type pattern struct {
	cron    string
	elapsed bool
	matches func(wall time.Time) bool
}

func patterns() []pattern {
	minute := func(m int) func(time.Time) bool { return func(w time.Time) bool { return w.Minute() == m } }
	return []pattern{
		{"30 1 * * *", false, func(w time.Time) bool { return w.Hour() == 1 && w.Minute() == 30 }},
		{"*/10 0-2 * * *", false, func(w time.Time) bool { return w.Hour() <= 2 && w.Minute()%10 == 0 }},
		{"45 22-2 * * *", false, func(w time.Time) bool { return (w.Hour() >= 22 || w.Hour() <= 2) && w.Minute() == 45 }},
		{"15 0,2,23 1-7 * sun", false, func(w time.Time) bool {
			return (w.Hour() == 0 || w.Hour() == 2 || w.Hour() == 23) && w.Minute() == 15 && (w.Day() <= 7 || w.Weekday() == time.Sunday)
		}},
		{"0 2 l * *", false, func(w time.Time) bool {
			return w.Hour() == 2 && w.Minute() == 0 && w.AddDate(0, 0, 1).Day() == 1
		}},
		{"0 * * * *", true, minute(0)},
		{"20 */2 * * *", true, func(w time.Time) bool { return w.Hour()%2 == 0 && w.Minute() == 20 }},
		{"*/7 * * 3,10,11 *", true, func(w time.Time) bool {
			return w.Minute()%7 == 0 && (w.Month() == 3 || w.Month() == 10 || w.Month() == 11)
		}},
	}
}

// walk calls due with every moment at which a pattern is due in a span, found by looking at each
// minute: at which a fixed pattern is due if the clock has newly shown or passed a time of its.
func walk(p pattern, from, to time.Time, due func(time.Time)) {
	face := func(x time.Time) time.Time {
		return time.Date(x.Year(), x.Month(), x.Day(), x.Hour(), x.Minute(), 0, 0, time.UTC)
	}
	latest := face(from.Add(-48 * time.Hour))
	for x := from.Add(-48 * time.Hour); x.Before(to); x = x.Add(time.Minute) {
		wall := face(x)
		hit := p.elapsed && p.matches(wall)
		for !p.elapsed && wall.After(latest) {
			latest = latest.Add(time.Minute)
			hit = hit || p.matches(latest)
		}
		if hit && !x.Before(from) {
			due(x)
		}
	}
}

// spans are the times that are walked: some weeks, and the days around every change of the clock.
func spans(loc *time.Location, years ...int) (from, to []time.Time) {
	for _, year := range years {
		day := time.Date(year, 1, 1, 0, 0, 0, 0, loc)
		from, to = append(from, day), append(to, day.AddDate(0, 0, 15))
		for ; day.Year() == year; day = day.Add(24 * time.Hour) {
			_, before := day.Zone()
			if _, after := day.Add(24 * time.Hour).Zone(); before != after {
				from, to = append(from, day.Add(-24*time.Hour)), append(to, day.Add(72*time.Hour))
			}
		}
	}
	return from, to
}

func TestNextAgreesWithAWalkByMinutes(t *testing.T) {
	for _, zone := range append([]string{"Pacific/Apia", "Asia/Kathmandu", "Africa/Casablanca"}, zones...) {
		t.Run(zone, func(t *testing.T) {
			t.Parallel()
			for _, p := range patterns() {
				s := parse(t, p.cron, zone)
				begins, ends := spans(s.Location(), 2011, 2018, 2026)
				for i, from := range begins {
					at, n := from.Add(-time.Second), 0
					walk(p, from, ends[i], func(x time.Time) {
						if n++; !t.Failed() {
							if at = s.Next(at); !at.Equal(x) {
								t.Errorf("%s: got %s, want %s", p.cron, at, x)
							}
						}
					})
					counted, _, last := s.Count(from.Add(-time.Second), ends[i].Add(-time.Second))
					if counted != n || n > 0 && !last.Equal(at) {
						t.Errorf("%s from %s: counted %d to %s, want %d to %s", p.cron, from, counted, last, n, at)
					}
				}
			}
		})
	}
}

func TestCountOfManyIsCheap(t *testing.T) {
	from := utc(t, "2026-01-01T00:00:00Z")
	for _, tt := range []struct {
		cron string
		n    int
	}{{"* * * * *", 525600 * 20}, {"@every 1s", 31536000 * 20}} {
		s, begun := parse(t, tt.cron, "Asia/Seoul"), time.Now()
		n, first, last := s.Count(from, from.Add(20*365*24*time.Hour))
		if n != tt.n || !first.After(from) || !last.Equal(from.Add(20*365*24*time.Hour)) {
			t.Errorf("%s: %d from %s to %s, want %d", tt.cron, n, first, last, tt.n)
		}
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("%s: counting %d took %s", tt.cron, n, took)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"0 5 * * *", "*/15 9-17 1,15 jan-jun mon-fri", "0 0 L * fri#3", "@every 90s", "@daily", "TZ=UTC", "0 0 30 2 *", "22-4/2 * * * *"} {
		f.Add(text, "Asia/Seoul", "", "", int64(1762000000))
	}
	f.Add("", "America/New_York", "0", "mon", int64(1762000000))
	f.Fuzz(func(t *testing.T, text, zone, minute, weekday string, after int64) {
		s := bakeoff.Schedule{Cron: text, Timezone: zone}
		if text == "" {
			s.Fields = &bakeoff.CronFields{Minute: minute, DayOfWeek: weekday}
		}
		parsed, err := cron.Parse(s)
		if err != nil {
			if bakeoff.CodeOf(err) != bakeoff.CodeInvalid || bakeoff.HintOf(err) == "" {
				t.Errorf("error %v with code %q and hint %q", err, bakeoff.CodeOf(err), bakeoff.HintOf(err))
			}
			return
		}
		at := time.Unix(((after%4e9)+4e9)%4e9, 0) // 1970 to 2096
		for range 3 {
			next := parsed.Next(at)
			if !next.After(at) || next.Nanosecond() != 0 {
				t.Fatalf("%q: after %s comes %s", text, at, next)
			}
			if again := parsed.Next(next.Add(-time.Nanosecond)); !again.Equal(next) {
				t.Fatalf("%q: %s, but %s a nanosecond before it", text, next, again)
			}
			if n, first, last := parsed.Count(at, next); n != 1 || !first.Equal(next) || !last.Equal(next) {
				t.Fatalf("%q: %d moments up to the next one, %s to %s", text, n, first, last)
			}
			at = next
		}
		_ = fmt.Sprint(parsed, parsed.Describe(), parsed.Upcoming("p", at, 2))
	})
}

func BenchmarkNext(b *testing.B) {
	s, err := cron.Parse(bakeoff.Schedule{Cron: "0 5 * * *", Timezone: "America/New_York"})
	if err != nil {
		b.Fatal(err)
	}
	for at := time.Now(); b.Loop(); {
		s.Next(at)
	}
}
