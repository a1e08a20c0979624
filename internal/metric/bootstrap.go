package metric

import (
	"math/rand/v2"
	"runtime"
	"sync"

	"gonum.org/v1/gonum/stat/distuv"
)

// resamples is the number of resamples of a bootstrap.
const resamples = 1000

// statistic draws one resample and returns the metric of it, NaN where it is not defined.
type statistic func(random *rand.PCG) float64

// bootstrap returns the metric of each resample. Each has random numbers of its own, so that the
// result does not depend on how the work is shared. prepare is called once by each thread: what it
// allocates is that thread's alone.
func bootstrap(seed uint64, prepare func() statistic) []float64 {
	values := make([]float64, resamples)
	threads := min(runtime.GOMAXPROCS(0), resamples)
	var all sync.WaitGroup
	for thread := range threads {
		all.Go(func() {
			one := prepare()
			for i := thread; i < resamples; i += threads {
				values[i] = one(rand.NewPCG(seed, scatter(uint64(i))))
			}
		})
	}
	all.Wait()
	return values
}

// scatter maps neighbours to numbers far apart, by the last steps of SplitMix64: PCG streams whose
// seeds differ in a few bits only begin alike.
func scatter(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// draw draws as many rows as the cells have, with replacement, into drawn. The cells are
// multinomial, drawn one after the other as binomials of what is left: the cost depends on the cells
// and not on the rows.
func draw(cells, drawn []float64, random *rand.PCG) {
	rows := sum(cells)
	left := rows // of the rows to draw
	for i, n := range cells {
		k := binomial(left, n, rows, random)
		drawn[i] = k
		left -= k
		rows -= n
	}
}

// binomial draws the number of hits in so many trials that each hit with probability part/whole.
func binomial(trials, part, whole float64, random *rand.PCG) float64 {
	switch {
	case trials == 0 || part == 0:
		return 0
	case part >= whole:
		return trials
	}
	return distuv.Binomial{N: trials, P: part / whole, Src: random}.Rand()
}
