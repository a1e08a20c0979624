package spec

import (
	"slices"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// cronFields are the fields of a schedule by name, with the names of Celery's crontab.
var cronFields = []struct {
	name, doc string
	of        func(*bakeoff.CronFields) *string
}{
	{"minute", "0 to 59, */15, 0,30. Every one by \"*\".", func(f *bakeoff.CronFields) *string { return &f.Minute }},
	{"hour", "0 to 23, 9-17. Default: every one.", func(f *bakeoff.CronFields) *string { return &f.Hour }},
	{"day_of_week", "0 to 7 from Sunday, or mon-fri. With a day of the month too, both must hold.", func(f *bakeoff.CronFields) *string { return &f.DayOfWeek }},
	{"day_of_month", "1 to 31, or 1-7. With a day of the week too, both must hold.", func(f *bakeoff.CronFields) *string { return &f.DayOfMonth }},
	{"month_of_year", "1 to 12, or jan-mar. Default: every one.", func(f *bakeoff.CronFields) *string { return &f.MonthOfYear }},
}

// defaultWithin is how old a missed tick may be to be made up for.
const defaultWithin = 6 * time.Hour

// schedule reads when a pipeline is due; nil where it only runs on demand.
func (d *decoder) schedule(n *node) *bakeoff.Schedule {
	if n == nil || n.bad {
		return nil
	}
	s := &bakeoff.Schedule{Missed: bakeoff.MissedLatest, Within: defaultWithin, Overlap: bakeoff.OverlapSkip}
	before := len(d.mistakes)
	if n.kind == kindText {
		s.Cron = d.expression(n)
	} else {
		d.scheduleParts(n, s)
	}
	if len(d.mistakes) == before && n.complete() {
		d.due(n, *s)
	}
	return s
}

func (d *decoder) scheduleParts(n *node, s *bakeoff.Schedule) {
	s.Fields = d.fields(n)
	s.Timezone = d.timezone(n.get("timezone"))
	cron := n.get("cron")
	switch {
	case cron != nil && s.Fields != nil:
		d.node(cron, "write one or the other", "a schedule has either `cron` or fields by name, such as `%s`", firstField(n).key.text)
	case cron != nil:
		s.Cron = d.expression(cron)
	case s.Fields != nil:
		d.needsMinute(n)
	case n.complete():
		d.at(n.line, n.column, `such as cron: "0 5 * * *", or minute: 0 and hour: 5`, "the schedule does not say when")
	}
	if m := n.get("missed"); m != nil {
		s.Missed = bakeoff.MissedPolicy(m.str())
	}
	if o := n.get("overlap"); o != nil {
		s.Overlap = bakeoff.OverlapPolicy(o.str())
	}
	if w := n.get("within"); w != nil {
		s.Within = d.duration(w, "window", "missed: none makes up for no tick")
	}
	s.Deadline = d.duration(n.get("deadline"), "deadline", "leave it out for none")
}

// complete reports whether a mapping and all that is in it has no mistake so far.
func (n *node) complete() bool {
	return !n.bad && !slices.ContainsFunc(n.entries, func(e entry) bool { return e.key.bad || e.value.bad })
}

// expression reads a schedule in one text.
func (d *decoder) expression(n *node) string {
	if n.bad {
		return ""
	}
	if strings.TrimSpace(n.text) == "" {
		d.empty(n, "schedule", "leave the schedule out for none")
	}
	return strings.TrimSpace(n.text)
}

func (d *decoder) timezone(n *node) string {
	if n != nil && !n.bad && n.text == "" {
		d.empty(n, "time zone", "leave it out for the machine's")
	}
	return n.str()
}

// fields reads the fields by name, nil where there is none: each as it is written, since 08 is an
// hour and no number of YAML.
func (d *decoder) fields(n *node) *bakeoff.CronFields {
	if firstField(n).key == nil {
		return nil
	}
	fields := &bakeoff.CronFields{}
	for _, f := range cronFields {
		value := n.get(f.name)
		if value == nil || value.bad {
			continue
		}
		*f.of(fields) = strings.TrimSpace(value.raw)
		if strings.TrimSpace(value.raw) == "" {
			d.empty(value, "field "+f.name, `write "*" for every one`)
		}
	}
	return fields
}

// firstField returns the first field by name that a schedule has.
func firstField(n *node) entry {
	for _, e := range n.entries {
		for _, f := range cronFields {
			if e.key.text == f.name {
				return e
			}
		}
	}
	return entry{}
}

// needsMinute records fields without a minute: in Celery they mean every minute, which nobody wants
// of a schedule that builds models.
func (d *decoder) needsMinute(n *node) {
	if n.get("minute") != nil || !n.complete() {
		return
	}
	first := firstField(n)
	d.node(first.key, `add minute: 0, or minute: "*" if that is meant`, "`%s` without `minute` would be due every minute", first.key.text)
}
