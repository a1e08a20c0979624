package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// writeHistory writes one line a run, or a range of ticks without one, in the order given, with times
// in the machine's zone.
func writeHistory(w io.Writer, all []past, width int, color bool) {
	writeHistoryIn(w, all, width, color, time.Local)
}

// past is a run that has ended, ticks without a run, or an act.
type past struct {
	when time.Time
	run  *bakeoff.Report
	tick *bakeoff.Tick
	act  *bakeoff.Act
}

// pastOf merges runs, ticks without one and acts, the newest first and no more than limit. A range of
// ticks has its place by the last of them.
func pastOf(rs []bakeoff.Report, ticks []bakeoff.Tick, acts []bakeoff.Act, limit int) []past {
	var all []past
	for i := range rs {
		all = append(all, past{when: rs[i].Created, run: &rs[i]})
	}
	for i, t := range ticks {
		if t.State != bakeoff.TickRun {
			all = append(all, past{when: t.Last, tick: &ticks[i]})
		}
	}
	for i, a := range acts {
		all = append(all, past{when: a.Time, act: &acts[i]})
	}
	slices.SortStableFunc(all, func(a, b past) int { return b.when.Compare(a.when) })
	return all[:min(len(all), max(limit, 0))]
}

func writeHistoryIn(w io.Writer, all []past, width int, color bool, zone *time.Location) {
	t := table{columns: []column{
		{title: "WHEN"},
		{title: "RUN", whole: true},
		{title: "TRIGGER", drop: 3},
		{title: "VERDICT", whole: true},
		{title: "CHAMPION", drop: 1},
		{title: "METRIC", drop: 2},
		{title: "REASON", least: 20},
	}}
	retried := slices.ContainsFunc(all, func(p past) bool { return p.run != nil && p.run.RetryOf != "" })
	if retried {
		t.columns = slices.Insert(t.columns, 3, column{title: "RETRY OF", drop: 4})
	}
	for _, p := range all {
		switch {
		case p.run != nil:
			t.rows = append(t.rows, runRow(p.run, retried, zone))
		case p.tick != nil:
			t.rows = append(t.rows, tickRow(p.tick, retried, zone))
		default:
			t.rows = append(t.rows, actRow(p.act, retried, zone))
		}
	}
	if dropped := t.write(w, width, color); len(dropped) > 0 {
		writeNarrow(w, dropped)
	}
}

func runRow(r *bakeoff.Report, retried bool, zone *time.Location) row {
	version, value, verdict := "-", "-", string(r.Verdict)
	if c := r.Champion; c != nil {
		version = fmt.Sprintf("v%d %s", c.Version, plain.Line(c.Candidate))
	}
	if v, ok := championValue(r); ok {
		value = plain.Line(r.Metric) + " " + plain.Value(v)
	}
	if r.Late {
		verdict += ", late"
	}
	line := row{cells: []string{moment(r.Created, zone), plain.Line(r.Run), cmp.Or(plain.Line(string(r.Trigger)), "-")}}
	if retried {
		line.cells = append(line.cells, cmp.Or(plain.Line(r.RetryOf), "-"))
	}
	line.cells = append(line.cells, verdict, version, value, plain.Line(r.Reason))
	if r.Verdict == bakeoff.Failed {
		line.style = badStyle
	}
	return line
}

// tickRow is what became of ticks without a run.
func tickRow(t *bakeoff.Tick, retried bool, zone *time.Location) row {
	reason := plain.Line(t.Reason)
	if t.Count > 1 {
		reason = fmt.Sprintf("%s since %s: %s", counted(t.Count, "tick"), moment(t.Time, zone), reason)
	}
	line := row{cells: []string{moment(t.Last, zone), "-", "schedule"}}
	if retried {
		line.cells = append(line.cells, "-")
	}
	line.cells = append(line.cells, string(t.State), "-", "-", cmp.Or(strings.TrimSuffix(reason, ": "), "-"))
	if t.State == bakeoff.TickMissed {
		line.style = neutralStyle
	}
	return line
}

// originInWords says which run it is and what began it.
func originInWords(r *bakeoff.Report, zone *time.Location) string {
	run := plain.Line(r.Run)
	switch {
	case r.RetryOf != "":
		return fmt.Sprintf("%s, a retry of %s", run, plain.Line(r.RetryOf))
	case !r.Tick.IsZero():
		return fmt.Sprintf("%s, for the tick of %s", run, moment(r.Tick, zone))
	case r.Trigger == bakeoff.TriggerPerson:
		return run + ", started by a person"
	case r.Trigger == bakeoff.TriggerAPI:
		return run + ", started through the API"
	}
	return run
}

// lateInWords says what made a run late.
func lateInWords(r *bakeoff.Report, zone *time.Location) string {
	if r.Deadline.IsZero() {
		return "its deadline passed before it was judged"
	}
	return fmt.Sprintf("its deadline, %s, passed before it was judged", moment(r.Deadline, zone))
}

// championValue returns the objective metric of the version that was live after the run.
func championValue(r *bakeoff.Report) (float64, bool) {
	role, name := bakeoff.RoleChampion, ""
	if r.Verdict == bakeoff.Promoted && r.Champion != nil {
		role, name = bakeoff.RoleChallenger, r.Champion.Candidate
	}
	row, ok := contestant(r, func(row *bakeoff.LeaderboardRow) bool {
		return row.Role == role && (name == "" || row.Candidate == name)
	})
	if !ok {
		return 0, false
	}
	return row.Metrics[r.Metric], true
}

// moment formats a time to the minute, with its offset from UTC: abbreviations of zones are ambiguous.
func moment(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(zone).Format("2006-01-02 15:04 -07:00")
}
