package outbound

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// ErrPrivate is the cause of a connection that the guard refused.
var ErrPrivate = errors.New("the address is not public")

// special are the ranges that IsGlobalUnicast and IsPrivate let pass and that are not the public
// internet either, or that stand for an IPv4 address which the guard would not see (IANA special
// purpose address registries; RFC 6890). IPv6 outside 2000::/3 is refused as a whole, and with it
// NAT64 (64:ff9b::/96, 64:ff9b:1::/48) and the IPv4-compatible forms.
var special = prefixes(
	"0.0.0.0/8",       // this network
	"100.64.0.0/10",   // shared by carriers (CGNAT)
	"192.0.0.0/24",    // protocol assignments
	"192.0.2.0/24",    // documentation
	"192.88.99.0/24",  // 6to4 relays
	"198.18.0.0/15",   // benchmarks
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"240.0.0.0/4",     // reserved, and broadcast
	"2001::/23",       // protocol assignments, among them Teredo
	"2001:db8::/32",   // documentation
	"2002::/16",       // 6to4
	"3fff::/20",       // documentation
)

var global6 = netip.MustParsePrefix("2000::/3")

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

// public reports whether a is an address of the public internet in its plain form.
func public(a netip.Addr) bool {
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.Is4In6() || a.Is6() && !global6.Contains(a) {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// publicOnly is a net.Dialer's Control: it sees the address that a name was resolved to, right
// before the connection, so that a name which changes its address between check and use gains
// nothing.
func publicOnly(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil || !public(a.Addr()) {
		return ErrPrivate
	}
	return nil
}

// CheckURL returns what is wrong with a webhook's URL, "" for nothing. It never repeats the URL,
// which is a secret.
func CheckURL(raw string, allowPrivate bool) (fault, fix string) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "":
		return "the webhook's URL is not valid", "copy it from the receiver again, and check the environment variable that it comes from"
	case u.Scheme == "http" && !allowPrivate:
		return "the webhook's URL must begin with https://", "use https, or for a receiver in your own network set allow_private: true beside the URL"
	case u.Scheme != "http" && u.Scheme != "https":
		return "the webhook's URL must begin with https://", "copy it from the receiver again"
	case u.User != nil:
		return "the webhook's URL holds a user name or a password", "a webhook needs neither: remove them"
	case disguised(u.Hostname()):
		return "the webhook's URL has a number for a host", "write the host's name, or its address in the usual form"
	}
	return "", ""
}

// disguised reports whether host is an IPv4 address in a form that some resolvers accept beside
// the dotted one: a decimal, octal or hexadecimal number, or fewer than four parts. Such a host
// ends in a number (WHATWG URL, "ends in a number checker").
func disguised(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if digits, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(digits, "0123456789abcdef") == ""
	}
	return last == "" || strings.Trim(last, "0123456789") == ""
}
