package notify_test

import (
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
)

// counter listens on this machine and counts the connections that were made.
func counter(t *testing.T) (port string, connections func() int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	made := make(chan int)
	go func() {
		n := 0
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			n++
			_ = c.Close()
		}
		made <- n
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port, func() int { _ = l.Close(); return <-made }
}

const token = "verysecrettoken"

func TestNothingPrivateIsReachedUnlessAllowed(t *testing.T) {
	const private = "loopback, private or otherwise not public address; if that is meant, set allow_private: true"
	for host, want := range map[string]string{
		"https://127.0.0.1":          private,
		"https://127.8.8.8":          private,
		"https://localhost":          private,
		"https://[::1]":              private,
		"https://[::ffff:127.0.0.1]": private,
		"https://[::ffff:7f00:1]":    private,
		"https://[64:ff9b::7f00:1]":  private,
		"https://0.0.0.0":            private,
		"https://2130706433":         "number for a host",
		"https://0x7f000001":         "number for a host",
		"https://0x7f.0.0.1":         "number for a host",
		"https://017700000001":       "number for a host",
		"https://0177.0.0.1":         "number for a host",
		"https://127.1":              "number for a host",
		"https://127.0.0.1.":         "number for a host",
		"http://127.0.0.1":           "must begin with https://",
		"http://hooks.slack.com":     "must begin with https://",
		"ftp://hooks.slack.com":      "must begin with https://",
		"file://localhost":           "must begin with https://",
		"hooks.slack.com":            "is not valid",
		"":                           "is not valid",
		"https://":                   "is not valid",
		"https://%zz":                "is not valid",
		"https://\x7f":               "is not valid",
		"https://" + token + ":" + token + "@[::1]":  "user name or a password",
		"https://hooks.slack.com:" + token + "@[::1": "is not valid",
	} {
		port, connections := counter(t)
		url := host + ":" + port + "/services/" + token
		sum := flush(t, newNotifier(t, newMemory(kept(1)), bakeoff.Receiver{Slack: url}))
		if n := connections(); n != 0 {
			t.Errorf("%s: %d connections", host, n)
		}
		d := sum.Deliveries[0]
		if d.State != bakeoff.DeliveryRefused || !strings.Contains(d.Detail, want) || strings.Contains(d.Detail, token) {
			t.Errorf("%s: delivery %+v, want %q", host, d, want)
		}
	}
}

// The receiver behind an https URL that is allowed to be private must still show a certificate.
func TestTLSIsChecked(t *testing.T) {
	server := httptest.NewTLSServer(&receiver{script: []step{accept}})
	server.Config.ErrorLog = quiet()
	defer server.Close()
	n := newNotifier(t, newMemory(kept(1)), at(server.URL))
	sum := flush(t, n)
	if d := sum.Deliveries[0]; d.State != bakeoff.DeliveryRetrying || d.Detail != "the webhook's host shows a certificate that is not valid" {
		t.Errorf("delivery %+v", d)
	}
}
