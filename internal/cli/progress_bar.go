package cli

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// barColumns says how the lines of a board are divided, in cells, the same for all of them. A column
// of no cells is left out.
type barColumns struct {
	name, gauge, message int
	elapsed              bool // beside the time left
}

const (
	mostName, leastName       = 30, 8
	mostGauge, leastGauge     = 20, 5
	mostMessage, leastMessage = 20, 8
	usualMessage              = 12 // more only where one is longer, and the columns move
)

// columnsOf returns the columns of bars for a width, 0 for no limit. What a person waits for is the
// time left, and so the others make room for it: first the gauge gets shorter, then the elapsed time
// goes, then the gauge, the message, and the ends of long names.
func columnsOf(bars []bar, width int) barColumns {
	c := barColumns{gauge: mostGauge, message: usualMessage, elapsed: true}
	for _, b := range bars {
		c.name = min(max(c.name, ansi.StringWidth(plain.Line(b.name))), mostName)
		if b.state == barBuilding {
			c.message = min(max(c.message, ansi.StringWidth(b.message)), mostMessage)
		}
	}
	if width == 0 {
		return c
	}
	if c.gauge -= c.excess(width); c.gauge >= leastGauge {
		return c
	}
	c.elapsed, c.gauge = false, mostGauge
	if c.gauge -= c.excess(width); c.gauge >= leastGauge {
		return c
	}
	c.gauge = 0
	if c.message -= c.excess(width); c.message < leastMessage {
		c.message = 0
	}
	c.name = max(c.name-c.excess(width), min(c.name, leastName))
	return c
}

// excess returns by how many cells a line of a bar being built is longer than width, 0 if it is not.
func (c barColumns) excess(width int) int {
	cells := len("  * ") + c.name + len("  100%") + len("  59m59s left")
	if c.gauge > 0 {
		cells += c.gauge + len(" ")
	}
	if c.message > 0 {
		cells += len("  ") + c.message
	}
	if c.elapsed {
		cells += len("59m59s, ")
	}
	return max(cells-width, 0)
}

// draw returns one candidate's line after the mark of its state.
func (b *bar) draw(c barColumns, m marks, now time.Time) string {
	name := pad(ansi.Truncate(plain.Line(b.name), c.name, m.tail), c.name) + "  "
	switch b.state {
	case barWaiting:
		return name + cmp.Or(b.message, "waiting")
	case barFailed:
		return name + "failed: " + b.message
	case barBuilt:
		return name + gauge(m, 1, c.gauge) + "100%  built in " + briefly(b.ended.Sub(b.started))
	}
	line := name + gauge(m, b.fraction, c.gauge) + fmt.Sprintf("%4s", percent(b.fraction)) + "  "
	if c.message > 0 {
		line += pad(ansi.Truncate(b.message, c.message, m.tail), c.message) + "  "
	}
	return line + b.times(c.elapsed, now)
}

// times says how long a candidate has been built, and how long that will go on once it can be told.
func (b *bar) times(both bool, now time.Time) string {
	elapsed := now.Sub(b.started)
	if elapsed < time.Second || b.fraction < 0.05 || b.fraction >= 1 {
		return briefly(elapsed)
	}
	left := briefly(time.Duration(float64(elapsed)*(1-b.fraction)/b.fraction)) + " left"
	if both {
		return briefly(elapsed) + ", " + left
	}
	return left
}

// gauge draws a fraction in so many cells.
func gauge(m marks, fraction float64, cells int) string {
	if cells == 0 {
		return ""
	}
	full := int(fraction * float64(cells))
	return strings.Repeat(m.full, full) + strings.Repeat(m.rest, cells-full) + " "
}

func percent(fraction float64) string { return fmt.Sprintf("%d%%", int(fraction*100)) }

// briefly formats a duration in few characters: "0.4s", "38s", "3m10s", "2h05m".
func briefly(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		return d.Round(time.Second).String()
	}
	minutes := int(d.Minutes())
	return fmt.Sprintf("%dh%02dm", minutes/60, minutes%60)
}
