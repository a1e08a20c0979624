package learn

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/bakeoffhq/bakeoff"
)

// The texts that stand in the place of class weights.
const (
	noWeights = "none"
	balanced  = "balanced"
)

// classWeight is the parameter of learners whose rows may count by their class.
func classWeight() Parameter {
	return Parameter{
		Name: "class_weight", Type: TypeObject, Default: noWeights, Min: 0, Max: 1e9, Choices: []string{noWeights, balanced},
		Doc: "How much the rows of each class count, one where it is not said; balanced for as much in all as those of any other class.",
	}
}

// weighClasses multiplies the rows' weights by those of their classes, as the parameters say.
func (j *job) weighClasses() error {
	var p struct {
		ClassWeight json.RawMessage `json:"class_weight"`
	}
	if err := j.settings(&p); err != nil {
		return err
	}
	byClass, err := j.classWeights(p.ClassWeight)
	if err != nil || byClass == nil {
		return err
	}
	weights := make([]float64, len(j.Labels.Codes))
	for row, code := range j.Labels.Codes {
		weights[row] = byClass[code]
		if j.Labels.Weights != nil {
			weights[row] *= j.Labels.Weights[row]
		}
	}
	j.Labels.Weights = weights
	return checkWeights(j.Labels)
}

// classWeights returns the weight of each class; nil where all are one.
func (j *job) classWeights(param json.RawMessage) ([]float64, error) {
	var text string
	switch {
	case param == nil || string(param) == strconv.Quote(noWeights):
		return nil, nil
	case j.Schema.Task == bakeoff.Regression:
		return nil, noClasses(j.Schema)
	case json.Unmarshal(param, &text) == nil && text == balanced:
		return j.balance(), nil
	}
	var given map[string]float64
	if err := json.Unmarshal(param, &given); err != nil {
		return nil, fmt.Errorf("read class_weight: %w", err)
	}
	if err := checkClassNames(j.Schema, given); err != nil {
		return nil, err
	}
	weights := make([]float64, len(j.Labels.Classes))
	for i, class := range j.Labels.Classes {
		weights[i] = 1
		if w, ok := given[class]; ok {
			weights[i] = w
		}
	}
	return weights, nil
}

func noClasses(s bakeoff.Schema) error {
	return bakeoff.Errorf(bakeoff.CodeInvalid, "class_weight: the target %q is a number and has no classes", s.Target).
		WithHint("leave class_weight out; data.weight says how much a row counts")
}

// checkClassNames looks for classes that the target does not have.
func checkClassNames(s bakeoff.Schema, byClass map[string]float64) error {
	for _, name := range slices.Sorted(maps.Keys(byClass)) {
		if !slices.Contains(s.Classes, name) {
			return bakeoff.Errorf(bakeoff.CodeInvalid, "class_weight: the target %q has no class %q", s.Target, name).
				WithHint("%s", suggest(name, "classes", s.Classes))
		}
	}
	return nil
}

// CheckNames says what is wrong with the names of columns and classes in a learner's parameters, which
// only the data can tell; the parameters are as Check wants them.
func CheckNames(params json.RawMessage, s bakeoff.Schema) error {
	var named struct {
		ClassWeight json.RawMessage    `json:"class_weight"`
		Monotonic   map[string]float64 `json:"monotonic_cst"`
	}
	if len(params) == 0 {
		return nil
	}
	if err := json.Unmarshal(params, &named); err != nil {
		return fmt.Errorf("read parameters: %w", err)
	}
	if w := string(named.ClassWeight); w != "" && w != strconv.Quote(noWeights) && s.Task == bakeoff.Regression {
		return noClasses(s)
	}
	var byClass map[string]float64
	if json.Unmarshal(named.ClassWeight, &byClass) == nil { // else it is a word
		if err := checkClassNames(s, byClass); err != nil {
			return err
		}
	}
	return checkDirections(s, named.Monotonic)
}

// balance gives each class that has rows the same weight in all, and all rows together their number,
// as scikit-learn does. Rows of weight zero are absent.
func (j *job) balance() []float64 {
	counts, rows := make([]float64, len(j.Labels.Classes)), 0.0
	for row, code := range j.Labels.Codes {
		if j.Labels.Weights == nil || j.Labels.Weights[row] > 0 {
			counts[code]++
			rows++
		}
	}
	present := 0.0
	for _, n := range counts {
		if n > 0 {
			present++
		}
	}
	for i, n := range counts {
		if n > 0 {
			counts[i] = rows / (present * n)
		}
	}
	return counts
}

// checkWeights reports weights that nothing can be learnt with.
func checkWeights(l bakeoff.Labels) error {
	if l.Weights == nil {
		return nil
	}
	if len(l.Weights) != l.Len() {
		return bakeoff.Errorf(bakeoff.CodeInternal, "%d weights for %d rows", len(l.Weights), l.Len())
	}
	total := 0.0
	first, distinct := int32(-1), false
	for i, w := range l.Weights {
		if !(w >= 0) || math.IsInf(w, 0) {
			return bakeoff.Errorf(bakeoff.CodeInvalid, "the weight of training row %d is %v, want a finite number from 0", i+1, w)
		}
		total += w
		if w > 0 && l.Codes != nil {
			distinct = distinct || first >= 0 && l.Codes[i] != first
			first = l.Codes[i]
		}
	}
	switch {
	case total == 0:
		return bakeoff.Errorf(bakeoff.CodeInvalid, "every training row has weight 0").
			WithHint("a row of weight 0 counts as absent: there is nothing left to learn from")
	case math.IsInf(total, 0):
		return bakeoff.Errorf(bakeoff.CodeInvalid, "the weights of the training rows are too large to be added")
	case l.Codes != nil && !distinct:
		return bakeoff.Errorf(bakeoff.CodeInvalid, "the training rows with a weight above 0 are all of one class").
			WithHint("there is nothing to tell apart")
	}
	return nil
}
