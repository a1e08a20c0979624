// Package access turns a request and the door it came through into a caller, and refuses what that
// caller may not do.
//
// A node has up to three kinds of doors. Through its own socket comes whoever owns the store: it may
// do everything. Through a loopback address comes whoever works on this machine, and pages in their
// browsers: it needs no token, but must name the node as the machine does, and no other site's page
// may act. Through any other address everybody comes: it needs a token with a scope.
//
// Every route says what it needs where it is registered. A route that is reached past the guard
// refuses everybody.
package access

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
)

// Need is what a route asks of its caller.
type Need string

// The needs. Each of Predict, Read and Admin is met by a token of the scope of the same name, or of
// one that includes it.
const (
	Public  Need = "public"  // nothing: whoever reaches the listener
	Predict Need = "predict" // to ask for predictions
	Read    Need = "read"    // to look
	Admin   Need = "admin"   // to act
	Local   Need = "local"   // to act on this machine's files: only through the node's own socket
)

// Needs lists every need, from the least.
func Needs() []Need { return []Need{Public, Predict, Read, Admin, Local} }

// Caller is who makes a request.
type Caller struct {
	// Name is the token's, or what the caller says of itself on this machine.
	Name string
	// Scope is what it may do.
	Scope bakeoff.Scope
	// Local says that it came through the node's own socket.
	Local bool
}

// May reports whether the caller has what a route needs.
func (c Caller) May(need Need) bool {
	switch need {
	case Public:
		return true
	case Local:
		return c.Local
	case Predict, Read, Admin:
		return c.Scope.Allows(bakeoff.Scope(need))
	default:
		return false
	}
}

type callerKey struct{}

// admission is what the guard found out about a request.
type admission struct {
	caller  Caller
	refusal *bakeoff.Error // why it has no caller; told by routes that need one
}

// CallerOf returns who makes the request that ctx belongs to; nobody without a guard.
func CallerOf(ctx context.Context) Caller {
	a, _ := ctx.Value(callerKey{}).(admission)
	return a.caller
}

// WriteError answers a request with an error, as every face but those of other people's protocols does.
func WriteError(w http.ResponseWriter, err *bakeoff.Error) {
	WriteStatus(w, client.StatusOf(err.Code), err)
}

// Teller writes a refusal as the protocol of a route has errors: the content type, the status and the
// body. What any refusal has in its header is there already.
type Teller func(w http.ResponseWriter, status int, err *bakeoff.Error)

// linger is how long the body of a request that was refused may still come.
const linger = time.Second

// refuse answers a request whose body nobody reads. net/http would wait for a part of it, however slowly
// it comes.
func refuse(w http.ResponseWriter, r *http.Request, tell Teller, err *bakeoff.Error) {
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(linger)) // where there are deadlines
	}
	if tell == nil {
		tell = writeOurs
	}
	refusalHeader(w, err)
	tell(w, client.StatusOf(err.Code), err)
}

// WriteStatus is WriteError with a status that says more than the code's.
func WriteStatus(w http.ResponseWriter, status int, err *bakeoff.Error) {
	refusalHeader(w, err)
	writeOurs(w, status, err)
}

// refusalHeader sets what the header of an error has in every protocol.
func refusalHeader(w http.ResponseWriter, err *bakeoff.Error) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	switch {
	case err.Code == bakeoff.CodeUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="bakeoff"`)
	case err.Code == bakeoff.CodeOverload && h.Get("Retry-After") == "":
		h.Set("Retry-After", "1")
	}
}

// writeOurs is the Teller of our own API.
func writeOurs(w http.ResponseWriter, status int, err *bakeoff.Error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(client.ErrorBody{Error: client.ErrorDetail{ // a caller who is gone hears nothing
		Code: err.Code, Message: err.Message, Hint: err.Hint,
	}})
}
