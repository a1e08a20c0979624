package cron_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/cron"
)

func parse(t *testing.T, text, zone string) *cron.Schedule {
	t.Helper()
	s, err := cron.Parse(bakeoff.Schedule{Cron: text, Timezone: zone})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func next(s *cron.Schedule, after time.Time, n int) []string {
	var got []string
	for range n {
		after = s.Next(after)
		got = append(got, after.Format("2006-01-02 15:04:05 -07:00"))
	}
	return got
}

func utc(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestNext(t *testing.T) {
	tests := []struct {
		name, cron, zone, after string
		want                    []string
	}{
		{"a gap", "30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", []string{
			"2026-03-08 03:00:00 -04:00", "2026-03-09 02:30:00 -04:00",
		}},
		{"a repeated hour", "30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", []string{
			"2026-11-01 01:30:00 -04:00", "2026-11-02 01:30:00 -05:00",
		}},
		{"hourly across a repeated hour", "0 * * * *", "America/New_York", "2026-11-01T04:30:00Z", []string{
			"2026-11-01 01:00:00 -04:00", "2026-11-01 01:00:00 -05:00", "2026-11-01 02:00:00 -05:00",
		}},
		{"every hour by its numbers", "0 0-23 * * *", "America/New_York", "2026-11-01T04:30:00Z", []string{
			"2026-11-01 01:00:00 -04:00", "2026-11-01 01:00:00 -05:00", "2026-11-01 02:00:00 -05:00",
		}},
		{"hourly across a gap", "0 * * * *", "America/New_York", "2026-03-08T05:30:00Z", []string{
			"2026-03-08 01:00:00 -05:00", "2026-03-08 03:00:00 -04:00",
		}},
		{"every minute of an hour that is missing", "* 2 * * *", "America/New_York", "2026-03-08T05:30:00Z", []string{
			"2026-03-08 03:00:00 -04:00", "2026-03-09 02:00:00 -04:00", "2026-03-09 02:01:00 -04:00",
		}},
		{"no midnight", "0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", []string{
			"2018-11-04 01:00:00 -02:00", "2018-11-05 00:00:00 -02:00",
		}},
		{"half an hour", "0 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", []string{
			"2026-10-04 02:30:00 +11:00", "2026-10-05 02:00:00 +11:00",
		}},
		{"a day that does not exist", "0 5 * * *", "Pacific/Apia", "2011-12-29T00:00:00-10:00", []string{
			"2011-12-29 05:00:00 -10:00", "2011-12-31 00:00:00 +14:00", "2011-12-31 05:00:00 +14:00",
		}},
		{"either day", "0 0 13 * 5", "UTC", "2026-02-01T00:00:00Z", []string{
			"2026-02-06 00:00:00 +00:00", "2026-02-13 00:00:00 +00:00", "2026-02-20 00:00:00 +00:00",
			"2026-02-27 00:00:00 +00:00", "2026-03-06 00:00:00 +00:00", "2026-03-13 00:00:00 +00:00",
		}},
		{"the last day", "0 0 L * *", "UTC", "2028-01-15T00:00:00Z", []string{
			"2028-01-31 00:00:00 +00:00", "2028-02-29 00:00:00 +00:00", "2028-03-31 00:00:00 +00:00",
		}},
		{"29 February", "0 12 29 2 *", "Asia/Seoul", "2026-01-01T00:00:00Z", []string{
			"2028-02-29 12:00:00 +09:00", "2032-02-29 12:00:00 +09:00",
		}},
		{"29 February around 2100", "0 12 29 2 *", "UTC", "2096-03-01T00:00:00Z", []string{"2104-02-29 12:00:00 +00:00"}},
		{"7 is Sunday", "0 0 * * 7", "UTC", "2026-11-23T00:00:00Z", []string{"2026-11-29 00:00:00 +00:00"}},
		{"the third Friday", "0 0 * * FRI#3", "UTC", "2026-11-23T00:00:00Z", []string{"2026-12-18 00:00:00 +00:00"}},
		{"names", "0 0 * January Thursday", "UTC", "2026-11-23T00:00:00Z", []string{"2027-01-07 00:00:00 +00:00"}},
		{"hours around midnight", "0 22-2 * * *", "UTC", "2026-11-23T21:00:00Z", []string{
			"2026-11-23 22:00:00 +00:00", "2026-11-23 23:00:00 +00:00", "2026-11-24 00:00:00 +00:00",
			"2026-11-24 01:00:00 +00:00", "2026-11-24 02:00:00 +00:00", "2026-11-24 22:00:00 +00:00",
		}},
		{"days around the week's end", "0 0 * * sat-mon", "UTC", "2026-11-27T00:00:00Z", []string{
			"2026-11-28 00:00:00 +00:00", "2026-11-29 00:00:00 +00:00", "2026-11-30 00:00:00 +00:00", "2026-12-05 00:00:00 +00:00",
		}},
		{"an interval", "@every 90s", "Asia/Seoul", "2026-11-23T00:00:10.5Z", []string{
			"2026-11-23 09:01:30 +09:00", "2026-11-23 09:03:00 +09:00",
		}},
		{"an interval before 1970", "@every 1h", "UTC", "1969-12-31T22:30:00Z", []string{
			"1969-12-31 23:00:00 +00:00", "1970-01-01 00:00:00 +00:00",
		}},
		{"a macro", "@weekly", "Asia/Kathmandu", "2026-11-23T00:00:00Z", []string{"2026-11-29 00:00:00 +05:45"}},
		{"the very moment is over", "0 5 * * *", "Asia/Seoul", "2026-11-22T20:00:00Z", []string{"2026-11-24 05:00:00 +09:00"}},
		{"a nanosecond before", "0 5 * * *", "Asia/Seoul", "2026-11-22T19:59:59.999999999Z", []string{"2026-11-23 05:00:00 +09:00"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := next(parse(t, tt.cron, tt.zone), utc(t, tt.after), len(tt.want))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMapNeedsBothDays(t *testing.T) {
	s, err := cron.Parse(bakeoff.Schedule{Timezone: "UTC", Fields: &bakeoff.CronFields{
		Minute: "0", Hour: "3", DayOfWeek: "mon", DayOfMonth: "1-7",
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"2026-12-07 03:00:00 +00:00", "2027-01-04 03:00:00 +00:00", "2027-02-01 03:00:00 +00:00"}
	if diff := cmp.Diff(want, next(s, utc(t, "2026-11-23T00:00:00Z"), 3)); diff != "" {
		t.Error(diff)
	}
	if got, want := s.Describe(), "due on day of month 1-7 only where it is day of week mon: both must hold"; got != want {
		t.Errorf("it is described as %q, want %q", got, want)
	}
	if got, want := parse(t, "0 0 13 * 5", "").Describe(), "due on day of month 13 and also on day of week 5: either is enough"; got != want {
		t.Errorf("it is described as %q, want %q", got, want)
	}
	if got := parse(t, "0 0 * * 5", "").Describe(); got != "" {
		t.Errorf("a schedule with one day field is described as %q", got)
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name     string
		schedule bakeoff.Schedule
		message  string // what the message has to name
		hint     string // what the hint has to say
	}{
		{"nothing", bakeoff.Schedule{}, "empty", "five fields"},
		{"both forms", bakeoff.Schedule{Cron: "@daily", Fields: &bakeoff.CronFields{Minute: "0"}}, "both forms", "either"},
		{"an empty map", bakeoff.Schedule{Fields: &bakeoff.CronFields{}}, "empty", "{minute: 0, hour: 5}"},
		{"an hour alone", bakeoff.Schedule{Fields: &bakeoff.CronFields{Hour: "3"}}, "hour is given without minute", "minute: 0"},
		{"a minute", bakeoff.Schedule{Cron: "60 * * * *"}, `minute "60"`, "0 to 59"},
		{"an hour", bakeoff.Schedule{Cron: "0 24 * * *"}, `hour "24"`, "0 to 23"},
		{"a day", bakeoff.Schedule{Cron: "0 0 0 * *"}, `day of month "0"`, "1 to 31"},
		{"a month", bakeoff.Schedule{Cron: "0 0 1 sept,foo *"}, `month "sept,foo"`, "jan to dec"},
		{"a weekday", bakeoff.Schedule{Fields: &bakeoff.CronFields{Minute: "0", DayOfWeek: "8"}}, `day_of_week "8"`, "sun to sat"},
		{"a sixth Friday", bakeoff.Schedule{Cron: "0 0 * * fri#6"}, `day of week "fri#6"`, "fri#2"},
		{"an empty place", bakeoff.Schedule{Cron: "0,,5 * * * *"}, "empty", "0,30"},
		{"a lone comma", bakeoff.Schedule{Cron: ", * * * *"}, "empty", "0,30"},
		{"half a range", bakeoff.Schedule{Cron: "5- * * * *"}, `"5-"`, "0-10"},
		{"a range from everything", bakeoff.Schedule{Cron: "0 *-5 * * *"}, `"*-5"`, "9-17"},
		{"a step of none", bakeoff.Schedule{Cron: "*/0 * * * *"}, `minute "*/0"`, "*/15"},
		{"a step too far", bakeoff.Schedule{Cron: "*/60 * * * *"}, `minute "*/60"`, "*/15"},
		{"a negative", bakeoff.Schedule{Cron: "-1 * * * *"}, `minute "-1"`, "0 to 59"},
		{"a number too large", bakeoff.Schedule{Cron: "99999999999999999999 * * * *"}, "minute", "0 to 59"},
		{"a question mark", bakeoff.Schedule{Cron: "0 0 ? * 1"}, "write *", "1 to 31"},
		{"a step over the week's end", bakeoff.Schedule{Cron: "0 0 * * fri-mon/2"}, "week's end", "mon,thu"},
		{"six fields", bakeoff.Schedule{Cron: "0 0 5 * * *"}, "6 fields", "no seconds"},
		{"four fields", bakeoff.Schedule{Cron: "0 5 * *"}, "4 fields", "minute, hour"},
		{"30 February", bakeoff.Schedule{Cron: "0 0 30 2 *"}, "never comes", "February"},
		{"31 June", bakeoff.Schedule{Cron: "0 0 31 jun *"}, "never comes", "month"},
		{"a fifth Monday in the first week", bakeoff.Schedule{Fields: &bakeoff.CronFields{
			Minute: "0", Hour: "0", DayOfMonth: "1-7", DayOfWeek: "mon#5",
		}}, "never comes", "month"},
		{"TZ=", bakeoff.Schedule{Cron: "TZ=UTC 0 5 * * *"}, "zone", "use timezone:"},
		{"TZ= alone", bakeoff.Schedule{Cron: "TZ=UTC"}, "zone", "use timezone:"},
		{"CRON_TZ=", bakeoff.Schedule{Cron: "CRON_TZ=Asia/Seoul @daily"}, "zone", "use timezone:"},
		{"@reboot", bakeoff.Schedule{Cron: "@reboot"}, "@reboot", "bakeoff run"},
		{"a misspelt macro", bakeoff.Schedule{Cron: "@dayly"}, "@dayly", "@daily"},
		{"@every of nothing", bakeoff.Schedule{Cron: "@every"}, "duration", "@every 90s"},
		{"@every of days", bakeoff.Schedule{Cron: "@every 1d"}, "duration", "@every 90s"},
		{"@every too often", bakeoff.Schedule{Cron: "@every 500ms"}, "less than a second", "@every 90s"},
		{"@every backwards", bakeoff.Schedule{Cron: "@every -5m"}, "less than a second", "@every 90s"},
		{"@every of a part of a second", bakeoff.Schedule{Cron: "@every 1.5s"}, "whole", "@every 90s"},
		{"a misspelt zone", bakeoff.Schedule{Cron: "@daily", Timezone: "Asia/Soeul"}, "Asia/Soeul", "Asia/Seoul"},
		{"a city", bakeoff.Schedule{Cron: "@daily", Timezone: "new york"}, "new york", "America/New_York"},
		{"no zone at all", bakeoff.Schedule{Cron: "@daily", Timezone: "+09:00"}, "+09:00", "IANA"},
		{"a path", bakeoff.Schedule{Cron: "@daily", Timezone: "../../etc/passwd"}, "unknown time zone", ""},
		{"a long text", bakeoff.Schedule{Cron: strings.Repeat("1,", 5000)}, "10000 characters", "five fields"},
		{"a long field", bakeoff.Schedule{Fields: &bakeoff.CronFields{Minute: strings.Repeat("1,", 5000)}}, "10000 characters", "list"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := cron.Parse(tt.schedule)
			if bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
				t.Fatalf("error %v, want code %q", err, bakeoff.CodeInvalid)
			}
			if !strings.Contains(err.Error(), tt.message) || !strings.Contains(bakeoff.HintOf(err), tt.hint) {
				t.Errorf("error %q with hint %q; they should say %q and %q", err, bakeoff.HintOf(err), tt.message, tt.hint)
			}
			if len(err.Error()) > 300 {
				t.Errorf("the message has %d characters", len(err.Error()))
			}
		})
	}
}

func TestStringIsEqualForEqualSchedules(t *testing.T) {
	celery := func(f bakeoff.CronFields) bakeoff.Schedule {
		return bakeoff.Schedule{Fields: &f, Timezone: "Asia/Seoul"}
	}
	text := func(cron string) bakeoff.Schedule { return bakeoff.Schedule{Cron: cron, Timezone: "Asia/Seoul"} }
	same := [][]bakeoff.Schedule{
		{
			text("@daily"), text("0 0 * * *"), text(" 00  0 * *  * "), text("@midnight"), celery(bakeoff.CronFields{Minute: "0", Hour: "0"}),
			text("0 0 1-31 * 5"), text("0 0 * * 0-7"), celery(bakeoff.CronFields{Minute: "0", Hour: "0", DayOfMonth: "1-31"}),
		},
		{text("*/15 9-17 * * mon-fri"), text("0,15,30,45 9-17 * * 1-5"), celery(bakeoff.CronFields{Minute: "0, 15,30 ,45", Hour: "9-17", DayOfWeek: "Monday-friday"})},
		{text("0 0 13 * 5"), text("0 0 13 * FRI")},
		{celery(bakeoff.CronFields{Minute: "0", Hour: "0", DayOfMonth: "13", DayOfWeek: "5"})},
		{text("0 */2 * * *")},
		{text("0 0,2,4,6,8,10,12,14,16,18,20,22 * * *"), text("0 0-23/2 * * *")}, // not the same across a change of the clock
		{text("0 0 L * *"), text("0 0 l,L * *")},
		{text("0 0 L-1 * *")},
		{text("@every 60s"), text("@every 1m"), {Cron: "@every 1m", Timezone: "UTC"}},
		{{Cron: "@daily", Timezone: "UTC"}},
	}
	of := map[string]int{}
	for i, group := range same {
		for _, s := range group {
			parsed, err := cron.Parse(s)
			if err != nil {
				t.Fatal(err)
			}
			if j, ok := of[parsed.String()]; ok && j != i {
				t.Errorf("%+v has the text of another schedule: %s", s, parsed)
			}
			of[parsed.String()] = i
		}
	}
	if len(of) != len(same) {
		t.Errorf("%d texts for %d schedules: %v", len(of), len(same), of)
	}
}

func TestUpcoming(t *testing.T) {
	s := parse(t, "30 2 * * *", "America/New_York")
	want := []bakeoff.Upcoming{
		{Pipeline: "churn", Zone: "America/New_York", Time: utc(t, "2026-03-07T02:30:00-05:00"), Note: "the UTC offset changes to -04:00 before the next"},
		{Pipeline: "churn", Zone: "America/New_York", Time: utc(t, "2026-03-08T03:00:00-04:00"), Note: "02:30 does not exist that day"},
		{Pipeline: "churn", Zone: "America/New_York", Time: utc(t, "2026-03-09T02:30:00-04:00")},
	}
	got := s.Upcoming("churn", utc(t, "2026-03-07T00:00:00Z"), 3)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, want := got[1].Time.Format(time.RFC3339), "2026-03-08T03:00:00-04:00"; got != want {
		t.Errorf("it is shown as %s, want %s", got, want)
	}
	got = parse(t, "30 1 * * *", "America/New_York").Upcoming("churn", utc(t, "2026-11-01T00:00:00Z"), 1)
	if want := "the clock goes back that day: 01:30 comes twice, and the first counts; the UTC offset changes to -05:00 before the next"; got[0].Note != want {
		t.Errorf("note %q, want %q", got[0].Note, want)
	}
	if got := s.Upcoming("churn", time.Now(), -1); len(got) != 0 {
		t.Errorf("minus one upcoming: %v", got)
	}
}
