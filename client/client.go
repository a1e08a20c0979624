// Package client turns calls of Go into requests to a bakeoff node, and its answers into the
// records and errors of package bakeoff.
//
// A node is reached over its Unix socket ("unix:///srv/churn/.bakeoff/socket"), over HTTP, or, with a
// Transport of one's own, within one process. Every error that a node answers is a *bakeoff.Error
// with the node's code, message and hint; a node that cannot be reached is bakeoff.CodeUnavailable.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/bakeoffhq/bakeoff"
)

// Prefix is where the paths of the API begin.
const Prefix = "/api/v1"

// HeaderBy is the header in which a caller without a token says who it is, for the record of what
// people do. A node believes it on its own machine alone.
const HeaderBy = "Bakeoff-By"

// HeaderToken carries a token where Authorization belongs to somebody in between, such as a proxy.
const HeaderToken = "Bakeoff-Token"

// Options say how a node is reached.
type Options struct {
	// BaseURL is http://HOST:PORT, https://HOST:PORT or unix:///PATH of a socket.
	BaseURL string
	// Token is what the node asks of callers from other machines; "" for none.
	Token string
	// By names the person who acts, for the node's record, where there is no token; "" for nobody.
	By string
	// Transport carries the requests; nil for a new one. One that is given is not closed by Close.
	Transport http.RoundTripper
}

// Client speaks to one node. It may be used by several goroutines at once.
type Client struct {
	base  string // scheme and host, and a path for a node behind one; without the last slash
	shown string // the node's address as a person wrote it
	token string
	by    string
	http  *http.Client
	own   *http.Transport // nil where the transport was given

	patience time.Duration // how long a stream is tried again without an event
}

// New returns a client. A BaseURL that is none is an error with bakeoff.CodeInvalid; whether a node
// is there, the first call says.
func New(o Options) (*Client, error) {
	c := &Client{
		base: strings.TrimSuffix(o.BaseURL, "/"), shown: o.BaseURL, token: o.Token, by: visible(o.By),
		patience: 30 * time.Second,
	}
	socket, isSocket := strings.CutPrefix(o.BaseURL, "unix://")
	switch {
	case isSocket && filepath.IsAbs(socket): // the rest is a path, in which any character may stand
		c.base = "http://localhost"
		c.own = socketTransport(socket)
	case isURL(o.BaseURL):
		c.own = http.DefaultTransport.(*http.Transport).Clone()
	default:
		return nil, badURL()
	}
	var transport http.RoundTripper = c.own
	if o.Transport != nil {
		c.own, transport = nil, o.Transport
	}
	c.http = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // nobody but the node gets the token
	}}
	return c, nil
}

// isURL reports whether text is an HTTP URL of a scheme, a host and a path, and no more.
func isURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" &&
		u.User == nil && u.RawQuery == "" && u.Fragment == ""
}

// badURL does not repeat the URL: there may be a password in it.
func badURL() error {
	return bakeoff.Errorf(bakeoff.CodeInvalid, "this is not the address of a node").
		WithHint("write http://HOST:PORT, https://HOST:PORT or unix:///PATH, without user, query and fragment")
}

func socketTransport(path string) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
		MaxIdleConnsPerHost: 4,
	}
}

// visible returns text without what cannot stand in a header.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, text)
}

// Close lets go of the connections that are not in use.
func (c *Client) Close() {
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}

// ask makes one request and returns what the answer holds. in is sent as JSON unless nil.
func ask[T any](ctx context.Context, c *Client, method, path string, in any) (T, error) {
	var out T
	response, err := c.send(ctx, method, path, in)
	if err != nil {
		return out, err
	}
	defer func() { _ = response.Body.Close() }()
	if err := json.NewDecoder(response.Body).Decode(&out); err != nil {
		return out, c.unreachable(ctx, fmt.Errorf("read the answer to %s %s: %w", method, path, err))
	}
	return out, nil
}

