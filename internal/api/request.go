package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/access"
)

// prepared does for every route what huma does not: a body that is JSON, small and in time; an end to
// how long it takes; no copies of answers on the way.
func prepared(r route, o Options, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if status, err := readBody(w, req, r, o.BodyTime); err != nil {
			access.WriteStatus(w, status, err)
			return
		}
		if r.stream == "" {
			limit := r.time
			if limit == 0 {
				limit = usualTime
			}
			ctx, cancel := context.WithTimeout(req.Context(), limit)
			defer cancel()
			req = req.WithContext(ctx)
		}
		next.ServeHTTP(w, req)
	})
}

// readBody reads a request's body whole and leaves it to be read again. The deadline is lifted then:
// it would otherwise end the request in the middle of what it asks for.
func readBody(w http.ResponseWriter, req *http.Request, r route, within time.Duration) (status int, refusal *bakeoff.Error) {
	control := http.NewResponseController(w)
	acts := req.Method == http.MethodPost || req.Method == http.MethodPut
	if !acts && req.ContentLength == 0 {
		return 0, nil
	}
	_ = control.SetReadDeadline(time.Now().Add(within)) // a connection without deadlines is one within the process
	if !acts {
		return http.StatusBadRequest, bakeoff.Errorf(bakeoff.CodeInvalid, "this path takes no body")
	}
	kind, _, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return http.StatusUnsupportedMediaType, bakeoff.Errorf(bakeoff.CodeInvalid, "the request's body must be JSON").
			WithHint("send it with `Content-Type: application/json`; {} says nothing")
	}
	limit := r.body
	if limit == 0 {
		limit = usualBody
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, limit))
	if err == nil {
		_ = control.SetReadDeadline(time.Time{})
	}
	var timeout net.Error
	switch _, large := errors.AsType[*http.MaxBytesError](err); {
	case large:
		return http.StatusRequestEntityTooLarge, bakeoff.Errorf(bakeoff.CodeInvalid, "the request's body has more than %d bytes", limit)
	case errors.As(err, &timeout) && timeout.Timeout():
		return http.StatusRequestTimeout, bakeoff.Errorf(bakeoff.CodeInvalid, "the request's body did not come within %v", within)
	case err != nil:
		return http.StatusBadRequest, bakeoff.Errorf(bakeoff.CodeInvalid, "the request's body broke off")
	}
	if err := strict(body); err != nil {
		return http.StatusBadRequest, bakeoff.Errorf(bakeoff.CodeInvalid, "the request's body: %w", err)
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	req.ContentLength = int64(len(body))
	return 0, nil
}

// maxDepth is how deep a request's JSON may be nested; ours is three deep.
const maxDepth = 32

// strict says what is wrong with a JSON document, apart from what it means: its syntax, something
// after its end, a name twice in one object. It repeats nothing of it.
func strict(body []byte) error {
	d := json.NewDecoder(bytes.NewReader(body))
	if err := value(d, 0); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something after its end")
	}
	return nil
}

// value reads one JSON value.
func value(d *json.Decoder, depth int) error {
	if depth > maxDepth {
		return errors.New("it is nested too deep")
	}
	token, err := d.Token()
	if err != nil {
		return fmt.Errorf("it is not JSON: see byte %d", d.InputOffset())
	}
	open, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	names := map[string]bool{}
	for d.More() {
		if open == '{' {
			token, err := d.Token()
			name, ok := token.(string)
			if err != nil || !ok {
				return fmt.Errorf("it is not JSON: see byte %d", d.InputOffset())
			}
			if names[name] {
				return fmt.Errorf("it has a name twice: see byte %d", d.InputOffset())
			}
			names[name] = true
		}
		if err := value(d, depth+1); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil { // the closing one
		return fmt.Errorf("it is not JSON: see byte %d", d.InputOffset())
	}
	return nil
}
