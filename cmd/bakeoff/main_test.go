package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bakeoffhq/bakeoff/internal/build"
	"github.com/bakeoffhq/bakeoff/internal/cli"
)

// TestMain installs the program, another version of it and a trainer of another kind as commands of
// the scripts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == build.ChildCommand { // a build of a program that a script has started
		os.Exit(cli.Main())
	}
	testscript.Main(m, map[string]func(){
		"bakeoff":       main,
		"bakeoff-9.9.9": func() { cli.Version = "v9.9.9"; os.Exit(cli.Main()) },
		"mean-trainer":  func() { must(meanTrain()) },
		"mean-predict":  func() { must(meanPredict()) },
	})
}

// TestScripts runs testdata/*.txtar: what a person types, and what comes of it. BAKEOFF_UPDATE=1
// rewrites what they expect of files.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: os.Getenv("BAKEOFF_UPDATE") != "",
		Setup:         setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"rows":        writeRows,
			"status":      exitStatus,
			"broken":      brokenData,
			"disk":        disk,
			"awaitup":     awaitUp,
			"await":       await,
			"gone":        gone,
			"ask":         ask,
			"slow":        slow,
			"certificate": certificate,
			"setfrom":     setFrom,
			"guess":       guess,
		},
		Condition: condition,
	})
}

// condition knows [parts], the real parts that `make test` installs are here, and [disks], this
// user may mount a small disk.
func condition(cond string) (bool, error) {
	if cond == "disks" {
		return canMount(), nil
	}
	if cond != "parts" {
		return false, fmt.Errorf("unknown condition %q", cond)
	}
	_, err := os.Stat("/usr/bin/python3")
	if err == nil || os.Getenv("BAKEOFF_TEST_PARTS") == "" || os.Getenv("CI") != "true" {
		return err == nil, nil
	}
	return false, fmt.Errorf("make test did not install python3: %w", err)
}

// setup gives each script the example's data and receivers that answer as their names say.
func setup(env *testscript.Env) error {
	example, err := filepath.Abs("../../examples/churn")
	if err != nil {
		return err
	}
	env.Setenv("EXAMPLE", example)
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("GORACE", "atexit_sleep_ms=0") // with -race, each of many short processes would end a second later
	env.Setenv("TMPDIR", filepath.Join(env.WorkDir, ".tmp"))
	messages, err := os.Create(filepath.Join(env.WorkDir, "messages"))
	if err != nil {
		return err
	}
	env.Defer(func() { _ = messages.Close() })
	receiver := func(status int, word string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var message struct{ Text string }
			if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
				status, word = http.StatusBadRequest, "invalid_payload"
			}
			fmt.Fprintf(messages, "%d %s\n", status, message.Text)
			w.WriteHeader(status)
			fmt.Fprint(w, word)
		}))
		env.Defer(server.Close)
		return server.URL + "/services/T000/B000/secret-of-the-hook"
	}
	env.Setenv("SLACK_OK", receiver(http.StatusOK, "ok"))
	env.Setenv("SLACK_GONE", receiver(http.StatusNotFound, "no_service"))
	return nil
}

// writeRows writes a small binary data set: rows FILE COUNT.
func writeRows(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: rows FILE COUNT")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	var b strings.Builder
	b.WriteString("x,colour,y\n")
	for i := range n {
		x := (i * 37) % 100
		y := "no"
		if x+(i*13)%20 > 60 {
			y = "yes"
		}
		fmt.Fprintf(&b, "%d.%d,%s,%s\n", x, i%7, []string{"red", "green", "blue"}[i%3], y)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b.String()), 0o600))
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// meanTrain is a trainer that knows nothing of this program but the build contract: it leaves the
// share of rows whose last column is "yes".
func meanTrain() error {
	f, err := os.Open(os.Getenv("BAKEOFF_TRAIN"))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // read only
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return err
	}
	yes := 0
	for _, row := range rows[1:] {
		if row[len(row)-1] == "yes" {
			yes++
		}
	}
	fmt.Println("read", len(rows)-1, "rows")
	share := strconv.FormatFloat(float64(yes)/float64(len(rows)-1), 'g', -1, 64)
	return os.WriteFile(filepath.Join(os.Getenv("BAKEOFF_MODEL"), "share"), []byte(share), 0o600)
}

// meanPredict answers rows with the share that meanTrain left, and a little more for a larger x.
func meanPredict() error {
	text, err := os.ReadFile(filepath.Join(os.Getenv("BAKEOFF_MODEL"), "share"))
	if err != nil {
		return err
	}
	share, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return err
	}
	in, out := json.NewDecoder(bufio.NewReader(os.Stdin)), json.NewEncoder(os.Stdout)
	for {
		var request struct {
			ID   int
			Rows []struct{ X float64 }
		}
		if err := in.Decode(&request); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		answers := make([][]float64, len(request.Rows))
		classes := make([]string, len(request.Rows))
		for i, row := range request.Rows {
			p := 0.9*share + 0.001*row.X
			answers[i], classes[i] = []float64{1 - p, p}, "no"
			if p > 0.5 {
				classes[i] = "yes"
			}
		}
		if err := out.Encode(map[string]any{"id": request.ID, "predictions": classes, "probabilities": answers}); err != nil {
			return err
		}
	}
}
