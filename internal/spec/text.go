package spec

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// readText checks the characters of a file and divides it into lines, so that a line and a column
// mean to the YAML parser what they mean to an editor.
func (r *report) readText(text []byte) {
	r.text = bytes.TrimPrefix(text, []byte("\uFEFF"))
	if len(text) > maxFile {
		r.text = nil
		r.at(1, 1, "is this a pipeline file?", "the file is larger than %d bytes", maxFile)
		return
	}
	for line := range strings.Lines(string(r.text)) {
		line = strings.TrimSuffix(line, "\n")
		r.lines = append(r.lines, strings.TrimSuffix(line, "\r"))
	}
	for i, line := range r.lines {
		r.checkCharacters(i+1, line)
	}
}

// checkCharacters records the first character of a line that has no place in a YAML file.
func (r *report) checkCharacters(number int, line string) {
	column := 1
	for i, c := range line {
		_, size := utf8.DecodeRuneInString(line[i:])
		switch {
		case c == utf8.RuneError && size == 1:
			r.at(number, column, "save the file as UTF-8", "this is not UTF-8 text")
			return
		case !legal(c):
			r.at(number, column, "delete it, or write it as an escape in double quotes", "the character %U is not allowed", c)
			return
		}
		column++
	}
}

// legal reports whether a character may stand in a line. YAML also counts U+0085, U+2028, U+2029
// and a carriage return as ends of lines; editors do not, and positions would differ.
func legal(c rune) bool {
	switch {
	case c == '\t':
		return true
	case c < ' ', c >= 0x7f && c < 0xa0, c == 0x2028, c == 0x2029, c == 0xFEFF:
		return false
	}
	return c != 0xFFFE && c != 0xFFFF
}
