package proc

import (
	"bytes"
	"math"
	"os"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// attributes puts the child at the head of its own group and ties its life to the forking thread's.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitExit returns when the process has ended and leaves it to be reaped, so that its number,
// which is its group's, cannot be given away before the group is killed. It returns false, at
// once, where the system refuses to wait in this way.
func awaitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return err == nil
		}
	}
}

// oomKills returns how many processes the kernel has killed for want of memory since it started,
// 0 where it does not say (before Linux 4.13).
func oomKills() int64 {
	stat, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(stat) {
		if count, ok := bytes.CutPrefix(line, []byte("oom_kill ")); ok {
			n, _ := strconv.ParseInt(string(bytes.TrimSpace(count)), 10, 64)
			return n
		}
	}
	return 0
}

// inherited keeps the descriptors that this process was itself started with from its children: a
// shell or a supervisor may have left some open. All others are closed on exec by Go's own doing.
var inherited = sync.OnceFunc(func() {
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) // refused before Linux 5.11
})
