package api_test

import (
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/access"
	"github.com/bakeoffhq/bakeoff/internal/api"
)

var update = flag.Bool("update", false, "write golden files anew")

var wildcard = regexp.MustCompile(`\{[a-z]+\}`)

// TestEveryRouteIsGuarded walks the router itself: what it registers, this asks for with no token and
// with tokens of every scope.
func TestEveryRouteIsGuarded(t *testing.T) {
	mux := access.NewMux()
	api.Register(mux, &fake{}, api.Options{})
	h := access.NewGuard(access.Config{Tokens: keys{}}).Protect(access.Network, mux)
	routes := mux.Routes()
	if len(routes) < 30 {
		t.Errorf("only %d routes", len(routes))
	}
	for _, route := range routes {
		t.Run(strings.ReplaceAll(route.Pattern, "/", "."), func(t *testing.T) {
			if route.Need == access.Public {
				t.Errorf("nothing of the API is public")
			}
			method, path, _ := strings.Cut(wildcard.ReplaceAllString(route.Pattern, "churn"), " ")
			if got := status(h, method, path, ""); got != http.StatusUnauthorized {
				t.Errorf("without a token: status %d, want 401", got)
			}
			if got := status(h, method, path, "stolen"); got != http.StatusUnauthorized && got != http.StatusTooManyRequests {
				t.Errorf("with a wrong token: status %d, want 401", got)
			}
			for _, scope := range scopes {
				got := status(h, method, path, string(scope))
				refused := got == http.StatusForbidden
				if want := !scope.Allows(bakeoff.Scope(route.Need)); refused != want {
					t.Errorf("with the scope %s: status %d, refused %v, want %v", scope, got, refused, want)
				}
			}
			if method != http.MethodGet && route.Need != access.Admin && route.Need != access.Local {
				t.Errorf("it acts, and needs only %s", route.Need)
			}
		})
	}
}

func status(h http.Handler, method, path, token string) int {
	r := httptest.NewRequest(method, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// TestDocument compares the OpenAPI document with the one that is published, and with the routes.
func TestDocument(t *testing.T) {
	url := serve(t, &fake{}, access.Loopback, api.Options{})
	got := body(t, url+"/api/v1/openapi.json") + "\n"
	golden := filepath.Join("..", "..", "docs", "openapi.json")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("docs/openapi.json (-want +got); `go test ./internal/api -update` writes it:\n%s", diff)
	}
	var doc struct {
		OpenAPI string                    `json:"openapi"`
		Paths   map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal([]byte(got), &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("OpenAPI %s, want 3.1", doc.OpenAPI)
	}
	mux := access.NewMux()
	api.Register(mux, &fake{}, api.Options{})
	for _, r := range mux.Routes() {
		method, path, _ := strings.Cut(r.Pattern, " ")
		if _, ok := doc.Paths[path][strings.ToLower(method)]; !ok && !strings.Contains(path, "/openapi.") {
			t.Errorf("%s is not in the document", r.Pattern)
		}
	}
	if yaml := body(t, url+"/api/v1/openapi.yaml"); !strings.Contains(yaml, "openapi: 3.1") {
		t.Errorf("the YAML begins with %.100s", yaml)
	}
	if strings.Contains(got, "$schema") {
		t.Error("the document speaks of $schema, which answers do not have")
	}
}

func body(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, response)
}

// TestEmptyListsAreLists asks for everything of a node that has nothing.
func TestEmptyListsAreLists(t *testing.T) {
	url := serve(t, &fake{silent: true}, access.Loopback, api.Options{})
	for _, path := range []string{
		"/node", "/pipelines", "/pipelines/churn/runs", "/pipelines/churn/ticks", "/runs", "/models", "/models/churn", "/models/churn/acts", "/schedule",
		"/workers", "/serving", "/notifications", "/tokens", "/doctor", "/pipelines/churn/replay?set=gate.gain=any",
	} {
		if got := body(t, url+"/api/v1"+path); strings.Contains(got, "null") || !strings.Contains(got, "[]") {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// TestOpenRun asks for a run that has no verdict yet, in the shape of those that have.
func TestOpenRun(t *testing.T) {
	got := body(t, serve(t, &fake{}, access.Loopback, api.Options{})+"/api/v1/runs/"+run)
	for _, want := range []string{`"run":"` + run + `"`, `"verdict":""`, `"phase":"build"`, `"leaderboard":[{"rank":1,"candidate":"forest"`, `"rank":null`} {
		if !strings.Contains(got, want) {
			t.Errorf("the answer lacks %s: %s", want, got)
		}
	}
	if strings.Contains(got, `"ended"`) {
		t.Errorf("the run has ended: %s", got)
	}
}

// TestTokensAct has the record say whose token it was, and that a program asked.
func TestTokensAct(t *testing.T) {
	node := &fake{}
	c := dial(t, node, access.Network, client.Options{Token: "admin", By: "root"})
	if _, err := c.StartRun(t.Context(), "churn", client.RunRequest{Run: "churn-20261123T200000000Z-0a1b"}); err != nil {
		t.Fatal(err)
	}
	want := []string{"StartRun churn {Run:churn-20261123T200000000Z-0a1b Quiet:false Trigger:api By:the-admin}"}
	if diff := cmp.Diff(want, node.asked()); diff != "" {
		t.Errorf("the node was asked (-want +got):\n%s", diff)
	}
	_, err := c.Apply(t.Context(), "churn", client.PipelineText{Path: "/srv/churn.yaml"})
	if bakeoff.CodeOf(err) != bakeoff.CodeForbidden || len(node.asked()) > 0 {
		t.Errorf("a pipeline file from another machine: %v", err)
	}
}

// TestReportPage asks for a page, and for one that cannot be made.
func TestReportPage(t *testing.T) {
	node := &fake{}
	url := serve(t, node, access.Loopback, api.Options{}) + "/api/v1/runs/" + run + "/report"
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, response); got != "<!DOCTYPE html>" {
		t.Errorf("the page is %q", got)
	}
	h := response.Header
	if got := h.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("it is of the type %q", got)
	}
	policy := h.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "style-src 'sha256-", "frame-ancestors 'none'", "sandbox"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %q lacks %s", policy, want)
		}
	}
	if strings.Contains(policy, "script") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy %q lets scripts run", policy)
	}
	node.err = bakeoff.Errorf(bakeoff.CodeConflict, "run %s has not ended", run)
	if response, err = http.Get(url); err != nil {
		t.Fatal(err)
	}
	got := read(t, response)
	if response.StatusCode != http.StatusConflict || !strings.Contains(got, "has not ended") || response.Header.Get("Content-Type") != "application/json" {
		t.Errorf("of an open run: %s, %s", response.Status, got)
	}
}
