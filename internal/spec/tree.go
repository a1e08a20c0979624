package spec

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

const (
	maxDepth  = 64     // how deep values may nest
	maxValues = 50_000 // how many values a file may have, counting what aliases repeat
)

// valueKind is what a value of the file is.
type valueKind string

// The kinds, by the names that JSON Schema and messages use.
const (
	kindNull    valueKind = "null"
	kindBoolean valueKind = "boolean"
	kindNumber  valueKind = "number"
	kindText    valueKind = "string"
	kindList    valueKind = "array"
	kindMapping valueKind = "object"
)

// node is one value of the file, with its aliases and variables resolved. A nil node is a value
// that is not there; its methods return zero values.
type node struct {
	line, column int
	kind         valueKind
	// text is a scalar's value; for a number a JSON number.
	text string
	// raw is a scalar's text with variables put in, before YAML read a number or a word into it.
	raw string
	// written is a scalar as the file has it, before variables were put in: the form for messages.
	written string
	items   []*node
	entries []entry // in the order of the file
	index   map[string]int
	// bad says that a mistake has been recorded here.
	bad bool
}

// entry is a key of a mapping and its value.
type entry struct{ key, value *node }

// get returns the value of a key.
func (n *node) get(key string) *node {
	if e, ok := n.entry(key); ok {
		return e.value
	}
	return nil
}

func (n *node) entry(key string) (entry, bool) {
	if n == nil {
		return entry{}, false
	}
	i, ok := n.index[key]
	if !ok {
		return entry{}, false
	}
	return n.entries[i], true
}

// str returns the value of a text, and "" for everything else.
func (n *node) str() string {
	if n == nil || n.bad || n.kind != kindText {
		return ""
	}
	return n.text
}

// list returns the items of a list.
func (n *node) list() []*node {
	if n == nil {
		return nil
	}
	return n.items
}

// variable reports whether a variable was put into the value.
func (n *node) variable() bool { return n.text != n.written && strings.Contains(n.written, "$") }

// shown returns the value for a message: quoted, as the file has it, cut to a readable length.
func (n *node) shown() string { return shorten(n.written) }

func shorten(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "..."
	}
	return strconv.Quote(s)
}

// any returns the value as encoding/json would decode it, numbers as float64.
func (n *node) any() any {
	switch n.kind {
	case kindList:
		list := make([]any, len(n.items))
		for i, item := range n.items {
			list[i] = item.any()
		}
		return list
	case kindMapping:
		m := make(map[string]any, len(n.entries))
		for _, e := range n.entries {
			m[e.key.text] = e.value.any()
		}
		return m
	case kindBoolean:
		return n.text == "true"
	case kindNumber:
		f, _ := strconv.ParseFloat(n.text, 64) // checked when the tree was read
		return f
	case kindText:
		return n.text
	}
	return nil
}

// readTree parses the text of the report. It returns nil where the text is no mapping; mistakes
// that leave the rest readable do not stop it.
func readTree(r *report, vars *variables) *node {
	if len(r.mistakes) > 0 {
		return nil
	}
	document := readDocument(r)
	if document == nil {
		return nil
	}
	return treeOf(r, vars, document)
}

// treeOf builds the tree of a document.
func treeOf(r *report, vars *variables, document *yaml.Node) *node {
	b := treeBuilder{report: r, variables: vars}
	root := b.build(document.Content[0], place{})
	if b.built > maxValues {
		return nil
	}
	if root.kind == kindNull {
		r.at(1, 1, emptyHint, "the file is empty")
		return nil
	}
	if root.kind != kindMapping && !root.bad {
		r.node(root, "it begins with `name: ...`", "a pipeline file is a mapping, this is %s", nouns[root.kind])
	}
	if root.kind != kindMapping {
		return nil
	}
	return root
}

const beginsAlias = "a value cannot begin with '*', the mark of an alias"

const emptyHint = "`bakeoff init` writes a pipeline file"

// readDocument parses the YAML of the report and sees to it that there is one document.
func readDocument(r *report) *yaml.Node {
	loader, err := yaml.NewLoader(bytes.NewReader(r.text), yaml.WithV4Defaults(),
		yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth))))
	if err != nil {
		r.at(1, 1, "", "the YAML parser does not start: %v", err)
		return nil
	}
	var first, second yaml.Node
	switch err := loader.Load(&first); {
	case errors.Is(err, io.EOF):
		r.at(1, 1, emptyHint, "the file is empty")
		return nil
	case err != nil:
		r.syntax(err)
		return nil
	}
	switch err := loader.Load(&second); {
	case err == nil:
		r.at(max(second.Line, 1), max(second.Column, 1), "put each pipeline into a file of its own", "a second YAML document begins here")
		return nil
	case !errors.Is(err, io.EOF):
		r.syntax(err)
		return nil
	}
	if len(first.Content) == 0 {
		r.at(1, 1, emptyHint, "the file is empty")
		return nil
	}
	return &first
}

// syntax records what the YAML parser stumbled over.
func (r *report) syntax(err error) {
	var e *yaml.LoadError
	if !errors.As(err, &e) {
		r.at(1, 1, "", "this is not YAML")
		return
	}
	mark := e.Mark
	if e.ContextMark.Line > 0 && (mark.Line > len(r.lines) || strings.Contains(e.Message, "end of stream")) {
		mark = e.ContextMark // what was never closed says more than the end of the file
	}
	line, column := r.within(mark.Line, mark.Column)
	message, hint := e.Message, ""
	switch c := r.character(line, column); {
	case strings.Contains(e.ContextMsg, "an alias") && r.character(e.ContextMark.Line, e.ContextMark.Column) == '*':
		line, column = e.ContextMark.Line, e.ContextMark.Column
		message, hint = beginsAlias, "put it in double quotes"
	case strings.HasPrefix(message, "unknown anchor '/"): // a step, such as */15
		message, hint = beginsAlias, "put it in double quotes"
	case c == '\t' && strings.Contains(message, "cannot start any token"):
		message, hint = "a tab in the indentation", "indent with spaces"
	case strings.Contains(message, "cannot start any token"):
		message, hint = "a value cannot begin with "+strconv.QuoteRune(c), "put it in double quotes"
	case strings.Contains(e.ContextMsg, "flow") && strings.Contains(r.line(e.ContextMark.Line), "${"):
		hint = `put a variable inside [] or {} in double quotes: "${NAME}"`
	}
	if e.ContextMsg != "" && e.ContextMark.Line > 0 && hint == "" {
		message += ", " + e.ContextMsg
		if e.ContextMark.Line < line {
			message += " that begins at line " + strconv.Itoa(e.ContextMark.Line)
		}
	}
	r.at(line, column, hint, "%s", message)
}

// within returns the position nearest to the one given that is in the text: the parser finds what
// is missing at the end of a file behind its last line.
func (r *report) within(line, column int) (int, int) {
	line = max(line, 1)
	if last := len(r.lines); line > last && last > 0 {
		line, column = last, math.MaxInt
	}
	return line, max(1, min(column, utf8.RuneCountInString(r.line(line))+1))
}

// line returns a line of the text by its number, "" beyond it.
func (r *report) line(number int) string {
	if number < 1 || number > len(r.lines) {
		return ""
	}
	return r.lines[number-1]
}

// character returns the character at a position, 0 beyond the text.
func (r *report) character(line, column int) rune {
	for _, c := range r.line(line) {
		if column--; column == 0 {
			return c
		}
	}
	return 0
}
