package tree

import (
	"context"
	"fmt"
	"math"
	"math/bits"
	"sync/atomic"

	"github.com/bakeoffhq/bakeoff"
)

// leafSmoothing is the number of imaginary rows, divided like all training rows, that join the
// rows of each leaf of a classification forest, see setShares. It is chosen for log_loss on public
// data sets: half a row for two classes, a tenth for more, which share it. It costs neither
// accuracy nor AUC.
func leafSmoothing(classes int) float64 {
	if classes > 2 {
		return 0.1
	}
	return 0.5
}

// Forest fits a random forest to the rows of d and their labels: trees that are grown on a
// bootstrap of the rows, each split the best by Gini impurity or squared error among some columns
// drawn for it (Breiman 2001). The error is a *bakeoff.Error for data, labels or parameters that
// cannot be used, and wraps ctx.Err() when ctx ends the fit.
func Forest(ctx context.Context, d Data, y bakeoff.Labels, p ForestParams, o Options) (*Ensemble, error) {
	f, err := newForester(d, y, p, o)
	if err != nil {
		return nil, err
	}
	return f.run(ctx)
}

// forester is one fit.
type forester struct {
	p        ForestParams
	o        Options
	target   target
	rows     int
	features []feature
	drawn    int // features that a split chooses among
	// labels has the label of each row as an integer: for two classes 0 or 1, or the value.
	labels  []int64
	shift   uint    // of a sum of labels above the number of its rows
	weights []int64 // of the rows as integers, see quantise; nil for ones
	extra   bool
	places  [][]float64 // for extra trees, by feature and bin, see placesOf
	model   *Ensemble
}

func newForester(d Data, y bakeoff.Labels, p ForestParams, o Options) (*forester, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	d, y, err := present(d, y)
	if err != nil {
		return nil, err
	}
	t, err := checkLabels(y, d.Rows)
	if err != nil {
		return nil, err
	}
	o.Threads = max(1, o.Threads)
	f := &forester{p: p, o: o, target: t, rows: d.Rows, features: binFeatures(d, p.MaxBins, o), shift: uint(bits.Len(uint(d.Rows)))}
	rowWeight := 1.0
	if f.weights = quantise(y.Weights); f.weights != nil {
		rowWeight = meanInteger(f.weights)
	}
	shares := f.classShares()
	for j := range f.features {
		orderLevels(&f.features[j], t, shares, f.weights, rowWeight)
	}
	f.model = &Ensemble{forest: true, classes: t.classes, columns: newColumns(d, f.features)}
	if t.classes > 0 {
		f.model.base, f.model.smoothing = shares, leafSmoothing(t.classes)*rowWeight
	}
	f.labels = f.integerLabels()
	f.drawn = f.featuresDrawn()
	return f, nil
}

// weight returns how much a row counts, as an integer.
func (f *forester) weight(row int) int64 {
	if f.weights == nil {
		return 1
	}
	return f.weights[row]
}

// classShares returns the share of each class in all rows.
func (f *forester) classShares() []float64 {
	sums, total := make([]int64, f.target.classes), int64(0)
	for row, code := range f.target.codes {
		sums[code] += f.weight(row)
		total += f.weight(row)
	}
	shares := make([]float64, len(sums))
	for k, n := range sums {
		shares[k] = float64(n) / float64(total)
	}
	return shares
}

func (f *forester) featuresDrawn() int {
	n := float64(len(f.features))
	switch {
	case f.p.MaxFeatures > 0:
		n *= f.p.MaxFeatures
	case f.target.classes > 0:
		n = math.Sqrt(n)
	}
	return max(1, int(n))
}

// integerLabels returns the label of each row as an integer: its class, or its distance to the mean
// in the finest unit in which the sum over all rows, times their weights, cannot overflow.
func (f *forester) integerLabels() []int64 {
	labels := make([]int64, f.rows)
	if f.target.classes > 0 {
		for row, code := range f.target.codes {
			labels[row] = int64(code)
		}
		return labels
	}
	mean, top := meanOf(f.target.values), 0.0
	for _, v := range f.target.values {
		top = max(top, math.Abs(v-mean))
	}
	if top == 0 {
		return labels
	}
	fine := min(40, 62-2*int(f.shift))
	if f.weights != nil {
		fine = 62 - weightBits
	}
	unit := math.Ldexp(top, -fine)
	for row, v := range f.target.values {
		labels[row] = int64(math.RoundToEven((v - mean) / unit))
	}
	return labels
}

// meanOf returns the mean of values without overflow.
func meanOf(values []float64) float64 {
	mean := 0.0
	for i, v := range values {
		mean += (v - mean) / float64(i+1)
	}
	return mean
}

// run grows the trees, a tree a goroutine.
func (f *forester) run(ctx context.Context) (*Ensemble, error) {
	trees := make([]grownTree, f.p.Trees)
	growers := make([]*forestGrower, f.o.Threads)
	var done atomic.Int64
	inParallel(f.o.Threads, len(trees), func(worker, t int) {
		if ctx.Err() != nil {
			return
		}
		if growers[worker] == nil {
			growers[worker] = newForestGrower(f)
		}
		trees[t] = growers[worker].grow(ctx, uint64(t))
		n := int(done.Add(1))
		if worker == 0 && n < len(trees) && f.o.Progress != nil { // worker 0 is the caller's goroutine
			f.o.Progress(n, len(trees))
		}
	})
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("grow forest, %d of %d trees: %w", done.Load(), len(trees), err)
	}
	f.model.trees.reserve(trees)
	for t := range trees {
		f.model.trees.add(&trees[t].grove)
		for j, gain := range trees[t].gains {
			f.model.columns[f.features[j].column].gain += gain
		}
		trees[t] = grownTree{}
	}
	if f.o.Progress != nil {
		f.o.Progress(len(trees), len(trees))
	}
	return f.model, nil
}

// reserve makes room for the trees, so that it is made once.
func (g *grove) reserve(trees []grownTree) {
	nodes, shares, starts := 0, 0, 1
	for _, t := range trees {
		nodes += len(t.nodes)
		shares += len(t.shares)
		starts += max(0, len(t.starts)-1)
	}
	g.roots = make([]uint32, 0, len(trees))
	g.nodes = make([]node, 0, nodes)
	if shares > 0 {
		g.shares, g.starts = make([]share, 0, shares), make([]uint32, 0, starts)
	}
}