// do makes one request whose answer holds nothing.
func (c *Client) do(ctx context.Context, method, path string, in any) error {
	response, err := c.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// send makes one request and returns its answer if that is of the 200s; its body is the caller's to close.
func (c *Client) send(ctx context.Context, method, path string, in any) (*http.Response, error) {
	request, err := c.request(ctx, method, path, in)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if response.StatusCode/100 != 2 {
		defer func() { _ = response.Body.Close() }()
		return nil, errorOf(response)
	}
	return response, nil
}

func (c *Client) request(ctx context.Context, method, path string, in any) (*http.Request, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("write the request %s %s: %w", method, path, err)
		}
		body = bytes.NewReader(b)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+Prefix+path, body)
	if err != nil {
		return nil, fmt.Errorf("make the request %s %s: %w", method, path, err)
	}
	if in != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.by != "" {
		request.Header.Set(HeaderBy, c.by)
	}
	return request, nil
}

// unreachable makes of a connection's failure an error that a person can act on.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil {
		return bakeoff.Errorf(bakeoff.CodeCancelled, "ask the node at %s: %w", c.shown, cause)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // the rest of it is the method and the URL
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return bakeoff.Errorf(bakeoff.CodeUnavailable, "the node at %s is not trusted: %w", c.shown, err).
			WithHint("the variable SSL_CERT_FILE may name a PEM file of the authority that signed its certificate")
	}
	return bakeoff.Errorf(bakeoff.CodeUnavailable, "the node at %s does not answer: %w", c.shown, err).
		WithHint("see whether `bakeoff up` still runs there")
}

// ErrorBody is the answer to a request that was not carried out.
type ErrorBody struct {
	Error ErrorDetail `json:"error"`
}

// ErrorDetail is a *bakeoff.Error on its way.
type ErrorDetail struct {
	Code    bakeoff.Code `json:"code" doc:"what kind of error it is, for programs"`
	Message string       `json:"message" doc:"what was wrong, and where"`
	Hint    string       `json:"hint,omitempty" doc:"what to do next"`
}

// Err returns the error that d describes.
func (d ErrorDetail) Err() *bakeoff.Error {
	return &bakeoff.Error{Code: d.Code, Message: d.Message, Hint: d.Hint}
}

// errorOf reads the error of an answer. One that does not come from a node, but from a proxy between,
// is told by its status.
func errorOf(response *http.Response) error {
	b, _ := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	var body ErrorBody
	if kind == "application/json" && json.Unmarshal(b, &body) == nil && body.Error.Code != "" {
		return body.Error.Err()
	}
	if bytes.HasPrefix(b, []byte("Client sent an HTTP request to an HTTPS server")) { // net/http's words
		return bakeoff.Errorf(bakeoff.CodeInvalid, "the node at %s speaks TLS", response.Request.URL.Host).
			WithHint("try https://%s", response.Request.URL.Host)
	}
	return bakeoff.Errorf(codeOfStatus(response.StatusCode), "the answer to %s %s was %q, and none of a bakeoff node",
		response.Request.Method, response.Request.URL.Path, response.Status).
		WithHint("see whether the address is that of a node, and of this version")
}

func codeOfStatus(status int) bakeoff.Code {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return bakeoff.CodeInvalid
	case http.StatusUnauthorized, http.StatusProxyAuthRequired:
		return bakeoff.CodeUnauthorized
	case http.StatusForbidden:
		return bakeoff.CodeForbidden
	case http.StatusNotFound:
		return bakeoff.CodeNotFound
	case http.StatusConflict:
		return bakeoff.CodeConflict
	case http.StatusTooManyRequests:
		return bakeoff.CodeOverload
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return bakeoff.CodeUnavailable
	default:
		return bakeoff.CodeInternal
	}
}

// StatusOf returns the HTTP status with which a node answers an error of that code. The code in the
// body is the finer of the two.
func StatusOf(code bakeoff.Code) int {
	switch code {
	case bakeoff.CodeInvalid:
		return http.StatusBadRequest
	case bakeoff.CodeUnauthorized:
		return http.StatusUnauthorized
	case bakeoff.CodeForbidden:
		return http.StatusForbidden
	case bakeoff.CodeNotFound:
		return http.StatusNotFound
	case bakeoff.CodeConflict, bakeoff.CodeBusy, bakeoff.CodeCancelled:
		return http.StatusConflict
	case bakeoff.CodeOverload:
		return http.StatusTooManyRequests
	case bakeoff.CodeUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}
