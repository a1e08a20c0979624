package tree_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn/tree"
)

// boosted is boosting with the default parameters but for a change.
func boosted(change func(p *tree.BoostParams)) fit {
	p := tree.DefaultBoostParams()
	change(&p)
	return func(ctx context.Context, d tree.Data, y bakeoff.Labels, o tree.Options) (*tree.Ensemble, error) {
		return tree.Boost(ctx, d, y, p, o)
	}
}

func mustEncode(t *testing.T, e *tree.Ensemble) string {
	t.Helper()
	form, err := e.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(form)
}

func TestBoostOfManyRowsDoesNotDependOnThreads(t *testing.T) {
	// More rows than a word has room for, so that sums are wide; a far outlier takes the finer units.
	for _, outlier := range []float64{0, 1e6} {
		d, y := made(70_000, 0, 1)
		y.Values[5] += outlier
		f := boosted(func(p *tree.BoostParams) { p.Iterations, p.Subsample, p.MaxFeatures = 3, 0.97, 0.6 })
		want := mustEncode(t, mustFit(t, f, d, y, tree.Options{Threads: 1}))
		for _, threads := range []int{2, 7} {
			if got := mustEncode(t, mustFit(t, f, d, y, tree.Options{Threads: threads})); got != want {
				t.Errorf("outlier %v: %d threads give another model than 1", outlier, threads)
			}
		}
	}
}

func TestBoostLearnsManyRows(t *testing.T) {
	d, y := made(70_000, 0, 1)
	y.Values[5] += 300
	testD, testY := made(1000, 0, 2)
	e := mustFit(t, boosted(func(p *tree.BoostParams) { p.Iterations = 60 }), d, y, tree.Options{Threads: 2})
	if got := r2(mustPredict(t, e, testD), testY.Values); got < 0.95 {
		t.Errorf("R² %.3f, want at least 0.95", got)
	}
}

func TestRowsOfWeightZeroAreAbsent(t *testing.T) {
	for _, classes := range []int{0, 2, 4} {
		d, y := made(1500, classes, 1)
		y.Weights = make([]float64, d.Rows)
		var present []int
		for row := range d.Rows {
			if row%3 > 0 {
				y.Weights[row] = float64(row % 3)
				present = append(present, row)
			} else {
				d.Columns[0].Numbers[row] = 1e9
			}
		}
		less, lessY := pick(d, y, present)
		for _, row := range present {
			lessY.Weights = append(lessY.Weights, y.Weights[row])
		}
		f := boosted(func(p *tree.BoostParams) { p.Iterations = 5 })
		if mustEncode(t, mustFit(t, f, d, y, tree.Options{})) != mustEncode(t, mustFit(t, f, less, lessY, tree.Options{})) {
			t.Errorf("%d classes: rows of weight zero change the model", classes)
		}
	}
}

func TestWeightTwoIsTheRowTwice(t *testing.T) {
	for _, classes := range []int{0, 2, 4} {
		d, y := made(1500, classes, 1)
		// A rule for categories counts rows: leave them out.
		d.Columns = d.Columns[:3]
		for _, c := range d.Columns {
			for row, x := range c.Numbers {
				c.Numbers[row] = math.Round(8*x) / 8 // so few that each has a bin
			}
		}
		y.Weights = make([]float64, d.Rows)
		var rows []int
		for row := range d.Rows {
			y.Weights[row] = float64(1 + row%2)
			for range 1 + row%2 {
				rows = append(rows, row)
			}
		}
		doubled, doubledY := pick(d, y, rows)
		f := boosted(func(p *tree.BoostParams) { p.Iterations, p.MinSamplesLeaf = 5, 1 })
		want := mustPredict(t, mustFit(t, f, d, y, tree.Options{}), d)
		got := mustPredict(t, mustFit(t, f, doubled, doubledY, tree.Options{}), d)
		var distance float64
		for i := range want {
			distance += math.Abs(got[i]-want[i]) / float64(len(want))
		}
		t.Logf("%d classes: the answers differ by %.5f on average", classes, distance)
		if distance > 1e-3 {
			t.Errorf("%d classes: the answers differ by %.4f on average", classes, distance)
		}
	}
}

func TestMonotonicAnswersNeverTurn(t *testing.T) {
	d, y := churn()
	const tenure, monthly = 4, 17
	directions := make([]int8, len(d.Columns))
	directions[tenure], directions[monthly] = -1, 1
	for _, l2 := range []float64{0, 3} {
		f := boosted(func(p *tree.BoostParams) { p.Monotonic, p.L2, p.MaxFeatures = directions, l2, 0.5 })
		e := mustFit(t, f, d, y, tree.Options{Threads: 2})
		for column, direction := range directions {
			if direction != 0 {
				checkDirection(t, e, d, column, float64(direction))
			}
		}
		if got := auc(seconds(mustPredict(t, e, d), 2), y.Codes); got < 0.84 {
			t.Errorf("AUC %.3f on the training rows, want at least 0.84", got)
		}
	}
}

