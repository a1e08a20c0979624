package access_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/access"
)

// keys are the tokens of a node, by their secrets.
type keys map[string]bakeoff.Scope

func (k keys) Verify(secret string) (bakeoff.Token, bool) {
	scope, ok := k[secret]
	return bakeoff.Token{Name: "of-" + string(scope), Scope: scope}, ok
}

var known = keys{"p": bakeoff.ScopePredict, "r": bakeoff.ScopeRead, "a": bakeoff.ScopeAdmin, "w": bakeoff.ScopeWork}

// guarded returns a node's handler behind a door: a route for each need, which answers with its caller.
func guarded(door access.Door) http.Handler {
	mux := access.NewMux()
	for _, need := range access.Needs() {
		mux.Handle("/"+string(need), need, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%+v", access.CallerOf(r.Context()))
		}))
	}
	guard := access.NewGuard(access.Config{Tokens: known, Hosts: []string{"models.example"}, Log: slog.New(slog.DiscardHandler)})
	return guard.Protect(door, mux)
}

// ask makes a request; edit may change it.
func ask(h http.Handler, method, path string, edit func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://localhost:7700"+path, nil)
	if edit != nil {
		edit(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func TestWhoMayWhat(t *testing.T) {
	const yes, unknown, less = 200, 401, 403
	for _, c := range []struct {
		name string
		door access.Door
		edit func(*http.Request)
		want [5]int // of the needs, in their order
	}{
		{"network, nobody", access.Network, nil, [5]int{yes, unknown, unknown, unknown, unknown}},
		{"network, predict", access.Network, header("Authorization", "Bearer p"), [5]int{yes, yes, less, less, less}},
		{"network, read", access.Network, header("authorization", "bearer r"), [5]int{yes, yes, yes, less, less}},
		{"network, admin", access.Network, header("Bakeoff-Token", "a"), [5]int{yes, yes, yes, yes, less}},
		{"network, work", access.Network, header("Bakeoff-Token", "w"), [5]int{yes, less, less, less, less}},
		{"network, wrong", access.Network, header("Bakeoff-Token", "x"), [5]int{yes, unknown, unknown, unknown, unknown}},
		{"network, no secret", access.Network, header("Authorization", "Bearer"), [5]int{yes, unknown, unknown, unknown, unknown}},
		{"network, says who it is", access.Network, header(client.HeaderBy, "root"), [5]int{yes, unknown, unknown, unknown, unknown}},
		{"loopback, nobody", access.Loopback, nil, [5]int{yes, yes, yes, yes, less}},
		{"loopback, read", access.Loopback, header("Bakeoff-Token", "r"), [5]int{yes, yes, yes, less, less}},
		{"loopback, wrong", access.Loopback, header("Bakeoff-Token", "x"), [5]int{yes, unknown, unknown, unknown, unknown}},
		{"loopback, password for a proxy", access.Loopback, header("Authorization", "Basic eDp5"), [5]int{yes, yes, yes, yes, less}},
		{"loopback, from a proxy", access.Loopback, header("X-Forwarded-For", "192.0.2.7"), [5]int{yes, unknown, unknown, unknown, unknown}},
		{"socket, nobody", access.Socket, nil, [5]int{yes, yes, yes, yes, yes}},
		{"socket, wrong", access.Socket, header("Bakeoff-Token", "x"), [5]int{yes, yes, yes, yes, yes}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := guarded(c.door)
			for i, need := range access.Needs() {
				w := ask(h, http.MethodGet, "/"+string(need), c.edit)
				if w.Code != c.want[i] {
					t.Errorf("%s: status %d, want %d", need, w.Code, c.want[i])
				}
				if got := w.Header().Get("WWW-Authenticate") != ""; got != (c.want[i] == unknown) {
					t.Errorf("%s: asks for a token: %v", need, got)
				}
			}
		})
	}
}

func TestCallerHasAName(t *testing.T) {
	for _, c := range []struct {
		door access.Door
		edit func(*http.Request)
		want string
	}{
		{access.Network, func(r *http.Request) { r.Header.Set("Bakeoff-Token", "a"); r.Header.Set(client.HeaderBy, "root") }, "{Name:of-admin Scope:admin Local:false}"},
		{access.Socket, header(client.HeaderBy, "김하나"), "{Name:김하나 Scope:admin Local:true}"},
		{access.Socket, nil, "{Name:somebody on this machine Scope:admin Local:true}"},
		{access.Loopback, header(client.HeaderBy, "kim\x1b[2J"), "{Name:kim Scope:admin Local:false}"},
		{access.Loopback, header(client.HeaderBy, strings.Repeat("김", 1000)), "{Name:" + strings.Repeat("김", 21) + " Scope:admin Local:false}"},
	} {
		if got := ask(guarded(c.door), http.MethodGet, "/admin", c.edit).Body.String(); got != c.want {
			t.Errorf("the caller is %s, want %s", got, c.want)
		}
	}
}

// TestRebinding has pages ask a node on loopback by names that were made to point there.
func TestRebinding(t *testing.T) {
	for host, want := range map[string]int{
		"localhost": 200, "LocalHost:7700": 200, "localhost.:1": 200, "127.0.0.1:7700": 200, "127.8.9.1": 200, "[::1]:7700": 200, "[::ffff:127.0.0.1]": 200,
		"models.example": 200, "MODELS.example:7700": 200,
		"evil.example": 403, "evil.example:7700": 403, "localhost.evil.example": 403, "0.0.0.0:7700": 403, "192.0.2.1": 403, "[::]:7700": 403, "": 403,
		"127.0.0.1.evil.example": 403, "\x1b[2J": 403,
	} {
		edit := func(r *http.Request) { r.Host = host }
		if got := ask(guarded(access.Loopback), http.MethodGet, "/read", edit).Code; got != want {
			t.Errorf("host %q: status %d, want %d", host, got, want)
		}
		if got := ask(guarded(access.Loopback), http.MethodGet, "/public", edit).Code; got != want {
			t.Errorf("host %q, a public route: status %d, want %d", host, got, want)
		}
		if got := ask(guarded(access.Socket), http.MethodGet, "/read", edit).Code; got != 200 {
			t.Errorf("host %q, through the socket: status %d", host, got)
		}
	}
}

func TestOtherSitesMayNotAct(t *testing.T) {
	for _, c := range []struct {
		name, method string
		headers      map[string]string
		want         int
	}{
		{"a form of another site", http.MethodPost, map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403},
		{"another port of this machine", http.MethodPost, map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:8000"}, 403},
		{"an old browser", http.MethodPost, map[string]string{"Origin": "https://evil.example"}, 403},
		{"a sandboxed frame", http.MethodPost, map[string]string{"Origin": "null"}, 403},
		{"our own page", http.MethodPost, map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:7700"}, 200},
		{"no browser", http.MethodPost, nil, 200},
		{"a link", http.MethodGet, map[string]string{"Sec-Fetch-Site": "cross-site"}, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := ask(guarded(access.Loopback), c.method, "/admin", func(r *http.Request) {
				for k, v := range c.headers {
					r.Header.Set(k, v)
				}
			})
			if w.Code != c.want {
				t.Errorf("status %d, want %d", w.Code, c.want)
			}
		})
	}
}

// from makes a request with a token seem to come from an address.
func from(address, secret string) func(*http.Request) {
	return func(r *http.Request) {
		r.RemoteAddr = address
		r.Header.Set(client.HeaderToken, secret)
	}
}

func TestWrongTokensAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := guarded(access.Network)
		code := func(address, secret string) int { return ask(h, http.MethodGet, "/read", from(address, secret)).Code }
		for i := range 10 {
			if got := code("192.0.2.1:1", fmt.Sprint("guess", i)); got != 401 {
				t.Fatalf("wrong token %d: status %d, want 401", i+1, got)
			}
		}
		for _, c := range []struct {
			what, address, secret string
			want                  int
		}{
			{"an eleventh", "192.0.2.1:2", "guess", 429},
			{"the same address as IPv6 writes it", "[::ffff:192.0.2.1]:2", "guess", 429},
			{"a right one from there", "192.0.2.1:3", "r", 200},
			{"another address", "192.0.2.2:1", "guess", 401},
			{"no address", "@", "guess", 401},
		} {
			if got := code(c.address, c.secret); got != c.want {
				t.Errorf("%s: status %d, want %d", c.what, got, c.want)
			}
		}
		w := ask(h, http.MethodGet, "/read", from("192.0.2.1:2", "guess"))
		if got := w.Header().Get("Retry-After"); got != "60" {
			t.Errorf("Retry-After %q, want 60", got)
		}
		time.Sleep(time.Minute)
		if got := code("192.0.2.1:1", "guess"); got != 401 {
			t.Errorf("a minute later: status %d, want 401", got)
		}
	})
}

