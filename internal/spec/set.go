package spec

import (
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/bakeoffhq/bakeoff"
)

// ruleKeys are the keys of a file that say how a run is judged, once its candidates are built.
var ruleKeys = []string{"at_least", "gate", "judge"}

// recipeKeys are those that a file needs beside them to be one.
var recipeKeys = []string{"name", "data", "candidates"}

// Rules is Parse for what a file says about judging: its other parts, in which variables may be that
// are not set any more, are passed over. Each of set is PATH=VALUE, such as gate.gain=0.5pt or
// judge.also=[accuracy], and takes the place of the file's value; a path is of the keys at_least,
// judge and gate. A mistake in one of set is an error with bakeoff.CodeInvalid that quotes it.
func Rules(file, dir string, text []byte, o Options, set []string) (*bakeoff.Pipeline, error) {
	r := &report{file: file}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "find the folder of %s: %w", file, err)
	}
	r.readText(text)
	if len(r.mistakes) > 0 {
		return nil, r.err()
	}
	document := readDocument(r)
	if document == nil {
		return nil, r.err()
	}
	document.Content[0] = only(document.Content[0], slices.Concat(ruleKeys, recipeKeys))
	root := treeOf(r, &variables{environment: o.LookupEnv, dotenv: filepath.Join(dir, ".env")}, document)
	if root == nil {
		return nil, r.err()
	}
	for i, one := range set {
		r.set(root, one, len(r.lines)+1+i)
	}
	unexplained := checkShape(r, root)
	d := decoder{report: r, dir: dir}
	p := d.pipeline(root)
	explain(r, unexplained)
	if err := r.errOf(set); err != nil {
		return nil, err
	}
	p.Revision = bakeoff.DigestOf(text)
	return p, nil
}

// only returns a mapping with some of its keys.
func only(y *yaml.Node, keys []string) *yaml.Node {
	if y.Kind != yaml.MappingNode {
		return y
	}
	some := *y
	some.Content = nil
	for i := 0; i+1 < len(y.Content); i += 2 {
		if slices.Contains(keys, y.Content[i].Value) {
			some.Content = append(some.Content, y.Content[i], y.Content[i+1])
		}
	}
	return &some
}

// set puts a value into the tree. What is wrong with it is recorded at a line of its own, behind the
// file's.
func (r *report) set(root *node, one string, line int) {
	path, value, ok := strings.Cut(one, "=")
	steps := strings.Split(strings.TrimSpace(path), ".")
	switch {
	case !ok || strings.TrimSpace(path) == "":
		r.at(line, 1, "write PATH=VALUE, such as gate.gain=0.5pt", "this sets nothing")
		return
	case slices.Contains(knownKeys(nil), steps[0]) && !slices.Contains(ruleKeys, steps[0]):
		r.at(line, 1, "", "%s takes a new run: past ones can be judged again by other values of %s", steps[0], strings.Join(ruleKeys, ", "))
		return
	case !slices.Contains(ruleKeys, steps[0]):
		r.at(line, 1, oneOf(steps[0], ruleKeys), "unknown key %s", shorten(steps[0]))
		return
	}
	if v := r.valueOf(value, steps, line); v != nil {
		root.put(steps, v)
	}
}

// valueOf reads a value as it would stand in a file at that place.
func (r *report) valueOf(text string, steps []string, line int) *node {
	own := &report{file: r.file}
	own.readText([]byte(text))
	var document *yaml.Node
	if len(own.mistakes) == 0 {
		document = readDocument(own)
	}
	if document == nil {
		message := "there is no value"
		if len(own.mistakes) > 0 && strings.TrimSpace(text) != "" {
			message = own.mistakes[0].Message
		}
		r.at(line, 1, "", "%s", message)
		return nil
	}
	b := treeBuilder{report: own, variables: &variables{}}
	v := b.build(document.Content[0], steps)
	if len(own.mistakes) > 0 {
		r.at(line, 1, own.mistakes[0].Hint, "%s", own.mistakes[0].Message)
		return nil
	}
	v.move(line)
	return v
}

// put sets the value at the end of a path, and makes the mappings that lead there.
func (n *node) put(steps []string, v *node) {
	if n.kind != kindMapping {
		*n = node{line: v.line, column: v.column, kind: kindMapping}
	}
	if n.index == nil {
		n.index = map[string]int{}
	}
	key := steps[0]
	i, ok := n.index[key]
	if !ok {
		i = len(n.entries)
		n.index[key] = i
		n.entries = append(n.entries, entry{&node{kind: kindText, text: key, written: key, line: v.line, column: v.column}, &node{line: v.line, column: v.column, kind: kindNull}})
	}
	if len(steps) == 1 {
		n.entries[i].value = v
		return
	}
	n.entries[i].value.put(steps[1:], v)
}

// move gives a value and all in it another line.
func (n *node) move(line int) {
	n.line, n.column = line, 1
	for _, item := range n.items {
		item.move(line)
	}
	for _, e := range n.entries {
		e.key.move(line)
		e.value.move(line)
	}
}

// errOf is err, but where something that was set is wrong: then the first of that.
func (r *report) errOf(set []string) error {
	for _, m := range r.mistakes {
		if i := m.Line - len(r.lines) - 1; i >= 0 && m.File == r.file {
			e := bakeoff.Errorf(bakeoff.CodeInvalid, "--set %s: %s", shorten(set[i]), m.Message)
			if m.Hint != "" {
				e = e.WithHint("%s", m.Hint)
			}
			return e
		}
	}
	return r.err()
}
