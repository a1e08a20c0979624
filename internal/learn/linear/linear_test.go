package linear_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/bakeoffhq/bakeoff/internal/learn/linear"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// tolerance is how near scikit-learn's optimum every coefficient and probability must be. The
// fixtures are made by ../testdata/fixtures.py.
const tolerance = 1e-6

// fixture is a small set and what scikit-learn makes of it.
type fixture struct {
	Rows, Dense, Hot, Width int
	Numbers                 []float64
	Slots                   []int32
	Y                       []float64
	Classes                 int
	C, Alpha                float64
	Coef, Intercept         []float64
	// Answers for the first rows.
	Probabilities, Values []float64
}

func read(t *testing.T, name string) fixture {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var f fixture
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f fixture) design() *linear.Design {
	d := linear.NewDesign(f.Rows, f.Dense, f.Hot, f.Width)
	for i := range f.Rows {
		copy(d.Numbers[i*d.Stride:], f.Numbers[i*f.Dense:(i+1)*f.Dense])
	}
	copy(d.Slots, f.Slots)
	return d
}

func (f fixture) codes() []int32 {
	codes := make([]int32, len(f.Y))
	for i, y := range f.Y {
		codes[i] = int32(y)
	}
	return codes
}

// fit fits the fixture's model with the default settings but for the penalty.
func (f fixture) fit(ctx context.Context, o linear.Options) (*linear.Model, error) {
	if f.Classes == 0 {
		return linear.Ridge(ctx, f.design(), f.Y, f.Alpha, o)
	}
	p := linear.DefaultLogisticParams()
	p.C = f.C
	return linear.Logistic(ctx, f.design(), f.codes(), f.Classes, p, o)
}

func fixtures() []string {
	return []string{
		"binary", "binary_weak_penalty", "binary_many_columns",
		"multinomial", "multinomial_many_columns", "ridge", "ridge_many_columns",
	}
}

func TestTheOptimumIsScikitLearns(t *testing.T) {
	for _, name := range fixtures() {
		t.Run(name, func(t *testing.T) {
			f := read(t, name)
			m, err := f.fit(t.Context(), linear.Options{Threads: 2})
			if err != nil {
				t.Fatal(err)
			}
			if !m.Converged {
				t.Errorf("not converged after %d iterations", m.Iterations)
			}
			var coef []float64
			for k := range m.Outputs {
				coef = append(coef, m.Coef(k)...)
			}
			near(t, "coefficients", f.Coef, coef)
			near(t, "intercepts", f.Intercept, m.Intercepts())
			if f.Classes > 0 {
				p, err := m.Probabilities(t.Context(), f.design(), 2)
				if err != nil {
					t.Fatal(err)
				}
				near(t, "probabilities", f.Probabilities, p[:len(f.Probabilities)])
				return
			}
			v, err := m.Values(t.Context(), f.design(), 2)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "values", f.Values, v[:len(f.Values)])
		})
	}
}

func near(t *testing.T, what string, want, got []float64) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, tolerance)); diff != "" {
		t.Errorf("%s (-scikit-learn +ours):\n%.2000s", what, diff)
	}
}

// grown repeats a fixture's rows until there are enough of them for many blocks, each copy with
// its numbers a little off, so that the order of sums matters to the last bit.
func grown(f fixture, copies int) fixture {
	g := f
	g.Rows *= copies
	g.Numbers, g.Slots, g.Y = nil, nil, nil
	for c := range copies {
		for i, v := range f.Numbers {
			g.Numbers = append(g.Numbers, v+0.1*math.Sin(float64(c*len(f.Numbers)+i)))
		}
		g.Slots = append(g.Slots, f.Slots...)
		g.Y = append(g.Y, f.Y...)
	}
	return g
}

