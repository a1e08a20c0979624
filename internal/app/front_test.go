package app

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff/internal/access"
)

// TestADrainHearsWhoHasConnected has callers who have connected, and not yet asked, when the drain
// begins. They are answered, and told to open another connection for the next request.
func TestADrainHearsWhoHasConnected(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := newFront(Config{Log: slog.New(slog.NewTextHandler(t.Output(), nil))}, access.Config{})
	mux := access.NewMux()
	mux.Handle("GET /", access.Public, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "heard") }))
	f.answer(l, access.Loopback, mux)
	var callers []net.Conn
	for range 10 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		callers = append(callers, c)
	}
	for f.arriving.count() < len(callers) { // one that is not accepted yet is hung up on
		time.Sleep(time.Millisecond)
	}
	drained := make(chan error, 1)
	go func() { drained <- f.drain(0) }()
	for accepting := true; accepting; time.Sleep(time.Millisecond) { // until the drain has ended that
		c, err := net.Dial("tcp", l.Addr().String())
		if accepting = err == nil; accepting {
			_ = c.Close()
		}
	}
	for i, c := range callers {
		if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("caller %d: %v", i, err)
		}
		if body, err := io.ReadAll(answer.Body); err != nil || string(body) != "heard" || !answer.Close {
			t.Errorf("caller %d: %q, %v, close %v", i, body, err, answer.Close)
		}
	}
	select {
	case err := <-drained:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the drain goes on")
	}
}
