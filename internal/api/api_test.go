package api_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/access"
	"github.com/bakeoffhq/bakeoff/internal/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var scopes = []bakeoff.Scope{bakeoff.ScopePredict, bakeoff.ScopeRead, bakeoff.ScopeAdmin, bakeoff.ScopeWork}

// keys are tokens whose secrets are the names of their scopes.
type keys struct{}

func (keys) Verify(secret string) (bakeoff.Token, bool) {
	return bakeoff.Token{Name: "the-" + secret, Scope: bakeoff.Scope(secret)}, slices.Contains(scopes, bakeoff.Scope(secret))
}

// serve serves a node behind a door, and returns its URL.
func serve(t *testing.T, node api.Node, door access.Door, o api.Options) string {
	t.Helper()
	mux := access.NewMux()
	api.Register(mux, node, o)
	guard := access.NewGuard(access.Config{Tokens: keys{}})
	server := httptest.NewServer(guard.Protect(door, mux))
	t.Cleanup(server.Close)
	return server.URL
}

// dial returns a client of a node behind a door.
func dial(t *testing.T, node api.Node, door access.Door, o client.Options) *client.Client {
	t.Helper()
	o.BaseURL = serve(t, node, door, api.Options{})
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// calls has every method of the client that is not a stream, what the node must be asked, and what the
// client must return.
var calls = map[string]struct {
	do   func(context.Context, *client.Client) (any, error)
	asks string
	want any // of a node that is fake; nil where nothing is returned
}{
	"Node": {func(ctx context.Context, c *client.Client) (any, error) { return c.Node(ctx) }, "About", first((&fake{}).About(bg))},
	"Pipelines": {
		func(ctx context.Context, c *client.Client) (any, error) { return c.Pipelines(ctx) }, "Pipelines",
		[]client.Pipeline{(&fake{}).pipeline()},
	},
	"Pipeline": {
		func(ctx context.Context, c *client.Client) (any, error) { return c.Pipeline(ctx, "churn") },
		"Pipeline churn", (&fake{}).pipeline(),
	},
	"Apply": {
		func(ctx context.Context, c *client.Client) (any, error) {
			return c.Apply(ctx, "churn", client.PipelineText{Path: "/srv/churn.yaml", Text: "name: churn"})
		},
		"Apply churn {Path:/srv/churn.yaml Text:name: churn} by kim", (&fake{}).pipeline(),
	},
	"Remove": {
		func(ctx context.Context, c *client.Client) (any, error) { return c.Remove(ctx, "churn", false) },
		"Remove churn false {By:kim Why:}", first((&fake{}).Remove(bg, "churn", false, api.Act{By: "kim"})),
	},
	"Remove with its model": {
		func(ctx context.Context, c *client.Client) (any, error) { return c.Remove(ctx, "churn", true) },
		"Remove churn true {By:kim Why:}", first((&fake{}).Remove(bg, "churn", true, api.Act{By: "kim"})),
	},
	"StartRun": {
		func(ctx context.Context, c *client.Client) (any, error) {
			return c.StartRun(ctx, "churn", client.RunRequest{Run: "churn-20261123T200000000Z-0a1b", Quiet: true})
		},
		"StartRun churn {Run:churn-20261123T200000000Z-0a1b Quiet:true Trigger:person By:kim}", "churn-20261123T200000000Z-0a1b",
	},
	"History": {
		func(ctx context.Context, c *client.Client) (any, error) { return c.History(ctx, "churn", 0) },
		"History churn 100",
		[]client.RunReport{report()},
	},
	"Ticks": {
		func(ctx context.Context, c *client.Client) (any, error) { return c.Ticks(ctx, "churn", 7) },
		"Ticks churn 7", first((&fake{}).Ticks(bg, "churn", 7)),
	},
	"Pause": {
		func(ctx context.Context, c *client.Client) (any, error) { return c.Pause(ctx, "churn", "holiday") },
		"Pause churn {By:kim Why:holiday}",
		bakeoff.Pause{Pipeline: "churn", By: "kim", Why: "holiday", Since: moment},
	},
	"Resume": {
		func(ctx context.Context, c *client.Client) (any, error) { return c.Resume(ctx, "churn") },
		"Resume churn {By:kim Why:}", first((&fake{}).Resume(bg, "churn", api.Act{})),
	},
	"Schedule": {
		func(ctx context.Context, c *client.Client) (any, error) { return c.Schedule(ctx, "churn", 5) },
		`Upcoming "churn" 5`, first((&fake{}).Upcoming(bg, "", 0)),
	},
	"Schedule of all": {
		func(ctx context.Context, c *client.Client) (any, error) { return c.Schedule(ctx, "", 0) },
		`Upcoming "" 10`, first((&fake{}).Upcoming(bg, "", 0)),
	},
	"Run": {func(ctx context.Context, c *client.Client) (any, error) { return c.Run(ctx, run) }, "Run " + run, report()},
	"Runs": {
		func(ctx context.Context, c *client.Client) (any, error) {
			return c.Runs(ctx, client.RunQuery{Open: true, Limit: 3})
		},
		"Runs {Open:true Limit:3}",
		[]client.RunReport{report()},
	},
	"Cancel": {
		func(ctx context.Context, c *client.Client) (any, error) { return nil, c.Cancel(ctx, run, "wrong data") },
		"CancelRun " + run + " {By:kim Why:wrong data}", nil,
	},
	"Models": {
		func(ctx context.Context, c *client.Client) (any, error) { return c.Models(ctx) }, "Models", []bakeoff.Model{model()},
	},
	"Model": {
		func(ctx context.Context, c *client.Client) (any, error) { return c.Model(ctx, "churn") },
		"Model churn", first((&fake{}).Model(bg, "churn")),
	},
	"Promote": {
		func(ctx context.Context, c *client.Client) (any, error) {
			return c.Promote(ctx, "churn", client.Promotion{Candidate: "forest", Run: run, Why: "better", Hold: true, Quiet: true})
		},
		"Promote churn {Version:0 Candidate:forest Run:" + run + " Why:better Hold:true Force:false Quiet:true} {By:kim Why:better}", model(),
	},
	"Promote by force": {
		func(ctx context.Context, c *client.Client) (any, error) {
			return c.Promote(ctx, "churn", client.Promotion{Candidate: "forest", Why: "the old one is broken", Force: true})
		},
		"Promote churn {Version:0 Candidate:forest Run: Why:the old one is broken Hold:false Force:true Quiet:false} {By:kim Why:the old one is broken}", model(),
	},
	"Approve": {
		func(ctx context.Context, c *client.Client) (any, error) {
			return c.Approve(ctx, "churn", client.Answer{Run: run})
		},
		"Approve churn {Run:" + run + " Why:} {By:kim Why:}", model(),
	},
	"Reject": {
		func(ctx context.Context, c *client.Client) (any, error) {
			return c.Reject(ctx, "churn", client.Answer{Why: "odd scores"})
		},
		"Reject churn {Run: Why:odd scores} {By:kim Why:odd scores}", model(),
	},
	"Acts": {func(ctx context.Context, c *client.Client) (any, error) { return c.Acts(ctx, "churn", 7) }, "Acts churn 7", first((&fake{}).Acts(bg, "churn", 0))},
	"Rollback": {
		func(ctx context.Context, c *client.Client) (any, error) {
			return c.Rollback(ctx, "churn", client.Rollback{To: 16, NoHold: true, Quiet: true})
		},
		"Rollback churn {To:16 Why: NoHold:true Quiet:true} {By:kim Why:}", model(),
	},
	"Serving": {func(ctx context.Context, c *client.Client) (any, error) { return c.Serving(ctx) }, "Serving", first((&fake{}).Serving(bg))},
	"Workers": {func(ctx context.Context, c *client.Client) (any, error) { return c.Workers(ctx) }, "Workers", first((&fake{}).Workers(bg))},
	"Drain": {
		func(ctx context.Context, c *client.Client) (any, error) {
			return nil, c.Drain(ctx, "Host.example-12-gpu")
		},
		"DrainWorker Host.example-12-gpu {By:kim Why:}", nil,
	},
	"Undelivered": {
		func(ctx context.Context, c *client.Client) (any, error) { return c.Undelivered(ctx) },
		"Undelivered", first((&fake{}).Undelivered(bg)),
	},
	"TestNotification": {
		func(ctx context.Context, c *client.Client) (any, error) { return c.TestNotification(ctx, "churn") },
		"TestNotification churn {By:kim Why:}", first((&fake{}).TestNotification(bg, "churn", api.Act{})),
	},
	"Tokens": {func(ctx context.Context, c *client.Client) (any, error) { return c.Tokens(ctx) }, "Tokens", first((&fake{}).Tokens(bg))},
	"CreateToken": {
		func(ctx context.Context, c *client.Client) (any, error) {
			return c.CreateToken(ctx, client.TokenRequest{Name: "gpu", Scope: bakeoff.ScopeWork, Queues: []string{"gpu"}})
		},
		"CreateToken {Name:gpu Scope:work Queues:[gpu]} by kim",
		client.NewToken{Token: bakeoff.Token{Name: "gpu", Scope: bakeoff.ScopeWork, Created: moment, By: "kim"}, Secret: "bakeoff_s"},
	},
	"DeleteToken": {
		func(ctx context.Context, c *client.Client) (any, error) { return nil, c.DeleteToken(ctx, "ci") },
		"DeleteToken ci {By:kim Why:}", nil,
	},
	"Artifact": {
		func(ctx context.Context, c *client.Client) (any, error) {
			var b bytes.Buffer
			err := c.Artifact(ctx, "churn", 3, &b)
			return b.String(), err
		},
		"Artifact churn 3", "archive",
	},
	"Card": {
		func(ctx context.Context, c *client.Client) (any, error) { return c.Card(ctx, "churn", 3) },
		"Card churn 3", first((&fake{}).Card(bg, "churn", 3)),
	},
	"Backup": {
		func(ctx context.Context, c *client.Client) (any, error) {
			var b bytes.Buffer
			err := c.Backup(ctx, &b)
			return b.String(), err
		},
		"Backup", "archive",
	},
	"GC": {
		func(ctx context.Context, c *client.Client) (any, error) {
			return c.GC(ctx, client.Retention{DryRun: true, Days: 30})
		},
		"GC {DryRun:true Runs:0 Days:30 Versions:0} {By:kim Why:}",
		client.Removed{Objects: 3, Bytes: 4096, Runs: 2, DryRun: true},
	},
	"Doctor": {func(ctx context.Context, c *client.Client) (any, error) { return c.Doctor(ctx) }, "Doctor", first((&fake{}).Doctor(bg))},
}

var bg = context.Background()

func first[T any](v T, _ error) any { return v }

// TestEveryCall has the client ask a node through the real handler, over real HTTP.
func TestEveryCall(t *testing.T) {
	node := &fake{}
	c := dial(t, node, access.Socket, client.Options{By: "kim"})
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			got, err := call.do(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{call.asks}, node.asked()); diff != "" {
				t.Errorf("the node was asked (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(call.want, got); diff != "" {
				t.Errorf("the client returned (-want +got):\n%s", diff)
			}
		})
	}
}

