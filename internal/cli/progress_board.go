package cli

import (
	"fmt"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// barState says how far a candidate has come.
type barState int

const (
	barWaiting barState = iota
	barBuilding
	barBuilt
	barFailed
)

// bar is one candidate on the board.
type bar struct {
	name           string
	state          barState
	fraction       float64 // 0 to 1
	message        string
	started, ended time.Time
}

// board is what a person sees of a run: a fold of its events.
type board struct {
	run, phase string
	share      float64 // of the phase that is done, 0 where nobody tells
	ended      bool
	deadline   time.Time // of the run; zero for none
	bars       []bar
}

// starting is the phase of a run of which nothing was heard.
const starting = "starting"

func newBoard(candidates []string) board {
	b := board{phase: starting, bars: make([]bar, len(candidates))}
	for i, name := range candidates {
		b.bars[i].name = name
	}
	return b
}

// phases says in words what the run is at.
var phases = map[bakeoff.Phase]string{
	bakeoff.PhaseSnapshot: "freezing the rows",
	bakeoff.PhaseBuild:    "building",
	bakeoff.PhaseEvaluate: "judging",
	bakeoff.PhasePromote:  "promoting",
	bakeoff.PhaseEnded:    "ended",
}

// apply takes an event into the board.
func (b *board) apply(e bakeoff.Event) {
	b.run = e.Run
	switch e.Kind {
	case bakeoff.EventProgress:
		if e.Candidate == "" {
			b.share = min(max(e.Progress, 0), 1)
			if b.phase == starting { // a run begins with freezing, which nobody announces
				b.phase = phases[bakeoff.PhaseSnapshot]
			}
		}
	case bakeoff.EventPhase:
		b.share = 0
		if b.phase = phases[bakeoff.Phase(e.Message)]; b.phase == "" {
			b.phase = plain.Line(e.Message)
		}
	case bakeoff.EventVerdict:
		b.ended = true
		b.phase = phases[bakeoff.PhaseEnded]
		if verdict, _ := verdictOf(e); verdict != "" {
			b.phase = string(verdict)
		}
	}
	if e.Candidate == "" {
		return
	}
	bar := b.bar(e.Candidate)
	switch e.Kind {
	case bakeoff.EventStarted:
		*bar = newBar(e)
	case bakeoff.EventProgress:
		if bar.state == barWaiting {
			*bar = newBar(e)
		}
		bar.fraction, bar.message = min(max(e.Progress, 0), 1), plain.Line(e.Message)
	case bakeoff.EventBuilt:
		bar.state, bar.fraction, bar.ended = barBuilt, 1, e.Time
	case bakeoff.EventFailed:
		bar.state, bar.message, bar.ended = barFailed, plain.Line(e.Message), e.Time
	case bakeoff.EventRetry: // also of a worker that was lost while it built
		bar.state, bar.message = barWaiting, plain.Line(e.Message)
	case bakeoff.EventWaiting:
		if bar.state == barWaiting {
			bar.message = "waiting: " + plain.Line(e.Message)
		}
	}
}

// verdictOf takes the message of a run's last event apart: "promoted: it beats the champion". The
// verdict is empty where the message does not begin with one.
func verdictOf(e bakeoff.Event) (verdict bakeoff.Verdict, reason string) {
	word, rest, _ := strings.Cut(e.Message, ": ")
	switch v := bakeoff.Verdict(word); v {
	case bakeoff.Promoted, bakeoff.Kept, bakeoff.Failed:
		return v, rest
	}
	return "", e.Message
}

// newBar is that of a candidate of which an attempt has begun.
func newBar(e bakeoff.Event) bar {
	b := bar{name: e.Candidate, state: barBuilding, started: e.Time}
	if n := laterAttempt(e); n != "" {
		b.message = "attempt " + n
	}
	return b
}

// bar returns the candidate's bar, a new one for a candidate that was not announced.
func (b *board) bar(name string) *bar {
	for i := range b.bars {
		if b.bars[i].name == name {
			return &b.bars[i]
		}
	}
	b.bars = append(b.bars, bar{name: name})
	return &b.bars[len(b.bars)-1]
}

// look says how a board is drawn. Width and height are the terminal's, in cells; 0 for no limit.
type look struct {
	width, height int
	utf8, color   bool
}

// marks are the signs of a bar's states, by barState, those that a gauge is made of, and what
// stands for text that was cut off.
type marks struct {
	state            [4]string
	full, rest, tail string
}

var (
	unicodeMarks = marks{state: [4]string{"·", "●", "✓", "✗"}, full: "█", rest: "░", tail: "…"}
	asciiMarks   = marks{state: [4]string{".", "*", "+", "x"}, full: "#", rest: "-", tail: "..."}
	markColors   = [4]lipgloss.Style{
		lipgloss.NewStyle().Faint(true),
		lipgloss.NewStyle().Foreground(lipgloss.Cyan),
		lipgloss.NewStyle().Foreground(lipgloss.Green),
		lipgloss.NewStyle().Foreground(lipgloss.Red),
	}
)

// draw returns the board as lines that fit the look. Where the terminal is too low for all
// candidates, those that are being built come first, and a line counts the rest.
func (b *board) draw(l look, now time.Time) []string {
	m := unicodeMarks
	if !l.utf8 {
		m = asciiMarks
	}
	lines := []string{strings.TrimSpace(plain.Line(b.run) + "  " + b.phase + b.done() + b.timeLeft(now))}
	room := 0
	if l.height > 0 {
		room = max(l.height-4, 1) // without its own line, the cursor's, and two for text to come in above
	}
	bars, hidden := b.fitting(room)
	columns := columnsOf(bars, l.width)
	for _, bar := range bars {
		mark := m.state[bar.state]
		if l.color {
			mark = markColors[bar.state].Render(mark)
		}
		lines = append(lines, "  "+mark+" "+bar.draw(columns, m, now))
	}
	if hidden > 0 {
		lines = append(lines, fmt.Sprintf("  +%d more", hidden))
	}
	for i := range lines {
		if l.width > 0 {
			lines[i] = ansi.Truncate(lines[i], l.width, m.tail)
		}
	}
	return lines
}

// done says how much of the phase is done, where that is told.
func (b *board) done() string {
	if b.share == 0 || b.ended {
		return ""
	}
	return ", " + percent(b.share)
}

// timeLeft says for how long the run may go on, where it has a deadline.
func (b *board) timeLeft(now time.Time) string {
	switch left := b.deadline.Sub(now); {
	case b.deadline.IsZero() || b.ended:
		return ""
	case left <= 0:
		return ", its deadline has passed"
	default:
		return ", " + briefly(left) + " to its deadline"
	}
}

// fitting returns at most height bars in their order and how many others there are; all for a
// height below 1.
func (b *board) fitting(height int) (bars []bar, hidden int) {
	if height < 1 || len(b.bars) <= height {
		return b.bars, 0
	}
	room := height - 1 // a line counts the hidden ones
	chosen := make([]bool, len(b.bars))
	for _, state := range []barState{barBuilding, barFailed, barWaiting, barBuilt} {
		for i, bar := range b.bars {
			if bar.state == state && room > 0 {
				chosen[i] = true
				room--
			}
		}
	}
	for i, bar := range b.bars {
		if chosen[i] {
			bars = append(bars, bar)
		}
	}
	return bars, len(b.bars) - len(bars)
}
