package mlp

import "math"

// The decay of Adam's two means, and what keeps it from dividing by zero.
const (
	beta1   = 0.9
	beta2   = 0.999
	epsilon = 1e-8
)

// adam holds, beside each weight, the means of its gradient and of its square.
type adam struct {
	rate             float64
	power1, power2   float64 // the betas to the power of the steps so far
	step             float32 // the rate of this step
	penalty, inverse float32 // alpha, and one over the rows of the batch
}

func newAdam(rate, alpha float64) adam {
	return adam{rate: rate, power1: 1, power2: 1, penalty: float32(alpha)}
}

// begin starts the step for a batch of so many rows.
func (a *adam) begin(rows int) {
	a.power1 = float64(a.power1 * beta1) // rounded, also where a processor could go on without
	a.power2 = float64(a.power2 * beta2)
	a.step = float32(a.rate * math.Sqrt(1-a.power2) / (1 - a.power1))
	a.inverse = 1 / float32(rows)
}

// moments are the two means for each of some weights.
type moments struct{ mean, square []float32 }

func newMoments(n int) moments { return moments{make([]float32, n), make([]float32, n)} }

// update moves the weights by the sums of their gradients over the batch.
func (a *adam) update(weights []float32, m moments, gradient []float32, penalty float32) {
	mean, square, gradient := m.mean[:len(weights)], m.square[:len(weights)], gradient[:len(weights)]
	inverse, step := a.inverse, a.step
	for i, w := range weights {
		g := (gradient[i] + float32(penalty*w)) * inverse
		u := float32(beta1*mean[i]) + float32((1-beta1)*g)
		v := float32(beta2*square[i]) + float32((1-beta2)*float32(g*g))
		mean[i], square[i] = u, v
		weights[i] = w - float32(step*u)/(float32(math.Sqrt(float64(v)))+epsilon)
	}
}

// part returns the moments of the weights from lo up to hi.
func (m moments) part(lo, hi int) moments { return moments{m.mean[lo:hi], m.square[lo:hi]} }
