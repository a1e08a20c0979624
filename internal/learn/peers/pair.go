package main

import (
	"slices"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn"
)

// pair is a built-in learner and what people use in its place.
type pair struct {
	learner string
	peer    string  // as the tables name it
	model   string  // as peer.py does
	goal    float64 // the share of the peer's fit time that ours is to take at most; 0 for none
}

// pairs are all of them; a learner that this build lacks is left out when they are used.
var pairs = []pair{
	{"gradient_boosting", "HistGradientBoosting", "hist_gradient_boosting", 0.35},
	{"gradient_boosting", "XGBoost", "xgboost", 0.7},
	{"random_forest", "RandomForest", "random_forest", 0.25},
	{"extra_trees", "ExtraTrees", "extra_trees", 0.25},
	{"logistic_regression", "LogisticRegression", "logistic_regression", 0.2},
	{"linear_regression", "Ridge", "ridge", 0},
	{"naive_bayes", "GaussianNB", "gaussian_nb", 0},
	{"knn", "KNeighbors", "k_neighbors", 0},
	{"mlp", "MLP", "mlp", 0},
}

// pairsFor returns the pairs that learn a task, of the learners that are asked for.
func (o options) pairsFor(task bakeoff.LearningTask) []pair {
	var found []pair
	for _, p := range pairs {
		asked := o.learners == nil || slices.Contains(o.learners, p.learner)
		if asked && slices.Contains(learn.Learners(), p.learner) && learn.Fits(p.learner, task) {
			found = append(found, p)
		}
	}
	return found
}
