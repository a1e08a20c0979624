package learn_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/learn"
)

// wide returns a set of many columns, every third of which is mostly or all missing or infinite, and
// of as many classes as given; none for a regression.
func wide(rows, columns, classes int) set {
	table := &dataset.Table{Rows: rows}
	for j := range columns {
		c := dataset.Column{Name: fmt.Sprintf("c%04d", j), Kind: bakeoff.KindNumber, Numbers: make([]float64, rows)}
		for i := range c.Numbers {
			c.Numbers[i] = float64((i*(j+3) + j) % 17)
			if j%3 == 1 && i%7 > 0 || j%9 == 2 {
				c.Numbers[i] = math.NaN()
			} else if j%9 == 5 {
				c.Numbers[i] = math.Inf(i%2*2 - 1)
			}
		}
		table.Columns = append(table.Columns, c)
	}
	s := set{train: table, schema: bakeoff.Schema{Target: "y", Task: bakeoff.Regression, Columns: schemaOf(table)}}
	for k := range classes {
		s.schema.Task = bakeoff.Multiclass
		s.schema.Classes = append(s.schema.Classes, fmt.Sprintf("class %04d", k))
	}
	s.labels.Classes = s.schema.Classes
	for i := range rows {
		if classes > 0 {
			s.labels.Codes = append(s.labels.Codes, int32(i%classes))
		} else {
			s.labels.Values = append(s.labels.Values, float64(i%17))
		}
	}
	return s
}

func TestManyColumnsAndClasses(t *testing.T) {
	for learner, params := range map[string]string{learn.KNN: `{}`, learn.MLP: `{"max_iter": 2}`} {
		for name, s := range map[string]set{
			"1000 columns": wide(300, 1000, 0),
			"1000 classes": wide(2000, 5, 1000),
			"20 rows":      wide(20, 5, 2),
		} {
			t.Run(learner+"/"+name, func(t *testing.T) {
				r := s.request(learner)
				r.Params = json.RawMessage(params)
				m := train(t, r)
				if _, err := learn.Decode(encode(t, m)); err != nil {
					t.Error(err)
				}
				predict(t, m, s.train)
			})
		}
	}
}

func TestACategoryOfManyValues(t *testing.T) {
	s := manyLevels(100_000)
	few := s.train.Slice(0, 100)
	for learner, params := range map[string]string{learn.KNN: `{}`, learn.MLP: `{"max_iter": 1, "hidden_layer_sizes": 2, "batch_size": 5000}`} {
		t.Run(learner, func(t *testing.T) {
			r := s.request(learner)
			r.Params = json.RawMessage(params)
			predict(t, train(t, r), few)
		})
	}
}

func TestParametersOutOfRangeAreNamed(t *testing.T) {
	for params, want := range map[string]string{
		`{"n_neighbors": 0}`:    "n_neighbors must be between 1 and 10000, not 0",
		`{"weights": "near"}`:   `weights must be uniform or distance, not "near"`,
		`{"max_rows": 1e9}`:     "max_rows must be between 2 and 1000000, not 1e9",
		`{"n_neighbors": true}`: "n_neighbors must be an integer, not true",
	} {
		if err := learn.Check(learn.KNN, json.RawMessage(params)); err == nil || err.Error() != want {
			t.Errorf("%s: error %v, want %q", params, err, want)
		}
	}
	for params, want := range map[string]string{
		`{"hidden_layer_sizes": [10, 10, 10]}`: "hidden_layer_sizes must be a list of 1 to 2 integers, not [10,10,10]",
		`{"hidden_layer_sizes": [0]}`:          "hidden_layer_sizes must be between 1 and 4096, not 0",
		`{"activation": "logistic"}`:           `activation must be relu or tanh, not "logistic"`,
		`{"learning_rate_init": 0}`:            "learning_rate_init must be between 1e-09 and 10, not 0",
		`{"alpha": -1}`:                        "alpha must be between 0 and 1000000, not -1",
	} {
		if err := learn.Check(learn.MLP, json.RawMessage(params)); err == nil || err.Error() != want {
			t.Errorf("%s: error %v, want %q", params, err, want)
		}
	}
}

// A row of weight zero counts as absent where classes are balanced, too.
func TestBalancedClassesDoNotCountAbsentRows(t *testing.T) {
	s := wide(300, 3, 2)
	s.schema.Task = bakeoff.Binary
	request := func() learn.Request {
		r := s.request(learn.RandomForest)
		r.Params = json.RawMessage(`{"class_weight": "balanced", "bootstrap": false, "n_estimators": 5}`)
		return r
	}
	with := request()
	with.Labels.Weights = make([]float64, 300)
	for i := range with.Labels.Weights {
		with.Labels.Weights[i] = 1
		if i >= 200 && i%2 == 0 {
			with.Labels.Weights[i] = 0
		}
	}
	explicit := with
	explicit.Params = json.RawMessage(fmt.Sprintf(`{"class_weight": {"class 0000": %v, "class 0001": %v}, "bootstrap": false, "n_estimators": 5}`, 250.0/(2*100), 250.0/(2*150)))
	if a, b := predict(t, train(t, with), s.train), predict(t, train(t, explicit), s.train); !slices.Equal(a.Probabilities, b.Probabilities) {
		t.Error("absent rows were counted")
	}
}
