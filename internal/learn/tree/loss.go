package tree

import "math"

// derivative has the first two derivatives of the loss of one row.
type derivative struct{ g, h float64 }

// spread says how large the derivatives of some rows are.
type spread struct {
	rows         int
	meanG, meanH float64 // of their absolute values
	topG, topH   float64
	constant     bool // second derivatives are one
}

// measure returns the spread of the derivatives of the rows, with sums for means.
func measure(all []derivative, rows []int32) spread {
	var s spread
	for _, row := range rows {
		g, h := math.Abs(all[row].g), all[row].h
		s.meanG += g
		s.meanH += h
		if g > s.topG {
			s.topG = g
		}
		if h > s.topH {
			s.topH = h
		}
	}
	return s
}

// joinSpreads returns the spread of all rows, given those of blocks.
func joinSpreads(parts []spread, rows int) spread {
	s := spread{rows: rows}
	for _, p := range parts {
		s.meanG, s.meanH = s.meanG+p.meanG, s.meanH+p.meanH
		s.topG, s.topH = max(s.topG, p.topG), max(s.topH, p.topH)
	}
	s.meanG, s.meanH = s.meanG/float64(rows), s.meanH/float64(rows)
	// A sum that overflows is no mean; the largest is not below it.
	s.meanG, s.meanH = min(s.meanG, s.topG), min(s.meanH, s.topH)
	return s
}

