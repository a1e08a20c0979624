package bayes_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bakeoffhq/bakeoff/internal/learn/bayes"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// read returns a small set and what scikit-learn makes of it; ../testdata/fixtures.py makes both.
func read(t *testing.T, name string) (bayes.Rows, bayes.Params, []bayes.Column, []float64) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		Rows, Columns, Classes          int
		Numbers, Weights, Probabilities []float64
		Alpha                           float64
		Levels                          []int
		Codes, Y                        []int32
	}
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	columns := make([]bayes.Column, f.Columns)
	for j := range columns {
		if f.Codes == nil {
			columns[j].Numbers = f.Numbers[j*f.Rows : (j+1)*f.Rows]
			continue
		}
		columns[j] = bayes.Column{Codes: f.Codes[j*f.Rows : (j+1)*f.Rows], Levels: f.Levels[j]}
	}
	r := rows(columns, f.Y, f.Classes)
	if len(f.Weights) > 0 {
		r.Weights = f.Weights
	}
	p := bayes.DefaultParams()
	if f.Alpha > 0 {
		p.Alpha = f.Alpha
	}
	return r, p, columns, f.Probabilities
}

func rows(columns []bayes.Column, y []int32, classes int) bayes.Rows {
	return bayes.Rows{Columns: len(columns), Column: func(j int) bayes.Column { return columns[j] }, Y: y, Classes: classes}
}

func fit(t *testing.T, r bayes.Rows, p bayes.Params) *bayes.Model {
	t.Helper()
	m, err := bayes.Fit(t.Context(), r, p, 2)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func answer(t *testing.T, m *bayes.Model, columns []bayes.Column, rows int) []float64 {
	t.Helper()
	p, err := m.Probabilities(columns, rows)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func near(t *testing.T, want, got []float64, tolerance float64) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, tolerance)); diff != "" {
		t.Errorf("probabilities (-want +got):\n%.2000s", diff)
	}
}

func TestTheModelIsScikitLearns(t *testing.T) {
	for _, name := range []string{"gaussian", "categorical", "categorical_weights"} {
		t.Run(name, func(t *testing.T) {
			r, p, columns, want := read(t, name)
			near(t, want, answer(t, fit(t, r, p), columns, len(r.Y)), 1e-9)
		})
	}
}

// mixed returns two columns of numbers and one of a category that say something of three classes,
// and are missing here and there.
func mixed(n int) ([]bayes.Column, []int32) {
	rng := rand.New(rand.NewPCG(1, 2))
	a, b, codes, y := make([]float64, n), make([]float64, n), make([]int32, n), make([]int32, n)
	for i := range n {
		y[i] = int32(rng.IntN(3))
		a[i], b[i] = rng.NormFloat64()+float64(y[i]), 1e6*rng.ExpFloat64()
		codes[i] = (y[i] + int32(rng.IntN(3))) % 4
		if rng.IntN(10) == 0 {
			a[i], codes[i] = math.NaN(), bayes.Missing
		}
	}
	return []bayes.Column{{Numbers: a}, {Numbers: b}, {Codes: codes, Levels: 4}}, y
}

// take returns some rows, as often as they are named.
func take(columns []bayes.Column, y []int32, which []int) ([]bayes.Column, []int32) {
	out := make([]bayes.Column, len(columns))
	var labels []int32
	for _, i := range which {
		labels = append(labels, y[i])
	}
	for j, c := range columns {
		out[j].Levels = c.Levels
		for _, i := range which {
			if c.Levels > 0 {
				out[j].Codes = append(out[j].Codes, c.Codes[i])
			} else {
				out[j].Numbers = append(out[j].Numbers, c.Numbers[i])
			}
		}
	}
	return out, labels
}

func TestAWeightIsARowThatIsThereAsOften(t *testing.T) {
	columns, y := mixed(400)
	r := rows(columns, y, 3)
	r.Weights = make([]float64, len(y))
	var which []int
	for i := range y {
		r.Weights[i] = float64(i % 3)
		for range i % 3 {
			which = append(which, i)
		}
	}
	repeated, labels := take(columns, y, which)
	p := bayes.DefaultParams()
	want := answer(t, fit(t, rows(repeated, labels, 3), p), columns, len(y))
	near(t, want, answer(t, fit(t, r, p), columns, len(y)), 1e-9)
}

