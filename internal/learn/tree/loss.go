package tree

import (
	"math"
	"math/bits"
)

// moment is the sum over some rows of their first and second derivatives, as integers, and their
// number: a sum of moments is exact, whatever the order of its terms.
type moment struct {
	g  int64 // first derivatives, in units of unit.g
	hn int64 // second derivatives in units of unit.h, times 1<<unit.shift, plus the number of rows
}

func (m moment) plus(o moment) moment  { return moment{m.g + o.g, m.hn + o.hn} }
func (m moment) minus(o moment) moment { return moment{m.g - o.g, m.hn - o.hn} }

// unit says what the integers of a moment stand for.
type unit struct {
	g, h  float64
	shift uint
}

func (u unit) first(m moment) float64  { return float64(m.g) * u.g }
func (u unit) second(m moment) float64 { return float64(m.hn>>u.shift) * u.h }
func (u unit) rows(m moment) int64     { return m.hn & (1<<u.shift - 1) }

// newUnit returns the finest units in which the sums over the rows cannot overflow, for
// derivatives of at most topG and topH. A float64 has 53 bits; 40 leave none of them unused.
func newUnit(rows int, topG, topH float64) unit {
	shift := bits.Len(uint(rows))
	g, h := min(40, 62-shift), min(40, 62-2*shift)
	u := unit{g: 1, h: math.Ldexp(topH, -h), shift: uint(shift)}
	if topG > 0 {
		u.g = math.Ldexp(topG, -g)
	}
	return u
}

// quantiser turns derivatives into moments.
type quantiser struct {
	g, h  float64
	shift uint
}

func (u unit) quantiser() quantiser { return quantiser{1 / u.g, 1 / u.h, u.shift} }

func (q quantiser) moment(g, h float64) moment {
	return moment{int64(math.RoundToEven(g * q.g)), int64(math.RoundToEven(h*q.h))<<q.shift | 1}
}

// loss is what boosting minimises: the current scores of all rows and their derivatives.
type loss interface {
	// start returns the score that each output starts from.
	start() []float64
	// scores returns the current scores of output k by row.
	scores(k int) []float64
	// prepare computes what the outputs share in a round.
	prepare(rows []int32, threads int)
	// derivatives writes the moments of the rows for output k and returns their unit.
	derivatives(k int, rows []int32, moments []moment, threads int) unit
	// mean returns the mean loss over the rows.
	mean(rows []int32) float64
}

// newLoss returns the loss of the task with its scores at the start, which is the best constant
// for the training rows.
func newLoss(t target, train []int32, rows int) loss {
	switch t.classes {
	case 0:
		return newSquared(t, train, rows)
	case 2:
		return newLogistic(t, train, rows)
	}
	return newSoftmax(t, train, rows)
}

// classShares returns the share of each class in the rows; a class without rows counts as half a row.
func classShares(t target, rows []int32) []float64 {
	shares := make([]float64, t.classes)
	for _, row := range rows {
		shares[t.codes[row]]++
	}
	for k := range shares {
		shares[k] = max(shares[k], 0.5) / float64(len(rows))
	}
	return shares
}

func constant(value float64, n int) []float64 {
	s := make([]float64, n)
	for i := range s {
		s[i] = value
	}
	return s
}

// squared is half the squared error.
type squared struct {
	values, score []float64
	first         float64
}

func newSquared(t target, train []int32, rows int) *squared {
	mean := 0.0
	for i, row := range train {
		mean += (t.values[row] - mean) / float64(i+1) // cannot overflow
	}
	return &squared{t.values, constant(mean, rows), mean}
}

func (l *squared) start() []float64     { return []float64{l.first} }
func (l *squared) scores(int) []float64 { return l.score }
func (l *squared) prepare([]int32, int) {}

