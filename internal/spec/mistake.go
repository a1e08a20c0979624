package spec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bakeoffhq/bakeoff"
	"golang.org/x/text/width"
)

// maxMistakes is how many mistakes are kept. A person does not read more, and a hostile file could
// ask for a message as large as itself per mistake.
const maxMistakes = 100

// excerptWidth is how many characters of a line are shown, around the mistake.
const excerptWidth = 120

// Mistake is one thing that is wrong in a pipeline file.
type Mistake struct {
	File   string
	Line   int // from 1
	Column int // from 1, in characters
	// Message says what is wrong. It never holds a value that came from a variable.
	Message string
	// Hint says what to do, or what was probably meant; it may be empty.
	Hint string
	// Excerpt is the line as the file has it, with its number, and below it a caret at the
	// column. It is empty where there is no such line or the line may hold a secret.
	Excerpt string
}

// Error returns `file:line:column: message (hint)`, without the excerpt.
func (m Mistake) Error() string {
	s := fmt.Sprintf("%s:%d:%d: %s", m.File, m.Line, m.Column, m.Message)
	if m.Hint != "" {
		s += " (" + m.Hint + ")"
	}
	return s
}

// Mistakes are all the mistakes of a pipeline file, in the order of their positions.
type Mistakes []Mistake

// Error returns every mistake with its excerpt.
func (ms Mistakes) Error() string {
	var b strings.Builder
	for i, m := range ms {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(m.Error())
		if m.Excerpt != "" {
			b.WriteString("\n" + m.Excerpt)
		}
	}
	if len(ms) == maxMistakes {
		fmt.Fprintf(&b, "\nonly the first %d mistakes are shown", maxMistakes)
	}
	return b.String()
}

// report collects the mistakes of one file.
type report struct {
	file     string
	text     []byte
	lines    []string
	shown    map[int][]rune // lines by number as an excerpt may show them
	mistakes Mistakes
}

// at records a mistake at a position; the hint may be empty.
func (r *report) at(line, column int, hint, format string, args ...any) {
	r.mistakes = append(r.mistakes, Mistake{
		File: r.file, Line: line, Column: column, Message: fmt.Sprintf(format, args...), Hint: hint,
	})
}

// node records a mistake at a value and marks it, so that what reads the value later stays silent
// about it.
func (r *report) node(n *node, hint, format string, args ...any) {
	n.bad = true
	r.at(n.line, n.column, hint, format, args...)
}

// err returns the mistakes so far as an error, sorted and cut to maxMistakes; nil for none.
func (r *report) err() error {
	if len(r.mistakes) == 0 {
		return nil
	}
	slices.SortStableFunc(r.mistakes, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Message, b.Message))
	})
	ms := slices.Compact(r.mistakes)
	ms = ms[:min(len(ms), maxMistakes)]
	for i := range ms {
		if ms[i].File == r.file {
			ms[i].Excerpt = r.excerpt(ms[i].Line, ms[i].Column)
		}
	}
	return &bakeoff.Error{Code: bakeoff.CodeInvalid, Message: ms.Error(), Err: ms}
}

// excerpt returns a line with its number, and a caret below the column; "" beyond the text.
func (r *report) excerpt(line, column int) string {
	if line < 1 || line > len(r.lines) {
		return ""
	}
	text := r.shownLine(line)
	at := min(max(column-1, 0), len(text))
	from := 0
	if at >= excerptWidth*3/4 {
		from = max(0, min(at-excerptWidth/2, len(text)-excerptWidth))
	}
	to := min(len(text), from+excerptWidth)
	margin := strings.Repeat(" ", max(5, len(fmt.Sprint(line))))
	return fmt.Sprintf("%*d | %s\n%s | %s^", len(margin), line, printable(text[from:to]), margin, blanks(text[from:at]))
}

// shownLine returns a line by its number, without secrets. It keeps what it returns: a hundred
// mistakes may stand in one line of a megabyte.
func (r *report) shownLine(line int) []rune {
	text, ok := r.shown[line]
	if !ok {
		if r.shown == nil {
			r.shown = make(map[int][]rune)
		}
		text = []rune(withoutSecrets(r.lines, line-1))
		r.shown[line] = text
	}
	return text
}

// printable replaces what would move the cursor or colour a terminal.
func printable(text []rune) string {
	return strings.Map(func(c rune) rune {
		if (c < ' ' && c != '\t') || (c >= 0x7f && c < 0xa0) {
			return '\uFFFD'
		}
		return c
	}, string(text))
}

// blanks returns white space that is as wide as text on a terminal.
func blanks(text []rune) string {
	var b strings.Builder
	for _, c := range text {
		switch k := width.LookupRune(c).Kind(); {
		case c == '\t':
			b.WriteByte('\t')
		case k == width.EastAsianWide || k == width.EastAsianFullwidth:
			b.WriteString("  ")
		default:
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// didYouMean returns the hint for a word that is not among the known ones.
func didYouMean(word string, known []string) string {
	if k := bakeoff.Nearest(word, known); k != "" {
		return fmt.Sprintf("did you mean %q?", k)
	}
	return ""
}

// oneOf returns the hint for a word that is not among a few known ones: the nearest, or else all.
func oneOf(word string, known []string) string {
	if hint := didYouMean(word, known); hint != "" {
		return hint
	}
	return "one of " + strings.Join(known, ", ")
}
