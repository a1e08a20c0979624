package linear

import (
	"context"

	"github.com/bakeoffhq/bakeoff/internal/learn/portable"
)

// Model is a fitted model. Binary logistic regression and ridge regression have one output,
// multinomial logistic regression has one a class. It is immutable and safe for concurrent use.
type Model struct {
	Outputs, Width int
	// Weights has, for each column and last for the intercept, one number an output.
	Weights []float64
	// Iterations counts those of the solver; Converged is false where it stopped at the limit.
	Iterations int
	Converged  bool
}

// Coef returns the coefficients of one output, one a column.
func (m *Model) Coef(output int) []float64 {
	coef := make([]float64, m.Width)
	for j := range coef {
		coef[j] = m.Weights[j*m.Outputs+output]
	}
	return coef
}

// Intercepts returns the intercept of each output.
func (m *Model) Intercepts() []float64 { return m.Weights[m.Width*m.Outputs:] }

// Values returns the margin of each output for each row, row-major: the predictions themselves
// for ridge regression, log-odds for logistic regression.
func (m *Model) Values(ctx context.Context, d *Design, threads int) ([]float64, error) {
	out := make([]float64, d.Rows*m.Outputs)
	k := m.Outputs
	err := inBlocks(ctx, d.Rows, blocks(d.Rows, k), threads, func(_, lo, hi int) {
		for i := lo; i < hi; i++ {
			x, slots := d.row(i)
			margins(out[i*k:(i+1)*k], m.Weights, x, slots)
		}
	})
	return out, err
}

// Probabilities returns the probability of each class for each row, row-major: of the first and
// the second class where the model has one output.
func (m *Model) Probabilities(ctx context.Context, d *Design, threads int) ([]float64, error) {
	values, err := m.Values(ctx, d, threads)
	if err != nil {
		return nil, err
	}
	if m.Outputs > 1 {
		for i := range d.Rows {
			softmax(values[i*m.Outputs : (i+1)*m.Outputs])
		}
		return values, nil
	}
	p := make([]float64, 2*d.Rows)
	for i, v := range values {
		p[2*i], p[2*i+1] = sigmoid(-v), sigmoid(v)
	}
	return p, nil
}

// ScoreValues is Values in the calling goroutine. It writes to out, which has a place for each
// answer, and does not allocate.
func (m *Model) ScoreValues(d *Design, out []float64) {
	k := m.Outputs
	for i := range d.Rows {
		x, slots := d.row(i)
		margins(out[i*k:(i+1)*k], m.Weights, x, slots)
	}
}

// ScoreProbabilities is Probabilities in the same way.
func (m *Model) ScoreProbabilities(d *Design, out []float64) {
	if k := m.Outputs; k > 1 {
		m.ScoreValues(d, out)
		for i := range d.Rows {
			softmax(out[i*k : (i+1)*k])
		}
		return
	}
	for i := range d.Rows {
		x, slots := d.row(i)
		v := margin(m.Weights, x, slots)
		out[2*i], out[2*i+1] = sigmoid(-v), sigmoid(v)
	}
}

// margins fills out with the margin of each output: theta has len(out) numbers a column, and the
// intercepts last.
func margins(out, theta, x []float64, slots []int32) {
	k := len(out)
	if k == 1 {
		out[0] = margin(theta, x, slots)
		return
	}
	copy(out, theta[len(theta)-k:])
	for j, v := range x {
		t := theta[j*k : j*k+k]
		for c := range out {
			out[c] += float64(v * t[c])
		}
	}
	for _, s := range slots {
		if s < 0 {
			continue
		}
		t := theta[int(s)*k : int(s)*k+k]
		for c := range out {
			out[c] += t[c]
		}
	}
}

// margin returns the margin of the only output.
func margin(theta, x []float64, slots []int32) float64 {
	m := theta[len(theta)-1]
	t := theta[:len(x)]
	for j, v := range x {
		m += float64(v * t[j])
	}
	for _, s := range slots {
		if s >= 0 {
			m += theta[s]
		}
	}
	return m
}

// sigmoid returns 1/(1+exp(-m)) without overflow.
func sigmoid(m float64) float64 {
	if m >= 0 {
		return 1 / (1 + portable.Exp(-m))
	}
	e := portable.Exp(m)
	return e / (1 + e)
}

// softmax turns margins into probabilities.
func softmax(m []float64) {
	_, sum := softmaxParts(m)
	for c := range m {
		m[c] /= sum
	}
}

// softmaxParts turns margins, in place, into their exponentials as parts of the largest one's. It
// returns the largest margin and the sum of the parts, which is from 1 up.
func softmaxParts(m []float64) (top, sum float64) {
	top = m[0]
	for _, v := range m {
		top = max(top, v)
	}
	return top, portable.Exps(m, top)
}
