package natsd_test

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/natsd"
)

func nobody(string, string) (natsd.Rights, bool) { return natsd.Rights{}, false }

func TestAnAddressThatStrangersReachNeedsTLSAndASecret(t *testing.T) {
	for what, c := range map[string]struct {
		listen natsd.Listen
		want   string
	}{
		"no secret":             {natsd.Listen{Addr: "0.0.0.0:0", Admit: nobody, TLS: &tls.Config{}}, "no token is asked for"},
		"every address, no TLS": {natsd.Listen{Addr: ":0", Admit: nobody, Guarded: true}, "in clear"},
		"no port":               {natsd.Listen{Addr: "127.0.0.1", Admit: nobody}, "not an address"},
		"a port too high":       {natsd.Listen{Addr: "127.0.0.1:70000", Admit: nobody}, "not an address"},
	} {
		_, err := natsd.StartListening(t.Context(), t.TempDir(), c.listen, slog.Default())
		if bakeoff.CodeOf(err) != bakeoff.CodeInvalid || bakeoff.HintOf(err) == "" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want invalid with %q and a hint", what, err, c.want)
		}
	}
	srv, err := natsd.StartListening(t.Context(), t.TempDir(), natsd.Listen{Addr: "0.0.0.0:0", Admit: nobody, Insecure: true}, slog.Default())
	if err != nil {
		t.Fatalf("told to: %v", err)
	}
	if err := srv.Stop(); err != nil {
		t.Error(err)
	}
}

func TestAPortInUseIsNamed(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	dir := t.TempDir()
	_, err = natsd.StartListening(t.Context(), dir, natsd.Listen{Addr: taken.Addr().String(), Admit: nobody}, slog.Default())
	if bakeoff.CodeOf(err) != bakeoff.CodeBusy || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Errorf("%v does not name %s", err, taken.Addr())
	}
	srv, err := natsd.Start(t.Context(), dir, slog.Default())
	if err != nil {
		t.Fatalf("the folder is still held: %v", err)
	}
	if err := srv.Stop(); err != nil {
		t.Error(err)
	}
}

// A client is let in by name and secret and may do what it was admitted for; the process itself may
// do everything. Nobody gets in before Accept.
func TestClientsHaveTheirRightsAndNoMore(t *testing.T) {
	admit := func(name, secret string) (natsd.Rights, bool) {
		return natsd.Rights{Publish: []string{"ask." + name}, Subscribe: []string{"answer." + name}}, secret == "right"
	}
	srv, err := natsd.StartListening(t.Context(), t.TempDir(), natsd.Listen{Addr: "127.0.0.1:0", Admit: admit}, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := srv.Stop(); err != nil {
			t.Error(err)
		}
	}()
	addr, err := srv.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nats.Connect(addr.String(), nats.UserInfo("a", "wrong")); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("a wrong secret: %v", err)
	}
	if _, err := nats.Connect(addr.String()); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("no secret: %v", err)
	}
	refused := make(chan error, 10)
	client, err := nats.Connect(addr.String(), nats.UserInfo("a", "right"), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		refused <- err
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	heard, err := srv.Conn().SubscribeSync(">")
	if err := errors.Join(err, srv.Conn().Flush()); err != nil { // else the client may be faster
		t.Fatal(err)
	}
	for _, subject := range []string{"ask.b", "$JS.API.STREAM.LIST", "ask.a"} {
		if err := client.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
	}
	for {
		msg, err := heard.NextMsg(5 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if msg.Subject == "ask.a" {
			break
		}
		if msg.Subject == "ask.b" || strings.HasPrefix(msg.Subject, "$JS.API.STREAM.LIST") {
			t.Errorf("the client could publish to %s", msg.Subject)
		}
	}
	if _, err := client.SubscribeSync("answer.b"); err != nil {
		t.Fatal(err)
	}
	for range 3 { // two publishes and a subscription
		select {
		case err := <-refused:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("refused with %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("a right that the client does not have was not refused")
		}
	}
}
