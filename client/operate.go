package client

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/bakeoffhq/bakeoff"
)

// Workers returns the workers that the node knows, by name.
func (c *Client) Workers(ctx context.Context) ([]bakeoff.WorkerInfo, error) {
	return ask[[]bakeoff.WorkerInfo](ctx, c, http.MethodGet, "/workers", nil)
}

// Drain has a worker end its work and take no more.
func (c *Client) Drain(ctx context.Context, worker string) error {
	return c.do(ctx, http.MethodPost, path("workers", worker, "drain"), struct{}{})
}

// Undelivered returns the messages that are owed or were refused, the oldest first.
func (c *Client) Undelivered(ctx context.Context) ([]Undelivered, error) {
	return ask[[]Undelivered](ctx, c, http.MethodGet, "/notifications", nil)
}

// TestNotification sends a test message to each receiver of a pipeline, once, and returns what became of it.
func (c *Client) TestNotification(ctx context.Context, pipeline string) ([]bakeoff.Delivery, error) {
	return ask[[]bakeoff.Delivery](ctx, c, http.MethodPost, "/notifications/test", NotificationTest{Pipeline: pipeline})
}

// Tokens returns the node's tokens by name, without their secrets.
func (c *Client) Tokens(ctx context.Context) ([]bakeoff.Token, error) {
	return ask[[]bakeoff.Token](ctx, c, http.MethodGet, "/tokens", nil)
}

// CreateToken makes a token. Its secret is in the answer, and nowhere else.
func (c *Client) CreateToken(ctx context.Context, r TokenRequest) (NewToken, error) {
	return ask[NewToken](ctx, c, http.MethodPost, "/tokens", r)
}

// DeleteToken removes a token; whoever has it is refused from now on.
func (c *Client) DeleteToken(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodDelete, path("tokens", name), nil)
}

// Backup writes an archive of the whole store to w. After an error, what was written is none.
func (c *Client) Backup(ctx context.Context, w io.Writer) error {
	return c.archive(ctx, "/backup", "backup", w)
}

// archive copies the answer to a request to w.
func (c *Client) archive(ctx context.Context, path, what string, w io.Writer) error {
	response, err := c.send(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	to := &sink{w: w}
	if _, err := io.Copy(to, response.Body); err != nil {
		if to.err != nil {
			return fmt.Errorf("write the %s: %w", what, to.err)
		}
		return c.unreachable(ctx, fmt.Errorf("read the %s: %w", what, err))
	}
	return nil
}

// sink remembers which side of a copy failed.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.err = err
	return n, err
}

// GC removes what the retention allows, or says what it would remove.
func (c *Client) GC(ctx context.Context, r Retention) (Removed, error) {
	return ask[Removed](ctx, c, http.MethodPost, "/gc", r)
}

// Doctor returns what is right and what is wrong with the node and its machine.
func (c *Client) Doctor(ctx context.Context) ([]Check, error) {
	return ask[[]Check](ctx, c, http.MethodGet, "/doctor", nil)
}
