package join

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/bakeoffhq/bakeoff"
)

const (
	dialTime    = 5 * time.Second
	askTime     = 5 * time.Second // after which a request is sent again
	firstPause  = 50 * time.Millisecond
	lastPause   = time.Second
	defaultPort = "4222"
)

// Options say which node to join, and as whom.
type Options struct {
	URL      string      // nats://host:port or tls://host:port
	Token    string      // the secret of a token; "" for none, where the node asks for none
	Name     string      // of this process, unlike that of any other
	TLS      *tls.Config // nil for the machine's own certificate authorities
	Insecure bool        // the token may cross a network in clear
	Version  string      // of this program
	Log      *slog.Logger
}

// link is a connection to a node that asks again until it is answered.
type link struct {
	options Options
	nc      *nats.Conn
	subject string // of a call, which stands for %s
	closed  chan struct{}

	mu    sync.Mutex // guards drops
	drops map[int]context.CancelFunc
	count int
}

// connect joins a node. What is wrong with the address, the certificate or the token is an error
// with a hint; later breaks of the connection are mended.
func connect(o Options) (*link, error) {
	address, secure, err := o.address()
	if err != nil {
		return nil, err
	}
	o.Name = nameOnWire(o.Name)
	if o.Name == "" {
		return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "join %s: this process has no name", address)
	}
	key := keyOf(o.Token)
	l := &link{
		options: o, subject: prefix + "%s." + key + "." + o.Name,
		closed: make(chan struct{}), drops: map[int]context.CancelFunc{},
	}
	options := []nats.Option{
		nats.Name(o.Name), nats.UserInfo(o.Name, o.Token), nats.CustomInboxPrefix(inboxOf(key, o.Name)),
		nats.Timeout(dialTime), nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond), nats.ReconnectJitter(250*time.Millisecond, 250*time.Millisecond),
		nats.PingInterval(time.Second), nats.MaxPingsOutstanding(2), nats.ReconnectBufSize(-1), nats.IgnoreDiscoveredServers(),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { l.dropped(err) }),
		nats.ReconnectHandler(func(*nats.Conn) { o.Log.Info("joined the node again") }),
		nats.ClosedHandler(func(*nats.Conn) { close(l.closed) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { o.Log.Warn("the node complains", "error", err) }),
	}
	if secure {
		options = append(options, nats.Secure(o.TLS))
	}
	if l.nc, err = nats.Connect("nats://"+address, options...); err != nil {
		return nil, refusal(address, err)
	}
	return l, nil
}

// address returns host and port, and whether TLS is a must. A token that is written into the URL is
// refused, since URLs are shown.
func (o Options) address() (address string, secure bool, err error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls" {
		return "", false, bakeoff.Errorf(bakeoff.CodeInvalid, "join: this is not the address of a node").
			WithHint("write it as nats://host:port")
	}
	if u.User != nil {
		return "", false, bakeoff.Errorf(bakeoff.CodeInvalid, "join %s: the address has a user or a secret in it", u.Host).
			WithHint("give the token in BAKEOFF_TOKEN")
	}
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = defaultPort
	}
	ip, err := netip.ParseAddr(host)
	local := host == "localhost" || err == nil && ip.Unmap().IsLoopback()
	secure = u.Scheme == "tls" || o.TLS != nil || o.Token != "" && !local && !o.Insecure
	return net.JoinHostPort(host, port), secure, nil
}

// refusal explains why a node could not be joined.
func refusal(address string, err error) error {
	var unknown x509.UnknownAuthorityError
	var wrongHost x509.HostnameError
	switch {
	case errors.Is(err, nats.ErrAuthorization):
		return bakeoff.Errorf(bakeoff.CodeUnauthorized, "join %s: the node does not accept this token", address).
			WithHint("a worker needs a token of scope work, a predicting node one of scope predict: `bakeoff token create --name NAME --scope work` on the node makes one")
	case errors.Is(err, nats.ErrSecureConnWanted):
		return bakeoff.Errorf(bakeoff.CodeInvalid, "join %s: the node does not speak TLS, and the token would cross the network in clear", address).
			WithHint("give the node a certificate")
	case errors.As(err, &unknown), errors.As(err, &wrongHost):
		return bakeoff.Errorf(bakeoff.CodeUnavailable, "join %s: its certificate cannot be trusted: %w", address, err).
			WithHint("name the file of the authority that signed it with --tls-ca, and the host as the certificate does")
	}
	return bakeoff.Errorf(bakeoff.CodeUnavailable, "join %s: %w", address, err).
		WithHint("is `bakeoff up --nats-listen` running there, and does a firewall let this machine in?")
}

// dropped has every request that waits for an answer sent again.
func (l *link) dropped(err error) {
	if err != nil {
		l.options.Log.Warn("the connection to the node broke", "error", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, cancel := range l.drops {
		cancel()
	}
}

// watched returns a context that also ends when the connection breaks.
func (l *link) watched(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, d)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	n := l.count
	l.drops[n] = cancel
	return ctx, func() {
		cancel()
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.drops, n)
	}
}

// close ends the connection and waits until its last callback has returned.
func (l *link) close() {
	l.nc.Close()
	<-l.closed
}

// gone explains a connection that was closed for good.
func (l *link) gone() error {
	if err := l.nc.LastError(); errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) {
		return refusal(l.nc.Opts.Url, err)
	}
	return bakeoff.Errorf(bakeoff.CodeUnavailable, "the connection to the node was closed")
}

// call asks until it is answered, ctx ends or the connection is closed for good. The answer's body
// is put into body unless that is nil.
func (l *link) call(ctx context.Context, name string, ask any, content []byte, body any) ([]byte, error) {
	message, err := pack(ask, content)
	if err != nil {
		return nil, err
	}
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		got, err := l.once(ctx, name, message, askTime, body)
		switch code := bakeoff.CodeOf(err); {
		case err == nil:
			return got, nil
		case l.nc.IsClosed():
			return nil, l.gone()
		case code != bakeoff.CodeUnavailable && code != bakeoff.CodeOverload:
			return nil, fmt.Errorf("ask the node for %s: %w", name, err)
		}
		select {
		case <-ctx.Done():
			return nil, unanswered(name, errors.Join(context.Cause(ctx), err))
		case <-l.closed:
			return nil, l.gone()
		case <-time.After(pause):
		}
	}
}

func unanswered(name string, err error) error {
	return bakeoff.Errorf(bakeoff.CodeUnavailable, "ask the node for %s: it does not answer: %w", name, err)
}

// once asks once. An answer that does not come has code Unavailable.
func (l *link) once(ctx context.Context, name string, message []byte, wait time.Duration, body any) ([]byte, error) {
	ctx, cancel := l.watched(ctx, wait)
	defer cancel()
	msg, err := l.nc.RequestWithContext(ctx, fmt.Sprintf(l.subject, name), message)
	if err != nil {
		return nil, unanswered(name, err)
	}
	return read(msg, body)
}

// read takes an answer apart.
func read(msg *nats.Msg, body any) ([]byte, error) {
	var a answer
	content, err := unpack(msg.Data, &a)
	if err != nil {
		return nil, err
	}
	if a.Fault != nil {
		return nil, a.Fault.err()
	}
	if body == nil {
		return content, nil
	}
	if err := unmarshal(a.Body, body); err != nil {
		return nil, err
	}
	return content, nil
}
