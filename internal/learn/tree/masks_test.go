package tree_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/bakeoffhq/bakeoff/internal/learn/tree"
)

// TestBatchesScoreAsSingleRowsDo compares the answers to a batch, which come from masks, with those
// to each row alone, which come from a walk down every tree: to the bit, for values of every kind.
func TestBatchesScoreAsSingleRowsDo(t *testing.T) {
	for _, classes := range []int{0, 2, 5} {
		d, y := made(3000, classes, 3)
		batch, _ := made(9001, classes, 4)
		spoil(batch, 7)
		boosted := func(change func(*tree.BoostParams)) (*tree.Ensemble, error) {
			p := tree.DefaultBoostParams()
			p.Iterations = 20
			change(&p)
			return tree.Boost(t.Context(), d, y, p, tree.Options{Threads: 2})
		}
		grown := func(change func(*tree.ForestParams)) (*tree.Ensemble, error) {
			p := tree.DefaultForestParams()
			p.Trees = 9
			change(&p)
			return tree.Forest(t.Context(), d, y, p, tree.Options{Threads: 2})
		}
		for name, fit := range map[string]func() (*tree.Ensemble, error){
			"boosting":            func() (*tree.Ensemble, error) { return boosted(func(*tree.BoostParams) {}) },
			"two leaves":          func() (*tree.Ensemble, error) { return boosted(func(p *tree.BoostParams) { p.MaxLeaves = 2 }) },
			"as many as bits":     func() (*tree.Ensemble, error) { return boosted(func(p *tree.BoostParams) { p.MaxLeaves = 64 }) },
			"more than bits":      func() (*tree.Ensemble, error) { return boosted(func(p *tree.BoostParams) { p.MaxLeaves = 65 }) },
			"a forest":            func() (*tree.Ensemble, error) { return grown(func(*tree.ForestParams) {}) },
			"a forest of bushes":  func() (*tree.Ensemble, error) { return grown(func(p *tree.ForestParams) { p.MaxDepth = 6 }) },
			"leaves without more": func() (*tree.Ensemble, error) { return grown(func(p *tree.ForestParams) { p.MinSamplesLeaf = 3000 }) },
		} {
			t.Run(fmt.Sprintf("%s/%d", name, classes), func(t *testing.T) {
				e, err := fit()
				if err != nil {
					t.Fatal(err)
				}
				sameAlone(t, e, batch)
			})
		}
	}
}

// sameAlone compares the answers to all rows, by one and by three threads, with those to each.
func sameAlone(t *testing.T, e *tree.Ensemble, d tree.Data) {
	t.Helper()
	all := mustPredict(t, e, d)
	threads, err := e.Predict(d, 3)
	if err != nil {
		t.Fatal(err)
	}
	width := len(all) / d.Rows
	alone := make([]float64, width)
	var s tree.Scorer
	for row := range d.Rows {
		if err := s.Score(e, slice(d, row, row+1), alone); err != nil {
			t.Fatal(err)
		}
		for k, want := range alone {
			if got := all[row*width+k]; got != want || got != threads[row*width+k] {
				t.Fatalf("row %d, answer %d: %v among others, %v by three threads, %v alone", row, k, got, threads[row*width+k], want)
			}
		}
	}
}

// slice returns the rows from lo up to hi.
func slice(d tree.Data, lo, hi int) tree.Data {
	s := tree.Data{Rows: hi - lo}
	for _, c := range d.Columns {
		if c.Levels > 0 {
			c.Codes = c.Codes[lo:hi]
		} else {
			c.Numbers = c.Numbers[lo:hi]
		}
		s.Columns = append(s.Columns, c)
	}
	return s
}

// spoil puts values that training did not have in the place of some.
func spoil(d tree.Data, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	odd := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), 5e-324, -math.MaxFloat64}
	for _, c := range d.Columns {
		for row := range d.Rows {
			switch {
			case r.IntN(10) > 0:
			case c.Levels > 0:
				c.Codes[row] = int32(r.IntN(c.Levels+5)) - 2
			default:
				c.Numbers[row] = odd[r.IntN(len(odd))]
			}
		}
	}
}

func TestScorerDoesNotAllocate(t *testing.T) {
	d, y := churn()
	row := slice(d, 7, 8)
	for _, l := range learners {
		e := mustFit(t, l.fit, d, y, tree.Options{Threads: 2})
		var s tree.Scorer
		out := make([]float64, 2)
		if n := testing.AllocsPerRun(100, func() {
			if err := s.Score(e, row, out); err != nil {
				t.Fatal(err)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations a row", l.name, n)
		}
		if err := s.Score(e, row, out[:1]); err == nil {
			t.Errorf("%s: two answers have place in one", l.name)
		}
	}
}
