package learn

import (
	"context"

	"github.com/bakeoffhq/bakeoff/internal/learn/tree"
)

// randomForest is tree.Forest behind the encoder of trees.
func randomForest() *learner {
	p := tree.DefaultForestParams()
	return &learner{
		name: RandomForest, tasks: anyTask, train: trainForest, decode: decodeTrees,
		parameters: []Parameter{
			classWeight(),
			{Name: "max_depth", Type: TypeInteger, Default: p.MaxDepth, Min: 0, Max: 1000, Doc: "Most splits between the root and a leaf; 0 for no limit."},
			{Name: "max_features", Type: TypeNumber, Default: p.MaxFeatures, Min: 0, Max: 1, Doc: "Share of the features that a split chooses among; 0 for the square root of their number, for regression all."},
			{Name: "min_samples_leaf", Type: TypeInteger, Default: p.MinSamplesLeaf, Min: 1, Max: 1e9, Doc: "Fewest training rows in a leaf."},
			{Name: "min_samples_split", Type: TypeInteger, Default: p.MinSamplesSplit, Min: 2, Max: 1e9, Doc: "Fewest training rows in a node that is split."},
			{Name: "n_estimators", Alias: "trees", Type: TypeInteger, Default: p.Trees, Min: 1, Max: 1e5, Doc: "Number of trees."},
		},
	}
}

func trainForest(ctx context.Context, j *job) (fitted, error) {
	var s struct {
		MaxDepth        int     `json:"max_depth"`
		MaxFeatures     float64 `json:"max_features"`
		MinSamplesLeaf  int     `json:"min_samples_leaf"`
		MinSamplesSplit int     `json:"min_samples_split"`
		Trees           int     `json:"n_estimators"`
	}
	if err := j.settings(&s); err != nil {
		return nil, err
	}
	p := tree.DefaultForestParams()
	p.Trees, p.MaxDepth, p.MaxFeatures = s.Trees, s.MaxDepth, s.MaxFeatures
	p.MinSamplesLeaf, p.MinSamplesSplit = s.MinSamplesLeaf, s.MinSamplesSplit
	return trainTrees(j, "tree", func(d tree.Data, o tree.Options) (*tree.Ensemble, error) {
		return tree.Forest(ctx, d, j.Labels, p, o)
	})
}
