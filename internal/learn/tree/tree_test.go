package tree_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn/tree"
)

// fit is one of the learners with its default parameters.
type fit func(ctx context.Context, d tree.Data, y bakeoff.Labels, o tree.Options) (*tree.Ensemble, error)

func boost(ctx context.Context, d tree.Data, y bakeoff.Labels, o tree.Options) (*tree.Ensemble, error) {
	return tree.Boost(ctx, d, y, tree.DefaultBoostParams(), o)
}

func forest(ctx context.Context, d tree.Data, y bakeoff.Labels, o tree.Options) (*tree.Ensemble, error) {
	return tree.Forest(ctx, d, y, tree.DefaultForestParams(), o)
}

func extra(ctx context.Context, d tree.Data, y bakeoff.Labels, o tree.Options) (*tree.Ensemble, error) {
	return tree.Extra(ctx, d, y, tree.DefaultExtraParams(), o)
}

var learners = []struct {
	name string
	fit  fit
}{{"boost", boost}, {"forest", forest}, {"extra", extra}}

// churn is the Telco churn data: 7,043 customers, 19 columns.
var churn = sync.OnceValues(func() (tree.Data, bakeoff.Labels) {
	file, err := os.Open("../../../examples/churn/telco_churn.csv")
	if err != nil {
		panic(err)
	}
	defer file.Close()
	records, err := csv.NewReader(file).ReadAll()
	if err != nil {
		panic(err)
	}
	header, rows := records[0], records[1:]
	d := tree.Data{Rows: len(rows)}
	y := bakeoff.Labels{Classes: []string{"No", "Yes"}, Codes: make([]int32, len(rows))}
	for i, name := range header {
		switch name {
		case "churn":
			for row, r := range rows {
				if r[i] == "Yes" {
					y.Codes[row] = 1
				}
			}
		case "tenure", "monthly_charges", "total_charges":
			d.Columns = append(d.Columns, numbers(rows, i))
		default:
			d.Columns = append(d.Columns, levels(rows, i))
		}
	}
	return d, y
})

func numbers(rows [][]string, i int) tree.Column {
	var c tree.Column
	for _, r := range rows {
		x, err := strconv.ParseFloat(strings.TrimSpace(r[i]), 64)
		if err != nil {
			x = math.NaN()
		}
		c.Numbers = append(c.Numbers, x)
	}
	return c
}

func levels(rows [][]string, i int) tree.Column {
	var names []string
	for _, r := range rows {
		names = append(names, r[i])
	}
	slices.Sort(names)
	names = slices.Compact(names)
	c := tree.Column{Levels: len(names)}
	for _, r := range rows {
		at, _ := slices.BinarySearch(names, r[i])
		c.Codes = append(c.Codes, int32(at))
	}
	return c
}

// pick returns the rows in the order of their numbers.
func pick(d tree.Data, y bakeoff.Labels, rows []int) (tree.Data, bakeoff.Labels) {
	p := tree.Data{Rows: len(rows)}
	for _, c := range d.Columns {
		q := tree.Column{Levels: c.Levels}
		for _, row := range rows {
			if c.Levels > 0 {
				q.Codes = append(q.Codes, c.Codes[row])
			} else {
				q.Numbers = append(q.Numbers, c.Numbers[row])
			}
		}
		p.Columns = append(p.Columns, q)
	}
	l := bakeoff.Labels{Classes: y.Classes}
	for _, row := range rows {
		if y.Codes != nil {
			l.Codes = append(l.Codes, y.Codes[row])
		} else {
			l.Values = append(l.Values, y.Values[row])
		}
	}
	return p, l
}

// halves returns every fifth row as the second part.
func halves(d tree.Data, y bakeoff.Labels) (train tree.Data, trainY bakeoff.Labels, test tree.Data, testY bakeoff.Labels) {
	var a, b []int
	for row := range d.Rows {
		if row%5 == 0 {
			b = append(b, row)
		} else {
			a = append(a, row)
		}
	}
	train, trainY = pick(d, y, a)
	test, testY = pick(d, y, b)
	return train, trainY, test, testY
}

