package proc

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// DefaultGrace is how long a child may take to end after it was asked to.
const DefaultGrace = 5 * time.Second

// drainTime is how long output is still read after the child's end. What the child itself wrote
// is in the pipe by then; only a process that left its group can make use of the time.
const drainTime = time.Second

// Command describes a child process. Argv is required; the zero value of the rest is useful.
type Command struct {
	// Argv is the command and its arguments. No shell sees it. A command without a path
	// separator is looked for in this process's PATH, a relative path starts at Dir.
	Argv []string
	// Dir is the working directory; "" for this process's own.
	Dir string
	// Env is the child's environment, as NAME=value; nil means an empty one. One more variable is
	// added, BAKEOFF_ATTEMPT, by which what the child starts is known again.
	Env []string
	// Mark is the beginning of that variable's value and says whose the child is; see Sweep.
	Mark string
	// Stdin is what the child reads; nil for /dev/null.
	Stdin *os.File
	// Stdout and Stderr receive what the child writes; nil for /dev/null. An *os.File is handed
	// to the child as it is; anything else is fed by a goroutine of its own through a pipe, or by
	// one through one pipe where both are the same writer.
	Stdout, Stderr io.Writer
	// Extra receive what the child writes to the descriptors 3, 4 and so on.
	Extra []io.Writer
	// TimeLimit bounds the child's life, counted from its start; 0 for no bound.
	TimeLimit time.Duration
	// Memory bounds the bytes of memory of the child and all that it starts; 0 for no bound. It is
	// looked at several times a second, and what takes more is killed at once. A burst that is
	// over, or that ends the machine's memory, before the next look is not seen; neither is memory
	// outside of processes: of accelerators, of files in the page cache or in a memory file system.
	// It is ignored where CanLimitMemory is false.
	Memory int64
	// Grace is the time between the request to end and the kill; 0 for DefaultGrace.
	Grace time.Duration
}

// Process is a running child. Whoever starts one calls Wait.
type Process struct {
	cmd     *exec.Cmd
	limit   time.Duration
	memory  int64
	grace   time.Duration
	mark    string // the entry of its environment that says which child it is
	began   time.Time
	oomSeen int64

	exited  chan struct{} // closed when the leader has ended
	watched chan struct{} // closed when watch has returned
	done    chan struct{} // closed when nothing of the child or its goroutines is left
	stop    chan struct{} // closed by Stop
	once    sync.Once     // guards stop

	pipes []*pipe

	mu     sync.Mutex
	reaped bool  // guarded by mu: the process number may belong to another process
	killed bool  // guarded by mu: we sent SIGKILL
	cause  error // guarded by mu: why we asked it to end; nil where we did not

	exit Exit // written before done is closed
}

// The causes of an end that we asked for, beside the context's.
var (
	errTimeLimit = errors.New("time limit")
	errStopped   = errors.New("stopped by its owner")
)

// Start starts the child. When ctx ends, the child is stopped. A command that cannot be run is a
// *bakeoff.Error of CodeInvalid with a hint; other errors are the machine's, such as too many
// open files.
func Start(ctx context.Context, c Command) (*Process, error) {
	if len(c.Argv) == 0 {
		return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "the command is empty")
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	inherited()
	p := &Process{
		limit: c.TimeLimit, memory: c.Memory, grace: c.Grace, mark: newMark(c.Mark), oomSeen: oomKills(),
		exited: make(chan struct{}), watched: make(chan struct{}),
		done: make(chan struct{}), stop: make(chan struct{}),
	}
	if p.grace == 0 {
		p.grace = DefaultGrace
	}
	if err := p.prepare(c); err != nil {
		p.closePipes()
		return nil, err
	}
	started := make(chan error, 1)
	go p.supervise(started)
	if err := <-started; err != nil {
		p.closePipes()
		return nil, explainStart(c, err)
	}
	go p.watch(ctx)
	return p, nil
}

// Run starts the child and waits for its end. A command that cannot be run is an Exit of class
// bakeoff.FailedStart, a context that has ended is one of bakeoff.FailedCancelled; the error is
// for faults of the machine.
func Run(ctx context.Context, c Command) (Exit, error) {
	p, err := Start(ctx, c)
	switch {
	case err == nil:
		return p.Wait(), nil
	case ctx.Err() != nil:
		return cancelledExit(context.Cause(ctx)), nil
	case bakeoff.CodeOf(err) == bakeoff.CodeInvalid:
		return notStarted(err), nil
	}
	return Exit{}, err
}

// Wait returns how the child ended, once nothing is left of it: its group and all that is marked as
// its own are killed, it is reaped and its output is read to the end. It may be called many times and from many goroutines.
func (p *Process) Wait() Exit {
	<-p.done
	return p.exit
}

