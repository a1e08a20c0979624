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

// sample is the rows of a mean, prepared for many resamples: within each class, or among all rows
// for Regression, rows are put together into groups that are drawn as one.
//
// Up to maxGroups rows a class a group is one row. Beyond, a group is some rows far apart: since
// rows of a class are exchangeable, drawing groups gives the mean the same variance as drawing
// rows, and the cost of a resample stays bounded. So many groups tell the width of the interval to
// half a percent, which is less than the noise of the resampling.
type sample struct {
	width int
	sums  []float64 // of each group: the number of its rows, then the sum of each of their terms
	ends  []int     // of each class: the index after its last group
}

const maxGroups = 1 << 14

// newSample groups rows with so many terms each, row-major.
func newSample(y bakeoff.Labels, terms []float64, width int) *sample {
	s := &sample{width: width + 1}
	sizes := []float64{float64(len(y.Values))}
	if len(y.Classes) > 0 {
		sizes = classSizes(y)
	}
	first, seen := make([]int, len(sizes)), make([]int, len(sizes))
	end := 0
	for class, n := range sizes {
		first[class] = end
		end += min(int(n), maxGroups)
		s.ends = append(s.ends, end)
	}
	s.sums = make([]float64, end*s.width)
	for row := range y.Len() {
		class := 0
		if len(y.Classes) > 0 {
			class = stratum(y.Codes[row], len(y.Classes))
		}
		group := s.sums[(first[class]+seen[class]%maxGroups)*s.width:]
		seen[class]++
		group[0]++
		for i, v := range terms[row*width : (row+1)*width] {
			group[i+1] += v
		}
	}
	return s
}

// draw draws as many groups of each class as it has, with replacement, and sets means to the mean
// of each term over their rows.
func (s *sample) draw(means []float64, random *rand.PCG) {
	clear(means)
	rows, start := 0.0, 0
	for _, end := range s.ends {
		for range end - start {
			i, _ := bits.Mul64(random.Uint64(), uint64(end-start))
			group := s.sums[(start+int(i))*s.width:][:s.width]
			rows += group[0]
			for j, v := range group[1:] {
				means[j] += v
			}
		}
		start = end
	}
	for i := range means {
		means[i] /= rows
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
