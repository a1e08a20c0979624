package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/bakeoffhq/bakeoff"
)

// Act is something that a person does to a model.
type Act struct {
	Model string
	By    string
	Why   string
	Force bool // PromoteTrial: whatever the judge said
	Quiet bool // nobody is notified of it
}

// Rollback makes an earlier version the champion again, after it has given its golden answers:
// version n, or for 0 the one before today's, unless that is where a rollback came from. With hold,
// runs keep it until Resume or Promote.
func (r *Registry) Rollback(ctx context.Context, a Act, n int, hold bool) (bakeoff.Model, error) {
	return r.act(ctx, a, &bakeoff.Act{Kind: bakeoff.ActRollback}, func(m bakeoff.Model) (bakeoff.Model, *bakeoff.Version, error) {
		to := n
		if to == 0 {
			to = m.Aliases[bakeoff.AliasPrevious].Version
		}
		if to == 0 {
			return m, nil, nothingBefore(m)
		}
		if n == 0 && m.Aliases[bakeoff.AliasChampion].Rollback {
			return m, nil, bakeoff.Errorf(bakeoff.CodeConflict, "model %s was rolled back already, from v%d to v%d", m.Name, to, m.Champion()).
				WithHint("`bakeoff rollback %s --to vN` goes back further, `bakeoff promote %s --version v%d` undoes it", m.Name, m.Name, to)
		}
		m, err := r.point(ctx, m, to, a, "rollback: "+a.Why)
		if err != nil {
			return m, nil, err
		}
		champion := m.Aliases[bakeoff.AliasChampion]
		champion.Rollback = true
		m.Aliases[bakeoff.AliasChampion] = champion
		if hold {
			m.Hold = holdOn(a, "rollback to", to)
		}
		return m, nil, nil
	})
}

// nothingBefore says why there is no version to go back to.
func nothingBefore(m bakeoff.Model) error {
	if m.Champion() == 0 {
		return bakeoff.Errorf(bakeoff.CodeNotFound, "model %s has no champion to go back from", m.Name).
			WithHint("`bakeoff why %s` says why no run has promoted one", m.Name)
	}
	return bakeoff.Errorf(bakeoff.CodeNotFound, "model %s has no version before its champion to go back to", m.Name).
		WithHint("`bakeoff models %s` lists its versions; rollback --to goes to one of them", m.Name)
}

// holdOn is the hold that an act of a person leaves on a version.
func holdOn(a Act, what string, version int) *bakeoff.Hold {
	return &bakeoff.Hold{Model: a.Model, By: a.By, Why: fmt.Sprintf("%s v%d: %s", what, version, a.Why), Since: now()}
}

// Promote makes version n the champion by a person's decision, after it has given its golden
// answers, and lifts a hold. With hold, runs keep it until Resume or another Promote; of today's
// champion that is all that changes.
func (r *Registry) Promote(ctx context.Context, a Act, n int, hold bool) (bakeoff.Model, error) {
	return r.act(ctx, a, &bakeoff.Act{Kind: bakeoff.ActPromote}, func(m bakeoff.Model) (bakeoff.Model, *bakeoff.Version, error) {
		var err error
		if n == 0 || n != m.Champion() || !hold && m.Hold == nil { // else the hold was the promotion's point
			m, err = r.point(ctx, m, n, a, a.Why)
		}
		m.Hold = nil
		if hold {
			m.Hold, m.Pending = holdOn(a, "promotion of", n), nil
		}
		return m, nil, err
	})
}

