package deploy_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/deploy"
)

// copyAll carries out the copies of versions from..to, one deployment after another.
func copyAll(t *testing.T, target string, from, to int) bakeoff.HookOutcome {
	t.Helper()
	s := &memory{}
	d := newDeployer(t, s, bakeoff.Hook{Copy: target})
	for n := from; n <= to; n++ {
		s.add(moved(n))
		if _, err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return s.outcome(fmt.Sprintf("churn-v%d-x", to), 0)
}

// beside names what lies in the folder of target.
func beside(t *testing.T, target string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(target))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestAReaderSeesTheOldFilesOrTheNew(t *testing.T) {
	target := filepath.Join(t.TempDir(), "srv", "model")
	if o := copyAll(t, target, 1, 1); o.State != bakeoff.DeliverySent {
		t.Fatalf("outcome %+v", o)
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	seen := make([]map[string]bool, 2)
	for i := range seen {
		seen[i] = map[string]bool{}
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				folder, err := os.OpenRoot(target) // resolves the link once
				if err != nil {
					t.Errorf("the folder is not there: %v", err)
					return
				}
				model, err1 := folder.ReadFile("model.bin")
				schema, err2 := folder.ReadFile("schema.json")
				if err := folder.Close(); err != nil || err1 != nil || err2 != nil || string(model) != string(schema) || len(model) < 2 {
					t.Errorf("a mixture: %q and %q, %v %v", model, schema, err1, err2)
					return
				}
				seen[i][string(model)] = true
			}
		})
	}
	o := copyAll(t, target, 2, 25)
	close(done)
	readers.Wait()
	if o.State != bakeoff.DeliverySent || read(filepath.Join(target, "model.bin")) != "v25" {
		t.Errorf("outcome %+v", o)
	}
	if len(seen[0]) < 2 || len(seen[1]) < 2 {
		t.Errorf("the readers saw %d and %d versions", len(seen[0]), len(seen[1]))
	}
}

