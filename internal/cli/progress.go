package cli

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// The ways to show progress.
const (
	progressTTY   = "tty"   // a live block of bars on a terminal
	progressPlain = "plain" // one line a change
	progressNone  = "none"
)

// leastHeight is that of a terminal with room for a block of a heading, two lines for candidates, and
// what else a board needs.
const leastHeight = 6

// progressMode returns the way to show progress on w: live only on a terminal that says its size
// and understands escape sequences, and where nobody is recording (CI).
func progressMode(w *os.File, getenv func(string) string) string {
	if getenv("CI") != "" || getenv("TERM") == "dumb" || !term.IsTerminal(int(w.Fd())) {
		return progressPlain
	}
	if width, height, err := term.GetSize(int(w.Fd())); err != nil || width == 0 || height < leastHeight {
		return progressPlain // some pseudo-terminals have no size, and a block drawn there is not seen
	}
	return progressTTY
}

// utf8Locale reports whether the terminal shows more than ASCII, by the first of the locale's
// variables that is set (POSIX, 8.2 Internationalization Variables).
func utf8Locale(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(getenv(name)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return runtime.GOOS == "windows" || runtime.GOOS == "darwin" // where none is set as a rule
}

// progress shows the events of one run while it goes on. Its methods may be called from several
// goroutines. It never reads from the terminal and leaves its modes and its signals alone, so that
// Ctrl-C stays with whoever runs the command.
type progress struct {
	out   io.Writer
	plain bool           // progressPlain
	zone  *time.Location // of the times in plain lines

	mu    sync.Mutex // guards what follows, and the order of what is written
	live  *live      // progressTTY, until Close
	board board
	beat  time.Time // of the last heartbeat line
}

// newProgress returns a progress that shows on w, in the mode, what becomes of the board. The look is
// that of a live block, which only a file can show. Close ends it.
func newProgress(w io.Writer, mode string, l look, b board) *progress {
	p := &progress{out: w, plain: mode == progressPlain, zone: time.Local, board: b}
	if mode == progressNone {
		p.out = io.Discard
	}
	if tty, ok := w.(*os.File); ok && mode == progressTTY {
		p.live = startLive(tty, p.board, l)
	}
	return p
}

// Event shows an event. What builds print is not shown: `bakeoff logs --follow` does that.
func (p *progress) Event(e bakeoff.Event) {
	if e.Kind == bakeoff.EventLog {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.live != nil:
		p.live.send(e)
	case p.plain:
		p.board.apply(e)
		p.line(e)
	}
}

// Write shows text, such as a log record, above the live block, or as it is where there is none, as
// after Close.
func (p *progress) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live == nil {
		return p.out.Write(text)
	}
	p.live.above(strings.Trim(string(text), "\n"))
	return len(text), nil
}

// Close leaves the last state on the screen. What else goes to the same terminal is written after it.
func (p *progress) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live != nil {
		p.live.close()
		p.live = nil
	}
}

const heartbeat = 15 * time.Second

// line writes an event as one line of a time and key=value pairs; of events that tell of progress
// only one in a heartbeat.
func (p *progress) line(e bakeoff.Event) {
	if p.beat.IsZero() {
		p.beat = e.Time
	}
	pairs := p.pairs(e)
	if e.Kind == bakeoff.EventProgress {
		if e.Time.Sub(p.beat) < heartbeat {
			return
		}
		p.beat = e.Time
		pairs = p.pulse(e.Time)
	}
	if len(pairs) == 0 {
		return // of a kind that is not known here
	}
	_, _ = fmt.Fprintln(p.out, e.Time.In(p.zone).Format(time.TimeOnly), keyValues(append([]string{"run", e.Run}, pairs...)))
}

// pairs are the keys and values that tell of an event; none for progress, of which pulse tells.
func (p *progress) pairs(e bakeoff.Event) []string {
	state := func(state string, more ...string) []string {
		return append([]string{"candidate", e.Candidate, "state", state}, more...)
	}
	switch e.Kind {
	case bakeoff.EventPhase:
		return []string{"phase", e.Message, "deadline", p.deadline()}
	case bakeoff.EventStarted:
		return state("started", "attempt", laterAttempt(e))
	case bakeoff.EventBuilt:
		return state("built", "took", p.took(e))
	case bakeoff.EventFailed:
		return state("failed", "took", p.took(e), "reason", plain.Line(e.Message))
	case bakeoff.EventRetry:
		return state("retry", "reason", plain.Line(e.Message))
	case bakeoff.EventWaiting:
		return state("waiting", "reason", plain.Line(e.Message))
	case bakeoff.EventVerdict:
		verdict, reason := verdictOf(e)
		return []string{"state", "ended", "verdict", string(verdict), "reason", plain.Line(reason)}
	}
	return nil
}

// deadline is the run's, "" if it has none.
func (p *progress) deadline() string {
	if p.board.deadline.IsZero() {
		return ""
	}
	return p.board.deadline.In(p.zone).Format(time.RFC3339)
}

// laterAttempt is the number of an attempt that is not the first, else "".
func laterAttempt(e bakeoff.Event) string {
	if e.Attempt < 2 {
		return ""
	}
	return strconv.Itoa(e.Attempt)
}

// pulse says how far the phase is, or the candidates that are being built and for how long that goes on.
func (p *progress) pulse(now time.Time) []string {
	if p.board.share > 0 {
		return []string{"phase", p.board.phase, "done", percent(p.board.share)}
	}
	var pairs []string
	var first time.Time
	for _, b := range p.board.bars {
		if b.state != barBuilding {
			continue
		}
		pairs = append(pairs, plain.Line(b.name), percent(b.fraction))
		if first.IsZero() || b.started.Before(first) {
			first = b.started
		}
	}
	return append(pairs, "elapsed", briefly(now.Sub(first)))
}

// took returns how long the candidate of an event was built, "" if its start was not seen.
func (p *progress) took(e bakeoff.Event) string {
	for _, b := range p.board.bars {
		if b.name == e.Candidate && !b.started.IsZero() {
			return briefly(b.ended.Sub(b.started))
		}
	}
	return ""
}

// keyValues joins keys and values as key=value, quoting what a reader could split; pairs without
// a value are left out.
func keyValues(pairs []string) string {
	var parts []string
	for i := 0; i+1 < len(pairs); i += 2 {
		v := pairs[i+1]
		if v == "" {
			continue
		}
		if quoted := strconv.Quote(v); strings.ContainsAny(v, " =") || len(quoted) != len(v)+2 {
			v = quoted
		}
		parts = append(parts, pairs[i]+"="+v)
	}
	return strings.Join(parts, " ")
}
