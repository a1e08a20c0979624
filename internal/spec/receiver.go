package spec

import (
	"net/mail"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/bakeoffhq/bakeoff"
)

// receiver reads where notifications go.
func (d *decoder) receiver(n *node) bakeoff.Receiver {
	r := bakeoff.Receiver{AllowPrivate: n.get("allow_private").truth()}
	switch kind := d.oneKind(n, place{"notify", "[]"}, "receiver", []string{"slack", "webhook", "email"}); kind {
	case "slack":
		r.Slack = d.webhook(n.get("slack"), "receiver", slackForm, r.AllowPrivate)
		d.belongs(n, "secret", kind, "webhook")
	case "webhook":
		r.Webhook = d.webhook(n.get("webhook"), "receiver", webhookForm, r.AllowPrivate)
		r.Secret = d.verbatim(n.get("secret"), "secret", "leave it out for no signature")
	case "email":
		r.Email = d.email(n.get("email"), r.AllowPrivate)
		d.belongs(n, "secret", kind, "webhook")
	}
	return r
}

// oneKind returns which of some keys a mapping has, and records a mistake where it is not just one.
func (d *decoder) oneKind(n *node, p place, what string, kinds []string) string {
	if n == nil || n.bad {
		return ""
	}
	var found []entry
	for _, e := range n.entries {
		if slices.Contains(kinds, e.key.text) {
			found = append(found, e)
		}
	}
	known := knownKeys(p)
	mistyped := func(kind string) bool { return n.mistyped(kind, known) }
	switch {
	case len(found) > 1:
		d.node(found[1].key, "give each an item of its own in the list", "the %s has `%s` already", what, found[0].key.text)
		return ""
	case len(found) == 1:
		return found[0].key.text
	case !slices.ContainsFunc(kinds, mistyped):
		d.at(n.line, n.column, "", "a %s needs one of %s", what, strings.Join(kinds, ", "))
	}
	return ""
}

// belongs records a key that has no meaning with one kind of receiver or hook.
func (d *decoder) belongs(n *node, key, kind, owner string) {
	if e, ok := n.entry(key); ok {
		d.node(e.key, "it belongs to "+owner, "`%s` has no meaning with `%s`", key, kind)
	}
}

// verbatim reads a text of its owner's choosing, which may look like a number: a password of digits.
func (d *decoder) verbatim(n *node, what, hint string) string {
	if n == nil || n.bad {
		return ""
	}
	if n.raw == "" {
		d.empty(n, what, hint)
	}
	return n.raw
}

// empty records a value that must not be empty, and the variable that made it so. The hint says how
// to leave out what has no value: an empty variable must not silence a receiver, but stop nobody either.
func (d *decoder) empty(n *node, what, hint string) {
	if name := n.variableName(); name != "" {
		if hint != "" {
			hint = ", or " + hint
		}
		d.node(n, "set it"+hint, "the variable %s is empty", shortName(name))
		return
	}
	d.node(n, hint, "the %s is empty", what)
}

// variableName returns the name of the first variable in a value, "" for none.
func (n *node) variableName() string {
	if m := reference.FindStringSubmatch(n.written); m != nil {
		return m[1]
	}
	return ""
}

// truth returns the value of a boolean; false for everything else.
func (n *node) truth() bool { return n != nil && !n.bad && n.kind == kindBoolean && n.text == "true" }

const (
	slackForm   = "it looks like https://hooks.slack.com/services/..."
	webhookForm = "it looks like https://example.com/hook"

	meantPrivate = "write allow_private: true beside it if that is meant"
)

// webhook reads the URL of a receiver or hook.
func (d *decoder) webhook(n *node, owner, form string, allowPrivate bool) string {
	if n == nil || n.bad || n.kind != kindText {
		return ""
	}
	if n.text == "" {
		d.empty(n, "URL", "leave the "+owner+" out: delete it, or put # before it")
		return ""
	}
	if message, hint := checkWebhook(n.text, form, allowPrivate); message != "" {
		d.node(n, hint, "%s", message)
		return ""
	}
	return n.text
}

// checkWebhook says what is wrong with the URL of a webhook, without a word of the URL itself:
// whoever knows it can write to the channel. The address that a name resolves to is checked by
// whoever connects.
func checkWebhook(text, form string, allowPrivate bool) (message, hint string) {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return "this is not the URL of a webhook", form
	case u.User != nil:
		return "the URL of a webhook has no user name and no password", "sign with a secret instead"
	case disguised(u.Hostname()):
		return "the URL has a number for a host", "write the host's name, or its address in the usual form"
	case allowPrivate:
		return "", ""
	case private(u.Hostname()):
		return "the URL leads to a loopback or private address", meantPrivate
	case u.Scheme == "http":
		return "the URL is not encrypted", "use https, or write allow_private: true beside it"
	}
	return "", ""
}

