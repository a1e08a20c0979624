package spec

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bakeoffhq/bakeoff"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// later lists the keys that a file may have one day, by the place of their mapping. They are
// refused, since a file whose schedule is ignored does harm, but not as if they were mistyped.
var later = map[string][]string{
	"":              {"env"},
	"data":          {"format"},
	"candidates.[]": {"env", "format"},
}

// laterValues lists values that a file may have one day, by their key.
var laterValues = map[string][]string{
	"trainer": {"celery"},
	"metric":  {"reported"},
}

// nouns name kinds of values for people.
var nouns = map[valueKind]string{
	kindNull: "nothing", kindBoolean: "true or false", kindNumber: "a number",
	"integer": "a whole number", kindText: "text", kindList: "a list", kindMapping: "a mapping",
}

// forms say what a value must be, by its key, where its type says too little.
var forms = map[string]string{
	"holdout":    shareForm,
	"confidence": shareForm,
	"gain":       gainForm,
	"time":       durationForm,
	"within":     durationForm,
	"deadline":   durationForm,
	"cooldown":   durationForm,
	"approve":    approveForm,
	"backoff":    durationForm,
	"rotate":     durationForm,
	"memory":     memoryForm,
	"size":       memoryForm,
	"p50":        durationForm,
	"p95":        durationForm,

	"no_slice_worse_than": sliceLossForm,
	"rows_per_second":     rateForm,
	"budgets":             "a mapping such as {p95: 20ms, memory: 1GiB}",

	"schedule":      scheduleForm,
	"minute":        fieldForm,
	"hour":          fieldForm,
	"day_of_week":   fieldForm,
	"day_of_month":  fieldForm,
	"month_of_year": fieldForm,

	"search": "a mapping such as {params: {...}, settings: 20}",
	"retry":  "a mapping such as {attempts: 3, backoff: 30s}",
	"deploy": "a mapping such as {hooks: [...]}",
	"email":  "a mapping such as {to: ..., from: ..., host: ...}",
	"to":     "an address or a list of addresses",
	"port":   "a number such as 587",
}

const (
	shareForm    = "a share such as 20% or 0.2"
	gainForm     = "significant, any, or a margin such as 0.01, 0.5pt or 1%"
	durationForm = "a duration such as 45m, 1h30m or 2d"
	memoryForm   = "a size such as 4GiB or 512MB"
	scheduleForm = `text such as "0 5 * * *", or a mapping`
	fieldForm    = `a number, or text such as "*/15" or "mon-fri"`
)

// choices name the values of an enumeration, by their key.
var choices = map[string]string{
	"trainer": "trainer", "metric": "metric", "also": "metric", "task": "task", "by": "split", "columns": "kind",
	"missed": "policy for missed ticks", "overlap": "policy for overlapping ticks", "tls": "way to secure a connection",
	"then": "outcome", "method": "search method",
}

// checkShape records where the tree does not have the shape that the schema asks for, and marks
// those values. It returns the values whose form the schema refuses in a way that the decoder
// explains better.
func checkShape(r *report, root *node) []*node {
	var invalid *jsonschema.ValidationError
	if !errors.As(shape().Validate(root.any()), &invalid) {
		return nil
	}
	var unexplained []*node
	for _, fault := range leaves(invalid) {
		p, n := follow(root, fault.InstanceLocation)
		if n == nil || n.bad {
			continue
		}
		if !r.shape(p, n, fault.ErrorKind) {
			unexplained = append(unexplained, n)
		}
	}
	return unexplained
}

// explain records the values that neither checkShape nor the decoder had a word for.
func explain(r *report, unexplained []*node) {
	for _, n := range unexplained {
		if !n.bad {
			r.node(n, "`bakeoff check --schema` prints what is", "%s is not a legal value here", n.shown())
		}
	}
}

// leaves returns the errors that have no finer cause.
func leaves(e *jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(e.Causes) == 0 {
		return []*jsonschema.ValidationError{e}
	}
	var all []*jsonschema.ValidationError
	for _, cause := range e.Causes {
		all = append(all, leaves(cause)...)
	}
	return all
}

// follow returns the value at a JSON location, and its place.
func follow(n *node, location []string) (place, *node) {
	var p place
	for _, step := range location {
		if i, err := strconv.Atoi(step); err == nil && n != nil && n.kind == kindList && i < len(n.items) {
			p, n = p.child("[]"), n.items[i]
			continue
		}
		p, n = p.child(step), n.get(step)
	}
	return p, n
}

// key returns the key that leads to the value, or to the list that it is in.
func (p place) key() string {
	for _, step := range slices.Backward(p) {
		if step != "[]" {
			return step
		}
	}
	return ""
}

