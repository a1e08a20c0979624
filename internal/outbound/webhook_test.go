package outbound_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/outbound"
)

// The expected value is that of openssl: printf '1795000000.{"id":"x"}' | openssl dgst -sha256 -hmac key
func TestSign(t *testing.T) {
	const want = "v1=8e7d8848b973d0f671dba0ccf157cc221d52616317a83dbf104a1da75a5bb999"
	if got := outbound.Sign("key", "1795000000", []byte(`{"id":"x"}`)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSendJudgesTheAnswer(t *testing.T) {
	for status, want := range map[int]string{
		200: bakeoff.DeliverySent, 201: bakeoff.DeliverySent, 204: bakeoff.DeliverySent,
		301: bakeoff.DeliveryRefused, 400: bakeoff.DeliveryRefused, 401: bakeoff.DeliveryRefused, 404: bakeoff.DeliveryRefused,
		410: bakeoff.DeliveryRefused, 422: bakeoff.DeliveryRefused,
		408: bakeoff.DeliveryRetrying, 425: bakeoff.DeliveryRetrying, 429: bakeoff.DeliveryRetrying,
		500: bakeoff.DeliveryRetrying, 502: bakeoff.DeliveryRetrying, 503: bakeoff.DeliveryRetrying,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		}))
		o := outbound.NewClient().Send(t.Context(), outbound.Webhook{URL: server.URL + "/secret", AllowPrivate: true, ID: "x", Timeout: time.Second})
		server.Close()
		if o.State != want || (o.Wait == 7*time.Second) != (want == bakeoff.DeliveryRetrying) || strings.Contains(o.Detail, "secret/") {
			t.Errorf("%d: %+v, want %s", status, o, want)
		}
	}
}

func TestSendHasNoSignatureWithoutASecret(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		at, err := strconv.ParseInt(r.Header.Get("Bakeoff-Timestamp"), 10, 64)
		if _, signed := r.Header["Bakeoff-Signature"]; signed || err != nil || time.Since(time.Unix(at, 0)) > time.Minute {
			t.Errorf("header %v", r.Header)
		}
	}))
	defer server.Close()
	outbound.NewClient().Send(t.Context(), outbound.Webhook{URL: server.URL, AllowPrivate: true, ID: "x", Timeout: time.Second})
}

func TestRetryAfter(t *testing.T) {
	soon := time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat)
	for text, want := range map[string][2]time.Duration{
		"": {}, "12": {12 * time.Second, 12 * time.Second}, "-4": {}, "1e9": {}, "99999999": {time.Hour, time.Hour},
		soon: {80 * time.Second, 90 * time.Second}, "Mon, 02 Jan 2006 15:04:05 GMT": {}, "soon": {},
		"99999999999999999999": {},
	} {
		got := outbound.RetryAfter(http.Header{"Retry-After": {text}})
		if got < want[0] || got > want[1] {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func FuzzCheckURL(f *testing.F) {
	for _, url := range []string{"https://hooks.slack.com/services/T0/B0/secret", "http://127.0.0.1", "https://user:secret@[::1", "https://0x7f.1", "\x7f"} {
		f.Add(url, true)
		f.Add(url, false)
	}
	f.Fuzz(func(t *testing.T, url string, private bool) {
		fault, fix := outbound.CheckURL(url, private)
		if (fault == "") != (fix == "") || len(fault)+len(fix) > 300 {
			t.Errorf("%q, %q", fault, fix)
		}
		if fault == "" && !private && !strings.HasPrefix(strings.ToLower(url), "https:") {
			t.Errorf("%q was let pass", url)
		}
	})
}
