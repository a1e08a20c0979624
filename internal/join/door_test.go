package join_test

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/join"
)

// token makes a token at a node and waits until it opens the door.
func (n *node) token(t *testing.T, name string, scope bakeoff.Scope, queues ...string) string {
	t.Helper()
	secret, err := n.store.CreateToken(t.Context(), bakeoff.Token{Name: name, Scope: scope, Queues: queues})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// refused tries to join as a worker and returns why that was refused.
func refused(t *testing.T, o join.Options, queues ...string) error {
	t.Helper()
	c, err := join.Dial(t.Context(), o, join.Worker{Queues: queues, Slots: 1})
	if err == nil {
		c.Close()
	}
	return err
}

func TestWhoMayJoin(t *testing.T) {
	t.Parallel()
	server, client := certificate(t, "127.0.0.1")
	n := open(t, setup{tls: server, guarded: true})
	gpu := n.token(t, "gpu", bakeoff.ScopeWork, "gpu")
	all := n.token(t, "all", bakeoff.ScopeWork)
	predict := n.token(t, "predict", bakeoff.ScopePredict)
	eventually(t, "the tokens are known", func() bool {
		o := n.options(t, "first")
		o.Token, o.TLS = predict, client
		m, err := join.DialModels(t.Context(), o)
		if err == nil {
			m.Close()
		}
		return err == nil
	})
	for what, c := range map[string]struct {
		change func(*join.Options)
		queue  string
		code   bakeoff.Code
		says   string
	}{
		"a token for the queue":         {func(o *join.Options) { o.Token = gpu }, "gpu", "", ""},
		"a token for every queue":       {func(o *join.Options) { o.Token = all }, "other", "", ""},
		"a wrong token":                 {func(o *join.Options) { o.Token = gpu + "x" }, "gpu", bakeoff.CodeUnauthorized, "does not accept this token"},
		"no token":                      {func(o *join.Options) { o.Token = "" }, "gpu", bakeoff.CodeUnauthorized, "does not accept this token"},
		"a token for another queue":     {func(o *join.Options) { o.Token = gpu }, "default", bakeoff.CodeForbidden, "may not serve the queue"},
		"the judge's queue":             {func(o *join.Options) { o.Token = all }, bakeoff.QueueJudge, bakeoff.CodeForbidden, "may not serve the queue"},
		"a token for predictions":       {func(o *join.Options) { o.Token = predict }, "gpu", bakeoff.CodeForbidden, "of scope predict"},
		"another version":               {func(o *join.Options) { o.Token, o.Version = all, "v1.2.4" }, "gpu", bakeoff.CodeInvalid, "must be of one version"},
		"an authority nobody knows":     {func(o *join.Options) { o.Token, o.TLS = all, &tls.Config{} }, "gpu", bakeoff.CodeUnavailable, "cannot be trusted"},
		"a secret in the address":       {func(o *join.Options) { o.URL = "nats://u:" + all + "@" + n.addr }, "gpu", bakeoff.CodeInvalid, "has a user or a secret"},
		"an address that is none":       {func(o *join.Options) { o.URL = "http://" + n.addr }, "gpu", bakeoff.CodeInvalid, "not the address of a node"},
		"a port where nobody listens":   {func(o *join.Options) { o.URL = "nats://127.0.0.1:1" }, "gpu", bakeoff.CodeUnavailable, "127.0.0.1:1"},
		"a process that has no name":    {func(o *join.Options) { o.Token, o.Name = all, "" }, "gpu", bakeoff.CodeInvalid, "no name"},
		"a name that is a wild card":    {func(o *join.Options) { o.Token, o.Name = all, "a.>.*" }, "gpu", "", ""},
		"a token, and the node has TLS": {func(o *join.Options) { o.Token, o.URL = all, "tls://"+n.addr }, "gpu", "", ""},
	} {
		o := n.options(t, "w")
		o.TLS = client
		c.change(&o)
		err := refused(t, o, c.queue)
		if bakeoff.CodeOf(err) != c.code || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want code %q and %q", what, err, c.code, c.says)
		}
		if err != nil && (strings.Contains(err.Error()+bakeoff.HintOf(err), gpu) || strings.Contains(err.Error(), all)) {
			t.Errorf("%s: the error tells a secret", what)
		}
		if c.code == bakeoff.CodeInvalid && what == "another version" && !strings.Contains(bakeoff.HintOf(err), version) {
			t.Errorf("%s: the hint %q does not say what to install", what, bakeoff.HintOf(err))
		}
	}
}

