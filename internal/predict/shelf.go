package predict

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

const (
	// maxSpare is how many versions stay loaded beside the champions, and how many may be loading for requests at once.
	maxSpare = 4
	// loadPatience is how long a request waits for its version to be loaded.
	loadPatience = 2 * time.Second
	// failureTime is how long a version that could not be loaded is not tried again for requests.
	failureTime = 5 * time.Second
)

// key names a version.
type key struct {
	model   string
	version int
}

// shelf opens versions, each once however many ask for it, and keeps the last few that are no
// champion: champions before today's, so that going back is the swap of a pointer, and versions
// that requests have named.
type shelf struct {
	open func(ctx context.Context, k key) (bakeoff.Version, Model, error)

	loads  sync.WaitGroup // goroutines that open
	opened sync.WaitGroup // versions that are not closed yet

	mu      sync.Mutex
	life    context.Context // guarded by mu: of what is loaded; nil before start and after stop
	spare   []*Loaded       // guarded by mu: with a reference each, the one last used at the end
	flights map[key]*flight // guarded by mu
}

// flight is a version that is being opened, or could not be.
type flight struct {
	done   chan struct{}
	asked  bool      // for requests
	loaded *Loaded   // once done; on the shelf, as long as it is there
	err    error     // once done
	failed time.Time // guarded by the shelf's mu: when
}

func newShelf(open func(ctx context.Context, k key) (bakeoff.Version, Model, error)) *shelf {
	return &shelf{open: open, flights: map[key]*flight{}}
}

// start allows loading until ctx ends.
func (s *shelf) start(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life = ctx
}

// stop waits for what is being loaded and lets go of what is kept.
func (s *shelf) stop() {
	s.mu.Lock()
	s.life = nil
	s.mu.Unlock()
	s.loads.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.spare {
		l.Release()
	}
	s.spare = nil
}

// wait waits until every version that was opened is closed.
func (s *shelf) wait() { s.opened.Wait() }

// version returns a version for a request, which waits a little for it to be loaded.
func (s *shelf) version(ctx context.Context, k key) (*Loaded, error) {
	patience := time.NewTimer(loadPatience)
	defer patience.Stop()
	for {
		loaded, f, err := s.find(k, true)
		if loaded != nil || err != nil {
			return loaded, err
		}
		select {
		case <-f.done:
		case <-patience.C:
			return nil, bakeoff.Errorf(bakeoff.CodeUnavailable, "model %s v%d is being loaded", k.model, k.version).WithHint("try again soon")
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for model %s v%d: %w", k.model, k.version, context.Cause(ctx))
		}
		if f.err != nil {
			return nil, refused(k, f.err)
		}
		if f.loaded.hold() {
			return f.loaded, nil
		}
		// It was pushed off the shelf already: once more.
	}
}

// refused is what a request is told of a version that could not be loaded.
func refused(k key, err error) error {
	switch bakeoff.CodeOf(err) {
	case bakeoff.CodeNotFound, bakeoff.CodeConflict:
		return err
	}
	return bakeoff.Errorf(bakeoff.CodeUnavailable, "model %s v%d cannot answer: %w", k.model, k.version, err)
}

// champion returns a version that is to be a champion. It waits for it to be loaded, until wake.
func (s *shelf) champion(ctx context.Context, k key, wake <-chan struct{}) (*Loaded, error) {
	for {
		loaded, f, err := s.find(k, false)
		if loaded != nil || err != nil {
			return loaded, err
		}
		select {
		case <-f.done:
		case <-wake:
			return nil, errMoved
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if f.err != nil {
			return nil, f.err
		}
		if f.loaded.hold() {
			return f.loaded, nil
		}
	}
}

// held returns a version that is on the shelf, with a reference, or nil.
func (s *shelf) held(k key) *Loaded {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.spare, func(l *Loaded) bool { return l.key() == k })
	if i < 0 {
		return nil
	}
	s.spare[i].refs.Add(1) // the shelf holds one, so that it is open
	return s.spare[i]
}

