package build

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
)

// heard is what an echo has told, and when, in seconds from the start of the bubble.
type heard struct {
	at   float64
	text string
}

// listening starts an echo in a bubble that tells to the list; deaf says when nobody listens.
func listening(t *testing.T, list *[]heard, deaf func(seconds float64) bool) *echo {
	t.Helper()
	begin := time.Now()
	return startEcho(t.Context(), func(_ context.Context, text string) error {
		at := time.Since(begin).Seconds()
		if deaf != nil && deaf(at) {
			return errors.New("nobody listens")
		}
		*list = append(*list, heard{at, text})
		return nil
	})
}

func TestEcho(t *testing.T) {
	type step struct {
		wait  time.Duration
		write string
	}
	for name, tc := range map[string]struct {
		steps []step
		deaf  func(float64) bool
		want  []heard
	}{
		"silent": {steps: []step{{10 * time.Second, ""}}},
		"quick":  {steps: []step{{0, "one\n"}, {0, "two"}}, want: []heard{{0, "one\ntwo"}}},
		"lines wait for their end": {
			steps: []step{{0, "one\ntw"}, {1500 * time.Millisecond, "o\n"}, {time.Second, ""}},
			want:  []heard{{1, "one\n"}, {2, "two\n"}},
		},
		"but not for long": {
			steps: []step{{0, "epoch 1 ..."}, {2500 * time.Millisecond, "...\n"}},
			want:  []heard{{2, "epoch 1 ..."}, {2.5, "...\n"}},
		},
		"a character is not torn": {
			steps: []step{{0, "조\xea"}, {2500 * time.Millisecond, "\xb0\x80\n"}},
			want:  []heard{{2, "조"}, {2.5, "가\n"}},
		},
		"no text": {steps: []step{{0, "\xff\xfea\xed\xa0\x80\n\xe2\x82"}}, want: []heard{{0, "?a?\n?"}}},
		"nobody listens for a while": {
			steps: []step{{0, "one\n"}, {2500 * time.Millisecond, "two\n"}, {time.Second, ""}},
			deaf:  func(at float64) bool { return at < 3 },
			want:  []heard{{3, "one\ntwo\n"}},
		},
		"nobody listens at all": {
			steps: []step{{0, "one\n"}, {5 * time.Second, "two\n"}},
			deaf:  func(float64) bool { return true },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got []heard
				e := listening(t, &got, tc.deaf)
				for _, s := range tc.steps {
					time.Sleep(s.wait)
					synctest.Wait()
					if n, err := e.Write([]byte(s.write)); n != len(s.write) || err != nil {
						t.Errorf("wrote %d of %d bytes: %v", n, len(s.write), err)
					}
				}
				e.close()
				if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(heard{})); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestEchoOfAFlood has a trainer print 64 MiB in a minute: what is told comes in pieces of whole
// lines, one a second while it goes on, and ends with a word about the rest.
func TestEchoOfAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []heard
		e := listening(t, &got, nil)
		line := []byte(strings.Repeat("0123456789", 6) + "...\n") // 64 bytes
		for range 60 {
			for range 1 << 20 / len(line) {
				_, _ = e.Write(line)
			}
			time.Sleep(time.Second)
		}
		kept := cap(e.text)
		e.close()
		var all strings.Builder
		for i, h := range got {
			if len(h.text) > bakeoff.MaxLogText || !strings.HasSuffix(h.text, "\n") || h.at != float64(i+1) {
				t.Errorf("piece %d has %d bytes and came after %v s", i, len(h.text), h.at)
			}
			all.WriteString(h.text)
		}
		want := strings.Repeat(string(line), echoMost/len(line)) + echoCut
		if all.String() != want {
			t.Errorf("%d bytes were told, want %d, the last %q", all.Len(), len(want), all.String()[max(0, all.Len()-200):])
		}
		if kept > 2*echoMost {
			t.Errorf("%d bytes are kept", kept)
		}
	})
}

// TestEchoThatHangs has a store that does not answer: the end of a build waits seconds for it.
func TestEchoThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := startEcho(t.Context(), func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() })
		fmt.Fprintln(e, "one")
		time.Sleep(1500 * time.Millisecond)
		began := time.Now()
		fmt.Fprintln(e, "two")
		e.close()
		if d := time.Since(began); d > 2*echoTime {
			t.Errorf("the end took %v", d)
		}
	})
}

// FuzzEcho: whatever a trainer prints, and however it arrives, the pieces are short and valid text,
// and together they are what was printed where that was.
func FuzzEcho(f *testing.F) {
	f.Add([]byte("one\ntwo\n한글"), 2, false)
	f.Add([]byte(strings.Repeat("가", 20_000)), 1000, true)
	f.Add([]byte(strings.Repeat("x", echoMost)+"y\n\xff"), 4096, true)
	f.Fuzz(func(t *testing.T, b []byte, step int, valid bool) {
		if step < 1 || step > 1<<20 {
			step = 1 << 16
		}
		if valid {
			b = []byte(strings.ToValidUTF8(string(b), "?"))
		}
		var all strings.Builder
		e := &echo{tell: func(_ context.Context, text string) error {
			if len(text) > bakeoff.MaxLogText || text == "" || !utf8.ValidString(text) {
				t.Errorf("a piece of %d bytes", len(text))
			}
			all.WriteString(text)
			return nil
		}}
		for i := 0; i < len(b); i += step {
			_, _ = e.Write(b[i:min(i+step, len(b))])
			e.next(t.Context(), false)
		}
		for e.next(t.Context(), true) {
		}
		if len(e.text) > 0 || all.Len() > echoMost+len(echoCut)+1 {
			t.Errorf("%d bytes are left, %d were told", len(e.text), all.Len())
		}
		if utf8.Valid(b) && len(b) <= echoMost && all.String() != string(b) {
			t.Errorf("%d bytes were told of %d", all.Len(), len(b))
		}
	})
}
