package metric

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/bakeoffhq/bakeoff"
)

// averaged is a measure that follows from the means of some terms of each row.
type averaged struct {
	width int // terms a row
	// terms returns width numbers a row, row-major.
	terms func(y bakeoff.Labels, p *bakeoff.Predictions) ([]float64, error)
	// finish turns the mean of each term into the metric; NaN where it is not defined.
	finish func(means []float64) float64
}

func (m averaged) value(y bakeoff.Labels, p *bakeoff.Predictions) (float64, error) {
	terms, err := m.terms(y, p)
	if err != nil {
		return 0, err
	}
	means := make([]float64, m.width)
	for i, v := range terms {
		means[i%m.width] += v
	}
	for i := range means {
		means[i] /= float64(y.Len())
	}
	return m.finish(means), nil
}

func (m averaged) interval(y bakeoff.Labels, p *bakeoff.Predictions, confidence float64, seed uint64) ([2]float64, error) {
	terms, err := m.terms(y, p)
	if err != nil {
		return [2]float64{}, err
	}
	s := newSample(y, terms, m.width)
	values := bootstrap(seed, func() statistic {
		means := make([]float64, m.width)
		return func(random *rand.PCG) float64 {
			s.draw(means, random)
			return m.finish(means)
		}
	})
	return percentiles(values, confidence)
}

func plainMean(means []float64) float64 { return means[0] }
func rootMean(means []float64) float64  { return math.Sqrt(means[0]) }

// smallest is the least probability and the least size of a target that log_loss and mape reckon
// with, as in scikit-learn: the distance from 1 to the next float64.
const smallest = 0x1p-52

// logLossTerms returns the negative logarithm of each row's probability for its class. As in
// scikit-learn 1.2, probabilities are first clipped to [2^-52, 1-2^-52] and then scaled so that
// they sum to one.
func logLossTerms(y bakeoff.Labels, p *bakeoff.Predictions) ([]float64, error) {
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

// brierTerms returns the squared distance of each row's probabilities from the truth, summed over
// the classes: the original score of G. W. Brier (Verification of forecasts expressed in terms of
// probability, 1950), in [0,2]. For two classes it is halved, as is customary: the squared error
// of the positive class, in [0,1]. scikit-learn does the same from 1.7 on, and knows only the
// second before.
func brierTerms(y bakeoff.Labels, p *bakeoff.Predictions) ([]float64, error) {
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

// errorTerms returns a term for each pair of a label and its prediction.
func errorTerms(y bakeoff.Labels, p *bakeoff.Predictions, term func(y, p float64) float64) ([]float64, error) {
	terms := make([]float64, len(y.Values))
	for i, v := range y.Values {
		terms[i] = term(v, p.Values[i])
	}
	return terms, nil
}

func squaredErrors(y bakeoff.Labels, p *bakeoff.Predictions) ([]float64, error) {
	return errorTerms(y, p, func(y, p float64) float64 { return (p - y) * (p - y) })
}

func absoluteErrors(y bakeoff.Labels, p *bakeoff.Predictions) ([]float64, error) {
	return errorTerms(y, p, func(y, p float64) float64 { return math.Abs(p - y) })
}

// relativeErrors returns the error of each row as a share of its label, 1 being 100 %. A label of
// zero counts as 2^-52, so that missing it costs very much; mape suits targets far from zero.
func relativeErrors(y bakeoff.Labels, p *bakeoff.Predictions) ([]float64, error) {
	return errorTerms(y, p, func(y, p float64) float64 { return math.Abs(p-y) / max(math.Abs(y), smallest) })
}

// r2Terms returns for each row the squared error, the label's distance from the mean label, and
// the square of that.
func r2Terms(y bakeoff.Labels, p *bakeoff.Predictions) ([]float64, error) {
	if slices.Min(y.Values) == slices.Max(y.Values) {
		return nil, undefined("all labels are equal")
	}
	mean := sum(y.Values) / float64(len(y.Values))
	terms := make([]float64, 0, 3*len(y.Values))
	for i, v := range y.Values {
		miss, spread := p.Values[i]-v, v-mean
		terms = append(terms, miss*miss, spread, spread*spread)
	}
	return terms, nil
}

// r2Of is the share of the labels' variance that the predictions explain. A resample may have no
// variance but for rounding.
func r2Of(means []float64) float64 {
	variance := means[2] - means[1]*means[1]
	if variance <= 1e-12*means[2] {
		return math.NaN()
	}
	return 1 - means[0]/variance
}
