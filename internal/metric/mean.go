package metric

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// mean is a mean over independent rows with what is known about its distribution: enough for
// intervals and tests that are right to second order in the number of rows.
//
// P. Hall (On the removal of skewness by transformation, Journal of the Royal Statistical Society B
// 54, 1992) takes the skewness out of Student's T = (mean - truth) / deviation by a monotone cubic,
//
//	g(T) = T + A T²/3 + A² T³/27 + A/6,   A = skewness of the rows / √rows,
//
// which then is as good as normal. It does what the bootstrap-t does, to the same order, without a
// single random number and in one pass. We compare g(T) with Student's distribution rather than
// the normal, which is the cautious side for few rows.
type mean struct {
	rows      float64
	value     float64
	deviation float64 // standard error of value
	lean      float64 // A
	differing int     // rows that are not zero
}

// meanOf returns the mean of a value for each row. Values are scaled by the largest before they are
// multiplied, so that they overflow only where they themselves are too large.
func meanOf(values []float64) mean {
	m := mean{rows: float64(len(values))}
	for _, v := range values {
		m.value += v / m.rows
		if v != 0 {
			m.differing++
		}
	}
	largest := 0.0
	for _, v := range values {
		largest = max(largest, math.Abs(v-m.value))
	}
	if largest == 0 || m.rows < 2 {
		return m
	}
	second, third := 0.0, 0.0
	for _, v := range values {
		d := (v - m.value) / largest
		second += d * d
		third += d * d * d
	}
	m.deviation = largest * math.Sqrt(second/(m.rows-1)/m.rows)
	m.lean = third / (second * math.Sqrt(second))
	return m
}

// interval returns the two-sided interval of the mean.
func (m mean) interval(confidence float64) [2]float64 {
	if m.deviation == 0 {
		return [2]float64{m.value, m.value}
	}
	q := studentQuantile((1+confidence)/2, m.rows-1)
	return [2]float64{
		m.value - m.deviation*m.unbend(q),
		m.value - m.deviation*m.unbend(-q),
	}
}

// above returns the one-sided p-value of a mean so far above zero or more if the true one is zero
// or less.
func (m mean) above() float64 {
	if m.deviation == 0 {
		if m.value > 0 {
			return 0
		}
		return 1
	}
	return studentSurvival(m.bend(m.value/m.deviation), m.rows-1)
}

// bend is Hall's g.
func (m mean) bend(t float64) float64 {
	a := m.lean
	return t + a*t*t/3 + a*a*t*t*t/27 + a/6
}

// unbend is the inverse of bend.
func (m mean) unbend(g float64) float64 {
	a := m.lean
	if a == 0 {
		return g
	}
	x := a * (g - a/6)
	if x <= -0.5 {
		return 3 / a * (math.Cbrt(1+x) - 1)
	}
	return 3 / a * math.Expm1(math.Log1p(x)/3)
}

// studentQuantile and studentSurvival are of Student's distribution.
func studentQuantile(p, freedom float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: freedom}.Quantile(p)
}

func studentSurvival(t, freedom float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: freedom}.Survival(t)
}
