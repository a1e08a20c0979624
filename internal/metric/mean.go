package metric

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// mean is a mean over independent rows with what is known about its distribution.
//
// P. Hall (On the removal of skewness by transformation, Journal of the Royal Statistical Society B
// 54, 1992) takes the skewness out of Student's T = (mean - truth) / deviation by a monotone cubic,
//
//	g(T) = T + A T²/3 + A² T³/27 + A/6,   A = skewness of the rows / √rows,
//
// which then is as good as normal to second order in the number of rows: what the bootstrap-t does,
// without a single random number and in one pass.
//
// Where a few rows outweigh the rest, as with squared errors, both their skewness and the deviation
// are as uncertain as those few make them. g(T) is therefore compared with Student's distribution of
// so many degrees of freedom as rows effectively count, (Σd²)²/Σd⁴ of the distances d from the mean:
// a third of the rows for normal ones. In 10,000 simulated nights of 500 rows with equal regressors
// (internal/judge/simulate) a one-sided 5 % test of rmse by rows-1 degrees of freedom rejects in 6.7 %
// and this one in 4.9 %; their 95 % intervals hold the truth in 91.8 and in 95.3 %.
type mean struct {
	rows      float64
	value     float64
	deviation float64 // standard error of value
	lean      float64 // A
	freedom   float64 // degrees of
}

// meanOf returns the mean of a value for each row. Distances are scaled by the largest before they
// are multiplied, so that nothing overflows but what is too large itself.
func meanOf(values []float64) mean {
	m := mean{rows: float64(len(values)), freedom: 1}
	for _, v := range values {
		m.value += v / m.rows
	}
	largest := 0.0
	for _, v := range values {
		largest = max(largest, math.Abs(v-m.value))
	}
	if largest == 0 || m.rows < 2 {
		return m
	}
	second, third, fourth := 0.0, 0.0, 0.0
	for _, v := range values {
		d := (v - m.value) / largest
		second += d * d
		third += d * d * d
		fourth += d * d * d * d
	}
	m.deviation = largest * math.Sqrt(second/(m.rows-1)/m.rows)
	m.lean = third / (second * math.Sqrt(second))
	m.freedom = effective(second, fourth, m.rows)
	return m
}

// effective returns the degrees of freedom of a variance from the sums of the second and fourth
// powers of so many distances: that of as many rows as effectively count.
func effective(second, fourth, rows float64) float64 {
	return max(1, min(rows-1, second*second/fourth))
}

// interval returns the two-sided interval of the mean.
func (m mean) interval(confidence float64) [2]float64 {
	if m.deviation == 0 {
		return [2]float64{m.value, m.value}
	}
	q := studentQuantile((1+confidence)/2, m.freedom)
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
	return studentSurvival(m.bend(m.value/m.deviation), m.freedom)
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

// studentQuantile returns a quantile of Student's distribution. A step of Newton's makes it as
// precise as the survival function is.
func studentQuantile(p, freedom float64) float64 {
	d := distuv.StudentsT{Sigma: 1, Nu: freedom}
	q := d.Quantile(p)
	return q + (d.Survival(q)-(1-p))/d.Prob(q)
}

func studentSurvival(t, freedom float64) float64 {
	return distuv.StudentsT{Sigma: 1, Nu: freedom}.Survival(t)
}
