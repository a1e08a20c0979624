package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/access"
	"github.com/bakeoffhq/bakeoff/internal/api"
)

func read(t *testing.T, response *http.Response) string {
	t.Helper()
	defer func() { _ = response.Body.Close() }()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestBadRequests(t *testing.T) {
	node := &fake{}
	url := serve(t, node, access.Socket, api.Options{}) + "/api/v1"
	const start, jsonType = "/pipelines/churn/runs", "application/json"
	for _, c := range []struct {
		name, method, path, kind, body string
		status                         int
		says                           string
	}{
		{"no JSON", "POST", start, "application/x-www-form-urlencoded", "quiet=true", 415, "must be JSON"},
		{"plain text", "POST", start, "text/plain", "{}", 415, "must be JSON"},
		{"no type", "POST", start, "", "{}", 415, "must be JSON"},
		{"another charset is JSON still", "POST", start, "application/json; charset=utf-8", "{}", 200, "churn-"},
		{"no body", "POST", start, jsonType, "", 400, "it is not JSON"},
		{"half a body", "POST", start, jsonType, `{"quiet":`, 400, "it is not JSON"},
		{"two bodies", "POST", start, jsonType, `{} {}`, 400, "something after its end"},
		{"a name twice", "POST", start, jsonType, `{"quiet":true,"quiet":false}`, 400, "a name twice"},
		{"deep", "POST", start, jsonType, strings.Repeat(`[`, 100), 400, "nested too deep"},
		{"a list", "POST", start, jsonType, `[]`, 400, "body: expected object"},
		{"nothing", "POST", start, jsonType, `null`, 400, "body: expected object"},
		{"an unknown name", "POST", start, jsonType, `{"canary-name":1}`, 400, "unexpected property"},
		{"another case", "POST", start, jsonType, `{"Quiet":true}`, 400, "unexpected property"},
		{"another type", "POST", start, jsonType, `{"quiet":"canary"}`, 400, "body.quiet: expected boolean"},
		{"a run of another pipeline", "POST", start, jsonType, `{"run":"other-20261123T200000000Z-0a1b"}`, 400, "body.run: expected an ID for a run of churn"},
		{"the run of a tick", "POST", start, jsonType, `{"run":"churn-20261123T200000Z"}`, 400, "body.run: expected an ID"},
		{"a long reason", "POST", "/pipelines/churn/pause", jsonType, `{"why":"` + strings.Repeat("x", 1001) + `"}`, 400, "body.why: expected length <= 1000"},
		{"a body where none is taken", "GET", "/runs", jsonType, "{}", 400, "takes no body"},
		{"a bad name", "GET", "/pipelines/Canary%2F", "", "", 400, "path.name: expected string to be a name"},
		{"a wildcard for a name", "GET", "/pipelines/%3E", "", "", 400, "path.name"},
		{"a path for a run", "GET", "/runs/..%2F..%2Fetc", "", "", 400, "path.run: expected string to be the ID of a run"},
		{"no limit", "GET", "/pipelines/churn/runs?limit=0", "", "", 400, "query.limit: expected number >= 1"},
		{"a large limit", "GET", "/runs?limit=1000000", "", "", 400, "query.limit: expected number <= 1000"},
		{"a limit that is none", "GET", "/runs?limit=canary", "", "", 400, "query.limit: invalid integer"},
		{"an unknown parameter", "GET", "/runs?opne=true", "", "", 400, "unknown query parameter"},
		{"neither version nor candidate", "POST", "/models/churn/promote", jsonType, `{}`, 400, "either version or candidate"},
		{"both", "POST", "/models/churn/promote", jsonType, `{"version":1,"candidate":"forest"}`, 400, "either version or candidate"},
		{"version 0", "POST", "/models/churn/promote", jsonType, `{"version":0}`, 400, "body.version: expected number >= 1"},
		{"a version of a run", "POST", "/models/churn/promote", jsonType, `{"version":1,"run":"x"}`, 400, "body.run"},
		{"force without a reason", "POST", "/models/churn/promote", jsonType, `{"candidate":"forest","force":true}`, 400, "body.why: say why it is forced"},
		{"a rejection without a reason", "POST", "/models/churn/reject", jsonType, `{}`, 400, "body.why: say why it is rejected"},
		{"a version in words", "POST", "/models/churn/rollback", jsonType, `{"to":"v16"}`, 400, "body.to: expected integer"},
		{"a bad token", "POST", "/tokens", jsonType, `{"name":"C I","scope":"read"}`, 400, "body.name"},
		{"an unknown scope", "POST", "/tokens", jsonType, `{"name":"ci","scope":"root"}`, 400, "body.scope: expected value to be one of"},
		{"queues of a reader", "POST", "/tokens", jsonType, `{"name":"ci","scope":"read","queues":["gpu"]}`, 400, "body.queues"},
		{"a relative path", "PUT", "/pipelines/churn", jsonType, `{"path":"canary.yaml","text":""}`, 400, "body.path: expected an absolute path"},
		{"a large body", "POST", start, jsonType, `{"run":"` + strings.Repeat("x", 70_000) + `"}`, 413, "more than 65536 bytes"},
		{"a bad Last-Event-ID", "GET", "/runs/" + run + "/events?after=1", "", "", 400, "unknown query parameter"},
		{"an unknown candidate", "GET", "/runs/" + run + "/logs?candidate=oak", "", "", 404, `no candidate \"oak\", but forest`},
	} {
		t.Run(c.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), c.method, url+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if c.kind != "" {
				request.Header.Set("Content-Type", c.kind)
			}
			node.asked()
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			got := read(t, response)
			if response.StatusCode != c.status || !strings.Contains(got, c.says) {
				t.Errorf("%d %s, want %d and %q", response.StatusCode, got, c.status, c.says)
			}
			if strings.Contains(got, "canary") && c.name != "an unknown name" { // which names of fields are not
				t.Errorf("the answer repeats what was sent: %s", got)
			}
			for _, call := range node.asked() {
				if c.status >= 400 && !strings.HasPrefix(call, "Run ") {
					t.Errorf("the node was asked all the same: %s", call)
				}
			}
		})
	}
}

