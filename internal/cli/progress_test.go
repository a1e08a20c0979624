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
	at(2.5, bakeoff.EventLog, "logistic", 0, "what it prints\n")
	at(3, bakeoff.EventWaiting, "forest", 0, "no worker serves the queue gpu; start one with `bakeoff worker --join URL --queue gpu`")
	at(3, "of tomorrow", "forest", 0, "nobody knows")
	at(5, bakeoff.EventBuilt, "logistic", 0, "")
	for tree := 1; tree <= 20; tree++ {
		at(5+2*float64(tree), bakeoff.EventProgress, "부스팅", float64(tree)/40, fmt.Sprintf("tree %d/40", tree))
	}
	return events
}

// lateNight are the events after those of nightly: the run is cancelled.
func lateNight() []bakeoff.Event {
	event := func(seconds int, kind bakeoff.EventKind, candidate, message string) bakeoff.Event {
		return bakeoff.Event{
			Time: night.Add(time.Duration(seconds) * time.Second), Run: "churn-20261122T200000Z",
			Kind: kind, Candidate: candidate, Message: message,
		}
	}
	return []bakeoff.Event{
		event(48, bakeoff.EventBuilt, "부스팅", ""),
		event(49, bakeoff.EventFailed, "forest", "cancelled: by ann"),
		event(49, bakeoff.EventPhase, "", "promote"),
		event(50, bakeoff.EventVerdict, "", "failed: cancelled: by ann"),
	}
}

var contenders = []string{"logistic", "부스팅", "impatient", "forest"}

func TestPlainProgress(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out, progressPlain, look{}, newBoard(contenders))
	p.zone = seoul
	for _, e := range nightly() {
		p.Event(e)
	}
	fmt.Fprintln(p, "a log record")
	p.Event(bakeoff.Event{Time: night.Add(time.Minute), Run: "churn-20261122T200000Z", Kind: bakeoff.EventVerdict, Message: "promoted: boosting is ahead = better"})
	p.Close()
	checkGolden(t, "progress-plain", out.Bytes())
	checkPlain(t, out.String())
}

func TestNoProgress(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out, progressNone, look{}, newBoard(contenders))
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
		"40": {width: 40, height: 24, utf8: true}, "ascii": {width: 80, height: 24}, "low": {width: 80, height: 7, utf8: true},
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

// triedAgain are the events of a candidate that fails and is tried again, and of one whose node is
// killed and takes the run over when it is started again.
func triedAgain() []bakeoff.Event {
	event := func(seconds int, kind bakeoff.EventKind, candidate string, attempt int, message string) bakeoff.Event {
		return bakeoff.Event{
			Time: night.Add(time.Duration(seconds) * time.Second), Run: "churn-20261122T200000Z",
			Kind: kind, Candidate: candidate, Attempt: attempt, Progress: 0.5, Message: message,
		}
	}
	return []bakeoff.Event{
		event(0, bakeoff.EventPhase, "", 0, "build"),
		event(0, bakeoff.EventStarted, "flaky", 1, ""),
		event(0, bakeoff.EventStarted, "lost", 1, ""),
		event(5, bakeoff.EventProgress, "lost", 1, "tree 20/40"),
		event(6, bakeoff.EventRetry, "flaky", 1, "attempt 2/3 in 30s: exit code 1: \x1b[2Jno licence"),
		event(20, bakeoff.EventRetry, "lost", 2, "attempt 2 now: worker lost: db1-77 has not been heard of"),
		event(20, bakeoff.EventStarted, "lost", 2, ""),
		event(36, bakeoff.EventStarted, "flaky", 2, ""),
		event(40, bakeoff.EventProgress, "lost", 2, "tree 20/40"),
		event(41, bakeoff.EventBuilt, "lost", 2, ""),
		event(60, bakeoff.EventFailed, "flaky", 2, "deadline passed at 2026-11-22T20:01:00Z"),
		event(61, bakeoff.EventVerdict, "", 0, "kept: the champion stays"),
	}
}

func TestPlainProgressOfWhatIsTriedAgain(t *testing.T) {
	var out bytes.Buffer
	b := newBoard([]string{"flaky", "lost"})
	b.deadline = night.Add(time.Minute)
	p := newProgress(&out, progressPlain, look{}, b)
	p.zone = seoul
	for _, e := range triedAgain() {
		p.Event(e)
	}
	p.Close()
	checkGolden(t, "progress-again", out.Bytes())
	checkPlain(t, out.String())
}

