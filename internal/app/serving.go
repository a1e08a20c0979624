package app

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/access"
	"github.com/bakeoffhq/bakeoff/internal/build"
	"github.com/bakeoffhq/bakeoff/internal/inference"
	"github.com/bakeoffhq/bakeoff/internal/predict"
	"github.com/bakeoffhq/bakeoff/internal/score"
	"github.com/bakeoffhq/bakeoff/internal/store"
)

// storedModels are the models of this node's own store, for the live set.
type storedModels struct {
	*store.Store
	runtime *servingRuntime
}

// Golden implements predict.Source.
func (s storedModels) Golden(ctx context.Context, v bakeoff.Version) (*bakeoff.Golden, error) {
	b, err := s.GetBytes(ctx, v.Golden)
	if err != nil {
		return nil, fmt.Errorf("read the golden answers of %s v%d: %w", v.Model, v.Version, err)
	}
	return goldenOf(v, b)
}

func goldenOf(v bakeoff.Version, text []byte) (*bakeoff.Golden, error) {
	var g bakeoff.Golden
	if err := json.Unmarshal(text, &g); err != nil {
		return nil, fmt.Errorf("read the golden answers of %s v%d: %w", v.Model, v.Version, err)
	}
	return &g, nil
}

// Open implements predict.Source.
func (s storedModels) Open(ctx context.Context, v bakeoff.Version) (predict.Model, error) {
	return s.runtime.served(ctx, v)
}

// liveModels are the live set as the prediction protocols ask for it.
type liveModels struct {
	*predict.Live
	front *front
}

// Ready implements inference.Models.
func (l liveModels) Ready() bool { return l.Live.Ready() && !l.front.draining.Load() }

// Acquire implements inference.Models.
func (l liveModels) Acquire(ctx context.Context, model, ref string) (inference.Model, error) {
	m, err := l.Live.Acquire(ctx, model, ref)
	if err != nil {
		return nil, err // a nil *Loaded is not a nil Model
	}
	return m, nil
}

// routeHealth adds the routes that orchestrators and load balancers ask.
func routeHealth(mux *access.Mux, ready func() []string) {
	live := func(w http.ResponseWriter, _ *http.Request) { sayHealth(w, nil) }
	mux.Handle("GET /livez", access.Public, http.HandlerFunc(live))
	mux.Handle("GET /healthz", access.Public, http.HandlerFunc(live))
	mux.Handle("GET /readyz", access.Public, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { sayHealth(w, ready()) }))
}

// sayHealth answers 200 where nothing fails, else 503 with what does.
func sayHealth(w http.ResponseWriter, failing []string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if len(failing) == 0 {
		_, _ = io.WriteString(w, "ok\n") // whoever asked may be gone
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	for _, f := range failing {
		_, _ = fmt.Fprintln(w, f)
	}
}

// Time limits of a request for predictions: a slow caller holds memory.
const (
	bodyTime   = 30 * time.Second
	answerTime = 60 * time.Second
)

// routePredictions adds the routes of the prediction protocols.
func routePredictions(mux *access.Mux, h http.Handler) {
	limited := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			now, control := time.Now(), http.NewResponseController(w)
			_ = control.SetReadDeadline(now.Add(bodyTime)) // a connection without deadlines is one within the process
			_ = control.SetWriteDeadline(now.Add(answerTime))
		}
		h.ServeHTTP(w, r)
	})
	for _, path := range inference.Paths() {
		need := access.Predict
		if path.Public {
			need = access.Public
		}
		mux.HandleAs(path.Pattern, need, path.Refuse, limited)
	}
}

