// Package metric turns the labels and the predictions of the same rows into a number that says
// how good the predictions are, and into an interval that says how sure that number is.
//
// The metrics are those of scikit-learn, under its names and with its conventions, and agree with
// it to 1e-9 (testdata/fixtures.py). For two classes f1, precision, recall, average_precision and
// brier are about the positive class, the second one. For more, f1, precision, recall, roc_auc and
// average_precision are macro: the plain mean over the classes of the metric of one class against
// the rest.
//
// A label code of -1 is a row of a class that training had not seen. Every metric takes all such
// rows as one more class to which each model gives probability zero, as scikit-learn would with a
// column of zeros beside the others:
//
//   - accuracy: the row is wrong;
//   - balanced_accuracy: one more class, with recall 0;
//   - f1, precision, recall: for two classes the row is not positive, so it is a false positive or
//     nothing; for more, one more class, with value 0;
//   - roc_auc, average_precision: for two classes the row is negative; for more, one more class
//     whose rows are ranked like all others, with value 0.5 and its share of the rows;
//   - log_loss: the row costs -ln(2^-52), about 36.04;
//   - brier: the row costs the squares of all its probabilities plus one, halved for two classes;
//   - mcc: one more class in the confusion matrix.
package metric

import (
	"errors"
	"sort"

	"github.com/bakeoffhq/bakeoff"
)

// Metric is one measure. The zero value is not a metric: they come from Lookup and Default.
type Metric struct{ def *definition }

// definition is what is known about a metric. The definitions never change.
type definition struct {
	name       string
	higher     bool // higher values are better
	unit       bool // values are in [0,1], whatever the learning task
	regression bool // it measures numbers, not classes
	measure    measure
}

// measure is one of the three ways in which a metric comes from rows: counted from a confusion
// matrix, averaged over rows, or ranked. The answers are consistent and finite, with one row or
// more; a metric that these rows do not define is an undefined error.
type measure interface {
	weigh(a *answers) (weighed, error)
}

// definitions lists every metric, by name.
var definitions = []definition{
	{name: "accuracy", higher: true, unit: true, measure: &counted{of: accuracy, ratio: accuracyRatio, among: everyRow}},
	{name: "average_precision", higher: true, unit: true, measure: &averagePrecision},
	{name: "balanced_accuracy", higher: true, unit: true, measure: &counted{of: balancedAccuracy}},
	{name: "brier", measure: averaged{losses: brierLosses, as: asMean, most: brierMost}},
	{name: "f1", higher: true, unit: true, measure: &counted{of: f1}},
	{name: "log_loss", measure: averaged{losses: logLosses, as: asMean}},
	{name: "mae", regression: true, measure: averaged{losses: absoluteErrors, as: asMean}},
	{name: "mape", regression: true, measure: averaged{losses: relativeErrors, as: asMean}},
	{name: "mcc", higher: true, measure: &counted{of: mcc}},
	{name: "precision", higher: true, unit: true, measure: &counted{of: precision, ratio: precisionRatio}},
	{name: "r2", higher: true, regression: true, measure: averaged{losses: explainableErrors, as: asShare}},
	{name: "recall", higher: true, unit: true, measure: &counted{of: recall, ratio: recallRatio, among: positiveRow}},
	{name: "rmse", regression: true, measure: averaged{losses: squaredErrors, as: asRoot}},
	{name: "roc_auc", higher: true, unit: true, measure: &rocAUC},
}

// Lookup returns the metric of that name.
func Lookup(name string) (Metric, bool) {
	i := sort.Search(len(definitions), func(i int) bool { return definitions[i].name >= name })
	if i == len(definitions) || definitions[i].name != name {
		return Metric{}, false
	}
	return Metric{&definitions[i]}, true
}

// Names returns the names of all metrics, sorted.
func Names() []string {
	names := make([]string, len(definitions))
	for i := range definitions {
		names[i] = definitions[i].name
	}
	return names
}

// NamesFor returns the names of the metrics that fit a learning task, sorted.
func NamesFor(task bakeoff.LearningTask) []string {
	var names []string
	for i := range definitions {
		if (Metric{&definitions[i]}).Fits(task) {
			names = append(names, definitions[i].name)
		}
	}
	return names
}

// Default returns the metric that decides where a pipeline names none: roc_auc for Binary, rmse
// for Regression, accuracy for the rest.
func Default(task bakeoff.LearningTask) Metric {
	name := "accuracy"
	switch task {
	case bakeoff.Binary:
		name = "roc_auc"
	case bakeoff.Regression:
		name = "rmse"
	}
	m, _ := Lookup(name)
	return m
}

// Name returns the name as a pipeline file has it.
func (m Metric) Name() string { return m.def.name }

// HigherIsBetter reports the direction of the metric.
func (m Metric) HigherIsBetter() bool { return m.def.higher }

// Unit reports whether values are shares: in [0,1] for every learning task that the metric fits.
func (m Metric) Unit() bool { return m.def.unit }

// Fits reports whether the metric measures what a learning task asks for.
func (m Metric) Fits(task bakeoff.LearningTask) bool {
	switch task {
	case bakeoff.Binary, bakeoff.Multiclass:
		return !m.def.regression
	case bakeoff.Regression:
		return m.def.regression
	}
	return false
}

// Better reports whether the value a is strictly better than the value b.
func (m Metric) Better(a, b float64) bool {
	if m.def.higher {
		return a > b
	}
	return a < b
}

// ErrUndefined is behind the error of Compute, Weigh and Interval where a metric has no value on the rows
// given, such as roc_auc where all labels are of one class.
var ErrUndefined = errors.New("is not defined")

// undefined says in words why a metric has no value on some rows.
type undefined string

func (u undefined) Error() string { return string(u) }

// Compute returns the metric of predictions p for rows with labels y. The result is a number,
// never NaN or infinite.
//
// Labels and predictions that do not belong together, and numbers that are not finite, are an
// error that names the row, counted from 1. Rows that do not define the metric are an error for
// which errors.Is finds ErrUndefined. Both have bakeoff.CodeInvalid.
func (m Metric) Compute(y bakeoff.Labels, p *bakeoff.Predictions) (float64, error) {
	e, err := m.Weigh(y, p)
	if err != nil {
		return 0, err
	}
	return e.Value(), nil
}

// Interval returns the two-sided confidence interval of Compute's result: where the metric lies over
// all the rows that these are a random sample of, their classes' sizes included. confidence is between
// 0 and 1.
//
//   - Proportions, which are accuracy and the recall and precision of a positive class: Wilson's
//     score interval.
//   - roc_auc: DeLong's variance on the logit scale, and average_precision likewise.
//   - Means over rows, and rmse and r2, which follow from one: Student's with the skewness taken out
//     by Hall's transformation.
//   - The rest: the percentile bootstrap of 1,000 resamples. It follows from the rows and the seed
//     alone, not from the number of threads.
//
// Errors are those of Compute.
func (m Metric) Interval(y bakeoff.Labels, p *bakeoff.Predictions, confidence float64, seed uint64) ([2]float64, error) {
	if err := m.checkConfidence(confidence); err != nil {
		return [2]float64{}, err
	}
	e, err := m.Weigh(y, p)
	if err != nil {
		return [2]float64{}, err
	}
	return e.Interval(confidence, seed)
}
