package app

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/access"
	"github.com/bakeoffhq/bakeoff/internal/build"
	"github.com/bakeoffhq/bakeoff/internal/inference"
	"github.com/bakeoffhq/bakeoff/internal/join"
	"github.com/bakeoffhq/bakeoff/internal/monitor"
	"github.com/bakeoffhq/bakeoff/internal/natsd"
	"github.com/bakeoffhq/bakeoff/internal/predict"
	"github.com/bakeoffhq/bakeoff/internal/score"
	"github.com/bakeoffhq/bakeoff/internal/worker"
)

// Join says which node a process joins.
type Join struct {
	URL   string
	Token string
	Name  string // of this process there; "" for host and process number
	CA    []byte // PEM of the authority that signed the node's certificate; nil for the system's
	Dir   string // where commands of pipelines run
}

func (j Join) options(c Config) (join.Options, error) {
	o := join.Options{URL: j.URL, Token: j.Token, Name: j.Name, Version: c.Version, Log: c.Log}
	if o.Name == "" {
		o.Name = fmt.Sprintf("%s-%d", hostname(), os.Getpid())
	}
	if j.CA == nil {
		return o, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(j.CA) {
		return o, bakeoff.Errorf(bakeoff.CodeInvalid, "--tls-ca holds no certificate").WithHint("it is a PEM file")
	}
	o.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return o, nil
}

// doorFor decides who may join a node on its address, which only this machine may reach without a
// token.
func doorFor(address string) *join.Door {
	return &join.Door{Open: access.DoorOf(address) == access.Loopback}
}

// listenFor completes how the embedded server lets processes in.
func listenFor(l natsd.Listen, door *join.Door) natsd.Listen {
	if l.Addr == "" {
		return l
	}
	l.Admit, l.Guarded = door.Admit, !door.Open
	return l
}

// letJoin opens the port for joining processes.
func (n *Node) letJoin(ctx context.Context, door *join.Door) error {
	if n.config.NATS.Addr == "" {
		return nil
	}
	door.Tokens = n.keyring
	gateway, err := join.NewGateway(ctx, join.Config{
		Conn: n.server.Conn(), Store: n.store, Door: door, Roster: n.roster, Version: n.config.Version, Scratch: n.scratch,
		Drain: n.drained.has, Log: n.config.Log,
	})
	if err != nil {
		return err
	}
	if n.joinable, err = n.server.Accept(); err != nil {
		return err
	}
	n.gateway = gateway
	return nil
}

// names is a set of names that grows.
type names struct {
	mu  sync.Mutex
	all map[string]bool
}

func (n *names) add(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := maps.Clone(n.all)
	if all == nil {
		all = map[string]bool{}
	}
	all[name] = true
	n.all = all
}

func (n *names) has(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.all[name]
}

// Work builds for another node until ctx ends. It calls ready when that node has let it in.
func Work(ctx context.Context, c Config, j Join, ready func()) (err error) {
	options, err := j.options(c)
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(j.Dir)
	if err != nil {
		return fmt.Errorf("resolve %s: %w", j.Dir, err)
	}
	scratch, err := newTempFolder(workerFolder, c.Log)
	if err != nil {
		return fmt.Errorf("make a folder for builds: %w", err)
	}
	defer func() { err = errors.Join(err, scratch.remove()) }()
	mark, err := scratch.mark()
	if err != nil {
		return err
	}
	joined, err := join.Dial(ctx, options, join.Worker{Queues: c.Queues, Slots: c.Slots, Dir: dir})
	if err != nil {
		return err
	}
	defer joined.Close()
	ready()
	building := &build.Tasks{Store: joined, Pipelines: joined, Scratch: scratch.path, Self: c.Self, Threads: c.Threads, Mark: mark, Judge: judgeable}
	takes := make([]take, len(c.Queues))
	for i, queue := range c.Queues {
		takes[i] = func(ctx context.Context) (bakeoff.Task, worker.Lease, error) {
			task, lease, err := joined.Take(ctx, queue)
			if err != nil {
				return task, nil, err // a nil *join.Lease is not a nil Lease
			}
			return task, lease, nil
		}
	}
	work := newUnderWay()
	w := worker.New(worker.Config{
		Name: joined.Name(), Slots: c.Slots, Take: firstOf(takes),
		Handlers: map[bakeoff.TaskKind]worker.Handler{
			bakeoff.TaskBuild: work.tracked(building.Build), bakeoff.TaskSearch: work.tracked(building.Search),
		},
	}, joined, c.Log)
	staying, leave := context.WithCancel(context.WithoutCancel(ctx)) // until the last build is given back
	defer leave()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return joined.Stay(staying) })
	g.Go(func() error { defer leave(); return w.Run(ctx) })
	g.Go(func() error {
		select {
		case <-ctx.Done():
			c.Log.Info("draining: what is under way is given back", "tasks", len(work.list()))
		case <-joined.Draining():
			c.Log.Info("draining: no more tasks are taken")
			work.awaitNone(ctx)
			stop()
		}
		return nil
	})
	err = g.Wait()
	c.Log.Info("ended")
	return err
}

