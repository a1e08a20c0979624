//go:build unix && !linux

package proc

import "syscall"

// attributes puts the child at the head of its own group.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitExit returns false at once: there is no portable way to wait for an end without reaping.
func awaitExit(int) bool { return false }

// oomKills returns 0: the kernel does not say.
func oomKills() int64 { return 0 }

// inherited does nothing: there is no call that marks all descriptors.
func inherited() {}