func TestFoldersThatWereReplacedLongAgoAreRemoved(t *testing.T) {
	target := filepath.Join(t.TempDir(), "model")
	bystander := target + ".v1-notes"
	if err := os.Mkdir(bystander, 0o755); err != nil {
		t.Fatal(err)
	}
	s := &memory{}
	d := newDeployer(t, s, bakeoff.Hook{Copy: target})
	began := time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)
	for n, after := range []time.Duration{0, 24 * time.Hour, 48 * time.Hour, 48*time.Hour + time.Minute, 48*time.Hour + 2*time.Minute} {
		move := moved(n + 1)
		move.Moved = began.Add(after)
		s.add(move)
		if _, err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"model", "model.v1-notes", "model.v2-20261124T050000.000000Z", // replaced two minutes ago
		"model.v3-20261125T050000.000000Z", "model.v4-20261125T050100.000000Z", "model.v5-20261125T050200.000000Z",
	}
	if diff := cmp.Diff(want, beside(t, target)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestARealFolderIsReplacedOnceAndKept(t *testing.T) {
	target := filepath.Join(t.TempDir(), "model")
	if err := os.Mkdir(target, 0o755); err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(target, "mine")
	if err := os.WriteFile(mine, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	o := copyAll(t, target, 1, 1)
	kept, ok := strings.CutPrefix(o.Detail, "the folder that was there before is kept as ")
	if o.State != bakeoff.DeliverySent || !ok || read(filepath.Join(target, "model.bin")) != "v1" || read(mine) != "" {
		t.Errorf("outcome %+v", o)
	}
	if o := copyAll(t, target, 2, 5); o.Detail != "" || read(filepath.Join(target, "model.bin")) != "v5" {
		t.Errorf("outcome %+v", o)
	}
	if read(filepath.Join(kept, "mine")) != "precious" {
		t.Errorf("%s is gone: %q", kept, beside(t, target))
	}
}

func TestCopyGoesOnFromWhatAnEarlierTryLeft(t *testing.T) {
	target := filepath.Join(t.TempDir(), "model")
	s := &memory{}
	d, move := newDeployer(t, s, bakeoff.Hook{Copy: target}), moved(1)
	folder := fmt.Sprintf("%s.v1-%s", target, move.Moved.Format("20060102T150405.000000Z"))
	for _, leftover := range []string{folder, folder + ".part"} {
		if err := os.MkdirAll(filepath.Join(leftover, "half"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("nowhere", target+".next"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds it done
		s.outcomes = nil
		s.add(move)
		if _, err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if o := s.outcome("churn-v1-x", 0); o.State != bakeoff.DeliverySent {
			t.Errorf("outcome %+v", o)
		}
	}
	if left := beside(t, target); len(left) != 2 || read(filepath.Join(target, "half")) != "" || read(filepath.Join(target, "model.bin")) != "v1" {
		t.Errorf("left behind: %q", left)
	}
}

func TestCopyRefusesWhatItCannotReplace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]string{file: "there is a file", "relative": "not an absolute path", "/": "not an absolute path"} {
		if o := copyAll(t, target, 1, 1); o.State != bakeoff.DeliveryRefused || !strings.Contains(o.Detail, want) {
			t.Errorf("%s: %+v", target, o)
		}
	}
}

func TestAnEmptyFolderMakesPlace(t *testing.T) {
	target := filepath.Join(t.TempDir(), "model")
	if err := os.Mkdir(target, 0o755); err != nil {
		t.Fatal(err)
	}
	if o := copyAll(t, target, 1, 1); o.Detail != "" || read(filepath.Join(target, "model.bin")) != "v1" || len(beside(t, target)) != 2 {
		t.Errorf("outcome %+v, %q", o, beside(t, target))
	}
}

// TestACopyTakesNothingOfOursAway names folders whose loss would be that of the store, or of the
// pipeline's file.
func TestACopyTakesNothingOfOursAway(t *testing.T) {
	home := t.TempDir()
	kept := filepath.Join(home, "data", "store")
	pipelines := filepath.Join(home, "pipelines", "nightly")
	for _, folder := range []string{filepath.Join(kept, "nats"), pipelines, filepath.Join(home, "elsewhere")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(home, "link")
	if err := os.Symlink(filepath.Join(home, "data"), link); err != nil {
		t.Skip(err)
	}
	for _, c := range []struct{ copy, want string }{
		{kept, bakeoff.DeliveryRefused},
		{filepath.Join(kept, "nats"), bakeoff.DeliveryRefused},
		{filepath.Dir(kept), bakeoff.DeliveryRefused},
		{filepath.Join(link, "store"), bakeoff.DeliveryRefused},
		{filepath.Join(link, "store", "nats"), bakeoff.DeliveryRefused},
		{home, bakeoff.DeliveryRefused},
		{pipelines, bakeoff.DeliveryRefused},
		{filepath.Dir(pipelines), bakeoff.DeliveryRefused},
		{filepath.Join(pipelines, "model"), bakeoff.DeliverySent},
		{filepath.Join(home, "data", "store-of-models"), bakeoff.DeliverySent},
		{filepath.Join(home, "elsewhere"), bakeoff.DeliverySent},
		{link, bakeoff.DeliverySent}, // the link alone
	} {
		s := &memory{}
		s.add(moved(1))
		d := deploy.New(deploy.Config{
			Store: s, Artifacts: files, Scratch: filepath.Join(kept, "scratch"), Keep: kept, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
			Hooks: func(context.Context, string, bakeoff.Digest) (string, []bakeoff.Hook, error) {
				return pipelines, []bakeoff.Hook{{Copy: c.copy}}, nil
			},
		})
		if _, err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if o := s.outcome("churn-v1-x", 0); o.State != c.want {
			t.Errorf("copy to %s: %s (%s), want %s", c.copy, o.State, o.Detail, c.want)
		}
		if info, err := os.Lstat(filepath.Join(kept, "nats")); err != nil || !info.IsDir() {
			t.Fatalf("copy to %s: the store is gone: %v", c.copy, err)
		}
	}
}
