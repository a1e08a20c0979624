package metric_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/metric"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// draw returns labels of k classes and predictions with some skill; for k of 1, numbers.
func draw(random *rand.Rand, rows, k int) (bakeoff.Labels, *bakeoff.Predictions) {
	if k == 1 {
		y, p := bakeoff.Labels{}, &bakeoff.Predictions{}
		for range rows {
			v := 20 + 4*random.NormFloat64()
			y.Values, p.Values = append(y.Values, v), append(p.Values, v+random.NormFloat64())
		}
		return y, p
	}
	y := bakeoff.Labels{Classes: classNames(k)}
	p := &bakeoff.Predictions{Classes: y.Classes}
	for range rows {
		c := random.IntN(k)
		y.Codes = append(y.Codes, int32(c))
		p.Probabilities = append(p.Probabilities, softmax(random, k, c, 1.5)...)
	}
	return y, p
}

// softmax returns probabilities in which class c is ahead by the skill, on average.
func softmax(random *rand.Rand, k, c int, skill float64) []float64 {
	row, total := make([]float64, k), 0.0
	for i := range row {
		x := random.NormFloat64()
		if i == c {
			x += skill
		}
		row[i] = math.Exp(x)
		total += row[i]
	}
	for i := range row {
		row[i] /= total
	}
	return row
}

// classesFor returns the class counts to try a metric with: 1 stands for numbers.
func classesFor(m metric.Metric) []int {
	if m.Fits(bakeoff.Regression) {
		return []int{1}
	}
	return []int{2, 4}
}

func TestIntervalHoldsTheValueAndNarrowsWithRows(t *testing.T) {
	for _, name := range metric.Names() {
		m := lookup(t, name)
		for _, k := range classesFor(m) {
			random := rand.New(rand.NewPCG(1, 2))
			width := math.Inf(1)
			for _, rows := range []int{100, 1600} {
				y, p := draw(random, rows, k)
				v, err := m.Compute(y, p)
				got, err2 := m.Interval(y, p, 0.95, 7)
				if err := errors.Join(err, err2); err != nil {
					t.Fatalf("%s, %d classes: %v", name, k, err)
				}
				if !(got[0] < v && v < got[1]) {
					t.Errorf("%s, %d classes, %d rows: %v is not inside %v", name, k, rows, v, got)
				}
				if got[1]-got[0] > width*0.5 {
					t.Errorf("%s, %d classes: 16 times the rows, width %v after %v", name, k, got[1]-got[0], width)
				}
				width = got[1] - got[0]
			}
		}
	}
}

func TestIntervalWidensWithConfidence(t *testing.T) {
	for _, name := range metric.Names() {
		m := lookup(t, name)
		y, p := draw(rand.New(rand.NewPCG(3, 4)), 200, classesFor(m)[0])
		narrow, err := m.Interval(y, p, 0.8, 1)
		wide, err2 := m.Interval(y, p, 0.99, 1)
		if errors.Join(err, err2) != nil || !(wide[0] < narrow[0] && narrow[1] < wide[1]) {
			t.Errorf("%s: 80 %% %v, 99 %% %v (%v, %v)", name, narrow, wide, err, err2)
		}
	}
}

func TestIntervalDependsOnTheSeedAlone(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for _, name := range metric.Names() {
		m := lookup(t, name)
		for _, k := range classesFor(m) {
			y, p := draw(rand.New(rand.NewPCG(5, 6)), 150, k)
			var got [][2]float64
			for _, threads := range []int{1, 2, 7} {
				runtime.GOMAXPROCS(threads)
				bounds, err := m.Interval(y, p, 0.95, 99)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, bounds)
			}
			if got[0] != got[1] || got[0] != got[2] {
				t.Errorf("%s, %d classes: %v with 1, 2 and 7 threads", name, k, got)
			}
		}
	}
}

