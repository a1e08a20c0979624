package metric

import (
	"math"
	"slices"

	"github.com/bakeoffhq/bakeoff"
)

// check reports labels and predictions that the metric cannot be computed from.
func (m Metric) check(y bakeoff.Labels, p *bakeoff.Predictions) error {
	if p == nil {
		return m.unfit("there are no predictions")
	}
	if m.def.regression {
		return m.checkNumbers(y, p)
	}
	return m.checkClasses(y, p)
}

func (m Metric) checkNumbers(y bakeoff.Labels, p *bakeoff.Predictions) error {
	switch {
	case len(y.Classes) > 0 || len(p.Classes) > 0:
		return m.unfit("it measures numbers, not classes")
	case len(y.Values) != len(p.Values):
		return m.unfit("%d predictions for %d rows", len(p.Values), len(y.Values))
	case len(y.Values) == 0:
		return m.explain(undefined("there are none"))
	}
	if i := slices.IndexFunc(y.Values, notFinite); i >= 0 {
		return m.unfit("the label of row %d is %v", i+1, y.Values[i])
	}
	if i := slices.IndexFunc(p.Values, notFinite); i >= 0 {
		return m.unfit("the prediction for row %d is %v", i+1, p.Values[i])
	}
	return nil
}

func (m Metric) checkClasses(y bakeoff.Labels, p *bakeoff.Predictions) error {
	k := len(y.Classes)
	switch {
	case k < 2:
		return m.unfit("it needs two classes or more, the labels have %d", k)
	case !slices.Equal(y.Classes, p.Classes):
		return m.unfit("the labels have the classes %q, the predictions %q", y.Classes, p.Classes)
	case len(p.Probabilities) != len(y.Codes)*k:
		return m.unfit("%d probabilities for %d rows of %d classes", len(p.Probabilities), len(y.Codes), k)
	case len(y.Codes) == 0:
		return m.explain(undefined("there are none"))
	}
	for i, c := range y.Codes {
		if c < -1 || int(c) >= k {
			return m.unfit("the label of row %d has the code %d, there are %d classes", i+1, c, k)
		}
	}
	if i := slices.IndexFunc(p.Probabilities, notFinite); i >= 0 {
		return m.unfit("a probability for row %d is %v", i/k+1, p.Probabilities[i])
	}
	return nil
}

func notFinite(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }

// unfit returns the error for arguments that do not belong together or to this metric.
func (m Metric) unfit(format string, args ...any) error {
	return bakeoff.Errorf(bakeoff.CodeInvalid, m.Name()+": "+format, args...)
}

// stratum returns the index of a label's class, the unseen ones being class k.
func stratum(code int32, k int) int {
	if code < 0 {
		return k
	}
	return int(code)
}

// classSizes counts the rows of each class and, last, of the unseen ones.
func classSizes(y bakeoff.Labels) []float64 {
	k := len(y.Classes)
	sizes := make([]float64, k+1)
	for _, code := range y.Codes {
		sizes[stratum(code, k)]++
	}
	return sizes
}
