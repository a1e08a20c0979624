package linear

import (
	"context"
	"fmt"
	"math"

	"github.com/bakeoffhq/bakeoff/internal/learn/portable"
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

// absentLogOdds is where the intercept of a class starts that no row has: its gradient vanishes
// there, and so it stays, instead of falling for ever.
const absentLogOdds = -30

// Logistic fits the probability of each class: y has one class index, from 0 to classes-1, a row.
// It minimises C times the sum of the rows' log losses, each as often as the row counts, plus half
// the squared coefficients.
func Logistic(ctx context.Context, d *Design, y []int32, classes int, p LogisticParams, o Options) (*Model, error) {
	if err := checkClasses(d, y, classes); err != nil {
		return nil, err
	}
	outputs := classes
	if classes == 2 {
		outputs = 1
	}
	l := &logistic{rows: arrange(d, d.Weights), y: y, outputs: outputs, params: p, options: o}
	l.penalty = l.rows.penalties(1 / p.C)
	theta := l.start(classes)
	if err := l.warm(ctx, theta); err != nil {
		return nil, err
	}
	iterations, converged, err := l.minimise(ctx, theta)
	if err != nil {
		return nil, err
	}
	m := &Model{Outputs: outputs, Width: d.Width, Weights: l.rows.restore(theta, outputs), Iterations: iterations, Converged: converged}
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

// logistic is one fit. It works on the objective divided by C: the sum of the losses plus half
// the squared coefficients, each times its penalty.
type logistic struct {
	rows    *rows
	y       []int32
	outputs int       // 1 for two classes
	penalty []float64 // one a column of rows
	params  LogisticParams
	options Options
	damping float64 // of Hessians, see damp
	part    bool    // these are a sample: near is near enough, and nobody is told of the progress
}

// penalties returns what the squares of the coefficients of the rows' columns cost, where those of
// the design's columns cost lambda.
func (r *rows) penalties(lambda float64) []float64 {
	p := make([]float64, r.columns())
	for j := range p {
		if j != r.dense-1 {
			p[j] = lambda / float64(r.gap[j]*r.gap[j])
		}
	}
	return p
}

// start returns the parameters of the model that knows only how frequent the classes are.
func (l *logistic) start(classes int) []float64 {
	theta := make([]float64, l.rows.columns()*l.outputs)
	intercept := theta[(l.rows.dense-1)*l.outputs:]
	share := l.shares(classes)
	if l.outputs == 1 {
		odds := portable.Log(share[1]) - portable.Log(share[0])
		intercept[0] = min(max(odds, absentLogOdds), -absentLogOdds)
		return theta
	}
	for c, s := range share {
		intercept[c] = max(portable.Log(s), absentLogOdds)
	}
	return theta
}

// shares returns the share of each class among the rows, as often as they count.
func (l *logistic) shares(classes int) []float64 {
	share := make([]float64, classes)
	sum := 0.0
	for i, c := range l.y {
		share[c] += l.rows.weigh(i)
		sum += l.rows.weigh(i)
	}
	for c := range share {
		share[c] /= sum
	}
	return share
}

// evaluator returns a function that evaluates the divided objective and its gradient at theta,
// in one pass over the rows.
func (l *logistic) evaluator(ctx context.Context) objective {
	n := l.rows.columns() * l.outputs
	pass := newSums(l.rows.n, n+1)
	total := make([]float64, n+1)
	add := l.addGradientOne
	if l.outputs > 1 {
		add = l.addGradient
	}
	return func(theta, gradient []float64) (float64, error) {
		err := pass.over(ctx, l.rows.n, l.options.Threads, total, func(sum []float64, lo, hi int) { add(sum, theta, lo, hi) })
		if err != nil {
			return 0, err
		}
		copy(gradient, total[:n])
		return total[n] + l.penalise(theta, gradient), nil
	}
}

// penalise adds the gradient of the penalty and returns the penalty.
func (l *logistic) penalise(theta, gradient []float64) float64 {
	squares := 0.0
	for i, t := range theta {
		g := float64(l.penalty[i/l.outputs] * t)
		gradient[i] += g
		squares += float64(g * t)
	}
	return float64(squares / 2)
}

// addGradientOne adds, for two classes, the rows' gradients to the front of sum and their losses to
// its last element.
func (l *logistic) addGradientOne(sum, theta []float64, lo, hi int) {
	last := len(sum) - 1
	b := newBinary(l.rows, theta)
	loss := losses{product: 1}
	l.rows.addMultiples(sum[:last], lo, hi, func(out []float64, lo, hi int) {
		b.load(l, lo, hi, &loss)
		copy(out, b.residual[:hi-lo])
	})
	sum[last] += loss.total()
}

// binary is what a tile of rows is turned into for two classes.
type binary struct {
	margins  func(out []float64, lo, hi int)
	margin   []float64
	small    []float64 // exp of minus the size of the margin
	residual []float64 // p less the truth
	weight   []float64 // p(1-p) with the damping, as often as the row counts
}

func newBinary(r *rows, theta []float64) *binary {
	return &binary{
		margins: r.margins(theta), margin: make([]float64, tileRows), small: make([]float64, tileRows),
		residual: make([]float64, tileRows), weight: make([]float64, tileRows),
	}
}

// load fills in the tile of rows lo up to hi, and adds their losses.
func (b *binary) load(l *logistic, lo, hi int, loss *losses) {
	b.margins(b.margin, lo, hi)
	for i, m := range b.margin[:hi-lo] {
		b.small[i] = -math.Abs(m)
	}
	portable.Exps(b.small[:hi-lo], 0)
	for i := lo; i < hi; i++ {
		m, e, w := b.margin[i-lo], b.small[i-lo], l.rows.weigh(i)
		p := 1 / (1 + e)
		loss.add(w, max(m, 0)-float64(float64(l.y[i])*m), 1+e)
		b.weight[i-lo] = float64(w * (float64(float64(p*p)*e) + l.damping))
		if m < 0 {
			p = float64(e * p)
		}
		b.residual[i-lo] = p - float64(l.y[i])
	}
	clear(b.weight[hi-lo:])
}

// losses sums up log losses. A logarithm is dear: those of rows that count once are taken of a
// product of many.
type losses struct {
	sum     float64
	product float64 // of the numbers whose logarithms are not in sum yet
}

// add adds weight times (v + log(e)), for an e from 1e-100 to 1e100.
func (s *losses) add(weight, v, e float64) {
	if weight != 1 {
		s.sum += float64(weight * (v + portable.Log(e)))
		return
	}
	s.sum += v
	if s.product *= e; s.product > 1e200 || s.product < 1e-200 {
		s.sum += portable.Log(s.product)
		s.product = 1
	}
}

func (s *losses) total() float64 { return s.sum + portable.Log(s.product) }

// addGradient is addGradientOne for more than two classes.
func (l *logistic) addGradient(sum, theta []float64, lo, hi int) {
	r, k := l.rows, l.outputs
	m := newMulti(l, theta)
	gradient := make([]quad, r.stride*m.width)
	x := make([]float64, tileRows*r.stride)
	marks := sum[r.dense*k : len(sum)-1]
	loss := losses{product: 1}
	eachTile(lo, hi, func(lo, hi int) {
		n := upToFour(hi - lo)
		m.load(l, theta, lo, hi, &loss)
		transpose(x, r.tile(lo, hi), r.stride)
		for j := 0; j < r.dense; j += 2 {
			addProducts(gradient[j*m.width:][:m.width], gradient[(j+1)*m.width:][:m.width], x[j*n:][:n], x[(j+1)*n:][:n], m.residual)
		}
		for i := lo; i < hi; i++ {
			for _, s := range r.of(i) {
				g := marks[int(s)*k:][:k]
				for c := range g {
					g[c] += m.residual[c/4*n+i-lo][c%4]
				}
			}
		}
	})
	for j := range r.dense {
		for c := range k {
			sum[j*k+c] += gradient[j*m.width+c/4][c%4]
		}
	}
	sum[len(sum)-1] += loss.total()
}

// multi is what a tile of rows is turned into for more than two classes.
type multi struct {
	rows   *rows
	width  int // quads of outputs
	coef   []quad
	margin []quad
	p      []float64 // the probabilities of the rows, row-major
	// residual is p less the truth, as often as the row counts: for each quad all rows of the tile.
	residual []quad
}

func newMulti(l *logistic, theta []float64) *multi {
	r, k := l.rows, l.outputs
	m := &multi{rows: r, width: quads(k), p: make([]float64, tileRows*k)}
	m.coef = make([]quad, m.width*r.dense)
	m.margin, m.residual = make([]quad, m.width*tileRows), make([]quad, m.width*tileRows)
	for j := range r.dense {
		for c := range k {
			m.coef[c/4*r.dense+j][c%4] = theta[j*k+c]
		}
	}
	return m
}

// load fills in the tile of rows lo up to hi at theta, and adds their losses.
func (m *multi) load(l *logistic, theta []float64, lo, hi int, loss *losses) {
	r, k := l.rows, l.outputs
	n := upToFour(hi - lo)
	multiply(m.margin, r.tile(lo, hi), r.stride, m.coef, m.width)
	for i := lo; i < hi; i++ {
		p := m.p[(i-lo)*k:][:k]
		m.margins(p, theta, i, lo)
		w, y := r.weigh(i), l.y[i]
		truth := p[y]
		top, sum := 0.0, portable.Exps(p, 0) // the largest margin is looked for where it is needed
		if !(sum > 1e-100 && sum < 1e100) {
			m.margins(p, theta, i, lo)
			top, sum = softmaxParts(p)
		}
		loss.add(w, top-truth, sum)
		m.share(p, 1/sum, w, i-lo, n)
		m.residual[int(y)/4*n+i-lo][y%4] -= w
	}
	for q := range m.width {
		clear(m.residual[q*n+hi-lo : (q+1)*n])
	}
}

// margins fills out with those of row i of the tile that begins at lo.
func (m *multi) margins(out, theta []float64, i, lo int) {
	for q, v := range m.margin[(i-lo)*m.width:][:m.width] {
		copy(out[4*q:], v[:])
	}
	k := len(out)
	marks := theta[m.rows.dense*k:]
	for _, s := range m.rows.of(i) {
		addTo(out, 1, marks[int(s)*k:])
	}
}

// share multiplies p by scale, which makes it the probabilities of the i-th of n rows of the tile, and
// writes them as often as the row counts to where their residuals belong.
func (m *multi) share(p []float64, scale, weight float64, i, n int) {
	residual := m.residual[i:]
	for ; len(p) >= 4; p = p[4:] {
		v, r := (*quad)(p), &residual[0]
		v[0], v[1], v[2], v[3] = v[0]*scale, v[1]*scale, v[2]*scale, v[3]*scale
		r[0], r[1], r[2], r[3] = weight*v[0], weight*v[1], weight*v[2], weight*v[3]
		residual = residual[min(n, len(residual)):]
	}
	for c := range p {
		p[c] *= scale
		residual[0][c] = weight * p[c]
	}
}
