package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/access"
)

// item is a message of a stream: data, as JSON, or a word of the stream itself.
type item struct {
	id    uint64 // 0 for none
	event string // "" for data
	data  any
}

// source hands out items until there are no more, and returns what send returned.
type source func(ctx context.Context, send func(item) error) error

// streamed answers with what a source hands out, as server-sent events.
func (a *api) streamed(r route, from source) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(h huma.Context) {
		req, w := humago.Unwrap(h)
		w.Header().Set("Content-Type", eventStream)
		w.Header().Set("X-Accel-Buffering", "no") // or nginx would keep events to itself
		s := newTimed(w, a.options.Patience)
		defer s.end()
		err := a.pump(req.Context(), s, from)
		switch {
		case req.Context().Err() != nil: // the reader has gone and hears nothing, or the node stops
			s.patience = time.Second
			_ = s.item(item{event: client.StreamBye, data: struct{}{}})
		case s.broken:
		case err != nil:
			_ = s.item(item{event: client.StreamError, data: client.ErrorBody{Error: a.told(req.Context(), r, err)}})
		default:
			_ = s.item(item{event: client.StreamEnd, data: struct{}{}})
		}
	}}
}

// archived answers with what write writes. What goes wrong when a part of it is under way breaks the
// connection: nobody should take half an archive for one.
func (a *api) archived(r route, write func(context.Context, io.Writer) error) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(h huma.Context) {
		req, w := humago.Unwrap(h)
		out := &timed{w: w, control: http.NewResponseController(w), patience: a.options.Patience}
		defer out.end()
		err := write(req.Context(), out)
		switch {
		case err != nil && !out.begun:
			d := a.told(req.Context(), r, err)
			access.WriteError(w, d.Err())
		case err != nil:
			a.told(req.Context(), r, err) // for the log
			panic(http.ErrAbortHandler)
		}
	}}
}

// pump writes what a source hands out, and a sign of life where it hands out nothing for a while. It
// returns when both the source and the writing have ended.
func (a *api) pump(ctx context.Context, s *timed, from source) error {
	ctx, cancel := context.WithCancel(ctx)
	items, result := make(chan item), make(chan error, 1)
	go func() {
		result <- from(ctx, func(i item) error {
			select {
			case items <- i:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		close(items)
	}()
	err := a.write(s, items)
	cancel()
	for range items { // the source may be about to hand out one more
	}
	if sourceErr := <-result; err == nil {
		err = sourceErr
	}
	return err
}

// write writes items until there are no more, or until the reader takes none.
func (a *api) write(s *timed, items <-chan item) error {
	if err := s.alive(); err != nil { // so that the reader knows that it is connected
		return err
	}
	heartbeat := time.NewTicker(a.options.Heartbeat)
	defer heartbeat.Stop()
	for {
		select {
		case i, ok := <-items:
			if !ok {
				return nil
			}
			if err := s.item(i); err != nil {
				return err
			}
			heartbeat.Reset(a.options.Heartbeat)
		case <-heartbeat.C:
			if err := s.alive(); err != nil {
				return err
			}
		}
	}
}

// timed writes to a reader who may be slow, but not for longer than patience at a time.
type timed struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
	begun    bool // something was written
	broken   bool // the reader did not take it
}

// newTimed lifts the deadline of the request, which would end the answer too.
func newTimed(w http.ResponseWriter, patience time.Duration) *timed {
	t := &timed{w: w, control: http.NewResponseController(w), patience: patience}
	_ = t.control.SetReadDeadline(time.Time{}) // a connection without deadlines is one within the process
	return t
}

// Write implements io.Writer, for answers that are no events.
func (t *timed) Write(p []byte) (int, error) {
	t.begun = true
	_ = t.control.SetWriteDeadline(time.Now().Add(t.patience))
	n, err := t.w.Write(p)
	t.broken = err != nil
	return n, err
}

// item writes a message and sends it off.
func (t *timed) item(i item) error {
	var b bytes.Buffer
	if i.id != 0 {
		b.WriteString("id: " + strconv.FormatUint(i.id, 10) + "\n")
	}
	if i.event == client.StreamBye {
		b.WriteString("retry: 1000\n")
	}
	if i.event != "" {
		b.WriteString("event: " + i.event + "\n")
	}
	b.WriteString("data: ")
	if err := json.NewEncoder(&b).Encode(i.data); err != nil { // one line, and its end
		return err
	}
	b.WriteString("\n")
	return t.send(b.Bytes())
}

// alive writes what readers pass over.
func (t *timed) alive() error { return t.send([]byte(":\n\n")) }

func (t *timed) send(b []byte) error {
	_, err := t.Write(b)
	if err == nil {
		err = t.control.Flush()
		t.broken = err != nil
	}
	return err
}

// end leaves the connection without a deadline, for the next request.
func (t *timed) end() { _ = t.control.SetWriteDeadline(time.Time{}) }
