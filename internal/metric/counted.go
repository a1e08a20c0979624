package metric

import (
	"math"
	"math/rand/v2"

	"github.com/bakeoffhq/bakeoff"
)

// counted is a measure that follows from how many rows of each class were predicted as each class.
type counted struct {
	of func(*confusion) (float64, error)
	// ratio returns the metric as hits among trials where it is a proportion of independent rows,
	// and trials 0 where it is not. It may be nil.
	ratio func(*confusion) (hits, trials float64)
	// among reports whether a row with that label is one of those whose share predicted right is the
	// metric; for so many classes as it is no such share for, it reports false for every row. It may
	// be nil, which is the same.
	among func(code int32, classes int) bool
}

// counts is the evidence of a counted metric.
type counts struct {
	measure *counted
	y       bakeoff.Labels
	taken   []int32 // the class that each row was taken for
	all     *confusion
	share   float64 // the metric's value
}

func (m *counted) weigh(a *answers) (weighed, error) {
	all, taken := a.count()
	v, err := m.of(all)
	return &counts{measure: m, y: a.y, taken: taken, all: all, share: v}, err
}

func (c *counts) value() float64 { return c.share }

func (c *counts) interval(confidence float64, seed uint64) ([2]float64, error) {
	if c.measure.ratio != nil {
		if hits, trials := c.measure.ratio(c.all); trials > 0 {
			return wilson(hits/trials, trials, confidence), nil
		}
	}
	values := bootstrap(seed, func() statistic {
		drawn := c.all.empty()
		return func(random *rand.PCG) float64 {
			draw(c.all.cells, drawn.cells, random)
			return c.measure.orNaN(drawn)
		}
	})
	return percentiles(values, confidence)
}

// orNaN returns the metric, NaN where it is not defined.
func (m *counted) orNaN(c *confusion) float64 {
	v, err := m.of(c)
	if err != nil {
		return math.NaN()
	}
	return v
}

func (c *counts) compare(reference weighed, confidence float64, seed uint64) (Comparison, error) {
	r := reference.(*counts)
	if d := c.discordance(r); d.rows > 0 {
		return d.compare(confidence), nil
	}
	return c.resampled(r, confidence, seed)
}

// discordance counts the rows that only one of the two has right, among those whose share is the
// metric.
func (c *counts) discordance(r *counts) discordance {
	d := discordance{}
	if c.measure.among == nil {
		return d
	}
	for row, code := range c.y.Codes {
		if !c.measure.among(code, c.all.classes) {
			continue
		}
		d.rows++
		switch own, other := c.taken[row] == code, r.taken[row] == code; {
		case own && !other:
			d.won++
		case other && !own:
			d.lost++
		}
	}
	return d
}

// resampled compares the gain with its standard error among resamples of the rows: counting the
// resamples below zero could not tell a p-value under 1/1,000, and many challengers need smaller ones.
// The standard error rests on the rows on which the two differ, hence Student's distribution with
// one degree of freedom less than these.
func (c *counts) resampled(r *counts, confidence float64, seed uint64) (Comparison, error) {
	j := newJoint(c, r)
	values := bootstrap(seed, func() statistic {
		drawn, own, other := make([]float64, len(j.rows)), c.all.empty(), c.all.empty()
		return func(random *rand.PCG) float64 {
			j.draw(drawn, random)
			j.fill(drawn, own, other)
			return c.measure.orNaN(own) - c.measure.orNaN(other)
		}
	})
	bounds, err := percentiles(values, confidence)
	if err != nil {
		return Comparison{}, err
	}
	result := Comparison{Test: TestBootstrap, Gain: c.share - r.share, Interval: bounds, Deviation: deviation(values), P: 1}
	if result.Deviation > 0 {
		result.P = studentSurvival(result.Gain/result.Deviation, max(1, float64(j.differing-1)))
	}
	return result.atLeast(j.differing), nil
}

// confusion counts rows by their class and the class predicted for them. Each class has a row of
// cells, and so have, after the last, the classes unseen in training together.
type confusion struct {
	classes int
	cells   []float64 // classes+1 rows of classes cells; whole numbers
}

func newConfusion(y bakeoff.Labels, taken []int32) *confusion {
	k := len(y.Classes)
	c := (&confusion{classes: k}).empty()
	for row, class := range taken {
		c.cells[stratum(y.Codes[row], k)*k+int(class)]++
	}
	return c
}

// empty returns a confusion of the same classes and no rows.
func (c *confusion) empty() *confusion {
	return &confusion{classes: c.classes, cells: make([]float64, (c.classes+1)*c.classes)}
}