// auc is the area under the ROC curve, by the ranks of the scores.
func auc(scores []float64, codes []int32) float64 {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(scores[a], scores[b]) })
	var ranks, positives float64
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && scores[order[j]] == scores[order[i]] {
			j++
		}
		for _, row := range order[i:j] {
			if codes[row] == 1 {
				ranks += float64(i+j+1) / 2
				positives++
			}
		}
		i = j
	}
	return (ranks - positives*(positives+1)/2) / (positives * (float64(len(scores)) - positives))
}

// seconds returns every row's second of width answers.
func seconds(out []float64, width int) []float64 {
	var s []float64
	for i := 1; i < len(out); i += width {
		s = append(s, out[i])
	}
	return s
}

func mustPredict(t *testing.T, e *tree.Ensemble, d tree.Data) []float64 {
	t.Helper()
	out, err := e.Predict(d, 2)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func mustFit(t *testing.T, f fit, d tree.Data, y bakeoff.Labels, o tree.Options) *tree.Ensemble {
	t.Helper()
	e, err := f(t.Context(), d, y, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// The bounds are what scikit-learn 1.2.1's models of the same kind reach with the same rows, less
// 0.005: HistGradientBoostingClassifier 0.8210, RandomForestClassifier 0.8123 (the mean of three
// seeds).
func TestLearnsChurn(t *testing.T) {
	for i, bound := range []float64{0.816, 0.807} {
		t.Run(learners[i].name, func(t *testing.T) {
			d, y, testD, testY := halves(churn())
			e := mustFit(t, learners[i].fit, d, y, tree.Options{Seed: 1, Threads: 2})
			out := mustPredict(t, e, testD)
			checkProbabilities(t, out, 2)
			got := auc(seconds(out, 2), testY.Codes)
			t.Logf("AUC %.4f", got)
			if got < bound {
				t.Errorf("AUC %.4f, want at least %.4f", got, bound)
			}
		})
	}
}

func checkProbabilities(t *testing.T, out []float64, classes int) {
	t.Helper()
	for i := 0; i < len(out); i += classes {
		sum := 0.0
		for _, p := range out[i : i+classes] {
			if !(p > 0 && p < 1) {
				t.Fatalf("row %d: probability %v", i/classes, p)
			}
			sum += p
		}
		if math.Abs(sum-1) > 1e-12 {
			t.Fatalf("row %d: probabilities sum to %v", i/classes, sum)
		}
	}
}

// made returns rows of three numbers, one of them with missing values, a category, and labels of
// the given number of classes (0: regression) that depend on all of them.
func made(rows, classes int, seed uint64) (tree.Data, bakeoff.Labels) {
	r := rand.New(rand.NewPCG(seed, 0))
	d := tree.Data{Rows: rows, Columns: []tree.Column{{}, {}, {}, {Levels: 12}}}
	var y bakeoff.Labels
	for k := range classes {
		y.Classes = append(y.Classes, fmt.Sprint("class ", k))
	}
	for row := range rows {
		a, b, c, g := r.NormFloat64(), r.Float64(), r.ExpFloat64(), int32(r.IntN(13))-1
		v := 2*a + math.Sin(9*b) + 0.3*float64(g*g%7)
		if row%5 == 0 {
			c, v = math.NaN(), v+2
		} else {
			v += c
		}
		d.Columns[0].Numbers = append(d.Columns[0].Numbers, a)
		d.Columns[1].Numbers = append(d.Columns[1].Numbers, b)
		d.Columns[2].Numbers = append(d.Columns[2].Numbers, c)
		d.Columns[3].Codes = append(d.Columns[3].Codes, g)
		if classes == 0 {
			y.Values = append(y.Values, v)
		} else {
			y.Codes = append(y.Codes, int32(max(0, min(classes-1, int(v+float64(classes)/2)))))
		}
	}
	return d, y
}

// r2 returns the share of the variance of the values that the predictions explain.
func r2(out, values []float64) float64 {
	var mean, residual, total float64
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for i, v := range values {
		residual += (v - out[i]) * (v - out[i])
		total += (v - mean) * (v - mean)
	}
	return 1 - residual/total
}

func TestLearnsNumbersMissingValuesAndCategories(t *testing.T) {
	for _, l := range learners {
		t.Run(l.name+"/regression", func(t *testing.T) {
			d, y := made(2000, 0, 1)
			testD, testY := made(1000, 0, 2)
			e := mustFit(t, l.fit, d, y, tree.Options{})
			if got := r2(mustPredict(t, e, testD), testY.Values); got < 0.95 {
				t.Errorf("R² %.3f, want at least 0.95", got)
			}
		})
		t.Run(l.name+"/multiclass", func(t *testing.T) {
			d, y := made(2000, 5, 1)
			testD, testY := made(1000, 5, 2)
			e := mustFit(t, l.fit, d, y, tree.Options{})
			p := bakeoff.Predictions{Classes: y.Classes, Probabilities: mustPredict(t, e, testD)}
			checkProbabilities(t, p.Probabilities, 5)
			right := 0
			for row, c := range testY.Codes {
				if p.Class(row) == int(c) {
					right++
				}
			}
			if right < 800 {
				t.Errorf("%d of 1000 right, want at least 800", right)
			}
		})
	}
}

func TestThreadsDoNotChangeTheModel(t *testing.T) {
	type set struct {
		name string
		d    tree.Data
		y    bakeoff.Labels
	}
	var sets []set
	for _, classes := range []int{0, 2, 3, 9} {
		d, y := made(12_000-1000*classes, classes, 1) // enough for boosting to divide the rows of a node
		sets = append(sets, set{fmt.Sprint("classes ", classes), d, y})
	}
	for _, l := range learners {
		for _, s := range sets {
			if l.name != "boost" {
				s.d, s.y = made(2000, len(s.y.Classes), 1)
			}
			t.Run(l.name+"/"+s.name, func(t *testing.T) {
				var want []byte
				for _, threads := range []int{1, 2, 7} {
					e := mustFit(t, quick(l.name), s.d, s.y, tree.Options{Seed: 5, Threads: threads})
					got, err := e.AppendBinary(nil)
					if err != nil {
						t.Fatal(err)
					}
					if want == nil {
						want = got
					}
					if !bytes.Equal(got, want) {
						t.Errorf("%d threads give another model than 1", threads)
					}
				}
				other, _ := mustFit(t, quick(l.name), s.d, s.y, tree.Options{Seed: 6, Threads: 2}).AppendBinary(nil)
				if l.name != "boost" && bytes.Equal(other, want) {
					t.Error("another seed gives the same forest")
				}
			})
		}
	}
}

// quick is a learner with few trees; boosting stops early, so that its seed matters.
func quick(name string) fit {
	if name == "forest" {
		p := tree.DefaultForestParams()
		p.Trees = 9
		return func(ctx context.Context, d tree.Data, y bakeoff.Labels, o tree.Options) (*tree.Ensemble, error) {
			return tree.Forest(ctx, d, y, p, o)
		}
	}
	if name == "extra" {
		p := tree.DefaultExtraParams()
		p.Trees = 9
		return func(ctx context.Context, d tree.Data, y bakeoff.Labels, o tree.Options) (*tree.Ensemble, error) {
			return tree.Extra(ctx, d, y, p, o)
		}
	}
	p := tree.DefaultBoostParams()
	p.Iterations, p.EarlyStopping = 4, true
	return func(ctx context.Context, d tree.Data, y bakeoff.Labels, o tree.Options) (*tree.Ensemble, error) {
		return tree.Boost(ctx, d, y, p, o)
	}
}

func TestPredictDoesNotDependOnThreadsOrBlocks(t *testing.T) {
	for _, l := range learners {
		d, y := made(2000, 3, 1)
		e := mustFit(t, quick(l.name), d, y, tree.Options{})
		want := mustPredict(t, e, d)
		for _, threads := range []int{0, 1, 7} {
			got, err := e.Predict(d, threads)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %d threads: other answers (error %v)", l.name, threads, err)
			}
		}
		for _, row := range []int{0, 777, 1999} {
			one, _ := pick(d, y, []int{row})
			if got := mustPredict(t, e, one); !slices.Equal(got, want[3*row:3*row+3]) {
				t.Errorf("%s: row %d alone: %v, among others %v", l.name, row, got, want[3*row:3*row+3])
			}
		}
	}
}

func TestConstantColumnsChangeNothing(t *testing.T) {
	for _, l := range learners {
		d, y := made(1500, 3, 1)
		want := mustPredict(t, mustFit(t, quick(l.name), d, y, tree.Options{}), d)
		missing, unseen := make([]float64, d.Rows), make([]int32, d.Rows)
		for i := range missing {
			missing[i], unseen[i] = math.NaN(), -1
		}
		for name, c := range map[string]tree.Column{
			"number": {Numbers: make([]float64, d.Rows)}, "category": {Codes: make([]int32, d.Rows), Levels: 3},
			"missing numbers": {Numbers: missing}, "missing levels": {Codes: unseen, Levels: 2},
		} {
			wide := tree.Data{Rows: d.Rows, Columns: slices.Insert(slices.Clone(d.Columns), 1, c)}
			got := mustPredict(t, mustFit(t, quick(l.name), wide, y, tree.Options{}), wide)
			if !slices.Equal(got, want) {
				t.Errorf("%s: a constant column (%s) changes the answers", l.name, name)
			}
		}
	}
}

func TestBoostDoesNotDependOnTheOrderOfColumnsOrRows(t *testing.T) {
	p := tree.DefaultBoostParams()
	p.Iterations = 10
	short := func(ctx context.Context, d tree.Data, y bakeoff.Labels, o tree.Options) (*tree.Ensemble, error) {
		return tree.Boost(ctx, d, y, p, o)
	}
	d, y := made(2000, 0, 1)
	want := mustPredict(t, mustFit(t, short, d, y, tree.Options{}), d)
	c := d.Columns
	turned := tree.Data{Rows: d.Rows, Columns: []tree.Column{c[3], c[2], c[1], c[0]}}
	if got := mustPredict(t, mustFit(t, short, turned, y, tree.Options{}), turned); !slices.Equal(got, want) {
		t.Error("another order of the columns changes the answers")
	}
	order := rand.New(rand.NewPCG(1, 1)).Perm(d.Rows)
	mixed, mixedY := pick(d, y, order)
	got := mustPredict(t, mustFit(t, short, mixed, mixedY, tree.Options{}), mixed)
	for i, row := range order {
		if math.Abs(got[i]-want[row]) > 1e-9 {
			t.Fatalf("row %d: %v in another order, %v in this", row, got[i], want[row])
		}
	}
}

func TestRowsTwiceAreRowsOfDoubleWeight(t *testing.T) {
	d, y := made(1500, 2, 1)
	var twice []int
	for row := range d.Rows {
		twice = append(twice, row, row)
	}
	doubled, doubledY := pick(d, y, twice)
	// A rule for categories counts rows too: leave them out.
	d.Columns, doubled.Columns = d.Columns[:3], doubled.Columns[:3]
	p := tree.DefaultBoostParams()
	once, err := tree.Boost(t.Context(), d, y, p, tree.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p.MinSamplesLeaf *= 2
	two, err := tree.Boost(t.Context(), doubled, doubledY, p, tree.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := mustPredict(t, once, d)
	for i, got := range mustPredict(t, two, d) {
		if math.Abs(got-want[i]) > 1e-4 {
			t.Fatalf("answer %d: %v, want %v", i, got, want[i])
		}
	}
}

func TestUnseenLevelsGoWhereMissingOnesGo(t *testing.T) {
	for _, l := range learners {
		d, y := made(2000, 0, 1)
		// Level 12 does not occur, and 13 and above are not even levels.
		d.Columns[3].Levels = 13
		e := mustFit(t, quick(l.name), d, y, tree.Options{})
		rows, _ := pick(d, y, []int{1, 2, 3, 4})
		var answers [][]float64
		for _, code := range []int32{-1, 12, 13, math.MaxInt32, math.MinInt32} {
			for i := range rows.Columns[3].Codes {
				rows.Columns[3].Codes[i] = code
			}
			answers = append(answers, mustPredict(t, e, rows))
			if !slices.Equal(answers[0], answers[len(answers)-1]) {
				t.Errorf("%s: code %d is not like a missing value", l.name, code)
			}
		}
	}
}

func TestTenThousandLevels(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	const rows = 20_000
	d := tree.Data{Rows: rows, Columns: []tree.Column{{Levels: 10_000}, {}}}
	y := bakeoff.Labels{Classes: []string{"no", "yes"}}
	for range rows {
		code := int32(r.IntN(10_000))
		if r.IntN(2) == 0 {
			code = int32(r.IntN(5)) // the frequent ones are telling
		}
		d.Columns[0].Codes = append(d.Columns[0].Codes, code)
		d.Columns[1].Numbers = append(d.Columns[1].Numbers, r.Float64())
		label := int32(r.IntN(2))
		if code < 5 {
			label = code % 2
		}
		y.Codes = append(y.Codes, label)
	}
	for _, l := range learners {
		e := mustFit(t, quick(l.name), d, y, tree.Options{Threads: 2})
		ask := tree.Data{Rows: 5, Columns: []tree.Column{{Levels: 10_000, Codes: []int32{0, 1, 2, 3, 4}}, {Numbers: make([]float64, 5)}}}
		out := seconds(mustPredict(t, e, ask), 2)
		for code, p := range out {
			if yes := code%2 == 1; yes != (p > 0.5) {
				t.Errorf("%s: level %d: probability %.2f", l.name, code, p)
			}
		}
	}
}

func TestInfinitiesAreOrdinaryNumbers(t *testing.T) {
	inf := math.Inf(1)
	d := tree.Data{Rows: 90, Columns: []tree.Column{{}}}
	y := bakeoff.Labels{}
	for i := range 90 {
		d.Columns[0].Numbers = append(d.Columns[0].Numbers, []float64{-inf, 0, inf}[i%3])
		y.Values = append(y.Values, []float64{1, 2, 3}[i%3])
	}
	for _, l := range learners {
		out := mustPredict(t, mustFit(t, l.fit, d, y, tree.Options{}), d)
		for i, v := range out[:3] {
			if math.Abs(v-y.Values[i]) > 0.01 {
				t.Errorf("%s: %v: %v, want %v", l.name, d.Columns[0].Numbers[i], v, y.Values[i])
			}
		}
	}
}

func TestFewRows(t *testing.T) {
	one := tree.Data{Rows: 1, Columns: []tree.Column{{Numbers: []float64{3}}, {Codes: []int32{0}, Levels: 1}}}
	none := tree.Data{Rows: 1}
	for _, l := range learners {
		for _, d := range []tree.Data{one, none} {
			for _, value := range []float64{0, 7, -1e300, 1e-320} {
				out := mustPredict(t, mustFit(t, l.fit, d, bakeoff.Labels{Values: []float64{value}}, tree.Options{}), d)
				if math.Abs(out[0]-value) > 1e-12*math.Abs(value) {
					t.Errorf("%s: one row with %v: %v", l.name, value, out[0])
				}
			}
		}
		two := tree.Data{Rows: 2, Columns: []tree.Column{{Numbers: []float64{1, 2}}}}
		y := bakeoff.Labels{Classes: []string{"a", "b", "never"}, Codes: []int32{0, 1}}
		out := mustPredict(t, mustFit(t, l.fit, two, y, tree.Options{}), two)
		if len(out) != 6 || math.Abs(out[0]+out[1]+out[2]-1) > 1e-12 {
			t.Errorf("%s: two rows: %v", l.name, out)
		}
		if out := mustPredict(t, mustFit(t, l.fit, two, y, tree.Options{}), tree.Data{Columns: make([]tree.Column, 1)}); len(out) != 0 {
			t.Errorf("%s: no rows: %v", l.name, out)
		}
	}
}

func TestRefusals(t *testing.T) {
	d, y := made(50, 2, 1)
	_, values := made(50, 0, 1)
	notFinite := bakeoff.Labels{Values: slices.Clone(values.Values)}
	notFinite.Values[7] = math.Inf(1)
	for name, c := range map[string]struct {
		d    tree.Data
		y    bakeoff.Labels
		want string
	}{
		"one class":      {d, bakeoff.Labels{Classes: []string{"no", "yes"}, Codes: make([]int32, 50)}, `the target has one class only, "no"`},
		"no rows":        {tree.Data{}, y, "there are no rows"},
		"few labels":     {d, bakeoff.Labels{Classes: y.Classes, Codes: y.Codes[:9]}, "9 labels, want one for each of 50 rows"},
		"few values":     {d, bakeoff.Labels{Values: values.Values[:9]}, "9 target values, want one for each of 50 rows"},
		"class number":   {d, bakeoff.Labels{Classes: y.Classes, Codes: append(slices.Clone(y.Codes[1:]), 2)}, "row 49: class 2 of 2"},
		"infinite value": {d, notFinite, "row 7: the target is +Inf"},
		"short column":   {tree.Data{Rows: 50, Columns: []tree.Column{{Numbers: []float64{1}}}}, y, "column 0 has 1 values"},
		"many classes":   {d, bakeoff.Labels{Classes: make([]string, 5000), Codes: y.Codes}, "the target has 5000 classes"},
	} {
		for _, l := range learners {
			_, err := l.fit(t.Context(), c.d, c.y, tree.Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) || bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
				t.Errorf("%s, %s: error %q, want %q", name, l.name, err, c.want)
			}
		}
	}
}

func TestParametersOutOfRange(t *testing.T) {
	d, y := made(50, 0, 1)
	for name, change := range map[string]func(*tree.BoostParams){
		"iterations":          func(p *tree.BoostParams) { p.Iterations = 0 },
		"learning_rate":       func(p *tree.BoostParams) { p.LearningRate = math.NaN() },
		"max_leaves":          func(p *tree.BoostParams) { p.MaxLeaves = 1 },
		"max_depth":           func(p *tree.BoostParams) { p.MaxDepth = -1 },
		"min_samples_leaf":    func(p *tree.BoostParams) { p.MinSamplesLeaf = 0 },
		"l2":                  func(p *tree.BoostParams) { p.L2 = -1 },
		"max_bins":            func(p *tree.BoostParams) { p.MaxBins = 256 },
		"validation_fraction": func(p *tree.BoostParams) { p.EarlyStopping, p.ValidationFraction = true, 1 },
		"patience":            func(p *tree.BoostParams) { p.EarlyStopping, p.Patience = true, 0 },
	} {
		p := tree.DefaultBoostParams()
		change(&p)
		if _, err := tree.Boost(t.Context(), d, y, p, tree.Options{}); err == nil || !strings.Contains(err.Error(), "parameter "+name) {
			t.Errorf("boosting, %s: error %v", name, err)
		}
	}
	for name, change := range map[string]func(*tree.ForestParams){
		"n_estimators":      func(p *tree.ForestParams) { p.Trees = 0 },
		"max_depth":         func(p *tree.ForestParams) { p.MaxDepth = -1 },
		"min_samples_leaf":  func(p *tree.ForestParams) { p.MinSamplesLeaf = 0 },
		"min_samples_split": func(p *tree.ForestParams) { p.MinSamplesSplit = 1 },
		"max_features":      func(p *tree.ForestParams) { p.MaxFeatures = 1.5 },
		"max_bins":          func(p *tree.ForestParams) { p.MaxBins = 1 },
		"max_leaf_nodes":    func(p *tree.ForestParams) { p.MaxLeaves = -1 },
		"max_samples":       func(p *tree.ForestParams) { p.MaxSamples = 0 },
	} {
		p := tree.DefaultForestParams()
		change(&p)
		if _, err := tree.Forest(t.Context(), d, y, p, tree.Options{}); err == nil || !strings.Contains(err.Error(), "parameter "+name) {
			t.Errorf("forest, %s: error %v", name, err)
		}
	}
}

func TestPredictRefusesOtherColumns(t *testing.T) {
	d, y := made(50, 0, 1)
	e := mustFit(t, boost, d, y, tree.Options{})
	for name, wrong := range map[string]tree.Data{
		"few columns": {Rows: 50, Columns: d.Columns[:2]},
		"other kinds": {Rows: 50, Columns: []tree.Column{d.Columns[3], d.Columns[0], d.Columns[1], d.Columns[2]}},
		"few values":  {Rows: 51, Columns: d.Columns},
	} {
		if _, err := e.Predict(wrong, 1); bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestCancelledFitEnds(t *testing.T) {
	d, y := made(20_000, 3, 1)
	for _, l := range learners {
		ctx, cancel := context.WithCancel(t.Context())
		calls := 0
		o := tree.Options{Threads: 2, Progress: func(done, total int) {
			calls++
			cancel()
		}}
		e, err := l.fit(ctx, d, y, o)
		if e != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v", l.name, err)
		}
		if calls != 1 {
			t.Errorf("%s: told %d times of progress after it was cancelled", l.name, calls-1)
		}
	}
}

func TestProgressEndsAtItsTotal(t *testing.T) {
	d, y := made(500, 0, 1)
	for _, l := range learners {
		last := 0
		mustFit(t, l.fit, d, y, tree.Options{Threads: 3, Progress: func(done, total int) {
			if done <= last || total != 100 {
				t.Errorf("%s: %d of %d after %d", l.name, done, total, last)
			}
			last = done
		}})
		if last != 100 {
			t.Errorf("%s: ended at %d", l.name, last)
		}
	}
}

func TestEarlyStoppingKeepsTheBestRounds(t *testing.T) {
	// Labels without any relation to the data: more rounds can only do harm.
	d, y := made(2000, 2, 1)
	r := rand.New(rand.NewPCG(3, 3))
	for row := range y.Codes {
		y.Codes[row] = int32(r.IntN(2))
	}
	p := tree.DefaultBoostParams()
	p.EarlyStopping = true
	rounds := 0
	e, err := tree.Boost(t.Context(), d, y, p, tree.Options{Progress: func(done, _ int) { rounds = done }})
	if err != nil {
		t.Fatal(err)
	}
	if rounds > 40 {
		t.Errorf("%d rounds on noise", rounds)
	}
	for i, p := range mustPredict(t, e, d) {
		if math.Abs(p-0.5) > 0.2 {
			t.Fatalf("answer %d to noise: %.2f", i, p)
		}
	}
}

func TestImportance(t *testing.T) {
	d, y := made(600, 0, 1)
	noise := tree.Column{Numbers: make([]float64, d.Rows)}
	r := rand.New(rand.NewPCG(4, 4))
	for i := range noise.Numbers {
		noise.Numbers[i] = r.Float64()
	}
	d.Columns = append(d.Columns, noise, tree.Column{Numbers: make([]float64, d.Rows)})
	for _, l := range learners {
		shares := mustFit(t, quick(l.name), d, y, tree.Options{}).Importance()
		sum := 0.0
		for _, s := range shares {
			sum += s
		}
		if math.Abs(sum-1) > 1e-12 || shares[0] < 0.4 || shares[4] > 0.05 || shares[5] != 0 {
			t.Errorf("%s: %v", l.name, shares)
		}
	}
}
