package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/store/storetest"
)

func TestActsAreWrittenWithTheirChangeOrNotAtAll(t *testing.T) {
	s, _ := storetest.Open(t)
	ctx := t.Context()
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	act := func(model, id string, after time.Duration) bakeoff.Act {
		return bakeoff.Act{ID: id, Model: model, Kind: bakeoff.ActRollback, Time: noon.Add(after), By: "kim"}
	}
	for _, a := range []bakeoff.Act{act("churn", "1", 0), act("churn-2", "2", time.Hour), act("churn", "3", 2*time.Hour)} {
		m, revision, err := s.Model(ctx, a.Model)
		if err == nil {
			err = s.Commit(ctx, bakeoff.Change{Model: m, Revision: revision, Act: &a})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.PutAct(ctx, act("churn", "4", time.Minute)); err != nil {
		t.Fatal(err)
	}
	stale := act("churn", "5", 3*time.Hour)
	if err := s.Commit(ctx, bakeoff.Change{Model: bakeoff.Model{Name: "churn"}, Revision: 1, Act: &stale}); bakeoff.CodeOf(err) != bakeoff.CodeConflict {
		t.Errorf("a change of what was changed meanwhile: %v", err)
	}
	for limit, want := range map[int][]string{9: {"3", "4", "1"}, 2: {"3", "4"}, 0: nil} {
		acts, err := s.Acts(ctx, "churn", limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range acts {
			got = append(got, a.ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the last %d (-want +got):\n%s", limit, diff)
		}
	}
}
