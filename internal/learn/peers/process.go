package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// peerScript is the other side.
//
//go:embed peer.py
var peerScript string

// processes starts a fresh process for each measurement.
type processes struct {
	options
	self   string // this program
	script string // peer.py, in a file
	built  string // bakeoff itself; "" until it is needed
	folder string // for all that is made on the way
}

// newProcesses makes a folder for them, which close removes.
func newProcesses(o options) (*processes, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "peers-")
	if err != nil {
		return nil, err
	}
	p := &processes{options: o, self: self, folder: folder, script: filepath.Join(folder, "peer.py")}
	return p, os.WriteFile(p.script, []byte(peerScript), 0o600)
}

func (p *processes) close() error { return os.RemoveAll(p.folder) }

// whole is what a process took from start to end, its own children too.
type whole struct {
	seconds, cpu, peakMB float64
	out                  []byte
}

// run waits for a process. What it said goes into the error where it fails.
func (p *processes) run(ctx context.Context, name string, args ...string) (*whole, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Env = p.environment(os.Environ())
	var out, complaint bytes.Buffer
	c.Stdout, c.Stderr = &out, &complaint
	begin := time.Now()
	err := c.Run()
	w := &whole{seconds: time.Since(begin).Seconds(), out: out.Bytes()}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", filepath.Base(name), err, short(complaint.String()+" "+out.String()))
	}
	if u, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok {
		w.cpu = time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
		w.peakMB = float64(u.Maxrss) / 1024
	}
	return w, nil
}

// environment bounds the threads of both sides alike. What a machine says about the numerics of one
// side alone is left out.
func (p *processes) environment(of []string) []string {
	threads := strconv.Itoa(p.threads)
	kept := []string{"GOMAXPROCS=" + threads, "OMP_NUM_THREADS=" + threads, "OPENBLAS_NUM_THREADS=" + threads}
	for _, v := range of {
		name, _, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, "OMP_") && !strings.HasPrefix(name, "OPENBLAS_") && name != "GOMAXPROCS" {
			kept = append(kept, v)
		}
	}
	return kept
}

// short returns the end of what a process said, as one line.
func short(text string) string {
	const limit = 300
	said := strings.Join(strings.Fields(text), " ")
	if len(said) > limit {
		said = strings.ToValidUTF8("..."+said[len(said)-limit:], "")
	}
	return said
}

// measured reads what a process printed.
func measured(w *whole, err error) (*measurement, error) {
	if err != nil {
		return nil, err
	}
	var m measurement
	if err := json.Unmarshal(w.out, &m); err != nil {
		return nil, fmt.Errorf("read a measurement: %w: %s", err, short(string(w.out)))
	}
	return &m, nil
}

// ours measures a learner on a prepared folder.
func (p *processes) ours(ctx context.Context, folder string, pair pair, answers bool) (*measurement, error) {
	return measured(p.run(ctx, p.self, "-one", "-prepared", folder, "-learner", pair.learner,
		"-reps", strconv.Itoa(p.reps), "-threads", strconv.Itoa(p.threads), "-answers="+strconv.FormatBool(answers)))
}

// theirs measures its peer.
func (p *processes) theirs(ctx context.Context, folder string, pair pair, answers bool) (*measurement, error) {
	return measured(p.run(ctx, p.python, p.script, "measure", folder, pair.model,
		strconv.Itoa(p.reps), strconv.Itoa(p.threads), strconv.FormatBool(answers)))
}

// findPeers reports whether the peers are there.
func (p *processes) findPeers(ctx context.Context) error {
	if _, err := p.run(ctx, p.python, "-c", "import sklearn, xgboost, pandas"); err != nil {
		return fmt.Errorf("find the peers: %w\n`make bench-peers` installs them, -python names another Python", err)
	}
	return nil
}

// bakeoff returns the program, built from the checkout.
func (p *processes) bakeoff(ctx context.Context) (string, error) {
	if p.built != "" {
		return p.built, nil
	}
	root, err := checkout(ctx)
	if err != nil {
		return "", err
	}
	path := filepath.Join(p.folder, "bakeoff")
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, "./cmd/bakeoff")
	c.Dir = root
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build bakeoff: %w: %s", err, short(string(text)))
	}
	p.built = path
	return path, nil
}

// alternately measures both sides in turn; who is first changes every round.
func alternately[T any](ctx context.Context, rounds int, ours, theirs func(context.Context) (T, error)) (a, b []T, err error) {
	sides := []func(context.Context) (T, error){ours, theirs}
	found := [2][]T{}
	for round := range rounds {
		for turn := range 2 {
			side := (round + turn) % 2
			m, err := sides[side](ctx)
			if err != nil {
				return nil, nil, err
			}
			found[side] = append(found[side], m)
		}
	}
	return found[0], found[1], nil
}
