package proc

import (
	"fmt"
	"io"
	"os"
	"time"
)

// pipe carries what a child writes to a writer of ours.
type pipe struct {
	r, w *os.File
	to   io.Writer
	done chan struct{} // closed when the copying goroutine has ended
}

func (p *Process) newPipe(to io.Writer) (*pipe, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe for the child's output: %w", err)
	}
	q := &pipe{r: r, w: w, to: to, done: make(chan struct{})}
	p.pipes = append(p.pipes, q)
	return q, nil
}

// startPipes closes our copies of the child's ends, so that its end is seen, and starts copying.
func (p *Process) startPipes() {
	for _, q := range p.pipes {
		_ = q.w.Close()
		go q.copy()
	}
}

// finishPipes waits until all that the child wrote is copied, but not for a process that left its
// group and keeps a descriptor open.
func (p *Process) finishPipes() {
	deadline := time.Now().Add(drainTime)
	for _, q := range p.pipes {
		_ = q.r.SetReadDeadline(deadline)
	}
	for _, q := range p.pipes {
		<-q.done
		_ = q.r.Close()
	}
}

// closePipes is for a child that did not start.
func (p *Process) closePipes() {
	for _, q := range p.pipes {
		_ = q.r.Close()
		_ = q.w.Close()
	}
}

// copy reads to the end. A writer that fails gets no more, but the child must not block on it.
func (q *pipe) copy() {
	defer close(q.done)
	if _, err := io.Copy(q.to, onlyReader{q.r}); err != nil {
		_, _ = io.Copy(io.Discard, onlyReader{q.r})
	}
}

// onlyReader hides os.File's WriteTo, which would hand the pipe to the kernel and past its deadline.
type onlyReader struct{ io.Reader }
