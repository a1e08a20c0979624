package notify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/notify"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// raw answers with bytes that are not HTTP, or that quote the request.
func raw(text string) step {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, text)
		_ = conn.Close()
	}
}

func TestURLAndAnswersStaySecret(t *testing.T) {
	for name, script := range map[string][]step{
		"not HTTP":       {raw(token + "\r\n\r\n")},
		"cut short":      {raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + token)},
		"bad length":     {raw("HTTP/1.1 200 OK\r\nContent-Length: " + token + "\r\n\r\n")},
		"bad status":     {raw("HTTP/1.1 " + token + " OK\r\n\r\n")},
		"bad chunk":      {raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + token + "\r\n")},
		"bad redirect":   {raw("HTTP/1.1 302 Found\r\nLocation: http://[" + token + "\r\nContent-Length: 0\r\n\r\n")},
		"quotes the URL": {answer(http.StatusBadRequest, "https://hooks.slack.com/"+token)},
		"no answer":      {drop},
	} {
		t.Run(name, func(t *testing.T) {
			inPipes(t, script, func(t *testing.T, _ *receiver, connect func(*notify.Notifier), to bakeoff.Receiver) {
				var logged bytes.Buffer
				n := notify.New(newMemory(kept(1)), func(context.Context, string, bakeoff.Digest) ([]bakeoff.Receiver, error) {
					return []bakeoff.Receiver{to}, nil
				}, slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})))
				connect(n)
				sum := flush(t, n)
				shown, err := json.Marshal(sum)
				if err != nil {
					t.Fatal(err)
				}
				for _, text := range []string{string(shown), logged.String()} {
					if strings.Contains(text, token) {
						t.Errorf("the secret is in %s", text)
					}
				}
				if d := sum.Deliveries[0]; d.State == bakeoff.DeliverySent || d.Detail == "" {
					t.Errorf("delivery %+v", d)
				}
			})
		})
	}
}
