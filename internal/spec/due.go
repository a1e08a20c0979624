package spec

import (
	"strings"
	"unicode/utf8"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/cron"
)

// due checks that a schedule can be read and comes at all. What is wrong is found by reading its
// parts one by one, so that the mistake is recorded at the part and not at the whole.
func (d *decoder) due(n *node, s bakeoff.Schedule) {
	if d.wrongZone(n.get("timezone")) {
		s.Timezone = "" // the rest is checked all the same
	}
	_, err := cron.Parse(s)
	if err == nil {
		return
	}
	expression := n // n is the text, or the mapping that has it
	if n.kind == kindMapping {
		expression = n.get("cron")
	}
	switch {
	case s.Fields != nil && d.wrongField(n, *s.Fields):
	case s.Fields != nil:
		d.never(n, err)
	case d.wrongPart(expression, s.Cron):
	default:
		d.refused(expression, "schedule", err)
	}
}

// wrongZone reports whether a time zone is not known, and records it.
func (d *decoder) wrongZone(n *node) bool {
	if n == nil {
		return false
	}
	_, err := cron.Parse(bakeoff.Schedule{Cron: "@daily", Timezone: n.text})
	if err != nil {
		d.refused(n, "time zone", err)
	}
	return err != nil
}

// wrongField reports whether a field by name is wrong by itself, and records every such field.
func (d *decoder) wrongField(n *node, fields bakeoff.CronFields) bool {
	wrong := false
	for _, f := range cronFields {
		text := *f.of(&fields)
		if text == "" {
			continue
		}
		alone := bakeoff.CronFields{Minute: "0"}
		*f.of(&alone) = text
		if _, err := cron.Parse(bakeoff.Schedule{Fields: &alone}); err != nil {
			d.refused(n.get(f.name), f.name, err)
			wrong = true
		}
	}
	return wrong
}

// never records fields that are right each by itself and are never due together: at the day, which
// is the reason if there is one.
func (d *decoder) never(n *node, err error) {
	at := firstField(n).value
	variable := false
	for _, f := range cronFields {
		value := n.get(f.name)
		variable = variable || value != nil && value.variable()
		if value != nil && f.name == "day_of_month" {
			at = value
		}
	}
	if variable {
		d.node(at, bakeoff.HintOf(err), "the schedule never comes")
		return
	}
	d.node(at, bakeoff.HintOf(err), "%v", err)
}

// wrongPart reports whether one of the five fields of a text is wrong by itself, and records the
// first such field at its own column.
func (d *decoder) wrongPart(n *node, text string) bool {
	parts := strings.Fields(text)
	if len(parts) != 5 {
		return false
	}
	for i, part := range parts {
		alone := []string{"0", "*", "*", "*", "*"}
		alone[i] = part
		_, err := cron.Parse(bakeoff.Schedule{Cron: strings.Join(alone, " ")})
		if err == nil {
			continue
		}
		if n.variable() {
			d.refused(n, "schedule", err)
			return true
		}
		n.bad = true
		d.at(n.line, d.partColumn(n, i), bakeoff.HintOf(err), "%v", err)
		return true
	}
	return false
}

// partColumn returns the column of the field of that index in a text that stands in the file as it
// is, else that of the text.
func (d *decoder) partColumn(n *node, index int) int {
	line := []rune(d.line(n.line))
	rest := string(line[min(n.column-1, len(line)):])
	unquoted := strings.TrimLeft(rest, `"'`)
	if !strings.HasPrefix(unquoted, n.text) {
		return n.column
	}
	column, text := n.column+len(rest)-len(unquoted), n.text
	for range index {
		text = strings.TrimLeft(text, " \t")
		text = text[strings.IndexAny(text, " \t"):] // there are more fields
	}
	text = strings.TrimLeft(text, " \t")
	return column + utf8.RuneCountInString(n.text) - utf8.RuneCountInString(text)
}

// refused records what the reader of schedules has against a value; without its message, which
// quotes the value, where that came from a variable.
func (d *decoder) refused(n *node, what string, err error) {
	if n.variable() {
		d.node(n, bakeoff.HintOf(err), "the value of %s is not a legal %s", n.shown(), what)
		return
	}
	d.node(n, bakeoff.HintOf(err), "%v", err)
}
