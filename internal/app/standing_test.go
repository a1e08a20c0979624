package app

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/bakeoffhq/bakeoff"
)

// TestAMistakeDoesNotKeepANodeDown starts a node again after one of its files was broken.
func TestAMistakeDoesNotKeepANodeDown(t *testing.T) {
	dir := t.TempDir()
	store, broken := filepath.Join(dir, "store"), filepath.Join(dir, "broken.yaml")
	write(t, broken, pipelineText("broken"), 1)
	write(t, filepath.Join(dir, "whole.yaml"), pipelineText("whole"), 1)
	first, stop := goUp(t, store, Service{Files: []string{dir}})
	if first.Addresses.URL == "" {
		t.Error("the node does not say where it is")
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	write(t, broken, "name: broken\ncandidates: nonsense\n", 2)
	for what, named := range map[string][]string{"a folder": {dir}, "files": {broken, filepath.Join(dir, "whole.yaml")}, "what it has": nil} {
		t.Run(what, func(t *testing.T) {
			again, stop := goUp(t, store, Service{Files: named})
			ticks, err := again.Client.Schedule(t.Context(), "", 10)
			if err != nil {
				t.Fatal(err)
			}
			waits := map[string]bool{}
			for _, tick := range ticks {
				waits[tick.Pipeline] = true
			}
			if !waits["broken"] || !waits["whole"] {
				t.Errorf("the node waits for ticks of %v", waits)
			}
			about, err := again.Client.Node(t.Context())
			if err != nil || len(about.Problems) != 1 {
				t.Errorf("a person is told %q (%v)", about.Problems, err)
			}
			if err := stop(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestAFileThatWasNeverReadIsAMistake names one to a node whose store knows nothing of it.
func TestAFileThatWasNeverReadIsAMistake(t *testing.T) {
	dir := t.TempDir()
	file, store := filepath.Join(dir, "p.yaml"), filepath.Join(dir, "store")
	write(t, file, "name: p\ncandidates: nonsense\n", 1)
	start := func() error {
		config := DefaultConfig(store)
		config.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
		service := Service{Listen: Listen{Address: "127.0.0.1:0"}, Files: []string{file}}
		return Up(t.Context(), config, service, func(context.Context, Running) error {
			t.Error("the node is up")
			return nil
		})
	}
	if err := start(); bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
		t.Errorf("without a store: %v", err)
	}
	if exists(store) {
		t.Error("it left a store behind")
	}
	if err := os.Mkdir(store, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := start(); bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
		t.Errorf("with a store: %v", err)
	}
}
