package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// writeSlowPipeline writes a pipeline of which one candidate prints and then waits for a file "go".
func writeSlowPipeline(t *testing.T, dir, queue string) {
	t.Helper()
	writePipeline(t, dir, "")
	script := "#!/bin/sh\necho loaded\ntouch started\nwhile [ ! -e go ]; do sleep 0.05; done\necho trained\ncp \"$BAKEOFF_PARAMS\" \"$BAKEOFF_MODEL\"\n"
	if err := os.WriteFile(filepath.Join(dir, "slow.sh"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	file := `name: slow
data: {source: rows.csv, target: y}
candidates:
  - {name: linear, trainer: logistic_regression}
  - {name: slow, trainer: command, build: [sh, slow.sh], predict: ["false"], queue: ` + queue + `}
`
	if err := os.WriteFile(filepath.Join(dir, "bakeoff.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
}

// letGo lets the build that waits go on.
func letGo(t *testing.T, dir string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// started waits until a build has begun.
func started(t *testing.T, dir string) {
	t.Helper()
	until(t, "the build has begun", time.Minute, func() bool {
		_, err := os.Stat(filepath.Join(dir, "started"))
		return err == nil
	})
}

// background runs a command until the test ends.
func background(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM) // it may have ended
		if err := c.Wait(); err != nil {
			t.Errorf("%v: %v", c.Args[1:], err)
		}
	})
}

// output runs a command to its end and returns what it printed.
func output(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", c.Args[1:], err, stderr.String())
	}
	return string(out)
}

// following starts to follow what the slow build of a run prints.
func following(t *testing.T, dir, run string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	follow := program(t, dir, "logs", "--follow", "--run", run, "--candidate", "slow")
	pipe, err := follow.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	return follow, bufio.NewReader(pipe)
}

// TestLogsAreFollowedWhileABuildGoesOn reads what a build prints before it has ended, on the node and
// on a worker that has joined it, and all of it once more when it is over.
func TestLogsAreFollowedWhileABuildGoesOn(t *testing.T) {
	for name, queue := range map[string]string{"node": "default", "joined worker": "elsewhere"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			writeSlowPipeline(t, dir, queue)
			n := startNode(t, dir, "bakeoff.yaml", "--queue", "default", "--nats-listen", "127.0.0.1:0")
			if queue != "default" {
				var at struct{ NATS string }
				text, err := os.ReadFile(filepath.Join(dir, ".bakeoff", "node.json"))
				if err != nil {
					t.Fatal(err)
				}
				unmarshal(t, text, &at)
				background(t, program(t, dir, "worker", "--join", at.NATS, "--queue", queue))
			}
			id := strings.TrimSpace(output(t, program(t, dir, "run", "--detach")))
			follow, printed := following(t, dir, id)
			first, err := printed.ReadString('\n')
			if err != nil || first != "slow | loaded\n" {
				t.Errorf("the first line is %q, %v", first, err)
			}
			letGo(t, dir)
			rest, err := io.ReadAll(printed)
			if err != nil || string(rest) != "slow | trained\n== slow: built\n" {
				t.Errorf("the rest is %q, %v", rest, err)
			}
			if err := follow.Wait(); err != nil {
				t.Error(err)
			}
			until(t, "the run has ended", time.Minute, func() bool {
				var run struct{ Verdict string }
				return n.get("/api/v1/runs/"+id, &run) == nil && run.Verdict != ""
			})
			late := output(t, program(t, dir, "logs", "--follow", "--run", id, "--candidate", "slow"))
			if late != first+string(rest) {
				t.Errorf("who comes late reads %q", late)
			}
		})
	}
}

// TestARunIsWatchedThroughARestart ends the node in the middle of a run and starts it again: whoever
// watches the run sees its verdict, and whoever follows its logs the second attempt.
func TestARunIsWatchedThroughARestart(t *testing.T) {
	for name, end := range map[string]func(*node){"stopped": (*node).stop, "killed": (*node).kill} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			writeSlowPipeline(t, dir, "default")
			n := startNode(t, dir, "bakeoff.yaml")
			watch := program(t, dir, "run", "--json")
			var out bytes.Buffer
			seen := &buffer{}
			watch.Stdout, watch.Stderr = &out, seen
			if err := watch.Start(); err != nil {
				t.Fatal(err)
			}
			started(t, dir)
			follow, printed := following(t, dir, openRun(t, n))
			before, err := printed.ReadString('\n')
			if err != nil || before != "slow | loaded\n" {
				t.Errorf("before the restart %q is printed, %v", before, err)
			}
			end(n)
			time.Sleep(2 * time.Second) // the time in which it is away is what is tested
			n = startNode(t, dir, "bakeoff.yaml")
			letGo(t, dir)
			if err := watch.Wait(); err != nil {
				t.Fatalf("%v\n%s\n%s", err, seen, n.log)
			}
			var report struct{ Verdict string }
			if err := json.Unmarshal(out.Bytes(), &report); err != nil || report.Verdict != "promoted" {
				t.Errorf("%v: %s", err, out.String())
			}
			if n := strings.Count(seen.String(), "verdict=promoted"); n != 1 {
				t.Errorf("the verdict was seen %d times:\n%s", n, seen)
			}
			after, err := io.ReadAll(printed)
			if err != nil || strings.Count(string(after), "loaded") != 1 || !strings.HasSuffix(string(after), "slow | loaded\nslow | trained\n== slow: built\n") {
				t.Errorf("after the restart %q is printed, %v", after, err)
			}
			if err := follow.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// openRun returns the ID of the run that is under way.
func openRun(t *testing.T, n *node) string {
	t.Helper()
	var open []struct{ Run string }
	if err := n.get("/api/v1/runs?open=true", &open); err != nil || len(open) != 1 {
		t.Fatalf("the open runs are %v, %v", open, err)
	}
	return open[0].Run
}
