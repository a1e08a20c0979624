package spec

import (
	"errors"
	"io/fs"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/joho/godotenv"
)

// maxDotenv is the most bytes that a .env file may have.
const maxDotenv = 1 << 16

// variables looks up what ${NAME} stands for.
type variables struct {
	environment func(string) (string, bool)
	dotenv      string            // path of the .env file; "" for none
	values      map[string]string // of the .env file, read when first needed
	read        bool
}

// lookup returns the value of a variable: the environment's, else the .env file's. The .env file
// is read only when the environment lacks a variable, since it may belong to other programs too
// and its faults are not always ours. The process's own environment is never changed.
func (v *variables) lookup(r *report, name string) (string, bool) {
	if v.environment != nil {
		if value, ok := v.environment(name); ok {
			return value, true
		}
	}
	if !v.read {
		v.read = true
		v.values = readDotenv(r, v.dotenv)
	}
	value, ok := v.values[name]
	return value, ok
}

// readDotenv reads a .env file; one that does not exist has no values. Its lines hold secrets, so
// mistakes in it are recorded without an excerpt and without the parser's own words, which quote it.
func readDotenv(r *report, path string) map[string]string {
	if path == "" {
		return nil
	}
	mistake := func(line int, message, hint string) map[string]string {
		r.mistakes = append(r.mistakes, Mistake{File: path, Line: line, Column: 1, Message: message, Hint: hint})
		return nil
	}
	text, err := read(path, maxDotenv)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return mistake(1, "the file cannot be read", "a .env file is a text file of NAME=value lines")
	case len(text) > maxDotenv:
		return mistake(1, "the file is too large", "a .env file is a text file of NAME=value lines")
	}
	if line := defaultInDotenv(string(text)); line > 0 {
		return mistake(line, "${NAME:-default} is not supported in a .env file", "write the value, or give the default in the pipeline file")
	}
	values, err := godotenv.Unmarshal(string(text))
	if _, nameless := values[""]; err != nil || nameless {
		return mistake(badLine(string(text)), "this is not a NAME=value line", "quote a value with spaces or quotes in it, and close every quote")
	}
	return values
}

// defaultInDotenv returns the number of the first line that gives a variable a default, 0 for
// none: godotenv would take the default's text into the value without a word.
func defaultInDotenv(text string) int {
	number := 0
	for line := range strings.Lines(text) {
		number++
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		if _, after, ok := strings.Cut(line, "${"); ok && strings.Contains(after, ":-") {
			return number
		}
	}
	return 0
}

// badLine returns the number of the line where the first statement begins that godotenv, whose
// errors name no line, cannot parse.
func badLine(text string) int {
	const longest = 100 // lines of one quoted value
	lines := strings.SplitAfter(text, "\n")
	start := 0
	for end := 1; end <= len(lines) && end-start <= longest; end++ {
		values, err := godotenv.Unmarshal(strings.Join(lines[start:end], ""))
		if _, nameless := values[""]; err == nil && !nameless {
			start = end
		}
	}
	return min(start+1, len(lines))
}

// reference is what a dollar sign can begin: an escaped dollar, or a variable with or without a
// default. A "${" that matches only the last form is malformed.
var reference = regexp.MustCompile(`\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)(:-([^}]*))?\}|\$\{`)

// expand returns the text of a value with its variables put in. A variable counts as set, for its
// default, when it is there and not empty.
func (b *treeBuilder) expand(n *node) string {
	var out strings.Builder
	rest := n.text
	for m := reference.FindStringSubmatchIndex(rest); m != nil; m = reference.FindStringSubmatchIndex(rest) {
		out.WriteString(rest[:m[0]])
		switch match := rest[m[0]:m[1]]; {
		case match == "$$":
			out.WriteByte('$')
		case m[2] < 0:
			b.badReference(n, rest[m[0]:])
			return "" // one is enough: each looks for its closing brace to the end of the text
		default:
			value, ok := b.variables.lookup(b.report, rest[m[2]:m[3]])
			if value == "" && m[6] >= 0 {
				value, ok = rest[m[6]:m[7]], true
			}
			if !ok {
				b.unset(n, rest[m[2]:m[3]])
			}
			out.WriteString(value)
		}
		rest = rest[m[1]:]
	}
	out.WriteString(rest)
	return out.String()
}

func (b *treeBuilder) unset(n *node, name string) {
	line, column := b.find(n, "${"+name)
	n.bad = true
	b.at(line, column, "set it in the environment or in a .env file beside this file, or write ${"+shortName(name)+":-default}",
		"the variable %s is not set", shortName(name))
}

func (b *treeBuilder) badReference(n *node, text string) {
	line, column := b.find(n, text)
	n.bad = true
	b.at(line, column, "write ${NAME} or ${NAME:-default}; $$ stands for a dollar sign", "this is not a variable")
}

// find returns the position of a text within a value: in the first line of the value where it can
// be found there, since escapes and folding may have changed it, else that of the value.
func (b *treeBuilder) find(n *node, text string) (line, column int) {
	if len(b.mistakes) > maxMistakes {
		return n.line, n.column // it will hardly be shown, and to look for it takes the length of the line
	}
	text, _, _ = strings.Cut(text, "\n")
	runes := []rune(b.line(n.line))
	from := min(max(n.column-1, 0), len(runes))
	before, _, ok := strings.Cut(string(runes[from:]), text)
	if !ok {
		return n.line, n.column
	}
	return n.line, n.column + utf8.RuneCountInString(before)
}

func shortName(name string) string {
	const most = 60
	if len(name) > most {
		return name[:most] + "..."
	}
	return name
}