func TestBoardOfWhatIsTriedAgain(t *testing.T) {
	b := newBoard([]string{"flaky", "lost"})
	b.deadline = night.Add(time.Minute)
	var out strings.Builder
	for _, e := range triedAgain() {
		b.apply(e)
		lines := strings.Join(b.draw(look{width: 80, height: 24, utf8: true}, e.Time), "\n") + "\n"
		checkWidth(t, lines, 80)
		fmt.Fprintf(&out, "%s %s\n%s", e.Time.Format(time.TimeOnly), e.Kind, lines)
	}
	checkGolden(t, "board-again", []byte(out.String()))
	checkPlain(t, out.String())
}

// TestBarColumns draws the same moment in terminals that get narrower, in which the time left is the
// last to go.
func TestBarColumns(t *testing.T) {
	for name, candidates := range map[string][]string{
		"short": {"forest", "slow"}, "long": {"gradient_boosted_trees1", "slow"}, "hangul": {"부스팅 나무 오백 그루와 그 친구들 모두", "slow"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBoard(candidates)
			for _, e := range []bakeoff.Event{
				{Time: night, Kind: bakeoff.EventStarted, Candidate: candidates[0]},
				{Time: night, Kind: bakeoff.EventStarted, Candidate: "slow"},
				{Time: night, Kind: bakeoff.EventProgress, Candidate: candidates[0], Progress: 0.5, Message: "tree 20/40"},
				{Time: night, Kind: bakeoff.EventProgress, Candidate: "slow", Progress: 0.01, Message: "epoch 1 of 100, loss 0.6931"},
			} {
				b.apply(e)
			}
			var out strings.Builder
			for _, width := range []int{100, 80, 70, 60, 50, 40, 30, 10} {
				lines := strings.Join(b.draw(look{width: width, height: 24, utf8: true}, night.Add(2345*time.Second)), "\n") + "\n"
				checkWidth(t, lines, width)
				if left := strings.Contains(lines, "39m5s left\n"); !left && width > 30 {
					t.Errorf("%d cells: the time left is not there", width)
				}
				fmt.Fprintf(&out, "%d\n%s", width, lines)
			}
			checkGolden(t, "columns-"+name, []byte(out.String()))
		})
	}
}

func TestBoardVerdict(t *testing.T) {
	for message, want := range map[string]string{
		"promoted: it is ahead": "promoted", "kept: the champion is: ahead": "kept", "failed: cancelled: by ann": "failed",
		"": "ended", "boosting: it is ahead": "ended",
	} {
		b := newBoard(nil)
		b.apply(bakeoff.Event{Run: "r", Kind: bakeoff.EventPhase, Message: "promote"})
		b.apply(bakeoff.Event{Run: "r", Kind: bakeoff.EventVerdict, Message: message})
		if got := b.draw(look{}, night)[0]; got != "r  "+want {
			t.Errorf("%q: %q, want %q", message, got, want)
		}
	}
}

func TestBriefly(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0.0s", 1230 * time.Millisecond: "1.2s", 38400 * time.Millisecond: "38s", 190 * time.Second: "3m10s",
		time.Hour - time.Second: "59m59s", 125*time.Minute + 59*time.Second: "2h05m",
	} {
		if got := briefly(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
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

// A phase that takes its time tells how far it is, and the next begins anew.
func TestAPhaseTellsHowFarItIs(t *testing.T) {
	event := func(seconds int, kind bakeoff.EventKind, progress float64, message string) bakeoff.Event {
		return bakeoff.Event{Time: night.Add(time.Duration(seconds) * time.Second), Run: "higgs-20261122T200000Z", Kind: kind, Progress: progress, Message: message}
	}
	var out bytes.Buffer
	p := newProgress(&out, progressPlain, look{}, newBoard(nil))
	p.zone = seoul
	for _, e := range []bakeoff.Event{
		event(5, bakeoff.EventProgress, 0.2, ""), event(20, bakeoff.EventProgress, 0.421, ""),
	} {
		p.Event(e)
	}
	if want := "run=higgs-20261122T200000Z phase=\"freezing the rows\" done=42%\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("lines\n%s, want the last to end in %s", out.String(), want)
	}
	if line, want := p.board.draw(look{}, night)[0], "higgs-20261122T200000Z  freezing the rows, 42%"; line != want {
		t.Errorf("line %q, want %q", line, want)
	}
	p.Event(event(30, bakeoff.EventPhase, 0, "evaluate"))
	if line, want := p.board.draw(look{}, night)[0], "higgs-20261122T200000Z  judging"; line != want {
		t.Errorf("line %q, want %q", line, want)
	}
}
