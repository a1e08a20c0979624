package access_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/bakeoffhq/bakeoff/internal/access"
)

// BenchmarkGuard is what every prediction pays for being guarded and routed.
func BenchmarkGuard(b *testing.B) {
	mux := access.NewMux()
	mux.Handle("POST /predict/{name}", access.Predict, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	h := access.NewGuard(access.Config{Tokens: known, Log: slog.New(slog.DiscardHandler)}).Protect(access.Loopback, mux)
	r := httptest.NewRequest(http.MethodPost, "http://localhost:7700/predict/churn", nil)
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}
