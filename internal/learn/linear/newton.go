package linear

import (
	"context"
	"errors"
	"math"

	"gonum.org/v1/gonum/mat"
)

// addOuter adds weight times the outer product of a row with itself, the intercept's one at its
// end, to the upper triangle of the n by n matrix h.
func addOuter(h []float64, n int, weight float64, x []float64, slots []int32) {
	for i, v := range x {
		r := h[i*n : i*n+n]
		wv := weight * v
		upper := r[i:len(x)]
		for j, u := range x[i:] {
			upper[j] += wv * u
		}
		for _, s := range slots {
			if s >= 0 {
				r[s] += wv
			}
		}
		r[n-1] += wv
	}
	for a, s := range slots {
		if s < 0 {
			continue
		}
		r := h[int(s)*n : int(s)*n+n]
		for _, u := range slots[a:] {
			if u >= 0 {
				r[u] += weight
			}
		}
		r[n-1] += weight
	}
	h[n*n-1] += weight
}

// factorise returns the Cholesky factors of the n by n matrix whose upper triangle is h, with
// lambda added to all of its diagonal but the last element, the intercept's. A matrix that is not
// positive definite in floating point gets more on its diagonal until it is.
func factorise(h []float64, n int, lambda float64) (*mat.Cholesky, error) {
	a := mat.NewSymDense(n, append([]float64(nil), h...))
	largest := 0.0
	for i := range n {
		if i < n-1 {
			a.SetSym(i, i, a.At(i, i)+lambda)
		}
		largest = max(largest, a.At(i, i))
	}
	if largest == 0 || math.IsInf(largest, 0) || math.IsNaN(largest) {
		return nil, errors.New("the matrix of second derivatives is zero or not finite")
	}
	var c mat.Cholesky
	for extra := 1e-14 * largest; !c.Factorize(a); extra *= 100 {
		if extra > largest {
			return nil, errors.New("the matrix of second derivatives is not positive definite")
		}
		for i := range n {
			a.SetSym(i, i, a.At(i, i)+extra)
		}
	}
	return &c, nil
}

// solve replaces b with the solution x of c x = b.
func solve(c *mat.Cholesky, b []float64) error {
	v := mat.NewVecDense(len(b), b)
	err := c.SolveVecTo(v, v)
	if _, ill := errors.AsType[mat.Condition](err); ill {
		return nil // solved, with fewer digits: what follows judges the step
	}
	return err
}

// newton minimises the divided objective of two classes from theta, in place, by Newton's method
// with step halving (iteratively reweighted least squares). One pass over the rows a step gives
// loss, gradient and Hessian.
func (l *logistic) newton(ctx context.Context, theta []float64) (iterations int, converged bool, err error) {
	n := len(theta)
	pass := newSums(l.d.Rows, n*n+n+1)
	total := make([]float64, n*n+n+1)
	hessian, gradient := total[:n*n], total[n*n:n*n+n]
	at := append([]float64(nil), theta...)
	evaluate := func() (float64, error) {
		add := func(sum []float64, lo, hi int) { l.addNewton(sum, at, lo, hi) }
		err := pass.over(ctx, l.d.Rows, l.options.Threads, total, add)
		return total[n*n+n] + l.penalise(at, gradient), err
	}
	value, err := evaluate()
	if err != nil {
		return 0, false, err
	}
	first, step := largest(gradient), make([]float64, n)
	for iterations < l.params.MaxIter && !converged {
		if largest(gradient) <= l.params.Tol {
			return iterations, true, nil
		}
		iterations++
		factors, err := factorise(hessian, n, l.lambda)
		if err != nil {
			return iterations, false, err
		}
		copy(step, gradient)
		if err := solve(factors, step); err != nil {
			return iterations, false, err
		}
		slope := dot(step, gradient)
		converged = negligible(slope, value) // and this step is the last
		next, t := math.Inf(1), 2.0
		for t > minStep && !decreases(value, next, t*slope) {
			t /= 2
			for i := range at {
				at[i] = theta[i] - t*step[i]
			}
			if next, err = evaluate(); err != nil {
				return iterations, false, err
			}
		}
		if t <= minStep {
			return iterations, true, nil // as low as floating point can tell
		}
		value = next
		copy(theta, at)
		l.options.report(iterations, l.share(first, gradient, converged))
	}
	return iterations, converged, nil
}

// minStep is the shortest step, as a part of the full one, that is worth a try.
const minStep = 1e-10

// decreases reports whether the step from a value to the next one is worth taking: Armijo's
// condition for a predicted decrease, with room for rounding.
func decreases(value, next, predicted float64) bool {
	return next <= value-1e-4*predicted+1e-13*math.Abs(value)
}

// negligible reports whether a decrease is lost in the rounding of the value.
func negligible(decrease, value float64) bool { return decrease <= 1e-16*math.Abs(value) }

// addNewton adds to sum, in this order, the rows' Hessians, gradients and losses.
func (l *logistic) addNewton(sum, theta []float64, lo, hi int) {
	n := len(theta)
	hessian, gradient := sum[:n*n], sum[n*n:n*n+n]
	for i := lo; i < hi; i++ {
		x, slots := l.d.row(i)
		loss, p := binaryLoss(margin(theta, x, slots), l.y[i])
		sum[n*n+n] += loss
		addScaled(gradient, p-float64(l.y[i]), x, slots)
		addOuter(hessian, n, p*(1-p), x, slots)
	}
}

// addScaled adds scale times a row, the intercept's one at its end, to sum.
func addScaled(sum []float64, scale float64, x []float64, slots []int32) {
	dense := sum[:len(x)]
	for j, v := range x {
		dense[j] += scale * v
	}
	for _, s := range slots {
		if s >= 0 {
			sum[s] += scale
		}
	}
	sum[len(sum)-1] += scale
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}

// largest returns the largest absolute value in v.
func largest(v []float64) float64 {
	top := 0.0
	for _, x := range v {
		top = max(top, math.Abs(x))
	}
	return top
}

// share guesses how much of the way to the optimum is done.
func (l *logistic) share(first float64, gradient []float64, converged bool) float64 {
	if converged {
		return 1
	}
	return share(first, largest(gradient), l.params.Tol)
}

// share returns how much of the way from the first value down to the goal is done, on a
// logarithmic scale.
func share(first, now, goal float64) float64 {
	if now <= goal || first <= goal {
		return 1
	}
	return min(max(math.Log(first/now)/math.Log(first/goal), 0), 1)
}
