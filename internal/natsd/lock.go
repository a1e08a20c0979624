package natsd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/bakeoffhq/bakeoff"
)

// lockWait is how long a process that is just ending may keep the folder.
const lockWait = 2 * time.Second

// folderLock is held for as long as this process may write to a store. The lock is the kernel's,
// so that it ends with the process however it ends; the file says who holds it.
type folderLock struct{ file *flock.Flock }

func acquire(ctx context.Context, dir string) (*folderLock, error) {
	path := filepath.Join(dir, "lock")
	file := flock.New(path, flock.SetPermissions(0o600))
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	ok, err := file.TryLockContext(ctx, 20*time.Millisecond)
	if errors.Is(err, context.DeadlineExceeded) || (err == nil && !ok) {
		return nil, busy(dir, path)
	}
	if err != nil {
		return nil, fmt.Errorf("lock store %s: %w", dir, err)
	}
	holder := fmt.Sprintf("pid %d, %s, since %s\n", os.Getpid(), filepath.Base(os.Args[0]), time.Now().Format(time.RFC3339))
	if err := os.WriteFile(path, []byte(holder), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("lock store %s: %w", dir, err), file.Unlock())
	}
	return &folderLock{file: file}, nil
}

func busy(dir, path string) error {
	holder, err := os.ReadFile(path)
	if err != nil || len(holder) == 0 {
		holder = []byte("another process")
	}
	return bakeoff.Errorf(bakeoff.CodeBusy, "store %s is in use by %s", dir, strings.TrimSpace(string(holder))).
		WithHint("wait until it has ended, or choose another folder with --store")
}

func (l *folderLock) release() error {
	if err := l.file.Unlock(); err != nil {
		return fmt.Errorf("unlock store: %w", err)
	}
	return nil
}
