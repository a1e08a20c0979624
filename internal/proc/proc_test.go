//go:build unix

package proc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/proc"
)

// run runs the child and fails the test on a fault of the machine.
func run(t *testing.T, c proc.Command) proc.Exit {
	t.Helper()
	exit, err := proc.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return exit
}

func TestExitIsClassified(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("not a program"), 0o700); err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.WriteFile(closed, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		command proc.Command
		class   bakeoff.FailureClass
		code    int
		reason  string
	}{
		{"success", proc.Command{Argv: self("exit", "0")}, "", 0, ""},
		{"exit code", proc.Command{Argv: self("exit", "3")}, bakeoff.FailedExit, 3, "exit code 3"},
		{"signal", proc.Command{Argv: []string{"/bin/sh", "-c", "kill -USR1 $$"}}, bakeoff.FailedSignal, -1, "signal: SIGUSR1 (user defined signal 1)"},
		{"kill by another", proc.Command{Argv: []string{"/bin/sh", "-c", "kill -KILL $$"}}, bakeoff.FailedSignal, -1, "signal: SIGKILL (killed)"},
		{"time limit", proc.Command{Argv: self("hang"), TimeLimit: time.Millisecond}, bakeoff.FailedTimeLimit, -1, "time limit: 1ms passed"},
		{"no command", proc.Command{}, bakeoff.FailedStart, -1, "not started: the command is empty"},
		{
			"no such command",
			proc.Command{Argv: []string{"no-such-command"}},
			bakeoff.FailedStart, -1,
			`not started: there is no command "no-such-command" in PATH (install it, or give its path)`,
		},
		{
			"no such path",
			proc.Command{Argv: []string{"./train.sh"}, Dir: "/"},
			bakeoff.FailedStart, -1,
			`not started: there is no command "./train.sh", or the interpreter that its first line names is missing (a relative path starts at "/")`,
		},
		{
			"not executable",
			proc.Command{Argv: []string{closed}},
			bakeoff.FailedStart, -1,
			fmt.Sprintf(`not started: %q may not be executed (chmod +x %s)`, closed, closed),
		},
		{
			"not a program",
			proc.Command{Argv: []string{text}},
			bakeoff.FailedStart, -1,
			fmt.Sprintf(`not started: %q is not a program (its first line must name an interpreter, as in #!/bin/sh)`, text),
		},
		{
			"no such directory",
			proc.Command{Argv: self("exit", "0"), Dir: "/no/such"},
			bakeoff.FailedStart, -1,
			`not started: the working directory "/no/such" does not exist (create it, or correct its name)`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			exit := run(t, c.command)
			if exit.Class != c.class || exit.Code != c.code || exit.OK() != (c.class == "") {
				t.Errorf("class %q, code %d, ok %v; want %q, %d", exit.Class, exit.Code, exit.OK(), c.class, c.code)
			}
			if got := exit.Reason(); got != c.reason {
				t.Errorf("reason %q, want %q", got, c.reason)
			}
		})
	}
}

func TestStartErrorsSayWhatToDo(t *testing.T) {
	_, err := proc.Start(t.Context(), proc.Command{Argv: []string{"no-such-command"}})
	if bakeoff.CodeOf(err) != bakeoff.CodeInvalid || bakeoff.HintOf(err) != "install it, or give its path" {
		t.Errorf("code %q, hint %q of %v", bakeoff.CodeOf(err), bakeoff.HintOf(err), err)
	}
}

func TestOutputReachesItsWriters(t *testing.T) {
	var out, errs bytes.Buffer
	run(t, proc.Command{Argv: self("print", "to out", "to err"), Stdout: &out, Stderr: &errs})
	if out.String() != "to out" || errs.String() != "to err" {
		t.Errorf("stdout %q, stderr %q", out.String(), errs.String())
	}
	var both bytes.Buffer
	run(t, proc.Command{Argv: self("print", "first,", "second"), Stdout: &both, Stderr: &both})
	if both.String() != "first,second" {
		t.Errorf("one writer got %q", both.String())
	}
}

func TestExtraDescriptorsReachTheirWriters(t *testing.T) {
	var third, fourth bytes.Buffer
	run(t, proc.Command{Argv: self("third"), Extra: []io.Writer{&third, &fourth}})
	if third.String() != "to the third\n" || fourth.String() != "to the fourth\n" {
		t.Errorf("third %q, fourth %q", third.String(), fourth.String())
	}
}

func TestStdinIsEmptyUnlessGiven(t *testing.T) {
	var out bytes.Buffer
	run(t, proc.Command{Argv: self("cat"), Stdout: &out, TimeLimit: time.Minute})
	if out.Len() != 0 {
		t.Errorf("read %q from /dev/null", out.String())
	}
	file := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(file, []byte("some rows"), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	run(t, proc.Command{Argv: self("cat"), Stdin: in, Stdout: &out})
	if out.String() != "some rows" {
		t.Errorf("read %q", out.String())
	}
}

// marked is how the one variable begins that every child gets.
const marked = "BAKEOFF_ATTEMPT="

func TestEnvironmentIsExactlyWhatIsGivenAndAMark(t *testing.T) {
	t.Setenv("A_SECRET_OF_OURS", "x")
	for _, env := range [][]string{nil, {"HOME=/nowhere", "ODD=$(reboot); `id` \n'\"", "PATH=/bin"}} {
		var out bytes.Buffer
		run(t, proc.Command{Argv: self("environment"), Env: env, Mark: "store", Stdout: &out, Dir: t.TempDir()})
		mark, rest, _ := strings.Cut(out.String(), "\n")
		if !strings.HasPrefix(mark, marked+"store.") || len(mark) < len(marked)+16 {
			t.Errorf("the mark is %q", mark)
		}
		want := ""
		if env != nil {
			want = strings.Join(env, "\n") + "\n"
		}
		if diff := cmp.Diff(want, rest); diff != "" {
			t.Error(diff)
		}
	}
}

func TestWorkingDirectory(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	run(t, proc.Command{Argv: self("directory"), Dir: dir, Stdout: &out})
	if out.String() != dir {
		t.Errorf("ran in %q, want %q", out.String(), dir)
	}
}

func TestChildInheritsNoDescriptors(t *testing.T) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("no /proc here")
	}
	secret, err := os.Create(filepath.Join(t.TempDir(), "secret"))
	if err != nil {
		t.Fatal(err)
	}
	defer secret.Close()
	var out, extra bytes.Buffer
	const list = `for f in /proc/$$/fd/*; do [ -e $f ] && echo ${f##*/}; done; true` // a Go program opens some itself
	run(t, proc.Command{Argv: []string{"/bin/sh", "-c", list}, Stdout: &out, Extra: []io.Writer{&extra}})
	got := strings.Fields(out.String())
	slices.Sort(got)
	if diff := cmp.Diff([]string{"0", "1", "2", "3"}, got); diff != "" {
		t.Error(diff)
	}
}

// readyWriter closes ready at the child's first line.
type readyWriter struct {
	ready chan struct{}
	once  sync.Once
}

func (w *readyWriter) Write(b []byte) (int, error) {
	w.once.Do(func() { close(w.ready) })
	return len(b), nil
}

func TestStopping(t *testing.T) {
	for _, c := range []struct {
		name   string
		mode   string
		stop   func(p *proc.Process, cancel context.CancelCauseFunc)
		class  bakeoff.FailureClass
		reason string
	}{
		{"cancel", "hang", func(_ *proc.Process, cancel context.CancelCauseFunc) { cancel(nil) }, bakeoff.FailedCancelled, "cancelled"},
		{
			"cancel with a cause", "hang", func(_ *proc.Process, cancel context.CancelCauseFunc) { cancel(errors.New("the lease was lost")) },
			bakeoff.FailedCancelled, "cancelled: the lease was lost",
		},
		{"cancel of one that ends well when asked", "polite", func(_ *proc.Process, cancel context.CancelCauseFunc) { cancel(nil) }, bakeoff.FailedCancelled, "cancelled"},
		{"cancel of one that ignores it", "stubborn", func(_ *proc.Process, cancel context.CancelCauseFunc) { cancel(nil) }, bakeoff.FailedCancelled, "cancelled"},
		{"stop", "hang", func(p *proc.Process, _ context.CancelCauseFunc) { p.Stop(); p.Stop() }, bakeoff.FailedCancelled, "cancelled: stopped by its owner"},
		{"kill", "stubborn", func(p *proc.Process, _ context.CancelCauseFunc) { p.Kill() }, bakeoff.FailedCancelled, "cancelled: stopped by its owner"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			out := &readyWriter{ready: make(chan struct{})}
			p, err := proc.Start(ctx, proc.Command{Argv: self(c.mode), Stdout: out, Grace: 50 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			<-out.ready
			c.stop(p, cancel)
			exit := p.Wait()
			if exit.Class != c.class || exit.Reason() != c.reason {
				t.Errorf("class %q, reason %q; want %q, %q", exit.Class, exit.Reason(), c.class, c.reason)
			}
			select {
			case <-p.Done():
			default:
				t.Error("not done after Wait")
			}
		})
	}
}

func TestTimeLimitHoldsForOneThatIgnoresSignals(t *testing.T) {
	exit := run(t, proc.Command{Argv: self("stubborn"), TimeLimit: 300 * time.Millisecond, Grace: 50 * time.Millisecond})
	if exit.Class != bakeoff.FailedTimeLimit || exit.Reason() != "time limit: 300ms passed" {
		t.Errorf("class %q, reason %q", exit.Class, exit.Reason())
	}
	if exit.Elapsed < 300*time.Millisecond || exit.Elapsed > time.Minute {
		t.Errorf("took %v", exit.Elapsed)
	}
}

func TestAnEndedContextStartsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	exit, err := proc.Run(ctx, proc.Command{Argv: self("hang")})
	if err != nil || exit.Class != bakeoff.FailedCancelled {
		t.Errorf("class %q, error %v", exit.Class, err)
	}
}

// gone reports whether no living process has the number; the dead who wait to be reaped are gone.
func gone(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, state, _ := bytes.Cut(stat, []byte(") "))
	return bytes.HasPrefix(state, []byte("Z")) || bytes.HasPrefix(state, []byte("X"))
}

