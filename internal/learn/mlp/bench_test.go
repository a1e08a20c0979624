package mlp_test

import (
	"math/rand/v2"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn/mlp"
)

// drawn returns rows of random numbers and slots, and labels that follow them.
func drawn(rows, dense int, levels []int, classes int) (*mlp.Data, bakeoff.Labels) {
	rng := rand.New(rand.NewPCG(1, 2))
	d := &mlp.Data{Rows: rows, Dense: dense, Width: dense}
	for _, n := range levels {
		d.Starts = append(d.Starts, d.Width)
		d.Width += n
	}
	y := bakeoff.Labels{}
	for k := range classes {
		y.Classes = append(y.Classes, string(rune('a'+k)))
	}
	for range rows {
		sum := 0.0
		for range dense {
			v := rng.NormFloat64()
			d.Numbers = append(d.Numbers, float32(v))
			sum += v
		}
		for c, n := range levels {
			level := rng.IntN(n + 1)
			slot := int32(d.Starts[c] + level)
			if level == n {
				slot = -1
			}
			d.Slots = append(d.Slots, slot)
			sum += float64(level%3) - 1
		}
		if classes == 0 {
			y.Values = append(y.Values, sum*sum)
		} else {
			y.Codes = append(y.Codes, int32(max(0, min(classes-1, int(sum+float64(classes)/2)))))
		}
	}
	return d, y
}

func BenchmarkEpoch(b *testing.B) {
	for name, s := range map[string]struct {
		rows, dense int
		levels      []int
		classes     int
	}{
		"letter":     {13500, 16, nil, 26},
		"adult":      {32967, 6, []int{9, 16, 7, 15, 6, 5, 2, 42}, 2},
		"california": {13932, 9, []int{5}, 0},
	} {
		b.Run(name, func(b *testing.B) {
			d, y := drawn(s.rows, s.dense, s.levels, s.classes)
			p := mlp.DefaultParams()
			p.EarlyStopping, p.MaxIter, p.Patience = false, b.N, b.N
			b.ResetTimer()
			if _, err := mlp.Train(b.Context(), d, y, p, mlp.Options{Threads: 1}); err != nil {
				b.Fatal(err)
			}
		})
	}
}
