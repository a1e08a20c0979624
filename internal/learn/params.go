package learn

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/bakeoffhq/bakeoff"
)

// The types of a Parameter, in the words of JSON Schema.
const (
	TypeInteger = "integer"
	TypeNumber  = "number"
	TypeBoolean = "boolean"
	TypeString  = "string" // one of Choices
	TypeArray   = "array"  // of integers
	TypeObject  = "object" // names and a number for each, or one of Choices
)

// Parameter describes one setting of a learner. The names are scikit-learn's where the meaning is.
type Parameter struct {
	Name  string
	Alias string // an older name, which stands for the same; mostly empty
	Type  string // one of the constants above
	// Default is an int, a float64, a bool, a string, a []int or a map[string]float64, by Type.
	Default any
	// Min and Max bound a number, and those of an array or object; both ends are allowed. Zero where
	// there are none.
	Min, Max float64
	MaxItems int      // of an array
	Choices  []string // the texts that are legal
	Doc      string   // one sentence
}

// ParamError is one fault in a learner's parameters.
type ParamError struct {
	Param   string // the parameter's name, as given
	Message string // what is wrong with it; names the parameter
	Hint    string // what to do; may be empty
}

// Error returns the message.
func (e *ParamError) Error() string { return e.Message }

// Parameters returns the parameters of a learner, sorted by name; nil if there is no such learner.
func Parameters(learner string) []Parameter {
	l := lookup(learner)
	if l == nil {
		return nil
	}
	return slices.Clone(l.parameters)
}

// Check reports every fault of a learner's parameters, joined by errors.Join: each is a
// *ParamError about an unknown parameter, a wrong type or a value out of range, sorted by name.
// Params is a JSON object; nil or empty stands for none. An unknown learner or something other
// than an object is a *bakeoff.Error.
func Check(learner string, params json.RawMessage) error {
	_, err := resolve(learner, params)
	return err
}

// resolve returns the learner's parameters as canonical JSON: every parameter, defaults filled in,
// keys sorted, integers without a fraction. The errors are those of Check.
func resolve(learner string, params json.RawMessage) (json.RawMessage, error) {
	known := Parameters(learner)
	if known == nil {
		err := bakeoff.Errorf(bakeoff.CodeInvalid, "unknown learner %q", learner)
		return nil, err.WithHint("%s", suggest(learner, "learners", Learners()))
	}
	given, err := parseObject(params)
	if err != nil {
		return nil, err
	}
	values := make(map[string]any, len(known))
	var faults []error
	for _, p := range known {
		values[p.Name] = p.Default
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		i := slices.IndexFunc(known, func(p Parameter) bool { return p.Is(name) })
		if i < 0 {
			faults = append(faults, unknownParam(learner, name, known))
			continue
		}
		if _, both := given[known[i].Name]; both && name == known[i].Alias {
			faults = append(faults, &ParamError{Param: name, Message: fmt.Sprintf("%s is another name of %s, which is given too", name, known[i].Name)})
			continue
		}
		v, fault := known[i].named(name).value(given[name])
		if fault != nil {
			faults = append(faults, fault)
			continue
		}
		values[known[i].Name] = v
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return json.Marshal(values)
}

// parseObject returns the members of a JSON object, numbers as json.Number.
func parseObject(params json.RawMessage) (map[string]any, error) {
	if len(bytes.TrimSpace(params)) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(params))
	d.UseNumber()
	var given map[string]any
	if err := d.Decode(&given); err != nil {
		return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "parameters are not a JSON object: %w", err)
	}
	if d.More() {
		return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "parameters are more than one JSON object")
	}
	return given, nil
}

func unknownParam(learner, name string, known []Parameter) *ParamError {
	var names, all []string
	for _, p := range known {
		names, all = append(names, p.Name), append(all, p.Name)
		if p.Alias != "" {
			all = append(all, p.Alias)
		}
	}
	hint := suggest(name, "parameters", names)
	if near := bakeoff.Nearest(name, all); near != "" {
		hint = suggest(name, "parameters", all)
	}
	return &ParamError{Param: name, Message: fmt.Sprintf("%s has no parameter %q", learner, name), Hint: hint}
}