// row returns the cells of one class, class c.classes being the unseen ones.
func (c *confusion) row(class int) []float64 {
	return c.cells[class*c.classes : (class+1)*c.classes]
}

// actual returns the number of rows that are of a class.
func (c *confusion) actual(class int) float64 { return sum(c.row(class)) }

// predicted returns the number of rows that were taken for a class.
func (c *confusion) predicted(class int) float64 {
	if class == c.classes {
		return 0
	}
	n := 0.0
	for i := class; i < len(c.cells); i += c.classes {
		n += c.cells[i]
	}
	return n
}

// right returns the number of rows of a class that were predicted right.
func (c *confusion) right(class int) float64 {
	if class == c.classes {
		return 0
	}
	return c.cells[class*c.classes+class]
}

// allRight returns the number of rows that were predicted right.
func (c *confusion) allRight() float64 {
	n := 0.0
	for class := range c.classes {
		n += c.right(class)
	}
	return n
}

// oneClass is a metric of one class against the rest, with 0 for 0/0 as in scikit-learn.
type oneClass func(right, actual, predicted float64) float64

func classF1(right, actual, predicted float64) float64   { return ratio(2*right, actual+predicted) }
func classPrecision(right, _, predicted float64) float64 { return ratio(right, predicted) }
func classRecall(right, actual, _ float64) float64       { return ratio(right, actual) }

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// overClasses returns a one-class metric of the positive class or, for more than two classes, its
// plain mean over the classes that occur among the labels or the predictions.
func (c *confusion) overClasses(f oneClass) float64 {
	if c.classes == 2 {
		return f(c.right(1), c.actual(1), c.predicted(1))
	}
	total, n := 0.0, 0.0
	for class := range c.classes + 1 {
		actual, predicted := c.actual(class), c.predicted(class)
		if actual+predicted > 0 {
			total += f(c.right(class), actual, predicted)
			n++
		}
	}
	return total / n
}

// needPositive reports that there is no row of the positive class where that leaves 0/0.
func (c *confusion) needPositive() error {
	if c.classes == 2 && c.actual(1) == 0 {
		return errNoPositive
	}
	return nil
}

const errNoPositive = undefined("no row is of the positive class, the second")

func accuracy(c *confusion) (float64, error) {
	right, n := accuracyRatio(c)
	return right / n, nil
}

// everyRow and positiveRow say whose share predicted right accuracy and binary recall are.
func everyRow(int32, int) bool { return true }

func positiveRow(code int32, classes int) bool { return classes == 2 && code == 1 }

func accuracyRatio(c *confusion) (right, rows float64) { return c.allRight(), sum(c.cells) }

// balancedAccuracy is the mean recall of the classes that occur among the labels.
func balancedAccuracy(c *confusion) (float64, error) {
	total, n := 0.0, 0.0
	for class := range c.classes + 1 {
		if actual := c.actual(class); actual > 0 {
			total += c.right(class) / actual
			n++
		}
	}
	return total / n, nil
}

func f1(c *confusion) (float64, error) { return c.overClasses(classF1), c.needPositive() }

// precision is 0 where no row was taken for the class: a model that never finds it is not good at
// it, and the baseline is often such a model.
func precision(c *confusion) (float64, error) { return c.overClasses(classPrecision), nil }

func precisionRatio(c *confusion) (right, predicted float64) {
	if c.classes > 2 {
		return 0, 0
	}
	return c.right(1), c.predicted(1)
}

func recall(c *confusion) (float64, error) { return c.overClasses(classRecall), c.needPositive() }

func recallRatio(c *confusion) (right, actual float64) {
	if c.classes > 2 {
		return 0, 0
	}
	return c.right(1), c.actual(1)
}

// mcc is the correlation coefficient of Matthews, in Gorodkin's form for any number of classes
// (Comparing two K-category assignments by a K-category correlation coefficient, 2004); 0 where
// all labels or all predictions are of one class.
func mcc(c *confusion) (float64, error) {
	n := sum(c.cells)
	labels, predictions, both := n*n, n*n, c.allRight()*n
	for class := range c.classes + 1 {
		actual, predicted := c.actual(class), c.predicted(class)
		labels -= actual * actual
		predictions -= predicted * predicted
		both -= actual * predicted
	}
	if labels == 0 || predictions == 0 {
		return 0, nil
	}
	return both / (math.Sqrt(labels) * math.Sqrt(predictions)), nil
}

func sum(values []float64) float64 {
	total := 0.0
	for _, v := range values {
		total += v
	}
	return total
}
