package tree

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/bakeoffhq/bakeoff"
)

// Training sees bins and scoring sees the columns: they must agree to the last bit, for the rows
// that were learnt from and for those that were set aside.
func TestColumnsScoreAsBinsDo(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		d, values := random(r)
		for _, y := range []bakeoff.Labels{{Values: values}, labels(values, 2), labels(values, 4)} {
			p := DefaultBoostParams()
			p.Iterations, p.MinSamplesLeaf, p.MaxBins = 5, 1+r.IntN(20), 2+r.IntN(254)
			p.EarlyStopping, p.Patience = true, 100
			b, err := newBooster(d, y, p, Options{Seed: seed, Threads: 2})
			if err != nil {
				t.Fatal(err)
			}
			for round := range p.Iterations {
				if err := b.round(t.Context(), round); err != nil {
					t.Fatal(err)
				}
			}
			checkSums(t, b, d)
		}
	}
}

// checkSums compares the scores that the rows have in training with the sums of a scorer.
func checkSums(t *testing.T, b *booster, d Data) {
	t.Helper()
	var s scorer
	s.fill(b.model, d, 0, d.Rows)
	s.sum(b.model, d.Rows)
	outputs := b.model.outputs()
	for k := range outputs {
		for row, want := range b.loss.scores(k) {
			if got := s.sums[row*outputs+k]; got != want {
				t.Fatalf("row %d, output %d: %v by columns, %v by bins", row, k, got, want)
			}
		}
	}
}

// random returns rows with ties, missing values, and categories of few and of many levels.
func random(r *rand.Rand) (Data, []float64) {
	rows := 50 + r.IntN(3000)
	d := Data{Rows: rows, Columns: []Column{{}, {}, {}, {Levels: 5}, {Levels: 1000}}}
	var values []float64
	for range rows {
		a, b, c := r.NormFloat64(), float64(r.IntN(30)), r.ExpFloat64()
		few, many := int32(r.IntN(6))-1, int32(r.IntN(1001))-1
		values = append(values, a+b/10+c*float64(few)+float64(many%3)+r.NormFloat64()/2)
		if r.IntN(4) == 0 {
			b = math.NaN()
		}
		for i, x := range []float64{a, b, c} {
			d.Columns[i].Numbers = append(d.Columns[i].Numbers, x)
		}
		d.Columns[3].Codes = append(d.Columns[3].Codes, few)
		d.Columns[4].Codes = append(d.Columns[4].Codes, many)
	}
	return d, values
}

// labels divides the values into classes.
func labels(values []float64, classes int) bakeoff.Labels {
	y := bakeoff.Labels{Classes: make([]string, classes)}
	for _, v := range values {
		y.Codes = append(y.Codes, int32(max(0, min(classes-1, int(v)))))
	}
	return y
}

// In a forest that is grown to purity without a bootstrap, every training row is in a leaf of its
// own value, if the columns tell all rows apart.
func TestForestReproducesItsRows(t *testing.T) {
	for seed := range uint64(5) {
		d, values := random(rand.New(rand.NewPCG(seed, 1)))
		d.Columns = append(d.Columns, Column{Numbers: make([]float64, d.Rows)}, Column{Numbers: make([]float64, d.Rows)})
		for row := range d.Rows {
			d.Columns[5].Numbers[row], d.Columns[6].Numbers[row] = float64(row%200), float64(row/200)
		}
		p := DefaultForestParams()
		p.Trees, p.Bootstrap = 1, false
		e, err := Forest(t.Context(), d, bakeoff.Labels{Values: values}, p, Options{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		out, err := e.Predict(d, 1)
		if err != nil {
			t.Fatal(err)
		}
		for row, want := range values {
			if out[row] != want {
				t.Fatalf("row %d: %v, want %v", row, out[row], want)
			}
		}
	}
}

// A fit may keep fewer histograms than it has nodes; it counts again what it has forgotten.
func TestLittleMemoryChangesNothing(t *testing.T) {
	d, values := random(rand.New(rand.NewPCG(1, 2)))
	p := DefaultBoostParams()
	p.Iterations, p.MaxLeaves = 3, 60
	var answers [2][]float64
	for i, memory := range []int{histogramMemory, 0} {
		b, err := newBooster(d, bakeoff.Labels{Values: values}, p, Options{})
		if err != nil {
			t.Fatal(err)
		}
		b.growers[0].pool = newHistograms(b.matrix.tables(), memory)
		if err := b.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if made := len(b.growers[0].pool.free) + b.growers[0].pool.lent; memory == 0 && made > 5 {
			t.Errorf("%d histograms, want a few", made)
		}
		answers[i] = b.loss.scores(0)
	}
	for row, want := range answers[0] {
		if answers[1][row] != want {
			t.Fatalf("row %d: %v with little memory, %v with enough", row, answers[1][row], want)
		}
	}
}
