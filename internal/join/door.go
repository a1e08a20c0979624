package join

import (
	"strings"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/natsd"
)

// Tokens knows the tokens of a store.
type Tokens interface {
	Verify(secret string) (bakeoff.Token, bool)
	Find(hash bakeoff.Digest) (bakeoff.Token, bool)
}

// Door decides who may join. It is set up before the server's port is opened, and not changed after.
type Door struct {
	Tokens Tokens // nil for none
	// Open lets those in who have no secret, as workers and as predicting nodes: for an address that
	// only this machine can reach.
	Open bool
}

// Admit is the Admit of natsd.Listen: a client gives its name and its token's secret.
func (d *Door) Admit(name, secret string) (natsd.Rights, bool) {
	if !wireName.MatchString(name) {
		return natsd.Rights{}, false
	}
	if _, ok := d.token(keyOf(secret)); !ok {
		return natsd.Rights{}, false
	}
	return rightsOf(keyOf(secret), name), true
}

// token returns what the owner of a key may do.
func (d *Door) token(key string) (bakeoff.Token, bool) {
	if key == anyone {
		return bakeoff.Token{Name: anyone, Scope: bakeoff.ScopeWork}, d.Open
	}
	if d.Tokens == nil {
		return bakeoff.Token{}, false
	}
	t, ok := d.Tokens.Find(bakeoff.Digest("sha256:" + key))
	return t, ok && (t.Scope == bakeoff.ScopeWork || t.Scope.Allows(bakeoff.ScopePredict))
}

// caller is who sent a request, as the server vouches for it.
type caller struct {
	key, name string
	token     bakeoff.Token
}

func (c caller) String() string { return c.key + "." + c.name }

// caller returns the call of a request and who sent it. The subject can be trusted, since the server
// lets nobody publish under another's name; the reply subject is the sender's choice and is checked,
// for the answer is published with the node's own rights.
func (d *Door) caller(subject, reply string) (call string, c caller, ok bool) {
	parts := strings.Split(strings.TrimPrefix(subject, prefix), ".")
	if len(parts) != 3 {
		return "", c, false
	}
	c.key, c.name = parts[1], parts[2]
	inbox, found := strings.CutPrefix(reply, inboxOf(c.key, c.name)+".")
	if !found || strings.ContainsAny(inbox, "*> \t\r\n") {
		return "", c, false
	}
	return parts[0], c, true
}

// serves reports whether the caller may take tasks from a queue.
func (c caller) serves(queue string) bool {
	if c.token.Scope != bakeoff.ScopeWork || !bakeoff.ValidName(queue) || queue == bakeoff.QueueJudge {
		return false
	}
	if len(c.token.Queues) == 0 {
		return true
	}
	for _, q := range c.token.Queues {
		if q == queue {
			return true
		}
	}
	return false
}
