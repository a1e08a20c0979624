package metric

import (
	"math/bits"
	"math/rand/v2"
	"runtime"
	"sync"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/bakeoffhq/bakeoff"
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

// strata are the groups of rows that are resampled apart: the classes, or all rows for Regression.
// Each row has a place, and the places of a group are consecutive.
type strata struct {
	place []int32 // by row
	ends  []int   // of each group: the place after its last
}

func newStrata(y bakeoff.Labels) strata {
	s := strata{place: make([]int32, y.Len())}
	if len(y.Classes) == 0 {
		for i := range s.place {
			s.place[i] = int32(i)
		}
		s.ends = []int{len(s.place)}
		return s
	}
	next, end := make([]int32, 0, len(y.Classes)+1), 0
	for _, n := range classSizes(y) {
		next = append(next, int32(end))
		end += int(n)
		s.ends = append(s.ends, end)
	}
	for row, code := range y.Codes {
		group := stratum(code, len(y.Classes))
		s.place[row] = next[group]
		next[group]++
	}
	return s
}

// draw sets the weight of each place to the number of times that it is drawn when as many are
// drawn from each group, with replacement, as it has.
func (s strata) draw(weights []int32, random *rand.PCG) {
	clear(weights)
	start := 0
	for _, end := range s.ends {
		group := weights[start:end]
		for range group {
			i, _ := bits.Mul64(random.Uint64(), uint64(len(group)))
			group[i]++
		}
		start = end
	}
}

// resample draws as many rows of each class as c has, with replacement, and counts them in drawn.
// The cells of a class are multinomial, drawn one after the other as binomials of what is left: the
// cost depends on the classes and not on the rows.
func (c *confusion) resample(drawn *confusion, random *rand.PCG) {
	for class := range c.classes + 1 {
		cells := c.row(class)
		rows := sum(cells)
		left := rows // of the rows to draw
		for i, n := range cells {
			k := binomial(left, n, rows, random)
			drawn.row(class)[i] = k
			left -= k
			rows -= n
		}
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
