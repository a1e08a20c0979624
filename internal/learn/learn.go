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
	"slices"

	"github.com/bakeoffhq/bakeoff"
)

// The built-in learners, as a pipeline file names them.
const (
	GradientBoosting   = "gradient_boosting"
	LinearRegression   = "linear_regression"
	LogisticRegression = "logistic_regression"
	RandomForest       = "random_forest"
)

// Learners returns the names of the built-in learners, sorted.
func Learners() []string {
	return []string{GradientBoosting, LinearRegression, LogisticRegression, RandomForest}
}

// Fits reports whether the learner can learn the task; false for an unknown learner.
func Fits(learner string, task bakeoff.LearningTask) bool {
	return slices.Contains(tasks(learner), task)
}

// tasks returns what the learner can learn; nil for an unknown learner.
func tasks(learner string) []bakeoff.LearningTask {
	switch learner {
	case LogisticRegression:
		return []bakeoff.LearningTask{bakeoff.Binary, bakeoff.Multiclass}
	case LinearRegression:
		return []bakeoff.LearningTask{bakeoff.Regression}
	case RandomForest, GradientBoosting:
		return []bakeoff.LearningTask{bakeoff.Binary, bakeoff.Multiclass, bakeoff.Regression}
	}
	return nil
}

// isLinear tells the learners of linear models from those of trees.
func isLinear(learner string) bool {
	return learner == LinearRegression || learner == LogisticRegression
}
