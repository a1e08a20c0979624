package spec

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// place is where in the file a value stands: the keys that lead to it, "[]" for an item of a list.
type place []string

func (p place) child(key string) place { return append(slices.Clip(p), key) }

// literal reports whether a dollar sign stands for itself here: in the arguments of a command,
// which has an environment of its own.
func (p place) literal() bool {
	switch {
	case len(p) > 2 && p[0] == "candidates" && p[1] == "[]":
		return p[2] == "build" || p[2] == "predict"
	case len(p) > 3 && p[0] == "deploy" && p[1] == "hooks" && p[2] == "[]":
		return p[3] == "command"
	}
	return false
}

// treeBuilder turns YAML nodes into nodes of ours.
type treeBuilder struct {
	*report
	variables *variables
	open      []*yaml.Node // the anchored values that are being built, to notice one inside itself
	built     int          // how many values there are so far
}

func (b *treeBuilder) build(y *yaml.Node, p place) *node {
	n := &node{line: y.Line, column: y.Column, kind: kindNull}
	if b.built++; b.built > maxValues {
		if n.bad = true; b.built == maxValues+1 {
			b.at(n.line, n.column, "", "the file has more than %d values, counting what aliases repeat", maxValues)
		}
		return n
	}
	switch y.Kind {
	case yaml.AliasNode:
		return b.alias(y, n, p)
	case yaml.SequenceNode:
		n.kind = kindList
		b.inside(y, func() {
			for _, item := range y.Content {
				n.items = append(n.items, b.build(item, p.child("[]")))
			}
		})
	case yaml.MappingNode:
		n.kind = kindMapping
		b.inside(y, func() { b.mapping(y, n, p) })
	default:
		b.scalar(y, n, p)
	}
	return n
}

// inside does what it is given while y counts as open.
func (b *treeBuilder) inside(y *yaml.Node, do func()) {
	b.open = append(b.open, y)
	do()
	b.open = b.open[:len(b.open)-1]
}

// alias builds a copy of the value that an alias repeats. A few lines of aliases of aliases can
// stand for billions of values; the limit on all values ends that.
func (b *treeBuilder) alias(y *yaml.Node, n *node, p place) *node {
	if slices.Contains(b.open, y.Alias) {
		b.node(n, "", "the alias %s stands inside the value that it repeats", shorten("*"+y.Value))
		return n
	}
	return b.build(y.Alias, p)
}

func (b *treeBuilder) mapping(y *yaml.Node, n *node, p place) {
	n.index = make(map[string]int, len(y.Content)/2)
	for i := 0; i+1 < len(y.Content); i += 2 {
		k := y.Content[i]
		key := &node{line: k.Line, column: k.Column, kind: kindText, text: k.Value, written: k.Value}
		first, twice := n.entry(key.text)
		switch {
		case k.Kind != yaml.ScalarNode:
			b.node(key, "", "a key must be text")
		case k.ShortTag() == "!!merge":
			b.node(key, "an alias can stand for a whole value", "merge keys (<<) are not supported")
		case twice:
			b.node(key, "", "the key %s is used twice, first in line %d", key.shown(), first.key.line)
		default:
			n.index[key.text] = len(n.entries)
			n.entries = append(n.entries, entry{key, b.build(y.Content[i+1], p.child(key.text))})
		}
	}
}

// scalar reads a value that is no list and no mapping.
func (b *treeBuilder) scalar(y *yaml.Node, n *node, p place) {
	n.text, n.written = y.Value, y.Value
	tag := y.ShortTag()
	if !p.literal() && strings.Contains(y.Value, "$") {
		n.text = b.expand(n)
		if y.Style&^yaml.FlowStyle == 0 && n.text != "" {
			// Without quotes a variable's value means what it would mean in its place: a number can be one.
			tag = plainTag(n.text)
		}
	}
	n.raw = n.text
	switch tag {
	case "!!null":
		n.kind = kindNull
	case "!!bool":
		n.kind, n.text = kindBoolean, strings.ToLower(n.text)
	case "!!int", "!!float":
		n.kind = kindNumber
		b.number(n)
	case "!!str", "!!timestamp", "!!merge":
		n.kind = kindText
	default:
		n.kind = kindText
		b.node(n, "leave it out", "the tag %s is not supported", shorten(y.Tag))
	}
	if strings.ContainsRune(n.text, 0) {
		b.node(n, "", "a value cannot hold a zero byte")
	}
}

// plainTag returns the tag of what YAML reads where a text stands without quotes.
func plainTag(text string) string {
	var v any
	if err := (&yaml.Node{Kind: yaml.ScalarNode, Value: text}).Decode(&v); err != nil {
		return "!!str"
	}
	switch v.(type) {
	case nil:
		return "!!null"
	case bool:
		return "!!bool"
	case int, int64, uint, uint64:
		return "!!int"
	case float64:
		return "!!float"
	}
	return "!!str"
}

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// number makes a number of YAML one of JSON: as written where that is one already.
func (b *treeBuilder) number(n *node) {
	text := strings.ReplaceAll(n.text, "_", "")
	if i, err := strconv.ParseInt(text, 0, 64); err == nil && !jsonNumber.MatchString(text) {
		text = strconv.FormatInt(i, 10)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		n.text = "0" // so that every number of the tree is one of JSON
		b.node(n, "", "%s is not a finite number", n.shown())
		return
	}
	if !jsonNumber.MatchString(text) {
		text = strconv.FormatFloat(f, 'g', -1, 64)
	}
	n.text = text
}
