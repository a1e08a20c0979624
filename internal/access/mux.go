package access

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/bakeoffhq/bakeoff"
)

// Mux routes requests, each route with its need. It is filled before it serves.
type Mux struct {
	mux     *http.ServeMux
	routes  []Route
	tellers map[string]Teller // by pattern, for those that do not refuse as our API does
}

// Route is a pattern of net/http's ServeMux and what it needs.
type Route struct {
	Pattern string
	Need    Need
}

// NewMux returns a Mux without routes.
func NewMux() *Mux { return &Mux{mux: http.NewServeMux(), tellers: map[string]Teller{}} }

// Handle registers a route. One without a known need, or one that is there already, is a fault of
// the program and panics.
func (m *Mux) Handle(pattern string, need Need, h http.Handler) { m.HandleAs(pattern, need, nil, h) }

// HandleAs is Handle for a route of another protocol: tell writes what it refuses, nil for as our own
// API does.
func (m *Mux) HandleAs(pattern string, need Need, tell Teller, h http.Handler) {
	if !slices.Contains(Needs(), need) {
		panic(fmt.Sprintf("access: the route %q does not say what it needs", pattern))
	}
	m.routes = append(m.routes, Route{Pattern: pattern, Need: need})
	m.tellers[pattern] = tell
	m.mux.Handle(pattern, require(need, tell, h))
}

// teller returns how the route of a request tells refusals.
func (m *Mux) teller(r *http.Request) Teller {
	_, pattern := m.mux.Handler(r)
	return m.tellers[pattern]
}

// Routes lists what was registered, in that order.
func (m *Mux) Routes() []Route { return slices.Clone(m.routes) }

// ServeHTTP serves a request that has come through a guard.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, pattern := m.mux.Handler(r); pattern != "" {
		m.mux.ServeHTTP(w, r)
		return
	}
	astray(m.mux, w, r)
}

// astray answers a request that no route takes, in words of ours: net/http answers in text.
func astray(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	answer := &status{header: http.Header{}}
	mux.ServeHTTP(answer, r)
	if answer.code == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", answer.header.Get("Allow"))
		WriteStatus(w, answer.code, bakeoff.Errorf(bakeoff.CodeInvalid, "this path does not take %s", method(r)).
			WithHint("it takes %s", answer.header.Get("Allow")))
		return
	}
	refuse(w, r, nil, bakeoff.Errorf(bakeoff.CodeNotFound, "there is nothing at this path"))
}

// method names a request's method if it is one that people use: the text is the caller's.
func method(r *http.Request) string {
	known := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}
	if slices.Contains(known, r.Method) {
		return r.Method
	}
	return "this method"
}

// status keeps what ServeMux would have answered.
type status struct {
	header http.Header
	code   int
}

func (s *status) Header() http.Header         { return s.header }
func (s *status) WriteHeader(code int)        { s.code = code }
func (s *status) Write(b []byte) (int, error) { return len(b), nil }

// require lets those through who have what a route needs.
func require(need Need, tell Teller, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, guarded := r.Context().Value(callerKey{}).(admission)
		switch {
		case !guarded:
			refuse(w, r, tell, bakeoff.Errorf(bakeoff.CodeUnauthorized, "nobody guards this address"))
		case a.caller.May(need):
			h.ServeHTTP(w, r)
		case a.refusal != nil:
			refuse(w, r, tell, a.refusal)
		case need == Local:
			refuse(w, r, tell, bakeoff.Errorf(bakeoff.CodeForbidden, "pipeline files are applied on the node's own machine, through its socket").
				WithHint("run the command there, as the user that the node runs as"))
		default:
			refuse(w, r, tell, bakeoff.Errorf(bakeoff.CodeForbidden, "this needs a token of the scope %s; yours has the scope %s", need, a.caller.Scope).
				WithHint("`bakeoff token create` on the node's machine makes one"))
		}
	})
}
