package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"

	"github.com/bakeoffhq/bakeoff"
)

// visible makes text of unknown origin fit for one line of a terminal: escape sequences, with which
// it could move the cursor or change the window, and the characters that turn the direction of
// writing are dropped, control characters and white space become single spaces.
func visible(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Bidi_Control, r):
			return -1
		case unicode.IsControl(r):
			return ' '
		}
		return r
	}, ansi.Strip(strings.ToValidUTF8(s, "\uFFFD")))
	return strings.Join(strings.Fields(s), " ")
}

// pad fills s with spaces to width display cells.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-ansi.StringWidth(s)))
}

// formatValue formats a metric's value in few characters, whatever its size.
func formatValue(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1e6 || a != 0 && a < 1e-3:
		return strconv.FormatFloat(v, 'g', 4, 64)
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'f', 4, 64)
}

// formatSigned is formatValue with a sign.
func formatSigned(v float64) string {
	if v < 0 {
		return formatValue(v)
	}
	return "+" + formatValue(v)
}

// formatCount formats a number of things with commas between thousands.
func formatCount(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// formatBytes formats a size in decimal units.
func formatBytes(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n), 0
	for v >= 999.95 && unit < 4 {
		v /= 1000
		unit++
	}
	return fmt.Sprintf("%.1f %cB", v, " kMGT"[unit])
}

// rowsInWords says how many rows there were and which were set aside.
func rowsInWords(n *bakeoff.Rows) string {
	line := fmt.Sprintf("%s to train, %s in the holdout", formatCount(n.Train), formatCount(n.Holdout))
	if n.SetAside == 0 {
		return line
	}
	return line + ", " + formatCount(n.SetAside) + " set aside" + setAsideInWords(n)
}

// setAsideInWords gives the reasons for which rows were set aside, in brackets.
func setAsideInWords(n *bakeoff.Rows) string {
	var why []string
	if n.MissingTarget > 0 {
		why = append(why, formatCount(n.MissingTarget)+" without a target")
	}
	if n.SeenByChampion > 0 {
		why = append(why, formatCount(n.SeenByChampion)+" that the champion was trained on")
	}
	if len(why) == 0 {
		return ""
	}
	return " (" + strings.Join(why, ", ") + ")"
}
