package learn_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/learn"
)

// A linear model's file says which median it puts in the place of missing values.
func TestMediansAreExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	draws := map[string]func() float64{
		"normal":   rng.NormFloat64,
		"skewed":   func() float64 { return 1e10 * math.Pow(rng.ExpFloat64(), 9) },
		"few":      func() float64 { return float64(rng.IntN(3)) - 1 },
		"integers": func() float64 { return float64(rng.IntN(1_000_000)) },
		"extreme":  func() float64 { return math.Ldexp(rng.Float64()-0.5, rng.IntN(2000)-1000) },
	}
	for name, draw := range draws {
		for _, rows := range []int{2, 3, 512, 513, 4000, 40_001, 40_002} {
			values := make([]float64, rows)
			for i := range values {
				values[i] = draw()
			}
			values[0] = math.NaN()
			sorted := slices.Sorted(slices.Values(values[1:]))
			want := sorted[len(sorted)/2]
			if len(sorted)%2 == 0 {
				want = sorted[len(sorted)/2-1]/2 + want/2
			}
			if got := medianInFile(t, values); got != want {
				t.Errorf("%s, %d rows: median %v, want %v", name, rows, got, want)
			}
		}
	}
}

// medianInFile trains on one column and reads its median from the model's file.
func medianInFile(t *testing.T, values []float64) float64 {
	t.Helper()
	table := &dataset.Table{Rows: len(values), Columns: []dataset.Column{{Name: "x", Kind: bakeoff.KindNumber, Numbers: values}}}
	s := set{train: table, labels: bakeoff.Labels{Values: make([]float64, len(values))}}
	s.schema = bakeoff.Schema{Target: "y", Task: bakeoff.Regression, Columns: schemaOf(table)}
	file := encode(t, train(t, s.request(learn.LinearRegression)))
	length := binary.LittleEndian.Uint32(file[12:])
	var head struct {
		Encoder struct {
			Numbers []struct{ Median float64 }
		}
	}
	if err := json.Unmarshal(file[16:16+length], &head); err != nil {
		t.Fatal(err)
	}
	return head.Encoder.Numbers[0].Median
}
