package tree

import "math"

// exp is e to the power of x, within 1e-15 of it. Unlike math.Exp it has the same bits on every
// machine, and so have the models that are learnt with it: the conversions keep a processor from
// fusing a product with a sum.
func exp(x float64) float64 {
	const (
		perTwo = 1 / math.Ln2
		high   = 6.93147180369123816490e-01 // of the logarithm of two, so short that k*high is exact
		low    = 1.90821492927058770002e-10
		whole  = 3 << 51
	)
	if !(x > -708) {
		if x != x {
			return x
		}
		return 0
	}
	if x > 709 {
		return math.Inf(1)
	}
	shifted := float64(x*perTwo) + whole // its last bits are the nearest whole number
	k := shifted - whole
	r := x - float64(k*high) - float64(k*low)
	// The series of Taylor up to the twelfth power, in pairs that do not wait for each other.
	r2 := float64(r * r)
	r4 := float64(r2 * r2)
	a := 1 + r + float64(r2*(0.5+float64(r*(1.0/6))))
	b := 1.0/24 + float64(r*(1.0/120)) + float64(r2*(1.0/720+float64(r*(1.0/5040))))
	c := 1.0/40320 + float64(r*(1.0/362880)) + float64(r2*(1.0/3628800+float64(r*(1.0/39916800)))) + float64(r4*(1.0/479001600))
	s := a + float64(r4*(b+float64(r4*c)))
	return s * math.Float64frombits((math.Float64bits(shifted)+1023)<<52)
}

// log is the natural logarithm of a positive number, with the same bits on every machine.
func log(x float64) float64 {
	f, e := math.Frexp(x)
	if f < math.Sqrt2/2 {
		f, e = 2*f, e-1
	}
	s := (f - 1) / (f + 1)
	s2, sum, power := float64(s*s), 0.0, s
	for n := 1.0; n < 25; n += 2 {
		sum += power / n
		power = float64(power * s2)
	}
	return float64(float64(e)*math.Ln2) + 2*sum
}
