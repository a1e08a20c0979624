package metric

import (
	"math"
	"slices"

	"github.com/bakeoffhq/bakeoff"
)

// unseenShare returns the share of the rows that are of unseen classes where they count as one
// more class: where there are more than two.
func unseenShare(y bakeoff.Labels) float64 {
	if len(y.Classes) == 2 {
		return 0
	}
	return classSizes(y)[len(y.Classes)] / float64(len(y.Codes))
}

// ranked is a measure of how well the rows of a class are ranked before the others: an area under a
// curve, or the mean of such areas over the classes.
type ranked struct {
	// area returns the area of one class against the rest.
	area func(r ranking) float64
	// influences adds to each row's influence the derivative of that area by the row's weight, times
	// the scale and but for a constant within each class, which constants returns for the class and
	// for the others. Together they sum to zero: twice the weight of every row changes nothing.
	influences func(r ranking, y bakeoff.Labels, scale float64, into []float64)
	constants  func(r ranking, area float64) (own, other float64)
	// unseen adds the curve of the unseen classes, which every model ranks as one tie and which are
	// so large a share of the rows.
	unseen func(share float64, to *areas)
	// defined reports labels for which there is no area.
	defined func(y bakeoff.Labels) error
}

// areas is the evidence of a ranked metric.
type areas struct {
	y         bakeoff.Labels
	curves    float64   // whose areas are averaged
	area      float64   // the metric
	influence []float64 // of each row: the derivative of the metric by its weight
	constants []float64 // of each class, the unseen ones last: to be added to those of its rows
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
		a.areas[m] = &areas{
			y: a.y, curves: curves,
			influence: make([]float64, len(a.y.Codes)), constants: make([]float64, len(a.y.Classes)+1),
		}
	}
	for _, class := range classes {
		r := newRanking(a.y, a.p, class)
		for m, to := range a.areas {
			to.add(m, r)
		}
	}
	for m, to := range a.areas {
		if unseen > 0 {
			m.unseen(unseen, to)
		}
	}
}

