package linear

import (
	"context"
	"math"

	"github.com/bakeoffhq/bakeoff/internal/learn/portable"
)

// objective returns the value at theta and fills gradient.
type objective func(theta, gradient []float64) (float64, error)

// How many steps are remembered: fewer where each has very many numbers.
const (
	maxMemory      = 30
	minMemory      = 5
	maxMemoryFloat = 1 << 24
)

// pair is a step that is remembered, and how the gradient changed along it.
type pair struct{ step, change []float64 }

// Samples are worth their while where they leave out most of the rows and still have some rows for
// each parameter.
const (
	sampleShare = 8
	leastSample = 1000
)

// warm moves theta near the optimum of all rows by way of that of ever larger samples: far from the
// optimum, a few rows show the way as well as all.
func (l *logistic) warm(ctx context.Context, theta []float64) error {
	var sizes []int
	for size := l.rows.n / sampleShare; size >= max(leastSample, 2*len(theta)); size /= sampleShare {
		sizes = append(sizes, size)
	}
	for i := len(sizes) - 1; i >= 0; i-- {
		if _, _, err := l.sample(sizes[i]).minimise(ctx, theta); err != nil {
			return err
		}
	}
	return nil
}

// sample returns the fit of about so many of the rows, with a penalty that is as much less.
func (l *logistic) sample(want int) *logistic {
	s := *l
	s.part = true
	var chosen []int32
	s.rows, chosen = l.rows.sample(want)
	s.y = make([]int32, len(chosen))
	for to, from := range chosen {
		s.y[to] = l.y[from]
	}
	s.penalty = make([]float64, len(l.penalty))
	for j, v := range l.penalty {
		s.penalty[j] = v * float64(len(chosen)) / float64(l.rows.n)
	}
	return &s
}

// minimise minimises the divided objective from theta, in place: by Newton's method as long as a
// Hessian is cheap or does much, and by L-BFGS (Nocedal and Wright, Numerical Optimization, algorithm
// 7.4) with the last one in the place of the scaled identity while it still does. Where the objective
// is so far from what a Hessian promises that hardly a step is worth taking, Hessians are damped.
// Iterations count the steps, and those that were not worth taking.
func (l *logistic) minimise(ctx context.Context, theta []float64) (iterations int, converged bool, err error) {
	evaluate := l.evaluator(ctx)
	gradient := make([]float64, len(theta))
	value, err := evaluate(theta, gradient)
	if err != nil {
		return 0, false, err
	}
	first := l.rows.slope(gradient, l.outputs)
	cost := l.hessianCost() * float64(l.hessianRows()) / float64(l.rows.n)
	var pairs []pair
	var precondition preconditioner
	l.damping = 0
	spent, before := 0.0, 0.0 // passes since the last Hessian, and the decrease that was promised then
	for iterations < l.params.MaxIter && !converged {
		if l.rows.slope(gradient, l.outputs) <= l.params.Tol {
			return iterations, true, nil
		}
		if precondition == nil || spent >= cost {
			if precondition, err = l.preconditioner(ctx, theta); err != nil {
				return iterations, false, err
			}
			spent, pairs = 0, nil
		}
		iterations++
		direction := descend(gradient, pairs, precondition)
		decrease := -dot(gradient, direction)
		converged = negligible(decrease, value) || l.part && decrease < roughly*float64(len(theta))
		next, step, tries, err := backtrack(evaluate, theta, value, gradient, direction)
		if err != nil {
			return iterations, false, err
		}
		if step.step == nil && (l.damping >= mostDamping || lost(decrease, value)) {
			return iterations, lost(decrease, value), nil
		}
		if l.damp(tries, step.step == nil) {
			precondition = nil
		}
		if step.step == nil {
			converged = false
			continue
		}
		if decrease < quickly*before { // this Hessian does well
			spent = 0
		}
		spent += float64(tries)
		before, value = decrease, next
		pairs = remember(pairs, step)
		if !l.part {
			l.options.report(iterations, l.share(first, gradient, converged))
		}
	}
	return iterations, converged, nil
}

