package api_test

import (
	"bufio"
	"context"
	"errors"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/access"
	"github.com/bakeoffhq/bakeoff/internal/api"
)

func event(seq uint64, kind bakeoff.EventKind, message string) client.Event {
	return client.Event{Seq: seq, Event: bakeoff.Event{Time: moment, Run: run, Kind: kind, Message: message}}
}

var story = []client.Event{
	event(3, bakeoff.EventPhase, "build"), event(5, bakeoff.EventBuilt, "forest"), event(9, bakeoff.EventVerdict, "promoted: better"),
}

// all ranges over a stream to its end.
func all[T any](t *testing.T, stream iter.Seq2[T, error]) []T {
	t.Helper()
	var got []T
	for v, err := range stream {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, v)
	}
	return got
}

func TestEvents(t *testing.T) {
	c := dial(t, &fake{events: story}, access.Socket, client.Options{})
	for after, want := range map[uint64][]client.Event{0: story, 3: story[1:], 4: story[1:], 9: nil} {
		if diff := cmp.Diff(want, all(t, c.Events(t.Context(), run, after))); diff != "" {
			t.Errorf("after %d (-want +got):\n%s", after, diff)
		}
	}
	for e, err := range c.Events(t.Context(), run, 0) { // and somebody who has seen enough
		if err != nil || e.Seq != 3 {
			t.Errorf("%+v, %v", e, err)
		}
		break
	}
}

func TestLogs(t *testing.T) {
	node := &fake{logs: []client.LogEntry{
		{Seq: 7, Candidate: "forest", Attempt: 1, Text: "tree 1\ntree 2\n"},
		{Candidate: "forest", Attempt: 1, Text: "event: end\n\ndata: <나무>\r\n"},
		{Candidate: "forest", Attempt: 1, State: bakeoff.TrialFailed, Reason: "exit code 1"},
	}}
	c := dial(t, node, access.Socket, client.Options{})
	if diff := cmp.Diff(node.logs, all(t, c.Logs(t.Context(), run, client.LogQuery{Candidate: "forest", Follow: true, After: 5}))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Run " + run, "Logs " + run + " {Candidate:forest Follow:true After:5}"}, node.asked()); diff != "" {
		t.Errorf("the node was asked (-want +got):\n%s", diff)
	}
}

// TestEventsAreLive has events arrive while the run goes on, and signs of life between them.
func TestEventsAreLive(t *testing.T) {
	node := &fake{more: make(chan client.Event)}
	url := serve(t, node, access.Loopback, api.Options{Heartbeat: time.Millisecond})
	response, err := http.Get(url + "/api/v1/runs/" + run + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewScanner(response.Body)
	expect := func(want string) {
		t.Helper()
		for lines.Scan() {
			if lines.Text() == want {
				return
			}
		}
		t.Fatalf("the stream ended without %q: %v", want, lines.Err())
	}
	expect(":") // the first, so that one knows to be connected
	expect(":")
	node.more <- story[0]
	expect("id: 3")
	expect(`data: {"time":"2026-11-23T20:00:00Z","run":"` + run + `","kind":"phase","message":"build"}`)
	expect(":")
	close(node.more)
	expect("event: end")
	if got := response.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("Content-Type %q", got)
	}
}

