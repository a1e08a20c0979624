package registry

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// Record records an act that changed no model, such as a pause of the schedule.
func (r *Registry) Record(ctx context.Context, kind bakeoff.ActKind, a Act) error {
	m, _, err := r.store.Model(ctx, a.Model)
	if err != nil {
		return err
	}
	return r.store.PutAct(ctx, *recorded(bakeoff.Act{Kind: kind}, a, m, m))
}

// recorded is the record of an act that leads from one state of a model to another.
func recorded(record bakeoff.Act, a Act, before, after bakeoff.Model) *bakeoff.Act {
	record.Time = now()
	record.ID = actID(record.Time)
	record.Model, record.By, record.Why = a.Model, a.By, cmp.Or(record.Why, a.Why)
	record.Version = after.Champion()
	if record.Version != before.Champion() {
		record.Previous = before.Champion()
	}
	record.Hold = after.Hold != nil
	return &record
}

// actMoment is the form of the moment in an act's ID, before its microseconds.
const actMoment = "20060102T150405"

// actID names an act among those of its model, in a form that sorts by time.
func actID(at time.Time) string {
	return fmt.Sprintf("%s%06dZ-%s", at.Format(actMoment), at.Nanosecond()/1000, strings.ToLower(rand.Text()[:4]))
}

// against says what stands against a candidate of a run beside today's champion, in the judge's words
// where it has any; "" where the judge let it pass.
func against(run bakeoff.Run, candidate string, m bakeoff.Model) string {
	d := run.Decision
	switch {
	case d == nil && run.Reason != "":
		return "it was not judged: " + run.Reason
	case d == nil:
		return "it has not been judged"
	case d.Candidate == candidate && d.Champion == m.Champion():
		return ""
	case d.Candidate == candidate && d.Champion == 0:
		return fmt.Sprintf("it passed when there was no champion, and v%d is the champion now", m.Champion())
	case d.Candidate == candidate:
		return fmt.Sprintf("it passed beside v%d, and v%d is the champion now", d.Champion, m.Champion())
	case d.Candidate != "":
		return fmt.Sprintf("the one that passed is %s: %s", d.Candidate, d.Reason)
	}
	return d.Reason
}

// notPassed refuses to promote what the judge has not let pass.
func notPassed(run bakeoff.Run, candidate, why string) error {
	return bakeoff.Errorf(bakeoff.CodeConflict, "the judge has not let %s of run %s pass: %s", candidate, run.ID, why).
		WithHint("`bakeoff promote %s --candidate %s --run %s --force --reason \"...\"` overrides that", run.Pipeline, candidate, run.ID)
}
