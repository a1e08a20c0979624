// Package e2e tests whole processes: started, killed and started again.
package e2e_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/build"
	"github.com/bakeoffhq/bakeoff/internal/cli"
)

// asProgram makes this test binary run as the program itself.
const asProgram = "BAKEOFF_E2E_PROGRAM"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == trainCommand {
		end(train())
	}
	if len(os.Args) > 1 && os.Args[1] == predictCommand {
		end(predict())
	}
	if len(os.Args) > 1 && os.Args[1] == escapeCommand {
		end(escape())
	}
	child := len(os.Args) > 1 && os.Args[1] == build.ChildCommand // of a program that a test has started
	if child || os.Getenv(asProgram) != "" {
		os.Exit(cli.Main())
	}
	os.Exit(m.Run())
}

// end ends a process that stands in for a user's command.
func end(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// program returns a command of the program in a folder.
func program(t testing.TB, dir string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), asProgram+"=1")
	return c
}

// receiver answers as Slack's webhooks do and keeps what it was sent.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	messages []string
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil { // the sender was killed in the middle of it
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.mu.Lock()
		r.messages = append(r.messages, string(body))
		r.mu.Unlock()
		_, _ = io.WriteString(w, "ok") // the sender may be gone by now
	}))
	t.Cleanup(r.Close)
	return r
}

// texts returns the messages so far.
func (r *receiver) texts() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages)
}

// check holds the messages against the runs: each has been told, and one that was told twice says
// that it may be a repeat.
func (r *receiver) check(t *testing.T, runs []bakeoff.Run) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, run := range runs {
		told, repeats := 0, 0
		for _, message := range r.messages {
			if strings.Contains(message, run.ID) {
				told++
				if strings.Contains(message, "a repeat") {
					repeats++
				}
			}
		}
		if told < 1 || told-repeats > 1 {
			t.Errorf("run %s was told %d times, %d of them marked as repeats", run.ID, told, repeats)
		}
	}
}

// writePipeline writes a small pipeline and its data: three learners that are quick to build, of which
// one searches for a parameter, and a receiver unless hook is "".
func writePipeline(t *testing.T, dir, hook string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	var rows strings.Builder
	rows.WriteString("a,b,c,y\n")
	for range 600 {
		a, b := rng.NormFloat64(), rng.NormFloat64()
		y := "no"
		if a+b+0.5*rng.NormFloat64() > 0 {
			y = "yes"
		}
		fmt.Fprintf(&rows, "%.4f,%.4f,%s,%s\n", a, b, []string{"red", "green", "blue"}[rng.IntN(3)], y)
	}
	file := `name: crash
data: {source: rows.csv, target: y}
candidates:
  - {name: linear, trainer: logistic_regression, search: {settings: 3, folds: 2, params: {C: {from: 0.01, to: 10, scale: log}}}}
  - {name: forest, trainer: random_forest, params: {trees: 20}}
  - {name: boosting, trainer: gradient_boosting, params: {iterations: 20}}
`
	if hook != "" {
		file += fmt.Sprintf("notify: [{slack: %q, allow_private: true}]\n", hook)
	}
	for name, text := range map[string]string{"rows.csv": rows.String(), "crash.yaml": file} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKilledAtAnyMomentEveryRunEndsOnce kills the program 30 times while it runs a pipeline, and
// then finds every run that it ever began ended, with one verdict, one version a promotion, one
// message but for marked repeats, and nothing left behind.
func TestKilledAtAnyMomentEveryRunEndsOnce(t *testing.T) {
	const kills = 30
	dir := t.TempDir()
	slack := newReceiver(t)
	writePipeline(t, dir, slack.URL)
	began := time.Now()
	if out, err := program(t, dir, "run", "crash.yaml").CombinedOutput(); err != nil {
		t.Fatalf("an undisturbed run: %v\n%s", err, out)
	}
	undisturbed := time.Since(began)

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d, an undisturbed run takes %v", seed, undisturbed)
	rng := rand.New(rand.NewPCG(seed, 1))
	for killed, started := 0, 0; killed < kills; started++ {
		if started == 5*kills {
			t.Fatalf("only %d of %d starts were killed before their run was over", killed, started)
		}
		began := time.Now()
		if runAndKill(t, dir, time.Duration(rng.Int64N(int64(undisturbed+undisturbed/4)))) {
			undisturbed = (undisturbed + time.Since(began)) / 2 // the machine may have been busier before
		} else {
			killed++
		}
	}
	settle(t, dir, "crash")
	slack.check(t, checkStore(t, filepath.Join(dir, ".bakeoff"), "crash").runs)
}

// runAndKill starts a run and kills it with SIGKILL after a while. It reports whether the run was
// over before.
func runAndKill(t *testing.T, dir string, after time.Duration) (finished bool) {
	t.Helper()
	c := program(t, dir, "run", "crash.yaml")
	var out strings.Builder
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	moment := time.AfterFunc(after, func() { _ = c.Process.Kill() })
	defer moment.Stop()
	err := c.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return true
	case errors.As(err, &exit) && !exit.Exited(): // by the kill
		return false
	case exit.ExitCode() == 1 && strings.Contains(out.String(), "\nfailed: "):
		return true // there is a verdict: its builds were killed so often that nothing was left to judge
	default:
		t.Fatalf("a start after a kill: %v\n%s", err, out.String())
		return false
	}
}
