package linear

import (
	"context"
	"fmt"
	"math"
)

// maxRidgeCholesky is the most columns for which ridge regression factorises a matrix; conjugate
// gradients above it.
const maxRidgeCholesky = 1000

// Ridge fits y, one finite number a row, by least squares: it minimises the sum of the squared
// residuals plus alpha times the squared coefficients, the intercept free.
func Ridge(ctx context.Context, d *Design, y []float64, alpha float64, o Options) (*Model, error) {
	if len(y) != d.Rows || d.Rows == 0 {
		return nil, fmt.Errorf("%d values for %d rows", len(y), d.Rows)
	}
	centre := mean(y)
	if math.IsNaN(centre) || math.IsInf(centre, 0) {
		return nil, fmt.Errorf("the values are not finite")
	}
	r := &ridge{d: d, y: y, mean: centre, alpha: alpha, options: o}
	solve := r.gradients
	if d.Width <= maxRidgeCholesky {
		solve = r.cholesky
	}
	m, err := solve(ctx)
	if err != nil {
		return nil, err
	}
	m.Intercepts()[0] += centre
	for _, w := range m.Weights {
		if math.IsNaN(w) || math.IsInf(w, 0) {
			return nil, fmt.Errorf("the values are too large: a weight is not finite")
		}
	}
	return m, nil
}

// mean returns the mean of v without overflow.
func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x / float64(len(v))
	}
	return sum
}

// ridge is one fit of y less its mean: the normal equations then lose fewer digits.
type ridge struct {
	d       *Design
	y       []float64
	mean    float64
	alpha   float64
	options Options
}

// cholesky solves the normal equations.
func (r *ridge) cholesky(ctx context.Context) (*Model, error) {
	n := r.d.Width + 1
	a, err := gram(ctx, r.d, r.options.Threads)
	if err != nil {
		return nil, err
	}
	theta, err := r.moments(ctx)
	if err != nil {
		return nil, err
	}
	factors, err := factorise(a, n, r.alpha)
	if err != nil {
		return nil, err
	}
	if err := solve(factors, theta); err != nil {
		return nil, err
	}
	r.options.report(1, 1)
	return &Model{Outputs: 1, Width: r.d.Width, Weights: theta, Iterations: 1, Converged: true}, nil
}

// moments returns the inner product of each column, the intercept's last, with the centred values.
func (r *ridge) moments(ctx context.Context) ([]float64, error) {
	total := make([]float64, r.d.Width+1)
	err := newSums(r.d.Rows, len(total)).over(ctx, r.d.Rows, r.options.Threads, total, func(sum []float64, lo, hi int) {
		for i := lo; i < hi; i++ {
			x, slots := r.d.row(i)
			addScaled(sum, r.y[i]-r.mean, x, slots)
		}
	})
	return total, err
}

// Conjugate gradients stop when the residual has fallen by this factor, or after so many steps.
const (
	residualFall = 1e-11
	maxGradients = 10_000
)

// gradients solves the normal equations by conjugate gradients, preconditioned with the diagonal
// (Nocedal and Wright, Numerical Optimization, algorithm 5.3), without ever forming their matrix.
func (r *ridge) gradients(ctx context.Context) (*Model, error) {
	diagonal, err := columnSquares(ctx, r.d, r.options.Threads)
	if err != nil {
		return nil, err
	}
	for j := range diagonal[:r.d.Width] {
		diagonal[j] += r.alpha
	}
	residual, err := r.moments(ctx)
	if err != nil {
		return nil, err
	}
	n := len(residual)
	theta, scaled, product := make([]float64, n), make([]float64, n), make([]float64, n)
	multiply := r.normal(ctx)
	divide(scaled, residual, diagonal)
	direction := append([]float64(nil), scaled...)
	size := dot(residual, scaled)
	goal := size * residualFall * residualFall
	iteration := 0
	for first := size; size > goal && iteration < maxGradients; {
		iteration++
		if err := multiply(product, direction); err != nil {
			return nil, err
		}
		step := size / dot(direction, product)
		for i := range theta {
			theta[i] += step * direction[i]
			residual[i] -= step * product[i]
		}
		divide(scaled, residual, diagonal)
		next := dot(residual, scaled)
		for i := range direction {
			direction[i] = scaled[i] + next/size*direction[i]
		}
		size = next
		r.options.report(iteration, share(first, size, goal))
	}
	return &Model{Outputs: 1, Width: r.d.Width, Weights: theta, Iterations: iteration, Converged: size <= goal}, nil
}

func divide(out, a, b []float64) {
	for i := range out {
		out[i] = a[i] / b[i]
	}
}

// normal returns a function that multiplies a vector by the matrix of the normal equations.
func (r *ridge) normal(ctx context.Context) func(out, v []float64) error {
	pass := newSums(r.d.Rows, r.d.Width+1)
	return func(out, v []float64) error {
		err := pass.over(ctx, r.d.Rows, r.options.Threads, out, func(sum []float64, lo, hi int) {
			for i := lo; i < hi; i++ {
				x, slots := r.d.row(i)
				addScaled(sum, margin(v, x, slots), x, slots)
			}
		})
		for j := range out[:r.d.Width] {
			out[j] += r.alpha * v[j]
		}
		return err
	}
}

// gram returns the upper triangle of the columns' inner products, the intercept's last.
func gram(ctx context.Context, d *Design, threads int) ([]float64, error) {
	n := d.Width + 1
	total := make([]float64, n*n)
	err := newSums(d.Rows, n*n).over(ctx, d.Rows, threads, total, func(sum []float64, lo, hi int) {
		for i := lo; i < hi; i++ {
			x, slots := d.row(i)
			addOuter(sum, n, 1, x, slots)
		}
	})
	return total, err
}

// columnSquares returns the sum of each column's squares, the intercept's last.
func columnSquares(ctx context.Context, d *Design, threads int) ([]float64, error) {
	total := make([]float64, d.Width+1)
	err := newSums(d.Rows, len(total)).over(ctx, d.Rows, threads, total, func(sum []float64, lo, hi int) {
		square := make([]float64, d.Dense)
		for i := lo; i < hi; i++ {
			x, slots := d.row(i)
			for j, v := range x {
				square[j] = v * v
			}
			addScaled(sum, 1, square, slots)
		}
	})
	return total, err
}
