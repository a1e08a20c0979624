package tree

import (
	"math"

	"github.com/bakeoffhq/bakeoff"
)

// Column is one feature: Numbers or, for a category, Codes.
type Column struct {
	// Numbers has one value per row; NaN is a missing value, infinities are ordinary values.
	Numbers []float64
	// Codes has one level per row, from 0 up to Levels; any other code is a missing value.
	Codes []int32
	// Levels is the number of levels of a category; it is zero for numbers.
	Levels int
	// Read returns Numbers or Codes where they are not here, to be let go when they are binned; nil
	// where they are here. It may be called from several goroutines.
	Read func() (numbers []float64, codes []int32)
}

// read returns the column with its values.
func (c Column) read() Column {
	if c.Read != nil {
		c.Numbers, c.Codes = c.Read()
	}
	return c
}

// Data holds rows by column. Every column has Rows values.
type Data struct {
	Rows    int
	Columns []Column
}

// Options say how to run a fit. They do not change what is learnt, but for Seed.
type Options struct {
	// Seed decides everything that is drawn: the sample for bin edges, bootstraps, features, the validation rows.
	Seed uint64
	// Threads is the number of goroutines that work at the same time; zero means one.
	Threads int
	// Progress is told how many of the total rounds or trees are done. It may be nil; it is called
	// from the goroutine that called Forest or Boost.
	Progress func(done, total int)
}

// ForestParams are the parameters of a random forest and of extra trees.
type ForestParams struct {
	Trees           int     // number of trees, at least 1
	MaxDepth        int     // 0: no limit
	MaxLeaves       int     // leaves of a tree, then the best splits are made first; 0: no limit
	MinSamplesLeaf  int     // rows in a leaf, at least 1; a row that the bootstrap drew twice counts twice
	MinSamplesSplit int     // rows in a node that may be split, at least 2
	MaxFeatures     float64 // share of the columns that a split chooses among; 0: the square root of their number, for regression all
	MaxBins         int     // 2 to 255
	Bootstrap       bool    // draw each tree's rows with replacement, else use all of them
	MaxSamples      float64 // rows that the bootstrap draws, as a share of all, above 0, at most 1
}

// DefaultForestParams returns the parameters that scikit-learn's random forests have by default.
func DefaultForestParams() ForestParams {
	return ForestParams{Trees: 100, MinSamplesLeaf: 1, MinSamplesSplit: 2, MaxBins: maxBins, Bootstrap: true, MaxSamples: 1}
}

// DefaultExtraParams returns the parameters that scikit-learn's extra trees have by default.
func DefaultExtraParams() ForestParams {
	p := DefaultForestParams()
	p.Bootstrap = false
	return p
}

// BoostParams are the parameters of gradient boosting.
type BoostParams struct {
	Iterations     int     // rounds, at least 1; a round adds one tree, for multiclass one a class
	LearningRate   float64 // above 0, at most 1
	MaxLeaves      int     // leaves of a tree, at least 2
	MaxDepth       int     // 0: no limit
	MinSamplesLeaf int     // rows in a leaf, at least 1
	L2             float64 // added to the sum of second derivatives of a leaf, at least 0
	MaxBins        int     // 2 to 255
	Subsample      float64 // share of the rows that a round learns from, drawn anew; above 0, at most 1
	MaxFeatures    float64 // share of the features that a node chooses among, drawn anew; above 0, at most 1
	// Monotonic says of each column whether the answer must not fall with it (1), must not rise (-1)
	// or may do either (0); nil for all 0. For numbers only, and not for more than two classes.
	Monotonic []int8
	// EarlyStopping sets ValidationFraction of the rows aside, ends the fit when Patience rounds
	// did not improve the loss on them by more than Tol, and keeps the rounds up to the best one.
	EarlyStopping      bool
	ValidationFraction float64 // above 0 and below 1
	Patience           int     // at least 1
	Tol                float64 // at least 0
}

// DefaultBoostParams returns the parameters that scikit-learn's histogram gradient boosting has by
// default, without early stopping.
func DefaultBoostParams() BoostParams {
	return BoostParams{
		Iterations: 100, LearningRate: 0.1, MaxLeaves: 31, MinSamplesLeaf: 20, MaxBins: maxBins,
		Subsample: 1, MaxFeatures: 1,
		ValidationFraction: 0.1, Patience: 10, Tol: 1e-7,
	}
}

const (
	maxBins    = 255     // a missing value is one more, so that a bin fits a byte
	maxClasses = 1000    // histograms and scores grow with the classes
	maxColumns = 1 << 20 // so that a node's column leaves room for its flags
	maxRows    = 1 << 26 // so that the sums of integers keep enough bits for each row
)

func (d Data) check() error {
	switch {
	case d.Rows < 0 || d.Rows > maxRows:
		return bakeoff.Errorf(bakeoff.CodeInvalid, "%d rows, want at most %d", d.Rows, maxRows)
	case len(d.Columns) > maxColumns:
		return bakeoff.Errorf(bakeoff.CodeInvalid, "%d columns, want at most %d", len(d.Columns), maxColumns)
	}
	for i, c := range d.Columns {
		if c.Read != nil {
			continue
		}
		n := len(c.Numbers)
		if c.Levels > 0 {
			n = len(c.Codes)
		}
		if n != d.Rows {
			return bakeoff.Errorf(bakeoff.CodeInvalid, "column %d has %d values, want one for each of %d rows", i, n, d.Rows)
		}
	}
	return nil
}

// target is a checked form of the labels.
type target struct {
	classes int       // 0 for regression
	codes   []int32   // for classification
	values  []float64 // for regression
	counts  []int     // rows by class
	weights weights   // nil for one each
}

