package metric

import (
	"cmp"
	"math"
	"slices"

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
	// the scale. They sum to zero: twice the weight of every row changes nothing.
	influences func(r ranking, y bakeoff.Labels, area, scale float64, into []float64)
	// unseen returns the area of the unseen classes, which every model ranks as one tie, from their
	// share of the rows, and adds its influences as above.
	unseen func(share float64, y bakeoff.Labels, scale float64, into []float64) float64
	// defined reports labels for which there is no area.
	defined func(y bakeoff.Labels) error
}

// areas is the evidence of a ranked metric.
type areas struct {
	y         bakeoff.Labels
	curves    float64   // whose areas are averaged
	area      float64   // the metric
	influence []float64 // of each row: the derivative of the metric by its weight
}

func (m *ranked) weigh(a *answers) (weighed, error) {
	if err := m.defined(a.y); err != nil {
		return nil, err
	}
	if a.areas == nil {
		a.rank()
	}
	return a.areas[m], nil
}

// rank ranks the rows by each class that counts and has every ranked metric asked for look at it.
func (a *answers) rank() {
	classes := rankedClasses(a.y)
	unseen := unseenShare(a.y)
	curves := float64(len(classes))
	if unseen > 0 {
		curves++
	}
	a.areas = map[*ranked]*areas{}
	for _, m := range a.ranked {
		a.areas[m] = &areas{y: a.y, curves: curves, influence: make([]float64, len(a.y.Codes))}
	}
	for _, class := range classes {
		r := newRanking(a.p, class)
		for m, to := range a.areas {
			area := m.area(r, a.y)
			m.influences(r, a.y, area, 1/curves, to.influence)
			to.area += area / curves
		}
	}
	if unseen > 0 {
		for m, to := range a.areas {
			to.area += m.unseen(unseen, a.y, 1/curves, to.influence) / curves
		}
	}
}

// rankedClasses returns the classes that have a curve: the positive class or, for more than two
// classes, each that has rows.
func rankedClasses(y bakeoff.Labels) []int {
	if len(y.Classes) == 2 {
		return []int{1}
	}
	var classes []int
	for class, n := range classSizes(y)[:len(y.Classes)] {
		if n > 0 {
			classes = append(classes, class)
		}
	}
	return classes
}

func (a *areas) value() float64 { return a.area }

