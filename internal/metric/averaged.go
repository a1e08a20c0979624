package metric

import (
	"math"
	"slices"

	"github.com/bakeoffhq/bakeoff"
)

// averaged is a measure that follows from the mean of a loss over the rows.
type averaged struct {
	// losses returns the loss of each row, or why there is none.
	losses func(y bakeoff.Labels, p *bakeoff.Predictions) ([]float64, error)
	as     as
	most   func(classes int) float64 // the largest loss of a row with probabilities; nil for none
}

// as is how a metric follows from the mean loss.
type as int

const (
	asMean  as = iota // it is the mean
	asRoot            // its square root
	asShare           // 1 minus its share of the variance of the labels
)

// losses is the evidence of an averaged metric.
type losses struct {
	averaged
	y        bakeoff.Labels
	rows     []float64 // the loss of each
	mean     float64
	variance float64 // of the labels, asShare
}

func (m averaged) weigh(a *answers) (weighed, error) {
	rows, err := m.losses(a.y, a.p)
	if err != nil {
		return nil, err
	}
	l := &losses{averaged: m, y: a.y, rows: rows, mean: sum(rows) / float64(len(rows))}
	if m.as == asShare {
		l.variance = varianceOf(a.y.Values)
	}
	return l, nil
}

func (l *losses) value() float64 {
	switch l.as {
	case asRoot:
		return math.Sqrt(l.mean)
	case asShare:
		return 1 - l.mean/l.variance
	}
	return l.mean
}

// interval is that of the mean loss, carried over to the metric. The loss is never below zero.
func (l *losses) interval(confidence float64, _ uint64) ([2]float64, error) {
	if len(l.rows) < 2 {
		return [2]float64{}, errTooFew
	}
	if l.as == asShare {
		bounds := meanOf(l.contributions(1)).interval(confidence)
		return [2]float64{bounds[0], min(1, bounds[1])}, nil
	}
	bounds := meanOf(l.rows).interval(confidence)
	bounds[0] = max(0, bounds[0])
	if l.most != nil {
		bounds[1] = max(bounds[0], min(bounds[1], l.most(len(l.y.Classes))))
	}
	if l.as == asRoot {
		bounds[0], bounds[1] = math.Sqrt(bounds[0]), math.Sqrt(bounds[1])
	}
	return bounds, nil
}

// compare tests the mean of what each row contributes to the gain.
func (l *losses) compare(reference weighed, confidence float64, _ uint64) (Comparison, error) {
	r := reference.(*losses)
	sign := -1.0 // a lower loss is a gain
	if l.as == asShare {
		sign = 1
	}
	gains, differing := l.contributions(sign), 0
	for i, v := range r.contributions(sign) {
		gains[i] -= v
		if l.rows[i] != r.rows[i] {
			differing++
		}
	}
	if len(gains) == 1 {
		return l.single(gains[0], confidence), nil
	}
	m := meanOf(gains)
	c := Comparison{Test: TestMean, Gain: m.value, Interval: m.interval(confidence), P: m.above(), Deviation: m.deviation}
	return c.atLeast(differing), nil
}

// single returns the comparison on one row, of which nothing can be told. The interval is as wide as
// if a second row had shown no gain.
func (l *losses) single(gain, confidence float64) Comparison {
	m := meanOf([]float64{gain, 0})
	return Comparison{Test: TestMean, Gain: gain, Interval: m.interval(confidence), P: 1, Deviation: m.deviation}
}

// contributions returns, times the sign, a number for each row of which the metric is the mean: the
// metric plus the influence of the row, which is the derivative of the metric by the row's weight.
// For rmse, for one, the loss of the row moves the metric by half its share of the root.
func (l *losses) contributions(sign float64) []float64 {
	rows := make([]float64, len(l.rows))
	switch l.as {
	case asMean:
		for i, v := range l.rows {
			rows[i] = sign * v
		}
	case asRoot:
		root := math.Sqrt(l.mean)
		if root == 0 {
			break
		}
		for i, v := range l.rows {
			rows[i] = sign * (root + v/root) / 2
		}
	case asShare:
		centre, ratio := sum(l.y.Values)/float64(len(rows)), l.mean/l.variance
		for i, v := range l.rows {
			d := l.y.Values[i] - centre
			rows[i] = sign * (1 - ratio - v/l.variance + ratio*d*d/l.variance)
		}
	}
	return rows
}

