package metric

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// wilson returns the score interval of a proportion that was seen in a number of trials (E. B.
// Wilson, Probable inference, the law of succession, and statistical inference, 1927).
func wilson(share, trials, confidence float64) [2]float64 {
	z := distuv.UnitNormal.Quantile((1 + confidence) / 2)
	z2 := z * z / trials
	centre := (share + z2/2) / (1 + z2)
	half := z * math.Sqrt(share*(1-share)/trials+z2/(4*trials)) / (1 + z2)
	return [2]float64{max(0, centre-half), min(1, centre+half)}
}

const errTooFew = undefined("there are too few for an interval")

// percentiles returns the interval that holds the middle share of the defined values.
func percentiles(values []float64, confidence float64) ([2]float64, error) {
	defined := definedOf(values)
	if len(defined) < resamples/2 {
		return [2]float64{}, errTooFew
	}
	slices.Sort(defined)
	tail := (1 - confidence) / 2
	return [2]float64{
		stat.Quantile(tail, stat.LinInterp, defined, nil),
		stat.Quantile(1-tail, stat.LinInterp, defined, nil),
	}, nil
}

// deviation returns the standard deviation of the defined values.
func deviation(values []float64) float64 { return stat.StdDev(definedOf(values), nil) }

func definedOf(values []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(values), math.IsNaN)
}
