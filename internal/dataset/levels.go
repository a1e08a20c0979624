package dataset

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// levels gathers the distinct texts of a column's cells.
type levels struct {
	codes map[string]int32 // of each text, its number
	texts []string
	bytes int // of all texts
	// broken has for each text that is not UTF-8 where it was first found; nil for none.
	broken map[string]place
}

// place is a row of a file, counted from 0, and the line where it begins.
type place struct {
	row  int
	line uint32
}

func newLevels() *levels { return &levels{codes: make(map[string]int32)} }

// code returns the number of a text, a new one where it is found for the first time.
func (l *levels) code(text string, b *block, row int) int32 {
	if code, ok := l.codes[text]; ok {
		return code
	}
	text = strings.Clone(text) // a cell shares memory with its block
	if !utf8.ValidString(text) {
		l.breaks(text, place{b.first + row, b.lines[row]})
	}
	return l.add(text)
}

func (l *levels) add(text string) int32 {
	code := int32(len(l.texts))
	l.codes[text] = code
	l.texts = append(l.texts, text)
	l.bytes += len(text)
	return code
}

// breaks notes where a text is that is not UTF-8.
func (l *levels) breaks(text string, at place) {
	if l.broken == nil {
		l.broken = make(map[string]place)
	}
	if before, ok := l.broken[text]; !ok || at.row < before.row {
		l.broken[text] = at
	}
}

// merge adds what was gathered elsewhere.
func (l *levels) merge(other *levels) {
	for _, text := range other.texts {
		if _, ok := l.codes[text]; !ok {
			l.add(text)
		}
	}
	for text, at := range other.broken {
		l.breaks(text, at)
	}
}

// sort numbers the texts in their order.
func (l *levels) sort() {
	slices.Sort(l.texts)
	for code, text := range l.texts {
		l.codes[text] = int32(code)
	}
}

// firstBroken returns the place of the first text in their order that is not UTF-8.
func (l *levels) firstBroken() (at place, ok bool) {
	if len(l.broken) == 0 {
		return place{}, false
	}
	return l.broken[slices.MinFunc(slices.Collect(maps.Keys(l.broken)), cmp.Compare[string])], true
}

// numbers reports whether there are texts and all of them are numbers: codes with leading zeros.
func (l *levels) numbers() bool {
	isText := func(text string) bool { _, ok := parseFinite(text); return !ok }
	return len(l.texts) > 0 && !slices.ContainsFunc(l.texts, isText)
}
