package learn

import (
	"context"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn/tree"
)

// randomForest is tree.Forest behind the encoder of trees.
func randomForest() *learner {
	return forestLearner(RandomForest, tree.DefaultForestParams(), tree.Forest)
}

// extraTrees is tree.Extra behind the encoder of trees.
func extraTrees() *learner {
	return forestLearner(ExtraTrees, tree.DefaultExtraParams(), tree.Extra)
}

// growForest is a way to grow many trees from the same parameters.
type growForest func(context.Context, tree.Data, bakeoff.Labels, tree.ForestParams, tree.Options) (*tree.Ensemble, error)

func forestLearner(name string, p tree.ForestParams, grow growForest) *learner {
	return &learner{
		name: name, tasks: anyTask, decode: decodeTrees, byColumn: true,
		train: func(ctx context.Context, j *job) (fitted, error) {
			p, err := j.forest(p)
			if err != nil {
				return nil, err
			}
			return trainTrees(j, "tree", func(d tree.Data, o tree.Options) (*tree.Ensemble, error) {
				return grow(ctx, d, j.Labels, p, o)
			})
		},
		parameters: []Parameter{
			{Name: "bootstrap", Type: TypeBoolean, Default: p.Bootstrap, Doc: "Draw the rows of each tree with replacement; if not, each tree learns from all rows."},
			classWeight(),
			{Name: "max_bins", Type: TypeInteger, Default: p.MaxBins, Min: 2, Max: 255, Doc: "Most bins that a feature's values are sorted into."},
			{Name: "max_depth", Type: TypeInteger, Default: p.MaxDepth, Min: 0, Max: 1000, Doc: "Most splits between the root and a leaf; 0 for no limit."},
			{Name: "max_features", Type: TypeNumber, Default: p.MaxFeatures, Min: 0, Max: 1, Doc: "Share of the features that a split chooses among; 0 for the square root of their number, for regression all."},
			{Name: "max_leaf_nodes", Type: TypeInteger, Default: p.MaxLeaves, Min: 0, Max: 1e6, Doc: "Most leaves of a tree, which then makes the best splits first; 0 for no limit."},
			{Name: "max_samples", Type: TypeNumber, Default: p.MaxSamples, Min: 1e-6, Max: 1, Doc: "Rows that bootstrap draws for each tree, as a share of all."},
			{Name: "min_samples_leaf", Type: TypeInteger, Default: p.MinSamplesLeaf, Min: 1, Max: 1e9, Doc: "Fewest training rows in a leaf."},
			{Name: "min_samples_split", Type: TypeInteger, Default: p.MinSamplesSplit, Min: 2, Max: 1e9, Doc: "Fewest training rows in a node that is split."},
			{Name: "n_estimators", Alias: "trees", Type: TypeInteger, Default: p.Trees, Min: 1, Max: 1e5, Doc: "Number of trees."},
		},
	}
}

// forest returns p with the parameters that were given in the place of its own.
func (j *job) forest(p tree.ForestParams) (tree.ForestParams, error) {
	var s struct {
		Bootstrap       bool    `json:"bootstrap"`
		MaxBins         int     `json:"max_bins"`
		MaxDepth        int     `json:"max_depth"`
		MaxFeatures     float64 `json:"max_features"`
		MaxLeaves       int     `json:"max_leaf_nodes"`
		MaxSamples      float64 `json:"max_samples"`
		MinSamplesLeaf  int     `json:"min_samples_leaf"`
		MinSamplesSplit int     `json:"min_samples_split"`
		Trees           int     `json:"n_estimators"`
	}
	if err := j.settings(&s); err != nil {
		return p, err
	}
	p.Bootstrap, p.MaxBins, p.MaxDepth, p.MaxFeatures, p.MaxLeaves = s.Bootstrap, s.MaxBins, s.MaxDepth, s.MaxFeatures, s.MaxLeaves
	p.MaxSamples, p.MinSamplesLeaf, p.MinSamplesSplit, p.Trees = s.MaxSamples, s.MinSamplesLeaf, s.MinSamplesSplit, s.Trees
	return p, nil
}