func checkLabels(y bakeoff.Labels, rows int) (target, error) {
	t := target{classes: len(y.Classes), codes: y.Codes, values: y.Values, weights: y.Weights}
	if rows == 0 {
		return t, bakeoff.Errorf(bakeoff.CodeInvalid, "there are no rows to learn from")
	}
	if t.classes == 0 {
		return t, checkValues(y.Values, rows)
	}
	if len(y.Codes) != rows {
		return t, bakeoff.Errorf(bakeoff.CodeInvalid, "%d labels, want one for each of %d rows", len(y.Codes), rows)
	}
	if t.classes > maxClasses {
		return t, bakeoff.Errorf(bakeoff.CodeInvalid, "the target has %d classes, want at most %d", t.classes, maxClasses).
			WithHint("is the target a number? state `task: regression`")
	}
	t.counts = make([]int, t.classes)
	for i, c := range y.Codes {
		if c < 0 || int(c) >= t.classes {
			return t, bakeoff.Errorf(bakeoff.CodeInvalid, "row %d: class %d of %d", i, c, t.classes)
		}
		t.counts[c]++
	}
	if only := t.counts[y.Codes[0]] == rows; only {
		return t, bakeoff.Errorf(bakeoff.CodeInvalid, "the target has one class only, %q: there is nothing to tell apart", y.Classes[y.Codes[0]])
	}
	return t, nil
}

func checkValues(values []float64, rows int) error {
	if len(values) != rows {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "%d target values, want one for each of %d rows", len(values), rows)
	}
	for i, v := range values {
		if math.IsNaN(v) || math.Abs(v) > math.MaxFloat64/4 {
			return bakeoff.Errorf(bakeoff.CodeInvalid, "row %d: the target is %v, want a finite number", i, v)
		}
	}
	return nil
}

// check returns the first parameter that is out of its range as an error.
func (p ForestParams) check() error {
	switch {
	case p.Trees < 1:
		return outOfRange("n_estimators", p.Trees, "at least 1")
	case p.MaxDepth < 0:
		return outOfRange("max_depth", p.MaxDepth, "at least 0")
	case p.MaxLeaves < 0:
		return outOfRange("max_leaf_nodes", p.MaxLeaves, "at least 0")
	case p.MinSamplesLeaf < 1:
		return outOfRange("min_samples_leaf", p.MinSamplesLeaf, "at least 1")
	case p.Bootstrap && !(p.MaxSamples > 0 && p.MaxSamples <= 1):
		return outOfRange("max_samples", p.MaxSamples, "above 0, at most 1")
	case p.MinSamplesSplit < 2:
		return outOfRange("min_samples_split", p.MinSamplesSplit, "at least 2")
	case !(p.MaxFeatures >= 0 && p.MaxFeatures <= 1):
		return outOfRange("max_features", p.MaxFeatures, "a share from 0 to 1")
	}
	return checkBins(p.MaxBins)
}

// check returns the first parameter that is out of its range as an error.
func (p BoostParams) check() error {
	switch {
	case p.Iterations < 1:
		return outOfRange("iterations", p.Iterations, "at least 1")
	case !(p.LearningRate > 0 && p.LearningRate <= 1):
		return outOfRange("learning_rate", p.LearningRate, "above 0, at most 1")
	case p.MaxLeaves < 2:
		return outOfRange("max_leaves", p.MaxLeaves, "at least 2")
	case p.MaxDepth < 0:
		return outOfRange("max_depth", p.MaxDepth, "at least 0")
	case p.MinSamplesLeaf < 1:
		return outOfRange("min_samples_leaf", p.MinSamplesLeaf, "at least 1")
	case !(p.L2 >= 0 && p.L2 <= math.MaxFloat32):
		return outOfRange("l2", p.L2, "at least 0")
	case !(p.Subsample > 0 && p.Subsample <= 1):
		return outOfRange("subsample", p.Subsample, "above 0, at most 1")
	case !(p.MaxFeatures > 0 && p.MaxFeatures <= 1):
		return outOfRange("max_features", p.MaxFeatures, "above 0, at most 1")
	case p.EarlyStopping && !(p.ValidationFraction > 0 && p.ValidationFraction < 1):
		return outOfRange("validation_fraction", p.ValidationFraction, "between 0 and 1")
	case p.EarlyStopping && p.Patience < 1:
		return outOfRange("patience", p.Patience, "at least 1")
	case p.EarlyStopping && !(p.Tol >= 0):
		return outOfRange("tol", p.Tol, "at least 0")
	}
	return checkBins(p.MaxBins)
}

// checkMonotonic reports directions that the columns or the target cannot have.
func (p BoostParams) checkMonotonic(d Data, classes int) error {
	if p.Monotonic == nil {
		return nil
	}
	if len(p.Monotonic) != len(d.Columns) {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "%d directions of monotonic_cst for %d columns", len(p.Monotonic), len(d.Columns))
	}
	for i, direction := range p.Monotonic {
		switch {
		case direction == 0:
		case direction != 1 && direction != -1:
			return outOfRange("monotonic_cst", direction, "-1, 0 or 1")
		case d.Columns[i].Levels > 0:
			return bakeoff.Errorf(bakeoff.CodeInvalid, "monotonic_cst: column %d is a category, which has no order", i)
		case classes > 2:
			return bakeoff.Errorf(bakeoff.CodeInvalid, "monotonic_cst: a target of %d classes has no direction", classes)
		}
	}
	return nil
}

func checkBins(n int) error {
	if n < 2 || n > maxBins {
		return outOfRange("max_bins", n, "from 2 to 255")
	}
	return nil
}

func outOfRange(name string, value any, want string) error {
	return bakeoff.Errorf(bakeoff.CodeInvalid, "parameter %s is %v, want %s", name, value, want)
}
