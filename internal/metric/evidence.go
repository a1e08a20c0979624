package metric

import (
	"fmt"
	"slices"

	"github.com/bakeoffhq/bakeoff"
)

// Evidence is what a metric keeps of one contestant's answers for some rows: enough for its value,
// its interval and comparisons with others on the same rows. It costs at most one float64 a row, and
// holds on to the labels that it was made from, which must not change. It never changes itself: any
// number of goroutines may ask it.
type Evidence struct {
	metric Metric
	labels bakeoff.Labels
	weighed
}

// weighed is the evidence of one of the three families of metrics.
type weighed interface {
	value() float64
	interval(confidence float64, seed uint64) ([2]float64, error)
	// compare is Compare with evidence of the same metric for the same rows, and so of the same type.
	compare(reference weighed, confidence float64, seed uint64) (Comparison, error)
}

// answers are the labels and one contestant's answers for some rows, with what several metrics
// need of them.
type answers struct {
	y         bakeoff.Labels
	p         *bakeoff.Predictions
	ranked    []*ranked // asked for: a ranking serves them all
	areas     map[*ranked]*areas
	predicted []int32    // the class that each row was taken for; nil until somebody asks
	confused  *confusion // likewise
}

// count counts the rows by their class and the class that each was taken for, and returns the
// latter too.
func (a *answers) count() (*confusion, []int32) {
	if a.confused == nil {
		a.predicted = make([]int32, a.p.Len())
		for row := range a.predicted {
			a.predicted[row] = int32(a.p.Class(row))
		}
		a.confused = newConfusion(a.y, a.predicted)
	}
	return a.confused, a.predicted
}

// Weigh returns the evidence of predictions p for rows with labels y. Its errors are those of
// Compute.
func (m Metric) Weigh(y bakeoff.Labels, p *bakeoff.Predictions) (*Evidence, error) {
	all, errs := WeighAll([]Metric{m}, y, p)
	return all[0], errs[0]
}

// WeighAll is Weigh for several metrics of the same answers, which then are ranked and counted
// once. Both slices have a place for each metric: the evidence, or the error of there being none.
func WeighAll(metrics []Metric, y bakeoff.Labels, p *bakeoff.Predictions) ([]*Evidence, []error) {
	all, errs := make([]*Evidence, len(metrics)), make([]error, len(metrics))
	a := &answers{y: y, p: p}
	fit := map[bool]bool{} // whether the answers are numbers: whether they are known to be sound
	for i, m := range metrics {
		if !fit[m.def.regression] {
			errs[i] = m.check(y, p)
		}
		if errs[i] != nil {
			continue
		}
		fit[m.def.regression] = true
		if r, ok := m.def.measure.(*ranked); ok && r.defined(y) == nil {
			a.ranked = append(a.ranked, r)
		}
	}
	for i, m := range metrics {
		if errs[i] == nil {
			all[i], errs[i] = m.weigh(a)
		}
	}
	return all, errs
}

// weigh returns the evidence of answers that were checked.
func (m Metric) weigh(a *answers) (*Evidence, error) {
	w, err := m.def.measure.weigh(a)
	if err == nil && notFinite(w.value()) {
		err = errTooLarge
	}
	if err != nil {
		return nil, m.explain(err)
	}
	return &Evidence{metric: m, labels: a.y, weighed: w}, nil
}

const errTooLarge = undefined("the numbers are too large")

// Value returns the metric of the answers: a number, never NaN or infinite.
func (e *Evidence) Value() float64 { return e.value() }

// Interval returns the two-sided confidence interval of the value: where the metric of all rows
// like these lies. See Metric.Interval.
func (e *Evidence) Interval(confidence float64, seed uint64) ([2]float64, error) {
	none := [2]float64{}
	if err := e.metric.checkConfidence(confidence); err != nil {
		return none, err
	}
	bounds, err := e.interval(confidence, seed)
	if err == nil && (notFinite(bounds[0]) || notFinite(bounds[1])) {
		err = errTooLarge
	}
	if err != nil {
		return none, e.metric.explain(err)
	}
	return bounds, nil
}

// Compare is the paired comparison of a challenger, whose evidence e is, with the reference on
// identical rows. See Comparison. The result follows from the evidence and the seed alone, not from
// the number of threads.
//
// Evidence of another metric or of other rows is an error with bakeoff.CodeInvalid, and so are
// differences too large for a float64, for which errors.Is finds ErrUndefined.
func (e *Evidence) Compare(reference *Evidence, confidence float64, seed uint64) (Comparison, error) {
	if err := e.metric.checkConfidence(confidence); err != nil {
		return Comparison{}, err
	}
	if e.metric != reference.metric {
		return Comparison{}, e.metric.unfit("it cannot be compared with %s", reference.metric.Name())
	}
	if !sameLabels(e.labels, reference.labels) {
		return Comparison{}, e.metric.unfit("the answers compared are for other rows")
	}
	c, err := e.compare(reference.weighed, confidence, seed)
	if err == nil && !c.finite() {
		err = errTooLarge
	}
	if err != nil {
		return Comparison{}, e.metric.explain(err)
	}
	return c, nil
}

func sameLabels(a, b bakeoff.Labels) bool {
	return slices.Equal(a.Classes, b.Classes) && same(a.Codes, b.Codes) && same(a.Values, b.Values)
}

// same is slices.Equal, at once where both are the same memory, as they mostly are.
func same[T comparable](a, b []T) bool {
	if len(a) == len(b) && len(a) > 0 && &a[0] == &b[0] {
		return true
	}
	return slices.Equal(a, b)
}

func (m Metric) checkConfidence(confidence float64) error {
	if confidence > 0 && confidence < 1 {
		return nil
	}
	return bakeoff.Errorf(bakeoff.CodeInvalid, "interval of %s: confidence %v is not between 0 and 1", m.Name(), confidence)
}

// explain adds the metric's name to an error of its measure.
func (m Metric) explain(err error) error {
	return bakeoff.Errorf(bakeoff.CodeInvalid, "%w", fmt.Errorf("%s %w on these rows: %w", m.Name(), ErrUndefined, err))
}
