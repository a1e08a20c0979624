package linear

import "context"

// maxHessian is the most parameters whose Hessian is factorised; above it only what each column is
// to itself counts.
const maxHessian = 1000

// dearHessian is what a Hessian may cost, in passes over all rows, before it is taken of a sample of
// them; leastRows is how many rows for each parameter that has at least.
const (
	dearHessian = 8
	leastRows   = 4
)

// preconditioner multiplies a vector, in place, by an approximate inverse of the Hessian.
type preconditioner func(q []float64)

// preconditioner returns one for steps from theta, and what it costs in passes over the rows.
// Without it, correlated columns take thousands of passes.
func (l *logistic) preconditioner(ctx context.Context, theta []float64) (preconditioner, error) {
	if len(theta) > maxHessian {
		return l.diagonal(ctx, theta)
	}
	from, scale := l, 1.0
	if want := l.hessianRows(); want < l.rows.n {
		from = l.sample(want)
		scale = float64(l.rows.n) / float64(from.rows.n)
		from.penalty = l.penalty
	}
	factor, err := from.hessian(ctx, theta, scale)
	if err != nil {
		return nil, err
	}
	return factor.solve, nil
}

// hessianRows is how many rows a Hessian is made of.
func (l *logistic) hessianRows() int {
	n := float64(l.rows.n)
	if cost := l.hessianCost(); cost > dearHessian {
		n = n * dearHessian / cost
	}
	return min(l.rows.n, max(int(n), leastRows*l.rows.columns()*l.outputs))
}

// hessianCost is what a Hessian of all rows costs, as a multiple of a pass: the products of each. Of
// many outputs a row has few pairs that count.
func (l *logistic) hessianCost() float64 {
	const exponential, likelyPairs = 12, 4
	r := l.rows
	marks := float64(len(r.mark)) / float64(r.n)
	dense, k := float64(r.dense), float64(l.outputs)
	pass := k * (float64(2*dense) + float64(2*marks) + exponential)
	pairs := float64(dense*(dense+1)/2) + float64(2*marks*dense) + float64(marks*marks)
	blocks := k + min(k*(k-1)/2, likelyPairs*k)
	return 1 + float64(blocks*pairs/pass)
}

// diagonal is a preconditioner of the Hessian's diagonal alone.
func (l *logistic) diagonal(ctx context.Context, theta []float64) (preconditioner, error) {
	r, k := l.rows, l.outputs
	total := make([]float64, len(theta))
	err := newSums(r.n, len(total)).over(ctx, r.n, l.options.Threads, total, func(sum []float64, lo, hi int) {
		curvature := l.curvatures(theta)
		eachTile(lo, hi, func(lo, hi int) {
			for i, w := range curvature(lo, hi) {
				row := lo + i/k
				for j, v := range r.x[row*r.stride:][:r.dense] {
					sum[j*k+i%k] += float64(float64(w*v) * v)
				}
				for _, s := range r.of(row) {
					sum[(r.dense+int(s))*k+i%k] += w
				}
			}
		})
	})
	for i := range total {
		total[i] += l.penalty[i/k]
	}
	return func(q []float64) {
		for i := range q {
			q[i] /= total[i]
		}
	}, err
}

// minCurvature keeps the curvature of a rare class from vanishing where its probabilities are still
// low.
const minCurvature = 1e-6

// curvatures returns a function that gives p(1-p) of each row and output of a tile, as often as the
// row counts.
func (l *logistic) curvatures(theta []float64) func(lo, hi int) []float64 {
	loss := losses{product: 1}
	if l.outputs == 1 {
		b := newBinary(l.rows, theta)
		return func(lo, hi int) []float64 {
			b.load(l, lo, hi, &loss)
			for i := range hi - lo {
				b.weight[i] = max(b.weight[i], minCurvature)
			}
			return b.weight[:hi-lo]
		}
	}
	m := newMulti(l, theta)
	return func(lo, hi int) []float64 {
		m.load(l, theta, lo, hi, &loss)
		p := m.p[:(hi-lo)*l.outputs]
		for i, v := range p {
			p[i] = l.rows.weigh(lo+i/l.outputs) * (max(float64(v*(1-v)), minCurvature) + l.damping)
		}
		return p
	}
}
