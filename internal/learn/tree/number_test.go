package tree

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Rows are binned and numbers are sorted in ways of their own for speed: both must agree with the
// plain ways, also about both zeros, infinities and missing values.
func TestNumbersAreBinnedAndSortedAsIfOneByOne(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	odd := []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), 5e-324, -5e-324, math.MaxFloat64}
	for _, distinct := range []int{1, 2, 3, 17, 254, 255, 256, 5000} {
		numbers := make([]float64, 4000)
		for i := range numbers {
			numbers[i] = math.Ldexp(float64(r.IntN(distinct)-distinct/2), r.IntN(3)*40-40)
			if r.IntN(9) == 0 {
				numbers[i] = odd[r.IntN(len(odd))]
			}
		}
		for _, bins := range []int{2, 9, 128, 255} {
			f := binNumber(Column{Numbers: numbers}, bins, nil)
			for i, x := range numbers {
				want := len(f.edges)
				if x == x {
					want = binOf(f.edges, x)
				}
				if int(f.cells[i]) != want {
					t.Fatalf("%d bins: %v is in bin %d, want %d", bins, x, f.cells[i], want)
				}
			}
		}
		present := slices.DeleteFunc(slices.Clone(numbers), math.IsNaN)
		want := slices.Clone(present)
		slices.Sort(want)
		if sortNumbers(present); !slices.Equal(present, want) {
			t.Errorf("%d distinct numbers are not sorted", distinct)
		}
	}
}

func TestExpAndLogAreAccurate(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 100_000 {
		x := r.Float64()*1400 - 700
		if got, want := exp(x), math.Exp(x); math.Abs(got-want) > 1e-15*want {
			t.Fatalf("exp(%v) = %v, want %v", x, got, want)
		}
		y := math.Exp(x)
		if got, want := log(y), math.Log(y); math.Abs(got-want) > 1e-15*max(1, math.Abs(want)) {
			t.Fatalf("log(%v) = %v, want %v", y, got, want)
		}
	}
	for x, want := range map[float64]float64{0: 1, math.Inf(1): math.Inf(1), math.Inf(-1): 0, 1e9: math.Inf(1), -1e9: 0} {
		if got := exp(x); got != want {
			t.Errorf("exp(%v) = %v, want %v", x, got, want)
		}
	}
	if got := exp(math.NaN()); got == got {
		t.Errorf("exp(NaN) = %v", got)
	}
}
