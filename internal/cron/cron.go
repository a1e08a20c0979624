// Package cron turns a declared schedule into the moments at which it is due.
//
// The syntax is that of github.com/netresearch/go-cron. The way from wall-clock times to moments is
// our own. A schedule with fixed hours is due once for each of its wall-clock times: at the first
// moment at which the clock shows that time or a later one, so a time that the clock skips is due
// when the gap ends, and one that it shows twice is due the first time. A schedule whose hour field
// begins with * (or names every hour) follows elapsed time, as in Vixie's cron: it is due whenever
// the clock shows a time of its. @every ignores the clock's face: it is due at the multiples of its
// duration since the Unix epoch, which are the same in every process.
package cron

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a machine without zone files knows the zones too

	"github.com/netresearch/go-cron"

	"github.com/bakeoffhq/bakeoff"
)

const (
	// maxText bounds what is parsed; a list of all 60 minutes has 170 bytes.
	maxText = 1000

	// searchYears is how far the next moment may lie ahead. The rarest schedule, a certain weekday
	// that is a 29 February, can take 40 years around a century that is no leap year.
	searchYears = 48
)

// Schedule says when something is due. It never changes, and may be used by several goroutines.
type Schedule struct {
	spec    *cron.SpecSchedule // of wall-clock times, computed as if in UTC; nil with every
	every   time.Duration      // whole seconds
	fixed   bool               // due once for each wall-clock time
	loc     *time.Location
	written [5]string // the fields as written, in lower case; empty with every
}

var macros = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
	"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}

// Parse reads a schedule. An error has code Invalid, names the field that is wrong and hints at
// what to write instead. A schedule that never comes is an error.
func Parse(s bakeoff.Schedule) (*Schedule, error) {
	loc, err := location(s.Timezone)
	if err != nil {
		return nil, err
	}
	switch {
	case s.Cron != "" && s.Fields != nil:
		return nil, invalid("write either cron or the fields by name, not both", "a schedule has both forms")
	case s.Fields != nil:
		return parseMap(*s.Fields, loc)
	default:
		return parseText(s.Cron, loc)
	}
}

func invalid(hint, format string, args ...any) error {
	return bakeoff.Errorf(bakeoff.CodeInvalid, format, args...).WithHint("%s", hint)
}

// parseText reads the string form, in which either of two day fields makes a day due.
func parseText(text string, loc *time.Location) (*Schedule, error) {
	if len(text) > maxText {
		return nil, invalid("write five fields, such as \"0 5 * * *\"", "the schedule has %d characters; at most %d are read", len(text), maxText)
	}
	text = strings.ToLower(strings.Join(strings.Fields(text), " "))
	if strings.HasPrefix(text, "tz=") || strings.HasPrefix(text, "cron_tz=") {
		return nil, invalid("use timezone: beside cron:, and leave the zone out of the expression", "a zone is not read inside cron")
	}
	if strings.HasPrefix(text, "@every") {
		return parseEvery(text, loc)
	}
	if strings.HasPrefix(text, "@") {
		expanded, ok := macros[text]
		if !ok {
			return nil, unknownMacro(text)
		}
		text = expanded
	}
	written := strings.Split(text, " ")
	if text == "" || len(written) != 5 {
		return nil, wrongCount(text, written)
	}
	return parseFields([5]string(written), cron.DowOrDom, [5]string{"minute", "hour", "day of month", "month", "day of week"}, loc)
}

func unknownMacro(text string) error {
	known := []string{"@every", "@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"}
	hint := "the macros are " + strings.Join(known, ", ")
	if text == "@reboot" {
		hint = "a node that starts makes up for missed ticks, see missed:; `bakeoff run` starts a pipeline by hand"
	} else if near := bakeoff.Nearest(text, known); near != "" {
		hint = "did you mean " + near + "?"
	}
	return invalid(hint, "unknown macro %s", clip(text))
}

