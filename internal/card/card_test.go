package card_test

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/card"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/learn"
)

// freeze returns the training rows of a file.
func freeze(tb testing.TB, path, target string, task bakeoff.LearningTask) card.Training {
	tb.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	source := dataset.Source{Path: path, Target: target, Task: task, Split: bakeoff.Split{Holdout: 0.2, By: bakeoff.SplitByHash, Seed: 1}}
	snapshot, err := dataset.Freeze(tb.Context(), source, filepath.Join(dir, "train"), filepath.Join(dir, "holdout"))
	if err != nil {
		tb.Fatal(err)
	}
	rows, err := dataset.ReadParquet(tb.Context(), filepath.Join(dir, "train"), snapshot.Schema)
	if err != nil {
		tb.Fatal(err)
	}
	return card.Training{Table: rows.Table, Schema: snapshot.Schema, Labels: rows.Labels, Seed: 1, Threads: 1}
}

func churn(tb testing.TB) card.Training {
	return freeze(tb, "../../examples/churn/telco_churn.csv", "churn", bakeoff.Binary)
}

func train(tb testing.TB, learner string, t card.Training) *learn.Model {
	tb.Helper()
	model, err := learn.Train(tb.Context(), learn.Request{Learner: learner, Table: t.Table, Schema: t.Schema, Labels: t.Labels, Seed: 1, Threads: 2})
	if err != nil {
		tb.Fatal(err)
	}
	return model
}

