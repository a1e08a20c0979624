package app

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/access"
)

// oneKey is a node with a token that may do what is of no use here.
type oneKey struct{}

func (oneKey) Verify(secret string) (bakeoff.Token, bool) {
	return bakeoff.Token{Name: "w", Scope: bakeoff.ScopeWork}, secret == "w"
}

// TestRefusalsInEachProtocol asks for predictions from elsewhere without the right: clients of each
// protocol understand the answer, and whoever looks whether the process is up needs none.
func TestRefusalsInEachProtocol(t *testing.T) {
	mux := access.NewMux()
	routePredictions(mux, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	guard := access.NewGuard(access.Config{Tokens: oneKey{}})
	network, local := guard.Protect(access.Network, mux), guard.Protect(access.Loopback, mux)
	ask := func(h http.Handler, path, token string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "http://models.example"+path, strings.NewReader("{}"))
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for _, path := range []string{"/v2/health/live", "/v2/health/ready", "/ping", "/health"} {
		if got := ask(network, path, "").Code; got != http.StatusOK {
			t.Errorf("%s without a token: status %d, want 200", path, got)
		}
	}
	type said struct {
		Error   string
		Code    string `json:"error_code"`
		Message string
	}
	check := func(path string, w *httptest.ResponseRecorder, status int, mlflow string) {
		t.Helper()
		var got said
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Errorf("%s: %v: %s", path, err, w.Body)
		}
		if w.Code != status || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: status %d, Content-Type %q, want %d", path, w.Code, w.Header().Get("Content-Type"), status)
		}
		if strings.HasPrefix(path, "/predict") || strings.HasPrefix(path, "/v2") {
			mlflow = ""
		}
		if got.Code != mlflow || (got.Message == "") != (mlflow == "") || (got.Error == "") == (mlflow == "") {
			t.Errorf("%s: the answer is %s", path, w.Body)
		}
	}
	paths := []string{"/predict/churn", "/v2", "/v2/models/churn/infer", "/invocations", "/serving-endpoints/churn/invocations", "/version"}
	for _, path := range paths {
		w := ask(network, path, "")
		check(path, w, http.StatusUnauthorized, "UNAUTHENTICATED")
		if w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%s does not say that it wants a token", path)
		}
		check(path, ask(network, path, "w"), http.StatusForbidden, "PERMISSION_DENIED")
		check(path, ask(local, path, ""), http.StatusForbidden, "PERMISSION_DENIED") // by a name that is not this machine's
	}
	for range 20 {
		ask(network, "/version", "wrong")
	}
	for _, path := range paths {
		w := ask(network, path, "wrong")
		check(path, w, http.StatusTooManyRequests, "REQUEST_LIMIT_EXCEEDED")
		if w.Header().Get("Retry-After") != "60" {
			t.Errorf("%s: Retry-After is %q", path, w.Header().Get("Retry-After"))
		}
	}
}