// TestEveryCallFails has each call bring back the node's error whole.
func TestEveryCallFails(t *testing.T) {
	node := &fake{err: bakeoff.Errorf(bakeoff.CodeConflict, "somebody was faster").WithHint("look again")}
	c := dial(t, node, access.Socket, client.Options{})
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			_, err := call.do(t.Context(), c)
			if err == nil || err.Error() != "somebody was faster" || bakeoff.CodeOf(err) != bakeoff.CodeConflict || bakeoff.HintOf(err) != "look again" {
				t.Errorf("the client returned %v (%s, %q)", err, bakeoff.CodeOf(err), bakeoff.HintOf(err))
			}
		})
	}
}

// TestErrorCodes has every code come through HTTP as itself, with its status.
func TestErrorCodes(t *testing.T) {
	for code, status := range map[bakeoff.Code]int{
		bakeoff.CodeInvalid: 400, bakeoff.CodeNotFound: 404, bakeoff.CodeConflict: 409, bakeoff.CodeBusy: 409,
		bakeoff.CodeUnavailable: 503, bakeoff.CodeCancelled: 409, bakeoff.CodeInternal: 500,
		bakeoff.CodeUnauthorized: 401, bakeoff.CodeForbidden: 403, bakeoff.CodeOverload: 429,
	} {
		t.Run(string(code), func(t *testing.T) {
			url := serve(t, &fake{err: bakeoff.Errorf(code, "no")}, access.Loopback, api.Options{})
			response, err := http.Get(url + "/api/v1/node")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			if response.StatusCode != status {
				t.Errorf("status %d, want %d", response.StatusCode, status)
			}
			if got := response.Header.Get("Retry-After") != ""; got != (code == bakeoff.CodeOverload) {
				t.Errorf("there is a Retry-After: %v", got)
			}
			c, err := client.New(client.Options{BaseURL: url})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Node(t.Context()); bakeoff.CodeOf(err) != code || err.Error() != "no" {
				t.Errorf("the client returned %v (%s), want code %s", err, bakeoff.CodeOf(err), code)
			}
		})
	}
}
