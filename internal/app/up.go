package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/access"
	"github.com/bakeoffhq/bakeoff/internal/api"
	"github.com/bakeoffhq/bakeoff/internal/inference"
	"github.com/bakeoffhq/bakeoff/internal/predict"
	"github.com/bakeoffhq/bakeoff/internal/store"
)

// Listen says where a process answers requests, and how.
type Listen struct {
	Address      string
	TLS          *tls.Config // nil for none
	Insecure     bool        // TLS ends in front of this process
	Hosts        []string    // names of this host, beside its addresses
	DefaultModel string      // of requests that name none
	Drain        time.Duration
}

// Service says what a node that stays up does.
type Service struct {
	Listen
	Admin string   // the address of everything but predictions; "" for the same
	NATS  string   // where workers join; "" for none
	Files []string // pipeline files, and folders of them; none for what the store has
}

// Running is a node that is ready.
type Running struct {
	Addresses Addresses
	Client    *client.Client
}

// Up opens a store and does everything that a node does until ctx ends; then it drains and returns.
// It calls ready once when it answers. A store that another process holds has bakeoff.CodeBusy, as
// has an address.
func Up(ctx context.Context, c Config, s Service, ready func(context.Context, Running) error) (err error) {
	f := &files{named: s.Files, lookup: c.LookupEnv}
	first, err := f.look()
	if err != nil {
		return err
	}
	if err := mistakeIn(first); err != nil && !exists(c.Store) { // it should not leave a store behind
		return err
	}
	c.NATS.Addr, c.NATS.TLS, c.NATS.Insecure = s.NATS, s.TLS, s.Insecure
	n, err := Open(ctx, c)
	if err != nil {
		return upAlready(ctx, c, err)
	}
	defer func() {
		if err = errors.Join(err, n.Close()); err == nil {
			c.Log.Info("ended")
		}
	}()
	u := &up{Node: n, service: s, files: f}
	return u.run(ctx, first, ready)
}

// upAlready says of a store that is in use where the node is that uses it.
func upAlready(ctx context.Context, c Config, err error) error {
	a, found := FindNode(ctx, c.Store)
	if bakeoff.CodeOf(err) != bakeoff.CodeBusy || !found {
		return err
	}
	return bakeoff.Errorf(bakeoff.CodeBusy, "%w", err).
		WithHint("a node is up on it at %s, and every other command talks to that; end it with `kill %d` first, or choose another folder with --store", a.URL, a.PID)
}

// up is a node that stays up.
type up struct {
	*Node
	service     Service
	files       *files
	front       *front
	predictions http.Handler
}

func (u *up) run(ctx context.Context, first []fileChange, ready func(context.Context, Running) error) (err error) {
	if err := u.mayListen(ctx, u.service.Address, u.service.Admin); err != nil {
		return err
	}
	l, err := u.listen(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := u.mayListen(ctx, addressOf(l.public), addressOf(l.admin)); err != nil { // sockets may have been handed over
		return err
	}
	if err := errors.Join(u.applyFirst(ctx, first), u.knowKept(ctx)); err != nil {
		return err
	}
	// Requests are answered until the last: what answers them ends after the rest.
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	var models errgroup.Group
	models.Go(func() error { return u.live.Run(serving) })
	g, working := errgroup.WithContext(ctx)
	u.start(working, g)
	u.answer(l)
	g.Go(func() error { return u.front.await(working) })
	g.Go(func() error { return u.sayReady(working, l, ready) })
	<-working.Done()
	var worked error
	if ctx.Err() == nil { // a step has failed
		worked = g.Wait()
		u.outlast(ctx, worked)
	}
	sayStopping()
	u.config.Log.Info("draining: requests are answered for a while yet", "for", u.service.Drain.String())
	drained := u.front.drain(u.service.Drain)
	stopServing()
	if worked == nil {
		worked = g.Wait()
	}
	return errors.Join(worked, drained, models.Wait())
}

// applyFirst applies the files that the node starts with.
func (u *up) applyFirst(ctx context.Context, first []fileChange) error {
	if len(u.service.Files) == 0 {
		return u.applyKept(ctx)
	}
	return u.applyAll(ctx, first)
}

// applyKept applies the files of the pipelines that the store has, for a node that was given none.
func (u *up) applyKept(ctx context.Context) error {
	kept, err := u.store.Pipelines(ctx)
	if err != nil {
		return err
	}
	u.files.lenient = true
	for _, file := range kept {
		u.files.named = append(u.files.named, file.Path)
	}
	changes, err := u.files.look()
	if err != nil {
		return err
	}
	return u.applyAll(ctx, changes)
}

// start starts every step and every loop of the node.
func (u *up) start(ctx context.Context, g *errgroup.Group) {
	for _, run := range []func(context.Context) error{
		u.Node.Work, u.scheduler.Run, u.notifier.Run, u.deployer.Run, u.roster.Run, u.watchFiles, u.collectDaily,
	} {
		g.Go(func() error { return run(ctx) })
	}
	if u.gateway != nil {
		g.Go(func() error { return u.gateway.Serve(ctx) })
		g.Go(func() error { return u.tellJoined(ctx) })
	}
}

// mayListen refuses addresses that other machines can reach where a token or TLS is missing; "" is
// none.
func (u *up) mayListen(ctx context.Context, addresses ...string) error {
	tokens, err := u.store.Tokens(ctx)
	if err != nil {
		return err
	}
	for _, address := range addresses {
		if err := u.service.check(address, len(tokens) > 0); err != nil {
			return err
		}
	}
	return nil
}

// answer starts to answer on every listener.
func (u *up) answer(l listeners) {
	u.front = newFront(u.config, access.Config{Tokens: u.keyring, Hosts: u.service.Hosts})
	u.predictions = u.front.afterStart(u.live, inference.Handler(liveModels{u.live, u.front}, inference.Options{
		DefaultModel: u.service.DefaultModel, Version: u.config.Version, Observe: observe(u.monitor),
	}))
	all := u.routes(true)
	u.front.answer(l.local, access.Socket, all)
	if l.admin == nil {
		u.front.answer(l.public, doorOf(l.public), all)
		return
	}
	u.front.answer(l.public, doorOf(l.public), u.routes(false))
	u.front.answer(l.admin, doorOf(l.admin), all)
}

// readyTime bounds how long the models may take until the node says that it is ready all the same.
const readyTime = 30 * time.Second

// sayReady tells commands where the node is, and everybody once its models answer.
func (u *up) sayReady(ctx context.Context, l listeners, ready func(context.Context, Running) error) error {
	a := Addresses{PID: pid(), Version: u.config.Version, Socket: l.local.Addr().String(), URL: urlOf(u.service.TLS != nil, l.public.Addr())}
	if l.admin != nil {
		a.Admin = urlOf(u.service.TLS != nil, l.admin.Addr())
	}
	if u.joinable != nil {
		a.NATS = u.joinURL()
	}
	u.Node.setAddresses(a)
	if err := a.write(u.server.Dir()); err != nil {
		return err
	}
	if awaitReady(ctx, u.live) != nil {
		return nil // ctx ended
	}
	_, _ = daemon.SdNotify(false, daemon.SdNotifyReady) // nobody may listen
	c, stop, err := u.Client("")
	if err != nil {
		return err
	}
	err = ready(ctx, Running{Addresses: a, Client: c})
	if ctx.Err() != nil { // it was to end before it could say where it is
		err = nil
	}
	return errors.Join(err, stop(), watchdog(ctx))
}

// sayStopping tells a service manager that the process ends. One that heard it from a process that
// goes on would kill that after a while.
func sayStopping() {
	_, _ = daemon.SdNotify(false, daemon.SdNotifyStopping) // nobody may listen
}

// awaitReady waits until every model with a champion has had its chance.
func awaitReady(ctx context.Context, live *predict.Live) error {
	late := time.NewTimer(readyTime)
	defer late.Stop()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !live.Ready() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			return nil
		case <-look.C:
		}
	}
	return nil
}