func wrongCount(text string, written []string) error {
	switch {
	case text == "":
		return invalid("write five fields, such as \"0 5 * * *\" for 05:00 every day", "the schedule is empty")
	case len(written) == 6 || len(written) == 7:
		return invalid("the fields are minute, hour, day of month, month and day of week; there are no seconds and no years",
			"%s has %d fields instead of five", clip(text), len(written))
	default:
		return invalid("the fields are minute, hour, day of month, month and day of week, such as \"0 5 * * *\" for 05:00 every day",
			"%s has %s instead of five", clip(text), count(len(written), "field"))
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// parseMap reads the form with Celery's names, in which both day fields must hold.
func parseMap(f bakeoff.CronFields, loc *time.Location) (*Schedule, error) {
	written := [5]string{f.Minute, f.Hour, f.DayOfMonth, f.MonthOfYear, f.DayOfWeek}
	if f == (bakeoff.CronFields{}) {
		return nil, invalid("name its fields, such as {minute: 0, hour: 5}", "the schedule is empty")
	}
	if f.Hour != "" && f.Minute == "" {
		return nil, invalid("add minute: 0 for the full hour; a field that is left out means every one, which is 60 times an hour",
			"hour is given without minute")
	}
	for i, w := range written {
		if len(w) > maxText {
			return nil, invalid("write a list, a range or a step", "a field of the schedule has %d characters; at most %d are read", len(w), maxText)
		}
		if written[i] = strings.ToLower(strings.TrimSpace(w)); written[i] == "" {
			written[i] = "*"
		}
	}
	return parseFields(written, 0, [5]string{"minute", "hour", "day_of_month", "month_of_year", "day_of_week"}, loc)
}

func parseEvery(text string, loc *time.Location) (*Schedule, error) {
	const hint = "write a duration of whole seconds, such as @every 90s or @every 1h30m"
	d, err := time.ParseDuration(strings.TrimSpace(strings.TrimPrefix(text, "@every")))
	switch {
	case err != nil || !strings.HasPrefix(text, "@every "):
		return nil, invalid(hint, "%s is not a duration", clip(text))
	case d < time.Second:
		return nil, invalid(hint, "%s is less than a second", clip(text))
	case d%time.Second != 0:
		return nil, invalid(hint, "%s is not a whole number of seconds", clip(text))
	}
	return &Schedule{every: d, loc: loc}, nil
}

// parseFields reads five fields in the order of the string form.
func parseFields(written [5]string, days cron.ParseOption, names [5]string, loc *time.Location) (*Schedule, error) {
	const fields = cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow
	p, err := cron.TryNewParser(fields | cron.DomL | cron.DowNth | days)
	if err != nil {
		return nil, fmt.Errorf("read a schedule: %w", err)
	}
	p = p.WithMaxSearchYears(searchYears)
	for i := range written {
		if written[i], err = checkField(p, i, names[i], written[i]); err != nil {
			return nil, err
		}
	}
	parsed, err := p.Parse(strings.Join(written[:], " "))
	if err != nil {
		return nil, invalid("write five fields, such as \"0 5 * * *\"", "the schedule cannot be read: %v", err)
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, fmt.Errorf("read a schedule: it became a %T", parsed)
	}
	spec.Location = time.UTC
	s := &Schedule{spec: spec, loc: loc, written: written}
	s.fixed = !strings.HasPrefix(written[1], "*") && bits.OnesCount64(spec.Hour&^star) < 24
	if spec.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, invalid("check day of month against month: February has no 30th, and a weekday may never fall on that day",
			"%s never comes", clip(strings.Join(written[:], " ")))
	}
	return s, nil
}

// star is the bit with which the parser marks a field that was written as *.
const star = 1 << 63

// Location returns the zone whose clock the schedule goes by.
func (s *Schedule) Location() *time.Location { return s.loc }

// String returns a canonical text: two schedules that are always due at the same moments for the
// same reason have the same text, however they were written.
func (s *Schedule) String() string {
	if s.spec == nil {
		return "every " + s.every.String()
	}
	how, days := "elapsed", "both"
	if s.fixed {
		how = "fixed"
	}
	dom := dayField(s.spec.Dom, 1, 31, lastDays(s.spec.DomConstraints))
	dow := dayField(s.spec.Dow, 0, 6, nthDays(s.spec.DowConstraints))
	if s.spec.DowOrDom && s.spec.Dom&star == 0 && s.spec.Dow&star == 0 {
		if days = "either"; dom == "*" || dow == "*" {
			dom, dow, days = "*", "*", "both"
		}
	}
	return fmt.Sprintf("%s %s %s %s %s days=%s hours=%s zone=%s", field(s.spec.Minute, 0, 59), field(s.spec.Hour, 0, 23),
		dom, field(s.spec.Month, 1, 12), dow, days, how, s.loc)
}

// field writes the values of a field as a list of numbers.
func field(set uint64, first, last int) string {
	var values []string
	for v := first; v <= last; v++ {
		if set&(1<<v) != 0 {
			values = append(values, fmt.Sprint(v))
		}
	}
	if len(values) == last-first+1 {
		return "*"
	}
	return strings.Join(values, ",")
}

// dayField is field for a day field, which may have values that depend on the month.
func dayField(set uint64, first, last int, more []string) string {
	plain := field(set, first, last)
	if plain == "*" || len(more) == 0 {
		return plain
	}
	slices.Sort(more)
	if plain != "" {
		more = append([]string{plain}, more...)
	}
	return strings.Join(slices.Compact(more), ",")
}

func lastDays(cs []cron.DomConstraint) (texts []string) {
	for _, c := range cs {
		if c.Type == cron.DomLastOffset {
			texts = append(texts, fmt.Sprintf("l-%d", c.N))
		} else {
			texts = append(texts, "l")
		}
	}
	return texts
}

func nthDays(cs []cron.DowConstraint) (texts []string) {
	for _, c := range cs {
		texts = append(texts, fmt.Sprintf("%d#%d", c.Weekday%7, c.N))
	}
	return texts
}

// Describe says in words how the two day fields go together, where both are given; "" otherwise.
func (s *Schedule) Describe() string {
	if s.spec == nil || s.written[2] == "*" || s.written[4] == "*" {
		return ""
	}
	if s.spec.DowOrDom {
		return fmt.Sprintf("due on day of month %s and also on day of week %s: either is enough", s.written[2], s.written[4])
	}
	return fmt.Sprintf("due on day of month %s only where it is day of week %s: both must hold", s.written[2], s.written[4])
}

// clip quotes text of a user for a message.
func clip(text string) string {
	if r := []rune(text); len(r) > 60 {
		text = string(r[:60]) + "..."
	}
	return fmt.Sprintf("%q", text)
}