// varianceOf returns the mean squared distance from the mean.
func varianceOf(values []float64) float64 {
	centre, total := sum(values)/float64(len(values)), 0.0
	for _, v := range values {
		total += (v - centre) * (v - centre)
	}
	return total / float64(len(values))
}

// smallest is the least probability and the least size of a target that log_loss and mape reckon
// with, as in scikit-learn: the distance from 1 to the next float64.
const smallest = 0x1p-52

// logLosses returns the negative logarithm of each row's probability for its class. As in
// scikit-learn 1.2, probabilities are first clipped to [2^-52, 1-2^-52] and then scaled so that
// they sum to one.
func logLosses(y bakeoff.Labels, p *bakeoff.Predictions) ([]float64, error) {
	k := len(y.Classes)
	losses := make([]float64, len(y.Codes))
	for i, code := range y.Codes {
		own, total := smallest, 0.0
		for c, v := range p.Probabilities[i*k : (i+1)*k] {
			v = min(max(v, smallest), 1-smallest)
			total += v
			if c == int(code) {
				own = v
			}
		}
		losses[i] = -math.Log(own / total)
	}
	return losses, nil
}

// brierLosses returns the squared distance of each row's probabilities from the truth, summed over
// the classes: the original score of G. W. Brier (Verification of forecasts expressed in terms of
// probability, 1950), in [0,2]. For two classes it is halved, as is customary: the squared error
// of the positive class, in [0,1]. scikit-learn does the same from 1.7 on, and knows only the
// second before.
func brierLosses(y bakeoff.Labels, p *bakeoff.Predictions) ([]float64, error) {
	k := len(y.Classes)
	scores := make([]float64, len(y.Codes))
	for i, code := range y.Codes {
		row := p.Probabilities[i*k : (i+1)*k]
		score := 0.0
		for c, v := range row {
			if c == int(code) {
				v = 1 - v
			}
			score += v * v
		}
		if code < 0 {
			score++ // the probability of the class that it was is zero
		}
		if k == 2 {
			score /= 2
		}
		scores[i] = score
	}
	return scores, nil
}

// brierMost returns the score of being certain and wrong.
func brierMost(classes int) float64 {
	if classes == 2 {
		return 1
	}
	return 2
}

// errorsOf returns a loss for each pair of a label and its prediction.
func errorsOf(y bakeoff.Labels, p *bakeoff.Predictions, loss func(y, p float64) float64) ([]float64, error) {
	losses := make([]float64, len(y.Values))
	for i, v := range y.Values {
		losses[i] = loss(v, p.Values[i])
	}
	return losses, nil
}

func squaredErrors(y bakeoff.Labels, p *bakeoff.Predictions) ([]float64, error) {
	return errorsOf(y, p, func(y, p float64) float64 { return (p - y) * (p - y) })
}

func absoluteErrors(y bakeoff.Labels, p *bakeoff.Predictions) ([]float64, error) {
	return errorsOf(y, p, func(y, p float64) float64 { return math.Abs(p - y) })
}

// relativeErrors returns the error of each row as a share of its label, 1 being 100 %. A label of
// zero counts as 2^-52, so that missing it costs very much; mape suits targets far from zero.
func relativeErrors(y bakeoff.Labels, p *bakeoff.Predictions) ([]float64, error) {
	return errorsOf(y, p, func(y, p float64) float64 { return math.Abs(p-y) / max(math.Abs(y), smallest) })
}

// explainableErrors are the squared errors where there is a variance to explain.
func explainableErrors(y bakeoff.Labels, p *bakeoff.Predictions) ([]float64, error) {
	if slices.Min(y.Values) == slices.Max(y.Values) {
		return nil, undefined("all labels are equal")
	}
	return squaredErrors(y, p)
}