// watchdog tells a service manager that asked for it that the process lives.
func watchdog(ctx context.Context) error {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return nil
	}
	tick := time.NewTicker(every / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			_, _ = daemon.SdNotify(false, daemon.SdNotifyWatchdog) // nobody may listen
		}
	}
}

// urlOf is how an address is reached from this machine.
func urlOf(secure bool, a net.Addr) string {
	if secure {
		return "https://" + reachable(a)
	}
	return "http://" + reachable(a)
}

func (u *up) joinURL() string {
	scheme := "nats"
	if u.service.TLS != nil {
		scheme = "tls"
	}
	return scheme + "://" + reachable(u.joinable)
}

// reachable is an address to connect to: where a listener takes every address, this host's name.
func reachable(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return a.String()
	}
	return net.JoinHostPort(hostname(), fmt.Sprint(tcp.Port))
}

func (u *up) watchFiles(ctx context.Context) error {
	return u.files.watch(ctx, func(c fileChange) error { return u.changed(ctx, c) })
}

// changed takes in what became of a pipeline file. One that cannot be read changes nothing but what
// a person is told.
func (u *up) changed(ctx context.Context, c fileChange) error {
	if c.removed != "" {
		u.unfollow(c.removed)
		u.scheduler.Remove(c.removed)
		u.config.Log.Info("pipeline file gone: no more ticks", "pipeline", c.removed, "file", c.path)
	}
	u.note(c.path, c.err)
	if c.err != nil {
		u.config.Log.Error("pipeline file not applied: what was applied before stands", "file", c.path, "error", c.err)
		return nil
	}
	if c.pipeline == nil {
		return nil
	}
	if err := u.apply(ctx, c.file, c.pipeline); err != nil {
		return err
	}
	u.config.Log.Info("pipeline applied", "pipeline", c.file.Name, "revision", c.file.Revision.Short(), "file", c.path)
	return nil
}

// tellJoined tells predicting nodes that have joined of models that have changed.
func (u *up) tellJoined(ctx context.Context) error {
	return u.store.WatchModels(ctx, func(m bakeoff.Model) error { return u.gateway.Changed(m.Name) })
}

const (
	// collectEvery is how often a node removes what nobody needs any more.
	collectEvery = 24 * time.Hour

	// collectFirst is when it does so first: one that is started anew each night has to come to it.
	collectFirst = 15 * time.Minute
)

func (u *up) collectDaily(ctx context.Context) error {
	next := time.NewTimer(collectFirst)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
			next.Reset(collectEvery)
		}
		c, err := u.store.Collect(ctx, store.Policy{}, false)
		if err != nil && ctx.Err() == nil {
			u.config.Log.Error("retention", "error", err)
			continue
		}
		u.config.Log.Info("collected", "runs", c.Runs, "versions", c.Versions, "objects", c.Objects, "bytes", c.Bytes)
	}
}

// routes are what a node answers: everything, or predictions and health alone.
func (u *up) routes(everything bool) *access.Mux {
	mux := access.NewMux()
	routeHealth(mux, u.unready)
	routePredictions(mux, u.predictions)
	if everything {
		mux.Handle("GET /metrics", access.Read, u.monitor.Handler())
		api.Register(mux, face{u.Node}, api.Options{Log: u.config.Log})
	}
	return mux
}

// unready says why this node should get no requests.
func (u *up) unready() []string {
	failing := unready(u.front, u.live)
	if !u.server.Conn().IsConnected() {
		failing = append(failing, "the store does not answer")
	}
	return failing
}