// A token that is deleted ends the work of who has it, with the reason.
func TestADeletedTokenEndsItsWorker(t *testing.T) {
	t.Parallel()
	n := open(t, setup{guarded: true})
	secret := n.token(t, "gpu", bakeoff.ScopeWork)
	o := n.options(t, "w")
	o.Token = secret
	var c *join.Client
	eventually(t, "it joins", func() (ok bool) {
		var err error
		c, err = join.Dial(t.Context(), o, join.Worker{Queues: []string{"gpu"}, Slots: 1})
		return err == nil
	})
	defer c.Close()
	if err := n.store.DeleteToken(t.Context(), "gpu"); err != nil {
		t.Fatal(err)
	}
	var err error
	eventually(t, "it may take no more", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, _, err = c.Take(ctx, "gpu")
		return bakeoff.CodeOf(err) == bakeoff.CodeUnauthorized
	})
}

// hostile is a client that has a token, and does not keep to the protocol.
type hostile struct {
	*nats.Conn
	n             *node
	subject, name string
	violations    chan error
}

func connect(t *testing.T, n *node, name string) *hostile {
	t.Helper()
	h := &hostile{n: n, name: name, subject: "bakeoff.join.v1.%s.anyone." + name, violations: make(chan error, 64)}
	var err error
	h.Conn, err = nats.Connect("nats://"+n.addr, nats.UserInfo(name, ""), nats.CustomInboxPrefix("_INBOX.anyone."+name),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { h.violations <- err }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	eventually(t, "the gateway answers", func() bool {
		_, err := h.Request("bakeoff.join.v1.models.anyone."+name, []byte("{}\n"), time.Second)
		return err == nil
	})
	return h
}

// ask sends a request and returns the answer.
func (h *hostile) ask(t *testing.T, call, message string) string {
	t.Helper()
	msg, err := h.Request(strings.Replace(h.subject, "%s", call, 1), []byte(message), 25*time.Second)
	if err != nil {
		t.Fatalf("%s: %v", call, err)
	}
	return string(msg.Data)
}

// The engine itself is out of a joined client's reach, as are the inboxes and names of others.
func TestRawSubjectsAreRefused(t *testing.T) {
	t.Parallel()
	n := open(t, setup{})
	n.submit(t, "churn-a", "forest")
	h := connect(t, n, "mallory")
	for _, subject := range []string{
		"$JS.API.STREAM.LIST", "$JS.API.STREAM.DELETE.tasks", "$JS.API.CONSUMER.MSG.NEXT.tasks.default", "$JS.ACK.tasks.default.1.1.1.1.0",
		"$KV.tokens.mine", "$KV.decisions.model.churn", "$O.objects.M.x", "$SYS.REQ.SERVER.PING", "task.default.churn-a.build.forest",
		"bakeoff.join.v1.run.anyone.w", "bakeoff.join.v1.changed", "_INBOX.anyone.w.1", "event.churn-a.verdict",
	} {
		if err := h.PublishRequest(subject, h.NewInbox(), []byte("{}")); err != nil {
			t.Fatal(err)
		}
		h.mustViolate(t, "publishing to "+subject)
	}
	for _, subject := range []string{">", "$JS.>", "$KV.>", "$O.>", "_INBOX.>", "_INBOX.anyone.>", "_INBOX.anyone.w.>", "task.>", "event.>", "bakeoff.>", "$SYS.>"} {
		if _, err := h.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
		h.mustViolate(t, "listening to "+subject)
	}
}

func (h *hostile) mustViolate(t *testing.T, what string) {
	t.Helper()
	select {
	case err := <-h.violations:
		if !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("%s: %v", what, err)
		}
	case <-time.After(5 * time.Second):
		t.Errorf("%s is not refused", what)
	}
}

// An answer goes to the inbox of who asked and nowhere else: the node has more rights than its
// clients, and must not use them for one.
func TestANodeDoesNotAnswerWhereItIsTold(t *testing.T) {
	t.Parallel()
	n := open(t, setup{})
	h := connect(t, n, "mallory")
	for _, reply := range []string{
		"$JS.API.STREAM.DELETE.tasks", "$JS.API.STREAM.PURGE.KV_runs", "task.default.churn-a.build.evil", "$KV.tokens.mine",
		"_INBOX.anyone.w.1", "_INBOX.anyone.mallory", "bakeoff.join.v1.changed",
	} {
		if err := h.PublishRequest("bakeoff.join.v1.models.anyone.mallory", reply, []byte("{}\n")); err != nil {
			t.Fatal(err)
		}
	}
	h.ask(t, "models", "{}\n") // answered after the others
	n.submit(t, "churn-a", "forest")
	q, err := n.store.Queue(t.Context(), bakeoff.QueueDefault)
	if err != nil {
		t.Fatal(err)
	}
	lease, err := q.Lease(t.Context())
	if err != nil || lease.Task.Candidate != "forest" {
		t.Errorf("the queue has %+v, %v", lease, err)
	}
	if ts, err := n.store.Tokens(t.Context()); err != nil || len(ts) != 0 {
		t.Errorf("there are tokens: %+v, %v", ts, err)
	}
}
