package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func mountDisk(dir, size string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		return fmt.Errorf("mount a disk at %s: %w", dir, err)
	}
	return nil
}

func remountDisk(dir string, readOnly bool) error {
	flags := uintptr(unix.MS_REMOUNT)
	if readOnly {
		flags |= unix.MS_RDONLY
	}
	return unix.Mount("tmpfs", dir, "tmpfs", flags, "")
}

func unmountDisk(dir string) error { return unix.Unmount(dir, unix.MNT_DETACH) }
