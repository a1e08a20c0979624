package outbound_test

import (
	"testing"

	"github.com/bakeoffhq/bakeoff/internal/outbound"
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
		if got := outbound.Allowed(address); got != want {
			t.Errorf("%s: allowed %v, want %v", address, got, want)
		}
	}
}
