package mlp

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/bakeoffhq/bakeoff"
)

// TestGradientIsTheSlopeOfTheLoss moves each weight a little and looks at the loss: no other door
// shows a gradient.
func TestGradientIsTheSlopeOfTheLoss(t *testing.T) {
	for _, classes := range []int{0, 2, 3} {
		for _, hidden := range [][]int{{5}, {7, 6}} {
			for _, activation := range []string{ReLU, Tanh} {
				t.Run(fmt.Sprint(classes, hidden, activation), func(t *testing.T) {
					p := DefaultParams()
					p.Hidden, p.Activation, p.EarlyStopping, p.Alpha = hidden, activation, false, 0
					checkSlope(t, p, classes)
				})
			}
		}
	}
}

func checkSlope(t *testing.T, p Params, classes int) {
	const rows = 40
	d, y := few(rows, classes)
	tr := newTrainer(d, y, p, Options{Seed: 3})
	defer tr.team.close()
	rng := rand.New(rand.NewPCG(7, 8))
	for _, l := range tr.network.layers { // with none, units lie on the kink of ReLU
		for i := range l.bias {
			l.bias[i] = float32(rng.NormFloat64()) / 3
		}
	}
	losses := make([]float64, rows)
	loss := func() float64 {
		tr.workOut(tr.train, losses)
		return mean(losses) * rows
	}
	loss()
	var got, want []float64
	for _, k := range tr.tasks {
		gradient := append([]float32(nil), k.gradient(tr, tr.train, &tr.scratch[0])...)
		l := tr.network.layers[k.layer]
		weights := l.bias
		if !k.bias {
			weights = l.weights[k.lo*l.out : k.hi*l.out]
		}
		for i, w := range weights {
			const step = 1. / 1024
			weights[i] = w + step
			above := loss()
			weights[i] = w - step
			below := loss()
			weights[i] = w
			got, want = append(got, float64(gradient[i])), append(want, (above-below)/(2*step))
		}
		loss()
	}
	apart, size := 0.0, 0.0
	for i, g := range got {
		apart += (g - want[i]) * (g - want[i])
		size += want[i] * want[i]
	}
	if len(got) != weights(sizes(d.Width, p.Hidden, outputs(y))) {
		t.Errorf("the tasks have %d weights", len(got))
	}
	if share := math.Sqrt(apart / size); !(share < 0.02) { // a kink of ReLU may lie in a step
		t.Errorf("the gradient is %.4f of its size away from the slope", share)
	}
}

// few returns rows with weights, of numbers and slots, some of which are none.
func few(rows, classes int) (*Data, bakeoff.Labels) {
	rng := rand.New(rand.NewPCG(5, 6))
	d := &Data{Rows: rows, Dense: 3, Width: 8, Starts: []int{3, 6}}
	y := bakeoff.Labels{Classes: []string{"a", "b", "c"}[:classes]}
	for range rows {
		d.Numbers = append(d.Numbers, float32(rng.NormFloat64()), 0, float32(rng.NormFloat64()))
		d.Slots = append(d.Slots, 3+rng.Int32N(3), 6+rng.Int32N(2))
		if rng.IntN(4) == 0 {
			d.Slots[len(d.Slots)-1] = -1
		}
		y.Weights = append(y.Weights, rng.Float64()+0.1)
		if classes == 0 {
			y.Values = append(y.Values, rng.NormFloat64())
		} else {
			y.Codes = append(y.Codes, rng.Int32N(int32(classes)))
		}
	}
	return d, y
}

func TestTanh(t *testing.T) {
	for x := -690.0; x < 690; x += 0.37 {
		if got, want := tanh(x/50), math.Tanh(x/50); math.Abs(got-want) > 1e-9 {
			t.Fatalf("tanh(%v) = %v, want %v", x/50, got, want)
		}
	}
}
