package metric_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/metric"
)

// paired is a case of testdata/comparisons.json.
type paired struct {
	Name                  string
	Classes               int
	Codes                 []int32
	Labels                []float64
	Challenger, Reference []float64
	Metrics               map[string]struct {
		Tolerance, Gain, Deviation, P float64
		Interval                      [2]float64
	}
}

func (c paired) labels() bakeoff.Labels {
	return bakeoff.Labels{Classes: classNames(c.Classes), Codes: c.Codes, Values: c.Labels}
}

func (c paired) answers(numbers []float64) *bakeoff.Predictions {
	if c.Classes == 0 {
		return &bakeoff.Predictions{Values: numbers}
	}
	return &bakeoff.Predictions{Classes: classNames(c.Classes), Probabilities: numbers}
}

// compare returns the comparison of two contestants' answers for the same rows.
func compare(t testing.TB, name string, y bakeoff.Labels, challenger, reference *bakeoff.Predictions) metric.Comparison {
	t.Helper()
	own, err := lookup(t, name).Weigh(y, challenger)
	other, err2 := lookup(t, name).Weigh(y, reference)
	if err := errors.Join(err, err2); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	c, err := own.Compare(other, 0.95, 1)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return c
}

func TestCompareAgreesWithTheDefinitions(t *testing.T) {
	checked := map[string]int{}
	for _, f := range read[paired](t, "testdata/comparisons.json") {
		for name, want := range f.Metrics {
			checked[name]++
			got := compare(t, name, f.labels(), f.answers(f.Challenger), f.answers(f.Reference))
			for what, pair := range map[string][2]float64{
				"gain": {got.Gain, want.Gain}, "deviation": {got.Deviation, want.Deviation}, "p": {got.P, want.P},
				"lower bound": {got.Interval[0], want.Interval[0]}, "upper bound": {got.Interval[1], want.Interval[1]},
			} {
				if math.Abs(pair[0]-pair[1]) > want.Tolerance {
					t.Errorf("%s, %s: %s %.12g, want %.12g", f.Name, name, what, pair[0], pair[1])
				}
			}
		}
	}
	for _, name := range []string{"accuracy", "recall", "roc_auc", "average_precision", "log_loss", "brier", "rmse", "mae", "mape", "r2"} {
		if checked[name] < 3 {
			t.Errorf("%s occurs in %d comparisons", name, checked[name])
		}
	}
}

// The example of DeLong, DeLong and Clarke-Pearson (1988) in the form that SAS/STAT's documentation
// of PROC LOGISTIC has it: whether patients benefit from surgery, by their albumin, total protein and
// K-G score. The areas and the differences of the first two from the last, with standard errors.
func TestCompareOfPublishedAreas(t *testing.T) {
	patients := []struct {
		albumin, protein, score float64
		benefits                int32
	}{
		{3.0, 5.8, 10, 0},
		{3.2, 6.3, 5, 1},
		{3.9, 6.8, 3, 1},
		{2.8, 4.8, 6, 0},
		{3.2, 5.8, 3, 1},
		{0.9, 4.0, 5, 0},
		{2.5, 5.7, 8, 0},
		{1.6, 5.6, 5, 1},
		{3.8, 5.7, 5, 1},
		{3.7, 6.7, 6, 1},
		{3.2, 5.4, 4, 1},
		{3.8, 6.6, 6, 1},
		{4.1, 6.6, 5, 1},
		{3.6, 5.7, 5, 1},
		{4.3, 7.0, 4, 1},
		{3.6, 6.7, 4, 0},
		{2.3, 4.4, 6, 1},
		{4.2, 7.6, 4, 0},
		{4.0, 6.6, 6, 0},
		{3.5, 5.8, 6, 1},
		{3.8, 6.8, 7, 1},
		{3.0, 4.7, 8, 0},
		{4.5, 7.4, 5, 1},
		{3.7, 7.4, 5, 1},
		{3.1, 6.6, 6, 1},
		{4.1, 8.2, 6, 1},
		{4.3, 7.0, 5, 1},
		{4.3, 6.5, 4, 1},
		{3.2, 5.1, 5, 1},
		{2.6, 4.7, 6, 1},
		{3.3, 6.8, 6, 0},
		{1.7, 4.0, 7, 0},
		{3.7, 6.1, 5, 1},
		{3.3, 6.3, 7, 1},
		{4.2, 7.7, 6, 1},
		{3.5, 6.2, 5, 1},
		{2.9, 5.7, 9, 0},
		{2.1, 4.8, 7, 1},
		{2.8, 6.2, 8, 0},
		{4.0, 7.0, 7, 1},
		{3.3, 5.7, 6, 1},
		{3.7, 6.9, 5, 1},
		{3.6, 6.6, 5, 1},
	}
	y := bakeoff.Labels{Classes: classNames(2)}
	albumin, protein, score := scores(), scores(), scores()
	for _, p := range patients {
		y.Codes = append(y.Codes, p.benefits)
		rank(albumin, p.albumin/10)
		rank(protein, p.protein/10)
		rank(score, 1-p.score/10)
	}
	for _, c := range []struct {
		name                  string
		answers               *bakeoff.Predictions
		area, gain, deviation float64
	}{
		{"albumin", albumin, 0.7366, 0.0108, 0.0953},
		{"total protein", protein, 0.6478, -0.0780, 0.1046},
	} {
		area, err := lookup(t, "roc_auc").Compute(y, c.answers)
		got := compare(t, "roc_auc", y, c.answers, score)
		if err != nil || !within(5e-5, area, c.area) || !within(5e-5, got.Gain, c.gain) || !within(5e-5, got.Deviation, c.deviation) {
			t.Errorf("%s: area %.4f, gain %.4f (%.4f), %v", c.name, area, got.Gain, got.Deviation, err)
		}
	}
}

