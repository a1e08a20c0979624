package natsd

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/bakeoffhq/bakeoff"
)

const (
	// pingInterval and maxPings bound how long a peer that has vanished looks alive: about 3 s.
	pingInterval = time.Second
	maxPings     = 2

	// maxPayload lets a record pass whole: a schema with very many categories has some megabytes.
	maxPayload = 8 << 20
)

// Rights are the subjects that a client may use; everything else is refused by the server.
type Rights struct {
	Publish   []string
	Subscribe []string
}

// Listen says on which address the server lets clients in, and whom. The zero value opens no port.
type Listen struct {
	Addr string      // host:port; "" for no port, port 0 for any
	TLS  *tls.Config // nil for none
	// Admit says whether a client that gives a name and a secret may connect, and what it may do. It
	// is called from several goroutines at once, and not before Accept.
	Admit func(name, secret string) (Rights, bool)
	// Guarded says that Admit asks for a secret.
	Guarded bool
	// Insecure allows an address beyond this machine without a secret or without TLS.
	Insecure bool
}

// check refuses an address that would let strangers in.
func (l Listen) check() error {
	host, port, err := net.SplitHostPort(l.Addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "listen for workers on %q: it is not an address", l.Addr).
			WithHint("write it as host:port, for example 0.0.0.0:4222")
	}
	if l.Admit == nil {
		return fmt.Errorf("listen for workers on %s: nobody says who may come in", l.Addr)
	}
	if l.Insecure || loopback(host) {
		return nil
	}
	if !l.Guarded {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "listen for workers on %s: other machines can reach it, and no token is asked for", l.Addr).
			WithHint("create one with `bakeoff token create --name NAME --scope work`, or listen on 127.0.0.1")
	}
	if l.TLS == nil {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "listen for workers on %s: other machines can reach it, and tokens and data would cross the network in clear", l.Addr).
			WithHint("give a certificate and its key, or listen on 127.0.0.1")
	}
	return nil
}

// loopback reports whether only this machine can reach a host; "" is every address.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// apply sets what the server needs to know before it starts. The port stays closed until Accept.
func (l Listen) apply(o *server.Options) {
	if l.Addr == "" {
		return
	}
	host, port, _ := net.SplitHostPort(l.Addr) // check has seen it
	if o.Host = host; host == "" {
		o.Host = "0.0.0.0"
	}
	if o.Port, _ = strconv.Atoi(port); o.Port == 0 {
		o.Port = server.RANDOM_PORT
	}
	o.TLSConfig = l.TLS
	o.MaxPayload = maxPayload
	o.TLSTimeout = 5
	o.AuthTimeout = 5
	o.PingInterval, o.MaxPingsOut = pingInterval, maxPings
	o.CustomClientAuthentication = gate{l.Admit}
}

// gate is how the server asks who may come in.
type gate struct {
	admit func(name, secret string) (Rights, bool)
}

// Check implements server.Authentication. The connection of this process itself, a pipe, may do
// everything.
func (g gate) Check(c server.ClientAuthentication) bool {
	if c.Kind() != server.CLIENT {
		return false
	}
	if remote := c.RemoteAddress(); remote != nil && remote.Network() == "pipe" {
		return true
	}
	given := c.GetOpts()
	rights, ok := g.admit(given.Username, given.Password)
	if !ok {
		return false
	}
	c.RegisterUser(&server.User{Username: given.Username, Permissions: &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: rights.Publish},
		Subscribe: &server.SubjectPermission{Allow: rights.Subscribe},
	}})
	return true
}

// probe reports a port that cannot be opened, before anything is started for it.
func (l Listen) probe() error {
	probe, err := net.Listen("tcp", l.Addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return bakeoff.Errorf(bakeoff.CodeBusy, "listen for workers on %s: the port is in use", l.Addr).
			WithHint("stop what uses it, or choose another port")
	}
	if err != nil {
		return bakeoff.Errorf(bakeoff.CodeUnavailable, "listen for workers: %w", err).
			WithHint("choose an address of this machine and a port that this user may open")
	}
	return probe.Close()
}

// Accept opens the port, if the server was started with an address, and returns the address. It is
// a step of its own so that nobody is turned away by a node that does not know its tokens yet.
func (s *Server) Accept() (net.Addr, error) {
	if s.listen.Addr == "" {
		return nil, nil
	}
	if err := s.listen.probe(); err != nil {
		return nil, err
	}
	opened := make(chan struct{})
	s.server.AcceptLoop(opened)
	<-opened
	addr := s.server.Addr()
	if addr == nil {
		return nil, bakeoff.Errorf(bakeoff.CodeUnavailable, "listen for workers on %s: %s", s.listen.Addr, s.messages.last())
	}
	return addr, nil
}
