package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/access"
	"github.com/bakeoffhq/bakeoff/internal/predict"
)

// goUp starts a node in a store folder and returns it when it is ready, with a client that comes through
// its socket, and what ends it.
func goUp(t *testing.T, folder string, s Service) (Running, func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	config := DefaultConfig(folder)
	config.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	if s.Address == "" {
		s.Address = "127.0.0.1:0"
	}
	running, ended := make(chan Running, 1), make(chan error, 1)
	go func() {
		ended <- Up(ctx, config, s, func(_ context.Context, r Running) error {
			running <- r
			return nil
		})
	}()
	select {
	case r := <-running:
		var err error
		if r.Client, err = client.New(client.Options{BaseURL: "unix://" + r.Addresses.Socket}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Client.Close)
		return r, func() error { cancel(); return <-ended }
	case err := <-ended:
		cancel()
		t.Fatalf("the node did not start: %v", err)
		return Running{}, nil
	}
}

// TestWhatAServiceManagerHears listens as systemd does. It would kill a service that says that it
// stops and goes on.
func TestWhatAServiceManagerHears(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Skip(err)
	}
	defer func() { _ = manager.Close() }()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	t.Setenv("WATCHDOG_USEC", "20000")
	hear := func() string {
		t.Helper()
		b := make([]byte, 1000)
		if err := manager.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		n, err := manager.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	_, stop := goUp(t, filepath.Join(t.TempDir(), "store"), Service{})
	for _, want := range []string{"READY=1", "WATCHDOG=1"} {
		if got := hear(); got != want {
			t.Errorf("a node that is up says %s, want %s", got, want)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	said := hear()
	for said == "WATCHDOG=1" {
		said = hear()
	}
	if said != "STOPPING=1" {
		t.Errorf("a node that ends says %s", said)
	}
}

// TestDrainFinishesPredictionsAndEndsStreams drains servers with a request of each kind under way.
func TestDrainFinishesPredictionsAndEndsStreams(t *testing.T) {
	mux := access.NewMux()
	begun, finish := make(chan string), make(chan struct{})
	mux.Handle("POST /predict/churn", access.Predict, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun <- "a prediction"
		select {
		case <-finish:
			_, _ = io.WriteString(w, "answer")
		case <-r.Context().Done():
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	mux.Handle("GET /api/v1/runs/r/events", access.Read, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun <- "a stream"
		<-r.Context().Done()
		close(finish)
		_, _ = io.WriteString(w, "bye")
	}))
	f := newFront(Config{Log: slog.New(slog.DiscardHandler)}, access.Config{Tokens: nobody{}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.answer(l, doorOf(l), mux)
	answers := make(chan string, 2)
	for method, path := range map[string]string{http.MethodPost: "/predict/churn", http.MethodGet: "/api/v1/runs/r/events"} {
		go func() { answers <- ask(method, "http://"+l.Addr().String()+path) }()
		<-begun
	}
	if err := f.drain(0); err != nil {
		t.Error(err)
	}
	got := map[string]bool{<-answers: true, <-answers: true}
	if !got["200 answer"] || !got["200 bye"] {
		t.Errorf("answered with %v", got)
	}
}

// ask returns the status and body of an answer.
func ask(method, url string) string {
	request, err := http.NewRequest(method, url, nil)
	if err != nil {
		return err.Error()
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err.Error()
	}
	body, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return err.Error()
	}
	return strconv.Itoa(answer.StatusCode) + " " + string(body)
}

// nobody has a token.
type nobody struct{}

func (nobody) Verify(string) (bakeoff.Token, bool) { return bakeoff.Token{}, false }

// TestDrainDoesNotWaitForModels drains a server with a request that waits for models which are never
// loaded.
func TestDrainDoesNotWaitForModels(t *testing.T) {
	f := newFront(Config{Log: slog.New(slog.DiscardHandler)}, access.Config{Tokens: nobody{}})
	live := predict.New(nil, "node", slog.New(slog.DiscardHandler))
	begun := make(chan struct{})
	loading := f.afterStart(live, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	mux := access.NewMux()
	mux.Handle("POST /predict/churn", access.Predict, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		loading.ServeHTTP(w, r)
	}))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.answer(l, doorOf(l), mux)
	answer := make(chan string, 1)
	go func() { answer <- ask(http.MethodPost, "http://"+l.Addr().String()+"/predict/churn") }()
	<-begun
	if err := f.drain(0); err != nil {
		t.Error(err)
	}
	if got := <-answer; got != "503 " {
		t.Errorf("answered with %q", got)
	}
}
