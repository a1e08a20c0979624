package app

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bakeoffhq/bakeoff/internal/predict"
)

// gate is a listener that may stop to accept before its server stops: that hangs up on whoever has
// connected and has not been heard.
type gate struct {
	net.Listener
	shut           atomic.Bool
	parked, closed chan struct{}
	park, close    func()
}

func newGate(l net.Listener) *gate {
	g := &gate{Listener: l, parked: make(chan struct{}), closed: make(chan struct{})}
	g.park = sync.OnceFunc(func() { close(g.parked) })
	g.close = sync.OnceFunc(func() { close(g.closed) })
	return g
}

// Accept implements net.Listener. After stop it waits for Close: the server would take an error for
// its end.
func (g *gate) Accept() (net.Conn, error) {
	c, err := g.Listener.Accept()
	if err != nil && g.shut.Load() {
		g.park()
		<-g.closed
	}
	return c, err
}

// stop ends the accepting and waits until the server knows of every connection that was accepted, or
// ctx ends. What is connected goes on.
func (g *gate) stop(ctx context.Context) error {
	g.shut.Store(true)
	if err := g.Listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	select {
	case <-g.parked:
	case <-ctx.Done():
	}
	return nil
}

// Close implements net.Listener.
func (g *gate) Close() error {
	g.close()
	if err := g.Listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil // by stop
}

// arrivals are the connections on which a request is expected or has begun to arrive, until it has
// come to its handler. A server that is shut down hangs up on them.
type arrivals struct {
	mu    sync.Mutex
	conns map[net.Conn]bool // guarded by mu
}

type connKey struct{}

// watch has the server tell of its connections.
func (a *arrivals) watch(s *http.Server) {
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	s.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateIdle {
			return
		}
		a.set(c, state == http.StateNew || state == http.StateActive)
	}
}

// handled notes that a request has come to its handler.
func (a *arrivals) handled(r *http.Request) {
	if c, ok := r.Context().Value(connKey{}).(net.Conn); ok {
		a.set(c, false)
	}
}

func (a *arrivals) set(c net.Conn, arriving bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if arriving {
		a.conns[c] = true
	} else {
		delete(a.conns, c)
	}
}

// count returns how many connections have a request on its way.
func (a *arrivals) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.conns)
}

// await waits until every request that has begun to arrive is handled, or ctx ends.
func (a *arrivals) await(ctx context.Context) {
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for a.count() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// afterStart has requests for predictions wait until the models are loaded with which the process
// begins: behind a socket that was handed over, callers of the process before it are there already.
func (f *front) afterStart(live *predict.Live, next http.Handler) http.Handler {
	var started atomic.Bool
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && !started.Load() && f.awaitReady(r.Context(), live) == nil {
			started.Store(true)
		}
		next.ServeHTTP(w, r)
	})
}

// awaitReady is the function of that name, but for a front that is shut down before: nobody is to wait
// for models that a process which ends no longer loads.
func (f *front) awaitReady(ctx context.Context, live *predict.Live) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(f.stay, cancel)()
	return awaitReady(ctx, live)
}
