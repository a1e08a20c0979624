package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// minute is how a reason writes a time, which is in UTC.
const minute = "2006-01-02 15:04 UTC"

// ask has a candidate that has proven itself wait for a person's word. The verdict is then kept.
func ask(m bakeoff.Model, run bakeoff.Run, d bakeoff.Decision) (bakeoff.Model, bakeoff.Decision) {
	at := now()
	p := &bakeoff.Pending{
		Run: run.ID, Candidate: d.Candidate, Champion: d.Champion, Reason: d.Reason,
		Asked: at, Until: at.Add(d.Approve.Within), Then: d.Approve.Then,
	}
	m.Pending = p
	d.Verdict = bakeoff.Kept
	d.Reason = fmt.Sprintf("%s waits for approval until %s, then %s: `bakeoff approve %s` or `bakeoff reject %s`; %s",
		p.Candidate, p.Until.Format(minute), lapseInWords(*p), m.Name, m.Name, p.Reason)
	return m, d
}

// lapseInWords says what is done when nobody has decided.
func lapseInWords(p bakeoff.Pending) string {
	switch {
	case p.Then == bakeoff.LapsePromote:
		return "it is promoted"
	case p.Champion == 0:
		return "it is not promoted"
	}
	return fmt.Sprintf("v%d stays", p.Champion)
}

// Approve promotes what waits for a person's word, after it has given the answers that it was judged
// by. With a run, only if it is of that. What waited is void if the champion has moved, or if time is
// up and the champion was to stay then.
func (r *Registry) Approve(ctx context.Context, a Act, run string) (bakeoff.Model, error) {
	record := &bakeoff.Act{Kind: bakeoff.ActApprove}
	return r.act(ctx, a, record, func(m bakeoff.Model) (bakeoff.Model, *bakeoff.Version, error) {
		p, err := waiting(m, run)
		if err != nil {
			return m, nil, err
		}
		if p.Then == bakeoff.LapseKeep && !now().Before(p.Until) {
			return m, nil, bakeoff.Errorf(bakeoff.CodeConflict, "%s of run %s waited for approval until %s: it is too late to approve", p.Candidate, p.Run, p.Until.Format(minute)).
				WithHint("`bakeoff promote %s --candidate %s --run %s` promotes it all the same", m.Name, p.Candidate, p.Run)
		}
		record.Run, record.Candidate = p.Run, p.Candidate
		v, err := r.approved(ctx, m, p)
		if err != nil {
			return m, nil, err
		}
		return moved(m, v, a.By, a.Why), &v, nil
	})
}

// Reject has what waits for a person's word not be promoted; with a run, only if it is of that.
func (r *Registry) Reject(ctx context.Context, a Act, run string) (bakeoff.Model, error) {
	record := &bakeoff.Act{Kind: bakeoff.ActReject}
	return r.act(ctx, a, record, func(m bakeoff.Model) (bakeoff.Model, *bakeoff.Version, error) {
		p, err := waiting(m, run)
		if err != nil {
			return m, nil, err
		}
		record.Run, record.Candidate = p.Run, p.Candidate
		m.Pending = nil
		return m, nil, nil
	})
}

// waiting returns what waits for a person's word, of a run where one is named.
func waiting(m bakeoff.Model, run string) (bakeoff.Pending, error) {
	switch p := m.Pending; {
	case p == nil:
		return bakeoff.Pending{}, bakeoff.Errorf(bakeoff.CodeNotFound, "nothing of %s waits for approval", m.Name).
			WithHint("`bakeoff history %s` lists what was decided", m.Name)
	case run != "" && run != p.Run:
		return bakeoff.Pending{}, bakeoff.Errorf(bakeoff.CodeConflict, "what waits for approval is %s of run %s, not of run %s", p.Candidate, p.Run, run).
			WithHint("`bakeoff why --run %s` says why", p.Run)
	default:
		return *p, nil
	}
}

// approved makes a version of what waited, and has it give the answers that it was judged by.
func (r *Registry) approved(ctx context.Context, m bakeoff.Model, p bakeoff.Pending) (bakeoff.Version, error) {
	if m.Champion() != p.Champion { // nothing that moves the champion leaves anything waiting
		return bakeoff.Version{}, bakeoff.Errorf(bakeoff.CodeConflict, "%s of run %s was judged beside v%d, and v%d is the champion of %s now: what waited is void",
			p.Candidate, p.Run, p.Champion, m.Champion(), m.Name).WithHint("`bakeoff reject %s --reason \"...\"` clears it", m.Name)
	}
	run, _, err := r.store.Run(ctx, p.Run)
	if err != nil {
		return bakeoff.Version{}, err
	}
	v, err := newVersion(run, p.Candidate, r.version, m)
	if err != nil {
		return bakeoff.Version{}, err
	}
	golden := run.Decision.Golden
	if err := r.runtime.Check(ctx, v, golden); err != nil {
		return bakeoff.Version{}, fmt.Errorf("%s of run %s %w: %w", p.Candidate, p.Run, errUnproven, err)
	}
	v.Golden, err = r.putGolden(ctx, golden)
	return v, err
}

// errUnproven says that what waited was asked for its golden answers and did not give them.
var errUnproven = errors.New("did not prove itself, the champion stays")

// lapse does what was stated of a model's promotion that waits, if its time is up. What cannot be
// promoted then waits no longer: the record of the act says why.
func (r *Registry) lapse(ctx context.Context, model string) error {
	record := &bakeoff.Act{Kind: bakeoff.ActTimeout}
	_, err := r.act(ctx, Act{Model: model, By: bakeoff.ByTimeout}, record, func(m bakeoff.Model) (bakeoff.Model, *bakeoff.Version, error) {
		p := m.Pending
		if p == nil || now().Before(p.Until) {
			return m, nil, errNothing
		}
		record.Run, record.Candidate = p.Run, p.Candidate
		record.Why = fmt.Sprintf("nobody decided about it within %s: %s", bakeoff.Days(p.Until.Sub(p.Asked).Round(time.Second)), lapseInWords(*p))
		kept := m
		kept.Pending = nil
		if p.Then != bakeoff.LapsePromote {
			return kept, nil, nil
		}
		v, err := r.approved(ctx, m, *p)
		switch {
		case ctx.Err() != nil, bakeoff.CodeOf(err) == bakeoff.CodeUnavailable && !errors.Is(err, errUnproven):
			return m, nil, err // it is tried again
		case err != nil:
			record.Why = "it was to be promoted, for nobody decided about it, and cannot be: " + err.Error()
			r.log.Error("not promoted when its time was up", "model", model, "run", p.Run, "error", err)
			return kept, nil, nil
		}
		return moved(m, v, bakeoff.ByTimeout, record.Why), &v, nil
	})
	return err
}
