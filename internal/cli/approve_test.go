package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
)

// TestRejectOfWhatWaitsSinceAMoment is against a node in which a promotion begins to wait between the look
// at what waits and the word on it.
func TestRejectOfWhatWaitsSinceAMoment(t *testing.T) {
	churn := bakeoff.Model{Name: "churn"}
	answers := map[string]any{
		"GET /api/v1/pipelines/churn":      client.Pipeline{Name: "churn"},
		"GET /api/v1/pipelines":            []client.Pipeline{{Name: "churn"}},
		"GET /api/v1/models/churn":         client.ModelVersions{Model: churn},
		"POST /api/v1/models/churn/reject": churn,
	}
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.Method+" "+r.URL.Path]
		if !ok {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	defer node.Close()
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	s := &shell{stdout: out, stderr: out, getenv: func(string) string { return "" }}
	code := s.main(t.Context(), []string{"reject", "churn", "--reason", "not yet", "--server", node.URL})
	text, err := os.ReadFile(out.Name())
	if want := "what waited is rejected: churn has no champion yet\n"; err != nil || code != exitOK || string(text) != want {
		t.Errorf("exit code %d, %v: %s", code, err, text)
	}
}
