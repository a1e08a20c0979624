package app

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/bakeoffhq/bakeoff/internal/proc"
)

// sweepStore ends the processes that an earlier process has left behind in a store when it was
// killed, and returns the mark by which they are known: a random one, kept in the store's folder,
// whose lock must be held.
func sweepStore(dir string, log *slog.Logger) (mark string, err error) {
	if mark, err = endMarked(dir, log.With("component", "app")); mark != "" || err != nil {
		return mark, err
	}
	return keepMark(dir)
}

// endMarked ends the processes that carry the mark which is kept in a folder, and returns it; "" for
// none. A process that was killed while it kept one has started nothing under it.
func endMarked(dir string, log *slog.Logger) (mark string, err error) {
	text, err := os.ReadFile(markIn(dir))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(text) != 2*markBytes {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the mark of processes: %w", err)
	}
	killed, err := proc.Sweep(string(text))
	if killed > 0 {
		log.Warn("processes were left behind and are ended", "processes", killed)
	}
	return string(text), err
}

// keepMark keeps a new mark in a folder.
func keepMark(dir string) (string, error) {
	var b [markBytes]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	mark := hex.EncodeToString(b[:])
	if err := os.WriteFile(markIn(dir), []byte(mark), 0o600); err != nil {
		return "", fmt.Errorf("keep the mark of processes: %w", err)
	}
	return mark, nil
}

const markBytes = 8

func markIn(dir string) string { return filepath.Join(dir, "mark") }
