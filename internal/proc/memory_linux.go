package proc

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

const (
	// CanLimitMemory reports whether a Command's Memory is watched on this system.
	CanLimitMemory = true

	// meterEvery is how often memory is looked at, at most.
	meterEvery = 50 * time.Millisecond

	// meterShare bounds the share of a processor that looking takes to one in so many.
	meterShare = 20
)

// process is one process, whatever becomes of its number after its end.
type process struct {
	pid   int
	start uint64 // when it was started, in the kernel's ticks
}

// meter measures the memory of a family of processes: the leader of a group, the group, their
// descendants, and those that have the leader's mark in their environment.
type meter struct {
	leader int
	mark   []byte
	limit  int64
	family map[process]bool // of every process that was seen, whether it belongs to the family
	buf    bytes.Buffer
}

func newMeter(leader int, mark []byte, limit int64) *meter {
	return &meter{leader: leader, mark: mark, limit: limit, family: map[process]bool{}}
}

// pause returns how long to wait after a look that took so long.
func (m *meter) pause(took time.Duration) time.Duration { return max(meterEvery, meterShare*took) }

// over returns an *overMemory if the family has more memory than the limit. The resident sets are
// quickly read, but count what processes share once for each of them; where their sum is too much,
// the proportional sets decide, which take the kernel longer.
func (m *meter) over() error {
	members := m.members()
	var sum int64
	for _, s := range members {
		sum += s.resident
	}
	if sum <= m.limit {
		return nil
	}
	if sum = m.shared(members); sum <= m.limit {
		return nil
	}
	return &overMemory{used: sum, limit: m.limit, processes: len(members)}
}

// used returns the memory that the family takes.
func (m *meter) used() int64 { return m.shared(m.members()) }

// shared sums up the memory of some processes, each with its share of what it shares.
func (m *meter) shared(members []status) int64 {
	var sum int64
	for _, s := range members {
		sum += m.proportional(s)
	}
	return sum
}

// members lists the family's processes of this moment.
func (m *meter) members() []status {
	pids := processes()
	all := make([]status, 0, len(pids))
	for _, pid := range pids {
		if s, ok := m.status(pid); ok {
			all = append(all, s)
		}
	}
	family := make(map[process]bool, len(all))
	parents := map[int]bool{}
	for _, s := range all {
		known, seen := m.family[s.process]
		if !seen {
			known = s.group == m.leader || s.pid == m.leader || hasEntry(s.pid, &m.buf, m.mark, whole)
		}
		family[s.process] = known
		parents[s.pid] = known
	}
	for grown := true; grown; { // a descendant may have been given a lower number than its parent
		grown = false
		for _, s := range all {
			if !family[s.process] && parents[s.parent] {
				family[s.process], parents[s.pid], grown = true, true, true
			}
		}
	}
	m.family = family
	var members []status
	for _, s := range all {
		if family[s.process] {
			members = append(members, s)
		}
	}
	return members
}

// status is what the kernel tells of a process in one short read.
type status struct {
	process
	parent, group int
	resident      int64 // bytes
}

// The fields of /proc/PID/stat that follow the name, counted from 0, as proc(5) numbers them less 3.
const (
	statParent   = 1
	statGroup    = 2
	statStart    = 19
	statResident = 21
)

// status reads /proc/PID/stat; false for a process that has ended.
func (m *meter) status(pid int) (status, bool) {
	text, err := m.read(pid, "stat")
	if err != nil {
		return status{}, false
	}
	_, rest, _ := cutLast(text, ')') // the name may contain anything
	fields := bytes.Fields(rest)
	if len(fields) <= statResident {
		return status{}, false
	}
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(string(fields[i]), 10, 64) // the kernel writes numbers
		return n
	}
	return status{
		process: process{pid: pid, start: uint64(number(statStart))},
		parent:  int(number(statParent)), group: int(number(statGroup)),
		resident: number(statResident) * int64(os.Getpagesize()),
	}, true
}

// proportional returns the process's share of the memory that it maps, or its resident set where the
// kernel does not tell (before Linux 4.14).
func (m *meter) proportional(s status) int64 {
	text, err := m.read(s.pid, "smaps_rollup")
	if err != nil {
		return s.resident
	}
	for line := range bytes.Lines(text) {
		if value, ok := bytes.CutPrefix(line, []byte("Pss:")); ok {
			kib, _, _ := bytes.Cut(bytes.TrimSpace(value), []byte(" "))
			if n, err := strconv.ParseInt(string(kib), 10, 64); err == nil {
				return n << 10
			}
		}
	}
	return s.resident
}

// read returns a file of a process, valid until the next read.
func (m *meter) read(pid int, name string) ([]byte, error) {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/" + name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	m.buf.Reset()
	_, err = m.buf.ReadFrom(f)
	return m.buf.Bytes(), err
}

func cutLast(b []byte, sep byte) (before, after []byte, found bool) {
	i := bytes.LastIndexByte(b, sep)
	if i < 0 {
		return b, nil, false
	}
	return b[:i], b[i+1:], true
}
