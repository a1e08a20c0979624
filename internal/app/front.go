package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/access"
)

// front are the servers of a process, from the first request to the last.
type front struct {
	base    context.Context // of every request, until the last has been answered
	endBase context.CancelFunc
	stay    context.Context // of what goes on for as long as it likes, until the drain is over
	endStay context.CancelFunc
	log     func(http.Handler, context.Context) *http.Server
	guard   *access.Guard
	servers []*http.Server
	gates   []*gate
	done    errgroup.Group
	failed  chan error

	draining atomic.Bool
	arriving arrivals
}

// newFront returns a front without servers.
func newFront(c Config, guard access.Config) *front {
	guard.Log = c.Log
	f := &front{guard: access.NewGuard(guard), failed: make(chan error, 3)}
	f.arriving.conns = map[net.Conn]bool{}
	f.base, f.endBase = context.WithCancel(context.Background())
	f.stay, f.endStay = context.WithCancel(f.base)
	f.log = func(h http.Handler, base context.Context) *http.Server { return webServer(c.Log, h, base) }
	return f
}

// answer starts to answer what comes through a door.
func (f *front) answer(l net.Listener, door access.Door, mux *access.Mux) {
	s := f.log(f.lame(f.guard.Protect(door, mux)), f.base)
	s.RegisterOnShutdown(f.endStay)
	f.arriving.watch(s)
	g := newGate(l)
	f.servers, f.gates = append(f.servers, s), append(f.gates, g)
	f.done.Go(func() error {
		err := s.Serve(g)
		if err != nil && !errors.Is(err, http.ErrServerClosed) {
			f.failed <- fmt.Errorf("answer on %s: %w", l.Addr(), err)
		}
		return nil
	})
}

// lame has callers open a new connection for their next request while the process drains: it may go
// to another node, or to the next process behind the same socket. What the API streams ends with the
// drain.
func (f *front) lame(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.arriving.handled(r)
		if f.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		if strings.HasPrefix(r.URL.Path, client.Prefix) { // a stream would wait for ever; a prediction is soon answered
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer context.AfterFunc(f.stay, cancel)()
			r = r.WithContext(ctx)
		}
		next.ServeHTTP(w, r)
	})
}

// await returns when ctx ends, or with the error of a server that has failed.
func (f *front) await(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-f.failed:
		return err
	}
}

// shutdownTime bounds how long the last requests may take after the drain.
const shutdownTime = 20 * time.Second

// drain lets callers turn elsewhere for a while, finishes the last requests and stops the servers.
func (f *front) drain(delay time.Duration) error {
	f.draining.Store(true)
	if len(f.servers) > 0 {
		time.Sleep(delay)
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	stopped := f.stopAccepting(ctx)
	var stopping errgroup.Group
	for _, s := range f.servers {
		stopping.Go(func() error {
			if err := s.Shutdown(ctx); err != nil {
				return errors.Join(fmt.Errorf("finish the last requests: %w", err), s.Close())
			}
			return nil
		})
	}
	err := stopping.Wait()
	f.endStay()
	f.endBase()
	return errors.Join(stopped, err, f.done.Wait())
}

// stopAccepting takes no more connections, and waits a little until those that there are have been
// heard.
func (f *front) stopAccepting(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, headerTimeout)
	defer cancel()
	var errs []error
	for _, g := range f.gates {
		errs = append(errs, g.stop(ctx))
	}
	f.arriving.await(ctx)
	return errors.Join(errs...)
}
