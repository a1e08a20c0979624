package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/build"
	"github.com/bakeoffhq/bakeoff/internal/natsd"
	"github.com/bakeoffhq/bakeoff/internal/store"
)

// Restore makes the store folder of c from a backup. The folder must not be there, or be empty. It is
// filled beside its place and gets its name when everything was checked: a backup that is damaged
// leaves nothing.
func Restore(ctx context.Context, c Config, from io.Reader) (sum store.Summary, err error) {
	folder, err := filepath.Abs(c.Store)
	if err != nil {
		return sum, fmt.Errorf("resolve %s: %w", c.Store, err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return sum, fmt.Errorf("look into %s: %w", folder, err)
	}
	if len(entries) > 0 {
		return sum, bakeoff.Errorf(bakeoff.CodeConflict, "there is something at %s", folder).
			WithHint("name a new folder with --store")
	}
	beside, err := os.MkdirTemp(filepath.Dir(folder), ".restore-")
	if err != nil {
		return sum, bakeoff.Errorf(bakeoff.CodeInvalid, "make a folder beside %s: %w", folder, err)
	}
	defer func() { err = errors.Join(err, build.RemoveAll(beside)) }()
	if sum, err = fill(ctx, beside, c, from); err != nil {
		return sum, err
	}
	if err := hideFromGit(beside); err != nil {
		return sum, err
	}
	if err := os.Remove(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return sum, fmt.Errorf("replace %s: %w", folder, err)
	}
	if err := os.Rename(beside, folder); err != nil {
		return sum, fmt.Errorf("give the restored store its name: %w", err)
	}
	return sum, syncFolder(filepath.Dir(folder))
}

// syncFolder makes the names in a folder survive a power cut.
func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}

// VerifyBackup reads a backup to its end, checks every digest in it, and says what it holds.
func VerifyBackup(r io.Reader) (store.Summary, error) { return store.Verify(r) }

// fill restores into a new folder.
func fill(ctx context.Context, folder string, c Config, from io.Reader) (sum store.Summary, err error) {
	server, err := natsd.Start(ctx, folder, c.Log)
	if err != nil {
		return sum, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	s, err := store.Open(ctx, server.Conn())
	if err != nil {
		return sum, err
	}
	return s.Restore(ctx, from)
}