func TestOneCustomerOfIPv6IsOneAddress(t *testing.T) {
	h := guarded(access.Network)
	got := 0
	for i := range 11 {
		got = ask(h, http.MethodGet, "/read", from(fmt.Sprintf("[2001:db8:0:1::%x]:1", i), "guess")).Code
	}
	if got != 429 {
		t.Errorf("eleven addresses of one network: status %d, want 429", got)
	}
}

// TestManyAddresses has wrong tokens come from more addresses than are counted apart: those beyond are
// counted together, and the right token passes.
func TestManyAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := guarded(access.Network)
		last := 0
		for i := range 10_020 {
			last = ask(h, http.MethodGet, "/read", from(fmt.Sprintf("10.%d.%d.1:1", i/256, i%256), "guess")).Code
		}
		if last != 429 {
			t.Errorf("the last of very many addresses: status %d, want 429", last)
		}
		if got := ask(h, http.MethodGet, "/read", from("10.200.1.1:1", "r")).Code; got != 200 {
			t.Errorf("the right token: status %d, want 200", got)
		}
	})
}

func TestSecretsAreNotRepeated(t *testing.T) {
	var log strings.Builder
	mux := access.NewMux()
	mux.Handle("/read", access.Read, http.NotFoundHandler())
	guard := access.NewGuard(access.Config{Tokens: known, Log: slog.New(slog.NewTextHandler(&log, nil))})
	h := guard.Protect(access.Network, mux)
	for range 12 {
		w := ask(h, http.MethodGet, "/read", from("192.0.2.1:1", "bakeoff_canary"))
		if strings.Contains(w.Body.String(), "canary") {
			t.Fatalf("the answer repeats the token: %s", w.Body)
		}
	}
	if strings.Contains(log.String(), "canary") {
		t.Errorf("the log repeats the token: %s", log.String())
	}
	if got := strings.Count(log.String(), "refused a wrong token"); got != 2 {
		t.Errorf("twelve wrong tokens are %d lines of log, want 2:\n%s", got, log.String())
	}
}

