package spec

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn"
	"github.com/bakeoffhq/bakeoff/internal/search"
)

const (
	rangeForm = "{from: 0.01, to: 0.3, scale: log}"
	spaceForm = "a list of values, or a range such as " + rangeForm
)

// The scales of a range.
const (
	scaleLinear = "linear"
	scaleLog    = "log"
)

// search reads how a candidate's parameters are chosen; nil where they are not.
func (d *decoder) search(n, params *node, trainer string) *bakeoff.Search {
	if n == nil || n.bad || n.kind != kindMapping || !slices.Contains(learn.Learners(), trainer) {
		return nil
	}
	s := &bakeoff.Search{Method: bakeoff.SearchRandom, Folds: search.DefaultFolds}
	if method := n.get("method").str(); method != "" {
		s.Method = bakeoff.SearchMethod(method)
	}
	if folds := n.get("folds"); folds != nil {
		s.Folds = int(d.whole(folds, search.MinFolds, search.MaxFolds))
	}
	s.Params = d.space(n.get("params"), params, trainer, s.Method)
	s.Settings = d.settings(n, s)
	s.Factor = d.factor(n, s.Method)
	return s
}

// settings reads how many settings are tried, and bounds those of a grid.
func (d *decoder) settings(n *node, s *bakeoff.Search) int {
	e, given := n.entry("settings")
	switch {
	case s.Method == bakeoff.SearchGrid && given:
		d.node(e.key, "leave it out, or use method: random", "a grid tries every combination: it has no `settings`")
	case s.Method == bakeoff.SearchGrid:
		if params := n.get("params"); !params.bad && search.Combinations(s.Params) > search.MaxSettings {
			d.node(params, "method: random tries as many of them as settings says", "the grid has more than %d combinations", search.MaxSettings)
		}
	case given:
		return int(d.whole(e.value, 2, search.MaxSettings))
	default:
		return search.DefaultSettings
	}
	return 0
}

// factor reads which share of the settings goes on from rung to rung.
func (d *decoder) factor(n *node, method bakeoff.SearchMethod) int {
	e, given := n.entry("factor")
	switch {
	case method != bakeoff.SearchHalving && given:
		d.node(e.key, "it belongs to method: halving", "the method %s has no `factor`", method)
	case given:
		return int(d.whole(e.value, search.MinFactor, search.MaxFactor))
	case method == bakeoff.SearchHalving:
		return search.DefaultFactor
	}
	return 0
}

