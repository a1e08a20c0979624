package proc_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/proc"
)

func TestAChildDiesWithItsParent(t *testing.T) {
	file := filepath.Join(t.TempDir(), "number")
	argv := self("parent", file)
	cmd := exec.Command(argv[0], argv[1:]...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	var number []byte
	waitUntil(t, func() bool { number, err = os.ReadFile(file); return err == nil })
	pid, err := strconv.Atoi(strings.TrimSpace(string(number)))
	if err != nil {
		t.Fatal(err)
	}
	if gone(pid) {
		t.Fatal("the child is gone before its parent")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	waitUntil(t, func() bool { return gone(pid) })
}

func TestOutOfMemoryIsTold(t *testing.T) {
	group := memoryGroup(t, 32<<20)
	var out bytes.Buffer
	exit := run(t, proc.Command{Argv: self("eat", group), Stdout: &out, Stderr: &out})
	if exit.Class != bakeoff.FailedMemory || exit.Reason() != "out of memory: killed by the kernel" {
		t.Errorf("class %q, reason %q; output %s", exit.Class, exit.Reason(), out.String())
	}
}

// memoryGroup makes a control group whose members get that many bytes, where this user may.
func memoryGroup(t *testing.T, bytes int64) string {
	t.Helper()
	for _, g := range []struct{ root, limit string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, // version 1
		{"/sys/fs/cgroup", "memory.max"},                   // version 2
	} {
		dir := filepath.Join(g.root, fmt.Sprintf("bakeoff-test-%d", os.Getpid()))
		if os.Mkdir(dir, 0o700) != nil {
			continue
		}
		t.Cleanup(func() { waitUntil(t, func() bool { return os.Remove(dir) == nil }) })
		if os.WriteFile(filepath.Join(dir, g.limit), []byte(strconv.FormatInt(bytes, 10)), 0o600) == nil {
			return dir
		}
	}
	t.Skip("control groups of memory cannot be made here")
	return ""
}
