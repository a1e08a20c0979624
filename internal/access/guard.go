package access

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// Door is the way by which requests come in.
type Door int

// The doors.
const (
	Network  Door = iota // any address that other machines can reach: a token is needed
	Loopback             // an address of this machine alone: none is needed
	Socket               // the node's own socket, or the same process
)

// Tokens knows the tokens of a node.
type Tokens interface {
	// Verify returns the token that secret belongs to.
	Verify(secret string) (bakeoff.Token, bool)
}

// Config says how a guard decides.
type Config struct {
	Tokens Tokens
	// Hosts are names, without port, by which the node is called on loopback addresses, beside localhost
	// and the addresses themselves.
	Hosts []string
	Log   *slog.Logger // nil for none
}

// Guard finds out who makes a request.
type Guard struct {
	config   Config
	failures *failures
}

// NewGuard returns a guard for all doors of a node.
func NewGuard(c Config) *Guard {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Guard{config: c, failures: newFailures()}
}

// Protect returns a handler for what comes through a door.
func (g *Guard) Protect(door Door, m *Mux) http.Handler {
	origins := http.NewCrossOriginProtection()
	origins.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse(w, r, m.teller(r), bakeoff.Errorf(bakeoff.CodeForbidden, "a page of another site may not act on this node"))
	}))
	return origins.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if door == Loopback && !g.knownHost(r.Host) {
			// A page whose name was made to point at this machine would otherwise be taken for ours.
			refuse(w, r, m.teller(r), bakeoff.Errorf(bakeoff.CodeForbidden, "this node is not known by the name %q", legible(r.Host)).
				WithHint("ask it as localhost, or start the node with `--host NAME`"))
			return
		}
		a := g.admit(door, r)
		if a.refusal != nil && a.refusal.Code == bakeoff.CodeOverload {
			w.Header().Set("Retry-After", strconv.Itoa(int(g.failures.window.Seconds())))
			refuse(w, r, m.teller(r), a.refusal)
			return
		}
		m.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, a)))
	}))
}

// admit decides who makes a request. A secret that is right is let in however many wrong ones came
// from its address: many callers may share one, and no number of tries finds 256 random bits.
func (g *Guard) admit(door Door, r *http.Request) admission {
	if door == Socket {
		return admission{caller: Caller{Name: stated(r), Scope: bakeoff.ScopeAdmin, Local: true}}
	}
	secret, given := presented(r)
	switch {
	case !given && door == Loopback && !forwarded(r):
		return admission{caller: Caller{Name: stated(r), Scope: bakeoff.ScopeAdmin}}
	case !given:
		return admission{refusal: bakeoff.Errorf(bakeoff.CodeUnauthorized, "this needs a token").
			WithHint("send it as `Authorization: Bearer TOKEN`; `bakeoff token create` on the node's machine makes one")}
	}
	if token, ok := g.config.Tokens.Verify(secret); ok {
		return admission{caller: Caller{Name: token.Name, Scope: token.Scope}}
	}
	return admission{refusal: g.refuse(r)}
}

// refuse counts a wrong token against the address that it came from.
func (g *Guard) refuse(r *http.Request) *bakeoff.Error {
	from := remote(r)
	count := g.failures.add(from, time.Now())
	if count == 1 || count == maxFailures+1 {
		g.config.Log.Warn("refused a wrong token", "from", from.String(), "failures", count)
	}
	if count > maxFailures {
		return bakeoff.Errorf(bakeoff.CodeOverload, "too many wrong tokens from this address").
			WithHint("see that the token is right, and wait a minute")
	}
	return bakeoff.Errorf(bakeoff.CodeUnauthorized, "this node does not know the token").
		WithHint("it may have been deleted: `bakeoff token list` on the node's machine lists them")
}

// presented returns the token that a request carries. Authorization of another scheme is meant for
// somebody in between.
func presented(r *http.Request) (string, bool) {
	if secret := r.Header.Get(client.HeaderToken); secret != "" {
		return secret, true
	}
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(secret), strings.EqualFold(scheme, "Bearer")
}

// forwarded reports whether a proxy says that it passes on a request: then nobody knows who made it,
// and its coming from this machine means nothing.
func forwarded(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if r.Header.Get(name) != "" {
			return true
		}
	}
	return false
}

// maxName bounds names that callers state, in bytes.
const maxName = 64

// legible makes what a caller states fit to be shown and kept.
func legible(s string) string { return plain.Line(strings.ToValidUTF8(s[:min(len(s), maxName)], "")) }

// stated returns who a caller on this machine says it is.
func stated(r *http.Request) string {
	if name := legible(r.Header.Get(client.HeaderBy)); name != "" {
		return name
	}
	return "somebody on this machine"
}

// knownHost reports whether a Host header names this machine.
func (g *Guard) knownHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	return isLoopback(host) || slices.ContainsFunc(g.config.Hosts, func(known string) bool { return strings.EqualFold(known, host) })
}

// isLoopback reports whether a host is this machine and nobody else's.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// remote returns the network that failures are counted against: one IPv4 address, or the 64 bits of an
// IPv6 address that a customer is given as one.
func remote(r *http.Request) netip.Prefix {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Prefix{}
	}
	a := at.Addr().Unmap().WithZone("")
	bits := 64
	if a.Is4() {
		bits = 32
	}
	network, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return network
}

// DoorOf returns the door that an address to listen on, HOST:PORT, is.
func DoorOf(address string) Door {
	host, _, err := net.SplitHostPort(address)
	if err == nil && isLoopback(strings.ToLower(host)) {
		return Loopback
	}
	return Network
}

// Exposure is what a node knows when it is about to listen.
type Exposure struct {
	Address  string // HOST:PORT
	TLS      bool   // it has a certificate
	Tokens   bool   // there is at least one token
	Insecure bool   // a person said that TLS ends elsewhere, or that none is wanted
}

// CheckListen refuses an address that other machines can reach where requests could be read on their
// way, or where nobody has a token. Exposure.Insecure allows it; a token is still asked for there.
func CheckListen(e Exposure) error {
	if _, _, err := net.SplitHostPort(e.Address); err != nil {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "%q is not an address to listen on", e.Address).
			WithHint("write HOST:PORT, such as 127.0.0.1:7700")
	}
	if DoorOf(e.Address) == Loopback || e.Insecure {
		return nil
	}
	var missing []error
	if !e.TLS {
		missing = append(missing, errors.New("there is no TLS certificate, so tokens and data could be read on their way"))
	}
	if !e.Tokens {
		missing = append(missing, errors.New("there is no token, so that nobody could be let in"))
	}
	if len(missing) == 0 {
		return nil
	}
	message := missing[0].Error()
	if len(missing) > 1 {
		message += ", and " + missing[1].Error()
	}
	return bakeoff.Errorf(bakeoff.CodeInvalid, "other machines can reach %s: %s", e.Address, message).
		WithHint("listen on 127.0.0.1, or give a certificate and make a token with `bakeoff token create`; --i-terminate-tls-elsewhere is for a TLS proxy in front")
}