// linked is a connection under another name: embedded, it should not hide its method Models.
type linked = join.Models

// joinedModels are the models of the node that a predicting process has joined.
type joinedModels struct {
	*linked
	scratch string
	dir     string
}

// Open implements predict.Source.
func (m joinedModels) Open(ctx context.Context, v bakeoff.Version) (predict.Model, error) {
	opened, err := openArtifact(ctx, m.scratch, v.Artifact, m.GetFile, score.Spec{
		Recipe: v.Lineage.Recipe, Schema: v.Lineage.Snapshot.Schema, PipelineDir: m.dir, Threads: 1, Restart: true,
	})
	if err != nil {
		return nil, err // a nil *opened is not a nil Model
	}
	return opened, nil
}

// Serve answers prediction requests with the champions of another node until ctx ends, also while
// that node is away. It calls ready when it answers.
func Serve(ctx context.Context, c Config, j Join, l Listen, ready func(Addresses) error) (err error) {
	if err := l.check(l.Address, j.Token != ""); err != nil {
		return err
	}
	options, err := j.options(c)
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(j.Dir)
	if err != nil {
		return fmt.Errorf("resolve %s: %w", j.Dir, err)
	}
	scratch, err := newTempFolder(serveFolder, c.Log)
	if err != nil {
		return fmt.Errorf("make a folder for models: %w", err)
	}
	defer func() { err = errors.Join(err, scratch.remove()) }()
	models, err := awaitNode(ctx, options)
	if models == nil {
		return err
	}
	defer models.Close()
	s := &serving{config: c, listen: l, models: models, token: j.Token, monitor: monitor.New(c.Version)}
	s.live = predict.New(joinedModels{models, scratch.path, dir}, models.Name(), c.Log)
	return s.run(ctx, ready)
}

const (
	// joinAgain is the pause between two tries to join a node that is away.
	joinAgain = time.Second

	// joinSaid is how often the log says that a node is waited for.
	joinSaid = 10 * time.Second
)

// awaitNode joins a node in order to predict, however long that is away. It returns nil without an error
// if ctx ended before. A node that refuses this process, or an address that is none, is not waited for.
func awaitNode(ctx context.Context, o join.Options) (*join.Models, error) {
	var said time.Time
	for {
		models, err := join.DialModels(ctx, o)
		switch {
		case err == nil:
			return models, nil
		case ctx.Err() != nil:
			return nil, nil
		case !worthWaiting(err):
			return nil, err
		}
		if time.Since(said) >= joinSaid {
			o.Log.Warn("the node is away: this process waits for it", "error", err)
			said = time.Now()
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(joinAgain):
		}
	}
}

// worthWaiting reports whether an error of joining may go away by itself. A certificate that cannot be
// trusted is a person's to mend.
func worthWaiting(err error) bool {
	var certificate *tls.CertificateVerificationError
	return bakeoff.CodeOf(err) == bakeoff.CodeUnavailable && !errors.As(err, &certificate)
}

// serving is a process that only predicts.
type serving struct {
	config  Config
	listen  Listen
	models  *join.Models
	live    *predict.Live
	monitor *monitor.Monitor
	token   string
	front   *front
}

