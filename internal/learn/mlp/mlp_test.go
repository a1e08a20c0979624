package mlp_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn/mlp"
)

// quick are parameters of a small network.
func quick() mlp.Params {
	p := mlp.DefaultParams()
	p.Hidden, p.MaxIter = []int{12, 5}, 30
	return p
}

func fit(t testing.TB, d *mlp.Data, y bakeoff.Labels, p mlp.Params, threads int) *mlp.Network {
	t.Helper()
	n, err := mlp.Train(t.Context(), d, y, p, mlp.Options{Seed: 9, Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestACircleIsLearnt(t *testing.T) {
	d, y := drawn(2000, 2, nil, 2)
	for i := range y.Codes { // no line tells the classes apart
		a, b := d.Numbers[2*i], d.Numbers[2*i+1]
		y.Codes[i] = 0
		if a*a+b*b < 1.4 {
			y.Codes[i] = 1
		}
	}
	for _, activation := range []string{mlp.ReLU, mlp.Tanh} {
		p := mlp.DefaultParams()
		p.Activation, p.LearningRate, p.Hidden, p.MaxIter = activation, 0.01, []int{32}, 60
		out, err := fit(t, d, y, p, 2).Probabilities(t.Context(), d, 2)
		if err != nil {
			t.Fatal(err)
		}
		right := 0.0
		for i, code := range y.Codes {
			if (out[2*i+1] > 0.5) == (code == 1) {
				right += 1 / float64(d.Rows)
			}
		}
		if right < 0.97 {
			t.Errorf("%s: %.3f of the rows are right, want 0.97", activation, right)
		}
	}
}

func TestThreadsChangeNoBit(t *testing.T) {
	p := mlp.DefaultParams() // batches of a size that threads share out
	p.Hidden, p.MaxIter = []int{100, 20}, 3
	for _, classes := range []int{0, 2, 5} {
		d, y := drawn(700, 12, []int{3, 40}, classes)
		want := fit(t, d, y, p, 1).AppendBinary(nil)
		for _, threads := range []int{0, 2, 7} {
			if !bytes.Equal(fit(t, d, y, p, threads).AppendBinary(nil), want) {
				t.Errorf("%d classes: %d threads make another network than one", classes, threads)
			}
		}
	}
}

func TestARowOfWeightZeroIsAbsent(t *testing.T) {
	d, y := drawn(400, 3, []int{4}, 3)
	less := &mlp.Data{Dense: d.Dense, Width: d.Width, Starts: d.Starts}
	rest := bakeoff.Labels{Classes: y.Classes}
	y.Weights = make([]float64, d.Rows)
	for i := range d.Rows {
		if i%5 == 0 {
			continue
		}
		y.Weights[i] = 2 // all the same, and so as good as one
		less.Rows++
		less.Numbers = append(less.Numbers, d.Numbers[i*3:i*3+3]...)
		less.Slots = append(less.Slots, d.Slots[i])
		rest.Codes = append(rest.Codes, y.Codes[i])
	}
	if !bytes.Equal(fit(t, d, y, quick(), 2).AppendBinary(nil), fit(t, less, rest, quick(), 2).AppendBinary(nil)) {
		t.Error("rows of weight zero make another network")
	}
}

// With rows of weight three, the network answers as with each of them three times: the mean over all
// rows is the weighted one.
func TestWeightsMoveTheAnswer(t *testing.T) {
	d := &mlp.Data{Rows: 300, Width: 0}
	y := bakeoff.Labels{Values: make([]float64, d.Rows), Weights: make([]float64, d.Rows)}
	for i := range d.Rows {
		y.Values[i], y.Weights[i] = float64(i%2), 1+2*float64(i%2)
	}
	p := quick()
	p.MaxIter = 200
	out, err := fit(t, d, y, p, 1).Values(t.Context(), &mlp.Data{Rows: 1}, 1)
	if err != nil || math.Abs(out[0]-0.75) > 0.01 {
		t.Errorf("the answer is %v, %v, want 0.75", out, err)
	}
}

func TestEarlyStoppingKeepsTheBestEpoch(t *testing.T) {
	d, y := drawn(1200, 12, []int{6, 9}, 4)
	for i := range y.Codes { // half of the labels say nothing: there is much to learn by heart
		if i%2 == 0 {
			y.Codes[i] = int32(i / 2 % 4)
		}
	}
	p := mlp.DefaultParams()
	p.MaxIter, p.LearningRate = 300, 0.01
	epochs := 0
	o := mlp.Options{Seed: 1, Threads: 2, Progress: func(epoch int, _ float64) { epochs = epoch }}
	if _, err := mlp.Train(t.Context(), d, y, p, o); err != nil || epochs > 100 {
		t.Errorf("%d epochs, %v", epochs, err)
	}
}

func TestFewRowsStopByTheTrainingLoss(t *testing.T) {
	d, y := drawn(20, 3, nil, 2)
	p := quick()
	want := fit(t, d, y, p, 1).AppendBinary(nil)
	p.EarlyStopping = false
	if !bytes.Equal(fit(t, d, y, p, 1).AppendBinary(nil), want) {
		t.Error("of 20 rows some are held back")
	}
}

func TestDivergenceNamesTheEpoch(t *testing.T) {
	d, y := drawn(300, 3, nil, 0)
	p := quick()
	p.LearningRate = 1e25
	_, err := mlp.Train(t.Context(), d, y, p, mlp.Options{})
	if bakeoff.CodeOf(err) != bakeoff.CodeInvalid || !strings.Contains(err.Error(), "not a finite number any more in epoch 1") || !strings.Contains(bakeoff.HintOf(err), "learning_rate_init") {
		t.Errorf("error %v, hint %q", err, bakeoff.HintOf(err))
	}
}

func TestTrainRefusesWhatIsTooLarge(t *testing.T) {
	d := &mlp.Data{Rows: 1, Width: 200_000, Starts: []int{0}, Slots: []int32{5}}
	_, err := mlp.Train(t.Context(), d, bakeoff.Labels{Values: []float64{1}}, mlp.DefaultParams(), mlp.Options{})
	if bakeoff.CodeOf(err) != bakeoff.CodeInvalid || !strings.Contains(err.Error(), "its 200000 inputs are too many") {
		t.Errorf("error %v", err)
	}
}

func TestCancelledInTheMiddle(t *testing.T) {
	d, y := drawn(3000, 5, nil, 2)
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	o := mlp.Options{Threads: 3, Progress: func(epoch int, _ float64) {
		if epoch == 2 {
			cancel(stop)
		}
		if epoch > 2 {
			t.Errorf("epoch %d after it was cancelled", epoch)
		}
	}}
	if _, err := mlp.Train(ctx, d, y, quick(), o); !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
}

// A row beyond all reason gets an answer that is a number.
func TestHugeRows(t *testing.T) {
	for _, classes := range []int{0, 2, 3} {
		d, y := drawn(300, 3, nil, classes)
		n := fit(t, d, y, quick(), 1)
		row := &mlp.Data{Rows: 1, Dense: 3, Width: 3, Numbers: []float32{math.MaxFloat32, -math.MaxFloat32, math.MaxFloat32}}
		answer := n.Probabilities
		if classes == 0 {
			answer = n.Values
		}
		out, err := answer(t.Context(), row, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range out {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Errorf("%d classes: the answer is %v", classes, out)
			}
		}
	}
}

func TestDecode(t *testing.T) {
	for _, classes := range []int{0, 2, 3} {
		d, y := drawn(100, 3, []int{4}, classes)
		p := quick()
		file := fit(t, d, y, p, 1).AppendBinary(nil)
		back, err := mlp.Decode(file, d.Width, p, classes)
		if err != nil || !bytes.Equal(back.AppendBinary(nil), file) {
			t.Errorf("%d classes: it comes back as another: %v", classes, err)
		}
		wide := p
		wide.Hidden = []int{1 << 40, 1 << 40}
		damaged := map[string]func() error{
			"cut":     func() error { _, err := mlp.Decode(file[:len(file)-1], d.Width, p, classes); return err },
			"longer":  func() error { _, err := mlp.Decode(append(bytes.Clone(file), 0), d.Width, p, classes); return err },
			"nothing": func() error { _, err := mlp.Decode(nil, d.Width, p, classes); return err },
			"no layers": func() error {
				_, err := mlp.Decode(file, d.Width, mlp.Params{Activation: mlp.ReLU}, classes)
				return err
			},
			"no units": func() error { _, err := mlp.Decode(file, d.Width, wide, classes); return err },
			"not a number": func() error {
				b := bytes.Clone(file)
				copy(b[len(b)-4:], "\xff\xff\xff\xff")
				_, err := mlp.Decode(b, d.Width, p, classes)
				return err
			},
			"a target": func() error {
				b := bytes.Clone(file)
				copy(b, "\xff\xff\xff\xff\xff\xff\xff\xff")
				_, err := mlp.Decode(b, d.Width, p, classes)
				return err
			},
		}
		for name, decode := range damaged {
			if decode() == nil {
				t.Errorf("%d classes: %s: it is taken for a network", classes, name)
			}
		}
	}
}