func TestMuxAnswersInOneForm(t *testing.T) {
	mux := access.NewMux()
	mux.Handle("POST /act", access.Admin, http.NotFoundHandler())
	h := access.NewGuard(access.Config{Tokens: known}).Protect(access.Loopback, mux)
	for _, c := range []struct {
		method, path string
		status       int
		code         bakeoff.Code
		allow        string
	}{
		{http.MethodGet, "/nothing", 404, bakeoff.CodeNotFound, ""},
		{http.MethodGet, "/act", 405, bakeoff.CodeInvalid, "POST"},
		{"BREW", "/act", 405, bakeoff.CodeInvalid, "POST"},
	} {
		w := ask(h, c.method, c.path, nil)
		var body client.ErrorBody
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Errorf("%s %s: %v", c.method, c.path, err)
		}
		if w.Code != c.status || body.Error.Code != c.code || w.Header().Get("Allow") != c.allow {
			t.Errorf("%s %s: %d %s, allows %q", c.method, c.path, w.Code, body.Error.Code, w.Header().Get("Allow"))
		}
	}
}

// TestWithoutGuard reaches routes past the guard.
func TestWithoutGuard(t *testing.T) {
	mux := access.NewMux()
	for _, need := range access.Needs() {
		mux.Handle("/"+string(need), need, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Errorf("%s was let in", need) }))
	}
	for _, r := range mux.Routes() {
		if got := ask(mux, http.MethodGet, r.Pattern, nil).Code; got != 401 {
			t.Errorf("%s: status %d, want 401", r.Pattern, got)
		}
	}
}

