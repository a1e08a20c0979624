package metric

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/bakeoffhq/bakeoff"
)

// ranking is the rows of a holdout by falling score of one class. Rows of equal score form a tie.
type ranking struct {
	class int
	rows  []int32
	ends  []int32 // of each tie: the index after its last row
}

// newRanking ranks the rows by the probability of a class.
func newRanking(p *bakeoff.Predictions, class int) ranking {
	type scored struct {
		score float64
		row   int32
	}
	k := len(p.Classes)
	order := make([]scored, p.Len())
	for i := range order {
		order[i] = scored{p.Probabilities[i*k+class], int32(i)}
	}
	slices.SortFunc(order, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
	r := ranking{class: class, rows: make([]int32, len(order))}
	for i, o := range order {
		r.rows[i] = o.row
		if i+1 == len(order) || order[i+1].score != o.score {
			r.ends = append(r.ends, int32(i+1))
		}
	}
	return r
}

// ties calls visit for each tie, from the highest score to the lowest, with its rows.
func (r ranking) ties(visit func(rows []int32)) {
	start := int32(0)
	for _, end := range r.ends {
		visit(r.rows[start:end])
		start = end
	}
}

// rankings returns the rankings that a metric is the mean of: that of the positive class or, for
// more than two classes, one for each that has rows.
func rankings(y bakeoff.Labels, p *bakeoff.Predictions) []ranking {
	if len(y.Classes) == 2 {
		return []ranking{newRanking(p, 1)}
	}
	var all []ranking
	for class, n := range classSizes(y)[:len(y.Classes)] {
		if n > 0 {
			all = append(all, newRanking(p, class))
		}
	}
	return all
}

// unseenShare returns the share of the rows that are of unseen classes where they count as one
// more class: where there are more than two.
func unseenShare(y bakeoff.Labels) float64 {
	if len(y.Classes) == 2 {
		return 0
	}
	return classSizes(y)[len(y.Classes)] / float64(len(y.Codes))
}

// rocAUC is the probability that a row of a class has a higher score than one of another, equal
// scores counting half: the area under the receiver operating characteristic.
type rocAUC struct{}

func (m rocAUC) value(y bakeoff.Labels, p *bakeoff.Predictions) (float64, error) {
	if err := m.defined(y); err != nil {
		return 0, err
	}
	return meanArea(rankings(y, p), y), nil
}

// meanArea returns the mean of the areas of rankings, and of the unseen classes.
func meanArea(all []ranking, y bakeoff.Labels) float64 {
	total, n := 0.0, float64(len(all))
	for _, r := range all {
		total += r.area(y)
	}
	if unseenShare(y) > 0 {
		total += 0.5 // every model gives all rows the same score, zero
		n++
	}
	return total / n
}

// defined reports labels without a pair of rows to compare.
func (rocAUC) defined(y bakeoff.Labels) error {
	sizes := classSizes(y)
	if len(y.Classes) == 2 && sizes[1] == 0 {
		return errNoPositive
	}
	if slices.Max(sizes) == float64(len(y.Codes)) {
		return undefined("all of them are of one class")
	}
	return nil
}

// area returns the area under the curve of the ranking's class against the rest. All sums are
// halves of whole numbers, so that it does not depend on the order of tied rows.
func (r ranking) area(y bakeoff.Labels) float64 {
	positives, negatives, won := 0.0, 0.0, 0.0
	r.ties(func(rows []int32) {
		p, n := r.split(y, rows)
		won += n * (positives + p/2)
		positives += p
		negatives += n
	})
	return won / (positives * negatives)
}

// split counts the rows of the ranking's class and the others.
func (r ranking) split(y bakeoff.Labels, rows []int32) (positives, negatives float64) {
	for _, row := range rows {
		if int(y.Codes[row]) == r.class {
			positives++
		}
	}
	return positives, float64(len(rows)) - positives
}

// interval is that of E. R. DeLong, D. M. DeLong and D. L. Clarke-Pearson (Comparing the areas
// under two or more correlated receiver operating characteristic curves: a nonparametric approach,
// 1988), with the placements of the rows computed from ranks in O(n log n) as by X. Sun and W. Xu
// (Fast implementation of DeLong's algorithm, 2014). The mean over classes is treated in the same
// way: a row's influence on it is the sum of its influences on each class's area, and the rows of
// each class vary independently.
//
// The interval is symmetric on the logit scale, which keeps it inside [0,1] and covers better near
// 1 than the plain one (M. S. Pepe, The Statistical Evaluation of Medical Tests, 2003, section
// 5.2). Where the ranking is perfect DeLong's variance is zero; the interval is then Wilson's, with
// as many trials as the smallest class has rows, which is the cautious side.
func (m rocAUC) interval(y bakeoff.Labels, p *bakeoff.Predictions, confidence float64, _ uint64) ([2]float64, error) {
	if err := m.defined(y); err != nil {
		return [2]float64{}, err
	}
	all := rankings(y, p)
	area := meanArea(all, y)
	if area == 0 || area == 1 {
		return wilson(area, smallestClass(y), confidence), nil
	}
	deviation := math.Sqrt(areaVariance(all, y, area))
	z := distuv.UnitNormal.Quantile((1 + confidence) / 2)
	centre, half := math.Log(area/(1-area)), z*deviation/(area*(1-area))
	return [2]float64{logistic(centre - half), logistic(centre + half)}, nil
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// areaVariance returns the variance of the mean area of rankings: for each class, the number of its rows
// times the variance of their influence. A class with a single row has none to show; it is given
// area(1-area), the most that the share won by one row can vary.
func areaVariance(all []ranking, y bakeoff.Labels, area float64) float64 {
	curves := float64(len(all))
	if unseenShare(y) > 0 {
		curves++
	}
	influence := make([]float64, len(y.Codes))
	sizes := classSizes(y)
	for _, r := range all {
		r.addInfluence(influence, y, sizes[r.class], curves)
	}
	if len(y.Classes) == 2 { // every row that is not positive is negative
		y = bakeoff.Labels{Classes: y.Classes, Codes: seenAs(y.Codes, 0)}
		sizes = classSizes(y)
	}
	total := 0.0
	for class, squares := range squaredDeviations(influence, y) {
		switch n := sizes[class]; {
		case n == 1:
			total += area * (1 - area) / (curves * curves)
		case n > 1:
			total += squares * n / (n - 1)
		}
	}
	return total
}

// addInfluence adds what each row contributes to the area of this ranking, as a share of the mean
// over so many curves: for a row of the class the share of the others that it beats, for another
// the share of the class that beats it, each divided by the number of its kind.
func (r ranking) addInfluence(influence []float64, y bakeoff.Labels, size, curves float64) {
	others := float64(len(r.rows)) - size
	positives, negatives := 0.0, 0.0
	r.ties(func(rows []int32) {
		p, n := r.split(y, rows)
		beats := (others - negatives - n/2) / others
		beaten := (positives + p/2) / size
		for _, row := range rows {
			if int(y.Codes[row]) == r.class {
				influence[row] += beats / (size * curves)
			} else {
				influence[row] += beaten / (others * curves)
			}
		}
		positives += p
		negatives += n
	})
}

// squaredDeviations returns for each class, the unseen ones last, the sum of the squared distances
// of its rows' values from their mean.
func squaredDeviations(values []float64, y bakeoff.Labels) []float64 {
	k := len(y.Classes)
	sizes, means, squares := classSizes(y), make([]float64, k+1), make([]float64, k+1)
	for i, code := range y.Codes {
		c := stratum(code, k)
		means[c] += values[i] / sizes[c]
	}
	for i, code := range y.Codes {
		d := values[i] - means[stratum(code, k)]
		squares[stratum(code, k)] += d * d
	}
	return squares
}

// seenAs returns the codes with unseen classes replaced by a code.
func seenAs(codes []int32, code int32) []int32 {
	seen := slices.Clone(codes)
	for i, c := range seen {
		if c < 0 {
			seen[i] = code
		}
	}
	return seen
}

// smallestClass returns the number of rows of the class, among those with rows, that has fewest.
func smallestClass(y bakeoff.Labels) float64 {
	least := float64(len(y.Codes))
	for _, n := range classSizes(y) {
		if n > 0 {
			least = min(least, n)
		}
	}
	return least
}

// averagePrecision is the mean precision over the rows of a class, each taken at the score that
// just finds it: the sum over the ties of (recall gained) × (precision so far).
type averagePrecision struct{}

func (m averagePrecision) value(y bakeoff.Labels, p *bakeoff.Predictions) (float64, error) {
	if err := m.defined(y); err != nil {
		return 0, err
	}
	weights := make([]int32, len(y.Codes))
	for i := range weights {
		weights[i] = 1
	}
	return meanPrecision(rankings(y, p), y, weights), nil
}

// defined reports labels without a row to find.
func (averagePrecision) defined(y bakeoff.Labels) error {
	if len(y.Classes) == 2 && classSizes(y)[1] == 0 {
		return errNoPositive
	}
	return nil
}

func (m averagePrecision) interval(y bakeoff.Labels, p *bakeoff.Predictions, confidence float64, seed uint64) ([2]float64, error) {
	if err := m.defined(y); err != nil {
		return [2]float64{}, err
	}
	all, s := rankings(y, p), newStrata(y)
	codes := make([]int32, len(y.Codes)) // by place, as the weights are
	for row, place := range s.place {
		codes[place] = y.Codes[row]
	}
	for _, r := range all {
		for i, row := range r.rows {
			r.rows[i] = s.place[row]
		}
	}
	placed := bakeoff.Labels{Classes: y.Classes, Codes: codes}
	values := bootstrap(seed, func() statistic {
		weights := make([]int32, len(codes))
		return func(random *rand.PCG) float64 {
			s.draw(weights, random)
			return meanPrecision(all, placed, weights)
		}
	})
	return percentiles(values, confidence)
}

// meanPrecision returns the mean of the average precisions of rankings whose rows have weights, and
// of the unseen classes. The weights of each class sum to its number of rows.
func meanPrecision(all []ranking, y bakeoff.Labels, weights []int32) float64 {
	total, n := 0.0, float64(len(all))
	for _, r := range all {
		total += r.averagePrecision(y, weights)
	}
	if share := unseenShare(y); share > 0 {
		total += share
		n++
	}
	return total / n
}

func (r ranking) averagePrecision(y bakeoff.Labels, weights []int32) float64 {
	positives, found, area := int64(0), int64(0), 0.0
	r.ties(func(rows []int32) {
		gained := int64(0)
		for _, row := range rows {
			w := int64(weights[row])
			found += w
			if int(y.Codes[row]) == r.class {
				gained += w
			}
		}
		positives += gained
		if gained > 0 {
			area += float64(gained) * float64(positives) / float64(found)
		}
	})
	return area / float64(positives)
}
