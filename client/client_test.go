package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNew(t *testing.T) {
	for url, ok := range map[string]bool{
		"http://127.0.0.1:7700": true, "https://models.example/": true, "https://proxy.example/bakeoff": true, "unix:///srv/.bakeoff/socket": true,
		"unix:///srv/100%/a b#1/socket?": true,
		"":                               false, "127.0.0.1:7700": false, "localhost": false, "ftp://host": false, "http://": false, "unix://socket": false, "unix:": false,
		"http://kim:canary@host:1": false, "http://host/?a=canary": false, "http://host/#x": false, "http://canary host": false, "://canary": false,
	} {
		c, err := client.New(client.Options{BaseURL: url})
		if (err == nil) != ok {
			t.Errorf("%q: %v", url, err)
		}
		if err == nil {
			c.Close()
			continue
		}
		if bakeoff.CodeOf(err) != bakeoff.CodeInvalid || bakeoff.HintOf(err) == "" || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v (%s)", url, err, bakeoff.CodeOf(err))
		}
	}
}

// answering returns a client of a server that answers as h does.
func answering(t *testing.T, o client.Options, h http.HandlerFunc) *client.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	o.BaseURL = server.URL + "/behind/"
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestRequest(t *testing.T) {
	var got *http.Request
	c := answering(t, client.Options{Token: "s", By: "김\r\nX-Evil: 1"}, func(w http.ResponseWriter, r *http.Request) {
		got = r
		fmt.Fprint(w, `{"pipeline":"x","a-field-of-tomorrow":1}`)
	})
	p, err := c.Pipeline(t.Context(), "a/../b?c")
	if err != nil || p.Name != "x" {
		t.Fatalf("%+v, %v", p, err)
	}
	if want := "/behind/api/v1/pipelines/a%2F..%2Fb%3Fc"; got.URL.EscapedPath() != want {
		t.Errorf("path %s, want %s", got.URL.EscapedPath(), want)
	}
	for name, want := range map[string]string{"Authorization": "Bearer s", client.HeaderBy: "김X-Evil: 1", "X-Evil": ""} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Header.Get(name), want)
		}
	}
}

// TestWhoeverIsBetween has something answer that is no node: a proxy, or another service.
func TestWhoeverIsBetween(t *testing.T) {
	for status, want := range map[int]bakeoff.Code{
		301: bakeoff.CodeInternal, 400: bakeoff.CodeInvalid, 401: bakeoff.CodeUnauthorized, 403: bakeoff.CodeForbidden, 404: bakeoff.CodeNotFound,
		407: bakeoff.CodeUnauthorized, 409: bakeoff.CodeConflict, 413: bakeoff.CodeInvalid, 418: bakeoff.CodeInternal, 429: bakeoff.CodeOverload,
		500: bakeoff.CodeInternal, 502: bakeoff.CodeUnavailable, 503: bakeoff.CodeUnavailable, 504: bakeoff.CodeUnavailable,
	} {
		for _, kind := range []string{"text/html", "application/json"} {
			c := answering(t, client.Options{Token: "canary"}, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/elsewhere" {
					t.Error("the client followed a redirect")
				}
				w.Header().Set("Content-Type", kind)
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(status)
				fmt.Fprint(w, `<h1>no</h1>`)
			})
			_, err := c.Node(t.Context())
			if bakeoff.CodeOf(err) != want || !strings.Contains(err.Error(), fmt.Sprint(status)) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%d %s: %v (%s), want code %s", status, kind, err, bakeoff.CodeOf(err), want)
			}
		}
	}
}

func TestAnswerThatIsNone(t *testing.T) {
	c := answering(t, client.Options{}, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"node":"a`) })
	if _, err := c.Node(t.Context()); bakeoff.CodeOf(err) != bakeoff.CodeUnavailable {
		t.Errorf("half an answer: %v", err)
	}
}

func TestNobodyThere(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close() // so that nobody listens at its address
	for _, url := range []string{"http://" + listener.Addr().String(), "unix://" + filepath.Join(t.TempDir(), "socket")} {
		c, err := client.New(client.Options{BaseURL: url})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Node(t.Context())
		if bakeoff.CodeOf(err) != bakeoff.CodeUnavailable || bakeoff.HintOf(err) == "" || !strings.Contains(err.Error(), url) {
			t.Errorf("%v (%s)", err, bakeoff.CodeOf(err))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Node(ctx); !errors.Is(err, context.Canceled) || bakeoff.CodeOf(err) != bakeoff.CodeCancelled {
			t.Errorf("cancelled: %v (%s)", err, bakeoff.CodeOf(err))
		}
	}
}

func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "100% #?")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"node":%q}`, r.Host+r.URL.Path)
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	c, err := client.New(client.Options{BaseURL: "unix://" + path})
	if err != nil {
		t.Fatal(err)
	}
	n, err := c.Node(t.Context())
	if err != nil || n.Name != "localhost/api/v1/node" {
		t.Errorf("%+v, %v", n, err)
	}
	c.Close()
	_ = server.Close()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

// TestIDsAreMadeByTheCaller has the client make an ID where none was given.
func TestIDsAreMadeByTheCaller(t *testing.T) {
	c := answering(t, client.Options{}, func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		_, _ = b.ReadFrom(r.Body)
		_, _ = w.Write(b.Bytes())
	})
	started, err := c.StartRun(t.Context(), "churn", client.RunRequest{})
	if err != nil || !strings.HasPrefix(started, "churn-20") {
		t.Errorf("%q, %v", started, err)
	}
	for _, id := range []string{"my-churn-2-20261123T200000Z", "my-churn-2-20261123T200000123Z-0a1b"} {
		retried, err := c.Retry(t.Context(), id, client.RunRequest{})
		if err != nil || !strings.HasPrefix(retried, "my-churn-2-20") || retried == id {
			t.Errorf("%q, %v", retried, err)
		}
	}
}
