package learn

import (
	"context"
	"maps"
	"math"
	"slices"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn/tree"
)

// gradientBoosting is tree.Boost behind the encoder of trees.
func gradientBoosting() *learner {
	p := tree.DefaultBoostParams()
	return &learner{
		name: GradientBoosting, tasks: anyTask, train: trainBoosting, decode: decodeTrees, byColumn: true,
		parameters: []Parameter{
			classWeight(),
			{Name: "early_stopping", Type: TypeBoolean, Default: p.EarlyStopping, Doc: "Stop when a part of the training rows, held back for it, gets no better."},
			{Name: "l2_regularization", Type: TypeNumber, Default: p.L2, Min: 0, Max: 1e9, Doc: "L2 penalty on the values of the leaves."},
			{Name: "learning_rate", Type: TypeNumber, Default: p.LearningRate, Min: 1e-6, Max: 1, Doc: "Share of each tree's answer that is added."},
			{Name: "max_bins", Type: TypeInteger, Default: p.MaxBins, Min: 2, Max: 255, Doc: "Most bins that a feature's values are sorted into."},
			{Name: "max_depth", Type: TypeInteger, Default: p.MaxDepth, Min: 0, Max: 1000, Doc: "Most splits between the root and a leaf; 0 for no limit."},
			{Name: "max_features", Type: TypeNumber, Default: p.MaxFeatures, Min: 0.001, Max: 1, Doc: "Share of the features that a split chooses among, drawn anew for each."},
			{Name: "max_iter", Alias: "iterations", Type: TypeInteger, Default: p.Iterations, Min: 1, Max: 1e5, Doc: "Number of rounds; each adds one tree, for more than two classes one a class."},
			{Name: "max_leaf_nodes", Type: TypeInteger, Default: p.MaxLeaves, Min: 2, Max: 65536, Doc: "Most leaves of a tree."},
			{Name: "min_samples_leaf", Type: TypeInteger, Default: p.MinSamplesLeaf, Min: 1, Max: 1e9, Doc: "Fewest training rows in a leaf."},
			{Name: "monotonic_cst", Type: TypeObject, Default: map[string]float64{}, Min: -1, Max: 1, Doc: "Columns with which the answer, for two classes the probability of the second, must not fall (1) or must not rise (-1)."},
			{Name: "n_iter_no_change", Type: TypeInteger, Default: p.Patience, Min: 1, Max: 1e5, Doc: "Rounds without a gain before early stopping stops."},
			{Name: "subsample", Type: TypeNumber, Default: p.Subsample, Min: 0.001, Max: 1, Doc: "Share of the training rows that a round learns from, drawn anew without replacement."},
			{Name: "tol", Type: TypeNumber, Default: p.Tol, Min: 0, Max: 1e9, Doc: "The least fall of the loss that early stopping takes for a gain."},
			{Name: "validation_fraction", Type: TypeNumber, Default: p.ValidationFraction, Min: 0.01, Max: 0.9, Doc: "Share of the training rows held back for early stopping."},
		},
	}
}

func trainBoosting(ctx context.Context, j *job) (fitted, error) {
	var p struct {
		EarlyStopping      bool               `json:"early_stopping"`
		L2                 float64            `json:"l2_regularization"`
		LearningRate       float64            `json:"learning_rate"`
		MaxBins            int                `json:"max_bins"`
		MaxDepth           int                `json:"max_depth"`
		MaxFeatures        float64            `json:"max_features"`
		MaxIter            int                `json:"max_iter"`
		MaxLeaves          int                `json:"max_leaf_nodes"`
		MinSamplesLeaf     int                `json:"min_samples_leaf"`
		Monotonic          map[string]float64 `json:"monotonic_cst"`
		Patience           int                `json:"n_iter_no_change"`
		Subsample          float64            `json:"subsample"`
		Tol                float64            `json:"tol"`
		ValidationFraction float64            `json:"validation_fraction"`
	}
	if err := j.settings(&p); err != nil {
		return nil, err
	}
	directions, err := j.directions(p.Monotonic)
	if err != nil {
		return nil, err
	}
	return trainTrees(j, "iteration", func(d tree.Data, o tree.Options) (*tree.Ensemble, error) {
		return tree.Boost(ctx, d, j.Labels, tree.BoostParams{
			Iterations: p.MaxIter, LearningRate: p.LearningRate,
			MaxLeaves: p.MaxLeaves, MaxDepth: p.MaxDepth, MinSamplesLeaf: p.MinSamplesLeaf,
			L2: p.L2, MaxBins: p.MaxBins, Subsample: p.Subsample, MaxFeatures: p.MaxFeatures, Monotonic: directions,
			EarlyStopping: p.EarlyStopping, ValidationFraction: p.ValidationFraction, Patience: p.Patience, Tol: p.Tol,
		}, o)
	})
}

// directions returns the directions of the features that trees see, as tree.BoostParams has them; nil
// where no column is named. A name must be that of a column of numbers.
func (j *job) directions(byColumn map[string]float64) ([]int8, error) {
	if len(byColumn) == 0 {
		return nil, nil
	}
	if err := checkDirections(j.Schema, byColumn); err != nil {
		return nil, err
	}
	features := fitTreeEncoder(j.binding).Features
	directions := make([]int8, len(features))
	for i, f := range features {
		directions[i] = int8(byColumn[j.Schema.Columns[f.Column].Name])
	}
	return directions, nil
}

// checkDirections says what is wrong with the columns that monotonic_cst names.
func checkDirections(s bakeoff.Schema, byColumn map[string]float64) error {
	if n := len(s.Classes); n > 2 && len(byColumn) > 0 {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "monotonic_cst: a target of %d classes cannot rise or fall", n).
			WithHint("leave monotonic_cst out: it is for numbers and for two classes")
	}
	for _, name := range slices.Sorted(maps.Keys(byColumn)) {
		if err := checkDirection(s, name, byColumn[name]); err != nil {
			return err
		}
	}
	return nil
}

func checkDirection(s bakeoff.Schema, name string, direction float64) error {
	i := slices.IndexFunc(s.Columns, func(c bakeoff.ColumnSchema) bool { return c.Name == name })
	switch {
	case i < 0:
		var names []string
		for _, c := range s.Columns {
			names = append(names, c.Name)
		}
		return bakeoff.Errorf(bakeoff.CodeInvalid, "monotonic_cst: there is no feature column %q", name).
			WithHint("%s", suggest(name, "columns", names))
	case !numeric(s.Columns[i].Kind):
		return bakeoff.Errorf(bakeoff.CodeInvalid, "monotonic_cst: column %q is a %s, which does not rise or fall", name, s.Columns[i].Kind).
			WithHint("name columns of numbers only")
	case direction != math.Trunc(direction):
		return bakeoff.Errorf(bakeoff.CodeInvalid, "monotonic_cst: the direction of %q is %v, want -1, 0 or 1", name, direction)
	}
	return nil
}
