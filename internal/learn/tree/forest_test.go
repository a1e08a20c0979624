package tree_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn/tree"
)

// forests are the two ways to grow one, with few trees, each of which learns from all rows.
var forests = []struct {
	name string
	grow func(context.Context, tree.Data, bakeoff.Labels, tree.ForestParams, tree.Options) (*tree.Ensemble, error)
}{{"forest", tree.Forest}, {"extra", tree.Extra}}

func fewTrees() tree.ForestParams {
	p := tree.DefaultExtraParams()
	p.Trees = 5
	return p
}

// form is the binary form of the forest that the parameters make.
func form(t *testing.T, i int, d tree.Data, y bakeoff.Labels, p tree.ForestParams) []byte {
	t.Helper()
	e, err := forests[i].grow(t.Context(), d, y, p, tree.Options{Seed: 3, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	b, err := e.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func weighed(y bakeoff.Labels, weight func(row int) float64) bakeoff.Labels {
	y.Weights = make([]float64, y.Len())
	for row := range y.Weights {
		y.Weights[row] = weight(row)
	}
	return y
}

func TestEqualWeightsAreNone(t *testing.T) {
	for i := range forests {
		for _, classes := range []int{0, 2, 4} {
			d, y := made(400, classes, 1)
			want := form(t, i, d, y, tree.DefaultForestParams())
			if got := form(t, i, d, weighed(y, func(int) float64 { return 0.3 }), tree.DefaultForestParams()); !bytes.Equal(got, want) {
				t.Errorf("%s, %d classes: equal weights change the forest", forests[i].name, classes)
			}
		}
	}
}

func TestRowsOfNoWeightAreAbsent(t *testing.T) {
	for i := range forests {
		for _, classes := range []int{0, 2, 4} {
			d, y := made(400, classes, 1)
			var rows []int
			for row := range d.Rows {
				if row%3 != 0 {
					rows = append(rows, row)
				}
			}
			kept, keptY := pick(d, y, rows)
			odd := func(row int) float64 { return float64(1 + row%5) }
			keptY = weighed(keptY, func(i int) float64 { return odd(rows[i]) })
			want := form(t, i, kept, keptY, tree.DefaultForestParams())
			got := form(t, i, d, weighed(y, func(row int) float64 { return min(1, float64(row%3)) * odd(row) }), tree.DefaultForestParams())
			if !bytes.Equal(got, want) {
				t.Errorf("%s, %d classes: rows of weight zero change the forest", forests[i].name, classes)
			}
		}
	}
}

// A row of weight two is two rows, where each tree learns from all rows. The columns have few
// values, so that the bins are the same whatever counts.
func TestRowOfWeightTwoIsTwoRows(t *testing.T) {
	for i := range forests {
		for _, classes := range []int{0, 2, 4} {
			t.Run(fmt.Sprint(forests[i].name, classes), func(t *testing.T) {
				d, y := made(400, classes, 1)
				for row := range d.Rows {
					for _, c := range d.Columns[:3] {
						c.Numbers[row] = math.Round(10 * c.Numbers[row])
					}
				}
				d.Columns = d.Columns[:3] // the order of levels depends on the mean weight
				var twice []int
				for row := range d.Rows {
					twice = append(twice, row)
					if row%3 == 0 {
						twice = append(twice, row)
					}
				}
				heavy := weighed(y, func(row int) float64 { return 1 + float64((2-row%3)/2) })
				more, moreY := pick(d, y, twice)
				p := fewTrees()
				a, err := forests[i].grow(t.Context(), d, heavy, p, tree.Options{Seed: 3})
				if err != nil {
					t.Fatal(err)
				}
				b, err := forests[i].grow(t.Context(), more, moreY, p, tree.Options{Seed: 3})
				if err != nil {
					t.Fatal(err)
				}
				got, want := mustPredict(t, a, d), mustPredict(t, b, d)
				tolerance := 1e-9
				if classes > 0 {
					tolerance = 0.1 // leaves are smoothed by rows of the mean weight
				}
				for k := range want {
					if math.Abs(got[k]-want[k]) > tolerance {
						t.Fatalf("answer %d: %v by weight, %v by rows", k, got[k], want[k])
					}
				}
			})
		}
	}
}

// answersOf counts the different answers of a single tree.
func answersOf(t *testing.T, i int, d tree.Data, y bakeoff.Labels, p tree.ForestParams) int {
	t.Helper()
	p.Trees = 1
	e, err := forests[i].grow(t.Context(), d, y, p, tree.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	out := mustPredict(t, e, d)
	slices.Sort(out)
	return len(slices.Compact(out))
}

func TestLeavesAreLimited(t *testing.T) {
	for i := range forests {
		d, y := made(2000, 0, 1)
		last := math.Inf(1)
		for _, limit := range []int{1, 2, 3, 20, 200} {
			p := fewTrees()
			p.MaxLeaves = limit
			if n := answersOf(t, i, d, y, p); n > limit || limit > 2 && n < limit/2 {
				t.Errorf("%s: %d answers, at most %d leaves", forests[i].name, n, limit)
			}
			e, err := forests[i].grow(t.Context(), d, y, p, tree.Options{Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			unexplained := 1 - r2(mustPredict(t, e, d), y.Values)
			if unexplained > last {
				t.Errorf("%s: %d leaves explain less than fewer", forests[i].name, limit)
			}
			last = unexplained
		}
	}
}

// A limit that no tree reaches changes only the order in which its nodes are looked at.
func TestLimitThatIsNotReached(t *testing.T) {
	d, y := made(500, 0, 1)
	p := fewTrees()
	p.MaxFeatures = 1
	want := answersOf(t, 0, d, y, p)
	p.MaxLeaves = 1000
	if got := answersOf(t, 0, d, y, p); got != want {
		t.Errorf("%d answers with a limit, %d without", got, want)
	}
}

func TestRowsInLeavesAreCountedWhateverTheirWeight(t *testing.T) {
	for i := range forests {
		for _, classes := range []int{0, 2, 4} {
			d, y := made(1000, classes, 1)
			p := fewTrees()
			p.MinSamplesLeaf = 100
			for _, scale := range []float64{1e-9, 1e9} {
				light := weighed(y, func(row int) float64 { return scale * float64(1+row%2) })
				if n := answersOf(t, i, d, light, p) / max(1, classes); n > 10 || n < 2 {
					t.Errorf("%s, %d classes, weights about %g: %d different leaves of 100 of 1000 rows", forests[i].name, classes, scale, n)
				}
			}
		}
	}
}

func TestMaxSamplesDrawsFewerRows(t *testing.T) {
	d, y := made(1000, 0, 1)
	p := tree.DefaultForestParams()
	all := answersOf(t, 0, d, y, p)
	p.MaxSamples = 0.1
	if few := answersOf(t, 0, d, y, p); few > 100 || all < 400 {
		t.Errorf("%d leaves from a tenth of the rows, %d from all", few, all)
	}
}

func TestWeightsThatCannotBeUsed(t *testing.T) {
	d, y := made(50, 2, 1)
	for name, w := range map[string]float64{"negative": -1, "NaN": math.NaN(), "infinite": math.Inf(1)} {
		bad := weighed(y, func(row int) float64 { return 1 + float64(row)*w })
		if _, err := tree.Forest(t.Context(), d, bad, fewTrees(), tree.Options{}); bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
			t.Errorf("%s: error %v", name, err)
		}
	}
	none := weighed(y, func(int) float64 { return 0 })
	if _, err := tree.Forest(t.Context(), d, none, fewTrees(), tree.Options{}); bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
		t.Errorf("all zero: error %v", err)
	}
}
