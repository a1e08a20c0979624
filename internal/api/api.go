// Package api turns HTTP requests under /api/v1 into calls of a node, and what these return into JSON.
package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/access"
)

// Options say how the API answers. The zero value of each is its usual value.
type Options struct {
	Log       *slog.Logger
	Heartbeat time.Duration // between signs of life of a stream in which nothing happens; 15 s
	Patience  time.Duration // how long a reader may keep a stream from being written; 15 s
	BodyTime  time.Duration // how long a request's body may take; 10 s
}

func (o Options) filled() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = 15 * time.Second
	}
	if o.Patience == 0 {
		o.Patience = 15 * time.Second
	}
	if o.BodyTime == 0 {
		o.BodyTime = 10 * time.Second
	}
	return o
}

// Register adds the routes of the API to mux.
func Register(mux *access.Mux, node Node, o Options) {
	a := &api{node: node, options: o.filled()}
	a.huma = huma.NewAPI(configuration(), &adapter{mux: mux, options: a.options})
	a.pipelines()
	a.runs()
	a.past()
	a.models()
	a.upkeep()
	describe(a.huma.OpenAPI())
	a.document(mux)
}

// api is the API of one node.
type api struct {
	node    Node
	options Options
	huma    huma.API
}

// configuration is that of huma, but for what it does unasked: no field of its own in answers, no
// pages that load scripts from elsewhere.
func configuration() huma.Config {
	format := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: json.Unmarshal}
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "bakeoff", Version: "1",
				Description: "Everything that the command line does. Fields are added, never renamed. " +
					"An error is answered as {\"error\": {\"code\", \"message\", \"hint\"}}.",
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{bearer: {
					Type: "http", Scheme: "bearer",
					Description: "A token of `bakeoff token create`. On loopback addresses none is needed.",
				}},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": format},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	}
}

// bearer names the way of authorization in the OpenAPI document.
const bearer = "bearer"

// route is one operation of the API.
type route struct {
	id      string
	method  string
	path    string // below client.Prefix
	need    access.Need
	summary string
	about   string        // more than the summary; "" for nothing
	time    time.Duration // how long it may take; 0 for usualTime
	body    int64         // how many bytes its request may have; 0 for usualBody
	stream  string        // the content type of an answer that goes on for as long as it likes; "" for JSON
}

const (
	usualTime = 30 * time.Second
	longTime  = 10 * time.Minute // for what reads, writes or opens artifacts of any size
	usualBody = 64 << 10
	fileBody  = 4 << 20 // for a pipeline file of a megabyte, as JSON
)

// routeKey is where an operation of huma keeps the route that it was made of.
const routeKey = "route"

func (r route) operation() huma.Operation {
	op := huma.Operation{
		OperationID: r.id, Method: r.method, Path: client.Prefix + r.path, Summary: r.summary, Description: r.about,
		Tags: []string{tag(r.path)}, Metadata: map[string]any{routeKey: r},
		MaxBodyBytes:    -1, // the adapter has read the body by then
		BodyReadTimeout: -1,
		Security:        []map[string][]string{{bearer: {string(r.need)}}},
	}
	if r.need == access.Local {
		op.Security = []map[string][]string{} // no token opens it
	}
	if r.stream != "" {
		op.Responses = map[string]*huma.Response{"200": {
			Description: "OK", Content: map[string]*huma.MediaType{r.stream: {Schema: &huma.Schema{Type: huma.TypeString}}},
		}}
	}
	return op
}

// tag groups routes by the first part of their path.
func tag(path string) string {
	for i, c := range path[1:] {
		if c == '/' {
			return path[1 : i+1]
		}
	}
	return path[1:]
}

// answer is the form in which huma takes what an operation returns.
type answer[O any] struct{ Body O }

// handle registers a route that answers with JSON.
func handle[I, O any](a *api, r route, do func(context.Context, *I) (O, error)) {
	huma.Register(a.huma, r.operation(), func(ctx context.Context, in *I) (*answer[O], error) {
		out, err := do(ctx, in)
		if err != nil {
			return nil, a.failure(ctx, r, err)
		}
		return &answer[O]{Body: out}, nil
	})
}

// handleSilent registers a route whose answer has no body.
func handleSilent[I any](a *api, r route, do func(context.Context, *I) error) {
	huma.Register(a.huma, r.operation(), func(ctx context.Context, in *I) (*struct{}, error) {
		if err := do(ctx, in); err != nil {
			return nil, a.failure(ctx, r, err)
		}
		return nil, nil
	})
}

// list makes an empty list of none: JSON has two words where we want one.
func list[T any](l []T, err error) ([]T, error) {
	if l == nil {
		l = []T{}
	}
	return l, err
}

// act records who asks, and why.
func act(ctx context.Context, why string) Act {
	return Act{By: access.CallerOf(ctx).Name, Why: why}
}

// adapter registers huma's operations with their needs.
type adapter struct {
	mux     *access.Mux
	options Options
}

// Handle implements huma.Adapter.
func (a *adapter) Handle(op *huma.Operation, h func(huma.Context)) {
	r, ok := op.Metadata[routeKey].(route)
	if !ok {
		panic(fmt.Sprintf("api: %s %s was registered past the routes", op.Method, op.Path))
	}
	next := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { h(humago.NewContext(op, req, w)) })
	a.mux.Handle(op.Method+" "+op.Path, r.need, prepared(r, a.options, next))
}

// ServeHTTP implements huma.Adapter.
func (a *adapter) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// describe makes the document say of answers that they may get more fields one day. Requests may not:
// a field that is not known is an error there.
func describe(doc *huma.OpenAPI) {
	asked := map[string]bool{}
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Post, item.Put} {
			if op != nil && op.RequestBody != nil {
				asked[op.RequestBody.Content["application/json"].Schema.Ref] = true
			}
		}
	}
	for name, schema := range doc.Components.Schemas.Map() {
		if !asked["#/components/schemas/"+name] {
			schema.AdditionalProperties = nil
		}
	}
}

// document serves the OpenAPI document, in two forms. Each is written when it is first asked for: that
// takes longer than all else here, and nothing changes it any more.
func (a *api) document(mux *access.Mux) {
	doc := a.huma.OpenAPI()
	a.form(mux, "json", func() ([]byte, error) { return json.MarshalIndent(doc, "", "  ") })
	a.form(mux, "yaml", doc.YAML)
}

func (a *api) form(mux *access.Mux, form string, write func() ([]byte, error)) {
	r := route{id: "get-openapi-" + form, method: http.MethodGet, path: "/openapi." + form, need: access.Read}
	written := sync.OnceValues(write)
	mux.Handle(r.method+" "+client.Prefix+r.path, r.need, prepared(r, a.options, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		text, err := written()
		if err != nil {
			d := a.told(req.Context(), r, err)
			access.WriteError(w, d.Err())
			return
		}
		w.Header().Set("Content-Type", "application/openapi+"+form)
		_, _ = w.Write(text) // a caller who is gone hears nothing
	})))
}

// trigger says who started a run that ctx's caller asks for: a person at the machine, or a program.
func trigger(ctx context.Context) bakeoff.Trigger {
	if access.CallerOf(ctx).Local {
		return bakeoff.TriggerPerson
	}
	return bakeoff.TriggerAPI
}
