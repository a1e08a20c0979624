package build

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzProgress: whatever a trainer writes, what is told is a share and one short line, and the
// last of it does not depend on how the bytes arrive.
func FuzzProgress(f *testing.F) {
	f.Add([]byte("{\"progress\": 0.4, \"message\": \"tree 40/100\"}\n"), 3)
	f.Add([]byte("{\"progress\": -1e300, \"message\": \"\\u001b[31m\\n\\ud800\"}\n{\"message\": \"no share\"}\nrubbish"), 1)
	f.Add([]byte(strings.Repeat("x", maxProgressLine+1)+"\n{\"progress\": 2}\n"), 4096)
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		type state struct {
			fraction float64
			message  string
		}
		listen := func(step int) (last state) {
			l := &listener{tell: func(fraction float64, message string) {
				last = state{fraction, message}
				clean := utf8.ValidString(message) && !strings.ContainsFunc(message, unicode.IsControl)
				if !(fraction >= 0 && fraction <= 1) || !clean || utf8.RuneCountInString(message) > maxMessage {
					t.Errorf("told %v, %q", fraction, message)
				}
			}}
			for part := range slices.Chunk(b, step) {
				if n, err := l.Write(part); n != len(part) || err != nil {
					t.Fatalf("wrote %d of %d bytes: %v", n, len(part), err)
				}
				if len(l.line) > maxProgressLine {
					t.Fatalf("%d bytes of a line are kept", len(l.line))
				}
			}
			l.flush()
			return last
		}
		if step < 1 || step > 1<<20 {
			step = 1
		}
		if whole, parts := listen(max(1, len(b))), listen(step); whole != parts {
			t.Errorf("in steps of %d the last is %v, at once %v", step, parts, whole)
		}
	})
}

// FuzzLastLine: whatever a trainer says last, the reason gets one short line.
func FuzzLastLine(f *testing.F) {
	f.Add([]byte("Traceback:\n  File\nValueError: bad\n"))
	f.Add([]byte("panic: x\n\ngoroutine 1\r\n\xff\x00"))
	f.Fuzz(func(t *testing.T, words []byte) {
		line := lastLine(words)
		if !utf8.ValidString(line) || strings.ContainsFunc(line, unicode.IsControl) || utf8.RuneCountInString(line) > maxMessage {
			t.Errorf("line %q", line)
		}
	})
}
