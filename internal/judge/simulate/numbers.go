package main

import (
	"math"
	"math/rand/v2"

	"github.com/bakeoffhq/bakeoff"
)

// regressor is a contestant for a number. The size of its errors differs from row to row as the
// exponential of a normal, so that a few rows weigh much, as they do with prices and demand.
type regressor struct {
	size   float64 // root of the mean squared error
	uneven float64 // standard deviation of the logarithm of the errors' size
}

// The target: normal, and far from zero.
const (
	targetMean      = 20
	targetDeviation = 2
)

// numberNight is classNight for numbers: contestants share so much of their errors, and find the
// same rows hard.
func numberNight(random *rand.Rand, rows int, correlation float64, contestants []regressor) (bakeoff.Labels, []*bakeoff.Predictions) {
	y := bakeoff.Labels{Values: make([]float64, rows)}
	all := make([]*bakeoff.Predictions, len(contestants))
	for j := range all {
		all[j] = &bakeoff.Predictions{Values: make([]float64, rows)}
	}
	common, own := math.Sqrt(correlation), math.Sqrt(1-correlation)
	for row := range rows {
		y.Values[row] = targetMean + targetDeviation*random.NormFloat64()
		hard, shared := random.NormFloat64(), common*random.NormFloat64()
		uneven, factor := math.NaN(), 0.0
		for j, c := range contestants {
			if c.uneven != uneven { // mostly all have the same
				uneven, factor = c.uneven, math.Exp(c.uneven*hard-c.uneven*c.uneven)
			}
			size := c.size * factor
			all[j].Values[row] = y.Values[row] + size*(shared+own*random.NormFloat64())
		}
	}
	return y, all
}

// truth returns the value of a metric over all rows there could be.
func (c regressor) truth(metric string) float64 {
	switch metric {
	case "rmse":
		return c.size
	case "mae":
		return c.size * math.Exp(-c.uneven*c.uneven/2) * math.Sqrt(2/math.Pi)
	case "r2":
		return 1 - squared(c.size/targetDeviation)
	}
	panic("no truth of " + metric)
}
