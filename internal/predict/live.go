package predict

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// Source is what Live needs of the store and of the serving runtime.
type Source interface {
	// Models returns every model.
	Models(ctx context.Context) ([]bakeoff.Model, error)
	// WatchModels calls each, from one goroutine, with every model's record and with each change,
	// until ctx ends or each returns an error.
	WatchModels(ctx context.Context, each func(bakeoff.Model) error) error
	// Version returns one version of a model.
	Version(ctx context.Context, model string, n int) (bakeoff.Version, error)
	// Golden returns the version's golden answers.
	Golden(ctx context.Context, v bakeoff.Version) (*bakeoff.Golden, error)
	// Open reads the version's artifact back by its digest and opens it. ctx bounds the opening.
	Open(ctx context.Context, v bakeoff.Version) (Model, error)
}

// Model is an open model that can prove itself. Its methods may be called from many goroutines.
type Model interface {
	// ScoreInto writes the answers for the rows of t to p, whose memory it may use.
	ScoreInto(ctx context.Context, t *dataset.Table, p *bakeoff.Predictions) error
	// Schema describes the rows that it was trained on.
	Schema() bakeoff.Schema
	// Check asks for the golden answers again and compares.
	Check(ctx context.Context, g *bakeoff.Golden) error
	// Serial reports whether it answers one call at a time, in a process of its own.
	Serial() bool
	Close() error
}

const (
	loadTime   = 5 * time.Minute // for a version to be opened and to prove itself
	firstRetry = time.Second     // after a champion was refused, doubled each time
	lastRetry  = time.Minute
)

// Live holds the models that this node answers with. Of each model it serves the champion: when
// that moves, the new one is opened, gives its golden answers, and only then takes the old one's
// place, by the swap of a pointer; the old one finishes its requests. A champion that cannot answer
// gets no request: the one before it stays, and the new one is tried again.
//
//	          moved              proven
//	serving --------> loading ----------> serving the new one
//	   ^                 | refused
//	   +-----------------+ tried again after a while, or when the alias moves
//
// Its methods may be called from many goroutines; those but Run do not wait for a store or a lock
// while a champion is asked for.
type Live struct {
	source Source
	node   string
	log    *slog.Logger
	shelf  *shelf

	lines  atomic.Pointer[map[string]*line] // replaced by Run alone
	looked atomic.Bool                      // all models that there are have been seen
	follow sync.WaitGroup                   // a goroutine a line, started by Run
}

// New returns a Live that has nothing yet; Run fills it. Node is the name that Serving reports.
func New(source Source, node string, log *slog.Logger) *Live {
	l := &Live{source: source, node: node, log: log.With("component", "predict")}
	l.shelf = newShelf(l.open)
	l.lines.Store(&map[string]*line{})
	return l
}

// line is one model.
type line struct {
	name     string
	record   atomic.Pointer[bakeoff.Model]
	champion atomic.Pointer[Loaded] // holds a reference
	refused  atomic.Pointer[refusal]
	wake     chan struct{} // has one element when the record has changed
}

// refusal says why a version does not serve.
type refusal struct {
	version int
	err     error
}

// Run follows the champions until ctx ends. It returns when the last request has let go of its
// model and every model is closed: whoever serves requests stops first.
func (l *Live) Run(ctx context.Context) error {
	l.shelf.start(ctx)
	for pause := firstRetry; ctx.Err() == nil; pause = min(2*pause, lastRetry) {
		began := time.Now()
		err := l.watch(ctx)
		if ctx.Err() != nil {
			break
		}
		if time.Since(began) > lastRetry {
			pause = firstRetry
		}
		l.log.Warn("models cannot be watched; what is loaded stays", "error", err, "again", pause.String())
		wait(ctx, nil, pause)
	}
	l.follow.Wait()
	l.shelf.stop()
	for _, line := range *l.lines.Load() {
		if old := line.champion.Swap(nil); old != nil {
			old.Release()
		}
	}
	l.shelf.wait()
	return nil
}

// wait waits for a time, for a wake or for the end of ctx.
func wait(ctx context.Context, wake <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-timer.C:
	}
}

func (l *Live) watch(ctx context.Context) error {
	models, err := l.source.Models(ctx)
	if err != nil {
		return err
	}
	for _, m := range models {
		l.see(ctx, m)
	}
	l.looked.Store(true)
	err = l.source.WatchModels(ctx, func(m bakeoff.Model) error {
		l.see(ctx, m)
		return nil
	})
	if err == nil {
		err = errors.New("the watch ended")
	}
	return err
}

