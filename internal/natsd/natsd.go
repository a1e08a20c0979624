// Package natsd turns a folder into a running NATS server with JetStream, inside this process and
// with no port open but the one that is asked for. Only one process at a time may hold a folder.
package natsd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/bakeoffhq/bakeoff"
)

const (
	// maxStore stops the server from freezing its limit at three quarters of what happened to be
	// free when it started. Free space is watched by us instead.
	maxStore = 1 << 40

	startTimeout = 30 * time.Second
)

// Server is a running embedded server that holds its folder until Stop.
type Server struct {
	dir      string
	listen   Listen
	lock     *folderLock
	messages *logger
	server   *server.Server
	conn     *nats.Conn
}

// Start opens the folder, creating it if need be, and returns when the server answers. If another
// process holds the folder the error has bakeoff.CodeBusy and names that process.
func Start(ctx context.Context, dir string, log *slog.Logger) (*Server, error) {
	return StartListening(ctx, dir, Listen{}, log)
}

// StartListening is Start for a server that lets clients in: its port is opened by Accept, and
// checked here. An address that other machines can reach needs TLS and a secret; without them the
// error has bakeoff.CodeInvalid.
func StartListening(ctx context.Context, dir string, listen Listen, log *slog.Logger) (*Server, error) {
	if listen.Addr != "" {
		if err := listen.check(); err != nil {
			return nil, err
		}
		if err := listen.probe(); err != nil {
			return nil, err
		}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("resolve store %s: %w", dir, err)
	}
	if err := prepare(dir); err != nil {
		return nil, err
	}
	lock, err := acquire(ctx, dir)
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, listen: listen, lock: lock, messages: &logger{log: log}}
	if err := s.start(); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// Options returns the settings of the embedded server for a store folder. Every write is synced
// before it is acknowledged.
func Options(dir string, listen Listen) *server.Options {
	o := &server.Options{
		ServerName:        "bakeoff",
		JetStream:         true,
		StoreDir:          filepath.Join(dir, "nats"),
		SyncAlways:        true,
		JetStreamMaxStore: maxStore,
		DontListen:        true,
		NoSigs:            true,
	}
	listen.apply(o)
	return o
}

// waitingMessages is how many messages a subscription holds that waits for them. Each subscription
// allocates room for so many at once: half a MB by default, for every small question to the store.
const waitingMessages = 8 << 10

func (s *Server) start() error {
	srv, err := server.NewServer(Options(s.dir, s.listen))
	if err != nil {
		return fmt.Errorf("configure the embedded server: %w", err)
	}
	s.server = srv
	srv.SetLogger(s.messages, false, false)
	srv.Start()
	if !srv.ReadyForConnections(startTimeout) || !srv.JetStreamEnabled() {
		return bakeoff.Errorf(bakeoff.CodeUnavailable, "open store %s: the embedded server did not start: %s", s.dir, s.messages.last()).
			WithHint("check the disk under %s, or restore a backup of it", s.dir)
	}
	s.messages.up()
	s.conn, err = nats.Connect("", nats.InProcessServer(srv), nats.Name("bakeoff"), nats.SyncQueueLen(waitingMessages))
	if err != nil {
		return fmt.Errorf("connect to the embedded server: %w", err)
	}
	return nil
}

// Conn returns the connection to the server. It is closed by Stop.
func (s *Server) Conn() *nats.Conn { return s.conn }

// Dir returns the absolute path of the folder.
func (s *Server) Dir() string { return s.dir }

// Writable reports why the folder cannot be written to, synced, or has no room; nil if nothing is wrong.
func (s *Server) Writable() error { return prepare(s.dir) }

// Stop closes the connection, shuts the server down, waits for it, and lets go of the folder.
func (s *Server) Stop() error {
	if s.conn != nil {
		s.conn.Close()
	}
	if s.server != nil {
		s.server.Shutdown()
		s.server.WaitForShutdown()
	}
	return s.lock.release()
}

// minFree is the space below which a store is not opened: the server would stop taking writes
// somewhere in the middle of a run.
const minFree = 64 << 20

// prepare makes sure that the folder exists, can be written and synced, and has room.
func prepare(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return unwritable(dir, err)
	}
	probe, err := os.CreateTemp(dir, "probe-*")
	if err != nil {
		return unwritable(dir, err)
	}
	_, err = probe.WriteString("can this folder be written?\n")
	err = errors.Join(err, probe.Sync(), probe.Close(), os.Remove(probe.Name()))
	if err != nil {
		return unwritable(dir, err)
	}
	if free, ok := freeSpace(dir); ok && free < minFree {
		return bakeoff.Errorf(bakeoff.CodeUnavailable, "open store %s: only %d MiB are free on its disk, at least %d MiB are needed", dir, free>>20, uint64(minFree)>>20).
			WithHint("free some space, or choose another folder with --store")
	}
	return nil
}

func unwritable(dir string, err error) error {
	return bakeoff.Errorf(bakeoff.CodeUnavailable, "open store %s: it cannot be written: %w", dir, err).
		WithHint("make the folder writable, free some space, or choose another folder with --store")
}