func TestIntervalLeavesItsArgumentsAlone(t *testing.T) {
	for _, name := range metric.Names() {
		m := lookup(t, name)
		for _, k := range classesFor(m) {
			y, p := draw(rand.New(rand.NewPCG(7, 8)), 80, k)
			codes, labels := slices.Clone(y.Codes), slices.Clone(y.Values)
			probabilities, values := slices.Clone(p.Probabilities), slices.Clone(p.Values)
			if _, err := m.Interval(y, p, 0.95, 1); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(codes, y.Codes) || !slices.Equal(labels, y.Values) ||
				!slices.Equal(probabilities, p.Probabilities) || !slices.Equal(values, p.Values) {
				t.Errorf("%s, %d classes: Interval changed its arguments", name, k)
			}
		}
	}
}

func TestIntervalOfAProportionIsWilsons(t *testing.T) {
	// 8 right of 10, from Wilson's formula with z = 1.959964: [0.4901625, 0.9433178].
	y := bakeoff.Labels{Classes: classNames(2), Codes: []int32{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}}
	p := &bakeoff.Predictions{Classes: y.Classes}
	for i := range y.Codes {
		wrong := 0.0
		if i < 2 {
			wrong = 1
		}
		p.Probabilities = append(p.Probabilities, wrong, 1-wrong)
	}
	for _, name := range []string{"accuracy", "recall"} {
		got, err := lookup(t, name).Interval(y, p, 0.95, 1)
		if err != nil || math.Abs(got[0]-0.4901625) > 1e-6 || math.Abs(got[1]-0.9433178) > 1e-6 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	got, err := lookup(t, "precision").Interval(y, p, 0.95, 1)
	if err != nil || got[1] != 1 || math.Abs(got[0]-0.6755924) > 1e-6 {
		t.Errorf("precision, 8 of 8: %v, %v", got, err)
	}
}

// A perfect ranking of few rows is no proof of a perfect model.
func TestIntervalOfAPerfectRankingIsNotAPoint(t *testing.T) {
	y := bakeoff.Labels{Classes: classNames(2), Codes: []int32{0, 0, 0, 0, 0, 1, 1, 1}}
	p := &bakeoff.Predictions{Classes: y.Classes}
	for _, c := range y.Codes {
		p.Probabilities = append(p.Probabilities, 1-float64(c), float64(c))
	}
	got, err := lookup(t, "roc_auc").Interval(y, p, 0.95, 1)
	if err != nil || got[1] != 1 || got[0] > 0.5 {
		t.Errorf("%v, %v", got, err)
	}
}

// Neither is one positive row, wherever it stands.
func TestIntervalOfASinglePositiveIsWide(t *testing.T) {
	y := bakeoff.Labels{Classes: classNames(2), Codes: make([]int32, 50)}
	y.Codes[20] = 1
	p := &bakeoff.Predictions{Classes: y.Classes}
	for i := range y.Codes {
		score := float64(i) / 50
		p.Probabilities = append(p.Probabilities, 1-score, score)
	}
	for _, name := range []string{"roc_auc", "average_precision"} {
		got, err := lookup(t, name).Interval(y, p, 0.95, 1)
		if err != nil || got[1]-got[0] < 0.5 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// normalScores returns rows of which each is positive with a probability of 1/4, scored from two
// normals that are 1.8 apart.
func normalScores(random *rand.Rand, rows int) (bakeoff.Labels, *bakeoff.Predictions) {
	y := bakeoff.Labels{Classes: classNames(2)}
	p := &bakeoff.Predictions{Classes: y.Classes}
	for range rows {
		c := int32(random.IntN(4) / 3)
		score := 1 / (1 + math.Exp(-random.NormFloat64()-1.8*float64(c)))
		y.Codes, p.Probabilities = append(y.Codes, c), append(p.Probabilities, 1-score, score)
	}
	return y, p
}

func TestIntervalCoversTheTruth(t *testing.T) {
	const trials = 100
	for _, name := range []string{"roc_auc", "average_precision", "brier", "f1"} {
		m := lookup(t, name)
		random := rand.New(rand.NewPCG(11, 12))
		y, p := normalScores(random, 200_000)
		truth, err := m.Compute(y, p)
		if err != nil {
			t.Fatal(err)
		}
		held := 0
		for range trials {
			y, p := normalScores(random, 160)
			got, err := m.Interval(y, p, 0.95, 1)
			if err != nil {
				t.Fatal(err)
			}
			if got[0] <= truth && truth <= got[1] {
				held++
			}
		}
		if share := float64(held) / trials; share < 0.9 || share > 0.99 {
			t.Errorf("%s: %.3f of the intervals hold the true value", name, share)
		}
	}
}

// Many rows are drawn in groups; that must not change how sure a mean is.
func TestIntervalOfManyRowsHasTheStandardErrorOfTheMean(t *testing.T) {
	random := rand.New(rand.NewPCG(21, 22))
	y, p := draw(random, 100_000, 1)
	got, err := lookup(t, "mae").Interval(y, p, 0.95, 3)
	if err != nil {
		t.Fatal(err)
	}
	// The absolute value of a standard normal has the variance 1-2/pi.
	want := 2 * 1.96 * math.Sqrt((1-2/math.Pi)/100_000)
	if width := got[1] - got[0]; math.Abs(width/want-1) > 0.1 {
		t.Errorf("width %v, want %v", width, want)
	}
}

// Where a third class has no rows, the areas of the other two are the binary one.
func TestIntervalOfManyClassesReducesToTheBinaryOne(t *testing.T) {
	y, p := draw(rand.New(rand.NewPCG(13, 14)), 100, 2)
	wider := &bakeoff.Predictions{Classes: classNames(3)}
	for i := 0; i < len(p.Probabilities); i += 2 {
		// Multiples of 1/1024 make 1-q exact, so that the classes' orders are each other's reverse.
		q := math.Round(p.Probabilities[i+1]*1024) / 1024
		p.Probabilities[i], p.Probabilities[i+1] = 1-q, q
		wider.Probabilities = append(wider.Probabilities, 1-q, q, 0)
	}
	m := lookup(t, "roc_auc")
	want, err := m.Interval(y, p, 0.95, 1)
	if err != nil {
		t.Fatal(err)
	}
	y.Classes = wider.Classes
	got, err := m.Interval(y, wider, 0.95, 1)
	if err != nil || !near(got[0], want[0]) || !near(got[1], want[1]) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
}

func TestIntervalErrors(t *testing.T) {
	y, p := draw(rand.New(rand.NewPCG(15, 16)), 50, 2)
	m := lookup(t, "roc_auc")
	for _, confidence := range []float64{0, 1, -1, 95, math.NaN()} {
		if _, err := m.Interval(y, p, confidence, 1); bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
			t.Errorf("confidence %v: %v", confidence, err)
		}
	}
	clear(y.Codes)
	for _, name := range []string{"roc_auc", "average_precision", "f1", "recall"} {
		if _, err := lookup(t, name).Interval(y, p, 0.95, 1); !errors.Is(err, metric.ErrUndefined) {
			t.Errorf("%s without a positive row: %v", name, err)
		}
	}
	huge := &bakeoff.Predictions{Values: []float64{1e300, 1}}
	for _, name := range []string{"rmse", "r2"} {
		m := lookup(t, name)
		numbers := bakeoff.Labels{Values: []float64{1, 2}}
		if v, err := m.Compute(numbers, huge); !errors.Is(err, metric.ErrUndefined) {
			t.Errorf("%s of a miss by 1e300 = %v, %v", name, v, err)
		}
		if v, err := m.Interval(numbers, huge, 0.95, 1); !errors.Is(err, metric.ErrUndefined) {
			t.Errorf("%s of a miss by 1e300: interval %v, %v", name, v, err)
		}
	}
}
