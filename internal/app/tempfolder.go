package app

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/gofrs/flock"

	"github.com/bakeoffhq/bakeoff/internal/build"
)

// The kinds of folders that processes of ours have in the machine's temp directory.
const (
	workerFolder = "bakeoff-worker-" // of a joined worker
	serveFolder  = "bakeoff-serve-"  // of a joined predicting node
	socketFolder = "bakeoff-socket-" // of a node's local socket
	scoreFolder  = "bakeoff-score-"  // of a command that scores a file
)

// tempFolder is a folder in the temp directory that is this process's own. It is locked, and the lock
// is the kernel's, so that it ends with the process however that ends: a folder whose lock can be taken
// is a dead process's.
type tempFolder struct {
	path string
	lock *flock.Flock
}

// newTempFolder makes a folder of a kind. What processes of the kind that were killed have left is
// swept before; that this fails is told in the log and keeps nobody from starting.
func newTempFolder(kind string, log *slog.Logger) (*tempFolder, error) {
	log = log.With("component", "app")
	sweepTemp(kind, log)
	for {
		path, err := os.MkdirTemp("", kind)
		if err != nil {
			return nil, err
		}
		f := &tempFolder{path: path, lock: lockOn(path)}
		held, err := f.lock.TryLock()
		if err != nil && exists(path) { // a file system without locks: nobody can take this one either
			log.Warn("a folder cannot be locked: it is not swept when this process is killed", "folder", path, "error", err)
			return f, nil
		}
		if held && exists(path) {
			return f, nil
		}
		// Another process has swept it before it was locked: the next one.
		if err := f.lock.Unlock(); err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
	}
}

// lockOn returns the lock of a folder, which is on the folder itself: there is no moment in which it
// has none, and what cleans temp directories up heeds it.
func lockOn(dir string) *flock.Flock {
	return flock.New(dir, flock.SetFlag(os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW))
}

// mark returns a mark for the processes that this one starts. It is kept in the folder: whoever sweeps
// that ends those that are left.
func (f *tempFolder) mark() (string, error) { return keepMark(f.path) }

// remove removes the folder with all that is in it.
func (f *tempFolder) remove() error {
	return errors.Join(build.RemoveAll(f.path), f.lock.Unlock())
}

// sweepTemp removes what processes of this user's that were killed have left in the temp directory: the
// folders of a kind, and before each the processes that carry the mark which is kept in it.
func sweepTemp(kind string, log *slog.Logger) {
	entries, err := os.ReadDir(os.TempDir())
	if err != nil {
		log.Warn("folders of killed processes are not looked for", "error", err)
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), kind) {
			continue
		}
		path := filepath.Join(os.TempDir(), entry.Name())
		switch swept, err := sweepFolder(path, log); {
		case err != nil:
			log.Warn("the folder of a killed process is left", "folder", path, "error", err)
		case swept:
			log.Info("the folder of a killed process is removed", "folder", path)
		}
	}
}

// sweepFolder removes a folder if it is a dead process's.
func sweepFolder(path string, log *slog.Logger) (swept bool, err error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) { // another sweep was faster
		return false, nil
	}
	if err != nil || !info.IsDir() || !ours(info) {
		return false, err
	}
	lock := lockOn(path)
	held, err := lock.TryLock()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || !held {
		return false, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if _, err := endMarked(path, log); err != nil {
		return false, err
	}
	return true, build.RemoveAll(path)
}

// ours reports whether a folder is this user's: everybody may make one of any name in a temp directory.
func ours(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid()
}
