package outbound

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// The headers of a webhook's request.
const (
	HeaderID        = "Bakeoff-Id"        // the same for every try of one message
	HeaderTimestamp = "Bakeoff-Timestamp" // seconds since 1970-01-01 UTC, of this try
	HeaderSignature = "Bakeoff-Signature" // only where a secret is set
)

// Webhook is one JSON message for a generic webhook.
type Webhook struct {
	URL          string // a secret
	Secret       string // the key of its signature; "" for none
	AllowPrivate bool
	ID           string
	Body         []byte
	Timeout      time.Duration
}

// Send tries once to deliver a webhook. A status of 2xx accepts it; 408, 425, 429, 5xx and no answer
// ask for another try; everything else refuses it.
func (c *Client) Send(ctx context.Context, w Webhook) Outcome {
	at := strconv.FormatInt(time.Now().Unix(), 10)
	header := http.Header{HeaderID: {w.ID}, HeaderTimestamp: {at}}
	if w.Secret != "" {
		header.Set(HeaderSignature, Sign(w.Secret, at, w.Body))
	}
	return c.Post(ctx, Request{
		URL: w.URL, AllowPrivate: w.AllowPrivate, Header: header, Body: w.Body, Timeout: w.Timeout, Judge: judge,
	})
}

// Sign returns the value of HeaderSignature: "v1=" and the hexadecimal HMAC-SHA256, under the secret,
// of the timestamp as it stands in its header, a full stop, and the body.
func Sign(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte(timestamp + ".")) // a hash takes everything
	_, _ = mac.Write(body)
	return "v1=" + hex.EncodeToString(mac.Sum(nil))
}

func judge(code int, header http.Header, _ string) Outcome {
	status := "status " + strconv.Itoa(code)
	again := Outcome{State: bakeoff.DeliveryRetrying, Detail: status, Wait: RetryAfter(header)}
	switch {
	case code >= 200 && code < 300:
		return Outcome{State: bakeoff.DeliverySent}
	case code == http.StatusTooManyRequests:
		again.Detail += ": the receiver asks to wait"
		return again
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code >= 500:
		return again
	case code >= 300 && code < 400:
		return Refused(status+": the receiver points to another address", "give the final URL: redirects are not followed")
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return Refused(status+": the receiver does not let us in", "check the URL, and the secret on both sides")
	case code == http.StatusNotFound, code == http.StatusGone:
		return Refused(status+": there is no receiver at the URL", "check the URL")
	}
	return Refused(status, "the receiver's own log may say why")
}
