package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
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
	for name, tc := range map[string]struct {
		tty  *os.File
		env  map[string]string
		want string
	}{
		"terminal": {tty, map[string]string{"TERM": "xterm-256color"}, progressTTY},
		"dumb":     {tty, map[string]string{"TERM": "dumb"}, progressPlain},
		"CI":       {tty, map[string]string{"TERM": "xterm", "CI": "true"}, progressPlain},
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

func TestLiveProgress(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	t.Setenv("LC_ALL", "C.UTF-8")
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	person, tty := terminal(t, 80, 24)
	before, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	var screen bytes.Buffer
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(&screen, person) // ends with an error once the program's side is closed
	}()

	p := newProgress(tty, progressTTY, contenders)
	during, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range nightly() {
		p.Event(e)
	}
	fmt.Fprintln(p, "a log record above")
	p.Close()
	fmt.Fprintln(tty, "what comes after")
	_ = tty.Close()
	<-read

	if diff := cmp.Diff(before, during); diff != "" {
		t.Errorf("the terminal's mode changed, and with it Ctrl-C (-before +during):\n%s", diff)
	}
	if q := questions.FindString(screen.String()); q != "" {
		t.Errorf("asks the terminal %q", q)
	}
	if on, off := strings.LastIndex(screen.String(), ansi.ShowCursor), strings.LastIndex(screen.String(), ansi.HideCursor); off > on {
		t.Error("leaves the cursor hidden")
	}
	text := ansi.Strip(screen.String())
	for _, want := range []string{
		"churn-20261122T200000Z  building", "✓ logistic", "built in 4.0s", "● 부스팅", "tree 20/40",
		"✗ impatient  failed: time limit: stopped after 1ms = too short", "· forest", "a log record above", "what comes after",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not on the screen:\n%s", want, text)
		}
	}
}
