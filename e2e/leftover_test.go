package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// escapeCommand has this test binary be a trainer that starts a process in a session of its own.
const escapeCommand = "e2e-escape"

// escape writes down the number of the process that it has started, and waits for longer than a test does.
func escape() error {
	left := exec.Command("/bin/sleep", "120")
	left.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := left.Start(); err != nil {
		return err
	}
	if err := os.WriteFile("escaped.new", []byte(strconv.Itoa(left.Process.Pid)), 0o600); err != nil {
		return err
	}
	if err := os.Rename("escaped.new", "escaped"); err != nil {
		return err
	}
	return left.Wait()
}

// folders returns what processes have in a temp directory.
func folders(t *testing.T, temp string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(temp, "bakeoff-*"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// beginIn starts a command with a temp directory, waits until it is ready, and returns its folder there.
func beginIn(t *testing.T, temp string, args ...string) (*node, string) {
	t.Helper()
	before := folders(t, temp)
	c := program(t, t.TempDir(), args...)
	c.Env = append(c.Env, "TMPDIR="+temp)
	n := begin(t, c)
	var own []string
	until(t, args[0]+" has a folder and is ready", 20*time.Second, func() bool {
		own = slices.DeleteFunc(folders(t, temp), func(f string) bool { return slices.Contains(before, f) })
		return len(own) == 1 && (len(n.says) > 0 || strings.Contains(n.log.String(), "building for "))
	})
	return n, own[0]
}

// TestWhatAKilledWorkerLeaves kills a joined worker while its trainer has started a process that left its
// group and session. The next worker on the machine ends that process and removes the folder of the dead
// one, and lets alone what its live neighbour has.
func TestWhatAKilledWorkerLeaves(t *testing.T) {
	dir, temp := t.TempDir(), t.TempDir()
	writePipeline(t, dir, "")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := fmt.Sprintf(`name: crash
data: {source: rows.csv, target: y}
candidates:
  - {name: slow, trainer: command, build: [%q, %q], predict: [%q, %q]}
`, self, escapeCommand, self, predictCommand)
	if err := os.WriteFile(filepath.Join(dir, "crash.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	at := startNode(t, dir, "crash.yaml", "--concurrency", "0", "--nats-listen", "127.0.0.1:0").at.NATS
	worker := []string{"worker", "--join", at, "--dir", dir}
	idle := append(slices.Clone(worker), "--queue", "idle")
	neighbour, itsFolder := beginIn(t, temp, idle...)
	dead, folder := beginIn(t, temp, worker...)
	if out, err := program(t, dir, "run", "crash", "--detach").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var escaped int
	until(t, "the trainer has started a process", 20*time.Second, func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "escaped"))
		if err != nil {
			return false
		}
		escaped, err = strconv.Atoi(string(text))
		return err == nil
	})
	dead.kill()
	if left, err := os.ReadDir(folder); err != nil || len(left) == 0 || !alive(escaped) {
		t.Fatalf("the killed worker leaves the files %v (%v) and a process, alive: %t", left, err, alive(escaped))
	}

	next, nextFolder := beginIn(t, temp, idle...)
	want := []string{itsFolder, nextFolder}
	slices.Sort(want)
	if got := folders(t, temp); !slices.Equal(got, want) { // Glob sorts
		t.Errorf("there are the folders %q, want %q\n%s", got, want, next.log)
	}
	if alive(escaped) {
		t.Errorf("process %d is left\n%s", escaped, next.log)
	}
	for _, n := range []*node{neighbour, next} {
		n.stop()
	}
	if left := folders(t, temp); len(left) > 0 {
		t.Errorf("workers that ended in good order leave %q", left)
	}
}

// TestFoldersOfKilled kills a predicting process that has joined, and a node whose store has too long
// a path for a socket in it. The next of the kind removes the folder.
func TestFoldersOfKilled(t *testing.T) {
	dir, temp := t.TempDir(), t.TempDir()
	at := startNode(t, dir, "--nats-listen", "127.0.0.1:0").at.NATS
	store := filepath.Join(t.TempDir(), strings.Repeat("far", 33))
	for kind, args := range map[string][]string{
		"serve":  {"serve", "--join", at, "--drain", "0s", "--listen", "127.0.0.1:0"},
		"socket": {"up", "--store", store, "--drain", "0s", "--listen", "127.0.0.1:0"},
	} {
		dead, folder := beginIn(t, temp, args...)
		if !strings.HasPrefix(filepath.Base(folder), "bakeoff-"+kind+"-") {
			t.Errorf("the folder of %s is %s", kind, folder)
		}
		dead.kill()
		next, itsFolder := beginIn(t, temp, args...)
		if got := folders(t, temp); !slices.Equal(got, []string{itsFolder}) {
			t.Errorf("of %s there are the folders %q, want %q\n%s", kind, got, itsFolder, next.log)
		}
		next.stop()
		if left := folders(t, temp); len(left) > 0 {
			t.Errorf("%s ended in good order and leaves %q", kind, left)
		}
	}
}