// see takes notice of a model's record. Only Run's goroutine calls it.
func (l *Live) see(ctx context.Context, m bakeoff.Model) {
	lines := *l.lines.Load()
	if known := lines[m.Name]; known != nil {
		known.record.Store(&m)
		select {
		case known.wake <- struct{}{}:
		default:
		}
		return
	}
	added := &line{name: m.Name, wake: make(chan struct{}, 1)}
	added.record.Store(&m)
	lines = maps.Clone(lines)
	lines[m.Name] = added
	l.lines.Store(&lines)
	l.follow.Go(func() { l.keep(ctx, added) })
}

// keep has a model answer with its champion, until ctx ends.
func (l *Live) keep(ctx context.Context, line *line) {
	retry := firstRetry
	var tried int
	for ctx.Err() == nil {
		wanted := line.record.Load().Champion()
		if wanted != tried {
			retry, tried = firstRetry, wanted
		}
		if wanted == 0 {
			l.leave(line)
		}
		if wanted == 0 || line.serves(wanted) {
			line.refused.Store(nil)
			select {
			case <-ctx.Done():
			case <-line.wake:
			}
			continue
		}
		err := l.move(ctx, line, wanted)
		if err == nil || ctx.Err() != nil {
			continue
		}
		line.refused.Store(&refusal{wanted, err})
		l.log.Error("a champion was refused; the version before it stays", "model", line.name, "version", wanted, "error", err, "again", retry.String())
		wait(ctx, line.wake, retry)
		retry = min(2*retry, lastRetry)
	}
}

// leave takes a model out of service that has no champion any more.
func (l *Live) leave(line *line) {
	if old := line.champion.Swap(nil); old != nil {
		l.log.Info("model is not served any more", "model", line.name, "version", old.version.Version)
		old.Release()
	}
}

func (line *line) serves(version int) bool {
	c := line.champion.Load()
	return c != nil && c.version.Version == version
}

// errMoved says that the champion moved on while it was being opened.
var errMoved = errors.New("the champion moved on")

// move makes a version the one that answers, unless another is wanted by the time that it is open.
// Nil means to look again.
func (l *Live) move(ctx context.Context, line *line, wanted int) error {
	loaded, err := l.shelf.champion(ctx, key{line.name, wanted}, line.wake)
	if errors.Is(err, errMoved) {
		return nil
	}
	if err != nil {
		return err
	}
	if line.record.Load().Champion() != wanted {
		loaded.Release()
		return nil
	}
	line.refused.Store(nil)
	old := line.champion.Swap(loaded)
	l.shelf.drop(loaded) // the line keeps it from now on
	previous := 0
	if old != nil {
		previous = old.version.Version
		l.shelf.keep(old)
	}
	l.log.Info("model is live", "model", line.name, "version", wanted, "previous", previous)
	return nil
}

// Acquire returns the version of a model that ref names: "" for the champion, a number or an alias.
// The caller releases it. A version that is not loaded yet is loaded, for which Acquire waits a
// little. The error is a *bakeoff.Error: of CodeNotFound for a model or a version that does not
// exist, of CodeUnavailable for one that is being loaded or cannot be, of CodeConflict for one that
// has nothing to answer with.
func (l *Live) Acquire(ctx context.Context, model, ref string) (*Loaded, error) {
	line := (*l.lines.Load())[model]
	if line == nil {
		return nil, l.unknown(model)
	}
	if line.record.Load().Dropped() {
		return nil, line.silent()
	}
	if ref == "" || ref == bakeoff.AliasChampion {
		if c := line.acquire(); c != nil {
			return c, nil
		}
		return nil, line.silent()
	}
	version, err := line.resolve(ref)
	if err != nil {
		return nil, err
	}
	if c := line.acquire(); c != nil {
		if c.version.Version == version {
			return c, nil
		}
		c.Release()
	}
	return l.shelf.version(ctx, key{model, version})
}

// Check has a version that is open here give its golden answers, and reports false where it is not
// open, or where it answers one call at a time and is left to its requests.
func (l *Live) Check(ctx context.Context, v bakeoff.Version, golden *bakeoff.Golden) (open bool, err error) {
	loaded := l.held(key{v.Model, v.Version})
	if loaded == nil {
		return false, nil
	}
	defer loaded.Release()
	if loaded.Serial() || loaded.version.Artifact != v.Artifact {
		return false, nil
	}
	return true, loaded.model.Check(ctx, golden)
}

// held returns a version that is open, with a reference, or nil.
func (l *Live) held(k key) *Loaded {
	if line := (*l.lines.Load())[k.model]; line != nil {
		if c := line.acquire(); c != nil {
			if c.key() == k {
				return c
			}
			c.Release()
		}
	}
	return l.shelf.held(k)
}

