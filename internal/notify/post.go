package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

const (
	tryTimeout  = 5 * time.Second // for one answer, from the first look-up of the name
	answerLimit = 64 << 10        // bytes of an answer's header, and of its body
)

// An outcome is what became of one try.
type outcome struct {
	state  string        // bakeoff.DeliverySent, DeliveryRefused or DeliveryRetrying
	detail string        // for people; never holds the URL, nor anything else that the receiver could have made up
	wait   time.Duration // what the receiver asked for before the next try; 0 for nothing
	lost   bool          // the message may have arrived all the same
}

// A dialer opens connections, as net.Dialer.DialContext does.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// dialPublic and dialAny are the two dialers: for a receiver anywhere on the internet, and for one that
// may be on this machine or in this network.
func dialPublic() dialer {
	return (&net.Dialer{Timeout: tryTimeout, Control: publicOnly}).DialContext
}

func dialAny() dialer { return (&net.Dialer{Timeout: tryTimeout}).DialContext }

// post tries once to deliver body to the URL. It speaks to the receiver itself: it follows no
// redirect, and uses no proxy of the environment, whose address would be the one that the guard
// judges.
func post(ctx context.Context, dial dialer, url string, body []byte) outcome {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	var begun atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { begun.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil { // the error may quote the URL
		return refused("the webhook's URL is not valid", "copy it from the receiver again")
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "bakeoff")
	transport := &http.Transport{
		Proxy:                  nil,
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		DisableKeepAlives:      true, // messages are rare: nothing stays open behind them
		DisableCompression:     true,
		MaxResponseHeaderBytes: answerLimit,
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return broken(err, begun.Load())
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit+1))
	if err != nil {
		return broken(err, true)
	}
	if len(answer) > answerLimit {
		answer = nil // no word of Slack's
	}
	return answered(resp, string(answer))
}

// answered judges an answer. Slack accepts with status 200 and the body "ok", and nothing else:
// some of its refusals have status 200 too.
func answered(resp *http.Response, body string) outcome {
	body = strings.TrimSpace(body)
	status := "status " + strconv.Itoa(resp.StatusCode)
	switch code := resp.StatusCode; {
	case code == http.StatusOK && body == "ok":
		return outcome{state: bakeoff.DeliverySent}
	case code == http.StatusTooManyRequests:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // absent or a date: our own pace
		seconds = min(max(seconds, 0), int(time.Hour/time.Second))
		return outcome{
			state: bakeoff.DeliveryRetrying, wait: time.Duration(seconds) * time.Second,
			detail: status + ": the receiver asks to wait",
		}
	case code >= 500:
		return outcome{state: bakeoff.DeliveryRetrying, detail: status + said(body)}
	case code >= 300 && code < 400:
		return refused(status+": the receiver points to another address", "give the final URL: redirects are not followed")
	}
	return refused(status+said(body), fixFor(body))
}

func refused(detail, fix string) outcome {
	if fix != "" {
		detail += "; " + fix
	}
	return outcome{state: bakeoff.DeliveryRefused, detail: detail}
}

// broken judges a try without a whole answer. Errors of net/http quote URLs and answers, so the
// detail is made of what kind of error it is. Begun says that the request was on its way.
func broken(err error, begun bool) outcome {
	o := outcome{state: bakeoff.DeliveryRetrying, lost: begun}
	var (
		lookup *net.DNSError
		op     *net.OpError
		errno  syscall.Errno
		cert   *tls.CertificateVerificationError
		plain  tls.RecordHeaderError
		timed  net.Error
	)
	switch {
	case errors.Is(err, errPrivate):
		return refused("the webhook leads to a loopback, private or otherwise not public address",
			"if that is meant, set allow_private: true beside the URL")
	case errors.As(err, &lookup):
		o.detail = "the webhook's host cannot be found"
	case errors.As(err, &op) && op.Op == "dial":
		o.detail = "no connection"
		if errors.As(err, &errno) {
			o.detail += ": " + errno.Error()
		}
	case errors.As(err, &cert):
		o.detail = "the webhook's host shows a certificate that is not valid"
	case errors.As(err, &plain) || errors.Is(err, http.ErrSchemeMismatch):
		o.detail = "the webhook's host does not speak TLS"
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timed) && timed.Timeout():
		o.detail = "no answer within " + tryTimeout.String()
	case errors.Is(err, context.Canceled):
		o.detail = "cancelled before an answer came"
	default:
		o.detail = "the connection broke before an answer came"
	}
	return o
}

// wordForm is what Slack's own words look like; anything else in an answer is not shown.
var wordForm = regexp.MustCompile(`^[a-z][a-z0-9_]{1,63}$`)

// said quotes the word that the receiver answered with, if it is one.
func said(body string) string {
	if wordForm.MatchString(body) {
		return ": " + body
	}
	return ""
}

// fixes says what to do about Slack's words (its guide "Sending messages using incoming webhooks"
// and its changelog of webhook errors).
var fixes = map[string]string{
	"no_service":                        "the webhook was revoked or is switched off: create a new one in Slack and put its URL into the file",
	"no_service_id":                     "the URL is not complete: copy it from Slack again",
	"no_team":                           "the workspace in the URL does not exist: copy the URL from Slack again",
	"team_disabled":                     "the Slack workspace is disabled: ask its administrator",
	"invalid_token":                     "the URL is not valid any more: copy it from Slack again, or create a new webhook",
	"no_active_hooks":                   "the webhook is disabled: enable it in Slack or create a new one",
	"user_not_found":                    "the person that the webhook wrote to is gone: create a webhook for a channel",
	"channel_not_found":                 "the channel was deleted: create a webhook for another one",
	"channel_is_archived":               "unarchive the channel in Slack, or create a webhook for another one",
	"action_prohibited":                 "an administrator of the workspace does not allow it: ask them",
	"posting_to_general_channel_denied": "an administrator has restricted that channel: create a webhook for another one",
	"too_many_attachments":              "this is a fault of bakeoff: please report it",
	"invalid_payload":                   "this is a fault of bakeoff: please report it",
	"invalid_blocks":                    "this is a fault of bakeoff: please report it",
	"invalid_blocks_format":             "this is a fault of bakeoff: please report it",
	"msg_blocks_too_long":               "this is a fault of bakeoff: please report it",
	"no_text":                           "this is a fault of bakeoff: please report it",
}

func fixFor(body string) string {
	if fix, ok := fixes[body]; ok {
		return fix
	}
	return "check that the URL is that of an incoming webhook which answers \"ok\", as Slack's do"
}