// Damping adds so much to p(1-p) of each row, which is a quarter at the most: where a row that counts
// very much is answered with confidence and wrongly, that is next to nothing and a step endless. With
// the most of it a step cannot be too long.
const (
	leastDamping = 1e-3
	mostDamping  = 1
	dampingStep  = 10
	dampTries    = 8 // a damped step that had to be halved so often was still far too long
)

// damp adapts the damping to how often the last step was tried, and whether in vain. It reports whether
// there is more of it.
func (l *logistic) damp(tries int, vain bool) bool {
	switch {
	case vain, tries > dampTries && l.damping > 0 && l.damping < mostDamping:
		l.damping = min(mostDamping, max(leastDamping, dampingStep*l.damping))
		return true
	case tries == 1:
		if l.damping /= dampingStep; l.damping < leastDamping {
			l.damping = 0
		}
	}
	return false
}

// roughly is how much of a decrease for each parameter a sample's fit leaves: the sample's optimum is
// further from that of all rows.
const roughly = 0.1

// quickly is what a decrease may be of the one before for a Hessian to be kept.
const quickly = 0.2

// minStep is the shortest step, as a part of the full one, that is worth a try.
const minStep = 1e-10

// decreases reports whether the step from a value to the next one is worth taking: Armijo's
// condition for a predicted decrease, with room for rounding.
func decreases(value, next, predicted float64) bool {
	return next <= value-float64(1e-4*predicted)+float64(1e-13*math.Abs(value))
}

// negligible reports whether a decrease is lost in the rounding of the value.
func negligible(decrease, value float64) bool { return decrease <= 1e-16*math.Abs(value) }

// lost reports whether a decrease that did not come about may be one of rounding alone: sums of losses
// are less exact than negligible is.
func lost(decrease, value float64) bool { return decrease <= 1e-10*math.Abs(value) }

// backtrack walks along direction as far as the objective falls, halving the step. It moves theta
// and gradient there and returns the value, the step and how often it evaluated; a zero pair where
// nothing falls.
func backtrack(evaluate objective, theta []float64, value float64, gradient, direction []float64) (float64, pair, int, error) {
	slope := -dot(gradient, direction)
	at, there := make([]float64, len(theta)), make([]float64, len(theta))
	tries := 0
	for t := 1.0; t > minStep; t /= 2 {
		for i := range at {
			at[i] = theta[i] + float64(t*direction[i])
		}
		tries++
		next, err := evaluate(at, there)
		if err != nil {
			return value, pair{}, tries, err
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
		return next, p, tries, nil
	}
	return value, pair{}, tries, nil
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
func descend(gradient []float64, pairs []pair, precondition preconditioner) []float64 {
	q := append([]float64(nil), gradient...)
	alpha := make([]float64, len(pairs))
	for i := len(pairs) - 1; i >= 0; i-- {
		p := pairs[i]
		alpha[i] = dot(p.step, q) / dot(p.step, p.change)
		addTo(q, -alpha[i], p.change)
	}
	precondition(q)
	for i, p := range pairs {
		beta := dot(p.change, q) / dot(p.step, p.change)
		addTo(q, alpha[i]-beta, p.step)
	}
	for j := range q {
		q[j] = -q[j]
	}
	return q
}

// share guesses how much of the way to the optimum is done.
func (l *logistic) share(first float64, gradient []float64, converged bool) float64 {
	if converged {
		return 1
	}
	return share(first, l.rows.slope(gradient, l.outputs), l.params.Tol)
}

// share returns how much of the way from the first value down to the goal is done, on a
// logarithmic scale.
func share(first, now, goal float64) float64 {
	if now <= goal || first <= goal {
		return 1
	}
	return min(max(portable.Log(first/now)/portable.Log(first/goal), 0), 1)
}
