package portable_test

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/bakeoffhq/bakeoff/internal/learn/portable"
)

// ulps is how many floating-point numbers lie between two of the same sign.
func ulps(a, b float64) uint64 {
	x, y := math.Float64bits(a), math.Float64bits(b)
	return max(x, y) - min(x, y)
}

func TestNearTheStandardLibrary(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1_000_000 {
		x := (rng.Float64()*2 - 1) * math.Pow(10, 3*rng.Float64()-1) * 0.7
		if got, want := portable.Exp(x), math.Exp(x); ulps(got, want) > 2 {
			t.Fatalf("exp(%v) = %v, want %v", x, got, want)
		}
		p := math.Exp(x)
		if got, want := portable.Log(p), math.Log(p); got != want && ulps(got, want) > 2 {
			t.Fatalf("log(%v) = %v, want %v", p, got, want)
		}
	}
}

func TestManyAtOnceHaveTheSameBits(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	v := []float64{0, -1000, 1000, math.NaN(), math.Inf(-1)}
	for range 1000 {
		v = append(v, rng.NormFloat64()*20)
	}
	got := slices.Clone(v)
	portable.Exps(got, 1.5)
	for i, x := range v {
		if want := portable.Exp(x - 1.5); math.Float64bits(got[i]) != math.Float64bits(want) {
			t.Errorf("exp(%v - 1.5) = %v, want %v", x, got[i], want)
		}
	}
	if sum := portable.Exps([]float64{1, 1, 1}, 1); sum != 3 {
		t.Errorf("sum %v, want 3", sum)
	}
}

func TestEdges(t *testing.T) {
	inf := math.Inf(1)
	for _, tt := range []struct{ got, want float64 }{
		{portable.Exp(0), 1},
		{portable.Exp(inf), inf},
		{portable.Exp(-inf), 0},
		{portable.Exp(1e300), inf},
		{portable.Exp(-1e300), 0},
		{portable.Exp(-720), 0},
		{portable.Exp(709.75), portable.Exp(709.75/2) * portable.Exp(709.75/2)},
		{portable.Exp(710), inf},
		{portable.Log(1), 0},
		{portable.Log(0), -inf},
		{portable.Log(inf), inf},
	} {
		if tt.got != tt.want {
			t.Errorf("%v, want %v", tt.got, tt.want)
		}
	}
	for _, v := range []float64{portable.Exp(math.NaN()), portable.Log(math.NaN()), portable.Log(-1)} {
		if !math.IsNaN(v) {
			t.Errorf("%v, want NaN", v)
		}
	}
	if got := portable.Log(5e-324); math.Abs(got+744.44) > 0.01 {
		t.Errorf("log of the smallest number: %v", got)
	}
}

// TestTheBitsAreTheSameEverywhere compares with what another machine wrote down.
func TestTheBitsAreTheSameEverywhere(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	h := fnv.New64a()
	for range 100_000 {
		x := (rng.Float64()*2 - 1) * 100
		e := portable.Exp(x)
		for _, v := range []float64{e, portable.Log(e), portable.Log(1 + rng.Float64())} {
			b := math.Float64bits(v)
			_, _ = h.Write([]byte{byte(b), byte(b >> 8), byte(b >> 16), byte(b >> 24), byte(b >> 32), byte(b >> 40), byte(b >> 48), byte(b >> 56)}) // never fails
		}
	}
	if got, want := h.Sum64(), uint64(0x24970a75d5ebdefd); got != want {
		t.Errorf("digest %#x, want %#x", got, want)
	}
}

func BenchmarkExps(b *testing.B) {
	v := make([]float64, 1024)
	for b.Loop() {
		for i := range v {
			v[i] = float64(i) / 64
		}
		portable.Exps(v, 8)
	}
}
