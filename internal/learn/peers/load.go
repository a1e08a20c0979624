package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// quietShare is how much of the machine others may use while times still mean something.
const quietShare = 0.1

// load is what had been used of the processor at a moment, in seconds.
type load struct {
	at       time.Time
	all, own float64 // by everybody; by this process and those that it has waited for
}

// lookAtLoad looks; all is 0 where the system does not tell.
func lookAtLoad() load {
	l := load{at: time.Now(), own: usage(syscall.RUSAGE_SELF) + usage(syscall.RUSAGE_CHILDREN)}
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return l
	}
	const hertz = 100 // of the counters, on every Linux that there is
	var user, nice, system, idle, wait, irq, soft float64
	first, _, _ := strings.Cut(string(text), "\n")
	if n, _ := fmt.Sscanf(first, "cpu %f %f %f %f %f %f %f", &user, &nice, &system, &idle, &wait, &irq, &soft); n == 7 {
		l.all = (user + nice + system + irq + soft) / hertz
	}
	return l
}

// others returns the share of the machine that others have used until a later moment.
func (l load) others(later load) float64 {
	if l.all == 0 {
		return 0
	}
	whole := later.at.Sub(l.at).Seconds() * float64(runtime.NumCPU())
	return max(0, (later.all-l.all-(later.own-l.own))/whole)
}

// usage returns the seconds of processor time that this process has used, or the children that it has
// waited for.
func usage(who int) float64 {
	var u syscall.Rusage
	if syscall.Getrusage(who, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}
