package learn

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn/linear"
	"github.com/bakeoffhq/bakeoff/internal/learn/tree"
)

// The types of a Parameter, in the words of JSON Schema.
const (
	TypeInteger = "integer"
	TypeNumber  = "number"
	TypeBoolean = "boolean"
)

// Parameter describes one setting of a learner. The names are scikit-learn's where the meaning is.
type Parameter struct {
	Name string
	Type string // TypeInteger, TypeNumber or TypeBoolean
	// Default is an int, a float64 or a bool, by Type.
	Default any
	// Min and Max bound a number; both ends are allowed. Zero for TypeBoolean.
	Min, Max float64
	Doc      string // one sentence
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
	switch learner {
	case LogisticRegression:
		return logisticParameters()
	case LinearRegression:
		return []Parameter{
			{"alpha", TypeNumber, 1.0, 1e-9, 1e12, "Strength of the L2 penalty: larger is stronger."},
		}
	case RandomForest:
		return forestParameters()
	case GradientBoosting:
		return boostParameters()
	}
	return nil
}

func logisticParameters() []Parameter {
	p := linear.DefaultLogisticParams()
	return []Parameter{
		{"C", TypeNumber, p.C, 1e-9, 1e9, "Inverse strength of the L2 penalty: smaller is stronger."},
		{"max_iter", TypeInteger, p.MaxIter, 1, 1e6, "Most iterations of the solver."},
		{"tol", TypeNumber, p.Tol, 1e-10, 1, "Stop when no component of the gradient is larger."},
	}
}

func forestParameters() []Parameter {
	p := tree.DefaultForestParams()
	return []Parameter{
		{"max_depth", TypeInteger, p.MaxDepth, 0, 1000, "Most splits between the root and a leaf; 0 for no limit."},
		{"max_features", TypeNumber, p.MaxFeatures, 0, 1, "Share of the features that a split chooses among; 0 for the square root of their number, for regression all."},
		{"min_samples_leaf", TypeInteger, p.MinSamplesLeaf, 1, 1e9, "Fewest training rows in a leaf."},
		{"min_samples_split", TypeInteger, p.MinSamplesSplit, 2, 1e9, "Fewest training rows in a node that is split."},
		{"trees", TypeInteger, p.Trees, 1, 1e5, "Number of trees."},
	}
}

func boostParameters() []Parameter {
	p := tree.DefaultBoostParams()
	return []Parameter{
		{"early_stopping", TypeBoolean, p.EarlyStopping, 0, 0, "Stop when a part of the training rows, held back for it, gets no better."},
		{"iterations", TypeInteger, p.Iterations, 1, 1e5, "Number of rounds; each adds one tree, for more than two classes one a class."},
		{"l2_regularization", TypeNumber, p.L2, 0, 1e9, "L2 penalty on the values of the leaves."},
		{"learning_rate", TypeNumber, p.LearningRate, 1e-6, 1, "Share of each tree's answer that is added."},
		{"max_bins", TypeInteger, p.MaxBins, 2, 255, "Most bins that a feature's values are sorted into."},
		{"max_depth", TypeInteger, p.MaxDepth, 0, 1000, "Most splits between the root and a leaf; 0 for no limit."},
		{"max_leaf_nodes", TypeInteger, p.MaxLeaves, 2, 65536, "Most leaves of a tree."},
		{"min_samples_leaf", TypeInteger, p.MinSamplesLeaf, 1, 1e9, "Fewest training rows in a leaf."},
		{"n_iter_no_change", TypeInteger, p.Patience, 1, 1e5, "Rounds without a gain before early stopping stops."},
		{"validation_fraction", TypeNumber, p.ValidationFraction, 0.01, 0.9, "Share of the training rows held back for early stopping."},
	}
}