// add adds a curve.
func (a *areas) add(m *ranked, r ranking) {
	area := m.area(r)
	a.area += area / a.curves
	m.influences(r, a.y, 1/a.curves, a.influence)
	own, other := m.constants(r, area)
	for class := range a.constants {
		if class == r.class {
			a.constants[class] += own / a.curves
		} else {
			a.constants[class] += other / a.curves
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
// scores, the 95 % interval held a true roc_auc of 0.961 in 94.4 % against 88.2 % for the plain one.
//
// Where the ranking is perfect the variance is zero; the interval is then Wilson's, with as many
// trials as the smallest class has rows, which is the cautious side.
func (a *areas) interval(confidence float64, _ uint64) ([2]float64, error) {
	if a.area <= 0 || a.area >= 1 {
		return wilson(a.area, smallestClass(a.y), confidence), nil
	}
	v := a.variance(a.influence, a.constants, ofOneRow(a.area))
	z := normal((1 + confidence) / 2)
	centre, half := math.Log(a.area/(1-a.area)), z*math.Sqrt(v.total)/(a.area*(1-a.area))
	return [2]float64{logistic(centre - half), logistic(centre + half)}, nil
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// ofOneRow is the most that a share can vary if it is won by one row.
func ofOneRow(share float64) float64 { return share * (1 - share) }

// compare tests the difference of the areas by the variance of the difference of each row's
// influences on the two, which is what the covariances of DeLong, DeLong and Clarke-Pearson come to.
func (a *areas) compare(reference weighed, confidence float64, _ uint64) (Comparison, error) {
	r := reference.(*areas)
	c := Comparison{Test: TestDeLong, Gain: a.area - r.area, P: 1}
	gains, constants := minus(a.influence, r.influence), minus(a.constants, r.constants)
	differing := a.differing(gains)
	if differing == 0 {
		return c, nil
	}
	v := a.variance(gains, constants, ofOneRow(a.area)+ofOneRow(r.area))
	c.Deviation = math.Sqrt(v.total)
	if v.blind {
		c.Interval = [2]float64{-1, 1}
		return c, nil
	}
	half := v.quantile((1 + confidence) / 2)
	c.Interval = [2]float64{max(-1, c.Gain-half), min(1, c.Gain+half)}
	c.P = v.above(c.Gain)
	return c.atLeast(differing), nil
}

func minus(a, b []float64) []float64 {
	differences := make([]float64, len(a))
	for i, v := range a {
		differences[i] = v - b[i]
	}
	return differences
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

// rocAUC is the area under the receiver operating characteristic: the probability that a row of
// the class has a higher score than another, equal scores counting half.
var rocAUC = ranked{
	area:       rocArea,
	influences: rocInfluences,
	constants:  rocConstants,
	unseen:     func(_ float64, to *areas) { to.area += 0.5 / to.curves },
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
func rocArea(r ranking) float64 {
	above, won := 0.0, 0.0
	r.ties(func(t tie) {
		won += t.negatives * (above + t.positives/2)
		above += t.positives
	})
	positives, negatives := r.totals()
	return won / (positives * negatives)
}

// rocInfluences are the placements: for a row of the class the share of the others that it beats,
// for another the share of the class that beats it, each divided by the number of its kind.
func rocInfluences(r ranking, y bakeoff.Labels, scale float64, into []float64) {
	positives, negatives := r.totals()
	above, below := 0.0, negatives
	r.ties(func(t tie) {
		beats := (below - t.negatives/2) / negatives
		beaten := (above + t.positives/2) / positives
		own, other := scale*beats/positives, scale*beaten/negatives
		for _, row := range t.rows {
			if int(y.Codes[row]) == r.class {
				into[row] += own
			} else {
				into[row] += other
			}
		}
		above += t.positives
		below -= t.negatives
	})
}

func rocConstants(r ranking, area float64) (own, other float64) {
	positives, negatives := r.totals()
	return -area / positives, -area / negatives
}

// averagePrecision is the mean precision over the rows of the class, each taken at the score that
// just finds it: the sum over the ties of (recall gained) × (precision so far).
var averagePrecision = ranked{
	area:       precisionArea,
	influences: precisionInfluences,
	constants:  precisionConstants,
	unseen:     unseenPrecision,
	defined: func(y bakeoff.Labels) error {
		if len(y.Classes) == 2 && classSizes(y)[1] == 0 {
			return errNoPositive
		}
		return nil
	},
}

func precisionArea(r ranking) float64 {
	above, rows, area := 0.0, 0.0, 0.0
	r.ties(func(t tie) {
		above += t.positives
		rows += float64(len(t.rows))
		area += t.positives * above / rows
	})
	return area / above
}

// precisionInfluences follow from the sum that is the area, by the weights of its rows: a row of
// the class adds its own precision, and raises the precision of every row of the class at or below
// it; another row lowers that.
func precisionInfluences(r ranking, y bakeoff.Labels, scale float64, into []float64) {
	above, _ := r.totals()
	rows := float64(len(r.rows))
	scale /= above
	raised, lowered := 0.0, 0.0
	r.tiesUpwards(func(t tie) {
		precision := above / rows
		raised += t.positives * (1 - precision) / rows
		lowered += t.positives * precision / rows
		own, other := scale*(precision+raised), -scale*lowered
		for _, row := range t.rows {
			if int(y.Codes[row]) == r.class {
				into[row] += own
			} else {
				into[row] += other
			}
		}
		above -= t.positives
		rows -= float64(len(t.rows))
	})
}

func precisionConstants(r ranking, area float64) (own, other float64) {
	positives, _ := r.totals()
	return -area / positives, 0
}

// unseenPrecision adds the precision of taking every row for one of an unseen class: their share.
func unseenPrecision(share float64, to *areas) {
	to.area += share / to.curves
	scale := 1 / to.curves / float64(len(to.influence))
	for class := range to.constants {
		to.constants[class] -= scale * share
	}
	to.constants[len(to.constants)-1] += scale
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