// artifactFiles writes the files of a version's artifact into an empty folder.
func (n *Node) artifactFiles(ctx context.Context, v bakeoff.Version, dir string) (err error) {
	path, remove, err := n.scratchFile("artifact-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if err := n.store.GetFile(ctx, v.Artifact, path); err != nil {
		return fmt.Errorf("read the artifact of %s v%d: %w", v.Model, v.Version, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("unpack the artifact of %s v%d: %w", v.Model, v.Version, err)
	}
	if err := errors.Join(build.Unpack(f, dir, maxArtifact), f.Close()); err != nil {
		return fmt.Errorf("unpack the artifact of %s v%d: %w", v.Model, v.Version, err)
	}
	return nil
}

// scratchFile returns a path for a file of this process's work, in a folder of its own, and what
// removes both.
func (n *Node) scratchFile(prefix string) (path string, remove func() error, err error) {
	dir, err := os.MkdirTemp(n.scratch, prefix)
	if err != nil {
		return "", nil, fmt.Errorf("make a folder for a file: %w", err)
	}
	return filepath.Join(dir, "file"), func() error { return os.RemoveAll(dir) }, nil
}

func copyFile(w io.Writer, path string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = io.Copy(w, f)
	return err
}

// Scored says what a batch was.
type Scored struct {
	Model     string `json:"model"`
	Version   int    `json:"version"`
	Candidate string `json:"candidate"`
	predict.Summary
}

// Score answers rows with a version of a model, its champion for 0, and writes them.
func (n *Node) Score(ctx context.Context, model string, number int, files predict.Files) (Scored, error) {
	v, err := n.championOr(ctx, model, number)
	if err != nil {
		return Scored{}, err
	}
	opened, err := n.runtime.version(ctx, v)
	if err != nil {
		return Scored{}, err
	}
	return scoreFiles(ctx, opened, v, files)
}

// ScoreFetched is Score in a process without the store: fetch writes the version's artifact. A
// predict command runs in dir.
func ScoreFetched(ctx context.Context, c Config, v bakeoff.Version, dir string, fetch func(io.Writer) error, files predict.Files) (_ Scored, err error) {
	folder, err := newTempFolder(scoreFolder, c.Log)
	if err != nil {
		return Scored{}, fmt.Errorf("make a folder for an artifact: %w", err)
	}
	defer func() { err = errors.Join(err, folder.remove()) }()
	get := func(_ context.Context, digest bakeoff.Digest, path string) error {
		return fetchFile(digest, path, fetch)
	}
	opened, err := openArtifact(ctx, folder.path, v.Artifact, get, score.Spec{
		Recipe: v.Lineage.Recipe, Schema: v.Lineage.Snapshot.Schema, PipelineDir: dir, Threads: c.Threads,
	})
	if err != nil {
		return Scored{}, err
	}
	return scoreFiles(ctx, opened, v, files)
}

// fetchFile writes what fetch brings to a file, and checks its digest.
func fetchFile(digest bakeoff.Digest, path string, fetch func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("keep artifact %s: %w", digest.Short(), err)
	}
	sum := sha256.New()
	if err := errors.Join(fetch(io.MultiWriter(f, sum)), f.Close()); err != nil {
		return err
	}
	if got := bakeoff.DigestOfSum(sum.Sum(nil)); got != digest {
		return bakeoff.Errorf(bakeoff.CodeUnavailable, "the artifact that the node sent has digest %s, not %s", got.Short(), digest.Short())
	}
	return nil
}

// scoreFiles scores rows with an open model, and closes that.
func scoreFiles(ctx context.Context, m *opened, v bakeoff.Version, files predict.Files) (s Scored, err error) {
	defer func() { err = errors.Join(err, m.Close()) }()
	s = Scored{Model: v.Model, Version: v.Version, Candidate: v.Candidate}
	snapshot := v.Lineage.Snapshot
	s.Summary, err = predict.Batch(ctx, m, snapshot.Schema, snapshot.Missing, files)
	return s, err
}

// championOr returns a version of a model, its champion for 0.
func (n *Node) championOr(ctx context.Context, model string, number int) (bakeoff.Version, error) {
	if number == 0 {
		m, _, err := n.store.Model(ctx, model)
		if err != nil {
			return bakeoff.Version{}, err
		}
		if number = m.Champion(); number == 0 {
			return bakeoff.Version{}, bakeoff.Errorf(bakeoff.CodeNotFound, "model %s has no champion", model).
				WithHint("`bakeoff why %s` says why no run has promoted one", model)
		}
	}
	return n.store.Version(ctx, model, number)
}
