package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/store/storetest"
)

func TestARemovedPipelineLeavesItsRevisions(t *testing.T) {
	s, _ := storetest.Open(t)
	ctx := t.Context()
	f := bakeoff.PipelineFile{Name: "churn", Revision: bakeoff.DigestOf([]byte("text")), Path: "/srv/churn.yaml", Text: "text"}
	_, err := s.LastPipeline(ctx, "churn")
	wantCode(t, "a pipeline that never was", err, bakeoff.CodeNotFound)
	if err := s.PutPipeline(ctx, f); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f, must(s.LastPipeline(ctx, "churn"))(t)); diff != "" {
		t.Errorf("its last record (-want +got):\n%s", diff)
	}

	gone := f
	gone.Removed = &bakeoff.Removal{By: "kim", At: time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)}
	for range 2 { // it may be called again
		if err := s.RemovePipeline(ctx, gone); err != nil {
			t.Fatal(err)
		}
	}
	_, err = s.Pipeline(ctx, "churn", "")
	wantCode(t, "the current revision of a removed pipeline", err, bakeoff.CodeNotFound)
	if all := must(s.Pipelines(ctx))(t); len(all) != 0 {
		t.Errorf("there are still %+v", all)
	}
	if diff := cmp.Diff(f, must(s.Pipeline(ctx, "churn", f.Revision))(t)); diff != "" {
		t.Errorf("its revision (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(gone, must(s.LastPipeline(ctx, "churn"))(t)); diff != "" {
		t.Errorf("its last record now (-want +got):\n%s", diff)
	}

	if err := s.PutPipeline(ctx, f); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f, must(s.LastPipeline(ctx, "churn"))(t)); diff != "" {
		t.Errorf("it has come back (-want +got):\n%s", diff)
	}
}
