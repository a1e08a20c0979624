package learn

import (
	"context"

	"github.com/bakeoffhq/bakeoff/internal/learn/tree"
)

// gradientBoosting is tree.Boost behind the encoder of trees.
func gradientBoosting() *learner {
	p := tree.DefaultBoostParams()
	return &learner{
		name: GradientBoosting, tasks: anyTask, train: trainBoosting, decode: decodeTrees,
		parameters: []Parameter{
			classWeight(),
			{Name: "early_stopping", Type: TypeBoolean, Default: p.EarlyStopping, Doc: "Stop when a part of the training rows, held back for it, gets no better."},
			{Name: "l2_regularization", Type: TypeNumber, Default: p.L2, Min: 0, Max: 1e9, Doc: "L2 penalty on the values of the leaves."},
			{Name: "learning_rate", Type: TypeNumber, Default: p.LearningRate, Min: 1e-6, Max: 1, Doc: "Share of each tree's answer that is added."},
			{Name: "max_bins", Type: TypeInteger, Default: p.MaxBins, Min: 2, Max: 255, Doc: "Most bins that a feature's values are sorted into."},
			{Name: "max_depth", Type: TypeInteger, Default: p.MaxDepth, Min: 0, Max: 1000, Doc: "Most splits between the root and a leaf; 0 for no limit."},
			{Name: "max_iter", Alias: "iterations", Type: TypeInteger, Default: p.Iterations, Min: 1, Max: 1e5, Doc: "Number of rounds; each adds one tree, for more than two classes one a class."},
			{Name: "max_leaf_nodes", Type: TypeInteger, Default: p.MaxLeaves, Min: 2, Max: 65536, Doc: "Most leaves of a tree."},
			{Name: "min_samples_leaf", Type: TypeInteger, Default: p.MinSamplesLeaf, Min: 1, Max: 1e9, Doc: "Fewest training rows in a leaf."},
			{Name: "n_iter_no_change", Type: TypeInteger, Default: p.Patience, Min: 1, Max: 1e5, Doc: "Rounds without a gain before early stopping stops."},
			{Name: "validation_fraction", Type: TypeNumber, Default: p.ValidationFraction, Min: 0.01, Max: 0.9, Doc: "Share of the training rows held back for early stopping."},
		},
	}
}

func trainBoosting(ctx context.Context, j *job) (fitted, error) {
	var p struct {
		EarlyStopping      bool    `json:"early_stopping"`
		L2                 float64 `json:"l2_regularization"`
		LearningRate       float64 `json:"learning_rate"`
		MaxBins            int     `json:"max_bins"`
		MaxDepth           int     `json:"max_depth"`
		MaxIter            int     `json:"max_iter"`
		MaxLeaves          int     `json:"max_leaf_nodes"`
		MinSamplesLeaf     int     `json:"min_samples_leaf"`
		Patience           int     `json:"n_iter_no_change"`
		ValidationFraction float64 `json:"validation_fraction"`
	}
	if err := j.settings(&p); err != nil {
		return nil, err
	}
	return trainTrees(j, "iteration", func(d tree.Data, o tree.Options) (*tree.Ensemble, error) {
		return tree.Boost(ctx, d, j.Labels, tree.BoostParams{
			Iterations: p.MaxIter, LearningRate: p.LearningRate,
			MaxLeaves: p.MaxLeaves, MaxDepth: p.MaxDepth, MinSamplesLeaf: p.MinSamplesLeaf,
			L2: p.L2, MaxBins: p.MaxBins,
			EarlyStopping: p.EarlyStopping, ValidationFraction: p.ValidationFraction, Patience: p.Patience,
		}, o)
	})
}
