package app

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/access"
)

// listeners are what a node answers on. The local socket is for this machine's user: whoever can
// open it may do everything.
type listeners struct {
	public net.Listener
	admin  net.Listener // nil where the public one has everything
	local  net.Listener
	remove func() error // of what the local socket has left in the file system
}

// Addresses say where a running node can be found. They stand in its store folder for commands
// that look for it.
type Addresses struct {
	PID     int    `json:"pid"`
	Version string `json:"version"`
	Socket  string `json:"socket"`
	URL     string `json:"url"`
	Admin   string `json:"admin_url,omitempty"`
	NATS    string `json:"nats,omitempty"`
}

// listen opens the addresses of a node. Sockets that a service manager hands over are used in
// place of the named addresses, the first as the public one: they stay open while the process is
// replaced, and no request is lost.
func (u *up) listen(ctx context.Context) (l listeners, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	handed, err := activation.Listeners()
	if err != nil {
		return l, fmt.Errorf("take over sockets: %w", err)
	}
	if l.public, err = listenOn(ctx, u.service.Address, handed, 0); err != nil {
		return l, err
	}
	if u.service.Admin != "" {
		if l.admin, err = listenOn(ctx, u.service.Admin, handed, 1); err != nil {
			return l, err
		}
	}
	if secure := u.service.TLS; secure != nil {
		l.public = tls.NewListener(l.public, secure)
		if l.admin != nil {
			l.admin = tls.NewListener(l.admin, secure)
		}
	}
	l.local, l.remove, err = u.listenLocally(ctx)
	return l, err
}

// check refuses an address that other machines can reach where a token or TLS is missing; "" is
// none.
func (l Listen) check(address string, tokens bool) error {
	if address == "" {
		return nil
	}
	return access.CheckListen(access.Exposure{Address: address, TLS: l.TLS != nil, Tokens: tokens, Insecure: l.Insecure})
}

// addressOf returns where a listener of TCP is, which may be elsewhere than a flag says: a service
// manager hands over what its own files say. It returns "" for none and for a socket in the file system.
func addressOf(l net.Listener) string {
	if l == nil || l.Addr().Network() != "tcp" {
		return ""
	}
	return l.Addr().String()
}

// doorOf says who comes through a listener. What is not on this machine's own addresses is everybody's.
func doorOf(l net.Listener) access.Door { return access.DoorOf(addressOf(l)) }

func listenOn(ctx context.Context, address string, handed []net.Listener, place int) (net.Listener, error) {
	if place < len(handed) && handed[place] != nil {
		return handed[place], nil
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, bakeoff.Errorf(bakeoff.CodeBusy, "listen on %s: another process has this port", address).
			WithHint("end it, or choose another port with --listen")
	}
	if err != nil {
		return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "listen on %s: %w", address, err).
			WithHint("an address is HOST:PORT, such as 127.0.0.1:7700")
	}
	return l, nil
}

// longestSocketPath is what every system takes as the path of a socket.
const longestSocketPath = 100

// listenLocally opens the socket for commands of this machine's user, in the store's folder or,
// where its path is too long for a socket, in a folder of its own.
func (u *up) listenLocally(ctx context.Context) (net.Listener, func() error, error) {
	folder := u.server.Dir()
	path, remove := filepath.Join(folder, "socket"), func() error { return nil }
	if len(path) > longestSocketPath {
		temp, err := newTempFolder(socketFolder, u.config.Log)
		if err != nil {
			return nil, nil, fmt.Errorf("make a folder for the local socket: %w", err)
		}
		path, remove = filepath.Join(temp.path, "socket"), temp.remove
	}
	for _, left := range []string{path, filepath.Join(folder, addressFile)} { // by an earlier process
		if err := os.Remove(left); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, errors.Join(fmt.Errorf("listen on %s: %w", path, err), remove())
		}
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("listen on %s: %w", path, err), remove())
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("listen on %s: %w", path, err), l.Close(), remove())
	}
	return l, remove, nil
}

func (l *listeners) close() error {
	var errs []error
	for _, one := range []net.Listener{l.public, l.admin, l.local} {
		if one == nil {
			continue
		}
		if err := one.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if l.remove != nil {
		errs = append(errs, l.remove())
	}
	return errors.Join(errs...)
}

// addressFile is where a node says in its store's folder how to reach it.
const addressFile = "node.json"

func (a Addresses) write(folder string) error {
	b, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("say where the node is: %w", err)
	}
	path := filepath.Join(folder, addressFile)
	beside := path + ".new" // one that a killed process has left is overwritten
	if err := os.WriteFile(beside, b, 0o600); err != nil {
		return fmt.Errorf("say where the node is: %w", err)
	}
	if err := os.Rename(beside, path); err != nil {
		return fmt.Errorf("say where the node is: %w", err)
	}
	return nil
}

// FindNode returns where the node that works on a store folder can be reached, false if none does.
func FindNode(ctx context.Context, folder string) (Addresses, bool) {
	a, conn, err := dialNode(ctx, folder)
	if err != nil {
		return Addresses{}, false
	}
	return a, conn.Close() == nil
}

// DialNode connects to the node that works on a store folder, wherever its socket is by now: a node
// that was started again may have another.
func DialNode(ctx context.Context, folder string) (net.Conn, error) {
	_, conn, err := dialNode(ctx, folder)
	return conn, err
}

func dialNode(ctx context.Context, folder string) (a Addresses, conn net.Conn, err error) {
	b, err := os.ReadFile(filepath.Join(folder, addressFile))
	if err != nil {
		return a, nil, err
	}
	if err := json.Unmarshal(b, &a); err != nil {
		return a, nil, err
	}
	dialer := net.Dialer{Timeout: time.Second}
	conn, err = dialer.DialContext(ctx, "unix", a.Socket) // nobody listens there for one that was killed
	return a, conn, err
}

// Time limits of every connection. A request's body and answer have limits of their own where they
// are read and written: events and archives are streamed for as long as they last.
const (
	headerTimeout = 5 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 16 << 10
)

// webServer returns a server for one listener.
func webServer(log *slog.Logger, handler http.Handler, base context.Context) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		BaseContext: func(net.Listener) context.Context { return base },
		ErrorLog:    quietLog(log),
	}
}
