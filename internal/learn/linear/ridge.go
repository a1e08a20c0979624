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
// residuals, each as often as the row counts, plus alpha times the squared coefficients, the
// intercept free.
func Ridge(ctx context.Context, d *Design, y []float64, alpha float64, o Options) (*Model, error) {
	if len(y) != d.Rows || d.Rows == 0 {
		return nil, fmt.Errorf("%d values for %d rows", len(y), d.Rows)
	}
	rows := arrange(d, d.Weights)
	centre := rows.mean(y)
	if math.IsNaN(centre) || math.IsInf(centre, 0) {
		return nil, fmt.Errorf("the values are not finite, or no row counts")
	}
	r := &ridge{rows: rows, y: y, mean: centre, penalty: rows.penalties(alpha), options: o}
	solve := r.gradients
	if d.Width <= maxRidgeCholesky {
		solve = r.cholesky
	}
	theta, iterations, converged, err := solve(ctx)
	if err != nil {
		return nil, err
	}
	m := &Model{Outputs: 1, Width: d.Width, Weights: rows.restore(theta, 1), Iterations: iterations, Converged: converged}
	m.Intercepts()[0] += centre
	for _, w := range m.Weights {
		if math.IsNaN(w) || math.IsInf(w, 0) {
			return nil, fmt.Errorf("the values are too large: a weight is not finite")
		}
	}
	return m, nil
}

// mean returns the mean of v, each row as often as it counts, without overflow.
func (r *rows) mean(v []float64) float64 {
	count := float64(r.n)
	if r.weight != nil {
		count = 0
		for _, w := range r.weight {
			count += w
		}
	}
	sum := 0.0
	for i, x := range v {
		sum += float64(x / count * r.weigh(i))
	}
	return sum
}

// ridge is one fit of y less its mean: the normal equations then lose fewer digits.
type ridge struct {
	rows    *rows
	y       []float64
	mean    float64
	penalty []float64
	options Options
}

// cholesky solves the normal equations.
func (r *ridge) cholesky(ctx context.Context) (theta []float64, iterations int, converged bool, err error) {
	n := r.rows.columns()
	a, err := r.gram(ctx)
	if err != nil {
		return nil, 0, false, err
	}
	if theta, err = r.moments(ctx); err != nil {
		return nil, 0, false, err
	}
	mirror(a, n, r.penalty)
	factor, err := factorise(a, n)
	if err != nil {
		return nil, 0, false, err
	}
	factor.solve(theta)
	r.options.report(1, 1)
	return theta, 1, true, nil
}

// gram returns the inner products of the columns on and above the diagonal.
func (r *ridge) gram(ctx context.Context) ([]float64, error) {
	n := r.rows.columns()
	total := make([]float64, n*n)
	err := newSums(r.rows.n, n*n).over(ctx, r.rows.n, r.options.Threads, total, func(sum []float64, lo, hi int) {
		g, weight := newGram(r.rows), make([]float64, tileRows)
		eachTile(lo, hi, func(lo, hi int) {
			g.add(sum, r.rows.weights(weight, lo, hi), lo, hi)
		})
		g.finish(sum)
	})
	return total, err
}

// moments returns the inner product of each column with the centred values.
func (r *ridge) moments(ctx context.Context) ([]float64, error) {
	total := make([]float64, r.rows.columns())
	err := newSums(r.rows.n, len(total)).over(ctx, r.rows.n, r.options.Threads, total, func(sum []float64, lo, hi int) {
		r.rows.addMultiples(sum, lo, hi, func(out []float64, lo, hi int) {
			for i := lo; i < hi; i++ {
				out[i-lo] = r.y[i] - r.mean
			}
		})
	})
	return total, err
}

// Conjugate gradients stop when the residual has fallen by this factor, or after so many steps.
const (
	residualFall = 1e-11
	maxGradients = 10_000
)

