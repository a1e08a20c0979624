//go:build unix

package proc

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// terminateGroup asks the group that the process leads to end.
func terminateGroup(p *os.Process) { _ = unix.Kill(-p.Pid, unix.SIGTERM) }

// killGroup ends the group that the process leads.
func killGroup(p *os.Process) { _ = unix.Kill(-p.Pid, unix.SIGKILL) }

// wasKilled reports whether the process died of SIGKILL.
func wasKilled(state *os.ProcessState) bool {
	status, ok := state.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// signalName names the signal that ended the process: "SIGSEGV (segmentation fault)".
func signalName(state *os.ProcessState) string {
	status, ok := state.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return state.String()
	}
	return unix.SignalName(status.Signal()) + " (" + status.Signal().String() + ")"
}

func isNotExecutable(err error) bool { return errors.Is(err, syscall.ENOEXEC) }
