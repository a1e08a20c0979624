package notify

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// escaper replaces the three characters that mean something in every Slack text. Without them no
// mention, channel call or link can be written.
var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// unescaper is the inverse of escaper, for what is not sent to Slack.
var unescaper = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">")

const ellipsis = "…"

// escape returns s escaped for Slack and at most limit characters long. What is cut ends in an
// ellipsis; an escaped character is kept or dropped as a whole.
func escape(s string, limit int) string {
	if e := escaper.Replace(s); length(e) <= limit {
		return e
	}
	var b strings.Builder
	left := limit - length(ellipsis)
	for _, r := range s {
		e := escaper.Replace(string(r))
		if left -= length(e); left < 0 {
			break
		}
		b.WriteString(e)
	}
	return b.String() + ellipsis
}

// length counts the characters of s as the receiver does. Which it counts is not documented;
// UTF-16 code units are never fewer than runes.
func length(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}

// list joins as many escaped lines as fit into most lines and limit characters, and says how many
// more there are.
func list(lines []string, most, limit int) string {
	const room = len("\n… +1234567 more")
	var b strings.Builder
	used := 0
	for i, line := range lines {
		n := length(line) + 1
		if i == most || used+n > limit-room {
			return b.String() + fmt.Sprintf("%s +%d more", ellipsis, len(lines)-i)
		}
		used += n
		b.WriteString(line + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// cell returns s for a table: one line, at most width display cells, and no run of characters
// without a width.
func cell(s string, width int) string {
	s = ansi.Truncate(plain.Line(s), width, ellipsis)
	if runes := []rune(s); len(runes) > 2*width {
		s = string(runes[:2*width])
	}
	return strings.ReplaceAll(s, "`", "'") // three of them would end the code block
}

// columns aligns the cells of rows: the second column to the left, numbers to the right.
func columns(rows [][]string) []string {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], ansi.StringWidth(c))
		}
	}
	lines := make([]string, len(rows))
	for r, row := range rows {
		parts := make([]string, len(row))
		for i, c := range row {
			pad := strings.Repeat(" ", widths[i]-ansi.StringWidth(c))
			if parts[i] = pad + c; i == 1 {
				parts[i] = c + pad
			}
		}
		lines[r] = strings.Join(parts, "  ")
	}
	return lines
}

// seconds formats a duration: "2.1 s", "3m10s".
func seconds(s float64) string {
	if s < 60 || !(s < 1e9) {
		return strconv.FormatFloat(s, 'f', 1, 64) + " s"
	}
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}