func describe(tb testing.TB, model *learn.Model, t card.Training) *bakeoff.Card {
	tb.Helper()
	c, err := card.Make(tb.Context(), model, t)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// Every learner has a card, the same one for any number of threads, and nearly all of them
// find that a contract by the month is what customers leave by.
func TestEveryLearnerHasACard(t *testing.T) {
	rows := churn(t)
	for _, learner := range learn.Learners() {
		if !learn.Fits(learner, bakeoff.Binary) {
			continue
		}
		t.Run(learner, func(t *testing.T) {
			model := train(t, learner, rows)
			c := describe(t, model, rows)
			more := rows
			more.Threads = 3
			if diff := cmp.Diff(encode(t, c), encode(t, describe(t, model, more))); diff != "" {
				t.Errorf("another number of threads, another card:\n%s", diff)
			}
			if len(c.Features) != len(rows.Schema.Columns) {
				t.Errorf("%d features of %d columns", len(c.Features), len(rows.Schema.Columns))
			}
			if c.Strength != "" && c.Features[0].Strength == nil {
				t.Errorf("%s is named and not given", c.Strength)
			}
			if learner == learn.NaiveBayes { // it takes columns that say the same for as many reasons
				return
			}
			if learner == learn.KNN {
				return // a training row is its own nearest: its curves are of eight other columns
			}
			byMonth, twoYears := answerAt(t, c, "contract", "Month-to-month"), answerAt(t, c, "contract", "Two year")
			if !(byMonth > twoYears) {
				t.Errorf("customers by the month leave with probability %v, those of two years with %v", byMonth, twoYears)
			}
		})
	}
}

// answerAt returns the mean probability of the second class at a category.
func answerAt(t *testing.T, c *bakeoff.Card, column, category string) float64 {
	t.Helper()
	for _, d := range c.Dependence {
		for _, p := range d.Points {
			if d.Column == column && p.Category != nil && *p.Category == category {
				return p.Answer[1]
			}
		}
	}
	t.Fatalf("no point of %s at %q among the curves", column, category)
	return 0
}

func encode(t *testing.T, c *bakeoff.Card) string {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// made returns rows whose target is twice the first number, beside a number that says nothing, one
// that is always the same and one that is always missing.
func made(rows int) card.Training {
	number := func(name string, f func(i int) float64) dataset.Column {
		c := dataset.Column{Name: name, Kind: bakeoff.KindNumber, Numbers: make([]float64, rows)}
		for i := range c.Numbers {
			c.Numbers[i] = f(i)
		}
		return c
	}
	t := card.Training{Seed: 1, Threads: 1, Table: &dataset.Table{Rows: rows, Columns: []dataset.Column{
		number("noise", func(i int) float64 { return float64(i * 7919 % 101) }),
		number("empty", func(int) float64 { return math.NaN() }),
		number("says", func(i int) float64 { return float64(i % 50) }),
		number("same", func(int) float64 { return 3 }),
	}}}
	t.Schema = bakeoff.Schema{Target: "y", Task: bakeoff.Regression}
	for _, c := range t.Table.Columns {
		t.Schema.Columns = append(t.Schema.Columns, bakeoff.ColumnSchema{Name: c.Name, Kind: c.Kind})
	}
	for i := range rows {
		t.Labels.Values = append(t.Labels.Values, 2*float64(i%50))
	}
	return t
}

func TestWhatSaysNothingIsLeftOutOrLast(t *testing.T) {
	rows := made(2000)
	for _, learner := range learn.Learners() {
		if !learn.Fits(learner, bakeoff.Regression) {
			continue
		}
		c := describe(t, train(t, learner, rows), rows)
		want := []bakeoff.LeftOut{{Column: "empty", Why: "all values are missing"}, {Column: "same", Why: "all values are the same"}}
		if diff := cmp.Diff(want, c.LeftOut); diff != "" {
			t.Errorf("%s: left out (-want +got):\n%s", learner, diff)
		}
		if c.Features[0].Column != "says" || c.Features[0].Permutation < 10 {
			t.Errorf("%s: the most important feature is %+v", learner, c.Features[0])
		}
		rising := slices.IsSortedFunc(c.Dependence[0].Points, func(a, b bakeoff.DependencePoint) int {
			return int(math.Copysign(1, a.Answer[0]-b.Answer[0]))
		})
		if !rising {
			t.Errorf("%s: the curve of a rising column does not rise: %s", learner, encode(t, c))
		}
	}
}

// A card stays cheap where there are many columns and an answer is dear: fewer rows, and then fewer
// columns, are permuted, and the card says so.
func TestACardOfManyColumnsIsBounded(t *testing.T) {
	rows := made(400)
	for i := range 1000 {
		c := dataset.Column{Name: fmt.Sprintf("more%d", i), Kind: bakeoff.KindNumber, Numbers: make([]float64, 400)}
		for row := range c.Numbers {
			c.Numbers[row] = float64((row*(i+3) + i) % 17)
		}
		rows.Table.Columns = append(rows.Table.Columns, c)
		rows.Schema.Columns = append(rows.Schema.Columns, bakeoff.ColumnSchema{Name: c.Name, Kind: c.Kind})
	}
	for _, learner := range []string{learn.KNN, learn.RandomForest, learn.LinearRegression} {
		model := train(t, learner, rows)
		c := describe(t, model, rows)
		if got := len(c.Features) + c.Unmeasured + len(c.LeftOut); got != len(rows.Schema.Columns) {
			t.Errorf("%s: %d columns are accounted for of %d", learner, got, len(rows.Schema.Columns))
		}
		if work := int64(c.Sample*(1+c.Repeats*len(c.Features))) * model.Steps(); work > 200_000_000 {
			t.Errorf("%s: %d columns permuted on %d rows take %d steps", learner, len(c.Features), c.Sample, work)
		}
		if !slices.ContainsFunc(c.Features, func(f bakeoff.FeatureStrength) bool { return f.Column == "says" }) {
			t.Errorf("%s: the column that says all is not measured", learner)
		}
	}
}

func BenchmarkMake(b *testing.B) {
	rows := churn(b)
	for _, learner := range learn.Learners() {
		if !learn.Fits(learner, bakeoff.Binary) {
			continue
		}
		b.Run(learner, func(b *testing.B) {
			model := train(b, learner, rows)
			for b.Loop() {
				describe(b, model, rows)
			}
		})
	}
}
