// Package learn turns a table and its labels into a model, a model into an artifact file and
// back, and a table into predictions.
//
// A model is two halves. The encoder is learnt from the training rows alone: which columns there
// are, their medians, scales and categories, the parts of a date that vary. The learner sees only
// what the encoder makes of a row. Training, the holdout and live requests go through the same
// encoder, so that what was judged is what is served.
//
// The same request gives the same model, to the byte, whatever the number of threads.
package learn

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/bakeoffhq/bakeoff"
)

// The built-in learners, as a pipeline file names them.
const (
	ExtraTrees         = "extra_trees"
	GradientBoosting   = "gradient_boosting"
	KNN                = "knn"
	LinearRegression   = "linear_regression"
	LogisticRegression = "logistic_regression"
	MLP                = "mlp"
	NaiveBayes         = "naive_bayes"
	RandomForest       = "random_forest"
)

// learner is a way to learn that is built in. Each has a file of its own.
type learner struct {
	name       string
	tasks      []bakeoff.LearningTask // what it can learn
	parameters []Parameter            // sorted by name
	train      func(ctx context.Context, j *job) (fitted, error)
	// decode reads what a model's file says of the encoder, and what appendBinary wrote.
	decode func(h header, body []byte) (fitted, error)
	// byColumn says that train asks for the columns one after the other, and so learns from more rows
	// than memory can hold.
	byColumn bool
}

// job is a request whose parts are known to fit together.
type job struct {
	Request
	*binding
	params json.RawMessage // canonical, with defaults
	before float64         // the share of the work that reading the rows is, where that takes its time
}

// report passes on how much of what follows reading the rows is done.
func (j *job) report(fraction float64, format string, args ...any) {
	j.Request.report(j.before+(1-j.before)*fraction, format, args...)
}

// reading has what is read of the part told as the first share of the work; cost is that of all that is
// read, as a source counts it.
func (j *job) reading(share float64, cost int) {
	j.before = share
	j.part.tell = func(done int) {
		j.Request.report(share*min(1, float64(done)/float64(cost)), "reading the rows")
	}
}

// settings reads the parameters into a learner's own struct, whose JSON names are those of its
// parameters.
func (j *job) settings(into any) error {
	if err := json.Unmarshal(j.params, into); err != nil {
		return fmt.Errorf("read parameters: %w", err)
	}
	return nil
}

// learners lists what is built in, by name.
var learners = sorted(
	extraTrees(), gradientBoosting(), kNearest(), linearRegression(), logisticRegression(), multiLayerPerceptron(), naiveBayes(), randomForest(),
)

func sorted(list ...*learner) []*learner {
	slices.SortFunc(list, func(a, b *learner) int { return cmp.Compare(a.name, b.name) })
	return list
}

// lookup returns the learner of that name, or nil.
func lookup(name string) *learner {
	for _, l := range learners {
		if l.name == name {
			return l
		}
	}
	return nil
}

// The tasks of learners that can tell classes apart, and of those that can learn anything.
var (
	classification = []bakeoff.LearningTask{bakeoff.Binary, bakeoff.Multiclass}
	anyTask        = []bakeoff.LearningTask{bakeoff.Binary, bakeoff.Multiclass, bakeoff.Regression}
)

// Learners returns the names of the built-in learners, sorted.
func Learners() []string {
	names := make([]string, len(learners))
	for i, l := range learners {
		names[i] = l.name
	}
	return names
}

// Fits reports whether the learner can learn the task; false for an unknown learner.
func Fits(learner string, task bakeoff.LearningTask) bool {
	l := lookup(learner)
	return l != nil && slices.Contains(l.tasks, task)
}
