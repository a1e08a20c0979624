package metric

import (
	"cmp"
	"math"
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

// tiesUpwards calls visit for each tie, from the lowest score to the highest.
func (r ranking) tiesUpwards(visit func(rows []int32)) {
	for i := len(r.ends) - 1; i > 0; i-- {
		visit(r.rows[r.ends[i-1]:r.ends[i]])
	}
	visit(r.rows[:r.ends[0]])
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

// split counts the rows of the ranking's class and the others.
func (r ranking) split(y bakeoff.Labels, rows []int32) (positives, negatives float64) {
	for _, row := range rows {
		if int(y.Codes[row]) == r.class {
			positives++
		}
	}
	return positives, float64(len(rows)) - positives
}

// ranked is a measure of how well the rows of a class are ranked before the others: an area under a
// curve, or the mean of such areas over the classes.
type ranked struct {
	// area returns the area of one class against the rest.
	area func(r ranking, y bakeoff.Labels) float64
	// influences adds to each row's influence the derivative of that area by the row's weight, times
	// the scale. Within a class it may be off by a constant.
	influences func(r ranking, y bakeoff.Labels, scale float64, into []float64)
	// unseen returns the area of the unseen classes, which every model ranks as one tie, from their
	// share of the rows.
	unseen func(share float64) float64
	// defined reports labels for which there is no area.
	defined func(y bakeoff.Labels) error
}

func (m ranked) value(y bakeoff.Labels, p *bakeoff.Predictions) (float64, error) {
	if err := m.defined(y); err != nil {
		return 0, err
	}
	return m.meanArea(rankings(y, p), y), nil
}

func (m ranked) meanArea(all []ranking, y bakeoff.Labels) float64 {
	total := 0.0
	for _, r := range all {
		total += m.area(r, y)
	}
	if share := unseenShare(y); share > 0 {
		total += m.unseen(share)
	}
	return total / curves(all, y)
}

// curves returns the number of curves whose areas are averaged.
func curves(all []ranking, y bakeoff.Labels) float64 {
	if unseenShare(y) > 0 {
		return float64(len(all) + 1)
	}
	return float64(len(all))
}

// interval is symmetric on the logit scale, which keeps it inside [0,1] and covers better near 1
// than the plain one (M. S. Pepe, The Statistical Evaluation of Medical Tests, 2003, section 5.2; K.
// Boyd, K. H. Eng and C. D. Page, Area under the precision-recall curve: point estimates and
// confidence intervals, 2013). Of 2,000 simulated holdouts with 30 positive and 100 negative normal
// scores, the 95 % interval held a true roc_auc of 0.961 in 94.4 % against 88.2 % for the plain one,
// and a true average_precision of 0.901 in 94.5 % against 87.6 %.
//
// Where the ranking is perfect the variance is zero; the interval is then Wilson's, with as many
// trials as the smallest class has rows, which is the cautious side.
func (m ranked) interval(y bakeoff.Labels, p *bakeoff.Predictions, confidence float64, _ uint64) ([2]float64, error) {
	if err := m.defined(y); err != nil {
		return [2]float64{}, err
	}
	all := rankings(y, p)
	area := m.meanArea(all, y)
	if area <= 0 || area >= 1 {
		return wilson(area, smallestClass(y), confidence), nil
	}
	deviation := math.Sqrt(m.variance(all, y, area))
	z := distuv.UnitNormal.Quantile((1 + confidence) / 2)
	centre, half := math.Log(area/(1-area)), z*deviation/(area*(1-area))
	return [2]float64{logistic(centre - half), logistic(centre + half)}, nil
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// variance returns the variance of the mean area when the rows of each class vary independently:
// for each class, the number of its rows times the variance of their influence. A class with a
// single row has none to show; it is given area(1-area), the most that the share won by one row can
// vary.
//
// For roc_auc and two classes it is the variance of E. R. DeLong, D. M. DeLong and D. L.
// Clarke-Pearson (Comparing the areas under two or more correlated receiver operating
// characteristic curves: a nonparametric approach, 1988), its placements computed from ranks in
// O(n log n) as by X. Sun and W. Xu (Fast implementation of DeLong's algorithm, 2014). In general
// it is the infinitesimal jackknife of L. A. Jaeckel (1972), of which that is the case.
func (m ranked) variance(all []ranking, y bakeoff.Labels, area float64) float64 {
	n := curves(all, y)
	influence := make([]float64, len(y.Codes))
	for _, r := range all {
		m.influences(r, y, 1/n, influence)
	}
	if len(y.Classes) == 2 { // every row that is not positive is negative
		y = bakeoff.Labels{Classes: y.Classes, Codes: seenAs(y.Codes, 0)}
	}
	total, sizes := 0.0, classSizes(y)
	for class, squares := range squaredDeviations(influence, y) {
		switch rows := sizes[class]; {
		case rows == 1:
			total += area * (1 - area) / (n * n)
		case rows > 1:
			total += squares * rows / (rows - 1)
		}
	}
	return total
}

// rocAUC is the area under the receiver operating characteristic: the probability that a row of
// the class has a higher score than another, equal scores counting half.
var rocAUC = ranked{
	area:       rocArea,
	influences: rocInfluences,
	unseen:     func(float64) float64 { return 0.5 },
	defined: func(y bakeoff.Labels) error {
		sizes := classSizes(y)
		if len(y.Classes) == 2 && sizes[1] == 0 {
			return errNoPositive
		}
		if slices.Max(sizes) == float64(len(y.Codes)) {
			return undefined("all of them are of one class")
		}
		return nil
	},
}

// rocArea sums halves of whole numbers, so that it does not depend on the order of tied rows.
func rocArea(r ranking, y bakeoff.Labels) float64 {
	positives, negatives, won := 0.0, 0.0, 0.0
	r.ties(func(rows []int32) {
		p, n := r.split(y, rows)
		won += n * (positives + p/2)
		positives += p
		negatives += n
	})
	return won / (positives * negatives)
}

// rocInfluences are the placements: for a row of the class the share of the others that it beats,
// for another the share of the class that beats it, each divided by the number of its kind.
func rocInfluences(r ranking, y bakeoff.Labels, scale float64, into []float64) {
	size, others := r.split(y, r.rows)
	positives, negatives := 0.0, 0.0
	r.ties(func(rows []int32) {
		p, n := r.split(y, rows)
		beats := (others - negatives - n/2) / others
		beaten := (positives + p/2) / size
		for _, row := range rows {
			if int(y.Codes[row]) == r.class {
				into[row] += scale * beats / size
			} else {
				into[row] += scale * beaten / others
			}
		}
		positives += p
		negatives += n
	})
}

// averagePrecision is the mean precision over the rows of the class, each taken at the score that
// just finds it: the sum over the ties of (recall gained) × (precision so far).
var averagePrecision = ranked{
	area:       precisionArea,
	influences: precisionInfluences,
	unseen:     func(share float64) float64 { return share },
	defined: func(y bakeoff.Labels) error {
		if len(y.Classes) == 2 && classSizes(y)[1] == 0 {
			return errNoPositive
		}
		return nil
	},
}

func precisionArea(r ranking, y bakeoff.Labels) float64 {
	positives, found, area := 0.0, 0.0, 0.0
	r.ties(func(rows []int32) {
		gained, _ := r.split(y, rows)
		positives += gained
		found += float64(len(rows))
		area += gained * positives / found
	})
	return area / positives
}

// precisionInfluences follow from the sum that is the area, by the weights of its rows: a row of
// the class adds its own precision, and raises the precision of every row of the class at or below
// it; another row lowers that.
func precisionInfluences(r ranking, y bakeoff.Labels, scale float64, into []float64) {
	positives, _ := r.split(y, r.rows)
	scale /= positives
	found := float64(len(r.rows))
	raised, lowered := 0.0, 0.0
	r.tiesUpwards(func(rows []int32) {
		gained, _ := r.split(y, rows)
		precision := positives / found
		raised += gained * (1 - precision) / found
		lowered += gained * precision / found
		for _, row := range rows {
			if int(y.Codes[row]) == r.class {
				into[row] += scale * (precision + raised)
			} else {
				into[row] -= scale * lowered
			}
		}
		positives -= gained
		found -= float64(len(rows))
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