// PromoteTrial makes a new version of what a run has built, and that the champion, by a person's
// decision. Where the judge has not let it pass beside today's champion that takes a.Force; it has to
// answer in any case. It lifts a hold. With hold, runs keep it until Resume or another promotion by a
// person.
func (r *Registry) PromoteTrial(ctx context.Context, a Act, run, candidate string, hold bool) (bakeoff.Model, error) {
	record := &bakeoff.Act{Kind: bakeoff.ActPromote, Run: run, Candidate: candidate}
	return r.act(ctx, a, record, func(m bakeoff.Model) (bakeoff.Model, *bakeoff.Version, error) {
		state, _, err := r.store.Run(ctx, run)
		if err != nil {
			return m, nil, err
		}
		v, err := newVersion(state, candidate, r.version, m)
		if err != nil {
			return m, nil, err
		}
		record.Overruled = against(state, candidate, m)
		record.Forced = record.Overruled != ""
		if record.Forced && !a.Force {
			return m, nil, notPassed(state, candidate, record.Overruled)
		}
		golden, err := r.runtime.Answer(ctx, v)
		if err != nil {
			return m, nil, fmt.Errorf("%s of run %s does not answer: %w", candidate, run, err)
		}
		if v.Golden, err = r.putGolden(ctx, golden); err != nil {
			return m, nil, err
		}
		m = moved(m, v, a.By, a.Why)
		m.Hold = nil
		if hold {
			m.Hold = holdOn(a, "promotion of", v.Version)
		}
		return m, &v, nil
	})
}

// Resume lifts a hold. It reports whether there was one.
func (r *Registry) Resume(ctx context.Context, a Act) (held bool, err error) {
	_, err = r.act(ctx, a, &bakeoff.Act{Kind: bakeoff.ActResume}, func(m bakeoff.Model) (bakeoff.Model, *bakeoff.Version, error) {
		if held = m.Hold != nil; !held {
			return m, nil, errNothing
		}
		m.Hold = nil
		return m, nil, nil
	})
	return held, err
}

// Drop takes a model out of service: it has no champion any more, nor any other alias, nothing of it is
// held, and nothing waits for approval. Its versions stay, and keep their numbers. A model that has no
// champion, and none that waits to be the first, has code NotFound.
func (r *Registry) Drop(ctx context.Context, a Act) (bakeoff.Model, error) {
	return r.act(ctx, a, &bakeoff.Act{Kind: bakeoff.ActDrop}, func(m bakeoff.Model) (bakeoff.Model, *bakeoff.Version, error) {
		if m.Champion() == 0 && m.Pending == nil {
			return m, nil, bakeoff.Errorf(bakeoff.CodeNotFound, "model %s has no champion", m.Name)
		}
		m.Aliases, m.Hold, m.Pending = map[string]bakeoff.Alias{}, nil, nil
		return m, nil, nil
	})
}

// errNothing says that there is nothing to change, and so nothing to record.
var errNothing = errors.New("nothing to do")

// act changes a model's record, anew if somebody else was faster, and records that together with it,
// and what is owed for it to hooks and receivers. The change may add to the record.
func (r *Registry) act(
	ctx context.Context, a Act, record *bakeoff.Act, change func(bakeoff.Model) (bakeoff.Model, *bakeoff.Version, error),
) (bakeoff.Model, error) {
	var conflict error
	for range maxConflicts {
		m, revision, err := r.store.Model(ctx, a.Model)
		if err != nil {
			return m, err
		}
		if revision == 0 && len(m.Aliases) == 0 {
			m.Aliases = map[string]bakeoff.Alias{}
		}
		after, version, err := change(m)
		if errors.Is(err, errNothing) {
			return m, nil
		}
		if err != nil {
			return m, err
		}
		made := bakeoff.Change{Model: after, Revision: revision, Version: version}
		if err := r.oweMove(ctx, a, m, &made); err != nil {
			return m, err
		}
		made.Act = recorded(*record, a, m, after)
		conflict = r.store.Commit(ctx, made)
		if bakeoff.CodeOf(conflict) != bakeoff.CodeConflict {
			return after, conflict
		}
	}
	return bakeoff.Model{}, conflict
}

// point moves the champion alias to an existing version that proves itself.
func (r *Registry) point(ctx context.Context, m bakeoff.Model, n int, a Act, why string) (bakeoff.Model, error) {
	if n == m.Champion() {
		return m, bakeoff.Errorf(bakeoff.CodeConflict, "version %d is the champion of %s already", n, m.Name)
	}
	v, err := r.store.Version(ctx, m.Name, n)
	if err != nil {
		return m, err
	}
	golden, err := r.golden(ctx, v)
	if err != nil {
		return m, err
	}
	if err := r.runtime.Check(ctx, v, golden); err != nil {
		return m, fmt.Errorf("version %d of %s did not prove itself, the champion stays: %w", n, m.Name, err)
	}
	return moved(m, v, a.By, why), nil
}
