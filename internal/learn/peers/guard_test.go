package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn"
)

var update = flag.Bool("update", false, "write the golden files anew")

// workFile has what was counted when somebody last looked.
const workFile = "testdata/work.json"

// work is what a learner does to fit a data set and to answer for its holdout.
type work struct {
	// Statements are how many of its source's statements were executed, in internal/learn and below.
	Statements uint64 `json:"statements"`
	// Allocations and Bytes are of the fit alone.
	Allocations uint64 `json:"allocations"`
	Bytes       uint64 `json:"bytes"`
}

// TestWorkOfAFit guards the speed of the learners without a clock. A machine that tests run on is
// shared, throttled and never the same one twice, so that bounds on seconds, or on a ratio of them,
// either flake or catch nothing. What is counted here is the same on all of them: statements
// executed, by the counters that the go command compiles in to measure coverage, and memory asked
// for. A loop that runs twice as often, a pass too many, an allocation for each row are found; that
// a statement got dearer (memory that is read in another order, a bounds check) is not: for that
// there is `make bench-peers`, on a quiet machine. Processors' own counters of instructions would see
// more, but are not to be had in most containers.
//
// A count that moved is a change to look at, in either direction: if it is meant, -update writes it
// down.
func TestWorkOfAFit(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the learners once more, with counters")
	}
	program := buildCounting(t)
	got := map[string]work{}
	for _, learner := range learn.Learners() {
		got[learner] = workOf(t, program, learner)
	}
	if *update {
		writeWork(t, got)
		return
	}
	recorded := readWork(t)
	for _, learner := range slices.Sorted(maps.Keys(got)) {
		want, known := recorded[learner]
		if !known {
			t.Errorf("the work of %s is not in %s: write it down with go test ./internal/learn/peers -run WorkOfAFit -update", learner, workFile)
			continue
		}
		near(t, learner, "statements", got[learner].Statements, want.Statements, 10_000)
		near(t, learner, "allocations", got[learner].Allocations, want.Allocations, 200)
		near(t, learner, "bytes", got[learner].Bytes, want.Bytes, 1<<18)
	}
}

// near complains of a count that is a quarter off, and by more than a little.
func near(t *testing.T, learner, what string, got, want, little uint64) {
	t.Helper()
	apart := max(got, want) - min(got, want)
	if apart > want/4 && apart > little {
		t.Errorf("%s: %d %s, recorded are %d (%+.0f %%): if that is meant, write it down with go test ./internal/learn/peers -run WorkOfAFit -update",
			learner, got, what, want, 100*(float64(got)/float64(want)-1))
	}
}

// buildCounting builds this program with a counter for each statement of the learners.
func buildCounting(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "peers")
	execute(t, nil, "go", "build", "-cover", "-covermode=atomic", "-coverpkg=github.com/bakeoffhq/bakeoff/internal/learn/...", "-o", program, ".")
	return program
}

// workOf counts the work of a learner with one thread: how many wait for each other is left out.
func workOf(t *testing.T, program, learner string) work {
	t.Helper()
	data := []string{"-data", "telco_churn"}
	if !learn.Fits(learner, bakeoff.Binary) {
		data = []string{"-data", "made_regression", "-rows", "6000"}
	}
	counters := t.TempDir()
	args := append([]string{"-one", "-learner", learner, "-reps", "1", "-threads", "1"}, data...)
	out := execute(t, []string{"GOCOVERDIR=" + counters, "GOMAXPROCS=1"}, program, args...)
	var m measurement
	if err := json.Unmarshal(out, &m); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	profile := filepath.Join(counters, "profile")
	execute(t, nil, "go", "tool", "covdata", "textfmt", "-i="+counters, "-o="+profile)
	return work{Statements: statements(t, profile), Allocations: m.Allocations, Bytes: m.Allocated}
}

// statements adds up a coverage profile, without this program's own.
func statements(t *testing.T, profile string) uint64 {
	t.Helper()
	f, err := os.Open(profile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var total uint64
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		block, counts, found := strings.Cut(lines.Text(), " ")
		if !found || strings.HasPrefix(block, "mode:") || strings.Contains(block, "/learn/peers/") {
			continue
		}
		var statements, times uint64
		if _, err := fmt.Sscan(counts, &statements, &times); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		total += statements * times
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return total
}

func readWork(t *testing.T) map[string]work {
	t.Helper()
	text, err := os.ReadFile(workFile)
	if err != nil {
		t.Fatal(err)
	}
	var recorded map[string]work
	if err := json.Unmarshal(text, &recorded); err != nil {
		t.Fatal(err)
	}
	return recorded
}

func writeWork(t *testing.T, got map[string]work) {
	t.Helper()
	text, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(workFile, append(text, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
}

// execute runs a command to its end and returns what it printed.
func execute(t *testing.T, environment []string, name string, args ...string) []byte {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Env = append(os.Environ(), environment...)
	var complaint bytes.Buffer
	c.Stderr = &complaint
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, complaint.String())
	}
	return out
}
