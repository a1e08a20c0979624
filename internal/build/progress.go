package build

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
	"unicode"
)

const (
	// maxProgressLine bounds a line of progress; a longer one is ignored.
	maxProgressLine = 64 << 10
	// progressEvery bounds how often progress is passed on: each time is a synced write to the
	// store, and people see no more.
	progressEvery = 250 * time.Millisecond
	// maxMessage bounds a line that is shown to people, in characters.
	maxMessage = 200
)

// report is one line of progress: {"progress": 0.4, "message": "tree 40/100"}.
type report struct {
	Progress *float64 `json:"progress,omitempty"`
	Message  string   `json:"message,omitempty"`
}

// listener turns the bytes of a trainer's progress descriptor into calls of tell. Lines that it
// cannot read are ignored: progress is for show, and no reason to fail a build.
type listener struct {
	tell     func(fraction float64, message string)
	line     []byte
	skip     bool // the line was too long: ignore it to its end
	fraction float64
	message  string
	pending  bool // fraction and message are not told yet
	told     time.Time
}

// Write takes any part of the stream.
func (l *listener) Write(b []byte) (int, error) {
	n := len(b)
	for {
		part, rest, ended := bytes.Cut(b, []byte{'\n'})
		if l.skip = l.skip || len(l.line)+len(part) > maxProgressLine; !l.skip {
			l.line = append(l.line, part...)
		}
		if !ended {
			return n, nil
		}
		if !l.skip {
			l.read()
		}
		l.line, l.skip, b = l.line[:0], false, rest
	}
}

// read takes one whole line.
func (l *listener) read() {
	var r report
	if json.Unmarshal(l.line, &r) != nil {
		return
	}
	if r.Progress != nil {
		l.fraction = min(max(*r.Progress, 0), 1)
	}
	l.message, l.pending = oneLine(r.Message), true
	if time.Since(l.told) >= progressEvery {
		l.flush()
	}
}

// flush tells the newest state if it was not told.
func (l *listener) flush() {
	if !l.pending {
		return
	}
	l.pending, l.told = false, time.Now()
	l.tell(l.fraction, l.message)
}

// lastLine returns the line of a trainer's last words that most likely says what went wrong, or
// "": a Go program's panic, else the last line that is not indented, as in a Python traceback.
func lastLine(words []byte) string {
	lines := strings.FieldsFunc(string(words), func(r rune) bool { return r == '\n' || r == '\r' })
	best := ""
	for _, line := range lines {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return oneLine(line)
		}
		if text := oneLine(line); text != "" && (best == "" || line[0] != ' ' && line[0] != '\t') {
			best = text
		}
	}
	return best
}

// oneLine makes text fit to be shown on one line of a terminal: no control characters, no
// surrounding space, at most maxMessage characters.
func oneLine(text string) string {
	clean := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	clean = strings.TrimSpace(clean)
	if runes := []rune(clean); len(runes) > maxMessage {
		clean = string(runes[:maxMessage-3]) + "..."
	}
	return clean
}
