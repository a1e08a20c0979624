package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/bakeoffhq/bakeoff"
)

// Model returns a model and the revision for a Change. A model that has no record yet is returned
// with its name alone and revision 0.
func (s *Store) Model(ctx context.Context, name string) (bakeoff.Model, uint64, error) {
	m := bakeoff.Model{Name: name}
	revision, err := s.get(ctx, s.decisions, "model."+name, &m)
	if bakeoff.CodeOf(err) == bakeoff.CodeNotFound {
		return bakeoff.Model{Name: name}, 0, nil
	}
	return m, revision, err
}

// Models returns every model, by name.
func (s *Store) Models(ctx context.Context) ([]bakeoff.Model, error) {
	ms, err := all[bakeoff.Model](ctx, s, s.decisions, "model.*")
	slices.SortFunc(ms, func(a, b bakeoff.Model) int { return cmp.Compare(a.Name, b.Name) })
	return ms, err
}

// Version returns one version of a model.
func (s *Store) Version(ctx context.Context, model string, n int) (bakeoff.Version, error) {
	var v bakeoff.Version
	_, err := s.get(ctx, s.decisions, fmt.Sprintf("version.%s.%d", model, n), &v)
	if bakeoff.CodeOf(err) == bakeoff.CodeNotFound {
		return v, bakeoff.Errorf(bakeoff.CodeNotFound, "model %s has no version %d", model, n).
			WithHint("`bakeoff models %s` lists its versions", model)
	}
	return v, err
}

// Versions returns every version of a model, the newest first.
func (s *Store) Versions(ctx context.Context, model string) ([]bakeoff.Version, error) {
	vs, err := all[bakeoff.Version](ctx, s, s.decisions, "version."+model+".*")
	slices.SortFunc(vs, func(a, b bakeoff.Version) int { return b.Version - a.Version })
	return vs, err
}

// Commit writes a change in one atomic batch. It has code Conflict if the model's record has
// changed since it was read, or if the run has a verdict already.
func (s *Store) Commit(ctx context.Context, c bakeoff.Change) error {
	if err := s.mustHold(ctx, c); err != nil {
		return fmt.Errorf("commit decision on %s: %w", c.Model.Name, err)
	}
	batch, err := jetstreamext.NewBatchPublisher(s.js)
	if err != nil {
		return fmt.Errorf("commit decision on %s: %w", c.Model.Name, err)
	}
	for _, w := range writes(c) {
		value, err := s.encode(ctx, w.record)
		if err != nil {
			return fmt.Errorf("commit decision on %s: %w", c.Model.Name, errors.Join(err, batch.Discard()))
		}
		if err := batch.Add(subject(w.key), value, jetstreamext.WithBatchExpectLastSequencePerSubject(0)); err != nil {
			return fmt.Errorf("commit decision on %s: %w", c.Model.Name, unavailable(errors.Join(err, batch.Discard())))
		}
	}
	value, err := s.encode(ctx, c.Model)
	if err != nil {
		return fmt.Errorf("commit decision on %s: %w", c.Model.Name, errors.Join(err, batch.Discard()))
	}
	_, err = batch.Commit(ctx, subject("model."+c.Model.Name), value, jetstreamext.WithBatchExpectLastSequencePerSubject(c.Revision))
	if conflict(err) {
		return bakeoff.Errorf(bakeoff.CodeConflict, "commit decision on %s: it was changed meanwhile: %w", c.Model.Name, err)
	}
	if err != nil {
		return fmt.Errorf("commit decision on %s: %w", c.Model.Name, unavailable(err))
	}
	return nil
}

type write struct {
	key    string
	record any
}

// writes lists what a change creates.
func writes(c bakeoff.Change) []write {
	var ws []write
	if v := c.Version; v != nil {
		ws = append(ws, write{"version." + v.Model + "." + strconv.Itoa(v.Version), v})
	}
	if r := c.Verdict; r != nil {
		ws = append(ws, write{"verdict." + r.Pipeline + "." + r.Run, r})
	}
	if n := c.Outbox; n != nil {
		ws = append(ws, write{"outbox." + n.ID, n})
	}
	if d := c.Deploy; d != nil {
		ws = append(ws, write{"deploy." + d.ID, d})
	}
	if a := c.Act; a != nil {
		ws = append(ws, write{actKey(*a), a})
	}
	return ws
}

func subject(key string) string { return "$KV.decisions." + key }