// Done is closed when Wait would return at once.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exited is closed when the leader has ended; output may still be on its way.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Stop asks the child to end, with the grace period of its Command, and does not wait for it.
func (p *Process) Stop() { p.once.Do(func() { close(p.stop) }) }

// Kill ends the child at once and does not wait for it.
func (p *Process) Kill() {
	p.ask(errStopped)
	p.signal(killGroup, true)
}

// prepare makes the exec.Cmd and its pipes.
func (p *Process) prepare(c Command) error {
	p.cmd = exec.Command(c.Argv[0], c.Argv[1:]...)
	if p.cmd.Err != nil {
		return explainStart(c, p.cmd.Err)
	}
	p.cmd.Dir = c.Dir
	p.cmd.Env = append([]string{p.mark}, c.Env...)
	p.cmd.SysProcAttr = attributes()
	if c.Stdin != nil { // a nil *os.File is not a nil io.Reader
		p.cmd.Stdin = c.Stdin
	}
	var err error
	if p.cmd.Stdout, err = p.childEnd(c.Stdout); err != nil {
		return err
	}
	if c.Stderr != nil && same(c.Stderr, c.Stdout) {
		p.cmd.Stderr = p.cmd.Stdout
	} else if p.cmd.Stderr, err = p.childEnd(c.Stderr); err != nil {
		return err
	}
	for _, w := range c.Extra {
		pipe, err := p.newPipe(w)
		if err != nil {
			return err
		}
		p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, pipe.w)
	}
	return nil
}

// childEnd returns what to hand to the child so that w receives what it writes.
func (p *Process) childEnd(w io.Writer) (io.Writer, error) {
	switch w := w.(type) {
	case nil:
		return nil, nil
	case *os.File:
		return w, nil
	}
	pipe, err := p.newPipe(w)
	if err != nil {
		return nil, err
	}
	return pipe.w, nil
}

// supervise forks the child, waits for its end, kills what is left of its group, and reaps it.
func (p *Process) supervise(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p.began = time.Now()
	err := p.cmd.Start()
	if err == nil {
		p.startPipes()
	}
	started <- err
	if err != nil {
		return
	}
	waitErr := p.reap()
	elapsed := time.Since(p.began)
	close(p.exited)
	<-p.watched
	sweep([]byte(p.mark), whole)
	p.finishPipes()
	p.exit = p.classify(waitErr)
	p.exit.Elapsed = elapsed
	close(p.done)
}

// reap waits for the leader's end and kills the rest of its group. Where the system can report an
// end without reaping, the group is killed while its number cannot be another's yet; elsewhere
// the number could be given away in between, which the wrap-around of numbers makes unlikely.
func (p *Process) reap() error {
	var err error
	ended := awaitExit(p.cmd.Process.Pid)
	if !ended {
		err = p.cmd.Wait()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reaped = true
	killGroup(p.cmd.Process)
	if ended {
		err = p.cmd.Wait()
	}
	return err
}

// watch stops the child when its context ends, its time is up or its owner says so.
func (p *Process) watch(ctx context.Context) {
	defer close(p.watched)
	var limit <-chan time.Time
	if p.limit > 0 {
		timer := time.NewTimer(p.limit - time.Since(p.began))
		defer timer.Stop()
		limit = timer.C
	}
	over := make(chan error, 1)
	if p.memory > 0 && CanLimitMemory {
		var metering sync.WaitGroup
		defer metering.Wait() // it ends with the child
		metering.Go(func() { p.watchMemory(over) })
	}
	select {
	case <-p.exited:
		return
	case err := <-over:
		p.ask(err)
		p.signal(killGroup, true)
		return
	case <-ctx.Done():
		p.ask(context.Cause(ctx))
	case <-limit:
		p.ask(errTimeLimit)
	case <-p.stop:
		p.ask(errStopped)
	}
	if errors.Is(context.Cause(ctx), bakeoff.ErrLeaseLost) { // another may begin any moment
		p.signal(killGroup, true)
		return
	}
	p.signal(terminateGroup, false)
	grace := time.NewTimer(p.grace)
	defer grace.Stop()
	select {
	case <-p.exited:
	case <-grace.C:
		p.signal(killGroup, true)
	}
}

// ask records why the child is being stopped. The first reason holds, and none does for a child
// that has ended by itself.
func (p *Process) ask(cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cause == nil && !p.reaped {
		p.cause = cause
	}
}

// signal sends to the group unless the child was reaped: its number may be another's by then.
func (p *Process) signal(send func(*os.Process), kill bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return
	}
	p.killed = p.killed || kill
	send(p.cmd.Process)
}

// same reports whether a and b are one writer; writers that cannot be compared are two.
func same(a, b io.Writer) (equal bool) {
	defer func() { _ = recover() }()
	return a == b
}
