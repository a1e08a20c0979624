package linear

import (
	"errors"
	"math"
)

// cholesky holds the lower factor of a symmetric positive definite matrix, row-major.
type cholesky struct {
	n int
	l []float64
}

// factorise turns the n by n matrix whose lower triangle is a into its Cholesky factor. A matrix
// that is not positive definite in floating point gets more on its diagonal until it is.
func factorise(a []float64, n int) (*cholesky, error) {
	top := 0.0
	for i := range n {
		top = max(top, a[i*n+i])
	}
	if !(top > 0) || math.IsInf(top, 0) {
		return nil, errors.New("the matrix of second derivatives is zero or not finite")
	}
	c := &cholesky{n: n, l: make([]float64, n*n)}
	for extra := 0.0; ; extra = max(1e-14*top, 100*extra) {
		if extra > top {
			return nil, errors.New("the matrix of second derivatives is not positive definite")
		}
		copy(c.l, a)
		if c.eliminate(extra) {
			return c, nil
		}
	}
}

// eliminate makes the factor in place, of the matrix with extra on its diagonal. It reports whether
// every pivot was positive.
func (c *cholesky) eliminate(extra float64) bool {
	n := c.n
	for i := range n {
		row := c.l[i*n:][:i+1]
		for j := range i {
			other := c.l[j*n:][:j+1]
			row[j] = (row[j] - dot(row[:j], other[:j])) / other[j]
		}
		pivot := row[i] + extra - dot(row[:i], row[:i])
		if !(pivot > 0) {
			return false
		}
		row[i] = math.Sqrt(pivot)
	}
	return true
}

// solve replaces b with the solution x of a x = b.
func (c *cholesky) solve(b []float64) {
	n := c.n
	for i := range n {
		row := c.l[i*n:][:i+1]
		b[i] = (b[i] - dot(row[:i], b[:i])) / row[i]
	}
	for i := n - 1; i >= 0; i-- {
		row := c.l[i*n:][:i+1]
		b[i] /= row[i]
		addTo(b[:i], -b[i], row)
	}
}