// suggest says which known word was meant, or lists them all.
func suggest(word, what string, known []string) string {
	if near := bakeoff.Nearest(word, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return fmt.Sprintf("the %s are %s", what, strings.Join(known, ", "))
}

// Is reports whether a pipeline file means the parameter by that name.
func (p Parameter) Is(name string) bool { return name == p.Name || p.Alias != "" && name == p.Alias }

// named returns the parameter under the name by which it was given, so that faults name that.
func (p Parameter) named(name string) Parameter {
	p.Name = name
	return p
}

// value returns v in the Go type of the parameter's default.
func (p Parameter) value(v any) (any, *ParamError) {
	switch p.Type {
	case TypeBoolean:
		if b, ok := v.(bool); ok {
			return b, nil
		}
		return nil, p.fault("must be true or false, not %s", show(v))
	case TypeString:
		return p.choice(v)
	case TypeArray:
		return p.list(v)
	case TypeObject:
		return p.numbers(v)
	}
	f, fault := p.number(v)
	if fault != nil || p.Type == TypeNumber {
		return f, fault
	}
	return int(f), nil
}

// number returns v if it is a number within the bounds, and an integer where one is wanted.
func (p Parameter) number(v any) (float64, *ParamError) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, p.fault("must be %s, not %s", p.noun(), show(v))
	}
	f, err := n.Float64()
	if err != nil || f < p.Min || f > p.Max {
		return 0, p.fault("must be between %s and %s, not %s", plain(p.Min), plain(p.Max), n)
	}
	if f != math.Trunc(f) && (p.Type == TypeInteger || p.Type == TypeArray) {
		return 0, p.fault("must be %s, not %s", p.noun(), n)
	}
	return f, nil
}

func (p Parameter) choice(v any) (any, *ParamError) {
	if text, ok := v.(string); ok && slices.Contains(p.Choices, text) {
		return text, nil
	}
	return nil, p.fault("must be %s, not %s", strings.Join(p.Choices, " or "), show(v))
}

// list returns the integers of an array; a single one may stand for an array of one.
func (p Parameter) list(v any) (any, *ParamError) {
	items, ok := v.([]any)
	if !ok {
		items = []any{v}
	}
	if len(items) == 0 || len(items) > p.MaxItems {
		return nil, p.fault("must be a list of 1 to %d integers, not %s", p.MaxItems, show(v))
	}
	list := make([]int, len(items))
	for i, item := range items {
		f, fault := p.number(item)
		if fault != nil {
			return nil, fault
		}
		list[i] = int(f)
	}
	return list, nil
}

// numbers returns the numbers of an object by their names, or the choice that stands in its place.
func (p Parameter) numbers(v any) (any, *ParamError) {
	members, ok := v.(map[string]any)
	if !ok && len(p.Choices) > 0 {
		if text, ok := v.(string); ok && slices.Contains(p.Choices, text) {
			return text, nil
		}
		return nil, p.fault("must be %s or a number for each name, not %s", strings.Join(p.Choices, ", "), show(v))
	}
	if !ok {
		return nil, p.fault("must be a number for each name, such as {name: 1}, not %s", show(v))
	}
	numbers := make(map[string]float64, len(members))
	for _, name := range slices.Sorted(maps.Keys(members)) {
		f, fault := p.named(p.Name + " of " + strconv.Quote(name)).number(members[name])
		if fault != nil {
			fault.Param = p.Name
			return nil, fault
		}
		numbers[name] = f
	}
	return numbers, nil
}

func (p Parameter) fault(format string, args ...any) *ParamError {
	return &ParamError{Param: p.Name, Message: p.Name + " " + fmt.Sprintf(format, args...)}
}

func (p Parameter) noun() string {
	if p.Type == TypeInteger || p.Type == TypeArray {
		return "an integer"
	}
	return "a number"
}

// plain writes a bound as a person would: 1e+06 is 1000000.
func plain(f float64) string {
	if f == math.Trunc(f) {
		return fmt.Sprintf("%.0f", f)
	}
	return fmt.Sprintf("%g", f)
}

// show writes a JSON value of a wrong type, shortened.
func show(v any) string {
	const limit = 40
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%T", v)
	}
	if len(b) > limit {
		return strings.ToValidUTF8(string(b[:limit]), "") + "..."
	}
	return string(b)
}
