package proc

import (
	"fmt"
	"time"
)

// overMemory is the cause of an end for want of memory.
type overMemory struct {
	used, limit int64
	processes   int
}

func (e *overMemory) Error() string {
	in := "1 process"
	if e.processes != 1 {
		in = fmt.Sprintf("%d processes", e.processes)
	}
	return fmt.Sprintf("%s in %s, the limit is %s", size(e.used), in, size(e.limit))
}

// size writes a number of bytes for people.
func size(n int64) string {
	const unit = 1 << 10
	switch {
	case n >= unit*unit*unit:
		return fmt.Sprintf("%.4g GiB", float64(n)/(unit*unit*unit))
	case n >= unit*unit:
		return fmt.Sprintf("%.4g MiB", float64(n)/(unit*unit))
	}
	return fmt.Sprintf("%d bytes", n)
}

// Memory returns how many bytes of memory the child and all that it has started take, what they share
// counted once; 0 where the system does not tell, or when it has ended.
func (p *Process) Memory() int64 {
	select {
	case <-p.exited:
		return 0
	default:
		return newMeter(p.cmd.Process.Pid, []byte(p.mark), 0).used()
	}
}

// watchMemory looks at the memory of the child and all that it has started, until it ends or takes
// more than its limit, which is then told.
func (p *Process) watchMemory(tell chan<- error) {
	m := newMeter(p.cmd.Process.Pid, []byte(p.mark), p.memory)
	for {
		began := time.Now()
		if err := m.over(); err != nil {
			tell <- err
			return
		}
		next := time.NewTimer(m.pause(time.Since(began)))
		select {
		case <-p.exited:
			next.Stop()
			return
		case <-next.C:
		}
	}
}
