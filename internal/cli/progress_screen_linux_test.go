package cli

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// screenText is what a person sees on a terminal: it carries out the control sequences that a live
// block is drawn with, and refuses others.
type screenText struct {
	raw           bytes.Buffer
	width, height int
	lines         []string   // those that have left the screen
	cells         [][]string // "" is the second cell of a wide character
	x, y          int
	hidden        bool // the cursor
}

func newScreen(width, height int) *screenText {
	s := &screenText{width: width, height: height}
	for range height {
		s.cells = append(s.cells, s.blank())
	}
	return s
}

func (s *screenText) blank() []string {
	return strings.Split(strings.Repeat(" ", s.width), "")
}

// text returns all lines, also those above the screen, without the blanks at their ends.
func (s *screenText) text() string {
	lines := s.lines
	for _, cells := range s.cells {
		lines = append(lines, strings.TrimRight(strings.Join(cells, ""), " "))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}

// until reads output until a text is on the screen.
func (s *screenText) until(t *testing.T, output <-chan []byte, text string) {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for !strings.Contains(s.text(), text) {
		select {
		case chunk := <-output:
			s.write(t, chunk)
		case <-timeout:
			t.Fatalf("%q has not come:\n%s", text, s.text())
		}
	}
}

// write shows a piece of output. The program writes whole sequences, which fit a pseudo-terminal's
// buffer.
func (s *screenText) write(t *testing.T, output []byte) {
	t.Helper()
	s.raw.Write(output)
	var state byte
	parser := ansi.NewParser()
	for len(output) > 0 {
		sequence, width, n, next := ansi.DecodeSequence(output, state, parser)
		switch {
		case width > 0:
			s.put(string(sequence), width)
		case !s.control(string(sequence), ansi.Cmd(parser.Command()), parser):
			t.Fatalf("sequence %q is not known to the test", sequence)
		}
		output, state = output[n:], next
	}
}

func (s *screenText) put(text string, width int) {
	if s.x+width > s.width {
		s.x = 0
		s.down()
	}
	s.cells[s.y][s.x] = text
	for i := 1; i < width; i++ {
		s.cells[s.y][s.x+i] = ""
	}
	s.x += width
}

// down goes to the next line, which the whole screen makes room for at its end.
func (s *screenText) down() {
	if s.y++; s.y == s.height {
		s.y--
		s.lines = append(s.lines, strings.TrimRight(strings.Join(s.cells[0], ""), " "))
		s.cells = append(s.cells[1:], s.blank())
	}
}

// control carries out a control character or sequence (ECMA-48, 8.3) and reports whether it could.
func (s *screenText) control(sequence string, command ansi.Cmd, parser *ansi.Parser) bool {
	switch sequence {
	case "\r":
		s.x = 0
		return true
	case "\n":
		s.down()
		return true
	case "\b":
		s.x = max(s.x-1, 0)
		return true
	case ansi.ShowCursor, ansi.HideCursor:
		s.hidden = sequence == ansi.HideCursor
		return true
	}
	if !strings.HasPrefix(sequence, "\x1b[") || command.Prefix() != 0 || command.Intermediate() != 0 {
		return false
	}
	n, _ := parser.Param(0, 1)
	mode, _ := parser.Param(0, 0)
	switch command.Final() {
	case 'A':
		s.y = max(s.y-max(n, 1), 0)
	case 'B':
		s.y = min(s.y+max(n, 1), s.height-1)
	case 'C':
		s.x = min(s.x+max(n, 1), s.width-1)
	case 'D':
		s.x = max(s.x-max(n, 1), 0)
	case 'G':
		s.x = min(max(n, 1), s.width) - 1
	case 'J':
		return mode == 0 && s.eraseBelow()
	case 'K':
		return mode == 0 && s.erase(s.width)
	case 'L':
		s.insertLines(max(n, 1))
	case 'X':
		s.erase(min(s.x+max(n, 1), s.width))
	case 'm':
	default:
		return false
	}
	return true
}

func (s *screenText) erase(end int) bool {
	for x := s.x; x < end; x++ {
		s.cells[s.y][x] = " "
	}
	return true
}

func (s *screenText) eraseBelow() bool {
	s.erase(s.width)
	for y := s.y + 1; y < s.height; y++ {
		s.cells[y] = s.blank()
	}
	return true
}

func (s *screenText) insertLines(n int) {
	for range n {
		copy(s.cells[s.y+1:], s.cells[s.y:])
		s.cells[s.y] = s.blank()
	}
	s.x = 0
}

func TestScreenText(t *testing.T) {
	for name, tc := range map[string]struct{ output, want string }{
		"scrolls": {"1\r\n2\r\n3\r\n4", "1\n2\n3\n4\n"},
		"wraps":   {"123456", "12345\n6\n"},
		"inserts": {"1\r\n2\x1b[A\x1b[Lnew", "new\n1\n2\n"},
		"erases":  {"1234\r\n56\x1b[A\r\x1b[C\x1b[2X", "1  4\n56\n"},
		"below":   {"1\r\n2\r\n3\x1b[2A\x1b[J", "1\n"},
		"wide":    {"한글a", "한글a\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScreen(5, 3)
			s.write(t, []byte(tc.output))
			if got := s.text(); got != tc.want {
				t.Errorf("%s, want %s", strconv.Quote(got), strconv.Quote(tc.want))
			}
		})
	}
}
