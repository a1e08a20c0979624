package store_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/store/storetest"
)

// An object of many more chunks than may be on their way at once comes back whole, and what has no
// whole chunk at its end does too.
func TestALargeObjectComesBackWhole(t *testing.T) {
	s, _ := storetest.Open(t)
	path := filepath.Join(t.TempDir(), "in")
	content := make([]byte, 40<<20+12345)
	if _, err := rand.NewChaCha8([32]byte{1}).Read(content); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	digest := must(s.PutFile(t.Context(), path))(t)
	if want := bakeoff.DigestOf(content); digest != want {
		t.Errorf("digest %s, want %s", digest, want)
	}
	if err := s.Verify(t.Context(), digest); err != nil {
		t.Error(err)
	}
	if empty := must(s.PutBytes(t.Context(), nil))(t); len(must(s.GetBytes(t.Context(), empty))(t)) != 0 {
		t.Error("nothing came back as something")
	}
}