func TestNoGrandchildIsLeft(t *testing.T) {
	for _, c := range []struct {
		name  string
		then  string
		class bakeoff.FailureClass
	}{
		{"after a success", "exit", ""},
		{"after a stop", "hang", bakeoff.FailedCancelled},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "numbers")
			out := &readyWriter{ready: make(chan struct{})}
			p, err := proc.Start(t.Context(), proc.Command{Argv: self("family", c.then, file), Stdout: out, Grace: 50 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			if c.then == "hang" {
				<-out.ready
				p.Stop()
			}
			exit := p.Wait()
			if exit.Class != c.class {
				t.Fatalf("class %q (%s), want %q", exit.Class, exit.Reason(), c.class)
			}
			numbers, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, field := range strings.Fields(string(numbers)) {
				pid, err := strconv.Atoi(field)
				if err != nil {
					t.Fatal(err)
				}
				waitUntil(t, func() bool { return gone(pid) })
			}
		})
	}
}

// waitUntil polls for what the kernel does in its own time.
func waitUntil(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal("still not so after 10 s")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestAnEscapedGrandchildDoesNotHoldUpWait(t *testing.T) {
	if _, err := os.Stat("/usr/bin/setsid"); err != nil {
		t.Skip("no setsid here")
	}
	file := filepath.Join(t.TempDir(), "number")
	var out bytes.Buffer
	script := fmt.Sprintf("env -i PATH=$PATH setsid sh -c 'echo $$ > %s; exec sleep 100' & while [ ! -s %s ]; do sleep 0.01; done; echo done", file, file)
	exit := run(t, proc.Command{Argv: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}, Stdout: &out})
	if !exit.OK() || out.String() != "done\n" {
		t.Errorf("%q, output %q", exit.Reason(), out.String())
	}
	number, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(number)))
	if err != nil {
		t.Fatal(err)
	}
	if gone(pid) {
		t.Error("the escaped process is gone, so that this test shows nothing")
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestAFailingWriterDoesNotBlockTheChild(t *testing.T) {
	exit := run(t, proc.Command{Argv: self("flood", "1000000"), Stdout: failingWriter{}, TimeLimit: time.Minute})
	if !exit.OK() {
		t.Errorf("the child ended with %q", exit.Reason())
	}
}

func TestLogKeepsHeadAndTail(t *testing.T) {
	var kept bytes.Buffer
	log := proc.NewLog(&kept, 1000, 500)
	const written = 3 << 20
	run(t, proc.Command{Argv: self("flood", strconv.Itoa(written)), Stdout: log})
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(kept.String(), "\n"), "\n")
	last := (written+13)/14 - 1
	if lines[0] != "line 00000000" || lines[len(lines)-1] != fmt.Sprintf("line %08d", last) {
		t.Errorf("from %q to %q, want up to line %d", lines[0], lines[len(lines)-1], last)
	}
	dropped := int64((last+1)*14 - 1500)
	if log.Dropped() != dropped || !strings.Contains(kept.String(), fmt.Sprintf("\n[%d bytes dropped here]\n", dropped)) {
		t.Errorf("dropped %d, want %d; log:\n%s", log.Dropped(), dropped, kept.String())
	}
	if kept.Len() > 1600 {
		t.Errorf("%d bytes kept", kept.Len())
	}
}

func TestLogThatFitsIsKeptWhole(t *testing.T) {
	for _, size := range []int{0, 5, 10, 13, 20} {
		var kept bytes.Buffer
		log := proc.NewLog(&kept, 10, 10)
		want := strings.Repeat("x", size)
		for i := range want {
			if _, err := log.Write([]byte(want[i : i+1])); err != nil {
				t.Fatal(err)
			}
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		if kept.String() != want || log.Dropped() != 0 {
			t.Errorf("of %d bytes kept %q, dropped %d", size, kept.String(), log.Dropped())
		}
	}
}

func TestLogTellsThatItCannotBeWritten(t *testing.T) {
	log := proc.NewLog(failingWriter{}, 10, 10)
	if _, err := log.Write([]byte("x")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Write: %v", err)
	}
	if err := log.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Close: %v", err)
	}
}

func TestTailIsTheSameHoweverItIsWritten(t *testing.T) {
	text := []byte("abcdefghijklmnopqrstuvwxyz")
	for _, step := range []int{1, 2, 3, 7, 26} {
		tail := proc.NewTail(7)
		for part := range slices.Chunk(text, step) {
			if n, err := tail.Write(part); n != len(part) || err != nil {
				t.Fatal(n, err)
			}
		}
		if got := string(tail.Bytes()); got != "tuvwxyz" || tail.Dropped() != 19 {
			t.Errorf("in steps of %d: %q, dropped %d", step, got, tail.Dropped())
		}
	}
}

func TestShorten(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Millisecond: "1ms", 45 * time.Minute: "45m", 2 * time.Hour: "2h",
		90 * time.Minute: "1h30m", 90 * time.Second: "1m30s", time.Second: "1s",
	} {
		if got := proc.Shorten(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
