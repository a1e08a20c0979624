package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// exitStatus runs the program and expects an exit code, which exec only tells from success:
// status CODE ARG...
func exitStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status CODE ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec("bakeoff", args[1:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// brokenData has pipeline p learn y from a file with which that cannot be done: broken FILE REGEXP
// [DATA]. The check must say so with a hint and exit with 2; a run must end in the verdict failed
// with the same words, exit with 1 and leave v1 the champion. DATA is more of the file's data part.
func brokenData(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: broken FILE REGEXP [DATA]")
	}
	data := "source: " + args[0] + ", target: y"
	if len(args) == 3 {
		data += ", " + args[2]
	}
	text := fmt.Sprintf("name: p\ndata: {%s}\ncandidates: [{name: linear, trainer: random_forest}]\n", data)
	ts.Check(os.WriteFile(ts.MkAbs("broken.yaml"), []byte(text), 0o600))

	exitStatus(ts, false, []string{"2", "check", "broken.yaml"})
	expect(ts, "stderr", args[1])
	expect(ts, "stderr", `(?m)^hint: .`)
	exitStatus(ts, false, []string{"1", "run", "broken.yaml"})
	expect(ts, "stdout", `failed: p v1 \(linear\) stays; no snapshot: .*(`+args[1]+`).* \(.+\)`)
}

func expect(ts *testscript.TestScript, stream, want string) {
	if text := ts.ReadFile(stream); !regexp.MustCompile(want).MatchString(text) {
		ts.Fatalf("%s has no match for %q:\n%s", stream, want, text)
	}
}

// disk makes a folder a disk of its own, of that size: disk FOLDER SIZE; makes it read-only or
// writable: disk FOLDER ro, disk FOLDER rw.
func disk(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: disk FOLDER SIZE|ro|rw")
	}
	path := ts.MkAbs(args[0])
	if args[1] == "ro" || args[1] == "rw" {
		ts.Check(remountDisk(path, args[1] == "ro"))
		return
	}
	ts.Check(mountDisk(path, args[1]))
	ts.Defer(func() { _ = unmountDisk(path) }) // memory, which ends with the machine at the latest
}

// canMount reports whether this user may have disks of its own.
func canMount() bool {
	dir, err := os.MkdirTemp("", "disk")
	if err != nil {
		return false
	}
	defer func() { _ = os.Remove(dir) }() // empty
	return mountDisk(dir, "1m") == nil && unmountDisk(dir) == nil
}