// TestEventsAfterACut breaks the connection in the middle: the client goes on after what it has.
func TestEventsAfterACut(t *testing.T) {
	node := &fake{events: story}
	mux := access.NewMux()
	api.Register(mux, node, api.Options{})
	h := access.NewGuard(access.Config{Tokens: keys{}}).Protect(access.Loopback, mux)
	cuts := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cuts < 2 {
			cuts++
			w = &cutter{ResponseWriter: w, left: 4 - cuts}
		}
		h.ServeHTTP(w, r)
	}))
	defer server.Close()
	c, err := client.New(client.Options{BaseURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if diff := cmp.Diff(story, all(t, c.Events(t.Context(), run, 0))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want := []string{"Run " + run, "Events " + run + " after 0", "Run " + run, "Events " + run + " after 5", "Run " + run, "Events " + run + " after 9"}
	if diff := cmp.Diff(want, node.asked()); diff != "" {
		t.Errorf("the node was asked (-want +got):\n%s", diff)
	}
}

// cutter breaks the connection after so many writes.
type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(p []byte) (int, error) {
	if c.left--; c.left < 0 {
		panic(http.ErrAbortHandler)
	}
	return c.ResponseWriter.Write(p)
}

func (c *cutter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// TestStreamErrors has a stream fail before it begins, and in the middle.
func TestStreamErrors(t *testing.T) {
	unknown := dial(t, &fake{err: bakeoff.Errorf(bakeoff.CodeNotFound, "there is no run x")}, access.Socket, client.Options{})
	for _, err := range unknown.Events(t.Context(), "x", 0) {
		if bakeoff.CodeOf(err) != bakeoff.CodeNotFound {
			t.Errorf("an unknown run: %v", err)
		}
	}
	url := serve(t, &failing{fake: &fake{events: story[:1]}}, access.Loopback, api.Options{})
	c, err := client.New(client.Options{BaseURL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var seen int
	var last error
	for _, err := range c.Events(t.Context(), run, 0) {
		seen++
		last = err
	}
	if seen != 2 || bakeoff.CodeOf(last) != bakeoff.CodeBusy || last.Error() != "the store is closing" {
		t.Errorf("%d pairs, the last with %v", seen, last)
	}
}

// failing is a node whose events end with an error.
type failing struct{ *fake }

func (f *failing) Events(ctx context.Context, id string, after uint64, each func(client.Event) error) error {
	return errors.Join(f.fake.Events(ctx, id, after, each), bakeoff.Errorf(bakeoff.CodeBusy, "the store is closing"))
}

// TestNodeStops shuts a server down that somebody watches a run on.
func TestNodeStops(t *testing.T) {
	node := &fake{more: make(chan client.Event), watching: make(chan struct{})}
	mux := access.NewMux()
	api.Register(mux, node, api.Options{})
	base, stop := context.WithCancel(context.Background())
	server := httptest.NewUnstartedServer(access.NewGuard(access.Config{Tokens: keys{}}).Protect(access.Loopback, mux))
	server.Config.BaseContext = func(net.Listener) context.Context { return base }
	server.Config.RegisterOnShutdown(stop)
	server.Start()
	defer server.Close()
	response, err := http.Get(server.URL + "/api/v1/runs/" + run + "/events")
	if err != nil {
		t.Fatal(err)
	}
	<-node.watching
	within, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := server.Config.Shutdown(within); err != nil {
		t.Fatalf("the server waits for the stream: %v", err)
	}
	if got := read(t, response); !strings.HasSuffix(got, "retry: 1000\nevent: bye\ndata: {}\n\n") {
		t.Errorf("the last words were %q", got)
	}
}

// TestSlowReader opens a stream and reads nothing of it.
func TestSlowReader(t *testing.T) {
	over := make(chan error, 1)
	node := &endless{fake: &fake{}, over: over}
	url := serve(t, node, access.Loopback, api.Options{Patience: 50 * time.Millisecond})
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("GET /api/v1/runs/" + run + "/logs HTTP/1.1\r\nHost: localhost\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-over:
		if err == nil {
			t.Error("the source was not told")
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the node waits for a reader who does not read")
	}
}

// endless is a node whose logs never end.
type endless struct {
	*fake
	over chan<- error
}

func (e *endless) Logs(_ context.Context, _ string, _ client.LogQuery, each func(client.LogEntry) error) error {
	text := strings.Repeat("x", 64<<10)
	for {
		if err := each(client.LogEntry{Candidate: "forest", Text: text}); err != nil {
			e.over <- err
			return err
		}
	}
}

// TestInProcess has everything go through an address within the process.
func TestInProcess(t *testing.T) {
	node := &fake{events: story}
	mux := access.NewMux()
	api.Register(mux, node, api.Options{})
	listener := api.NewInProcess()
	server := &http.Server{Handler: access.NewGuard(access.Config{Tokens: keys{}}).Protect(access.Socket, mux)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	transport := listener.Transport()
	c, err := client.New(client.Options{BaseURL: "http://localhost", Transport: transport, By: "kim"})
	if err != nil {
		t.Fatal(err)
	}
	for name, call := range calls {
		got, err := call.do(t.Context(), c)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(call.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff(story, all(t, c.Events(t.Context(), run, 0))); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	transport.CloseIdleConnections()
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
	if _, err := c.Node(t.Context()); bakeoff.CodeOf(err) != bakeoff.CodeUnavailable {
		t.Errorf("after the end: %v", err)
	}
}
