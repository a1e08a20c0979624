package store_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/store/storetest"
)

// Parameters and reasons are the user's, and may look like a record's own fields; a large record is
// kept elsewhere.
func TestOpenRunsAreThoseThatHaveNotEnded(t *testing.T) {
	t.Parallel()
	s, _ := storetest.Open(t)
	recipes := []bakeoff.Candidate{{Name: "a", Params: json.RawMessage(`{"phase":"ended"}`)}}
	large := bakeoff.Trial{Candidate: "a", Reason: strings.Repeat("x", 300<<10)}
	begun := time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)
	for i, r := range []bakeoff.Run{
		{Phase: bakeoff.PhaseBuild, Recipes: recipes, Reason: `"phase":"ended"`},
		{Phase: bakeoff.PhaseEnded},
		{Phase: bakeoff.PhaseBuild, Trials: []bakeoff.Trial{large}},
		{Phase: bakeoff.PhaseEnded, Trials: []bakeoff.Trial{large}},
		{Phase: bakeoff.PhaseSnapshot},
	} {
		r.ID, r.Created = fmt.Sprintf("p-%d", i), begun.Add(-time.Duration(i)*time.Hour)
		if err := s.CreateRun(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	runs, err := s.OpenRuns(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range runs {
		got = append(got, r.ID)
	}
	if diff := cmp.Diff([]string{"p-4", "p-2", "p-0"}, got); diff != "" {
		t.Error(diff)
	}
}
