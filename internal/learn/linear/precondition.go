package linear

import (
	"context"

	"gonum.org/v1/gonum/mat"
)

// preconditioner returns a function that multiplies a vector, in place, by an approximate inverse
// of the Hessian at theta: that of its blocks, one an output, which leaves out how the outputs
// hang together; with very many columns or classes that of its diagonal only. Without it, correlated columns
// cost thousands of passes over the rows.
func (l *logistic) preconditioner(ctx context.Context, theta []float64) (func([]float64) error, error) {
	if n := l.d.Width + 1; l.d.Width <= maxNewton && n*n*l.outputs <= maxBlockFloat {
		return l.blockwise(ctx, theta)
	}
	return l.diagonal(ctx, theta)
}

// minWeight keeps the curvature of a rare class from vanishing where its probabilities are still
// low.
const minWeight = 1e-6

// weights fills w with the row's p(1-p) of each output.
func (l *logistic) weights(w, theta []float64, x []float64, slots []int32) {
	margins(w, theta, x, slots)
	if l.outputs == 1 {
		w[0] = sigmoid(w[0])
	} else {
		softmax(w)
	}
	for c, p := range w {
		w[c] = max(p*(1-p), minWeight)
	}
}

func (l *logistic) blockwise(ctx context.Context, theta []float64) (func([]float64) error, error) {
	n, k := l.d.Width+1, l.outputs
	total := make([]float64, n*n*k)
	err := newSums(l.d.Rows, len(total)).over(ctx, l.d.Rows, l.options.Threads, total, func(sum []float64, lo, hi int) {
		w := make([]float64, k)
		for i := lo; i < hi; i++ {
			x, slots := l.d.row(i)
			l.weights(w, theta, x, slots)
			for c := range w {
				addOuter(sum[c*n*n:(c+1)*n*n], n, w[c], x, slots)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	factors := make([]*mat.Cholesky, k)
	for c := range factors {
		if factors[c], err = factorise(total[c*n*n:(c+1)*n*n], n, l.lambda); err != nil {
			return nil, err
		}
	}
	column := make([]float64, n)
	return func(q []float64) error {
		for c, f := range factors {
			for j := range column {
				column[j] = q[j*k+c]
			}
			if err := solve(f, column); err != nil {
				return err
			}
			for j, v := range column {
				q[j*k+c] = v
			}
		}
		return nil
	}, nil
}

func (l *logistic) diagonal(ctx context.Context, theta []float64) (func([]float64) error, error) {
	n, k := l.d.Width+1, l.outputs
	total := make([]float64, n*k)
	err := newSums(l.d.Rows, len(total)).over(ctx, l.d.Rows, l.options.Threads, total, func(sum []float64, lo, hi int) {
		w, square := make([]float64, k), make([]float64, k)
		for i := lo; i < hi; i++ {
			x, slots := l.d.row(i)
			l.weights(w, theta, x, slots)
			for j, v := range x {
				for c := range square {
					square[c] = w[c] * v * v
				}
				addTo(sum[j*k:j*k+k], square)
			}
			for _, s := range slots {
				if s >= 0 {
					addTo(sum[int(s)*k:int(s)*k+k], w)
				}
			}
			addTo(sum[(n-1)*k:], w)
		}
	})
	for i := range total[:(n-1)*k] {
		total[i] += l.lambda
	}
	return func(q []float64) error {
		for i := range q {
			q[i] /= total[i]
		}
		return nil
	}, err
}
