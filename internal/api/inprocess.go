package api

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// InProcess is a listener without an address: a server in the same process answers on it to whoever
// has its Transport.
type InProcess struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// NewInProcess returns a listener for http.Server.Serve.
func NewInProcess() *InProcess {
	return &InProcess{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (l *InProcess) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Connections that are open stay so.
func (l *InProcess) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *InProcess) Addr() net.Addr { return inProcessAddr{} }

// Transport returns a transport whose requests go to the listener, whatever host they name.
func (l *InProcess) Transport() *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		near, far := net.Pipe()
		select {
		case l.conns <- far:
			return near, nil
		case <-l.closed:
			return nil, net.ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
}

type inProcessAddr struct{}

func (inProcessAddr) Network() string { return "in process" }
func (inProcessAddr) String() string  { return "in process" }
