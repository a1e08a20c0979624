package inference

import (
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/wire"
)

// on has a pattern answer one method, and refuses others in the way of a protocol.
func on(mux *http.ServeMux, method, pattern string, fail func(http.ResponseWriter, failure), do http.HandlerFunc) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == method || method == http.MethodGet && r.Method == http.MethodHead {
			do(w, r)
			return
		}
		w.Header().Set("Allow", method)
		fail(w, failure{status: http.StatusMethodNotAllowed, err: bakeoff.Errorf(bakeoff.CodeInvalid, "%s is not allowed here, %s is", strings.ToUpper(r.Method), method)})
	})
}

// nothing refuses the paths below a pattern that no other pattern matches.
func nothing(mux *http.ServeMux, pattern string, fail func(http.ResponseWriter, failure), hint string) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
		fail(w, failure{status: http.StatusNotFound, err: bakeoff.Errorf(bakeoff.CodeNotFound, "there is nothing at this path").WithHint("%s", hint)})
	})
}

// plain has the plain form: POST /predict/NAME, and /predict/NAME/versions/N for a version or an alias.
func (h *handler) plain(mux *http.ServeMux) {
	p := protocol{form: wire.Rows, fail: failPlain}
	answer := func(w http.ResponseWriter, r *http.Request) {
		if err := wantJSON(r); err != nil {
			p.fail(w, failure{status: http.StatusUnsupportedMediaType, err: err})
			return
		}
		h.predict(w, r, p, r.PathValue("model"), r.PathValue("version"))
	}
	on(mux, http.MethodPost, "/predict/{model}", p.fail, answer)
	on(mux, http.MethodPost, "/predict/{model}/versions/{version}", p.fail, answer)
	nothing(mux, "/predict/", p.fail, "POST /predict/NAME asks the champion, /predict/NAME/versions/N another version")
}

// failPlain writes {"error": ..., "code": ..., "hint": ...}.
func failPlain(w http.ResponseWriter, f failure) {
	f.header(w, jsonType[0])
	_ = json.NewEncoder(w).Encode(struct { // an error means that nobody is there to read it
		Error string       `json:"error"`
		Code  bakeoff.Code `json:"code"`
		Hint  string       `json:"hint,omitempty"`
	}{f.err.Error(), bakeoff.CodeOf(f.err), bakeoff.HintOf(f.err)})
}

// formType is what curl -d says of every body that it is not told about.
const formType = "application/x-www-form-urlencoded"

// wantJSON refuses a body that says that it is something else. One that says nothing, or what curl
// says unasked, is taken as JSON: pages of other sites, which could send forms, never come this far.
func wantJSON(r *http.Request) error {
	said := r.Header["Content-Type"]
	if len(said) == 0 || said[0] == jsonType[0] || said[0] == formType {
		return nil
	}
	kind, parameters, err := mime.ParseMediaType(said[0])
	charset := parameters["charset"]
	if err != nil || kind != jsonType[0] || charset != "" && !slices.Contains([]string{"utf-8", "us-ascii"}, strings.ToLower(charset)) {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "the Content-Type must be application/json, in UTF-8")
	}
	return nil
}
