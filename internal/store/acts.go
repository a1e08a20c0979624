package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/bakeoffhq/bakeoff"
)

func actKey(a bakeoff.Act) string { return "act." + a.Model + "." + a.ID }

// PutAct records an act that changes no model, and so comes with no Change.
func (s *Store) PutAct(ctx context.Context, a bakeoff.Act) error {
	value, err := s.encode(ctx, a)
	if err != nil {
		return fmt.Errorf("record an act on %s: %w", a.Model, err)
	}
	if _, err := s.decisions.Create(ctx, actKey(a), value); err != nil {
		return fmt.Errorf("record an act on %s: %w", a.Model, unavailable(err))
	}
	return nil
}

// Acts returns at most n acts on a model, the newest first.
func (s *Store) Acts(ctx context.Context, model string, n int) ([]bakeoff.Act, error) {
	as, err := all[bakeoff.Act](ctx, s, s.decisions, "act."+model+".*")
	slices.SortFunc(as, func(a, b bakeoff.Act) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(b.ID, a.ID))
	})
	return as[:min(len(as), max(n, 0))], err
}
