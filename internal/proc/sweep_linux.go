package proc

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// sweepTime bounds how long processes are looked for that do not end, or that start others
	// faster than they are killed.
	sweepTime = 2 * time.Second

	// maxEnvironment bounds what is read of a process's environment.
	maxEnvironment = 1 << 20
)

// The ways in which an entry of an environment is compared with the one that is looked for.
const (
	whole    = true
	prefixed = false
)

// sweep kills the processes that have the entry in their environment until a look finds none, and
// returns how many it has killed and how many are left. A process that has been killed between a
// look and the next may have started another just before: only a look that finds none is the last.
func sweep(entry []byte, exact bool) (killed, left int) {
	seen := map[int]bool{}
	pause := time.Millisecond
	for deadline := time.Now().Add(sweepTime); ; {
		left = 0
		var buf bytes.Buffer
		for _, pid := range processes() {
			if hasEntry(pid, &buf, entry, exact) && kill(pid, &buf, entry, exact) {
				left++
				seen[pid] = true
			}
		}
		if left == 0 || time.Now().After(deadline) {
			return len(seen), left
		}
		time.Sleep(pause)
		pause = min(2*pause, 50*time.Millisecond)
	}
}

// processes lists the numbers of all processes but this one.
func processes() []int {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer func() { _ = dir.Close() }()
	names, _ := dir.Readdirnames(-1) // what was read until an error counts
	pids := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

// hasEntry reports whether the environment that a process was started with has the entry, or one
// that begins with it. One that has ended, or is another user's, has none.
func hasEntry(pid int, buf *bytes.Buffer, entry []byte, exact bool) bool {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	buf.Reset()
	buf.WriteByte(0)
	_, _ = buf.ReadFrom(io.LimitReader(f, maxEnvironment)) // a process that ends meanwhile has none
	for rest := buf.Bytes(); ; {
		i := bytes.Index(rest, entry)
		if i < 0 {
			return false
		}
		end := i + len(entry)
		if i > 0 && rest[i-1] == 0 && (!exact || end == len(rest) || rest[end] == 0) {
			return true
		}
		rest = rest[end:]
	}
}

// endTime bounds how long a killed process is waited for.
const endTime = 200 * time.Millisecond

// kill ends a process that has the entry, and waits for its end. Its number may be another's by now,
// so the signal goes through a descriptor, which keeps to the process that it was opened for.
func kill(pid int, buf *bytes.Buffer, entry []byte, exact bool) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ESRCH {
		return false
	}
	if err != nil { // before Linux 5.3, or forbidden
		return unix.Kill(pid, unix.SIGKILL) == nil
	}
	defer func() { _ = unix.Close(fd) }()
	if !hasEntry(pid, buf, entry, exact) || unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) != nil {
		return false
	}
	_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(endTime.Milliseconds()))
	return true
}
