package client

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
)

func messages(text string) (list []message, err error) {
	r := newReader(strings.NewReader(text))
	for {
		m, err := r.next()
		if err != nil {
			return list, err
		}
		list = append(list, m)
	}
}

// TestReader reads what the HTML standard allows, and what it does not.
func TestReader(t *testing.T) {
	for text, want := range map[string][]message{
		"data: a\n\n":                       {{data: []byte("a")}},
		"data:a\ndata: b\n\n":               {{data: []byte("a\nb")}},
		"data\n\n":                          {{}},
		"id: 7\nevent: end\ndata: {}\n\n":   {{id: 7, event: "end", data: []byte("{}")}},
		"data: a\r\nid: 1\r\n\r\n":          {{id: 1, data: []byte("a")}},
		":\n\n: still there\n\ndata: a\n\n": {{data: []byte("a")}},
		"id: 9\n\ndata: a\n\n":              {{data: []byte("a")}},
		"id: x\ndata: a\n\n":                {{data: []byte("a")}},
		"retry: 5\nwhat: 1\ndata: a\n\n":    {{data: []byte("a")}},
		"data: cut":                         nil,
		"data: cut\n":                       nil,
		"":                                  nil,
	} {
		got, err := messages(text)
		if err == nil {
			t.Errorf("%q has no end", text)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(message{}), cmp.Comparer(bytes.Equal)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
	if _, err := messages("data: " + strings.Repeat("x", 2*maxMessage)); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("a line without end: %v", err)
	}
	if _, err := messages(strings.Repeat("data: "+strings.Repeat("x", 1<<20)+"\n", 6)); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("a message without end: %v", err)
	}
}

func FuzzReader(f *testing.F) {
	f.Add("id: 7\nevent: end\ndata: {}\n\n:\n\ndata: a\ndata: b\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, _ := messages(text)
		size := 0
		for _, m := range got {
			size += len(m.data)
		}
		if size > len(text) {
			t.Errorf("%d bytes of data in %d of text", size, len(text))
		}
	})
}

// TestPatience has a node break every stream: the client gives up when nothing has come for a while,
// and says what it last heard.
func TestPatience(t *testing.T) {
	tries := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		tries++
		if tries == 2 {
			fmt.Fprint(w, "id: 4\ndata: {\"kind\":\"phase\"}\n\n")
		}
	}))
	defer server.Close()
	c, err := New(Options{BaseURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.patience = 350 * time.Millisecond // for pauses of 100 and 200 ms
	events := 0
	var last error
	for e, err := range c.Events(t.Context(), "x", 0) {
		if last = err; err == nil && e.Seq == 4 {
			events++
		}
	}
	if events != 1 || bakeoff.CodeOf(last) != bakeoff.CodeUnavailable {
		t.Errorf("%d events, then %v", events, last)
	}
	if tries < 3 || tries > 5 {
		t.Errorf("%d tries", tries)
	}
	for _, err := range c.Logs(t.Context(), "x", LogQuery{Follow: true}) {
		if bakeoff.CodeOf(err) != bakeoff.CodeUnavailable {
			t.Errorf("logs that broke off: %v", err)
		}
	}
}

// TestOutcome has a node be away twice before it answers, and one that stays away.
func TestOutcome(t *testing.T) {
	tries := 0
	answer := "{\"run\":\"x\",\"verdict\":\"kept\"}"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if tries++; tries < 3 || answer == "" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, answer)
	}))
	defer server.Close()
	c, err := New(Options{BaseURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if r, err := c.Outcome(t.Context(), "x"); err != nil || r.Verdict != bakeoff.Kept || tries != 3 {
		t.Errorf("after %d tries %q, %v", tries, r.Verdict, err)
	}
	answer, c.patience = "", 350*time.Millisecond
	if _, err := c.Outcome(t.Context(), "x"); bakeoff.CodeOf(err) != bakeoff.CodeUnavailable {
		t.Errorf("a node that stays away: %v", err)
	}
}

// TestStreamOfNonsense has a node send what is no event.
func TestStreamOfNonsense(t *testing.T) {
	for body, want := range map[string]bakeoff.Code{
		"data: nonsense\n\n":                                      bakeoff.CodeInternal,
		"event: error\ndata: nonsense\n\n":                        bakeoff.CodeInternal,
		"event: error\ndata: {}\n\n":                              bakeoff.CodeInternal,
		"event: error\ndata: {\"error\":{\"code\":\"busy\"}}\n\n": bakeoff.CodeBusy,
		"event: of tomorrow\ndata: 1\n\nevent: end\ndata: {}\n\n": "",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
		c, err := New(Options{BaseURL: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		var last error
		for _, err := range c.Events(t.Context(), "x", 0) {
			last = err
		}
		if bakeoff.CodeOf(last) != want {
			t.Errorf("%q: %v, want code %q", body, last, want)
		}
		c.Close()
		server.Close()
	}
}
