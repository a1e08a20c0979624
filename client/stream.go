package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// The messages of a stream that are not data. A stream that ends without StreamEnd was cut.
const (
	StreamEnd   = "end"   // there is no more to come
	StreamBye   = "bye"   // the node stops; ask again
	StreamError = "error" // the data is an ErrorBody
)

// LastEventID is the header that says after which event a stream goes on.
const LastEventID = "Last-Event-ID"

// maxMessage bounds one message of a stream, so that a peer that is no node cannot fill the memory.
const maxMessage = 4 << 20

// Events yields what happens in a run after the event numbered after, 0 for all of it, until the
// verdict. It goes on by itself where a connection broke; when the node stays away for half a minute,
// the last pair is an error. A run that has ended yields its events at once.
func (c *Client) Events(ctx context.Context, run string, after uint64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		err := c.streamOn(ctx, path("runs", run, "events"), after, func(m message) error {
			e := Event{Seq: m.id}
			if err := json.Unmarshal(m.data, &e.Event); err != nil {
				return fmt.Errorf("read an event: %w", err)
			}
			if !yield(e, nil) {
				return errStop
			}
			return nil
		})
		if err != nil {
			yield(Event{}, err)
		}
	}
}

// errStop says that whoever ranges over a stream wants no more of it.
var errStop = errors.New("the caller wants no more")

// streamOn is stream that goes on where a connection broke, after the last message that has come; a
// caller who wants no more is no error.
func (c *Client) streamOn(ctx context.Context, path string, after uint64, each func(message) error) error {
	p := &patience{limit: c.patience}
	for {
		before := after
		err := c.stream(ctx, path, after, func(m message) error {
			after = max(after, m.id)
			return each(m)
		})
		if err == nil || errors.Is(err, errStop) {
			return nil
		}
		if after > before {
			p.reset()
		}
		if bakeoff.CodeOf(err) == bakeoff.CodeUnavailable && p.wait(ctx) {
			continue
		}
		if ctx.Err() != nil {
			err = c.unreachable(ctx, err)
		}
		return err
	}
}

// Logs yields what the builds of a run wrote, and with Follow what they write until they have ended;
// then it goes on by itself where a connection broke, as Events does.
func (c *Client) Logs(ctx context.Context, run string, q LogQuery) iter.Seq2[LogEntry, error] {
	query := url.Values{}
	if q.Candidate != "" {
		query.Set("candidate", q.Candidate)
	}
	if q.Follow {
		query.Set("follow", "true")
	}
	return func(yield func(LogEntry, error) bool) {
		ask := c.stream
		if q.Follow {
			ask = c.streamOn
		}
		err := ask(ctx, path("runs", run, "logs")+"?"+query.Encode(), q.After, func(m message) error {
			e := LogEntry{Seq: m.id}
			if err := json.Unmarshal(m.data, &e); err != nil {
				return fmt.Errorf("read a log entry: %w", err)
			}
			if !yield(e, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(LogEntry{}, err)
		}
	}
}

// stream asks for a stream and hands out its messages until it ends; nil says that it is whole.
func (c *Client) stream(ctx context.Context, path string, after uint64, each func(message) error) error {
	request, err := c.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "text/event-stream")
	if after > 0 {
		request.Header.Set(LastEventID, strconv.FormatUint(after, 10))
	}
	response, err := c.http.Do(request)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return errorOf(response)
	}
	r := newReader(response.Body)
	for {
		m, err := r.next()
		if err != nil {
			return c.unreachable(ctx, fmt.Errorf("the stream broke off: %w", err))
		}
		switch m.event {
		case StreamEnd:
			return nil
		case StreamBye:
			return c.unreachable(ctx, errors.New("it stops"))
		case StreamError:
			return streamError(m.data)
		case "":
			if err := each(m); err != nil {
				return err
			}
		}
	}
}

func streamError(data []byte) error {
	var body ErrorBody
	if err := json.Unmarshal(data, &body); err != nil || body.Error.Code == "" {
		return bakeoff.Errorf(bakeoff.CodeInternal, "the stream ended with an error that cannot be read")
	}
	return body.Error.Err()
}

// message is one message of a stream of server-sent events.
type message struct {
	id    uint64
	event string // "" for data
	data  []byte
}

// reader reads server-sent events as the HTML standard writes them, in the shape that nodes send:
// numbers as IDs, "\n" as line end.
type reader struct{ lines *bufio.Scanner }

func newReader(r io.Reader) *reader {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 16<<10), maxMessage)
	return &reader{lines: lines}
}

// next returns the next message. An end of the text within a message is an end without one.
func (r *reader) next() (message, error) {
	var m message
	some := false
	for r.lines.Scan() {
		line := r.lines.Text()
		if line == "" {
			if some {
				return m, nil
			}
			m = message{}
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			m.id, _ = strconv.ParseUint(value, 10, 64) // one that is none is as good as no ID
		case "event":
			m.event = value
		case "data":
			if len(m.data)+len(value) > maxMessage {
				return message{}, bufio.ErrTooLong
			}
			if some {
				m.data = append(m.data, '\n')
			}
			m.data = append(m.data, value...)
			some = true
		}
	}
	if err := r.lines.Err(); err != nil {
		return message{}, err
	}
	return message{}, io.ErrUnexpectedEOF
}

// patience is how long somebody tries again.
type patience struct {
	limit time.Duration
	since time.Time
	pause time.Duration
}

const (
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
)

func (p *patience) reset() { p.since = time.Time{} }

// wait waits before another try, longer each time, and reports whether there should be one.
func (p *patience) wait(ctx context.Context) bool {
	if p.since.IsZero() {
		p.since, p.pause = time.Now(), firstPause
	}
	if time.Since(p.since)+p.pause > p.limit {
		return false
	}
	timer := time.NewTimer(p.pause)
	defer timer.Stop()
	p.pause = min(2*p.pause, longestPause)
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
