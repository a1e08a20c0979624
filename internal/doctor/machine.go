package doctor

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"time"
)

const (
	enoughMemory = 256 << 20 // bytes
	enoughFiles  = 4096
	clockLimit   = 5 * time.Second // a worker's lease lasts 15 s
	clockWait    = 5 * time.Second
)

// memory looks at what this process may use: the least limit of the control groups that it is in,
// or the machine's memory.
func memory(system fs.FS) Check {
	total := machineMemory(system)
	limit, limited := memoryLimit(system)
	switch {
	case limited && (limit < total || total == 0):
		return judgeMemory(limit, fmt.Sprintf("a limit of %s for this process and its trainers", size(limit)))
	case total > 0:
		return judgeMemory(total, fmt.Sprintf("%s in the machine, no limit below it", size(total)))
	}
	return Check{Name: "memory", OK: true, Detail: "not known on this system"}
}

func judgeMemory(bytes uint64, detail string) Check {
	c := Check{Name: "memory", OK: bytes >= enoughMemory, Detail: detail}
	if !c.OK {
		c.Hint = "trainers may be killed for want of memory; raise the limit of the container or service"
	}
	return c
}

func machineMemory(system fs.FS) uint64 {
	for line := range strings.Lines(text(system, "proc/meminfo")) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == "MemTotal:" {
			kib, err := strconv.ParseUint(fields[1], 10, 54)
			if err == nil {
				return kib << 10
			}
		}
	}
	return 0
}

// memoryLimit goes up the control groups of version 2, and looks at the one file of version 1.
func memoryLimit(system fs.FS) (limit uint64, limited bool) {
	least := func(name string) {
		bytes, err := strconv.ParseUint(strings.TrimSpace(text(system, name)), 10, 64)
		if err == nil && bytes < 1<<62 && (!limited || bytes < limit) { // more is how version 1 says none
			limit, limited = bytes, true
		}
	}
	for line := range strings.Lines(text(system, "proc/self/cgroup")) {
		group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::/")
		if !ok {
			continue
		}
		for ; group != "." && group != ""; group = path.Dir(group) {
			least(path.Join("sys/fs/cgroup", group, "memory.max"))
		}
	}
	least("sys/fs/cgroup/memory.max") // a container's own group looks like the root
	least("sys/fs/cgroup/memory/memory.limit_in_bytes")
	return limit, limited
}

// openFiles looks at the limit of file descriptors.
func openFiles() Check {
	limit, ok := fileLimit()
	if !ok {
		return Check{Name: "open files", OK: true, Detail: "not known on this system"}
	}
	return judgeFiles(limit)
}

func judgeFiles(limit uint64) Check {
	c := Check{Name: "open files", OK: limit >= enoughFiles, Detail: fmt.Sprintf("up to %d", limit)}
	if !c.OK {
		c.Hint = fmt.Sprintf("connections are refused when they run out; raise it: ulimit -n %d, or LimitNOFILE= in a unit", 16*enoughFiles)
	}
	return c
}

// zone looks at the machine's own zone, which a schedule without one follows. tz is the variable
// TZ: a name in it that nobody knows silently means UTC.
func zone(tz string, now time.Time) Check {
	c := Check{Name: "time zone"}
	if _, err := time.LoadLocation("Asia/Seoul"); err != nil {
		c.Detail, c.Hint = "the names of time zones are not known here", "install the package tzdata"
		return c
	}
	name, offset := now.Zone()
	c.Detail = fmt.Sprintf("this machine is on %s (%s); schedules without a zone follow it", name, now.Format("-07:00"))
	if offset == 0 && tz != "" && !strings.HasPrefix(tz, "/") {
		if _, err := time.LoadLocation(strings.TrimPrefix(tz, ":")); err != nil {
			c.Detail = fmt.Sprintf("TZ=%q is not a zone, so this machine is on UTC", tz)
			c.Hint = "set TZ to a name such as Asia/Seoul, or give each schedule its timezone"
			return c
		}
	}
	c.OK = true
	return c
}

// clock compares the clock with a server's Date header, which counts in seconds.
func clock(ctx context.Context, o Options, now func() time.Time) Check {
	c := Check{Name: "clock", OK: true}
	if o.TimeURL == "" {
		c.Detail = now().UTC().Format(time.RFC3339) + "; not compared, since no server was named"
		return c
	}
	ahead, err := aheadOf(ctx, o, now)
	if err != nil {
		c.Detail = fmt.Sprintf("not compared: %v", err)
		return c
	}
	if ahead.Abs() > clockLimit {
		c.OK = false
		direction := "ahead"
		if ahead < 0 {
			direction = "behind"
		}
		c.Detail = fmt.Sprintf("%s %s of the server's", ahead.Abs().Round(time.Second), direction)
		c.Hint = "start a time service (systemd-timesyncd, chrony): schedules and leases go by this clock"
	} else {
		c.Detail = "within " + clockLimit.String() + " of the server's"
	}
	return c
}

func aheadOf(ctx context.Context, o Options, now func() time.Time) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, clockWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, o.TimeURL, nil)
	if err != nil {
		return 0, fmt.Errorf("the server's address is not a URL")
	}
	client := o.Client
	if client == nil {
		client = http.DefaultClient
	}
	before := now()
	answer, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("the server does not answer")
	}
	defer func() { _ = answer.Body.Close() }() // it has none
	date, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return 0, fmt.Errorf("the server does not tell the time")
	}
	middle := before.Add(now().Sub(before) / 2)
	return middle.Sub(date.Add(time.Second / 2)), nil
}

// program looks for a program as a trainer's start does.
func program(name string) Check {
	at, err := exec.LookPath(name)
	if err != nil {
		return Check{Name: "program " + name, Detail: fmt.Sprintf("not found: %v", err), Hint: "install it, or give its path in the pipeline's command; a service has a PATH of its own"}
	}
	return Check{Name: "program " + name, OK: true, Detail: at}
}

// namespaces says whether an ordinary user may make namespaces. It is no fault where not: a trainer
// is kept apart by its own folder, group and limits, and may read what its user may.
func namespaces(system fs.FS) Check {
	c := Check{Name: "namespaces", OK: true, Detail: "an ordinary user may make them"}
	why := ""
	switch limit := strings.TrimSpace(text(system, "proc/sys/user/max_user_namespaces")); {
	case limit == "":
		why = "this kernel has none for users"
	case limit == "0":
		why = "user.max_user_namespaces is 0"
	case strings.TrimSpace(text(system, "proc/sys/kernel/unprivileged_userns_clone")) == "0":
		why = "kernel.unprivileged_userns_clone is 0"
	case strings.TrimSpace(text(system, "proc/sys/kernel/apparmor_restrict_unprivileged_userns")) == "1":
		why = "kernel.apparmor_restrict_unprivileged_userns is 1"
	}
	if why != "" {
		c.Detail = "an ordinary user may not make them: " + why
	}
	return c
}
