package cli

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/bakeoffhq/bakeoff"
)

// terminal opens a pseudo-terminal of the given size: the side of the person, and that of the program.
func terminal(t *testing.T, width, height uint16) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { _ = person.Close() })
	fd := int(person.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetUint32(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Close() })
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: width, Row: height}); err != nil {
		t.Fatal(err)
	}
	return person, program
}

func TestProgressModeOfATerminal(t *testing.T) {
	_, tty := terminal(t, 80, 24)
	_, sizeless := terminal(t, 0, 0)
	_, low := terminal(t, 80, leastHeight-1)
	for name, tc := range map[string]struct {
		tty  *os.File
		env  map[string]string
		want string
	}{
		"terminal": {tty, map[string]string{"TERM": "xterm-256color"}, progressTTY},
		"dumb":     {tty, map[string]string{"TERM": "dumb"}, progressPlain},
		"CI":       {tty, map[string]string{"TERM": "xterm", "CI": "true"}, progressPlain},
		"low":      {low, map[string]string{"TERM": "xterm"}, progressPlain},
		"no size":  {sizeless, map[string]string{"TERM": "xterm"}, progressPlain},
	} {
		if got := progressMode(tc.tty, func(k string) string { return tc.env[k] }); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

// questions are the escape sequences that a terminal answers; the answers would be read by the
// shell as if they had been typed.
var questions = regexp.MustCompile("\x1b\\[[?>=]?[0-9;]*c|\x1b\\[[0-9;?]*n|\x1b\\[\\?[0-9;]*\\$p|\x1b\\[\\?u|\x1b\\][0-9]+;\\?|\x1b\\[>[0-9]*q|\x1bP")

// colors are the escape sequences that change how text looks.
var colors = regexp.MustCompile("\x1b\\[[0-9;:]+m")

func TestLiveProgress(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	for name, tc := range map[string]struct {
		width, height uint16
		look          look
		want          string
	}{
		"colour":         {80, 24, look{utf8: true, color: true}, "live"},
		"none":           {80, 24, look{utf8: true}, "live"},
		"narrow":         {60, 24, look{utf8: true, color: true}, "live-60"},
		"end of screen":  {80, 9, look{utf8: true, color: true}, "live-low"},
		"lower than all": {80, leastHeight, look{utf8: true, color: true}, "live-lower"},
	} {
		t.Run(name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			person, tty := terminal(t, tc.width, tc.height)
			seen := newScreen(int(tc.width), int(tc.height))
			before := mode(t, tty)
			during := watchRun(t, person, tty, seen, tc.look)

			checkGolden(t, tc.want, []byte(seen.text()))
			if diff := cmp.Diff(before, during); diff != "" {
				t.Errorf("the terminal's mode changed, and with it Ctrl-C (-before +during):\n%s", diff)
			}
			if q := questions.FindString(seen.raw.String()); q != "" {
				t.Errorf("asks the terminal %q", q)
			}
			if seen.hidden {
				t.Error("leaves the cursor hidden")
			}
			if c := colors.FindString(seen.raw.String()); (c != "") != tc.look.color {
				t.Errorf("with color %v it writes %q", tc.look.color, c)
			}
		})
	}
}

// TestLiveProgressOfWhatIsTriedAgain draws a candidate that waits for its next attempt in a run with a
// deadline, and what the builds print nowhere.
func TestLiveProgressOfWhatIsTriedAgain(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	person, tty := terminal(t, 80, 24)
	seen, output := newScreen(80, 24), outputOf(person)
	b := newBoard([]string{"flaky", "lost"})
	b.deadline = time.Now().Add(2*time.Hour + time.Minute)
	p := newProgress(tty, progressTTY, look{utf8: true}, b)
	for _, e := range triedAgain() {
		if e.Kind == bakeoff.EventFailed {
			break
		}
		p.Event(bakeoff.Event{Time: e.Time, Run: e.Run, Kind: bakeoff.EventLog, Candidate: e.Candidate, Message: "printed\n"})
		p.Event(e)
		if e.Kind == bakeoff.EventRetry {
			seen.until(t, output, e.Message[:len("attempt 2")])
		}
	}
	seen.until(t, output, "built in 21s")
	p.Close()
	_ = tty.Close()
	for chunk := range output {
		seen.write(t, chunk)
	}
	for _, want := range []string{"building, 2h0", " to its deadline", "flaky  ░", "attempt 2", "✓ lost"} {
		if !strings.Contains(seen.text(), want) {
			t.Errorf("%q is not there:\n%s", want, seen.text())
		}
	}
	if raw := seen.raw.String(); strings.Contains(raw, "printed") || !strings.Contains(raw, "attempt 2/3 in 30s") {
		t.Errorf("it wrote %q", raw)
	}
}

// outputOf hands out what a program writes to a terminal until it closes its side.
func outputOf(person *os.File) <-chan []byte {
	output := make(chan []byte)
	go func() {
		defer close(output)
		for {
			chunk := make([]byte, 4096)
			n, err := person.Read(chunk)
			if err != nil {
				return
			}
			output <- chunk[:n]
		}
	}()
	return output
}

// watchRun shows a run on a terminal, with a Ctrl-C in the middle, until the terminal is closed.
// It returns the terminal's mode meanwhile.
func watchRun(t *testing.T, person, tty *os.File, seen *screenText, l look) *unix.Termios {
	t.Helper()
	output := outputOf(person)
	fmt.Fprint(tty, "$ ls\nchurn.yaml\ntelco_churn.csv\n$ bakeoff run\n")
	p := newProgress(tty, progressTTY, l, newBoard(contenders))
	during := mode(t, tty)
	fmt.Fprintln(p, "a log record before all")
	for _, e := range nightly() {
		p.Event(e)
	}
	seen.until(t, output, "tree 20/40")
	if _, err := person.WriteString("\x03"); err != nil { // nobody's controlling terminal: only its echo is seen
		t.Fatal(err)
	}
	seen.until(t, output, "^C")
	fmt.Fprint(p, "\ncancelling run churn-20261122T200000Z; once more leaves at once\n")
	for _, e := range lateNight() {
		p.Event(e)
	}
	p.Close()
	fmt.Fprintln(p, "what is said later")
	fmt.Fprintln(tty, "what comes after")
	_ = tty.Close()
	for chunk := range output {
		seen.write(t, chunk)
	}
	return during
}

func mode(t *testing.T, tty *os.File) *unix.Termios {
	t.Helper()
	m, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
