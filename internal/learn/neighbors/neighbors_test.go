package neighbors_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/bakeoffhq/bakeoff/internal/learn/neighbors"
)

// drawn returns rows of few different numbers and slots, so that many are as near as others.
func drawn(seed uint64, rows, dense, hot, different int) neighbors.Points {
	rng := rand.New(rand.NewPCG(seed, 2))
	p := neighbors.Points{Rows: rows, Dense: dense, Hot: hot}
	for range rows * dense {
		p.Numbers = append(p.Numbers, float64(rng.IntN(different))/4) // exact, and so are sums of squares
	}
	for i := range rows * hot {
		p.Slots = append(p.Slots, int32(dense+10*(i%hot)+rng.IntN(5)))
		if rng.IntN(6) == 0 {
			p.Slots[i] = -1
		}
	}
	return p
}

// TestTheNearestAreFound compares the search with one that sorts all rows, ties by their order.
func TestTheNearestAreFound(t *testing.T) {
	for i, tt := range []struct{ rows, dense, hot, different, k int }{
		{1, 2, 1, 5, 1},
		{40, 0, 0, 1, 7}, // nothing tells the rows apart
		{500, 3, 0, 4, 5},
		{500, 0, 3, 1, 5},
		{3000, 5, 2, 50, 9},
		{3000, 2, 4, 3, 100},
		{300, 9, 1, 1000, 300},
	} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			points := drawn(uint64(i), tt.rows, tt.dense, tt.hot, tt.different)
			questions := drawn(99, 60, tt.dense, tt.hot, tt.different+1)
			values := make([]float64, tt.rows)
			for row := range values {
				values[row] = math.Exp2(float64(row % 50)) // sums of them tell which they were
			}
			m := neighbors.New(neighbors.Rows{Points: points, Values: values}, tt.k, false)
			got, err := m.Predict(t.Context(), &questions, 3)
			if err != nil {
				t.Fatal(err)
			}
			for q := range questions.Rows {
				sum := 0.0
				for _, row := range nearest(&points, &questions, q)[:tt.k] {
					sum += values[row]
				}
				if want := sum / float64(tt.k); math.Abs(got[q]-want) > 1e-12*want {
					t.Fatalf("question %d: %v, want %v", q, got[q], want)
				}
			}
		})
	}
}

// nearest returns all rows, the nearest first.
func nearest(p, questions *neighbors.Points, q int) []int {
	square := func(row int) float64 {
		sum := 0.0
		for j := range p.Dense {
			d := p.Numbers[row*p.Dense+j] - questions.Numbers[q*p.Dense+j]
			sum += d * d
		}
		for j := range p.Hot {
			a, b := p.Slots[row*p.Hot+j], questions.Slots[q*p.Hot+j]
			if a != b && a >= 0 {
				sum++
			}
			if a != b && b >= 0 {
				sum++
			}
		}
		return sum
	}
	rows := make([]int, p.Rows)
	far := make([]float64, p.Rows)
	for row := range rows {
		rows[row], far[row] = row, square(row)
	}
	slices.SortStableFunc(rows, func(a, b int) int { return cmp.Compare(far[a], far[b]) })
	return rows
}

func TestThreadsChangeNoBit(t *testing.T) {
	m := classifier(400)
	questions := drawn(5, 300, 4, 2, 30)
	want, err := m.Predict(t.Context(), &questions, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, threads := range []int{0, 2, 7} {
		if got, err := m.Predict(t.Context(), &questions, threads); err != nil || !slices.Equal(got, want) {
			t.Errorf("%d threads answer otherwise: %v", threads, err)
		}
	}
}

func classifier(rows int) *neighbors.Model {
	r := neighbors.Rows{Points: drawn(4, rows, 4, 2, 30), Classes: 3}
	for row := range rows {
		r.Codes = append(r.Codes, int32(row%3))
		r.Weights = append(r.Weights, 1+float64(row%5))
	}
	return neighbors.New(r, 7, true)
}

func TestCancelled(t *testing.T) {
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	questions := drawn(5, 300, 4, 2, 30)
	if _, err := classifier(100).Predict(ctx, &questions, 2); !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
}

func TestHugeValuesHaveAMean(t *testing.T) {
	r := neighbors.Rows{Points: neighbors.Points{Rows: 3}, Values: []float64{math.MaxFloat64, math.MaxFloat64, math.MaxFloat64}}
	out, err := neighbors.New(r, 3, true).Predict(t.Context(), &neighbors.Points{Rows: 1}, 1)
	if err != nil || out[0] != math.MaxFloat64 {
		t.Errorf("%v, %v", out, err)
	}
}

var shape = neighbors.Shape{Dense: 4, Most: 1e9, Ends: [][2]int{{4, 14}, {14, 24}}, Classes: 3}

func TestDecode(t *testing.T) {
	file := classifier(50).AppendBinary(nil)
	back, err := neighbors.Decode(file, shape, 7, true)
	if err != nil || !bytes.Equal(back.AppendBinary(nil), file) {
		t.Fatalf("it comes back as another: %v", err)
	}
	with := func(at int, text string) []byte {
		b := bytes.Clone(file)
		copy(b[at:], text)
		return b
	}
	const numbers, slots = 9, 9 + 50*4*8
	for name, b := range map[string][]byte{
		"nothing":       nil,
		"cut":           file[:len(file)-1],
		"longer":        append(bytes.Clone(file), 0),
		"no rows":       with(0, "\x00"),
		"many rows":     with(0, "\xff\xff\xff\xff\xff\xff\xff\xff"),
		"flag":          with(8, "\x02"),
		"no number":     with(numbers, "\xff\xff\xff\xff\xff\xff\xff\xff"),
		"huge number":   with(numbers, "\xff\xff\xff\xff\xff\xff\xef\x7f"),
		"slot":          with(slots, "\xff\x00\x00\x00"),
		"class":         with(slots+50*2*4, "\x03\x00\x00\x00"),
		"weight":        with(slots+50*3*4, "\x00\x00\x00\x00\x00\x00\x00\x80"),
		"another width": file[:len(file)-8],
	} {
		if _, err := neighbors.Decode(b, shape, 7, true); err == nil {
			t.Errorf("%s: it is taken for rows", name)
		}
	}
	if _, err := neighbors.Decode(file, shape, 51, true); err == nil {
		t.Error("more neighbours than rows")
	}
}

func BenchmarkPredict(b *testing.B) {
	for _, rows := range []int{1000, 10_000, 50_000} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			m := classifier(rows)
			questions := drawn(5, 1, 4, 2, 30)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Predict(b.Context(), &questions, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