// named returns the value's name for a message.
func (p place) named() string {
	switch {
	case len(p) == 0:
		return "the file"
	case p[len(p)-1] == "[]":
		return "an item of " + shorten(p.key())
	}
	return shorten(p.key())
}

// shape records one fault of shape; false for a fault of form, which is left to the decoder.
func (r *report) shape(p place, n *node, fault jsonschema.ErrorKind) bool {
	switch fault := fault.(type) {
	case *kind.Type:
		r.wrongType(p, n, fault)
	case *kind.AdditionalProperties:
		known := knownKeys(p)
		for _, name := range fault.Properties {
			r.unknownKey(p, n, name, known)
		}
	case *kind.Required:
		known := knownKeys(p)
		for _, name := range fault.Missing {
			if n.mistyped(name, known) {
				continue // the unknown key says it
			}
			r.at(n.line, n.column, "", "the key %q is missing in %s", name, p.named())
		}
	case *kind.MinItems:
		r.node(n, "", "%s must not be empty", p.named())
	case *kind.Enum:
		r.unknownValue(p, n, fault)
	default:
		return false
	}
	return true
}

// mistyped reports whether the mapping has an unknown key that was probably meant to be this one.
func (n *node) mistyped(name string, known []string) bool {
	return slices.ContainsFunc(n.entries, func(e entry) bool {
		return !slices.Contains(known, e.key.text) && bakeoff.Nearest(e.key.text, known) == name
	})
}

func (r *report) wrongType(p place, n *node, fault *kind.Type) {
	want := forms[p.key()]
	if want == "" && slices.Contains(fault.Want, "string") {
		want = nouns[kindText] // also where other scalars are taken as text
	} else if want == "" {
		want = nouns[valueKind(fault.Want[0])]
	}
	hint := ""
	switch {
	case fault.Want[0] == "integer" && n.kind == kindNumber:
		r.node(n, "", "%s must be %s, not %s", p.named(), want, n.shown())
		return
	case n.kind == kindNull:
		r.node(n, "", "%s has no value, it must be %s", p.named(), want)
		return
	case want == durationForm && n.kind == kindNumber:
		hint = "add a unit, such as 30s"
	case want == memoryForm && n.kind == kindNumber:
		hint = "add a unit, such as 4GiB"
	case want == fieldForm && n.kind == kindList:
		hint = `put commas between the values: "1,15"`
	case len(fault.Want) == 1 && fault.Want[0] == "string" && (n.kind == kindNumber || n.kind == kindBoolean):
		hint = "put it in double quotes: " + n.shown()
	case len(fault.Want) == 1 && fault.Want[0] == "array" && n.kind == kindMapping:
		hint = "begin each item with a hyphen"
	case len(fault.Want) == 1 && fault.Want[0] == "array":
		hint = "put it in brackets: [...]"
	}
	r.node(n, hint, "%s must be %s, not %s", p.named(), want, nouns[n.kind])
}

func (r *report) unknownKey(p place, n *node, name string, known []string) {
	e, ok := n.entry(name)
	if !ok || e.key.bad {
		return
	}
	where := strings.Join(p, ".")
	switch {
	case slices.Contains(later[where], name):
		r.node(e.key, "", "`%s` is not supported yet by this version", name)
	case where == "gate.floors":
		r.node(e.key, oneOf(name, known), "unknown metric %s", shorten(name))
	default:
		r.node(e.key, oneOf(name, known), "unknown key %s", shorten(name))
	}
}

func (r *report) unknownValue(p place, n *node, fault *kind.Enum) {
	if r.later(p.key(), n) {
		return
	}
	known := make([]string, len(fault.Want))
	for i, w := range fault.Want {
		known[i] = fmt.Sprint(w)
	}
	what := choices[p.key()]
	if len(p) > 1 && p[len(p)-2] == "columns" {
		what = choices["columns"]
	}
	r.node(n, oneOf(n.text, known), "unknown %s %s", what, n.shown())
}

// later records a value that a later version will understand.
func (r *report) later(key string, n *node) bool {
	if !slices.Contains(laterValues[key], n.text) {
		return false
	}
	r.node(n, "", "`%s: %s` is not supported yet by this version", key, n.text)
	return true
}

// knownKeys returns the keys that the mapping at a place may have, sorted.
func knownKeys(p place) []string {
	s := shapeSchema()
	for _, step := range p {
		if step == "[]" {
			s, _ = s["items"].(object)
			continue
		}
		properties, _ := s["properties"].(object)
		s, _ = properties[step].(object)
	}
	properties, _ := s["properties"].(object)
	return sortedKeys(properties)
}
