// Package portable turns numbers into exponentials and logarithms that have the same bits on every
// machine.
//
// Those of package math differ in their last bits between processors, by design: some have an
// assembly of their own, and the compiler may join a product and a sum into one rounding where a
// processor can. What is trained with these functions has the same digest wherever it is trained.
package portable

import "math"

// An exponent is taken in steps of ln(2)/128: exp(x) = 2^n * 2^(i/128) * exp(r) with r at most
// half a step from zero, where a short polynomial is exact to a bit.
const (
	steps        = 128
	stepsPerUnit = 184.6649652337873     // steps/ln(2)
	stepHigh     = 0x1.62e42fep-8        // ln(2)/steps, so few digits that its multiples are exact
	stepLow      = 0x1.f473de6af278fp-37 // and the rest
	shift        = 3 << 51               // what added to a small number leaves its integer in the last bits
	highest      = 709.7                 // exp of little more is infinite
	lowest       = -708.39641853226408   // exp of less is no normal number
)

// Exp returns e to the power of x within one unit in the last place. It is zero where the result
// would be no normal number.
func Exp(x float64) float64 {
	if !(x > lowest && x < highest) {
		return beyond(x)
	}
	k := float64(x*stepsPerUnit) + shift
	n := int64(math.Float64bits(k)) // its last bits are the number of steps
	k -= shift
	r := float64(x-float64(k*stepHigh)) - float64(k*stepLow)
	r2 := float64(r * r)
	tail := r + float64(r2*(0.5+float64(r*(1.0/6)))) + float64(float64(r2*r2)*(1.0/24+float64(r*(1.0/120))))
	scale := powers[n&(steps-1)]
	base := math.Float64frombits(scale + uint64(n>>7)<<52)
	return base + float64(base*tail)
}

// Exps replaces each number by e to the power of what it is above top, and returns their sum. The
// bits are those of Exp.
func Exps(v []float64, top float64) float64 {
	sum := 0.0
	for i, x := range v {
		x -= top
		var e float64
		if x > lowest && x < highest { // as Exp does it, without a call
			k := float64(x*stepsPerUnit) + shift
			n := int64(math.Float64bits(k))
			k -= shift
			r := float64(x-float64(k*stepHigh)) - float64(k*stepLow)
			r2 := float64(r * r)
			tail := r + float64(r2*(0.5+float64(r*(1.0/6)))) + float64(float64(r2*r2)*(1.0/24+float64(r*(1.0/120))))
			base := math.Float64frombits(powers[n&(steps-1)] + uint64(n>>7)<<52)
			e = base + float64(base*tail)
		} else {
			e = beyond(x)
		}
		v[i] = e
		sum += e
	}
	return sum
}

// beyond is Exp where the result is no normal number.
func beyond(x float64) float64 {
	switch {
	case x >= highest:
		half := Exp(min(x, 2*highest-1) / 2)
		return half * half
	case x <= lowest:
		return 0
	}
	return x // not a number
}

// Log returns the natural logarithm of x within one unit in the last place.
func Log(x float64) float64 {
	switch {
	case math.IsNaN(x) || math.IsInf(x, 1):
		return x
	case x < 0:
		return math.NaN()
	case x == 0:
		return math.Inf(-1)
	}
	// The method is FreeBSD's, as in package math: x = 2^k * (1+f) with 1+f near one, and the
	// logarithm of 1+f by an odd polynomial in f/(2+f).
	const (
		ln2High = 6.93147180369123816490e-01
		ln2Low  = 1.90821492927058770002e-10
		l1      = 6.666666666666735130e-01
		l2      = 3.999999999940941908e-01
		l3      = 2.857142874366239149e-01
		l4      = 2.222219843214978396e-01
		l5      = 1.818357216161805012e-01
		l6      = 1.531383769920937332e-01
		l7      = 1.479819860511658591e-01
	)
	f1, exponent := math.Frexp(x)
	if f1 < math.Sqrt2/2 {
		f1 *= 2
		exponent--
	}
	f, k := f1-1, float64(exponent)
	s := f / (2 + f)
	s2 := float64(s * s)
	s4 := float64(s2 * s2)
	odd := float64(s2 * (l1 + float64(s4*(l3+float64(s4*(l5+float64(s4*l7)))))))
	even := float64(s4 * (l2 + float64(s4*(l4+float64(s4*l6)))))
	half := float64(float64(0.5*f) * f)
	return float64(k*ln2High) - ((half - (float64(s*(half+odd+even)) + float64(k*ln2Low))) - f)
}
