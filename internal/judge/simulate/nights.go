package main

import (
	"math"
	"math/rand/v2"
	"runtime"
	"sync"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/metric"
)

// The product's defaults: the one-sided level of a night's verdict, the confidence of intervals, and
// the power at which a gain counts as detectable.
const (
	alpha      = 0.05
	confidence = 0.95
	wanted     = 0.80
)

// world is where nights come from: a learning task with contestants whose true values are known.
type world[C any] struct {
	champion C
	night    func(random *rand.Rand, rows int, correlation float64, contestants []C) (bakeoff.Labels, []*bakeoff.Predictions)
	truth    func(c C, metric string) float64
	// of returns the contestant of a quality; from worst to best the metrics get better.
	of          func(quality float64) C
	worst, best float64
}

var (
	classes = world[classifier]{
		champion: honest(1.5), night: classNight, truth: classifier.truth,
		of: honest, worst: 0.5, best: 5,
	}
	numbers = world[regressor]{
		champion: regressor{size: 1, uneven: 0.5}, night: numberNight, truth: regressor.truth,
		of: func(size float64) regressor { return regressor{size: size, uneven: 0.5} }, worst: 2, best: 0.1,
	}
)

// better returns a contestant whose true value is better than the champion's by that much.
func (w world[C]) better(m metric.Metric, gain float64) C {
	if !m.HigherIsBetter() {
		gain = -gain
	}
	asked := w.truth(w.champion, m.Name()) + gain
	worse, better := w.worst, w.best
	for range 60 {
		middle := (worse + better) / 2
		if m.Better(w.truth(w.of(middle), m.Name()), asked) {
			better = middle
		} else {
			worse = middle
		}
	}
	return w.of(worse)
}

// gain returns by how much a contestant is truly better than the champion.
func (w world[C]) gain(m metric.Metric, c C) float64 {
	gain := w.truth(c, m.Name()) - w.truth(w.champion, m.Name())
	if m.HigherIsBetter() {
		return gain
	}
	return -gain
}

// each plays so many nights on all threads and returns what each came to. Every night has random
// numbers of its own, so that the result does not depend on the threads.
func each[T any](nights int, seed uint64, night func(random *rand.Rand, i int) T) []T {
	results := make([]T, nights)
	threads := runtime.GOMAXPROCS(0)
	var all sync.WaitGroup
	for thread := range threads {
		all.Go(func() {
			for i := thread; i < nights; i += threads {
				results[i] = night(rand.New(rand.NewPCG(seed, uint64(i)*0x9e3779b97f4a7c15)), i)
			}
		})
	}
	all.Wait()
	return results
}

// lookup returns metrics by name. The names are ours.
func lookup(names ...string) []metric.Metric {
	var all []metric.Metric
	for _, name := range names {
		m, ok := metric.Lookup(name)
		if !ok {
			panic("no metric " + name)
		}
		all = append(all, m)
	}
	return all
}

// weigh returns for each metric the evidence of every contestant.
func weigh(metrics []metric.Metric, y bakeoff.Labels, all []*bakeoff.Predictions) [][]*metric.Evidence {
	evidence := make([][]*metric.Evidence, len(metrics))
	for _, p := range all {
		own, errs := metric.WeighAll(metrics, y, p)
		for i, err := range errs {
			must(err)
			evidence[i] = append(evidence[i], own[i])
		}
	}
	return evidence
}

// must stops for an error that no night of ours can cause.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// share returns the share of the nights for which something holds.
func share[T any](nights []T, holds func(T) bool) float64 {
	n := 0
	for _, night := range nights {
		if holds(night) {
			n++
		}
	}
	return float64(n) / float64(len(nights))
}

// standardError returns that of a share of so many nights.
func standardError(share float64, nights int) float64 {
	return math.Sqrt(share * (1 - share) / float64(nights))
}
