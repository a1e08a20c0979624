package proc_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/proc"
)

// escaped reads the numbers of the processes that a child of mode escape has started.
func escaped(t *testing.T, file string) []int {
	t.Helper()
	var pids []int
	for _, name := range []string{"-session", "-orphan"} {
		text, err := os.ReadFile(file + name)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// await reads the line that says that a child is ready.
func await(t *testing.T, r io.Reader) {
	t.Helper()
	if _, err := bufio.NewReader(r).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
}

func TestNoProcessThatLeftItsGroupAndParentIsLeft(t *testing.T) {
	t.Parallel()
	t.Run("after success", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "number")
		exit := run(t, proc.Command{Argv: self("escape", "exit", file), Env: []string{"PATH=/usr/bin:/bin"}})
		if !exit.OK() {
			t.Fatalf("%+v", exit)
		}
		for _, pid := range escaped(t, file) {
			if !gone(pid) {
				t.Errorf("process %d is left", pid)
			}
		}
	})
	t.Run("after cancelling", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "number")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		out, w := io.Pipe()
		p, err := proc.Start(ctx, proc.Command{Argv: self("escape", "hang", file), Env: []string{"PATH=/usr/bin:/bin"}, Stdout: w})
		if err != nil {
			t.Fatal(err)
		}
		await(t, out)
		for _, pid := range escaped(t, file) {
			if gone(pid) {
				t.Fatalf("process %d is gone before its time", pid)
			}
		}
		cancel()
		if exit := p.Wait(); exit.Class != bakeoff.FailedCancelled {
			t.Errorf("%+v", exit)
		}
		for _, pid := range escaped(t, file) {
			if !gone(pid) {
				t.Errorf("process %d is left", pid)
			}
		}
	})
}

// orphans has a process of ours killed while a child of the mark is at work, and returns what is
// left of that child.
func orphans(t *testing.T, mark string) []int {
	t.Helper()
	file := filepath.Join(t.TempDir(), "number")
	argv := self("orphaned", mark, file)
	cmd := exec.Command(argv[0], argv[1:]...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, out)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	return escaped(t, file)
}

func TestSweepFindsWhatAKilledProcessHasLeft(t *testing.T) {
	t.Parallel()
	mine, other := fmt.Sprintf("mine-%d", os.Getpid()), fmt.Sprintf("mine-%d0", os.Getpid())
	left, others := orphans(t, mine), orphans(t, other)
	defer func() {
		if _, err := proc.Sweep(other); err != nil {
			t.Error(err)
		}
	}()
	killed, err := proc.Sweep(mine)
	if err != nil || killed < len(left) {
		t.Errorf("%d were killed (%v), want %d or more", killed, err, len(left))
	}
	for _, pid := range left {
		if !gone(pid) {
			t.Errorf("process %d is left", pid)
		}
	}
	for _, pid := range others {
		if gone(pid) {
			t.Errorf("process %d of another mark is gone", pid)
		}
	}
	if killed, err := proc.Sweep(mine); killed != 0 || err != nil {
		t.Errorf("a second sweep killed %d (%v)", killed, err)
	}
	if _, err := proc.Sweep(""); bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
		t.Errorf("a sweep without a mark: %v", err)
	}
}

func TestMemoryOfTheWholeFamilyIsLimited(t *testing.T) {
	t.Parallel()
	exit := run(t, proc.Command{Argv: self("hold", "400"), Memory: 300 << 20, TimeLimit: 30 * time.Second})
	if exit.Class != bakeoff.FailedMemory || exit.Code != -1 {
		t.Fatalf("%+v", exit)
	}
	var used float64
	var processes int
	if _, err := fmt.Sscanf(exit.Reason(), "out of memory: %f MiB in %d processes, the limit is 300 MiB", &used, &processes); err != nil {
		t.Errorf("reason %q: %v", exit.Reason(), err)
	}
	if used <= 300 || processes != 2 { // how far beyond depends on how busy the machine is
		t.Errorf("reason %q", exit.Reason())
	}
}

// TestSharedMemoryCountsOnce has three processes map the same 256 MiB: their resident sets add up to
// more than the limit, what they take together does not.
func TestSharedMemoryCountsOnce(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "shared")
	if err := os.WriteFile(file, bytes.Repeat([]byte{0}, 256<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	exit := run(t, proc.Command{Argv: self("share", "first", file), Memory: 600 << 20})
	if !exit.OK() {
		t.Errorf("%s", exit.Reason())
	}
}

func TestAChildWhoseLeaseIsLostHasNoGrace(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	out, w := io.Pipe()
	p, err := proc.Start(ctx, proc.Command{Argv: self("stubborn"), Stdout: w, Grace: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	await(t, out)
	cancel(fmt.Errorf("stop: %w", bakeoff.ErrLeaseLost))
	if exit := p.Wait(); exit.Class != bakeoff.FailedCancelled {
		t.Errorf("%+v", exit)
	}
}

// The memory is that of all that the child has started, in other groups too.
func TestMemoryOfAFamily(t *testing.T) {
	t.Parallel()
	p, err := proc.Start(t.Context(), proc.Command{Argv: self("hold", "100"), TimeLimit: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	waitUntil(t, func() bool { return p.Memory() > 100<<20 })
	if n := p.Memory(); n > 300<<20 {
		t.Errorf("%d MiB", n>>20)
	}
	p.Kill()
	p.Wait()
	if n := p.Memory(); n != 0 {
		t.Errorf("%d bytes after its end", n)
	}
}