// private reports whether a host is this machine or an address that the internet does not route.
func private(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	a = a.Unmap()
	return !a.IsGlobalUnicast() || a.IsPrivate() || netip.MustParsePrefix("100.64.0.0/10").Contains(a)
}

// disguised reports whether a host is an address in another than the usual form, such as
// 2130706433 or 0x7f.1: one whose last part is a number.
func disguised(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	last := host[strings.LastIndexByte(host, '.')+1:]
	if digits, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(digits, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}

// email reads how notifications are mailed.
func (d *decoder) email(n *node, allowPrivate bool) *bakeoff.Email {
	if n == nil || n.bad {
		return nil
	}
	e := &bakeoff.Email{
		To:       d.addressees(n.get("to")),
		From:     d.sender(n.get("from")),
		Host:     d.host(n.get("host"), allowPrivate),
		Port:     int(d.whole(n.get("port"), 1, 65535)),
		Username: d.verbatim(n.get("username"), "user name", "leave user name and password out"),
		Password: d.verbatim(n.get("password"), "password", "leave user name and password out"),
	}
	e.TLS = d.emailTLS(n.get("tls"), e.Port, allowPrivate)
	if e.Port == 0 {
		e.Port = map[bakeoff.EmailTLS]int{bakeoff.EmailStartTLS: 587, bakeoff.EmailImplicit: 465, bakeoff.EmailNoTLS: 25}[e.TLS]
	}
	d.pair(n, "username", "password")
	d.pair(n, "password", "username")
	return e
}

// emailTLS reads how the connection is secured. Port 465 is that of implicit TLS and of nothing
// else (RFC 8314, section 7.3), so it needs no word.
func (d *decoder) emailTLS(n *node, port int, allowPrivate bool) bakeoff.EmailTLS {
	switch {
	case n == nil && port == 465:
		return bakeoff.EmailImplicit
	case n == nil:
		return bakeoff.EmailStartTLS
	}
	if n.str() == string(bakeoff.EmailNoTLS) && !allowPrivate {
		d.node(n, "use starttls or implicit, or write allow_private: true beside `email`", "the mail would not be encrypted")
	}
	return bakeoff.EmailTLS(n.str())
}

// pair records a key that stands without its other half.
func (d *decoder) pair(n *node, key, other string) {
	if e, ok := n.entry(key); ok && n.get(other) == nil {
		d.node(e.key, "", "there is a `%s` and no `%s`", key, other)
	}
}

// addressees reads one text, in which commas separate addresses as a variable may have them, or a
// list of such texts.
func (d *decoder) addressees(n *node) []string {
	if n == nil || n.bad {
		return nil
	}
	items := n.list()
	if n.kind == kindText {
		items = []*node{n}
	}
	var all []string
	for _, item := range items {
		all = append(all, d.addresses(item)...)
	}
	return all
}

func (d *decoder) sender(n *node) string {
	all := d.addresses(n)
	if len(all) > 1 {
		d.node(n, "", "mail comes from one address, these are %d", len(all))
	}
	return strings.Join(all, ", ")
}

const addressForm = "an address looks like team@example.com or Team <team@example.com>"

// addresses reads the addresses of RFC 5322 in one text. Messages do not repeat them: they are
// people's.
func (d *decoder) addresses(n *node) []string {
	if n == nil || n.bad || n.kind != kindText {
		return nil
	}
	if strings.TrimSpace(n.text) == "" {
		d.empty(n, "address", "leave the receiver out: delete it, or put # before it")
		return nil
	}
	parsed, err := mail.ParseAddressList(n.text)
	if err != nil || strings.ContainsFunc(n.text, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		d.node(n, addressForm, "this is not an e-mail address")
		return nil
	}
	all := make([]string, len(parsed))
	for i, a := range parsed {
		all[i] = a.String()
		if a.Name == "" {
			all[i] = strings.Trim(all[i], "<>")
		}
	}
	return all
}

// host reads the name or address of a mail server.
func (d *decoder) host(n *node, allowPrivate bool) string {
	host := d.filled(n, "host")
	_, notAddress := netip.ParseAddr(host)
	switch {
	case host == "":
	case notAddress != nil && strings.ContainsAny(host, ":/@ \t\n\\") || disguised(host):
		d.node(n, "such as smtp.example.com, with the port in `port`", "%s is not the name of a mail server", n.shown())
	case !allowPrivate && private(host):
		d.node(n, "write allow_private: true beside `email` if that is meant", "the host has a loopback or private address")
	}
	return host
}
