package proc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// Exit says how a child ended.
type Exit struct {
	// Class is the kind of failure, "" for success.
	Class bakeoff.FailureClass
	// Code is the exit code, -1 for a child that did not exit by itself.
	Code int
	// Detail says more, in words, than class and code; it may be empty.
	Detail string
	// Elapsed is the time from start to end.
	Elapsed time.Duration
}

// OK reports whether the child exited by itself with code 0.
func (e Exit) OK() bool { return e.Class == "" }

// Reason tells the failure in words, its class first: "exit code 1", "time limit: 1ms passed".
// It is "" for success.
func (e Exit) Reason() string {
	head := string(e.Class)
	if e.Class == bakeoff.FailedExit {
		head = fmt.Sprintf("%s %d", e.Class, e.Code)
	}
	if e.Detail == "" {
		return head
	}
	return head + ": " + e.Detail
}

// classify reads the end of the child, once it is reaped.
func (p *Process) classify(waitErr error) Exit {
	p.mu.Lock()
	cause, killed := p.cause, p.killed
	p.mu.Unlock()
	state := p.cmd.ProcessState
	if state == nil {
		return Exit{Class: bakeoff.FailedSignal, Code: -1, Detail: fmt.Sprintf("its end was not seen: %v", waitErr)}
	}
	code := state.ExitCode()
	var over *overMemory
	switch {
	case errors.As(cause, &over):
		return Exit{Class: bakeoff.FailedMemory, Code: code, Detail: over.Error()}
	case errors.Is(cause, errTimeLimit):
		return Exit{Class: bakeoff.FailedTimeLimit, Code: code, Detail: Shorten(p.limit) + " passed"}
	case cause != nil:
		e := cancelledExit(cause)
		e.Code = code
		return e
	case p.outOfMemory(state, killed):
		return Exit{Class: bakeoff.FailedMemory, Code: code, Detail: "killed by the kernel"}
	case code > 0:
		return Exit{Class: bakeoff.FailedExit, Code: code}
	case code < 0:
		return Exit{Class: bakeoff.FailedSignal, Code: code, Detail: signalName(state)}
	}
	return Exit{}
}

// outOfMemory reports whether the kernel killed the child for want of memory. The evidence is a
// SIGKILL that we did not send, to the child or to what a shell ran (which exits with 128 + 9),
// while the kernel's count of such kills rose. The count is the whole machine's: a kill elsewhere
// in the same seconds could be taken for this one, but not without a SIGKILL here.
func (p *Process) outOfMemory(state *os.ProcessState, killed bool) bool {
	return !killed && (wasKilled(state) || state.ExitCode() == 128+9) && oomKills() > p.oomSeen
}

func cancelledExit(cause error) Exit {
	e := Exit{Class: bakeoff.FailedCancelled, Code: -1}
	if cause != context.Canceled { // that one says nothing that the class does not
		e.Detail = cause.Error()
	}
	return e
}

func notStarted(err error) Exit {
	detail := err.Error()
	if hint := bakeoff.HintOf(err); hint != "" {
		detail += " (" + hint + ")"
	}
	return Exit{Class: bakeoff.FailedStart, Code: -1, Detail: detail}
}

// explainStart turns the error of a start into one that names the command and says what to do,
// or, where the command is not to blame, into one that says what the machine lacks.
func explainStart(c Command, err error) error {
	name := c.Argv[0]
	invalid := func(format string, args ...any) *bakeoff.Error {
		e := bakeoff.Errorf(bakeoff.CodeInvalid, format, args...)
		e.Err = err
		return e
	}
	switch {
	case c.Dir != "" && !isDir(c.Dir):
		return invalid("the working directory %q does not exist", c.Dir).WithHint("create it, or correct its name")
	case errors.Is(err, exec.ErrNotFound):
		return invalid("there is no command %q in PATH", name).WithHint("install it, or give its path")
	case errors.Is(err, exec.ErrDot):
		return invalid("%q is in the working directory, not in PATH", name).WithHint(`write "./%s"`, name)
	case errors.Is(err, fs.ErrNotExist):
		return invalid("there is no command %q, or the interpreter that its first line names is missing", name).
			WithHint("a relative path starts at %q", c.Dir)
	case errors.Is(err, fs.ErrPermission):
		return invalid("%q may not be executed", name).WithHint("chmod +x %s", name)
	case isNotExecutable(err):
		return invalid("%q is not a program", name).WithHint("its first line must name an interpreter, as in #!/bin/sh")
	}
	return fmt.Errorf("start %q: %w", name, err)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Shorten writes a duration without the zeros that Go's own form ends in: 45m, not 45m0s.
func Shorten(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
