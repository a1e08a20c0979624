package linear

import "context"

// objective returns the value at theta and fills gradient.
type objective func(theta, gradient []float64) (float64, error)

// How many steps L-BFGS remembers: fewer where each has very many numbers.
const (
	maxMemory      = 30
	minMemory      = 5
	maxMemoryFloat = 1 << 24
)

// firstRefresh is after how many iterations the preconditioner is made anew for the first time.
const firstRefresh = 10

// pair is a step that L-BFGS remembers, and how the gradient changed along it.
type pair struct{ step, change []float64 }

// lbfgs minimises the divided objective from theta, in place, by L-BFGS (Nocedal and Wright,
// Numerical Optimization, algorithm 7.4) with a preconditioner in place of the scaled identity.
func (l *logistic) lbfgs(ctx context.Context, theta []float64) (iterations int, converged bool, err error) {
	evaluate := l.objective(ctx)
	gradient := make([]float64, len(theta))
	value, err := evaluate(theta, gradient)
	if err != nil {
		return 0, false, err
	}
	first := largest(gradient)
	var pairs []pair
	var precondition func([]float64) error
	for iterations < l.params.MaxIter && !converged {
		if largest(gradient) <= l.params.Tol {
			return iterations, true, nil
		}
		if refresh(iterations) {
			if precondition, err = l.preconditioner(ctx, theta); err != nil {
				return iterations, false, err
			}
		}
		iterations++
		direction, err := descend(gradient, pairs, precondition)
		if err != nil {
			return iterations, false, err
		}
		converged = negligible(-dot(gradient, direction), value) // and this step is the last
		next, step, err := backtrack(evaluate, theta, value, gradient, direction)
		if err != nil {
			return iterations, false, err
		}
		if step.step == nil { // as low as floating point can tell
			return iterations, true, nil
		}
		value = next
		pairs = remember(pairs, step)
		l.options.report(iterations, l.share(first, gradient, converged))
	}
	return iterations, converged, nil
}

// refresh reports whether the preconditioner is to be made anew: less and less often, since it
// changes less and less.
func refresh(iteration int) bool {
	for at := 0; at <= iteration; at = 2*at + firstRefresh {
		if at == iteration {
			return true
		}
	}
	return false
}

// backtrack walks along direction as far as the objective falls, halving the step. It moves theta
// and gradient there and returns the value and the step; a zero pair where nothing falls.
func backtrack(evaluate objective, theta []float64, value float64, gradient, direction []float64) (float64, pair, error) {
	slope := -dot(gradient, direction)
	at, there := make([]float64, len(theta)), make([]float64, len(theta))
	for t := 1.0; t > minStep; t /= 2 {
		for i := range at {
			at[i] = theta[i] + t*direction[i]
		}
		next, err := evaluate(at, there)
		if err != nil {
			return value, pair{}, err
		}
		if !decreases(value, next, t*slope) {
			continue
		}
		p := pair{step: make([]float64, len(at)), change: make([]float64, len(at))}
		for i := range at {
			p.step[i], p.change[i] = at[i]-theta[i], there[i]-gradient[i]
		}
		copy(theta, at)
		copy(gradient, there)
		return next, p, nil
	}
	return value, pair{}, nil
}

// remember adds a step with positive curvature, and forgets the oldest beyond the limit.
func remember(pairs []pair, p pair) []pair {
	if dot(p.step, p.change) <= 0 {
		return pairs
	}
	if limit := max(minMemory, min(maxMemory, maxMemoryFloat/len(p.step))); len(pairs) >= limit {
		pairs = pairs[1:]
	}
	return append(pairs, p)
}

// descend returns the direction against the gradient by L-BFGS's two loops.
func descend(gradient []float64, pairs []pair, precondition func([]float64) error) ([]float64, error) {
	q := append([]float64(nil), gradient...)
	alpha := make([]float64, len(pairs))
	for i := len(pairs) - 1; i >= 0; i-- {
		p := pairs[i]
		alpha[i] = dot(p.step, q) / dot(p.step, p.change)
		for j := range q {
			q[j] -= alpha[i] * p.change[j]
		}
	}
	if err := precondition(q); err != nil {
		return nil, err
	}
	for i, p := range pairs {
		beta := dot(p.change, q) / dot(p.step, p.change)
		for j := range q {
			q[j] += (alpha[i] - beta) * p.step[j]
		}
	}
	for j := range q {
		q[j] = -q[j]
	}
	return q, nil
}