// zeros is a body that never ends.
type zeros struct{ sent atomic.Int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.sent.Add(int64(len(p))) > 1<<30 {
		return 0, errors.New("a gigabyte was read")
	}
	return len(p), nil
}

func TestHugeBody(t *testing.T) {
	url := serve(t, &fake{}, access.Loopback, api.Options{})
	z := &zeros{}
	response, err := http.Post(url+"/api/v1/gc", "application/json", z)
	if err == nil {
		if got := read(t, response); response.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%d %s, want 413", response.StatusCode, got)
		}
	}
	if sent := z.sent.Load(); sent > 64<<20 {
		t.Errorf("%d bytes were taken", sent)
	}
}

// TestSlowBody sends half a body, and waits.
func TestSlowBody(t *testing.T) {
	url := serve(t, &fake{}, access.Loopback, api.Options{BodyTime: 20 * time.Millisecond})
	for head, want := range map[string]string{
		"POST /api/v1/gc HTTP/1.1\r\nContent-Type: application/json": "408 Request Timeout",
		"POST /api/v1/gc HTTP/1.1\r\nContent-Type: text/plain":       "415 Unsupported Media Type",
		"GET /api/v1/runs/" + run + "/events HTTP/1.1":               "400 Bad Request",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "%s\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{", head)
		got, err := io.ReadAll(conn)
		if err != nil || !strings.Contains(string(got), want) {
			t.Errorf("%v, %q, want %s", err, got, want)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestLongAct has an act take longer than its request's body might.
func TestLongAct(t *testing.T) {
	const bodyTime = 20 * time.Millisecond
	node := &fake{hold: func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(5 * bodyTime):
			return nil
		}
	}}
	c, err := client.New(client.Options{BaseURL: serve(t, node, access.Loopback, api.Options{BodyTime: bodyTime})})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Promote(t.Context(), "churn", client.Promotion{Version: 3}); err != nil {
		t.Error(err)
	}
}

// TestFaultsOfOurs are told to those who may do everything, and to nobody else.
func TestFaultsOfOurs(t *testing.T) {
	node := &fake{err: errBroken}
	for token, want := range map[string]string{"admin": errBroken.Error(), "read": "a fault of the node"} {
		c := dial(t, node, access.Network, client.Options{Token: token})
		if _, err := c.Node(t.Context()); bakeoff.CodeOf(err) != bakeoff.CodeInternal || err.Error() != want {
			t.Errorf("%s is told %v (%s), want %q", token, err, bakeoff.CodeOf(err), want)
		}
	}
}

// TestHalfABackup breaks a backup off when part of it is under way.
func TestHalfABackup(t *testing.T) {
	node := &fake{backup: func(w io.Writer) error {
		_, err := w.Write(make([]byte, 1<<20))
		return errors.Join(err, errBroken)
	}}
	c := dial(t, node, access.Socket, client.Options{})
	if err := c.Backup(t.Context(), io.Discard); bakeoff.CodeOf(err) != bakeoff.CodeUnavailable {
		t.Errorf("half a backup: %v", err)
	}
	full := dial(t, &fake{}, access.Socket, client.Options{})
	if err := full.Backup(t.Context(), fullDisk{}); err == nil || err.Error() != "write the backup: no space left" {
		t.Errorf("a full disk: %v", err)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// FuzzBody sends any body: the node is asked only for JSON, and nothing is a fault of ours.
func FuzzBody(f *testing.F) {
	for _, s := range []string{`{}`, `{"dry_run":true,"days":3}`, `{"days":1e3}`, `{"days":-1}`, `[`, `{"a":{"a":[1,"x",null]}}`, "\xff", `{"days":99999999999999999999}`} {
		f.Add([]byte(s))
	}
	node := &fake{}
	mux := access.NewMux()
	api.Register(mux, node, api.Options{})
	h := access.NewGuard(access.Config{Tokens: keys{}}).Protect(access.Socket, mux)
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/api/v1/gc", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		asked := len(node.asked()) > 0
		if w.Code >= 500 || asked != (w.Code == 200) || asked && !json.Valid(body) {
			t.Errorf("%q: status %d, the node was asked: %v\n%s", body, w.Code, asked, w.Body)
		}
	})
}
