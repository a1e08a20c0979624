package metric

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// discordance is the outcome of two contestants on the same rows, of which each is right or wrong:
// how many rows the challenger alone has right, and how many the reference alone.
type discordance struct{ rows, won, lost float64 }

// compare is McNemar's test in its exact form: among the rows on which the two differ, the
// challenger's share is binomial with 1/2 if neither is better.
//
// The interval is that of D. G. Bonett and R. M. Price (Adjusted Wald confidence interval for a
// difference of binomial proportions based on paired data, 2012): Wald's, with one more row of each
// kind of difference.
func (d discordance) compare(confidence float64) Comparison {
	gain := (d.won - d.lost) / d.rows
	c := Comparison{
		Test:      TestMcNemar,
		Gain:      gain,
		P:         binomialTail(d.won, d.lost),
		Deviation: math.Sqrt((d.won+d.lost)/d.rows-gain*gain) / math.Sqrt(d.rows),
	}
	won, lost, rows := d.won+1, d.lost+1, d.rows+2
	centre := (won - lost) / rows
	half := normal((1+confidence)/2) * math.Sqrt(((won+lost)/rows-centre*centre)/rows)
	c.Interval = [2]float64{max(-1, centre-half), min(1, centre+half)}
	return c
}

// binomialTail returns the chance that a fair coin shows heads at least so many times in
// heads+tails throws, by the incomplete beta function, which does not overflow.
func binomialTail(heads, tails float64) float64 {
	if heads == 0 {
		return 1
	}
	return mathext.RegIncBeta(heads, tails+1, 0.5)
}
