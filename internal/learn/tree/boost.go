package tree

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/bakeoffhq/bakeoff"
)

// Boost fits gradient boosting to the rows of d and their labels: squared loss for regression,
// logistic loss for two classes, softmax for more. A tree grows leaf by leaf, the split with the
// largest gain first, on histograms of first and second derivatives (Friedman 2001; Chen and
// Guestrin 2016). The error is a *bakeoff.Error for data, labels or parameters that cannot be
// used, and wraps ctx.Err() when ctx ends the fit.
func Boost(ctx context.Context, d Data, y bakeoff.Labels, p BoostParams, o Options) (*Ensemble, error) {
	b, err := newBooster(d, y, p, o)
	if err != nil {
		return nil, err
	}
	b.crew = newCrew(b.o.Threads)
	defer b.crew.end()
	for _, g := range b.growers {
		g.crew = b.crew
	}
	if err := b.run(ctx); err != nil {
		return nil, err
	}
	return b.model, nil
}

// booster is one fit.
type booster struct {
	p       BoostParams
	o       Options
	loss    loss
	matrix  matrix
	train   []int32 // rows to learn from, ascending
	held    []int32 // rows for early stopping, ascending
	growers []*grower
	crew    *crew
	first   packing // of the first tree, so that the gains of all trees compare
	model   *Ensemble
}

func newBooster(d Data, y bakeoff.Labels, p BoostParams, o Options) (*booster, error) {
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
	if err := p.checkMonotonic(d, t.classes); err != nil {
		return nil, err
	}
	o.Threads = max(1, o.Threads)
	features := binFeatures(d, p.MaxBins, o)
	b := &booster{p: p, o: o, matrix: newMatrix(features, d.Rows, o.Threads)}
	if b.train, b.held = split(t, d.Rows, p, o.Seed); p.EarlyStopping && len(b.held) == 0 {
		return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "early_stopping: validation_fraction %v of %d rows is less than one row", p.ValidationFraction, d.Rows).
			WithHint("raise validation_fraction, or train without early_stopping")
	}
	b.loss = newLoss(t, b.train, d.Rows)
	b.model = &Ensemble{classes: t.classes, base: b.loss.start(), columns: newColumns(d, features)}
	outputs := b.model.outputs()
	// A grower a class where there are enough classes to go round, else one that uses all threads.
	growers, threads := 1, o.Threads
	if outputs >= o.Threads {
		growers, threads = o.Threads, 1
	}
	for range growers {
		b.growers = append(b.growers, newGrower(&b.matrix, p, d.Rows, b.sampled(), d.Rows-b.sampled(), o.Seed, threads, histogramMemory/growers))
	}
	return b, nil
}

func newColumns(d Data, features []feature) []column {
	columns := make([]column, len(d.Columns))
	for i, c := range d.Columns {
		if c.Levels > 0 { // a constant category says nothing, and so has no bins
			columns[i].slots = make([]uint8, c.Levels)
		}
	}
	for _, f := range features {
		if f.slots != nil {
			columns[f.column].slots, columns[f.column].bins = f.slots, uint8(f.bins)
		}
	}
	return columns
}

// split sets the rows for early stopping aside, ascending like the rows that remain: of every
// class the same share, but never its last row.
func split(t target, rows int, p BoostParams, seed uint64) (train, held []int32) {
	quota := []int{int(p.ValidationFraction * float64(rows))}
	if t.classes > 0 {
		quota = make([]int, t.classes)
		for k, n := range t.counts {
			quota[k] = int(p.ValidationFraction * float64(n))
		}
	}
	if !p.EarlyStopping {
		clear(quota)
	}
	isHeld := make([]bool, rows)
	for _, row := range rand.New(rand.NewPCG(seed, streamValidation)).Perm(rows) {
		k := 0
		if t.classes > 0 {
			k = int(t.codes[row])
		}
		isHeld[row] = quota[k] > 0
		quota[k]--
	}
	for row, aside := range isHeld {
		if aside {
			held = append(held, int32(row))
		} else {
			train = append(train, int32(row))
		}
	}
	return train, held
}

// run adds rounds until there are enough or they no longer help.
func (b *booster) run(ctx context.Context) error {
	if len(b.held) == 0 {
		for round := range b.p.Iterations {
			if err := b.round(ctx, round); err != nil {
				return err
			}
		}
		return nil
	}
	best, bestLoss, bestColumns := 0, b.loss.mean(b.held), slices.Clone(b.model.columns)
	for round := 0; round < b.p.Iterations && round-best < b.p.Patience; round++ {
		if err := b.round(ctx, round); err != nil {
			return err
		}
		if l := b.loss.mean(b.held); l < bestLoss-b.p.Tol {
			best, bestLoss, bestColumns = round+1, l, slices.Clone(b.model.columns)
		}
	}
	b.model.columns = bestColumns
	b.model.trees.truncate(best * b.model.outputs())
	return nil
}

// sampled is the number of rows that a round learns from.
func (b *booster) sampled() int {
	return max(1, int(math.Round(b.p.Subsample*float64(len(b.train)))))
}

// sample draws the rows that a round learns from, and returns them and all others, ascending.
func (b *booster) sample(round int) (train, others []int32) {
	left, wanted := len(b.train), b.sampled()
	if left == wanted {
		return b.train, b.held
	}
	r := rand.New(rand.NewPCG(b.o.Seed^streamSubsample, uint64(round)))
	train, others = make([]int32, 0, wanted), slices.Clone(b.held)
	for _, row := range b.train {
		if r.IntN(left) < wanted-len(train) {
			train = append(train, row)
		} else {
			others = append(others, row)
		}
		left--
	}
	slices.Sort(others)
	return train, others
}

// round adds one tree to each output.
func (b *booster) round(ctx context.Context, round int) error {
	b.loss.prepare(b.crew, b.o.Threads)
	train, others := b.sample(round)
	outputs := b.model.outputs()
	trees := make([]grove, outputs)
	gains := make([][]float64, outputs)
	packs := make([]packing, outputs)
	errs := make([]error, outputs)
	b.crew.inParallel(len(b.growers), outputs, func(worker, k int) {
		g := b.growers[worker]
		if errs[k] = g.grow(ctx, b.loss, k, round*outputs+k, train, others); errs[k] == nil {
			g.addTo(b.loss.scores(k))
			trees[k], gains[k], packs[k] = g.tree(), slices.Clone(g.gains), g.pack
		}
	})
	for k := range trees {
		if errs[k] != nil {
			return fmt.Errorf("boost, round %d of %d: %w", round+1, b.p.Iterations, errs[k])
		}
		b.model.trees.add(&trees[k])
		if b.first == (packing{}) {
			b.first = packs[k]
		}
		scale := b.first.gain(&packs[k])
		for j, gain := range gains[k] {
			b.model.columns[b.matrix.features[j].column].gain += float64(gain * scale)
		}
	}
	if b.o.Progress != nil {
		b.o.Progress(round+1, b.p.Iterations)
	}
	return nil
}

// truncate keeps the first trees. Sets of the others stay; nothing refers to them.
func (g *grove) truncate(trees int) {
	if trees < len(g.roots) {
		g.nodes = g.nodes[:g.roots[trees]]
		g.roots = g.roots[:trees]
	}
}
