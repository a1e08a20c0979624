package cli

import (
	"io"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// column is one column of a table.
type column struct {
	title string
	right bool // numbers
	// drop orders the columns that may be left out where the terminal is too narrow: the highest goes
	// first; 0 never goes.
	drop int
	// whole says that no cell of it is ever cut: it is to be pasted into the next command. On a terminal that
	// is narrower, lines wrap.
	whole bool
	// least is the width in cells to which the last column may be cut; 0 for its whole width.
	least int
}

// row is one line of a table. Where rest is not empty, it takes the place of the cells that are
// missing after the given ones.
type row struct {
	cells []string
	rest  string
	style lipgloss.Style
}

// table lays out rows in columns by display cells.
type table struct {
	columns []column
	rows    []row
}

const columnGap = "  "

var (
	titleStyle   = lipgloss.NewStyle().Faint(true)
	badStyle     = lipgloss.NewStyle().Foreground(lipgloss.Red)
	goodStyle    = lipgloss.NewStyle().Foreground(lipgloss.Green)
	neutralStyle = lipgloss.NewStyle().Foreground(lipgloss.Yellow)
)

// write writes the table and returns the titles of the columns that width, in cells, left no room
// for. Width 0 has room for all.
func (t *table) write(w io.Writer, width int, color bool) (dropped []string) {
	widths := t.widths()
	shown := t.fit(widths, width)
	most := max(width, t.uncut(shown, widths))
	titles := make([]string, len(t.columns))
	for i, c := range t.columns {
		titles[i] = c.title
		if !shown[i] {
			dropped = append(dropped, c.title)
		}
	}
	for _, r := range append([]row{{cells: titles, style: titleStyle}}, t.rows...) {
		line := strings.TrimRight(t.line(r, shown, widths), " ")
		if width > 0 {
			line = ansi.Truncate(line, most, "…")
		}
		if color {
			line = r.style.Render(line)
		}
		_, _ = io.WriteString(w, line+"\n")
	}
	return dropped
}

// fit returns which columns width leaves room for.
func (t *table) fit(widths []int, width int) []bool {
	shown := make([]bool, len(t.columns))
	for i := range shown {
		shown[i] = true
	}
	for width > 0 && t.need(shown, widths) > width {
		i := t.nextToDrop(shown)
		if i < 0 {
			break
		}
		shown[i] = false
	}
	last := len(t.columns) - 1
	if end := t.uncut(shown, widths); end > 0 && width > 0 && t.columns[last].least > 0 && end+len(columnGap) >= width {
		shown[last] = false // nothing of it would be seen
	}
	return shown
}

// widths returns the width of each column's widest cell.
func (t *table) widths() []int {
	widths := make([]int, len(t.columns))
	for i, c := range t.columns {
		widths[i] = ansi.StringWidth(c.title)
	}
	for _, r := range t.rows {
		for i, c := range r.cells {
			widths[i] = max(widths[i], ansi.StringWidth(c))
		}
	}
	return widths
}

// need returns how wide the table is with the columns that are shown.
func (t *table) need(shown []bool, widths []int) int {
	total := -len(columnGap)
	for i, c := range t.columns {
		if !shown[i] {
			continue
		}
		w := widths[i]
		if c.least > 0 {
			w = min(w, c.least)
		}
		total += w + len(columnGap)
	}
	return total
}

// uncut returns how wide a line is up to the end of the last column that must not be cut.
func (t *table) uncut(shown []bool, widths []int) int {
	end, at := 0, 0
	for i, c := range t.columns {
		if !shown[i] {
			continue
		}
		at += widths[i]
		if c.whole {
			end = at
		}
		at += len(columnGap)
	}
	return end
}

// nextToDrop returns the column that goes first of those that are shown, -1 if all must stay.
func (t *table) nextToDrop(shown []bool) int {
	best := -1
	for i, c := range t.columns {
		if shown[i] && c.drop > 0 && (best < 0 || c.drop > t.columns[best].drop) {
			best = i
		}
	}
	return best
}

// line joins the cells of a row that are shown.
func (t *table) line(r row, shown []bool, widths []int) string {
	var parts []string
	for i, c := range r.cells {
		if !shown[i] {
			continue
		}
		fill := strings.Repeat(" ", widths[i]-ansi.StringWidth(c))
		if t.columns[i].right {
			parts = append(parts, fill+c)
		} else {
			parts = append(parts, c+fill)
		}
	}
	if r.rest != "" {
		parts = append(parts, r.rest)
	}
	return strings.Join(parts, columnGap)
}
