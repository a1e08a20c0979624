package learn_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn"
	"github.com/google/go-cmp/cmp"
)

func TestFits(t *testing.T) {
	want := map[string][]bakeoff.LearningTask{
		"gradient_boosting":   {bakeoff.Binary, bakeoff.Multiclass, bakeoff.Regression},
		"knn":                 {bakeoff.Binary, bakeoff.Multiclass, bakeoff.Regression},
		"linear_regression":   {bakeoff.Regression},
		"logistic_regression": {bakeoff.Binary, bakeoff.Multiclass},
		"mlp":                 {bakeoff.Binary, bakeoff.Multiclass, bakeoff.Regression},
		"random_forest":       {bakeoff.Binary, bakeoff.Multiclass, bakeoff.Regression},
		"xgboost":             nil,
	}
	for learner, fits := range want {
		for _, task := range []bakeoff.LearningTask{bakeoff.Binary, bakeoff.Multiclass, bakeoff.Regression} {
			if got := learn.Fits(learner, task); got != slices.Contains(fits, task) {
				t.Errorf("Fits(%q, %q) = %v", learner, task, got)
			}
		}
	}
}

func TestParametersAreSortedAndTheirDefaultsAreLegal(t *testing.T) {
	for _, learner := range learn.Learners() {
		params := learn.Parameters(learner)
		defaults := map[string]any{}
		var names []string
		for _, p := range params {
			defaults[p.Name] = p.Default
			names = append(names, p.Name)
			if !strings.HasSuffix(p.Doc, ".") {
				t.Errorf("%s: %s has no sentence of documentation: %q", learner, p.Name, p.Doc)
			}
		}
		if len(names) == 0 || !slices.IsSorted(names) {
			t.Errorf("%s: the parameters are not sorted: %q", learner, names)
		}
		b, err := json.Marshal(defaults)
		if err != nil {
			t.Fatal(err)
		}
		if err := learn.Check(learner, b); err != nil {
			t.Errorf("%s: the defaults %s: %v", learner, b, err)
		}
	}
}

