package cron

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/netresearch/go-cron"
)

// fieldHelp says what each field may be, in the order of the string form.
var fieldHelp = [5]string{
	"a minute is 0 to 59: one, a list such as 0,30, a range such as 0-10, or a step such as */15",
	"an hour is 0 to 23: one, a list such as 9,17, a range such as 9-17, or a step such as */2",
	"a day of the month is 1 to 31 or L for the last: one, a list such as 1,15, a range such as 1-7, or a step such as */2",
	"a month is 1 to 12 or jan to dec: one, a list such as 3,6,9,12, a range such as jan-jun, or a step such as */3",
	"a day of the week is 0 to 7 (0 and 7 are Sunday) or sun to sat: one, a list such as mon,thu, a range such as mon-fri, or fri#2 for the second Friday",
}

const (
	fieldMonth   = 3
	fieldWeekday = 4
)

var (
	element = regexp.MustCompile(`^(?:\*|([0-9a-z]+)(?:-([0-9a-z]+))?)(/[0-9]+)?$`)
	nth     = regexp.MustCompile(`^[0-9a-z]+#[0-9]$`)
	word    = regexp.MustCompile(`[a-z]+`)
)

var fullNames = map[int][]string{
	fieldMonth: {"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"},
	// In the order of their numbers.
	fieldWeekday: {"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"},
}

// checkField returns a field as the parser wants it, or what is wrong with it. Where the parser is
// too lenient to be sure of what was meant, such as in an empty place of a list, it is an error.
func checkField(p cron.Parser, place int, name, written string) (string, error) {
	wrong := func(why string) (string, error) {
		return "", invalid(fieldHelp[place], "%s %s cannot be read: %s", name, clip(written), why)
	}
	parts := strings.Split(written, ",")
	for i, part := range parts {
		part = shorten(place, strings.TrimSpace(part))
		m := element.FindStringSubmatch(part)
		switch {
		case part == "":
			return wrong("a place in the list is empty")
		case part == "?":
			return wrong("write * for every one")
		case m == nil && !(place == fieldWeekday && nth.MatchString(part)):
			return wrong(clip(part) + " is not a value, a range or a step")
		case place == fieldWeekday && m != nil && m[3] != "" && wraps(m[1], m[2]):
			return wrong("a range over the week's end has no step; list its days")
		}
		parts[i] = part
	}
	joined := strings.Join(parts, ",")
	alone := [5]string{"0", "0", "1", "1", "0"}
	alone[place] = joined
	if _, err := p.Parse(strings.Join(alone[:], " ")); err != nil {
		return wrong(err.Error())
	}
	return joined, nil
}

// shorten cuts the full names of months and weekdays to the three letters that the parser knows.
func shorten(place int, part string) string {
	return word.ReplaceAllStringFunc(part, func(w string) string {
		for _, full := range fullNames[place] {
			if len(w) >= 3 && strings.HasPrefix(full, w) {
				return w[:3]
			}
		}
		return w
	})
}

// wraps reports whether a range of weekdays passes the end of the week.
func wraps(from, to string) bool {
	return from != "" && to != "" && weekday(from) > weekday(to)
}

func weekday(s string) int {
	for i, full := range fullNames[fieldWeekday] {
		if strings.HasPrefix(full, s) {
			return i
		}
	}
	n, _ := strconv.Atoi(s) // what is no number is the parser's to refuse
	return n
}
