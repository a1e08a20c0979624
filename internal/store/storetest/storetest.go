// Package storetest gives a test a store of its own on a real embedded server.
package storetest

import (
	"log/slog"
	"testing"

	"github.com/bakeoffhq/bakeoff/internal/natsd"
	"github.com/bakeoffhq/bakeoff/internal/store"
)

// Open starts a server in a temporary folder and opens a store on it; both end with the test.
func Open(t testing.TB) (*store.Store, *natsd.Server) {
	t.Helper()
	srv, err := natsd.Start(t.Context(), t.TempDir(), Log(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Stop(); err != nil {
			t.Error(err)
		}
	})
	s, err := store.Open(t.Context(), srv.Conn())
	if err != nil {
		t.Fatal(err)
	}
	return s, srv
}

// Log returns a logger that writes to the test's output.
func Log(t testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }
