package e2e_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
)

// The commands by which a pipeline has this test binary be a trainer, and its predictor.
const (
	trainCommand   = "e2e-train"
	predictCommand = "e2e-predict"
)

// train writes down that it has started, and leaves a model once the file release-N is there, where N
// is how many have started. It works in the folder of the pipeline, or of the worker.
func train() error {
	f, err := os.OpenFile("starts", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(f, os.Getpid(), os.Getppid()); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	number := len(starts("."))
	for {
		_, err := os.Stat(release(".", number))
		if err == nil {
			return os.WriteFile(filepath.Join(os.Getenv("BAKEOFF_MODEL"), "model"), []byte("even odds"), 0o600)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// begun is a trainer, and the worker that has started it, by process number.
type begun struct{ trainer, worker int }

// starts returns the trainers that have started, the first of them first.
func starts(dir string) (all []begun) {
	text, err := os.ReadFile(filepath.Join(dir, "starts"))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		var s begun
		if _, err := fmt.Sscan(line, &s.trainer, &s.worker); err == nil {
			all = append(all, s)
		}
	}
	return all
}

func release(dir string, number int) string {
	return filepath.Join(dir, "release-"+strconv.Itoa(number))
}

// predict gives every row odds by the sign of column a.
func predict() error {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		var ask struct {
			ID   int
			Rows []struct{ A float64 }
		}
		if err := json.Unmarshal(in.Bytes(), &ask); err != nil {
			return err
		}
		answer := struct {
			ID            int          `json:"id"`
			Predictions   []string     `json:"predictions"`
			Probabilities [][2]float64 `json:"probabilities"`
		}{ID: ask.ID}
		for _, row := range ask.Rows {
			class, odds := "no", [2]float64{0.7, 0.3}
			if row.A > 0 {
				class, odds = "yes", [2]float64{0.3, 0.7}
			}
			answer.Predictions = append(answer.Predictions, class)
			answer.Probabilities = append(answer.Probabilities, odds)
		}
		if err := out.Encode(answer); err != nil {
			return err
		}
	}
	return in.Err()
}

// crew is a node that does not build, and the workers that have joined it.
type crew struct {
	t       *testing.T
	dir     string
	node    *node
	client  *client.Client
	workers map[string]*node
	run     string
}

// newCrew starts a node and two workers, and a run whose only candidate is built until it is released.
func newCrew(t *testing.T) *crew {
	t.Helper()
	c := &crew{t: t, dir: t.TempDir(), workers: map[string]*node{}}
	writePipeline(t, c.dir, "")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := fmt.Sprintf(`name: crash
data: {source: rows.csv, target: y}
candidates:
  - {name: slow, trainer: command, build: [%q, %q], predict: [%q, %q]}
`, self, trainCommand, self, predictCommand)
	if err := os.WriteFile(filepath.Join(c.dir, "crash.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	c.start("127.0.0.1:0")
	for _, name := range []string{"one", "two"} {
		c.workers[name] = begin(t, program(t, c.dir, "worker", "--join", c.node.at.NATS, "--concurrency", "1", "--name", name))
		c.await(name, bakeoff.WorkerUp, 20*time.Second)
	}
	if c.run, err = c.client.StartRun(t.Context(), "crash", client.RunRequest{}); err != nil {
		t.Fatal(err)
	}
	c.awaitStarts(1, 20*time.Second)
	return c
}

// start starts the node, or starts it again.
func (c *crew) start(nats string) {
	c.t.Helper()
	c.node = startNode(c.t, c.dir, "crash.yaml", "--concurrency", "0", "--nats-listen", nats)
	c.client = c.node.connect()
}

// await waits until a worker is in a state.
func (c *crew) await(name string, state bakeoff.WorkerState, most time.Duration) {
	c.t.Helper()
	until(c.t, fmt.Sprintf("worker %s is %s", name, state), most, func() bool {
		workers, err := c.client.Workers(c.t.Context())
		if err != nil {
			c.t.Fatal(err)
		}
		return slices.ContainsFunc(workers, func(w bakeoff.WorkerInfo) bool { return w.Name == name && w.State == state })
	})
}

// awaitStarts waits until so many builds have started.
func (c *crew) awaitStarts(n int, most time.Duration) {
	c.t.Helper()
	until(c.t, fmt.Sprintf("%d builds have started", n), most, func() bool { return len(starts(c.dir)) >= n })
}

// builder returns the worker that has started the first build.
func (c *crew) builder() string {
	c.t.Helper()
	first := starts(c.dir)[0]
	for name, w := range c.workers {
		if w.cmd.Process.Pid == first.worker {
			return name
		}
	}
	c.t.Fatalf("process %d, which has started the build, is none of the workers", first.worker)
	return ""
}

// release lets the build end that has started as the n-th.
func (c *crew) release(n int) {
	c.t.Helper()
	if err := os.WriteFile(release(c.dir, n), nil, 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// check waits for the verdict and holds the run against what should have come of it.
func (c *crew) check(builds, attempt int, worker string) {
	c.t.Helper()
	var report client.RunReport
	until(c.t, "the run has ended", 30*time.Second, func() (ended bool) {
		var err error
		if report, err = c.client.Run(c.t.Context(), c.run); err != nil {
			c.t.Fatal(err)
		}
		return report.Verdict != ""
	})
	if report.Verdict != bakeoff.Promoted {
		c.t.Errorf("the run ended as %s: %s", report.Verdict, report.Reason)
	}
	if n := len(starts(c.dir)); n != builds {
		c.t.Errorf("%d builds have started, want %d", n, builds)
	}
	for _, w := range c.workers {
		w.stop()
	}
	c.node.stop()
	results, err := openStore(c.t, filepath.Join(c.dir, ".bakeoff")).Results(c.t.Context(), c.run)
	if err != nil {
		c.t.Fatal(err)
	}
	built := 0
	for _, r := range results {
		if r.Task.Kind != bakeoff.TaskBuild {
			continue
		}
		if built++; r.Attempt != attempt || r.Trial.Worker != worker {
			c.t.Errorf("the result is of attempt %d by %s, want attempt %d by %s", r.Attempt, r.Trial.Worker, attempt, worker)
		}
	}
	if built != 1 {
		c.t.Errorf("the build has %d results", built)
	}
}

// TestJoinedBuildOutlivesItsNode kills the node in the middle of a build by a joined worker and starts
// it again: the build goes on, is not started a second time, and its result counts.
func TestJoinedBuildOutlivesItsNode(t *testing.T) {
	c := newCrew(t)
	name, nats := c.builder(), strings.TrimPrefix(c.node.at.NATS, "nats://")
	c.node.kill()
	c.start(nats)
	c.await(name, bakeoff.WorkerUp, 20*time.Second)
	c.release(1)
	c.check(1, 1, name)
}

// TestDeadWorker kills a joined worker in the middle of a build: it is noticed within 15 s, its
// trainer ends with it, and the other worker takes the build up.
func TestDeadWorker(t *testing.T) {
	if !*long {
		t.Skip("it takes 15 s: -long runs it")
	}
	c := newCrew(t)
	dead := c.builder()
	began := time.Now()
	c.workers[dead].kill()
	until(t, "its trainer has ended", 2*time.Second, func() bool { return !alive(starts(c.dir)[0].trainer) })
	c.await(dead, bakeoff.WorkerLost, 16*time.Second)
	t.Logf("noticed after %v", time.Since(began).Round(10*time.Millisecond))
	if out, err := program(t, c.dir, "workers").Output(); err != nil || !strings.Contains(string(out), "lost") {
		t.Errorf("the command line shows %v\n%s", err, out)
	}
	c.awaitStarts(2, 20*time.Second-time.Since(began))
	t.Logf("built again after %v", time.Since(began).Round(10*time.Millisecond))
	c.release(2)
	c.check(2, 2, c.other(dead))
}

// TestPausedWorker stops a joined worker for 20 s, while the model that it builds is ready: by then
// the other worker has the build, and the late result does not count.
func TestPausedWorker(t *testing.T) {
	if !*long {
		t.Skip("it takes 20 s: -long runs it")
	}
	c := newCrew(t)
	late := c.builder()
	began := time.Now()
	process := c.workers[late].cmd.Process
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	c.release(1)
	c.awaitStarts(2, 20*time.Second)
	t.Logf("built again after %v", time.Since(began).Round(10*time.Millisecond))
	time.Sleep(time.Until(began.Add(20 * time.Second))) // so long it is stopped
	if err := process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	c.await(late, bakeoff.WorkerUp, 10*time.Second)
	time.Sleep(2 * time.Second) // in which its result would arrive
	if r, err := c.client.Run(t.Context(), c.run); err != nil || r.Verdict != "" {
		t.Errorf("the late result counts: %s %s, %v", r.Verdict, r.Reason, err)
	}
	c.release(2)
	c.check(2, 2, c.other(late))
}

func (c *crew) other(name string) string {
	for other := range c.workers {
		if other != name {
			return other
		}
	}
	return ""
}

// alive reports whether there is a process, other than one that has ended and is not yet reaped.
func alive(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(text), ") Z ")
}