func (l *Live) unknown(model string) error {
	if !l.looked.Load() {
		return bakeoff.Errorf(bakeoff.CodeUnavailable, "the models are being loaded").WithHint("try again soon")
	}
	err := bakeoff.Errorf(bakeoff.CodeNotFound, "there is no model %q", cut(model))
	if meant := bakeoff.Nearest(cut(model), l.Names()); meant != "" {
		return err.WithHint("did you mean %q?", meant)
	}
	return err
}

// cut shortens a name that a request made up.
func cut(name string) string { return name[:min(len(name), 80)] }

// acquire returns the champion that is loaded, or nil.
func (line *line) acquire() *Loaded {
	for {
		c := line.champion.Load()
		if c == nil || c.hold() {
			return c
		}
		// It was closed between the two: another has taken its place.
	}
}

// silent says why a model has no champion to answer with.
func (line *line) silent() error {
	record := line.record.Load()
	wanted := record.Champion()
	if record.Dropped() {
		return bakeoff.Errorf(bakeoff.CodeNotFound, "model %s was taken out of service", line.name).
			WithHint("`bakeoff promote %s --version N` brings a version back, `bakeoff models %s` lists them", line.name, line.name)
	}
	if wanted == 0 {
		return bakeoff.Errorf(bakeoff.CodeNotFound, "model %s has no champion", line.name).
			WithHint("`bakeoff why %s` says why no run has promoted one", line.name)
	}
	r := line.refused.Load()
	if r == nil {
		return bakeoff.Errorf(bakeoff.CodeUnavailable, "model %s v%d is being loaded", line.name, wanted).WithHint("try again soon")
	}
	if bakeoff.CodeOf(r.err) == bakeoff.CodeConflict {
		return r.err
	}
	return bakeoff.Errorf(bakeoff.CodeUnavailable, "model %s v%d cannot answer: %w", line.name, r.version, r.err).
		WithHint("`bakeoff rollback %s` goes back to the version before it", line.name)
}

// resolve returns the number of the version that ref names.
func (line *line) resolve(ref string) (int, error) {
	record := line.record.Load()
	n, err := strconv.Atoi(ref)
	if err != nil {
		alias, known := record.Aliases[ref]
		if !known {
			err := bakeoff.Errorf(bakeoff.CodeNotFound, "model %s has no alias %q", line.name, cut(ref))
			return 0, err.WithHint("its aliases are %q; a version is a number", slices.Sorted(maps.Keys(record.Aliases)))
		}
		return alias.Version, nil
	}
	if n < 1 || n > record.Latest {
		return 0, bakeoff.Errorf(bakeoff.CodeNotFound, "model %s has no version %d", line.name, n).WithHint("its newest version is %d", record.Latest)
	}
	return n, nil
}

// Names returns the models that have a champion, sorted.
func (l *Live) Names() []string {
	var names []string
	for name, line := range *l.lines.Load() {
		if line.record.Load().Champion() != 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Versions returns the versions of a model that its aliases name, sorted; nil for an unknown model.
func (l *Live) Versions(model string) []int {
	line := (*l.lines.Load())[model]
	if line == nil {
		return nil
	}
	var versions []int
	for _, alias := range line.record.Load().Aliases {
		versions = append(versions, alias.Version)
	}
	slices.Sort(versions)
	return slices.Compact(versions)
}

// Ready reports whether every model with a champion has had its chance: each serves a version, or
// was refused at least once. One model that cannot be loaded does not take the node away from all
// the others.
func (l *Live) Ready() bool {
	if !l.looked.Load() {
		return false
	}
	for _, line := range *l.lines.Load() {
		if line.record.Load().Champion() != 0 && line.champion.Load() == nil && line.refused.Load() == nil {
			return false
		}
	}
	return true
}

// Serving says for each model with a champion which version this node answers with, by name.
func (l *Live) Serving() []bakeoff.Serving {
	lines := *l.lines.Load()
	now := time.Now().UTC()
	all := make([]bakeoff.Serving, 0, len(lines))
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		line := lines[name]
		s := bakeoff.Serving{Node: l.node, Model: name, Wanted: line.record.Load().Champion(), Beat: now}
		if c := line.champion.Load(); c != nil {
			s.Version, s.Loaded = c.version.Version, c.since
		}
		if r := line.refused.Load(); r != nil && r.version == s.Wanted && s.Version != s.Wanted {
			s.Refused = r.err.Error()
		}
		if s.Wanted != 0 || s.Version != 0 {
			all = append(all, s)
		}
	}
	return all
}
