// Package plain turns numbers, and text of unknown origin, into short text that is safe to show to
// people: on a terminal and in a message alike.
package plain

import (
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

// Line makes s fit for one line: escape sequences, with which it could move a terminal's cursor, and
// the characters that turn the direction of writing, with which a name could disguise what follows
// it, are dropped; control characters and white space become single spaces.
func Line(s string) string {
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

// Value formats a metric's value in few characters, whatever its size.
func Value(v float64) string {
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

// Signed is Value with a sign, for differences.
func Signed(v float64) string {
	if v < 0 {
		return Value(v)
	}
	return "+" + Value(v)
}

// Count formats a number of things with commas between thousands.
func Count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