func TestCheck(t *testing.T) {
	tests := map[string]struct {
		learner, params string
		want            []learn.ParamError
	}{
		"none":           {"random_forest", ``, nil},
		"empty":          {"random_forest", ` {} `, nil},
		"null":           {"random_forest", `null`, nil},
		"legal":          {"gradient_boosting", `{"iterations": 40, "learning_rate": 1, "early_stopping": true}`, nil},
		"whole number":   {"random_forest", `{"trees": 2e2}`, nil},
		"misspelt":       {"random_forest", `{"tree": 200}`, []learn.ParamError{{Param: "tree", Message: `random_forest has no parameter "tree"`, Hint: `did you mean "trees"?`}}},
		"of another":     {"linear_regression", `{"iterations": 200}`, []learn.ParamError{{Param: "iterations", Message: `linear_regression has no parameter "iterations"`, Hint: `the parameters are alpha`}}},
		"text":           {"random_forest", `{"trees": "200"}`, []learn.ParamError{{Param: "trees", Message: `trees must be an integer, not "200"`}}},
		"fraction":       {"random_forest", `{"trees": 2.5}`, []learn.ParamError{{Param: "trees", Message: `trees must be an integer, not 2.5`}}},
		"null value":     {"linear_regression", `{"alpha": null}`, []learn.ParamError{{Param: "alpha", Message: `alpha must be a number, not null`}}},
		"not a boolean":  {"gradient_boosting", `{"early_stopping": 1}`, []learn.ParamError{{Param: "early_stopping", Message: `early_stopping must be true or false, not 1`}}},
		"too large":      {"random_forest", `{"trees": 1e400}`, []learn.ParamError{{Param: "trees", Message: `trees must be between 1 and 100000, not 1e400`}}},
		"too small":      {"logistic_regression", `{"C": 0}`, []learn.ParamError{{Param: "C", Message: `C must be between 1e-09 and 1000000000, not 0`}}},
		"by both names":  {"random_forest", `{"trees": 20, "n_estimators": 20}`, []learn.ParamError{{Param: "trees", Message: `trees is another name of n_estimators, which is given too`}}},
		"class weights":  {"random_forest", `{"class_weight": {"yes": 2.5, "no": 1}}`, nil},
		"balanced":       {"random_forest", `{"class_weight": "balanced"}`, nil},
		"no such choice": {"random_forest", `{"class_weight": "even"}`, []learn.ParamError{{Param: "class_weight", Message: `class_weight must be none, balanced or a number for each name, not "even"`}}},
		"below zero":     {"random_forest", `{"class_weight": {"yes": -1}}`, []learn.ParamError{{Param: "class_weight", Message: `class_weight of "yes" must be between 0 and 1000000000, not -1`}}},
		"all at once": {"logistic_regression", `{"tol": 2, "penalty": "l1", "C": [1]}`, []learn.ParamError{
			{Param: "C", Message: `C must be a number, not [1]`},
			{Param: "penalty", Message: `logistic_regression has no parameter "penalty"`, Hint: `the parameters are C, class_weight, max_iter, tol`},
			{Param: "tol", Message: `tol must be between 1e-10 and 1, not 2`},
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, paramErrors(t, learn.Check(tt.learner, json.RawMessage(tt.params)))); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

// paramErrors takes apart what Check joined.
func paramErrors(t *testing.T, err error) []learn.ParamError {
	t.Helper()
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("not joined: %v", err)
	}
	var faults []learn.ParamError
	for _, e := range joined.Unwrap() {
		p, ok := errors.AsType[*learn.ParamError](e)
		if !ok {
			t.Fatalf("not a ParamError: %v", e)
		}
		faults = append(faults, *p)
	}
	return faults
}

func TestCheckRefusesWhatIsNotAnObjectOrALearner(t *testing.T) {
	for _, params := range []string{`[]`, `{`, `{} {}`, `7`} {
		if err := learn.Check("random_forest", json.RawMessage(params)); bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
			t.Errorf("Check(%s) = %v", params, err)
		}
	}
	err := learn.Check("logistic_regresion", nil)
	if bakeoff.CodeOf(err) != bakeoff.CodeInvalid || bakeoff.HintOf(err) != `did you mean "logistic_regression"?` {
		t.Errorf("unknown learner: %v, hint %q", err, bakeoff.HintOf(err))
	}
}

// Names of columns and classes are checked against the data before anything is built.
func TestCheckNames(t *testing.T) {
	binary := bakeoff.Schema{
		Target: "y", Task: bakeoff.Binary, Classes: []string{"no", "yes"},
		Columns: []bakeoff.ColumnSchema{{Name: "age", Kind: bakeoff.KindInteger}, {Name: "city", Kind: bakeoff.KindCategory}},
	}
	number := bakeoff.Schema{Target: "y", Task: bakeoff.Regression, Columns: binary.Columns}
	tests := map[string]struct {
		params string
		schema bakeoff.Schema
		want   string // "" for nothing wrong
	}{
		"none":               {``, binary, ""},
		"all there":          {`{"class_weight": {"yes": 2}, "monotonic_cst": {"age": -1}}`, binary, ""},
		"balanced":           {`{"class_weight": "balanced"}`, binary, ""},
		"no such class":      {`{"class_weight": {"ja": 2}}`, binary, `class_weight: the target "y" has no class "ja"`},
		"no classes":         {`{"class_weight": "balanced"}`, number, `class_weight: the target "y" is a number and has no classes`},
		"no weights":         {`{"class_weight": "none"}`, number, ""},
		"no such column":     {`{"monotonic_cst": {"aeg": 1}}`, number, `monotonic_cst: there is no feature column "aeg"`},
		"no column of order": {`{"monotonic_cst": {"city": 1}}`, binary, `monotonic_cst: column "city" is a category, which does not rise or fall`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := learn.CheckNames(json.RawMessage(tt.params), tt.schema)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || err.Error() != tt.want || bakeoff.HintOf(err) == ""):
				t.Errorf("%v, hint %q; want %q", err, bakeoff.HintOf(err), tt.want)
			}
		})
	}
}