func TestThreadsAndCodecChangeNoBit(t *testing.T) {
	columns, y := mixed(2000)
	var first []byte
	for _, threads := range []int{0, 1, 2, 7} {
		m, err := bayes.Fit(t.Context(), rows(columns, y, 3), bayes.DefaultParams(), threads)
		if err != nil {
			t.Fatal(err)
		}
		b, err := m.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = b
		}
		if !slices.Equal(first, b) {
			t.Errorf("%d threads make another model", threads)
		}
		back, err := bayes.Decode(b, 3, []int{0, 0, 4})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(answer(t, m, columns, len(y)), answer(t, back, columns, len(y))); diff != "" {
			t.Errorf("answers (-before +after decoding):\n%.1000s", diff)
		}
	}
}

func TestAMissingValueSaysNothing(t *testing.T) {
	columns, y := mixed(400)
	m := fit(t, rows(columns, y, 3), bayes.DefaultParams())
	none := []bayes.Column{{Numbers: []float64{math.NaN()}}, {Numbers: []float64{math.NaN()}}, {Codes: []int32{bayes.Missing}, Levels: 4}}
	share := make([]float64, 3)
	for _, c := range y {
		share[c] += 1 / float64(len(y))
	}
	near(t, share, answer(t, m, none, 1), 1e-12)
}

func TestAnUnseenLevelCountsAsOneThatNoRowHas(t *testing.T) {
	codes := []int32{0, 0, 0, 0, 1, 1}
	y := []int32{0, 0, 0, 0, 1, 1}
	m := fit(t, rows([]bayes.Column{{Codes: codes, Levels: 2}}, y, 2), bayes.DefaultParams())
	// Of the first class 4 rows and one more a level, of the second 2.
	first, second := 4.0/6*(1.0/6), 2.0/6*(1.0/4)
	want := []float64{first / (first + second), second / (first + second)}
	near(t, want, answer(t, m, []bayes.Column{{Codes: []int32{bayes.Unseen}, Levels: 2}}, 1), 1e-12)
}

func TestOddRowsGetProbabilities(t *testing.T) {
	huge := []float64{math.MaxFloat64, -math.MaxFloat64, 1, 5e-324, 0, math.NaN()}
	same := []float64{7, 7, 7, 7, 7, 7}
	columns := []bayes.Column{{Numbers: huge}, {Numbers: same}, {Codes: []int32{0, 0, 0, 0, 0, 0}, Levels: 1}}
	m := fit(t, rows(columns, []int32{0, 0, 0, 2, 2, 2}, 3), bayes.DefaultParams())
	p := answer(t, m, columns, 6)
	for i := range 6 {
		a, none, b := p[3*i], p[3*i+1], p[3*i+2]
		if none != 0 || !(math.Abs(a+b-1) < 1e-12) {
			t.Errorf("row %d: %v", i, p[3*i:3*i+3])
		}
	}
}

func TestFitRefuses(t *testing.T) {
	columns, y := mixed(10)
	r := rows(columns, y, 3)
	r.Weights = make([]float64, 10)
	if m, err := bayes.Fit(t.Context(), r, bayes.DefaultParams(), 1); err == nil {
		t.Errorf("no row counts: %v", m)
	}
	if m, err := bayes.Fit(t.Context(), rows(columns, y, 1), bayes.DefaultParams(), 1); err == nil {
		t.Errorf("a class beyond the last: %v", m)
	}
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	if _, err := bayes.Fit(ctx, rows(columns, y, 3), bayes.DefaultParams(), 1); !errors.Is(err, stop) {
		t.Errorf("cancelled: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	columns, y := mixed(50)
	m, err := bayes.Fit(context.Background(), rows(columns, y, 3), bayes.DefaultParams(), 1)
	if err != nil {
		f.Fatal(err)
	}
	b, err := m.AppendBinary(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:len(b)-8])
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := bayes.Decode(b, 3, []int{0, 0, 4})
		if err != nil {
			return
		}
		again, err := m.AppendBinary(nil)
		if err != nil || !slices.Equal(again, b) {
			t.Fatalf("encoded again, it has other bytes: %v", err)
		}
		for _, v := range []float64{math.NaN(), 0, 1, -math.MaxFloat64, math.MaxFloat64} {
			for code := int32(-2); code < 4; code++ {
				p := answer(t, m, []bayes.Column{{Numbers: []float64{v}}, {Numbers: []float64{v}}, {Codes: []int32{code}, Levels: 4}}, 1)
				if sum := p[0] + p[1] + p[2]; !(math.Abs(sum-1) < 1e-9) {
					t.Fatalf("%v, %d: %v", v, code, p)
				}
			}
		}
	})
}
