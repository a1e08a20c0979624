package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// port looks at whether an address is free, or who holds it. This process may hold it itself.
func port(ctx context.Context, system fs.FS, address string) Check {
	c := Check{Name: "address " + address}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	if err == nil {
		if err := l.Close(); err != nil {
			c.Detail = err.Error()
			return c
		}
		c.OK, c.Detail = true, "free"
		return c
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		c.Detail = fmt.Sprintf("it cannot be listened on: %v", err)
		c.Hint = "choose an address of this machine and a port above 1023 with --listen"
		return c
	}
	pid, name := holder(system, address)
	switch {
	case pid == os.Getpid():
		c.OK, c.Detail = true, "this node listens on it"
	case pid != 0:
		c.Detail = fmt.Sprintf("held by process %d (%s)", pid, name)
		c.Hint = "end that process, or choose another port with --listen"
	default:
		c.Detail = "held by a process of somebody else"
		c.Hint = "`ss -ltnp` as root says by whom; or choose another port with --listen"
	}
	return c
}

// holder returns the process that listens on an address's port and its name, or 0: other users'
// processes do not show what they hold.
func holder(system fs.FS, address string) (pid int, name string) {
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return 0, ""
	}
	number, err := net.LookupPort("tcp", text)
	if err != nil {
		return 0, ""
	}
	sockets := listening(system, number)
	processes, err := fs.ReadDir(system, "proc")
	if err != nil || len(sockets) == 0 {
		return 0, ""
	}
	for _, process := range processes {
		pid, err := strconv.Atoi(process.Name())
		if err == nil && holds(system, pid, sockets) {
			return pid, strings.TrimSpace(textOf(system, pid, "comm"))
		}
	}
	return 0, ""
}

func textOf(system fs.FS, pid int, file string) string {
	return text(system, fmt.Sprintf("proc/%d/%s", pid, file))
}

// listening returns the sockets, as a process's descriptors name them, that listen on a port.
func listening(system fs.FS, port int) map[string]bool {
	const stateListen = "0A"
	sockets := map[string]bool{}
	for _, file := range []string{"proc/net/tcp", "proc/net/tcp6"} {
		for line := range strings.Lines(text(system, file)) {
			// sl, local address, remote address, state, ..., inode
			fields := strings.Fields(line)
			if len(fields) < 10 || fields[3] != stateListen || !strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
				continue
			}
			sockets["socket:["+fields[9]+"]"] = true
		}
	}
	return sockets
}

func holds(system fs.FS, pid int, sockets map[string]bool) bool {
	folder := fmt.Sprintf("proc/%d/fd", pid)
	descriptors, err := fs.ReadDir(system, folder)
	if err != nil {
		return false
	}
	for _, d := range descriptors {
		if target, err := fs.ReadLink(system, folder+"/"+d.Name()); err == nil && sockets[target] {
			return true
		}
	}
	return false
}
