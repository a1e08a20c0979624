package cli

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/bakeoffhq/bakeoff"
)

// nightly are the events of a run in which all that can happen to a candidate happens.
func nightly() []bakeoff.Event {
	var events []bakeoff.Event
	at := func(seconds float64, kind bakeoff.EventKind, candidate string, progress float64, message string) {
		events = append(events, bakeoff.Event{
			Time: night.Add(time.Duration(seconds * float64(time.Second))),
			Run:  "churn-20261122T200000Z", Kind: kind, Candidate: candidate, Progress: progress, Message: message,
		})
	}
	at(0, bakeoff.EventPhase, "", 0, "snapshot")
	at(1, bakeoff.EventPhase, "", 0, "build")
	at(1, bakeoff.EventStarted, "logistic", 0, "")
	at(1, bakeoff.EventStarted, "부스팅", 0, "")
	at(1.1, bakeoff.EventStarted, "impatient", 0, "")
	at(1.2, bakeoff.EventFailed, "impatient", 0, "time limit: \x1b[31mstopped\x1b[0m after 1ms = too\nshort")
	at(2, bakeoff.EventProgress, "logistic", 0.5, "iteration 10")
	at(5, bakeoff.EventBuilt, "logistic", 0, "")
	for tree := 1; tree <= 20; tree++ {
		at(5+2*float64(tree), bakeoff.EventProgress, "부스팅", float64(tree)/40, fmt.Sprintf("tree %d/40", tree))
	}
	return events
}

var contenders = []string{"logistic", "부스팅", "impatient", "forest"}

func TestPlainProgress(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out, progressPlain, contenders)
	p.zone = seoul
	for _, e := range nightly() {
		p.Event(e)
	}
	fmt.Fprintln(p, "a log record")
	p.Event(bakeoff.Event{Time: night.Add(time.Minute), Run: "churn-20261122T200000Z", Kind: bakeoff.EventVerdict, Message: "boosting is ahead"})
	p.Close()
	checkGolden(t, "progress-plain", out.Bytes())
	checkPlain(t, out.String())
}

func TestNoProgress(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out, progressNone, contenders)
	for _, e := range nightly() {
		p.Event(e)
	}
	fmt.Fprintln(p, "a log record")
	p.Close()
	if out.Len() > 0 {
		t.Errorf("wrote %q", out.String())
	}
}

func TestBoard(t *testing.T) {
	b := newBoard(contenders)
	for _, e := range nightly() {
		b.apply(e)
	}
	for name, l := range map[string]look{
		"80": {width: 80, height: 24, utf8: true}, "120": {width: 120, height: 24, utf8: true}, "60": {width: 60, height: 24, utf8: true},
		"40": {width: 40, height: 24, utf8: true}, "ascii": {width: 80, height: 24}, "low": {width: 80, height: 5, utf8: true},
		"unlimited": {utf8: true},
	} {
		t.Run(name, func(t *testing.T) {
			out := strings.Join(b.draw(l, night.Add(46*time.Second)), "\n") + "\n"
			checkGolden(t, "board-"+name, []byte(out))
			checkPlain(t, out)
			checkWidth(t, out, l.width)
			if lines := strings.Count(out, "\n"); l.height > 0 && lines >= l.height {
				t.Errorf("%d lines on a screen of %d", lines, l.height)
			}
			l.color = true
			colored := ansi.Strip(strings.Join(b.draw(l, night.Add(46*time.Second)), "\n") + "\n")
			if colored != out {
				t.Errorf("colour changes the text:\n%s", colored)
			}
		})
	}
}

func TestBoardBeforeAndAfter(t *testing.T) {
	b := newBoard([]string{"forest"})
	look := look{utf8: true, width: 80, height: 24}
	before := b.draw(look, night)
	for _, e := range []bakeoff.Event{
		{Time: night, Kind: bakeoff.EventStarted, Candidate: "forest"},
		{Time: night.Add(time.Second), Kind: bakeoff.EventProgress, Candidate: "forest", Progress: 1.7, Message: "tree 9/9"},
		{Time: night.Add(2 * time.Second), Kind: bakeoff.EventStarted, Candidate: "forest"}, // another attempt
		{Time: night.Add(3 * time.Second), Kind: bakeoff.EventBuilt, Candidate: "forest"},
		{Time: night.Add(3 * time.Second), Kind: bakeoff.EventProgress, Candidate: "late", Progress: -1},
	} {
		b.apply(e)
	}
	after := b.draw(look, night.Add(time.Hour))
	got := strings.Join(append(before, after...), "\n") + "\n"
	checkGolden(t, "board-attempts", []byte(got))
}

func TestProgressMode(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if got := progressMode(file, func(string) string { return "" }); got != progressPlain {
		t.Errorf("to a file: %s", got)
	}
}

func TestUTF8Locale(t *testing.T) {
	for name, tc := range map[string]struct {
		env  map[string]string
		want bool
	}{
		"Korean":           {map[string]string{"LANG": "ko_KR.UTF-8"}, true},
		"old Korean":       {map[string]string{"LANG": "ko_KR.eucKR"}, false},
		"C":                {map[string]string{"LANG": "C"}, false},
		"C in UTF-8":       {map[string]string{"LANG": "C.utf8"}, true},
		"the first counts": {map[string]string{"LC_ALL": "C", "LANG": "en_US.UTF-8"}, false},
		"empty is not set": {map[string]string{"LC_ALL": "", "LC_CTYPE": "en_US.UTF-8", "LANG": "C"}, true},
	} {
		if got := utf8Locale(func(k string) string { return tc.env[k] }); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