func (l *squared) derivatives(_ int, rows []int32, moments []moment, threads int) unit {
	tops := make([]float64, max(1, threads))
	inBlocks(threads, len(rows), func(worker, lo, hi int) {
		for _, row := range rows[lo:hi] {
			tops[worker] = max(tops[worker], math.Abs(l.score[row]-l.values[row]))
		}
	})
	top := 0.0
	for _, t := range tops {
		top = max(top, t)
	}
	u := newUnit(len(rows), top, 1)
	q := u.quantiser()
	inBlocks(threads, len(rows), func(_, lo, hi int) {
		for _, row := range rows[lo:hi] {
			moments[row] = q.moment(l.score[row]-l.values[row], 1)
		}
	})
	return u
}

func (l *squared) mean(rows []int32) float64 {
	var sum float64
	for _, row := range rows {
		e := l.score[row] - l.values[row]
		sum += e * e / 2
	}
	return sum / float64(len(rows))
}

// logistic is the negative log-likelihood of two classes; the score is the log-odds of the second.
type logistic struct {
	codes []int32
	score []float64
	first float64
}

func newLogistic(t target, train []int32, rows int) *logistic {
	shares := classShares(t, train)
	first := math.Log(shares[1] / shares[0])
	return &logistic{t.codes, constant(first, rows), first}
}

func (l *logistic) start() []float64     { return []float64{l.first} }
func (l *logistic) scores(int) []float64 { return l.score }
func (l *logistic) prepare([]int32, int) {}

func (l *logistic) derivatives(_ int, rows []int32, moments []moment, threads int) unit {
	u := newUnit(len(rows), 1, 0.25)
	q := u.quantiser()
	inBlocks(threads, len(rows), func(_, lo, hi int) {
		for _, row := range rows[lo:hi] {
			p := sigmoid(l.score[row])
			moments[row] = q.moment(p-float64(l.codes[row]), p*(1-p))
		}
	})
	return u
}

func (l *logistic) mean(rows []int32) float64 {
	var sum float64
	for _, row := range rows {
		margin := l.score[row]
		if l.codes[row] == 1 {
			margin = -margin
		}
		sum += max(margin, 0) + math.Log1p(math.Exp(-math.Abs(margin)))
	}
	return sum / float64(len(rows))
}

// multinomial is the negative log-likelihood of several classes, a score each.
type multinomial struct {
	codes []int32
	score [][]float64 // by class, then by row
	parts [][]float64 // the probabilities, likewise
	first []float64
}

func newSoftmax(t target, train []int32, rows int) *multinomial {
	l := &multinomial{codes: t.codes}
	for _, share := range classShares(t, train) {
		first := math.Log(share)
		l.first = append(l.first, first)
		l.score = append(l.score, constant(first, rows))
		l.parts = append(l.parts, make([]float64, rows))
	}
	return l
}

func (l *multinomial) start() []float64       { return l.first }
func (l *multinomial) scores(k int) []float64 { return l.score[k] }

func (l *multinomial) prepare(rows []int32, threads int) {
	inBlocks(threads, len(rows), func(_, lo, hi int) {
		scores := make([]float64, len(l.first))
		parts := make([]float64, len(l.first))
		for _, row := range rows[lo:hi] {
			for k := range scores {
				scores[k] = l.score[k][row]
			}
			softmax(scores, parts)
			for k := range parts {
				l.parts[k][row] = parts[k]
			}
		}
	})
}

func (l *multinomial) derivatives(k int, rows []int32, moments []moment, threads int) unit {
	u := newUnit(len(rows), 1, 0.25)
	q := u.quantiser()
	inBlocks(threads, len(rows), func(_, lo, hi int) {
		for _, row := range rows[lo:hi] {
			p := l.parts[k][row]
			is := 0.0
			if int(l.codes[row]) == k {
				is = 1
			}
			moments[row] = q.moment(p-is, p*(1-p))
		}
	})
	return u
}

func (l *multinomial) mean(rows []int32) float64 {
	var sum float64
	for _, row := range rows {
		top := math.Inf(-1)
		for _, s := range l.score {
			top = max(top, s[row])
		}
		var total float64
		for _, s := range l.score {
			total += math.Exp(s[row] - top)
		}
		sum += top + math.Log(total) - l.score[l.codes[row]][row]
	}
	return sum / float64(len(rows))
}