func TestRouteWithoutNeed(t *testing.T) {
	for _, need := range []access.Need{"", "everything", "work"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a route that needs %q was registered", need)
				}
			}()
			access.NewMux().Handle("/x", need, http.NotFoundHandler())
		}()
	}
}

func TestCheckListen(t *testing.T) {
	for _, c := range []struct {
		exposure access.Exposure
		refused  string // a part of the message; "" for allowed
	}{
		{access.Exposure{Address: "127.0.0.1:7700"}, ""},
		{access.Exposure{Address: "localhost:7700"}, ""},
		{access.Exposure{Address: "[::1]:0"}, ""},
		{access.Exposure{Address: "0.0.0.0:7700"}, "no TLS certificate, so tokens and data could be read on their way, and there is no token"},
		{access.Exposure{Address: ":7700"}, "other machines can reach :7700"},
		{access.Exposure{Address: "[::]:7700", Tokens: true}, "no TLS certificate"},
		{access.Exposure{Address: "192.0.2.1:7700", TLS: true}, "there is no token"},
		{access.Exposure{Address: "models.example:7700", TLS: true}, "there is no token"},
		{access.Exposure{Address: "0.0.0.0:7700", TLS: true, Tokens: true}, ""},
		{access.Exposure{Address: "0.0.0.0:7700", Insecure: true}, ""},
		{access.Exposure{Address: "7700"}, "not an address"},
		{access.Exposure{Address: "7700", Insecure: true}, "not an address"},
	} {
		err := access.CheckListen(c.exposure)
		switch {
		case c.refused == "" && err != nil:
			t.Errorf("%+v: %v", c.exposure, err)
		case c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)):
			t.Errorf("%+v: %v, want %q", c.exposure, err, c.refused)
		case err != nil && (bakeoff.CodeOf(err) != bakeoff.CodeInvalid || bakeoff.HintOf(err) == ""):
			t.Errorf("%+v: code %s, hint %q", c.exposure, bakeoff.CodeOf(err), bakeoff.HintOf(err))
		}
	}
	for address, want := range map[string]access.Door{
		"127.0.0.1:1": access.Loopback, "LOCALHOST:1": access.Loopback, "[::1]:1": access.Loopback,
		":1": access.Network, "0.0.0.0:1": access.Network, "192.0.2.1:1": access.Network, "host.example:1": access.Network, "127.0.0.1": access.Network,
	} {
		if got := access.DoorOf(address); got != want {
			t.Errorf("DoorOf(%q) = %v, want %v", address, got, want)
		}
	}
}

// TestRefusedBody sends requests that are refused, and never all of their bodies.
func TestRefusedBody(t *testing.T) {
	server := httptest.NewServer(guarded(access.Network))
	defer server.Close()
	for _, path := range []string{"/admin", "/nothing"} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{", path)
		if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(conn)
		if err != nil || !strings.Contains(string(got), `{"error":`) {
			t.Errorf("%s: %q, %v", path, got, err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}
