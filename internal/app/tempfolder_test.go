package app

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// killed is a folder as a process leaves it that was killed: with its lock free.
func killed(t *testing.T, kind string) string {
	t.Helper()
	f := folderOf(t, kind)
	if err := f.lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	return f.path
}

func folderOf(t *testing.T, kind string) *tempFolder {
	t.Helper()
	f, err := newTempFolder(kind, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// must takes the error of what lays a test out.
func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// TestAKilledProcessLeavesNoFolder has the next process of a kind remove what the last has left, and
// nothing else: not what a live process has, nor another kind's, nor what a link leads to.
func TestAKilledProcessLeavesNoFolder(t *testing.T) {
	temp, outside := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temp)
	live, other := folderOf(t, workerFolder), killed(t, serveFolder)
	dead := killed(t, workerFolder)
	sealed, link := filepath.Join(dead, "build-1", "cache"), filepath.Join(temp, workerFolder+"link")
	must(t,
		os.WriteFile(filepath.Join(outside, "file"), nil, 0o600),
		os.MkdirAll(sealed, 0o700),
		os.WriteFile(filepath.Join(sealed, "file"), nil, 0o600),
		os.Symlink(outside, filepath.Join(sealed, "out")),
		os.Chmod(sealed, 0o500),
		os.Chmod(outside, 0o500),
		os.Symlink(outside, link),
		os.WriteFile(filepath.Join(temp, workerFolder+"file"), nil, 0o600),
	)
	next := folderOf(t, workerFolder)
	if exists(dead) {
		t.Error("the folder of the killed process is left")
	}
	for _, path := range []string{live.path, other, link, filepath.Join(temp, workerFolder+"file"), filepath.Join(outside, "file"), next.path} {
		if !exists(path) {
			t.Errorf("%s is gone", path)
		}
	}
	if info, err := os.Stat(outside); err != nil || info.Mode().Perm() != 0o500 {
		t.Errorf("the rights of a folder outside: %v, %v", info.Mode(), err)
	}
	must(t, os.Chmod(outside, 0o700))
	for _, f := range []*tempFolder{live, next} {
		if err := f.remove(); err != nil || exists(f.path) {
			t.Errorf("%s is left (%v)", f.path, err)
		}
	}
}

// TestAnothersFolderIsNotSwept asks for root, who could remove it.
func TestAnothersFolderIsNotSwept(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	theirs := killed(t, workerFolder)
	if err := os.Chown(theirs, 12345, -1); errors.Is(err, fs.ErrPermission) {
		t.Skip("needs root")
	} else if err != nil {
		t.Fatal(err)
	}
	must(t, folderOf(t, workerFolder).remove())
	if !exists(theirs) {
		t.Error("it is gone")
	}
}

// TestASweepThatFailsKeepsNobodyFromStarting leaves a folder in place of a mark.
func TestASweepThatFailsKeepsNobodyFromStarting(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	bad := killed(t, workerFolder)
	must(t, os.Mkdir(markIn(bad), 0o700))
	var said bytes.Buffer
	f, err := newTempFolder(workerFolder, slog.New(slog.NewTextHandler(&said, nil)))
	must(t, err)
	if !exists(f.path) || !exists(bad) {
		t.Errorf("%s and %s should be there", f.path, bad)
	}
	if !strings.Contains(said.String(), "the folder of a killed process is left") || !strings.Contains(said.String(), bad) {
		t.Errorf("the log says %q", said.String())
	}
	must(t, f.remove())
}

// TestFoldersThatAreMadeAtOnce has processes start and sweep at the same time: each gets a folder that
// none of the others takes for a dead one's.
func TestFoldersThatAreMadeAtOnce(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var starting sync.WaitGroup
	for range 8 {
		starting.Go(func() {
			for range 50 {
				f, err := newTempFolder(workerFolder, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := f.mark(); err != nil {
					t.Error(err)
				}
				if err := f.remove(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	starting.Wait()
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left are %v (%v)", left, err)
	}
}