func scores() *bakeoff.Predictions { return &bakeoff.Predictions{Classes: classNames(2)} }

// rank adds a row of that score for the second class.
func rank(p *bakeoff.Predictions, score float64) {
	p.Probabilities = append(p.Probabilities, 1-score, score)
}

func within(tolerance, got, want float64) bool { return math.Abs(got-want) <= tolerance }

// rivals returns the answers of two contestants that find the same rows hard; the first is better.
func rivals(random *rand.Rand, rows, k int) (y bakeoff.Labels, better, worse *bakeoff.Predictions) {
	y, better = draw(random, rows, k)
	worse = &bakeoff.Predictions{Classes: better.Classes}
	for i, v := range better.Values {
		worse.Values = append(worse.Values, v+0.3*random.NormFloat64()+0.2*(v-y.Values[i]))
	}
	for row := range len(y.Codes) {
		doubt := 0.8 * random.Float64()
		for _, v := range better.Probabilities[row*k : (row+1)*k] {
			worse.Probabilities = append(worse.Probabilities, (1-doubt)*v+doubt*random.Float64())
		}
	}
	return y, better, worse
}

func TestCompareMirrors(t *testing.T) {
	for _, name := range metric.Names() {
		for _, k := range classesFor(lookup(t, name)) {
			y, a, b := rivals(rand.New(rand.NewPCG(1, 2)), 300, k)
			ours, theirs := compare(t, name, y, a, b), compare(t, name, y, b, a)
			v, err := lookup(t, name).Compute(y, a)
			w, err2 := lookup(t, name).Compute(y, b)
			want := v - w
			if !lookup(t, name).HigherIsBetter() {
				want = -want
			}
			if errors.Join(err, err2) != nil || !near(ours.Gain, want) || !near(ours.Gain, -theirs.Gain) {
				t.Errorf("%s, %d classes: gain %v and %v, want %v", name, k, ours.Gain, theirs.Gain, want)
			}
			tolerance := 1e-9
			if ours.Test == metric.TestBootstrap {
				tolerance = 0.1 * ours.Deviation // of its random numbers
			}
			if !within(tolerance, ours.Deviation, theirs.Deviation) || !within(3*tolerance, ours.Interval[0], -theirs.Interval[1]) {
				t.Errorf("%s, %d classes: %+v mirrors %+v", name, k, ours, theirs)
			}
			if sum := ours.P + theirs.P; sum < 0.95 || sum > 1.2 {
				t.Errorf("%s, %d classes: p-values %v and %v", name, k, ours.P, theirs.P)
			}
			if !(ours.Interval[0] < ours.Gain && ours.Gain < ours.Interval[1]) {
				t.Errorf("%s, %d classes: %v is not inside %v", name, k, ours.Gain, ours.Interval)
			}
		}
	}
}

// Nobody is better than who answers alike.
func TestCompareOfEqualAnswers(t *testing.T) {
	for _, name := range metric.Names() {
		for _, k := range classesFor(lookup(t, name)) {
			y, p := draw(rand.New(rand.NewPCG(3, 4)), 60, k)
			if c := compare(t, name, y, p, p); c.Gain != 0 || c.P != 1 || c.Deviation != 0 {
				t.Errorf("%s, %d classes: %+v", name, k, c)
			}
		}
	}
}

