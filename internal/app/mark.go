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
	path := filepath.Join(dir, "mark")
	text, err := os.ReadFile(path)
	if err == nil && len(text) == 2*markBytes {
		killed, err := proc.Sweep(string(text))
		if killed > 0 {
			log.Warn("processes were left behind and are ended", "component", "app", "processes", killed)
		}
		return string(text), err
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the store's mark: %w", err)
	}
	mark = newMark()
	if err := os.WriteFile(path, []byte(mark), 0o600); err != nil {
		return "", fmt.Errorf("write the store's mark: %w", err)
	}
	return mark, nil
}

const markBytes = 8

// newMark returns a random mark.
func newMark() string {
	var b [markBytes]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return hex.EncodeToString(b[:])
}
