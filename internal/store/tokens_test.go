package store_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/store/storetest"
)

func TestATokenIsKnownByItsSecretUntilItIsDeleted(t *testing.T) {
	t.Parallel()
	s, srv := storetest.Open(t)
	ctx := t.Context()
	early := must(s.CreateToken(ctx, bakeoff.Token{Name: "ci", Scope: bakeoff.ScopeRead, By: "ann"}))(t)
	keys := must(s.Keyring(ctx))(t)
	defer func() {
		if err := keys.Close(); err != nil {
			t.Error(err)
		}
	}()
	if got, ok := keys.Verify(early); !ok || got.Name != "ci" || got.Scope != bakeoff.ScopeRead || got.By != "ann" {
		t.Errorf("a token from before: %+v, %t", got, ok)
	}
	late := must(s.CreateToken(ctx, bakeoff.Token{Name: "gpu", Scope: bakeoff.ScopeWork, Queues: []string{"gpu"}}))(t)
	if !strings.HasPrefix(late, "bko_") || len(late) != len("bko_")+43 {
		t.Errorf("a secret of %d characters that begins with %.4s", len(late), late)
	}
	eventually(t, "a token made later is known", func() bool { _, ok := keys.Verify(late); return ok })
	for _, wrong := range []string{"", "bko_", early[:len(early)-1], early + "x", strings.ToUpper(early)} {
		if got, ok := keys.Verify(wrong); ok {
			t.Errorf("a wrong secret opens %s", got.Name)
		}
	}
	_, err := s.CreateToken(ctx, bakeoff.Token{Name: "gpu", Scope: bakeoff.ScopeAdmin})
	wantCode(t, "a second token of a name", err, bakeoff.CodeConflict)

	key := must(s.JoinKey(ctx))(t) // it lies in the same bucket and is no token
	if again := must(s.JoinKey(ctx))(t); string(again) != string(key) || len(key) < 32 {
		t.Error("the key of leases is not kept")
	}
	listed := must(s.Tokens(ctx))(t)
	if len(listed) != 2 || listed[0].Name != "ci" || listed[1].Name != "gpu" {
		t.Errorf("listed %+v", listed)
	}
	if err := s.DeleteToken(ctx, "ci"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a deleted token is forgotten", func() bool { _, ok := keys.Verify(early); return !ok })
	wantCode(t, "deleting it again", s.DeleteToken(ctx, "ci"), bakeoff.CodeNotFound)

	js, err := jetstream.New(srv.Conn())
	if err != nil {
		t.Fatal(err)
	}
	bucket := must(js.KeyValue(ctx, "tokens"))(t)
	entry := must(bucket.Get(ctx, "gpu"))(t)
	if strings.Contains(string(entry.Value()), late) || !json.Valid(entry.Value()) {
		t.Error("the secret itself is stored")
	}
}

func TestTokensThatCannotBe(t *testing.T) {
	t.Parallel()
	s, _ := storetest.Open(t)
	for what, token := range map[string]bakeoff.Token{
		"a name with a dot":      {Name: "a.b", Scope: bakeoff.ScopeRead},
		"no name":                {Scope: bakeoff.ScopeRead},
		"an unknown scope":       {Name: "a", Scope: "root"},
		"a reader with queues":   {Name: "a", Scope: bakeoff.ScopeRead, Queues: []string{"gpu"}},
		"the judge's queue":      {Name: "a", Scope: bakeoff.ScopeWork, Queues: []string{bakeoff.QueueJudge}},
		"a queue that is a wild": {Name: "a", Scope: bakeoff.ScopeWork, Queues: []string{">"}},
	} {
		_, err := s.CreateToken(t.Context(), token)
		wantCode(t, what, err, bakeoff.CodeInvalid)
	}
}

// eventually waits for something that another goroutine does.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for until := time.Now().Add(5 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("not within 5 s: %s", what)
		}
	}
}