// Verify implements access.Tokens: whoever may ask this process has the token with which it has
// joined. It has no store of tokens.
func (s *serving) Verify(secret string) (bakeoff.Token, bool) {
	ok := subtle.ConstantTimeCompare([]byte(bakeoff.DigestOf([]byte(secret))), []byte(bakeoff.DigestOf([]byte(s.token)))) == 1
	return bakeoff.Token{Name: "joined", Scope: bakeoff.ScopeRead}, ok && s.token != ""
}

func (s *serving) run(ctx context.Context, ready func(Addresses) error) error {
	handed, err := activation.Listeners()
	if err != nil {
		return fmt.Errorf("take over sockets: %w", err)
	}
	l, err := listenOn(ctx, s.listen.Address, handed, 0)
	if err != nil {
		return err
	}
	if err := s.listen.check(addressOf(l), s.token != ""); err != nil {
		return errors.Join(err, l.Close())
	}
	if s.listen.TLS != nil {
		l = tls.NewListener(l, s.listen.TLS)
	}
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	var models errgroup.Group
	models.Go(func() error { return s.live.Run(serving) })
	s.front = newFront(s.config, access.Config{Tokens: s, Hosts: s.listen.Hosts})
	s.front.answer(l, doorOf(l), s.routes())
	g, working := errgroup.WithContext(ctx)
	g.Go(func() error { return s.report(working) })
	g.Go(func() error { return s.front.await(working) })
	g.Go(func() error {
		if awaitReady(working, s.live) != nil {
			return nil // ctx ended
		}
		_, _ = daemon.SdNotify(false, daemon.SdNotifyReady) // nobody may listen
		return errors.Join(ready(Addresses{PID: pid(), Version: s.config.Version, URL: urlOf(s.listen.TLS != nil, l.Addr())}), watchdog(working))
	})
	<-working.Done()
	sayStopping()
	s.config.Log.Info("draining: requests are answered for a while yet", "for", s.listen.Drain.String())
	drained := s.front.drain(s.listen.Drain)
	stopServing()
	err = errors.Join(g.Wait(), drained, models.Wait())
	s.config.Log.Info("ended")
	return err
}

func (s *serving) routes() *access.Mux {
	mux := access.NewMux()
	routeHealth(mux, func() []string { return unready(s.front, s.live) })
	routePredictions(mux, s.front.afterStart(s.live, inference.Handler(liveModels{s.live, s.front}, inference.Options{
		DefaultModel: s.listen.DefaultModel, Version: s.config.Version, Observe: observe(s.monitor),
	})))
	mux.Handle("GET /metrics", access.Read, s.monitor.Handler())
	return mux
}

// observe counts requests for predictions.
func observe(m *monitor.Monitor) func(inference.Observation) {
	return func(o inference.Observation) {
		m.Predicted(o.Model, o.Version, o.Status, o.Rows, time.Duration(o.Seconds*float64(time.Second)))
	}
}

// unready says why a process that predicts should get no requests.
func unready(f *front, live *predict.Live) []string {
	var failing []string
	if f.draining.Load() {
		failing = append(failing, "draining")
	}
	if !live.Ready() {
		failing = append(failing, "models are being loaded")
	}
	return failing
}

const (
	// reportEvery is how often a predicting process tells the node what it answers with.
	reportEvery = 3 * time.Second

	// swapEvery is how often it looks whether that has changed, which it tells at once.
	swapEvery = 250 * time.Millisecond
)

func (s *serving) report(ctx context.Context) error {
	look := time.NewTicker(swapEvery)
	defer look.Stop()
	var told []bakeoff.Serving
	var at time.Time
	for {
		serving := s.live.Serving()
		if time.Since(at) >= reportEvery || !slices.EqualFunc(serving, told, sameServing) {
			told, at = serving, time.Now()
			if err := s.models.Report(ctx, serving); err != nil && ctx.Err() == nil {
				s.config.Log.Debug("the node did not hear what is served here", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
	}
}

// sameServing compares what is said of a model but for when.
func sameServing(a, b bakeoff.Serving) bool {
	a.Beat, b.Beat = time.Time{}, time.Time{}
	return a == b
}
