//go:build !unix

package proc

import (
	"os"
	"syscall"
)

// Without process groups and signals only the leader can be stopped, and only by force.

func terminateGroup(p *os.Process) { _ = p.Kill() }

func killGroup(p *os.Process) { _ = p.Kill() }

func wasKilled(*os.ProcessState) bool { return false }

func signalName(state *os.ProcessState) string { return state.String() }

func isNotExecutable(error) bool { return false }

func attributes() *syscall.SysProcAttr { return nil }

func awaitExit(int) bool { return false }

func oomKills() int64 { return 0 }

// inherited does nothing: there is no call that marks all descriptors.
func inherited() {}