// checkDirection asks about rows with every value of a column put in.
func checkDirection(t *testing.T, e *tree.Ensemble, d tree.Data, column int, direction float64) {
	t.Helper()
	if d.Columns[column].Levels > 0 {
		t.Fatalf("column %d is a category", column)
	}
	values := slices.Clone(d.Columns[column].Numbers)
	slices.Sort(values)
	values = slices.Compact(values)
	for row := 0; row < d.Rows; row += 500 {
		rows := slices.Repeat([]int{row}, len(values))
		asked, _ := pick(d, bakeoff.Labels{Values: make([]float64, d.Rows)}, rows)
		asked.Columns[column].Numbers = values
		answers := seconds(mustPredict(t, e, asked), 2)
		for i := 1; i < len(answers); i++ {
			if direction*(answers[i]-answers[i-1]) < 0 {
				t.Fatalf("row %d, column %d: %v at %v, %v at %v", row, column, answers[i-1], values[i-1], answers[i], values[i])
			}
		}
	}
}

func TestBoostRefusals(t *testing.T) {
	d, y := made(20, 0, 1)
	_, four := made(20, 4, 1)
	huge := bakeoff.Labels{Values: y.Values, Weights: slices.Repeat([]float64{1e307}, 20)}
	huge.Values[3] = 1e9
	for want, c := range map[string]struct {
		y      bakeoff.Labels
		change func(p *tree.BoostParams)
	}{
		"parameter subsample":    {y, func(p *tree.BoostParams) { p.Subsample = 0 }},
		"parameter max_features": {y, func(p *tree.BoostParams) { p.MaxFeatures = 1.1 }},
		"2 directions":           {y, func(p *tree.BoostParams) { p.Monotonic = []int8{1, 0} }},
		"is a category":          {y, func(p *tree.BoostParams) { p.Monotonic = []int8{0, 0, 0, 1} }},
		"of 4 classes":           {four, func(p *tree.BoostParams) { p.Monotonic = []int8{1, 0, 0, 0} }},
		"beyond all numbers":     {huge, func(*tree.BoostParams) {}},
		"less than one row":      {y, func(p *tree.BoostParams) { p.EarlyStopping, p.ValidationFraction = true, 0.01 }},
	} {
		_, err := boosted(c.change)(t.Context(), d, c.y, tree.Options{})
		if err == nil || !strings.Contains(err.Error(), want) || bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestEarlyStoppingOnTwentyRows(t *testing.T) {
	for _, classes := range []int{0, 2} {
		d, y := made(20, classes, 1)
		f := boosted(func(p *tree.BoostParams) { p.EarlyStopping, p.MinSamplesLeaf = true, 2 })
		for _, v := range mustPredict(t, mustFit(t, f, d, y, tree.Options{}), d) {
			if math.IsNaN(v) {
				t.Fatalf("%d classes: an answer is not a number", classes)
			}
		}
	}
}

func TestWideData(t *testing.T) {
	// A thousand columns, a thousand classes, a category of a hundred thousand values.
	r := rand.New(rand.NewPCG(1, 1))
	const rows = 3000
	d := tree.Data{Rows: rows}
	for range 1000 {
		c := tree.Column{Numbers: make([]float64, rows)}
		for row := range rows {
			c.Numbers[row] = float64(r.IntN(9))
		}
		d.Columns = append(d.Columns, c)
	}
	y := bakeoff.Labels{}
	for k := range 1000 {
		y.Classes = append(y.Classes, fmt.Sprint(k))
	}
	many := tree.Column{Levels: 100_000}
	for row := range rows {
		y.Codes = append(y.Codes, int32(row%1000))
		many.Codes = append(many.Codes, int32(r.IntN(100_000)))
	}
	f := boosted(func(p *tree.BoostParams) { p.Iterations, p.MaxLeaves = 1, 3 })
	narrow := tree.Data{Rows: rows, Columns: append(slices.Clone(d.Columns[:3]), many)}
	checkProbabilities(t, mustPredict(t, mustFit(t, f, narrow, y, tree.Options{Threads: 2}), narrow), 1000)
	values := bakeoff.Labels{Values: d.Columns[7].Numbers}
	d.Columns = append(d.Columns, many)
	e := mustFit(t, f, d, values, tree.Options{Threads: 2})
	if got := e.Importance()[7]; got < 0.99 {
		t.Errorf("the telling one of a thousand columns has %.2f of the importance", got)
	}
}