// space reads which parameters are varied, and over what. Fixed are those that the candidate states.
func (d *decoder) space(n, fixed *node, trainer string, method bakeoff.SearchMethod) []bakeoff.Dimension {
	if n == nil || n.bad || n.kind != kindMapping {
		return nil
	}
	if len(n.entries) == 0 {
		d.node(n, "name a parameter, with "+spaceForm, "search.params must not be empty")
	}
	var all []bakeoff.Dimension
	for _, e := range n.entries {
		if e.key.bad || e.value.bad {
			continue
		}
		p, known := parameter(trainer, e.key.text)
		named := func(other entry) bool { return p.Is(other.key.text) }
		switch {
		case !known:
			d.unknownParameter(e, trainer)
		case fixed != nil && slices.ContainsFunc(fixed.entries, named):
			d.node(e.key, "leave it out of one of the two", "the parameter %s is fixed under params, and searched for", e.key.shown())
		case p.Name != e.key.text && n.get(p.Name) != nil:
			d.node(e.key, "leave one out", "%s is another name of %s, which is searched for too", e.key.shown(), p.Name)
		default:
			all = append(all, d.dimension(e, p, trainer, method))
		}
	}
	slices.SortFunc(all, func(a, b bakeoff.Dimension) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return all
}

// parameter returns the parameter of a learner that a name means.
func parameter(trainer, name string) (learn.Parameter, bool) {
	all := learn.Parameters(trainer)
	i := slices.IndexFunc(all, func(p learn.Parameter) bool { return p.Is(name) })
	if i < 0 {
		return learn.Parameter{}, false
	}
	return all[i], true
}

// unknownParameter records a parameter that a learner does not have, in the learner's words.
func (d *decoder) unknownParameter(e entry, trainer string) {
	if fault := checkParameter(trainer, e.key.text, json.RawMessage("0")); fault != nil {
		d.node(e.key, fault.Hint, "%s", fault.Message)
		return
	}
	d.node(e.key, "", "the parameter %s cannot be searched for", e.key.shown())
}

// checkParameter returns what is wrong with one value of a parameter, nil for nothing.
func checkParameter(trainer, name string, value json.RawMessage) *learn.ParamError {
	text, err := json.Marshal(map[string]json.RawMessage{name: value})
	if err != nil {
		return &learn.ParamError{Param: name, Message: "the value is not legal"}
	}
	fault, _ := errors.AsType[*learn.ParamError](learn.Check(trainer, text))
	return fault
}

// dimension reads over what one parameter is varied.
func (d *decoder) dimension(e entry, p learn.Parameter, trainer string, method bakeoff.SearchMethod) bakeoff.Dimension {
	of := bakeoff.Dimension{Name: p.Name, Whole: p.Type == learn.TypeInteger}
	of.Default, _ = json.Marshal(p.Default) // a number or a truth value
	switch n := e.value; {
	case n.kind == kindList && len(n.items) == 0:
		d.node(n, "it takes "+spaceForm, "the parameter %s has no values", e.key.shown())
	case n.kind == kindList:
		of.Values = d.values(n, e.key.text, trainer)
	case n.kind == kindMapping && method == bakeoff.SearchGrid:
		d.node(n, "list the values, or use method: random", "a grid cannot try a range")
	case n.kind == kindMapping && !isNumber(p):
		d.node(n, "list its values", "the parameter %s is no number, and has no range", e.key.shown())
	case n.kind == kindMapping:
		d.between(n, &of, e.key.text, trainer)
	default:
		d.node(n, "", "the parameter %s must be %s", e.key.shown(), spaceForm)
	}
	return of
}

func isNumber(p learn.Parameter) bool {
	return p.Type == learn.TypeInteger || p.Type == learn.TypeNumber
}

// values reads the values of a list, each once.
func (d *decoder) values(n *node, name, trainer string) []json.RawMessage {
	var all []json.RawMessage
	seen := map[string]bool{}
	for _, item := range n.items {
		if !d.legal(item, name, trainer) {
			continue
		}
		text := rawJSON(item)
		if seen[string(text)] {
			d.node(item, "", "the value %s is listed twice", item.shown())
			continue
		}
		seen[string(text)] = true
		all = append(all, text)
	}
	return all
}

// between reads a range.
func (d *decoder) between(n *node, of *bakeoff.Dimension, name, trainer string) {
	keys := []string{"from", "to", "scale"}
	for _, e := range n.entries {
		if !slices.Contains(keys, e.key.text) && !e.key.bad {
			d.node(e.key, oneOf(e.key.text, keys), "unknown key %s", e.key.shown())
		}
	}
	for _, key := range keys[:2] {
		if n.get(key) == nil {
			d.node(n, "a range is such as "+rangeForm, "the key %q is missing in the range of %s", key, name)
			return
		}
	}
	from, to, scale := n.get("from"), n.get("to"), n.get("scale")
	if !d.legal(from, name, trainer) || !d.legal(to, name, trainer) {
		return
	}
	of.From, _ = strconv.ParseFloat(from.text, 64) // legal, and so numbers
	of.To, _ = strconv.ParseFloat(to.text, 64)
	if scale != nil && !scale.bad {
		of.Log = scale.text == scaleLog
		if scale.kind != kindText || !slices.Contains([]string{scaleLinear, scaleLog}, scale.text) {
			d.node(scale, oneOf(scale.text, []string{scaleLinear, scaleLog}), "unknown scale %s", scale.shown())
		}
	}
	switch {
	case of.From >= of.To:
		d.node(from, "", "the range of %s is empty: from %s to %s", name, from.shown(), to.shown())
	case of.Log && of.From <= 0:
		d.node(from, "begin above 0, or leave scale out", "the range of %s begins at %s, which has no logarithm", name, from.shown())
	}
}

// legal reports whether a parameter may have a value, and records why not.
func (d *decoder) legal(n *node, name, trainer string) bool {
	if n.bad {
		return false
	}
	fault := checkParameter(trainer, name, rawJSON(n))
	switch {
	case fault == nil:
		return true
	case n.variable(): // the message quotes the value
		d.node(n, "", "the value of %s is not legal for the parameter %q", n.shown(), name)
	default:
		d.node(n, fault.Hint, "%s", fault.Message)
	}
	return false
}

// rawJSON returns a value as JSON.
func rawJSON(n *node) json.RawMessage {
	text, err := json.Marshal(n.json())
	if err != nil {
		panic(err) // the tree holds nothing that JSON cannot say
	}
	return text
}

// searchSchema is the schema of a candidate's search, without what a learner asks of its parameters.
func searchSchema() object {
	methods := []string{}
	for _, m := range bakeoff.SearchMethods() {
		methods = append(methods, string(m))
	}
	bounded := func(least, most int, doc string) object {
		return documented(object{"type": "integer", "minimum": least, "maximum": most}, doc)
	}
	return mapping("Has parameters chosen by cross-validation inside the training rows, before the candidate is built with the best.", object{
		"method":   choice("random (default) draws settings; halving draws them and scores few of them on all rows; grid tries every combination.", methods),
		"params":   object{"type": "object", "description": "What is varied: for each parameter " + spaceForm + "."},
		"settings": bounded(2, search.MaxSettings, "How many are tried, the candidate's own parameters among them; not with grid. Default 20."),
		"folds":    bounded(search.MinFolds, search.MaxFolds, "Of the cross-validation. Default 3."),
		"factor":   bounded(search.MinFactor, search.MaxFactor, "halving: one of so many settings goes on, on so many times the rows. Default 3."),
	}, "params")
}

// dimensionSchema is the schema of what one parameter is varied over.
func dimensionSchema(p learn.Parameter) object {
	value := parameterSchema(p)
	delete(value, "default")
	delete(value, "description")
	values := documented(object{"type": "array", "items": value, "minItems": 1}, p.Doc)
	if !isNumber(p) {
		return values
	}
	between := mapping(p.Doc, object{"from": value, "to": value, "scale": choice("Default linear.", []string{scaleLinear, scaleLog})}, "from", "to")
	return object{"oneOf": []any{values, between}}
}
