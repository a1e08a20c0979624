package linear

import (
	"context"
	"fmt"
	"math"
)

// LogisticParams are the settings of logistic regression.
type LogisticParams struct {
	C       float64 // inverse strength of the L2 penalty
	MaxIter int
	Tol     float64 // stop when no component of the gradient of the objective divided by C is larger
}

// DefaultLogisticParams returns scikit-learn's penalty, a limit that is rarely reached, and a
// tolerance at which the coefficients have settled to six digits.
func DefaultLogisticParams() LogisticParams {
	return LogisticParams{C: 1, MaxIter: 1000, Tol: 1e-6}
}

// maxNewton is the most columns for which Newton's method is used, and for which the solvers
// above it factorise a matrix of columns by columns.
const maxNewton = 500

// absentLogOdds is where the intercept of a class starts that no row has: its gradient vanishes
// there, and so it stays, instead of falling for ever.
const absentLogOdds = -30

// Logistic fits the probability of each class: y has one class index, from 0 to classes-1, a row.
// It minimises C times the sum of the rows' log losses plus half the squared coefficients, by
// Newton's method for two classes and few columns, else by L-BFGS.
func Logistic(ctx context.Context, d *Design, y []int32, classes int, p LogisticParams, o Options) (*Model, error) {
	if err := checkClasses(d, y, classes); err != nil {
		return nil, err
	}
	outputs := classes
	if classes == 2 {
		outputs = 1
	}
	l := &logistic{d: d, y: y, outputs: outputs, lambda: 1 / p.C, params: p, options: o}
	theta := l.start(classes)
	solve := l.lbfgs
	if outputs == 1 && d.Width <= maxNewton {
		solve = l.newton
	}
	iterations, converged, err := solve(ctx, theta)
	if err != nil {
		return nil, err
	}
	m := &Model{Outputs: outputs, Width: d.Width, Weights: theta, Iterations: iterations, Converged: converged}
	if outputs > 1 {
		centre(m.Intercepts())
	}
	return m, nil
}

func checkClasses(d *Design, y []int32, classes int) error {
	if classes < 2 {
		return fmt.Errorf("logistic regression needs two classes, not %d", classes)
	}
	if len(y) != d.Rows || d.Rows == 0 {
		return fmt.Errorf("%d labels for %d rows", len(y), d.Rows)
	}
	for i, c := range y {
		if c < 0 || int(c) >= classes {
			return fmt.Errorf("row %d: class %d of %d", i, c, classes)
		}
	}
	return nil
}

// centre makes the intercepts sum to zero: the softmax does not see what is added to all of them.
func centre(intercept []float64) {
	mean := 0.0
	for _, v := range intercept {
		mean += v / float64(len(intercept))
	}
	for k := range intercept {
		intercept[k] -= mean
	}
}

// logistic is one fit. It works on the objective divided by C: the sum of the losses plus
// lambda/2 times the squared coefficients.
type logistic struct {
	d       *Design
	y       []int32
	outputs int // 1 for two classes
	lambda  float64
	params  LogisticParams
	options Options
}

// start returns the parameters of the model that knows only how frequent the classes are.
func (l *logistic) start(classes int) []float64 {
	theta := make([]float64, (l.d.Width+1)*l.outputs)
	intercept := theta[l.d.Width*l.outputs:]
	share := l.shares(classes)
	if l.outputs == 1 {
		odds := math.Log(share[1]) - math.Log(share[0])
		intercept[0] = min(max(odds, absentLogOdds), -absentLogOdds)
		return theta
	}
	for c, s := range share {
		intercept[c] = max(math.Log(s), absentLogOdds)
	}
	return theta
}

// shares returns the share of each class among the rows.
func (l *logistic) shares(classes int) []float64 {
	share := make([]float64, classes)
	for _, c := range l.y {
		share[c]++
	}
	for c := range share {
		share[c] /= float64(len(l.y))
	}
	return share
}

// objective returns a function that evaluates the divided objective and its gradient at theta,
// in one pass over the rows.
func (l *logistic) objective(ctx context.Context) objective {
	n := (l.d.Width + 1) * l.outputs
	pass := newSums(l.d.Rows, n+1)
	total := make([]float64, n+1)
	return func(theta, gradient []float64) (float64, error) {
		add := func(sum []float64, lo, hi int) { l.addGradient(sum, theta, lo, hi) }
		if err := pass.over(ctx, l.d.Rows, l.options.Threads, total, add); err != nil {
			return 0, err
		}
		copy(gradient, total[:n])
		return total[n] + l.penalise(theta, gradient), nil
	}
}

// penalise adds the gradient of the penalty and returns the penalty.
func (l *logistic) penalise(theta, gradient []float64) float64 {
	squares := 0.0
	for i, t := range theta[:l.d.Width*l.outputs] {
		gradient[i] += l.lambda * t
		squares += t * t
	}
	return l.lambda / 2 * squares
}

// addGradient adds the rows' gradients to the front of sum and their losses to its last element.
func (l *logistic) addGradient(sum, theta []float64, lo, hi int) {
	k := l.outputs
	residual := make([]float64, k)
	last := len(sum) - 1
	for i := lo; i < hi; i++ {
		x, slots := l.d.row(i)
		sum[last] += l.residuals(residual, theta, i)
		for j, v := range x {
			g := sum[j*k : j*k+k]
			for c, r := range residual {
				g[c] += r * v
			}
		}
		for _, s := range slots {
			if s >= 0 {
				addTo(sum[int(s)*k:int(s)*k+k], residual)
			}
		}
		addTo(sum[last-k:last], residual)
	}
}

func addTo(sum, v []float64) {
	for c := range sum {
		sum[c] += v[c]
	}
}

// residuals fills r with the row's probabilities minus its truth, and returns its log loss.
func (l *logistic) residuals(r, theta []float64, row int) float64 {
	x, slots := l.d.row(row)
	if l.outputs == 1 {
		loss, p := binaryLoss(margin(theta, x, slots), l.y[row])
		r[0] = p - float64(l.y[row])
		return loss
	}
	margins(r, theta, x, slots)
	truth := l.y[row]
	m := r[truth]
	loss := softmax(r) - m
	r[truth]--
	return loss
}

// binaryLoss returns the log loss of a margin for a class 0 or 1, and the probability of class 1.
func binaryLoss(m float64, class int32) (loss, p float64) {
	e := math.Exp(-math.Abs(m))
	loss = math.Log1p(e) + max(m, 0)
	if class == 1 {
		loss -= m
	}
	if m >= 0 {
		return loss, 1 / (1 + e)
	}
	return loss, e / (1 + e)
}
