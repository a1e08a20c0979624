package app

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dispatch"
)

// TestARunWhoseRecordWasAnsweredTooLateIsDriven submits a run again whose record was written while the
// answer to that was lost.
func TestARunWhoseRecordWasAnsweredTooLateIsDriven(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "p.yaml")
	write(t, path, pipelineText("p"), 1) // without its rows: the run soon fails
	config := DefaultConfig(filepath.Join(dir, "store"))
	config.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	n, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	file, p, err := LoadPipeline(path, os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.apply(t.Context(), file, p); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var g errgroup.Group
	g.Go(func() error { return n.Work(ctx) })
	<-n.dispatcher.Ready()
	run := dispatch.NewRun("p-20260101T000000Z", p, dispatch.Start{Trigger: bakeoff.TriggerSchedule}, time.Now().UTC())
	if err := n.store.CreateRun(ctx, run); err != nil {
		t.Fatal(err)
	}
	if err := n.submit(ctx, run); bakeoff.CodeOf(err) != bakeoff.CodeConflict {
		t.Errorf("submitted again: %v", err)
	}
	if ended, err := n.store.WaitRun(ctx, run.ID); err != nil || ended.Verdict != bakeoff.Failed {
		t.Errorf("the run is in phase %s (%v)", ended.Phase, err)
	}
	stop()
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}
