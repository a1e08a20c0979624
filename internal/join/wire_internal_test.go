package join

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
)

func FuzzUnpack(f *testing.F) {
	f.Add([]byte("{\"digest\":\"sha256:00\",\"offset\":7}\ncontent\nof two lines"))
	f.Add([]byte("{}"))
	f.Add([]byte("\n\n"))
	f.Add([]byte("{\"delay\":1e400}\n"))
	f.Fuzz(func(t *testing.T, message []byte) {
		var ask putAsk
		content, err := unpack(message, &ask)
		if err != nil {
			if bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
				t.Errorf("code %q", bakeoff.CodeOf(err))
			}
			return
		}
		again, err := pack(ask, content)
		if err != nil {
			t.Fatal(err)
		}
		var back putAsk
		rest, err := unpack(again, &back)
		if err != nil || !bytes.Equal(rest, content) {
			t.Fatalf("content %q became %q, %v", content, rest, err)
		}
		if diff := cmp.Diff(ask, back, cmp.AllowUnexported(putAsk{}, hold{})); diff != "" {
			t.Error(diff)
		}
	})
}

// Nothing opens that was not sealed with the key.
func FuzzUnseal(f *testing.F) {
	key := []byte("a key")
	good, err := sealed{Caller: "anyone.w", ID: "$JS.ACK.tasks.default.1.1.1.1.0", At: time.Unix(1, 0)}.seal(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good + "x")
	f.Add(good[1:])
	f.Add(".")
	f.Add("")
	f.Fuzz(func(t *testing.T, lease string) {
		s, err := unseal(key, lease)
		if lease == good {
			if err != nil || s.Caller != "anyone.w" {
				t.Errorf("a good lease: %+v, %v", s, err)
			}
		} else if err == nil {
			t.Errorf("%q opens", lease)
		}
	})
}

// The subject says who asks; an answer goes nowhere but to the inbox of that one.
func FuzzCaller(f *testing.F) {
	f.Add("bakeoff.join.v1.run.anyone.w", "_INBOX.anyone.w.abc")
	f.Add("bakeoff.join.v1.run.anyone.w", "_INBOX.anyone.w.>")
	f.Add("bakeoff.join.v1.run.anyone.w", "$JS.API.STREAM.DELETE.tasks")
	f.Add("bakeoff.join.v1.changed", "")
	f.Fuzz(func(t *testing.T, subject, reply string) {
		var d Door
		_, c, ok := d.caller(subject, reply)
		if ok && (!strings.HasPrefix(reply, "_INBOX."+c.key+"."+c.name+".") || strings.ContainsAny(strings.TrimPrefix(reply, "_INBOX."+c.key+"."+c.name+"."), "*> ")) {
			t.Errorf("%q is answered at %q", subject, reply)
		}
	})
}

func TestNameOnWire(t *testing.T) {
	for name, want := range map[string]string{
		"gpu-1": "gpu-1", "gpu.example.com_7": "gpu-example-com_7", "a>*. b": "a----b", "": "",
		"한": "---", strings.Repeat("x", 99): strings.Repeat("x", 64),
	} {
		if got := nameOnWire(name); got != want {
			t.Errorf("nameOnWire(%q) = %q, want %q", name, got, want)
		}
	}
}