// Two answers that differ in a few rows prove no more than a coin would, however regular they are.
func TestCompareOfAFewRowsIsNotSure(t *testing.T) {
	for _, name := range metric.Names() {
		for _, k := range classesFor(lookup(t, name)) {
			y, p := draw(rand.New(rand.NewPCG(5, 6)), 400, k)
			changed := &bakeoff.Predictions{
				Classes: p.Classes, Values: slices.Clone(p.Values), Probabilities: slices.Clone(p.Probabilities),
			}
			for row := range 3 {
				if k == 1 {
					changed.Values[row] = y.Values[row]
					continue
				}
				clear(changed.Probabilities[row*k : (row+1)*k])
				changed.Probabilities[row*k+int(y.Codes[row])] = 1
			}
			if c := compare(t, name, y, changed, p); c.Gain < 0 || c.P < 1.0/8 {
				t.Errorf("%s, %d classes: %+v", name, k, c)
			}
		}
	}
}

func TestCompareOfASinglePositiveTellsNothing(t *testing.T) {
	y := bakeoff.Labels{Classes: classNames(2), Codes: make([]int32, 50)}
	y.Codes[20] = 1
	good, bad := scores(), scores()
	for row, code := range y.Codes {
		rank(good, float64(code))
		rank(bad, float64(row)/50)
	}
	for _, name := range []string{"roc_auc", "average_precision"} {
		if c := compare(t, name, y, good, bad); c.P != 1 || c.Gain <= 0 || c.Interval != [2]float64{-1, 1} {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func TestCompareOfASingleRowTellsNothing(t *testing.T) {
	numbers := bakeoff.Labels{Values: []float64{3}}
	c := compare(t, "mae", numbers, &bakeoff.Predictions{Values: []float64{3}}, &bakeoff.Predictions{Values: []float64{5}})
	if c.P != 1 || c.Gain != 2 || !(c.Interval[0] < -10 && c.Interval[1] > 10) {
		t.Errorf("mae: %+v", c)
	}
	y := bakeoff.Labels{Classes: classNames(2), Codes: []int32{1}}
	good, bad := scores(), scores()
	rank(good, 1)
	rank(bad, 0)
	if c := compare(t, "accuracy", y, good, bad); c.P != 0.5 || c.Gain != 1 || c.Interval[0] > -0.5 {
		t.Errorf("accuracy: %+v", c)
	}
}

func TestCompareDependsOnTheSeedAlone(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for _, name := range metric.Names() {
		for _, k := range classesFor(lookup(t, name)) {
			y, a, b := rivals(rand.New(rand.NewPCG(7, 8)), 150, k)
			var got []metric.Comparison
			for _, threads := range []int{1, 2, 7} {
				runtime.GOMAXPROCS(threads)
				got = append(got, compare(t, name, y, a, b))
			}
			if got[0] != got[1] || got[0] != got[2] {
				t.Errorf("%s, %d classes: %v with 1, 2 and 7 threads", name, k, got)
			}
		}
	}
}

func TestCompareErrors(t *testing.T) {
	y, p := draw(rand.New(rand.NewPCG(9, 10)), 50, 2)
	other, q := draw(rand.New(rand.NewPCG(11, 12)), 50, 2)
	weigh := func(name string, y bakeoff.Labels, p *bakeoff.Predictions) *metric.Evidence {
		e, err := lookup(t, name).Weigh(y, p)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := weigh("f1", y, p)
	for what, reference := range map[string]*metric.Evidence{"metric": weigh("mcc", y, p), "rows": weigh("f1", other, q)} {
		if _, err := e.Compare(reference, 0.95, 1); bakeoff.CodeOf(err) != bakeoff.CodeInvalid || errors.Is(err, metric.ErrUndefined) {
			t.Errorf("another %s: %v", what, err)
		}
	}
	if _, err := e.Compare(e, 95, 1); bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
		t.Errorf("confidence 95: %v", err)
	}
	numbers := bakeoff.Labels{Values: []float64{1, 2, 3}}
	far, near := []float64{1e308, 1, 1}, []float64{-1e308, 1, 1}
	c, err := weigh("mae", numbers, &bakeoff.Predictions{Values: far}).
		Compare(weigh("mae", numbers, &bakeoff.Predictions{Values: near}), 0.95, 1)
	if err != nil || c.P <= 0 {
		t.Errorf("misses by 1e308: %+v, %v", c, err)
	}
	_, err = weigh("mae", numbers, &bakeoff.Predictions{Values: far}).
		Compare(weigh("mae", numbers, &bakeoff.Predictions{Values: []float64{0, 0, 0}}), 0.95, 1)
	if !errors.Is(err, metric.ErrUndefined) {
		t.Errorf("a difference of 1e308: %v", err)
	}
}

func TestHolm(t *testing.T) {
	for _, c := range []struct{ p, want []float64 }{
		{nil, []float64{}},
		{[]float64{0.03}, []float64{0.03}},
		// 4 × 0.01, 3 × 0.02, 2 × 0.03, 1 × 0.05 but no less than the one before.
		{[]float64{0.03, 0.01, 0.05, 0.02}, []float64{0.06, 0.04, 0.06, 0.06}},
		{[]float64{0.5, 1, 0.4}, []float64{1, 1, 1}},
		{[]float64{0.01, 0.01, 0.9}, []float64{0.03, 0.03, 0.9}},
	} {
		got := metric.Holm(c.p)
		if len(got) != len(c.want) {
			t.Fatalf("Holm(%v) = %v", c.p, got)
		}
		for i := range got {
			if !near(got[i], c.want[i]) {
				t.Errorf("Holm(%v) = %v, want %v", c.p, got, c.want)
			}
		}
	}
}

func TestDetectable(t *testing.T) {
	c := metric.Comparison{Deviation: 0.002}
	// z(0.95) + z(0.8) = 1.644854 + 0.841621.
	if got := c.Detectable(0.05, 0.8); !within(1e-7, got, 0.004972950) {
		t.Errorf("%v", got)
	}
	if c := (metric.Comparison{}); c.Detectable(0.05, 0.8) != 0 {
		t.Errorf("alike: %v", c)
	}
}

func TestRowsFor(t *testing.T) {
	for _, c := range []struct {
		gain, detectable float64
		least, most      int
	}{
		{0.0025, 0.005, 4000, 4000}, // half the gain takes four times the rows
		{0.005, 0.005, 1000, 1000},
		{0, 0.005, 0, 0},
		{-1, 0.005, 0, 0},
		{math.NaN(), 0.005, 0, 0},
		{1, 0, 0, 0}, // the two answer alike
		{1e-17, 0.005, 1_000_000_000_000, math.MaxInt},
		{1e-300, 0.005, 1_000_000_000_000, math.MaxInt},
	} {
		if got := metric.RowsFor(c.gain, c.detectable, 1000); got < c.least || got > c.most {
			t.Errorf("RowsFor(%v, %v, 1000) = %d, want %d to %d", c.gain, c.detectable, got, c.least, c.most)
		}
	}
}

func TestWeighAllIsWeighForEach(t *testing.T) {
	y, p := draw(rand.New(rand.NewPCG(13, 14)), 200, 4)
	y.Codes[3], y.Codes[5] = -1, -1
	var metrics []metric.Metric
	for _, name := range metric.Names() {
		metrics = append(metrics, lookup(t, name))
	}
	all, errs := metric.WeighAll(metrics, y, p)
	for i, m := range metrics {
		want, err := m.Weigh(y, p)
		switch {
		case (err == nil) != (errs[i] == nil) || (err == nil) != m.Fits(bakeoff.Multiclass):
			t.Errorf("%s: %v, and %v alone", m.Name(), errs[i], err)
		case err == nil && all[i].Value() != want.Value():
			t.Errorf("%s: %v, and %v alone", m.Name(), all[i].Value(), want.Value())
		}
	}
}

// Many rows of many classes are drawn in groups; that must not change how sure a gain is.
func TestCompareOfManyRowsHasTheStandardErrorOfTheGain(t *testing.T) {
	const k = 12
	y, a, b := rivals(rand.New(rand.NewPCG(15, 16)), 20_000, k)
	rows, gain, squares := [k]float64{}, [k]float64{}, [k]float64{}
	for row, code := range y.Codes {
		rows[code]++
		d := 0.0
		if a.Class(row) == int(code) {
			d++
		}
		if b.Class(row) == int(code) {
			d--
		}
		gain[code] += d
		squares[code] += d * d
	}
	variance := 0.0
	for c := range k {
		mean := gain[c] / rows[c]
		variance += (squares[c]/rows[c] - mean*mean) / rows[c] / (k * k)
	}
	c := compare(t, "recall", y, a, b)
	if want := math.Sqrt(variance); c.Test != metric.TestBootstrap || !within(0.1*want, c.Deviation, want) {
		t.Errorf("%s: deviation %v, want %v", c.Test, c.Deviation, want)
	}
}
