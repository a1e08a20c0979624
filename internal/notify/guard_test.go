package notify_test

import (
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/notify"
)

func TestGuardAllowsOnlyPublicAddresses(t *testing.T) {
	for address, want := range map[string]bool{
		"8.8.8.8:443":                 true,
		"100.63.255.255:443":          true,
		"100.128.0.1:443":             true,
		"172.15.0.1:443":              true,
		"[2606:4700::1111]:443":       true,
		"127.0.0.1:443":               false,
		"127.255.255.254:443":         false,
		"0.0.0.0:443":                 false,
		"0.1.2.3:443":                 false,
		"10.0.0.1:443":                false,
		"172.16.0.1:443":              false,
		"192.168.1.1:443":             false,
		"169.254.169.254:80":          false, // a cloud's metadata
		"100.64.0.1:443":              false,
		"100.100.100.200:80":          false, // another cloud's
		"192.0.0.192:80":              false,
		"198.18.0.1:443":              false,
		"203.0.113.7:443":             false,
		"224.0.0.1:443":               false,
		"240.0.0.1:443":               false,
		"255.255.255.255:443":         false,
		"[::]:443":                    false,
		"[::1]:443":                   false,
		"[::127.0.0.1]:443":           false,
		"[::ffff:127.0.0.1]:443":      false,
		"[::ffff:8.8.8.8]:443":        false,
		"[::ffff:0:127.0.0.1]:443":    false,
		"[64:ff9b::7f00:1]:443":       false,
		"[64:ff9b::808:808]:443":      false,
		"[64:ff9b:1::7f00:1]:443":     false,
		"[2002:7f00:1::]:443":         false,
		"[2001:0:7f00:1::]:443":       false,
		"[2001:db8::1]:443":           false,
		"[fc00::1]:443":               false,
		"[fd00:ec2::254]:80":          false,
		"[fe80::1]:443":               false,
		"[fe80::1%eth0]:443":          false,
		"[fec0::1]:443":               false,
		"[ff02::1]:443":               false,
		"[100::1]:443":                false,
		"[5f00::1]:443":               false,
		"/var/run/docker.sock":        false,
		"metadata.google.internal:80": false, // never unresolved
	} {
		if got := notify.Allowed(address); got != want {
			t.Errorf("%s: allowed %v, want %v", address, got, want)
		}
	}
}

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