func TestThreadsChangeNoBit(t *testing.T) {
	for _, name := range fixtures() {
		t.Run(name, func(t *testing.T) {
			f := read(t, name)
			f = grown(f, 3000/f.Rows)
			want, err := f.fit(t.Context(), linear.Options{Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			for _, threads := range []int{0, 2, 7} {
				got, err := f.fit(t.Context(), linear.Options{Threads: threads})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%d threads (-one +more):\n%.2000s", threads, diff)
				}
			}
		})
	}
}

func TestProgressRisesAndCancellationStops(t *testing.T) {
	stop := errors.New("stop")
	for _, name := range []string{"binary", "multinomial", "ridge_many_columns"} {
		t.Run(name, func(t *testing.T) {
			f := read(t, name)
			seen, last := 0, 0.0
			m, err := f.fit(t.Context(), linear.Options{Progress: func(iteration int, fraction float64) {
				if seen++; iteration != seen || fraction < 0 || fraction > 1 {
					t.Errorf("call %d: iteration %d, fraction %v", seen, iteration, fraction)
				}
				last = fraction
			}})
			if err != nil {
				t.Fatal(err)
			}
			if seen != m.Iterations || last != 1 {
				t.Errorf("%d calls up to %v for %d iterations", seen, last, m.Iterations)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			_, err = f.fit(ctx, linear.Options{Progress: func(int, float64) { cancel(stop) }})
			if !errors.Is(err, stop) {
				t.Errorf("cancelled in its first iteration: %v", err)
			}
		})
	}
}

func TestMaxIterIsKept(t *testing.T) {
	for _, name := range []string{"binary", "multinomial"} {
		f := read(t, name)
		p := linear.DefaultLogisticParams()
		p.MaxIter = 2
		m, err := linear.Logistic(t.Context(), f.design(), f.codes(), f.Classes, p, linear.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if m.Iterations != 2 || m.Converged {
			t.Errorf("%s: %d iterations, converged %v", name, m.Iterations, m.Converged)
		}
	}
}

func TestAClassWithoutRowsIsImprobable(t *testing.T) {
	f := read(t, "multinomial")
	codes := f.codes()
	for i, c := range codes {
		if c == 2 {
			codes[i] = 0
		}
	}
	m, err := linear.Logistic(t.Context(), f.design(), codes, f.Classes, linear.DefaultLogisticParams(), linear.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !m.Converged {
		t.Error("not converged")
	}
	p, err := m.Probabilities(t.Context(), f.design(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range f.Rows {
		sum := 0.0
		for _, v := range p[i*4 : i*4+4] {
			sum += v
		}
		if p[i*4+2] > 1e-9 || math.Abs(sum-1) > 1e-12 {
			t.Fatalf("row %d: %v", i, p[i*4:i*4+4])
		}
	}
}

func TestSeparableRowsAndNoColumns(t *testing.T) {
	separable := fixture{Rows: 6, Dense: 1, Width: 1, Numbers: []float64{-3, -2, -1, 1, 2, 3}}.design()
	for _, c := range []float64{1e-9, 1, 1e9} {
		p := linear.DefaultLogisticParams()
		p.C = c
		m, err := linear.Logistic(t.Context(), separable, []int32{0, 0, 0, 1, 1, 1}, 2, p, linear.Options{})
		if err != nil || !(m.Coef(0)[0] > 0) || math.IsInf(m.Coef(0)[0], 0) || math.Abs(m.Intercepts()[0]) > 1e-6 {
			t.Errorf("C %v: %+v, %v", c, m, err)
		}
	}
	none := linear.NewDesign(4, 0, 0, 0)
	m, err := linear.Logistic(t.Context(), none, []int32{0, 1, 1, 1}, 2, linear.DefaultLogisticParams(), linear.Options{})
	if err != nil || math.Abs(m.Intercepts()[0]-math.Log(3)) > tolerance {
		t.Errorf("no columns: %+v, %v", m, err)
	}
	m, err = linear.Ridge(t.Context(), none, []float64{1, 2, 3, 4}, 1, linear.Options{})
	if err != nil || math.Abs(m.Intercepts()[0]-2.5) > tolerance {
		t.Errorf("no columns: %+v, %v", m, err)
	}
}

func TestBadLabels(t *testing.T) {
	d := fixture{Rows: 2, Dense: 1, Width: 1, Numbers: []float64{1, 2}}.design()
	p := linear.DefaultLogisticParams()
	for name, y := range map[string][]int32{"too few": {0}, "beyond the classes": {0, 2}, "negative": {-1, 0}} {
		if m, err := linear.Logistic(t.Context(), d, y, 2, p, linear.Options{}); err == nil {
			t.Errorf("%s: %+v", name, m)
		}
	}
	if m, err := linear.Logistic(t.Context(), d, []int32{0, 0}, 1, p, linear.Options{}); err == nil {
		t.Errorf("one class: %+v", m)
	}
	for name, y := range map[string][]float64{"too few": {0}, "not finite": {1, math.Inf(1)}, "not a number": {math.NaN(), 1}} {
		if m, err := linear.Ridge(t.Context(), d, y, 1, linear.Options{}); err == nil {
			t.Errorf("%s: %+v", name, m)
		}
	}
}