// settings are the parameters of a learner, read from the JSON that resolve makes.
type settings struct {
	C                  float64 `json:"C"`
	MaxIter            int     `json:"max_iter"`
	Tol                float64 `json:"tol"`
	Alpha              float64 `json:"alpha"`
	Trees              int     `json:"trees"`
	MaxDepth           int     `json:"max_depth"`
	MaxFeatures        float64 `json:"max_features"`
	MinSamplesLeaf     int     `json:"min_samples_leaf"`
	MinSamplesSplit    int     `json:"min_samples_split"`
	EarlyStopping      bool    `json:"early_stopping"`
	Iterations         int     `json:"iterations"`
	L2                 float64 `json:"l2_regularization"`
	LearningRate       float64 `json:"learning_rate"`
	MaxBins            int     `json:"max_bins"`
	MaxLeaves          int     `json:"max_leaf_nodes"`
	Patience           int     `json:"n_iter_no_change"`
	ValidationFraction float64 `json:"validation_fraction"`
}

func (s settings) logistic() linear.LogisticParams {
	return linear.LogisticParams{C: s.C, MaxIter: s.MaxIter, Tol: s.Tol}
}

func (s settings) forest() tree.ForestParams {
	p := tree.DefaultForestParams()
	p.Trees, p.MaxDepth, p.MaxFeatures = s.Trees, s.MaxDepth, s.MaxFeatures
	p.MinSamplesLeaf, p.MinSamplesSplit = s.MinSamplesLeaf, s.MinSamplesSplit
	return p
}

func (s settings) boost() tree.BoostParams {
	return tree.BoostParams{
		Iterations: s.Iterations, LearningRate: s.LearningRate,
		MaxLeaves: s.MaxLeaves, MaxDepth: s.MaxDepth, MinSamplesLeaf: s.MinSamplesLeaf,
		L2: s.L2, MaxBins: s.MaxBins,
		EarlyStopping: s.EarlyStopping, ValidationFraction: s.ValidationFraction, Patience: s.Patience,
	}
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
	names := make([]string, len(known))
	var faults []error
	for i, p := range known {
		names[i], values[p.Name] = p.Name, p.Default
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		i := slices.Index(names, name)
		if i < 0 {
			faults = append(faults, unknownParam(learner, name, names))
			continue
		}
		v, fault := known[i].value(given[name])
		if fault != nil {
			faults = append(faults, fault)
			continue
		}
		values[name] = v
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

func unknownParam(learner, name string, names []string) *ParamError {
	return &ParamError{
		Param:   name,
		Message: fmt.Sprintf("%s has no parameter %q", learner, name),
		Hint:    suggest(name, "parameters", names),
	}
}

// suggest says which known word was meant, or lists them all.
func suggest(word, what string, known []string) string {
	if near := bakeoff.Nearest(word, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return fmt.Sprintf("the %s are %s", what, strings.Join(known, ", "))
}

// value returns v as an int, a float64 or a bool, by the parameter's type.
func (p Parameter) value(v any) (any, *ParamError) {
	if p.Type == TypeBoolean {
		if b, ok := v.(bool); ok {
			return b, nil
		}
		return nil, p.fault("must be true or false, not %s", show(v))
	}
	n, ok := v.(json.Number)
	if !ok {
		return nil, p.fault("must be %s, not %s", p.noun(), show(v))
	}
	f, err := n.Float64()
	if err != nil || f < p.Min || f > p.Max {
		return nil, p.fault("must be between %s and %s, not %s", plain(p.Min), plain(p.Max), n)
	}
	if p.Type == TypeNumber {
		return f, nil
	}
	if f != math.Trunc(f) {
		return nil, p.fault("must be %s, not %s", p.noun(), n)
	}
	return int(f), nil
}

func (p Parameter) fault(format string, args ...any) *ParamError {
	return &ParamError{Param: p.Name, Message: p.Name + " " + fmt.Sprintf(format, args...)}
}

func (p Parameter) noun() string {
	if p.Type == TypeInteger {
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