// interval is symmetric on the logit scale, which keeps it inside [0,1] and covers better near 1
// than the plain one (M. S. Pepe, The Statistical Evaluation of Medical Tests, 2003, section 5.2; K.
// Boyd, K. H. Eng and C. D. Page, Area under the precision-recall curve: point estimates and
// confidence intervals, 2013). Of 2,000 simulated holdouts with 30 positive and 100 negative normal
// scores, the 95 % interval held a true roc_auc of 0.961 in 94.4 % against 88.2 % for the plain one,
// and a true average_precision of 0.901 in 94.5 % against 87.6 %.
//
// Where the ranking is perfect the variance is zero; the interval is then Wilson's, with as many
// trials as the smallest class has rows, which is the cautious side.
func (a *areas) interval(confidence float64, _ uint64) ([2]float64, error) {
	if a.area <= 0 || a.area >= 1 {
		return wilson(a.area, smallestClass(a.y), confidence), nil
	}
	v := a.variance(a.influence)
	z := normal((1 + confidence) / 2)
	centre, half := math.Log(a.area/(1-a.area)), z*math.Sqrt(v.total)/(a.area*(1-a.area))
	return [2]float64{logistic(centre - half), logistic(centre + half)}, nil
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// compare tests the difference of the areas by the variance of the difference of each row's
// influences on the two, which is what the covariances of DeLong, DeLong and Clarke-Pearson come to.
func (a *areas) compare(reference weighed, confidence float64, _ uint64) (Comparison, error) {
	r := reference.(*areas)
	gains := make([]float64, len(a.influence))
	for i, v := range a.influence {
		gains[i] = v - r.influence[i]
	}
	v := a.variance(gains)
	c := Comparison{Test: TestDeLong, Gain: a.area - r.area, P: 1, Deviation: math.Sqrt(v.total)}
	half := 0.0
	if c.Deviation > 0 {
		half = studentQuantile((1+confidence)/2, v.freedom()) * c.Deviation
	}
	c.Interval = [2]float64{max(-1, c.Gain-half), min(1, c.Gain+half)}
	switch {
	case v.blind:
		c.Interval = [2]float64{-1, 1}
	case c.Deviation > 0:
		c.P = studentSurvival(c.Gain/c.Deviation, v.freedom())
	case c.Gain > 0:
		c.P = 0
	}
	return c.atLeast(a.differing(gains)), nil
}

// differing returns how many rows the two rank differently: for two classes of that class which has
// fewer, since one row that passes many is still one.
func (a *areas) differing(gains []float64) int {
	rows := make([]int, len(a.y.Classes)+1)
	for i, v := range gains {
		if v != 0 {
			rows[stratum(a.y.Codes[i], len(a.y.Classes))]++
		}
	}
	if len(a.y.Classes) == 2 {
		return min(rows[0]+rows[2], rows[1])
	}
	total := 0
	for _, n := range rows {
		total += n
	}
	return total
}

// variance is a variance as a sum of independent estimates of its parts.
type variance struct {
	total   float64
	squares float64 // of the parts, each divided by its degrees of freedom
	blind   bool    // one of two classes has a single row: nothing can be told
}

func (v *variance) add(part, freedom float64) {
	v.total += part
	v.squares += part * part / freedom
}

// freedom returns the degrees of freedom of the whole (F. E. Satterthwaite, An approximate
// distribution of estimates of variance components, 1946; B. L. Welch, The generalization of
// 'Student's' problem when several different population variances are involved, 1947).
func (v variance) freedom() float64 { return max(1, v.total*v.total/v.squares) }

// variance returns the variance of a metric, or of a difference of two, from the influence of each
// row, if the rows are a random sample: for each class, the number of its rows times the variance of
// their influence, and beside that what the random sizes of the classes add. A class with a single
// row has no variance to show; it is given area(1-area), the most that the share won by one row can
// vary.
//
// For roc_auc and two classes, where the sizes of the classes add nothing, it is the variance of E.
// R. DeLong, D. M. DeLong and D. L. Clarke-Pearson (Comparing the areas under two or more correlated
// receiver operating characteristic curves: a nonparametric approach, 1988), its placements computed
// from ranks in O(n log n) as by X. Sun and W. Xu (Fast implementation of DeLong's algorithm, 2014).
// In general it is the infinitesimal jackknife of L. A. Jaeckel (1972), of which that is the case.
func (a *areas) variance(influence []float64) variance {
	y := a.y
	if len(y.Classes) == 2 { // every row that is not positive is negative
		y = bakeoff.Labels{Classes: y.Classes, Codes: seenAs(y.Codes, 0)}
	}
	v := variance{}
	between := 0.0
	means, squares := deviationsOf(influence, y)
	for class, rows := range classSizes(y) {
		between += rows * means[class] * means[class]
		switch {
		case rows == 1:
			v.blind = len(y.Classes) == 2
			v.add(a.area*(1-a.area)/(a.curves*a.curves), 1)
		case rows > 1:
			v.add(squares[class]*rows/(rows-1), rows-1)
		}
	}
	if n := float64(len(influence)); n > 1 {
		v.add(between, n-1)
	}
	return v
}

// rocAUC is the area under the receiver operating characteristic: the probability that a row of
// the class has a higher score than another, equal scores counting half.
var rocAUC = ranked{
	area:       rocArea,
	influences: rocInfluences,
	unseen:     func(float64, bakeoff.Labels, float64, []float64) float64 { return 0.5 },
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
// for another the share of the class that beats it, each less the area and divided by the number of
// its kind.
func rocInfluences(r ranking, y bakeoff.Labels, area, scale float64, into []float64) {
	size, others := r.split(y, r.rows)
	positives, negatives := 0.0, 0.0
	r.ties(func(rows []int32) {
		p, n := r.split(y, rows)
		beats := (others - negatives - n/2) / others
		beaten := (positives + p/2) / size
		for _, row := range rows {
			if int(y.Codes[row]) == r.class {
				into[row] += scale * (beats - area) / size
			} else {
				into[row] += scale * (beaten - area) / others
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
	unseen:     unseenPrecision,
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
func precisionInfluences(r ranking, y bakeoff.Labels, area, scale float64, into []float64) {
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
				into[row] += scale * (precision + raised - area)
			} else {
				into[row] -= scale * lowered
			}
		}
		positives -= gained
		found -= float64(len(rows))
	})
}

// unseenPrecision is the precision of taking every row for one of an unseen class.
func unseenPrecision(share float64, y bakeoff.Labels, scale float64, into []float64) float64 {
	n := float64(len(y.Codes))
	for row, code := range y.Codes {
		own := 0.0
		if code < 0 {
			own = 1
		}
		into[row] += scale * (own - share) / n
	}
	return share
}

// deviationsOf returns for each class, the unseen ones last, the mean of its rows' values and the
// sum of their squared distances from it.
func deviationsOf(values []float64, y bakeoff.Labels) (means, squares []float64) {
	k := len(y.Classes)
	means, squares = make([]float64, k+1), make([]float64, k+1)
	sizes := classSizes(y)
	for i, code := range y.Codes {
		c := stratum(code, k)
		means[c] += values[i] / sizes[c]
	}
	for i, code := range y.Codes {
		c := stratum(code, k)
		squares[c] += (values[i] - means[c]) * (values[i] - means[c])
	}
	return means, squares
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