// find returns a version that is on the shelf, with a reference, or the flight that brings it. For
// a request, asked, a version that has just failed is not tried again, and not too many are loaded
// at once.
func (s *shelf) find(k key, asked bool) (*Loaded, *flight, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life == nil {
		return nil, nil, bakeoff.Errorf(bakeoff.CodeUnavailable, "this node is not serving").WithHint("try another node, or again soon")
	}
	if i := slices.IndexFunc(s.spare, func(l *Loaded) bool { return l.key() == k }); i >= 0 {
		l := s.spare[i]
		l.refs.Add(1) // the shelf holds one, so that it is open
		s.spare = append(slices.Delete(s.spare, i, i+1), l)
		return l, nil, nil
	}
	if f := s.flights[k]; f != nil && (f.failed.IsZero() || asked && time.Since(f.failed) < failureTime) {
		return nil, f, nil
	}
	if asked && s.busy() {
		return nil, nil, bakeoff.Errorf(bakeoff.CodeUnavailable, "model %s v%d is not loaded, and %d others are being loaded", k.model, k.version, maxSpare).
			WithHint("try again soon")
	}
	f := &flight{done: make(chan struct{}), asked: asked}
	s.flights[k] = f
	life := s.life
	s.loads.Go(func() { s.fly(life, k, f) })
	return nil, f, nil
}

func (l *Loaded) key() key { return key{l.version.Model, l.version.Version} }

// busy forgets old failures and reports whether as many versions are being loaded for requests as
// may be. The caller holds mu.
func (s *shelf) busy() bool {
	n := 0
	for k, f := range s.flights {
		switch {
		case !f.failed.IsZero() && time.Since(f.failed) >= failureTime:
			delete(s.flights, k)
		case f.failed.IsZero() && f.asked:
			n++
		}
	}
	return n >= maxSpare
}

// fly opens a version and puts it on the shelf.
func (s *shelf) fly(life context.Context, k key, f *flight) {
	ctx, cancel := context.WithTimeoutCause(life, loadTime, errors.New("it was not loaded within "+loadTime.String()))
	defer cancel()
	v, model, err := s.open(ctx, k)
	defer close(f.done)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		f.err, f.failed = err, time.Now()
		return
	}
	s.opened.Add(1)
	f.loaded = newLoaded(v, model, s.opened.Done)
	s.mu.Lock()
	delete(s.flights, k)
	s.mu.Unlock()
	s.keep(f.loaded)
}

// keep puts a version on the shelf, with the reference that its caller holds, and lets go of the
// one that was not used for the longest time if there are too many.
func (s *shelf) keep(l *Loaded) {
	s.mu.Lock()
	s.spare = append(s.spare, l)
	var rest []*Loaded
	if n := len(s.spare) - maxSpare; n > 0 {
		rest = slices.Clone(s.spare[:n])
		s.spare = slices.Delete(s.spare, 0, n)
	}
	s.mu.Unlock()
	for _, old := range rest {
		old.Release()
	}
}

// drop takes a version from the shelf, if it is there.
func (s *shelf) drop(l *Loaded) {
	s.mu.Lock()
	i := slices.Index(s.spare, l)
	if i >= 0 {
		s.spare = slices.Delete(s.spare, i, i+1)
	}
	s.mu.Unlock()
	if i >= 0 {
		l.Release()
	}
}

// open opens a version and has it prove itself: the golden answers are its first, and warm it up.
func (l *Live) open(ctx context.Context, k key) (bakeoff.Version, Model, error) {
	v, err := l.source.Version(ctx, k.model, k.version)
	if err != nil {
		return v, nil, err
	}
	if v.Artifact == "" {
		return v, nil, bakeoff.Errorf(bakeoff.CodeConflict, "model %s v%d has no artifact to answer with: what built it reported its own metric and keeps the model", v.Model, v.Version)
	}
	golden, err := l.source.Golden(ctx, v)
	if err != nil {
		return v, nil, err
	}
	model, err := l.source.Open(ctx, v)
	if err != nil {
		return v, nil, err
	}
	if err := model.Check(ctx, golden); err != nil {
		return v, nil, errors.Join(fmt.Errorf("check golden answers: %w", err), model.Close())
	}
	return v, model, nil
}