// loss is what boosting minimises: the current scores of all rows and their derivatives.
type loss interface {
	// start returns the score that each output starts from.
	start() []float64
	// scores returns the current scores of output k by row.
	scores(k int) []float64
	// prepare computes what the outputs share in a round.
	prepare(c *crew, threads int)
	// derivatives writes the derivatives of the rows for output k.
	derivatives(k int, rows []int32, to []derivative)
	// constant reports whether every second derivative is one.
	constant() bool
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

// weights are those of the rows; nil for one each.
type weights []float64

func (w weights) of(row int32) float64 {
	if w == nil {
		return 1
	}
	return w[row]
}

// scale multiplies the derivatives of the rows by their weights.
func (w weights) scale(rows []int32, to []derivative) {
	if w == nil {
		return
	}
	for _, row := range rows {
		d := &to[row]
		d.g, d.h = d.g*w[row], d.h*w[row]
	}
}

// mean returns the weighted mean of what of says of the rows.
func (w weights) mean(rows []int32, of func(row int32) float64) float64 {
	var sum, total float64
	for _, row := range rows {
		weight := w.of(row)
		sum += float64(weight * of(row))
		total += weight
	}
	return sum / total
}

// classShares returns the share of each class in the rows; a class without rows counts as half a row.
func classShares(t target, rows []int32) []float64 {
	shares := make([]float64, t.classes)
	total := 0.0
	for _, row := range rows {
		w := t.weights.of(row)
		shares[t.codes[row]] += w
		total += w
	}
	for k := range shares {
		if shares[k] == 0 {
			shares[k] = 0.5 * total / float64(len(rows))
		}
		shares[k] /= total
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
	weights       weights
	first         float64
}

func newSquared(t target, train []int32, rows int) *squared {
	mean, total := 0.0, 0.0
	for _, row := range train {
		w := t.weights.of(row)
		total += w
		mean += float64((t.values[row] - mean) * (w / total)) // cannot overflow
	}
	return &squared{t.values, constant(mean, rows), t.weights, mean}
}

func (l *squared) start() []float64     { return []float64{l.first} }
func (l *squared) scores(int) []float64 { return l.score }
func (l *squared) constant() bool       { return l.weights == nil }
func (l *squared) prepare(*crew, int)   {}

func (l *squared) derivatives(_ int, rows []int32, to []derivative) {
	for _, row := range rows {
		to[row] = derivative{l.score[row] - l.values[row], 1}
	}
	l.weights.scale(rows, to)
}

func (l *squared) mean(rows []int32) float64 {
	return l.weights.mean(rows, func(row int32) float64 {
		e := l.score[row] - l.values[row]
		return e * e / 2
	})
}

// logistic is the negative log-likelihood of two classes; the score is the log-odds of the second.
type logistic struct {
	codes   []int32
	score   []float64
	weights weights
	first   float64
}

func newLogistic(t target, train []int32, rows int) *logistic {
	shares := classShares(t, train)
	first := log(shares[1] / shares[0])
	return &logistic{t.codes, constant(first, rows), t.weights, first}
}

func (l *logistic) start() []float64     { return []float64{l.first} }
func (l *logistic) scores(int) []float64 { return l.score }
func (l *logistic) constant() bool       { return false }
func (l *logistic) prepare(*crew, int)   {}

func (l *logistic) derivatives(_ int, rows []int32, to []derivative) {
	for _, row := range rows {
		p := 1 / (1 + exp(-l.score[row]))
		to[row] = derivative{p - float64(l.codes[row]), p * (1 - p)}
	}
	l.weights.scale(rows, to)
}

func (l *logistic) mean(rows []int32) float64 {
	return l.weights.mean(rows, func(row int32) float64 {
		margin := l.score[row]
		if l.codes[row] == 1 {
			margin = -margin
		}
		return max(margin, 0) + log(1+exp(-math.Abs(margin)))
	})
}

// multinomial is the negative log-likelihood of several classes, a score each.
type multinomial struct {
	codes   []int32
	score   [][]float64 // by class, then by row
	parts   [][]float64 // the probabilities, likewise
	weights weights
	first   []float64
}

func newSoftmax(t target, train []int32, rows int) *multinomial {
	l := &multinomial{codes: t.codes, weights: t.weights}
	for _, share := range classShares(t, train) {
		first := log(share)
		l.first = append(l.first, first)
		l.score = append(l.score, constant(first, rows))
		l.parts = append(l.parts, make([]float64, rows))
	}
	return l
}

func (l *multinomial) start() []float64       { return l.first }
func (l *multinomial) scores(k int) []float64 { return l.score[k] }
func (l *multinomial) constant() bool         { return false }

func (l *multinomial) prepare(c *crew, threads int) {
	c.inBlocks(threads, len(l.codes), func(_, lo, hi int) {
		const few = 64 // rows whose scores of a dozen classes stay in the first-level cache
		for ; lo < hi; lo += few {
			l.prepareRows(lo, min(hi, lo+few))
		}
	})
}

// prepareRows computes the probabilities of a few rows class by class, as they are stored.
func (l *multinomial) prepareRows(lo, hi int) {
	var tops, totals [64]float64
	top, total := tops[:hi-lo], totals[:hi-lo]
	copy(top, l.score[0][lo:hi])
	for _, scores := range l.score[1:] {
		for i, s := range scores[lo:hi] {
			top[i&63] = max(top[i&63], s)
		}
	}
	for k, scores := range l.score {
		parts := l.parts[k][lo:hi]
		for i, s := range scores[lo:hi] {
			e := exp(s - top[i])
			parts[i] = e
			total[i] += e
		}
	}
	for i := range total {
		total[i] = 1 / total[i]
	}
	for k := range l.parts {
		parts := l.parts[k][lo:hi]
		for i := range parts {
			parts[i] *= total[i]
		}
	}
}

func (l *multinomial) derivatives(k int, rows []int32, to []derivative) {
	parts := l.parts[k]
	for _, row := range rows {
		p, is := parts[row], 0.0
		if int(l.codes[row]) == k {
			is = 1
		}
		to[row] = derivative{p - is, p * (1 - p)}
	}
	l.weights.scale(rows, to)
}

func (l *multinomial) mean(rows []int32) float64 {
	return l.weights.mean(rows, func(row int32) float64 {
		top := math.Inf(-1)
		for _, s := range l.score {
			top = max(top, s[row])
		}
		var total float64
		for _, s := range l.score {
			total += exp(s[row] - top)
		}
		return top + log(total) - l.score[l.codes[row]][row]
	})
}
