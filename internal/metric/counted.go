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
}

func (m counted) value(y bakeoff.Labels, p *bakeoff.Predictions) (float64, error) {
	return m.of(newConfusion(y, p))
}

func (m counted) interval(y bakeoff.Labels, p *bakeoff.Predictions, confidence float64, seed uint64) ([2]float64, error) {
	c := newConfusion(y, p)
	if _, err := m.of(c); err != nil {
		return [2]float64{}, err
	}
	if m.ratio != nil {
		if hits, trials := m.ratio(c); trials > 0 {
			return wilson(hits/trials, trials, confidence), nil
		}
	}
	values := bootstrap(seed, func() statistic {
		drawn := &confusion{classes: c.classes, cells: make([]float64, len(c.cells))}
		return func(random *rand.PCG) float64 {
			c.resample(drawn, random)
			v, err := m.of(drawn)
			if err != nil {
				return math.NaN()
			}
			return v
		}
	})
	return percentiles(values, confidence)
}

// confusion counts rows by their class and the class predicted for them. Each class has a row of
// cells, and so have, after the last, the classes unseen in training together.
type confusion struct {
	classes int
	cells   []float64 // classes+1 rows of classes cells; whole numbers
}

func newConfusion(y bakeoff.Labels, p *bakeoff.Predictions) *confusion {
	k := len(y.Classes)
	c := &confusion{classes: k, cells: make([]float64, (k+1)*k)}
	for i, code := range y.Codes {
		c.cells[stratum(code, k)*k+p.Class(i)]++
	}
	return c
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
