package linear_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/bakeoffhq/bakeoff/internal/learn/linear"
	"github.com/google/go-cmp/cmp"
)

// many returns rows enough for samples to be taken of them, with numbers, numbers that have two
// values, one of them rare, and two categories; and a class a row that they say something of.
func many(rows, classes int) (*linear.Design, []int32) {
	const numbers, twos = 5, 4
	rng := rand.New(rand.NewPCG(7, uint64(classes)))
	d := linear.NewDesign(rows, numbers+twos, 2, numbers+twos+3+7)
	y := make([]int32, rows)
	for i := range rows {
		x := d.Numbers[i*d.Stride:]
		shared := rng.NormFloat64()
		for j := range numbers {
			x[j] = rng.NormFloat64() + 0.7*shared
		}
		for j := range twos {
			x[numbers+j] = -0.3
			if rng.IntN(10) <= j {
				x[numbers+j] = 2.5
			}
		}
		d.Slots[2*i] = int32(numbers + twos + rng.IntN(3))
		d.Slots[2*i+1] = int32(numbers + twos + 3 + rng.IntN(7))
		if rng.IntN(20) == 0 {
			d.Slots[2*i+1] = -1
		}
		y[i] = choose(rng, x[:d.Dense], classes)
	}
	return d, y
}

// choose draws a class that the numbers make likely.
func choose(rng *rand.Rand, x []float64, classes int) int32 {
	best, top := 0, math.Inf(-1)
	for c := range classes {
		score := -math.Log(rng.ExpFloat64())
		for j, v := range x {
			score += v * math.Sin(float64(1+c*len(x)+j))
		}
		if score > top {
			best, top = c, score
		}
	}
	return int32(best)
}

// slope returns the largest component of the gradient of the objective of logistic regression divided by
// C, computed the plain way from the model's probabilities.
func slope(t *testing.T, m *linear.Model, d *linear.Design, y []int32, c float64) float64 {
	t.Helper()
	p, err := m.Probabilities(t.Context(), d, 2)
	if err != nil {
		t.Fatal(err)
	}
	k, classes := m.Outputs, len(p)/d.Rows
	gradient := make([]float64, len(m.Weights))
	for j, w := range m.Weights[:d.Width*k] {
		gradient[j] = w / c
	}
	for i := range d.Rows {
		for c := range k {
			class := c
			if k == 1 {
				class = 1
			}
			r := p[i*classes+class]
			if int(y[i]) == class {
				r--
			}
			if d.Weights != nil {
				r *= d.Weights[i]
			}
			for j, v := range d.Numbers[i*d.Stride:][:d.Dense] {
				gradient[j*k+c] += r * v
			}
			for _, s := range d.Slots[i*d.Hot : (i+1)*d.Hot] {
				if s >= 0 {
					gradient[int(s)*k+c] += r
				}
			}
			gradient[d.Width*k+c] += r
		}
	}
	top := 0.0
	for _, g := range gradient {
		top = max(top, math.Abs(g))
	}
	return top
}

// What is fast about a fit, samples and marks, does not move the optimum, nor do threads.
func TestManyRowsReachTheOptimum(t *testing.T) {
	for _, classes := range []int{2, 5, 20} {
		d, y := many(9_001, classes)
		for _, weighted := range []bool{false, true} {
			if weighted {
				d.Weights = make([]float64, d.Rows)
				for i := range d.Weights {
					d.Weights[i] = float64(i%4) / 2
				}
			}
			m, err := linear.Logistic(t.Context(), d, y, classes, linear.DefaultLogisticParams(), linear.Options{Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			if got := slope(t, m, d, y, 1); !m.Converged || got > 2e-6 {
				t.Errorf("%d classes: the gradient has a component of %v after %d iterations", classes, got, m.Iterations)
			}
			for _, threads := range []int{2, 7} {
				other, err := linear.Logistic(t.Context(), d, y, classes, linear.DefaultLogisticParams(), linear.Options{Threads: threads})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(m, other); diff != "" {
					t.Errorf("%d classes, %d threads (-one +more):\n%.1000s", classes, threads, diff)
				}
			}
		}
	}
}

// A few rows that count more than all others together, and no penalty to speak of: a model that answers
// one of them wrongly has next to no curvature there, and promises itself steps without an end.
func TestRowsThatCountVeryMuchReachTheOptimum(t *testing.T) {
	const rows, numbers, levels, classes = 500, 12, 14, 5
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(9, seed))
		d, y := linear.NewDesign(rows, numbers, 1, numbers+levels), make([]int32, rows)
		for i := range rows {
			x := d.Numbers[i*d.Stride:][:numbers]
			for j := range x {
				if x[j] = rng.NormFloat64(); j%3 == 1 {
					x[j] = math.Exp(2 * x[j]) // most of it is in few rows
				}
			}
			d.Slots[i] = int32(numbers + rng.IntN(levels))
			if rng.Float64() < 1/(1+math.Exp(-3*x[0])) {
				y[i] = int32(1 + rng.IntN(classes-1))
			}
		}
		d.Weights = slices.Repeat([]float64{1}, rows)
		d.Weights[0], d.Weights[1], d.Weights[2] = 1e6, 1e6, 1e6
		p := linear.DefaultLogisticParams()
		p.C = 1e9
		m, err := linear.Logistic(t.Context(), d, y, classes, p, linear.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := slope(t, m, d, y, p.C); !m.Converged || got > 1e-3 {
			t.Errorf("seed %d: converged is %v, with a component of %v in the gradient after %d iterations", seed, m.Converged, got, m.Iterations)
		}
	}
}

// repeat returns a design in which each row of d is as often as its weight says.
func repeat(d *linear.Design) (*linear.Design, []int) {
	var which []int
	for i, w := range d.Weights {
		for range int(w) {
			which = append(which, i)
		}
	}
	out := linear.NewDesign(len(which), d.Dense, d.Hot, d.Width)
	for to, from := range which {
		copy(out.Numbers[to*out.Stride:][:d.Dense], d.Numbers[from*d.Stride:])
		copy(out.Slots[to*d.Hot:(to+1)*d.Hot], d.Slots[from*d.Hot:])
	}
	return out, which
}

func TestAWeightIsARowThatIsThereAsOften(t *testing.T) {
	for _, name := range fixtures() {
		t.Run(name, func(t *testing.T) {
			f := read(t, name)
			d := f.design()
			for i := range f.Rows {
				d.Weights = append(d.Weights, float64(i%3))
			}
			repeated, which := repeat(d)
			var labels []float64
			for _, i := range which {
				labels = append(labels, f.Y[i])
			}
			got, err := f.fitTo(t, d, f.Y)
			if err != nil {
				t.Fatal(err)
			}
			want, err := f.fitTo(t, repeated, labels)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "weights", want.Weights, got.Weights)
		})
	}
}

// fitTo fits the fixture's model to other rows.
func (f fixture) fitTo(t *testing.T, d *linear.Design, y []float64) (*linear.Model, error) {
	t.Helper()
	if f.Classes == 0 {
		return linear.Ridge(t.Context(), d, y, f.Alpha, linear.Options{})
	}
	p := linear.DefaultLogisticParams()
	p.C = f.C
	return linear.Logistic(t.Context(), d, fixture{Y: y}.codes(), f.Classes, p, linear.Options{})
}
