package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/store"
	"github.com/bakeoffhq/bakeoff/internal/store/storetest"
)

// point makes a version the champion of a model.
func point(t *testing.T, s *store.Store, model string, version int) {
	t.Helper()
	m, revision, err := s.Model(t.Context(), model)
	if err != nil {
		t.Fatal(err)
	}
	m.Latest = max(m.Latest, version)
	m.Aliases = map[string]bakeoff.Alias{bakeoff.AliasChampion: {Model: model, Name: bakeoff.AliasChampion, Version: version}}
	if err := s.Commit(t.Context(), bakeoff.Change{Model: m, Revision: revision}); err != nil {
		t.Fatal(err)
	}
}

func TestWatchModelsTellsWhatIsAndWhatBecomes(t *testing.T) {
	s, _ := storetest.Open(t)
	point(t, s, "churn", 1)
	point(t, s, "fraud", 7)
	champions := map[string]int{}
	enough := errors.New("enough")
	err := s.WatchModels(t.Context(), func(m bakeoff.Model) error {
		champions[m.Name] = m.Champion()
		switch {
		case len(champions) == 2 && champions["churn"] == 1:
			point(t, s, "churn", 2)
		case champions["churn"] == 2:
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
	if champions["fraud"] != 7 {
		t.Errorf("champions %v", champions)
	}
}

func TestWatchModelsEndsWithItsContext(t *testing.T) {
	s, _ := storetest.Open(t)
	point(t, s, "churn", 1)
	ctx, cancel := context.WithCancel(t.Context())
	err := s.WatchModels(ctx, func(bakeoff.Model) error { cancel(); return nil })
	if err != nil {
		t.Error(err)
	}
}