// gradients solves the normal equations by conjugate gradients (Nocedal and Wright, Numerical
// Optimization, algorithm 5.3), without ever forming their matrix. What the numbers are to each other
// and each mark is to itself is the preconditioner.
func (r *ridge) gradients(ctx context.Context) (theta []float64, iteration int, converged bool, err error) {
	precondition, err := r.preconditioner(ctx)
	if err != nil {
		return nil, 0, false, err
	}
	residual, err := r.moments(ctx)
	if err != nil {
		return nil, 0, false, err
	}
	n := len(residual)
	theta = make([]float64, n)
	scaled, product := make([]float64, n), make([]float64, n)
	multiply := r.normal(ctx)
	precondition(scaled, residual)
	direction := append([]float64(nil), scaled...)
	size := dot(residual, scaled)
	goal := float64(size * residualFall * residualFall)
	for first := size; size > goal && iteration < maxGradients; {
		iteration++
		if err := multiply(product, direction); err != nil {
			return nil, 0, false, err
		}
		step := size / dot(direction, product)
		addTo(theta, step, direction)
		addTo(residual, -step, product)
		precondition(scaled, residual)
		next := dot(residual, scaled)
		for i := range direction {
			direction[i] = scaled[i] + float64(next/size*direction[i])
		}
		size = next
		r.options.report(iteration, share(first, size, goal))
	}
	return theta, iteration, size <= goal, nil
}

// normal returns a function that multiplies a vector by the matrix of the normal equations.
func (r *ridge) normal(ctx context.Context) func(out, v []float64) error {
	pass := newSums(r.rows.n, r.rows.columns())
	return func(out, v []float64) error {
		err := pass.over(ctx, r.rows.n, r.options.Threads, out, func(sum []float64, lo, hi int) {
			r.rows.addMultiples(sum, lo, hi, r.rows.margins(v))
		})
		for j := range out {
			out[j] += float64(r.penalty[j] * v[j])
		}
		return err
	}
}

// preconditioner returns a function that multiplies v by the inverse of a part of the matrix of the
// normal equations.
func (r *ridge) preconditioner(ctx context.Context) (func(out, v []float64), error) {
	rows := r.rows
	size := rows.dense * rows.dense
	total := make([]float64, size+rows.marks)
	err := newSums(rows.n, len(total)).over(ctx, rows.n, r.options.Threads, total, func(sum []float64, lo, hi int) {
		g, weight := newGram(rows), make([]float64, tileRows)
		eachTile(lo, hi, func(lo, hi int) {
			g.addNumbers(rows.weights(weight, lo, hi), lo, hi)
			for i := lo; i < hi; i++ {
				for _, s := range rows.of(i) {
					sum[size+int(s)] += weight[i-lo]
				}
			}
		})
		for i := range rows.dense {
			addTo(sum[i*rows.dense:][:rows.dense], 1, g.squares[i*rows.stride:])
		}
	})
	if err != nil {
		return nil, err
	}
	mirror(total, rows.dense, r.penalty)
	factor, err := factorise(total[:size], rows.dense)
	if err != nil {
		return nil, err
	}
	diagonal := total[size:]
	addTo(diagonal, 1, r.penalty[rows.dense:])
	return func(out, v []float64) {
		copy(out, v[:rows.dense])
		factor.solve(out[:rows.dense])
		for s, d := range diagonal {
			out[rows.dense+s] = v[rows.dense+s] / d
		}
	}, nil
}

// mirror copies what is above the diagonal of the n by n matrix a below it, and adds to the diagonal.
func mirror(a []float64, n int, diagonal []float64) {
	for i := range n {
		for j := range i {
			a[i*n+j] = a[j*n+i]
		}
		a[i*n+i] += diagonal[i]
	}
}

// weights fills w with how much the rows of a tile count, with zeros up to a multiple of four, and
// returns that part.
func (r *rows) weights(w []float64, lo, hi int) []float64 {
	w = w[:upToFour(hi-lo)]
	for i := lo; i < hi; i++ {
		w[i-lo] = r.weigh(i)
	}
	clear(w[hi-lo:])
	return w
}
