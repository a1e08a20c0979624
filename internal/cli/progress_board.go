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
	bars       []bar
}

func newBoard(candidates []string) board {
	b := board{phase: "starting", bars: make([]bar, len(candidates))}
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
	if e.Kind == bakeoff.EventPhase {
		if b.phase = phases[bakeoff.Phase(e.Message)]; b.phase == "" {
			b.phase = plain.Line(e.Message)
		}
	}
	if e.Candidate == "" {
		return
	}
	bar := b.bar(e.Candidate)
	switch e.Kind {
	case bakeoff.EventStarted:
		*bar = newBar(e.Candidate, e.Time)
	case bakeoff.EventProgress:
		if bar.state == barWaiting {
			*bar = newBar(e.Candidate, e.Time)
		}
		bar.fraction, bar.message = min(max(e.Progress, 0), 1), plain.Line(e.Message)
	case bakeoff.EventBuilt:
		bar.state, bar.fraction, bar.ended = barBuilt, 1, e.Time
	case bakeoff.EventFailed:
		bar.state, bar.message, bar.ended = barFailed, plain.Line(e.Message), e.Time
	}
}

func newBar(name string, now time.Time) bar {
	return bar{name: name, state: barBuilding, started: now}
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

// marks are the signs of a bar's states, by barState, and those that a bar is made of.
type marks struct {
	state      [4]string
	full, rest string
}

var (
	unicodeMarks = marks{state: [4]string{"·", "●", "✓", "✗"}, full: "█", rest: "░"}
	asciiMarks   = marks{state: [4]string{".", "*", "+", "x"}, full: "#", rest: "-"}
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
	m, tail := unicodeMarks, "…"
	if !l.utf8 {
		m, tail = asciiMarks, "..."
	}
	lines := []string{strings.TrimSpace(plain.Line(b.run) + "  " + b.phase)}
	bars, hidden := b.fitting(l.height - 2) // its own line, and one for the cursor
	nameWidth := 0
	for _, bar := range bars {
		nameWidth = max(nameWidth, ansi.StringWidth(plain.Line(bar.name)))
	}
	nameWidth = min(nameWidth, 30)
	for _, bar := range bars {
		lines = append(lines, bar.draw(l, m, nameWidth, now))
	}
	if hidden > 0 {
		lines = append(lines, fmt.Sprintf("  +%d more", hidden))
	}
	for i := range lines {
		if l.width > 0 {
			lines[i] = ansi.Truncate(lines[i], l.width, tail)
		}
	}
	return lines
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

const barCells = 20

// draw returns one candidate's line.
func (b *bar) draw(l look, m marks, nameWidth int, now time.Time) string {
	mark := m.state[b.state]
	if l.color {
		mark = markColors[b.state].Render(mark)
	}
	head := "  " + mark + " " + pad(ansi.Truncate(plain.Line(b.name), nameWidth, ""), nameWidth)
	switch b.state {
	case barWaiting:
		return head + "  waiting"
	case barFailed:
		return head + "  failed: " + b.message
	case barBuilt:
		return head + "  " + gauge(m, 1, l.width) + "100%  built in " + briefly(b.ended.Sub(b.started))
	}
	elapsed := now.Sub(b.started)
	line := head + "  " + gauge(m, b.fraction, l.width) + fmt.Sprintf("%4s", percent(b.fraction))
	line += "  " + pad(b.message, 16) + "  " + briefly(elapsed)
	if elapsed >= time.Second && b.fraction >= 0.05 && b.fraction < 1 {
		line += ", " + briefly(time.Duration(float64(elapsed)*(1-b.fraction)/b.fraction)) + " left"
	}
	return line
}

// gauge draws a fraction, shorter on a narrow terminal.
func gauge(m marks, fraction float64, width int) string {
	cells := barCells
	switch {
	case width > 0 && width < 50:
		return ""
	case width > 0 && width < 80:
		cells = barCells / 2
	}
	full := int(fraction * float64(cells))
	return strings.Repeat(m.full, full) + strings.Repeat(m.rest, cells-full) + " "
}

func percent(fraction float64) string { return fmt.Sprintf("%d%%", int(fraction*100)) }

// briefly formats a duration in few characters: "0.4s", "38s", "3m10s".
func briefly(d time.Duration) string {
	d = max(d, 0)
	if d < 10*time.Second {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}
