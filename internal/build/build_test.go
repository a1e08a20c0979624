package build_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/build"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/learn"
	"github.com/bakeoffhq/bakeoff/internal/proc"
)

// TestMain makes the test binary the program that runs built-in learners.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == build.ChildCommand {
		if err := build.TrainChild(context.Background(), os.Args[2], os.Getenv); err != nil {
			fmt.Fprintln(os.Stderr, err)
			syscall.Exit(1) // os.Exit takes a second under the race detector
		}
		syscall.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// frozen is a small snapshot: 300 rows whose label follows from two of the columns.
type frozen struct {
	snapshot bakeoff.Snapshot
	train    string
}

func freeze(t *testing.T) frozen {
	t.Helper()
	dir := t.TempDir()
	var text strings.Builder
	text.WriteString("age,city,member,bought\n")
	for i := range 300 {
		age, city := 20+i*7%50, []string{"Busan", "Seoul, north", "Jeju"}[i%3]
		bought := map[bool]string{true: "yes", false: "no"}[age > 45 || city == "Jeju"]
		fmt.Fprintf(&text, "%d,%q,%v,%s\n", age, city, i%2 == 0, bought)
	}
	source := filepath.Join(dir, "rows.csv")
	if err := os.WriteFile(source, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	f := frozen{train: filepath.Join(dir, "train.parquet")}
	var err error
	f.snapshot, err = dataset.Freeze(t.Context(), dataset.Source{
		Path: source, Target: "bought",
		Split: bakeoff.Split{Holdout: 0.2, By: bakeoff.SplitByHash, Seed: 1},
	}, f.train, filepath.Join(dir, "holdout.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f frozen) request(t *testing.T, c bakeoff.Candidate) build.Request {
	t.Helper()
	return build.Request{
		Run: "shop-20261123T050000042Z-abcd", Candidate: c, Attempt: 2,
		Snapshot: f.snapshot, TrainParquet: f.train, PipelineDir: t.TempDir(),
		Seed: 7, Threads: 2, Dir: t.TempDir(), Self: []string{os.Args[0]}, Mark: "a-store",
	}
}

// shell is a candidate whose build command is a shell script.
func shell(script string) bakeoff.Candidate {
	return bakeoff.Candidate{Name: "script", Trainer: bakeoff.TrainerCommand, Build: []string{"/bin/sh", "-c", script}}
}

func buildIt(t *testing.T, r build.Request) build.Outcome {
	t.Helper()
	out, err := build.Build(t.Context(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestACommandGetsTheContractAndNothingElse(t *testing.T) {
	t.Setenv("SLACK_WEBHOOK_URL", "a secret")
	f := freeze(t)
	c := shell(`env > "$BAKEOFF_MODEL/env"; pwd > "$BAKEOFF_MODEL/pwd"; cp "$BAKEOFF_TRAIN" "$BAKEOFF_SCHEMA" "$BAKEOFF_PARAMS" "$BAKEOFF_MODEL"; ls "$HOME" "$TMPDIR" "$BAKEOFF_CHECKPOINT"; cat`)
	c.Params = json.RawMessage(`{"depth":3,"name":"$(reboot)"}`)
	r := f.request(t, c)
	out := buildIt(t, r)
	if out.Trial.State != bakeoff.TrialBuilt {
		t.Fatalf("%+v", out.Trial)
	}
	env := map[string]string{}
	for line := range strings.Lines(read(t, out.ModelDir, "env")) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		env[name] = value
	}
	if !strings.HasPrefix(env["BAKEOFF_ATTEMPT"], "a-store.") {
		t.Errorf("BAKEOFF_ATTEMPT is %q", env["BAKEOFF_ATTEMPT"])
	}
	delete(env, "BAKEOFF_ATTEMPT")
	delete(env, "PWD") // the shell's own
	delete(env, "OLDPWD")
	delete(env, "SHLVL")
	delete(env, "_")
	in := func(name string) string { return filepath.Join(r.Dir, name) }
	want := map[string]string{
		"BAKEOFF_TRAIN": in("train.csv"), "BAKEOFF_SCHEMA": in("schema.json"), "BAKEOFF_PARAMS": in("params.json"),
		"BAKEOFF_MODEL": in("model"), "BAKEOFF_CHECKPOINT": in("checkpoint"), "BAKEOFF_PROGRESS": "3",
		"BAKEOFF_SEED": "7", "BAKEOFF_THREADS": "2",
		"HOME": in("home"), "TMPDIR": in("tmp"), "LANG": "C.UTF-8", "PATH": os.Getenv("PATH"),
	}
	if diff := cmp.Diff(want, env); diff != "" {
		t.Error(diff)
	}
	if got := strings.TrimSpace(read(t, out.ModelDir, "pwd")); got != r.PipelineDir {
		t.Errorf("ran in %s, want %s", got, r.PipelineDir)
	}
	if got := read(t, out.ModelDir, "params.json"); got != string(c.Params)+"\n" {
		t.Errorf("parameters %s", got)
	}
	var schema bakeoff.Schema
	if err := json.Unmarshal([]byte(read(t, out.ModelDir, "schema.json")), &schema); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f.snapshot.Schema, schema); diff != "" {
		t.Error(diff)
	}
	records, err := csv.NewReader(strings.NewReader(read(t, out.ModelDir, "train.csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"age", "city", "member", "bought"}, records[0]); diff != "" || len(records)-1 != f.snapshot.Rows.Train {
		t.Errorf("%d training rows, want %d; header %s", len(records)-1, f.snapshot.Rows.Train, diff)
	}
	if listing := read(t, out.LogPath); strings.Count(listing, "\n") != 5 {
		t.Errorf("HOME, TMPDIR and BAKEOFF_CHECKPOINT are not empty:\n%s", listing)
	}
}

func TestOutcomes(t *testing.T) {
	f := freeze(t)
	limited := shell(`sleep 60`)
	limited.Limits.Time = 50 * time.Millisecond
	learner := bakeoff.Candidate{Name: "learner", Trainer: learn.RandomForest}
	hurried := learner
	hurried.Limits.Time = time.Millisecond
	wrong := learner
	wrong.Params = json.RawMessage(`{"trees":-1}`)
	missing := bakeoff.Candidate{Name: "missing", Trainer: bakeoff.TrainerCommand, Build: []string{"./train.sh"}}
	const long = `for i in 1 2 3 4 5 6 7 8 9 10; do printf 'abcdefghijklmnopqrstuvwxyz' >&2; done; exit 4`
	for _, c := range []struct {
		name      string
		candidate bakeoff.Candidate
		class     bakeoff.FailureClass
		reason    string // the whole of it, or its beginning where it ends in "..."
	}{
		{"exit code, the last line of stderr", shell(`echo reading; echo 'no such column' >&2; echo bye; exit 1`), bakeoff.FailedExit, "exit code 1: no such column"},
		{"a Python traceback", shell(`printf 'Traceback:\n  File "t.py"\nValueError: \033[31mbad\n    ^^^\n\n' >&2; exit 1`), bakeoff.FailedExit, "exit code 1: ValueError: [31mbad"},
		{"a Go panic", shell(`printf 'panic: out of range\n\ngoroutine 1 [running]:\nmain.main()\n\t/x.go:1\nexit status 2\n' >&2; exit 2`), bakeoff.FailedExit, "exit code 2: panic: out of range"},
		{"nothing said", shell(`exit 3`), bakeoff.FailedExit, "exit code 3"},
		{"too much said", shell(long), bakeoff.FailedExit, "exit code 4: abcdefghijklmnopqrstuvwxyz..."},
		{"signal", shell(`kill -SEGV $$`), bakeoff.FailedSignal, "signal: SIGSEGV (segmentation fault)"},
		{"time limit", limited, bakeoff.FailedTimeLimit, "time limit: 50ms passed"},
		{"time limit of a built-in learner", hurried, bakeoff.FailedTimeLimit, "time limit: 1ms passed"},
		{"nothing left", shell(`true`), bakeoff.FailedEmptyArtifact, "empty artifact: nothing was left in BAKEOFF_MODEL"},
		{"folders left", shell(`mkdir -p "$BAKEOFF_MODEL/a/b"`), bakeoff.FailedEmptyArtifact, "empty artifact: nothing was left in BAKEOFF_MODEL"},
		{"not even the folder left", shell(`rmdir "$BAKEOFF_MODEL"`), bakeoff.FailedEmptyArtifact, "empty artifact: nothing was left in BAKEOFF_MODEL"},
		{"the folder made a link", shell(`rmdir "$BAKEOFF_MODEL"; ln -s /etc "$BAKEOFF_MODEL"`), bakeoff.FailedEmptyArtifact, "empty artifact: nothing was left in BAKEOFF_MODEL"},
		{"a link left", shell(`ln -s /etc/passwd "$BAKEOFF_MODEL/model"`), "unusable artifact", `unusable artifact: "model" in the artifact is neither a file nor a folder...`},
		{"no such command", missing, bakeoff.FailedStart, `not started: there is no command "./train.sh"...`},
		{"wrong parameters", wrong, bakeoff.FailedExit, "exit code 1: ..."},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := buildIt(t, f.request(t, c.candidate))
			trial := out.Trial
			if trial.State != bakeoff.TrialFailed || trial.Class != c.class || out.ModelDir != "" {
				t.Errorf("%+v, want class %q", trial, c.class)
			}
			if head, cut := strings.CutSuffix(c.reason, "..."); cut && !strings.HasPrefix(trial.Reason, head) || !cut && trial.Reason != c.reason {
				t.Errorf("reason %q, want %q", trial.Reason, c.reason)
			}
			if !strings.HasPrefix(trial.Reason, string(c.class)) || len([]rune(trial.Reason)) > 400 || strings.ContainsFunc(trial.Reason, func(r rune) bool { return r < ' ' }) {
				t.Errorf("reason %q is not one short line that begins with its class", trial.Reason)
			}
			if trial.Attempt != 2 || trial.Candidate != c.candidate.Name || trial.Started.IsZero() {
				t.Errorf("%+v", trial)
			}
		})
	}
}

func TestTheLogHoldsBothStreams(t *testing.T) {
	out := buildIt(t, freeze(t).request(t, shell(`echo to out; echo to err >&2; exit 1`)))
	log := read(t, out.LogPath)
	if !strings.Contains(log, "to out\n") || !strings.Contains(log, "to err\n") {
		t.Errorf("log %q", log)
	}
}

func TestTheLogIsBounded(t *testing.T) {
	out := buildIt(t, freeze(t).request(t, shell(`echo first; head -c 20000000 /dev/zero; echo last; exit 1`)))
	log := read(t, out.LogPath)
	if len(log) > bakeoff.MaxLog || !strings.HasPrefix(log, "first\n") || !strings.HasSuffix(log, "last\n") || !strings.Contains(log, "bytes dropped here") {
		t.Errorf("%d bytes kept", len(log))
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	stop := func(float64, string) { cancel(fmt.Errorf("the run was cancelled")) }
	out, err := build.Build(ctx, freeze(t).request(t, shell(`echo '{"progress": 0.1}' >&3; sleep 60`)), stop)
	if err != nil {
		t.Fatal(err)
	}
	if out.Trial.Class != bakeoff.FailedCancelled || out.Trial.Reason != "cancelled: the run was cancelled" {
		t.Errorf("%+v", out.Trial)
	}
}

func TestProgressIsReadAndRubbishIgnored(t *testing.T) {
	script := `{
		echo not json; echo; echo '{"progress": "half"}'; echo '{"progress":'; echo '[1]'
		head -c 200000 /dev/zero | tr '\0' x; echo
		printf '{"progress": 7, "message": "all\\u0007 of it"}\nno end'
	} >&3; touch "$BAKEOFF_MODEL/model"`
	var got []string
	r := freeze(t).request(t, shell(script))
	if _, err := build.Build(t.Context(), r, func(f float64, m string) { got = append(got, fmt.Sprint(f, " ", m)) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1 all of it"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestProgressOfALoopIsThinnedAndEndsWithTheLast(t *testing.T) {
	script := `i=0; while [ $i -lt 5000 ]; do echo '{"progress": 0.5, "message": "step '$i'"}'; i=$((i+1)); done >&3; touch "$BAKEOFF_MODEL/model"`
	var got []string
	r := freeze(t).request(t, shell(script))
	if _, err := build.Build(t.Context(), r, func(_ float64, m string) { got = append(got, m) }); err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 || len(got) > 1000 || got[len(got)-1] != "step 4999" {
		t.Errorf("%d calls, the last of %q", len(got), got[max(0, len(got)-1):])
	}
}

func TestBuiltInLearnersGiveTheSameBytesForASeed(t *testing.T) {
	f := freeze(t)
	for _, learner := range learn.Learners() {
		if !learn.Fits(learner, f.snapshot.Schema.Task) {
			continue
		}
		t.Run(learner, func(t *testing.T) {
			var digests []bakeoff.Digest
			for _, threads := range []int{1, 2, 5} {
				r := f.request(t, bakeoff.Candidate{Name: "learner", Trainer: learner})
				r.Threads = threads
				var last float64
				out, err := build.Build(t.Context(), r, func(f float64, _ string) { last = f })
				if err != nil {
					t.Fatal(err)
				}
				if out.Trial.State != bakeoff.TrialBuilt {
					t.Fatalf("%s; log:\n%s", out.Trial.Reason, read(t, out.LogPath))
				}
				if last == 0 {
					t.Error("no progress was told")
				}
				if _, err := learn.Decode([]byte(read(t, out.ModelDir, learn.FileName))); err != nil {
					t.Error(err)
				}
				var archive bytes.Buffer
				digest, size, err := build.Pack(out.ModelDir, &archive)
				if err != nil || digest != out.Trial.Artifact || size != out.Trial.Bytes || int(size) != archive.Len() {
					t.Errorf("packed %s, %d bytes (%v); the trial says %s, %d", digest, size, err, out.Trial.Artifact, out.Trial.Bytes)
				}
				digests = append(digests, digest)
			}
			if len(slices.Compact(digests)) != 1 {
				t.Error("the artifact depends on the number of threads")
			}
		})
	}
}

func TestAUsedFolderIsAFaultOfOurs(t *testing.T) {
	f := freeze(t)
	r := f.request(t, shell(`touch "$BAKEOFF_MODEL/model"`))
	buildIt(t, r)
	if _, err := build.Build(t.Context(), r, nil); err == nil {
		t.Error("two attempts were built in one folder")
	}
}

func TestTrainChildSaysWhatIsMissing(t *testing.T) {
	complete := func(t *testing.T) map[string]string {
		dir := t.TempDir()
		f := freeze(t)
		schema, err := json.Marshal(f.snapshot.Schema)
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"schema": string(schema), "params": "{}"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return map[string]string{
			"BAKEOFF_TRAIN": f.train, "BAKEOFF_SCHEMA": filepath.Join(dir, "schema"), "BAKEOFF_PARAMS": filepath.Join(dir, "params"),
			"BAKEOFF_MODEL": dir, "BAKEOFF_SEED": "1", "BAKEOFF_THREADS": "1",
		}
	}
	env := complete(t)
	if err := build.TrainChild(t.Context(), learn.LogisticRegression, func(k string) string { return env[k] }); err != nil {
		t.Fatalf("complete: %v", err)
	}
	for name := range env {
		t.Run(name, func(t *testing.T) {
			env := complete(t)
			env[name] = "/no/such"
			err := build.TrainChild(t.Context(), learn.LogisticRegression, func(k string) string { return env[k] })
			if err == nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line", err)
			}
		})
	}
	err := build.TrainChild(t.Context(), learn.LinearRegression, func(k string) string { return env[k] })
	if err == nil || !strings.Contains(err.Error(), "cannot learn a binary target (it learns") || bakeoff.HintOf(err) != "" {
		t.Errorf("a learner that does not fit: %v, hint %q; want both in one line", err, bakeoff.HintOf(err))
	}
	env["BAKEOFF_PROGRESS"] = "two"
	if err := build.TrainChild(t.Context(), learn.LogisticRegression, func(k string) string { return env[k] }); err == nil {
		t.Error("BAKEOFF_PROGRESS=two is taken")
	}
}

func TestTheLimitOfMemoryIsTheAttempts(t *testing.T) {
	if !proc.CanLimitMemory {
		t.Skip("memory is not watched on this system")
	}
	c := shell(`x=0123456789abcdef; while :; do x=$x$x$x$x; [ ${#x} -gt 20000000 ] && exec sleep 60; done`)
	c.Limits.Memory = 16 << 20 // and no limit of time, which a busy machine might reach first
	out := buildIt(t, freeze(t).request(t, c))
	if out.Trial.Class != bakeoff.FailedMemory || !strings.HasSuffix(out.Trial.Reason, "in 1 process, the limit is 16 MiB") {
		t.Errorf("%+v", out.Trial)
	}
}

func TestTheLogBeginsWithWhatEarlierAttemptsPrinted(t *testing.T) {
	f := freeze(t)
	r := f.request(t, shell(`echo second`))
	r.EarlierLog = filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(r.EarlierLog, []byte("first\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := read(t, buildIt(t, r).LogPath), "first\n[attempt 2]\nsecond\n"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
	r.Dir = t.TempDir()
	if err := os.WriteFile(r.EarlierLog, []byte(strings.Repeat("0123456789\n", 10_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	got := read(t, buildIt(t, r).LogPath)
	if !strings.HasPrefix(got, "[44464 bytes of earlier attempts dropped here]\n") || !strings.HasSuffix(got, "\n0123456789\n[attempt 2]\nsecond\n") {
		t.Errorf("log of %d bytes: %.80q", len(got), got)
	}
}
