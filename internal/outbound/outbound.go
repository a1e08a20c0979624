package outbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

const (
	answerLimit = 64 << 10  // bytes of an answer's header, and of its body
	longestWait = time.Hour // that a receiver may ask for before the next try
)

// An Outcome is what became of one try.
type Outcome struct {
	State  string        // bakeoff.DeliverySent, DeliveryRefused or DeliveryRetrying
	Detail string        // for people; never holds the URL, nor anything else that the receiver could have made up
	Wait   time.Duration // what the receiver asked for before the next try; 0 for nothing
	Lost   bool          // the message may have arrived all the same
}

// Refused returns the outcome of a try that need not be repeated: what was wrong, and what a person
// can do about it, "" for nothing.
func Refused(detail, fix string) Outcome {
	if fix != "" {
		detail += "; " + fix
	}
	return Outcome{State: bakeoff.DeliveryRefused, Detail: detail}
}

// A Dialer opens connections, as net.Dialer.DialContext does.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// Client speaks to servers of others: by Public to those on the internet, by Private to those that
// may be on this machine or in this network.
type Client struct {
	Public, Private Dialer
}

// NewClient returns a client whose public side reaches only public addresses.
func NewClient() *Client {
	return &Client{
		Public:  (&net.Dialer{Control: publicOnly}).DialContext,
		Private: (&net.Dialer{}).DialContext,
	}
}

// Dialer returns the side of the client for a receiver.
func (c *Client) Dialer(allowPrivate bool) Dialer {
	if allowPrivate {
		return c.Private
	}
	return c.Public
}

// Request is one message for one URL.
type Request struct {
	URL          string // a secret
	AllowPrivate bool
	Header       http.Header // beside content type and user agent; may be nil
	Body         []byte      // JSON
	Timeout      time.Duration
	// Judge says what an answer means: status, header and the body without white space around it, "" if it was too long.
	Judge func(status int, header http.Header, body string) Outcome
}

// Post tries once to deliver a request.
func (c *Client) Post(ctx context.Context, r Request) Outcome {
	if fault, fix := CheckURL(r.URL, r.AllowPrivate); fault != "" {
		return Refused(fault, fix)
	}
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	var begun atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { begun.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, bytes.NewReader(r.Body))
	if err != nil { // the error may quote the URL
		return Refused("the webhook's URL is not valid", "copy it from the receiver again")
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "bakeoff")
	transport := &http.Transport{
		Proxy:                  nil,
		DialContext:            c.Dialer(r.AllowPrivate),
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		DisableKeepAlives:      true, // messages are rare: nothing stays open behind them
		DisableCompression:     true,
		MaxResponseHeaderBytes: answerLimit,
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return broken(err, begun.Load(), r.Timeout)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit+1))
	if err != nil {
		return broken(err, true, r.Timeout)
	}
	if len(answer) > answerLimit {
		answer = nil
	}
	return r.Judge(resp.StatusCode, resp.Header, strings.TrimSpace(string(answer)))
}

// RetryAfter returns how long an answer asks to wait, at most an hour: the Retry-After header in
// seconds or as a date (RFC 9110, section 10.2.3); 0 where it asks for nothing.
func RetryAfter(header http.Header) time.Duration {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.Atoi(text); err == nil {
		seconds = min(max(seconds, 0), int(longestWait/time.Second))
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(time.Until(at), 0), longestWait)
}

// broken judges a try without a whole answer. Begun says that the request was on its way.
func broken(err error, begun bool, timeout time.Duration) Outcome {
	o := Broken(err, "the webhook", timeout)
	if o.State == bakeoff.DeliveryRetrying {
		o.Lost = begun
	}
	return o
}

// Broken judges a try that ended without a whole answer, of which who was to give one: "the
// webhook". Errors of the network quote addresses and answers, so the detail is made of what kind of
// error it is.
func Broken(err error, who string, timeout time.Duration) Outcome {
	o := Outcome{State: bakeoff.DeliveryRetrying}
	var (
		lookup *net.DNSError
		op     *net.OpError
		errno  syscall.Errno
		cert   *tls.CertificateVerificationError
		plain  tls.RecordHeaderError
		timed  net.Error
	)
	switch {
	case errors.Is(err, ErrPrivate):
		return Refused(who+" leads to a loopback, private or otherwise not public address",
			"if that is meant, set allow_private: true beside it")
	case errors.As(err, &lookup):
		o.Detail = who + "'s host cannot be found"
	case errors.As(err, &op) && op.Op == "dial":
		o.Detail = "no connection"
		if errors.As(err, &errno) {
			o.Detail += ": " + errno.Error()
		}
	case errors.As(err, &cert):
		o.Detail = who + "'s host shows a certificate that is not valid"
	case errors.As(err, &plain) || errors.Is(err, http.ErrSchemeMismatch):
		o.Detail = who + "'s host does not speak TLS"
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timed) && timed.Timeout():
		o.Detail = "no answer within " + timeout.String()
	case errors.Is(err, context.Canceled):
		o.Detail = "cancelled before an answer came"
	default:
		o.Detail = "the connection broke before an answer came"
	}
	return o
}
