package tree_test

import (
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn/tree"
)

func BenchmarkFit(b *testing.B) {
	churnD, churnY := churn()
	madeD, madeY := made(50_000, 0, 1)
	lettersD, lettersY := made(10_000, 10, 1)
	for _, s := range []struct {
		name string
		d    tree.Data
		y    bakeoff.Labels
	}{
		{"binary-7043x19", churnD, churnY}, {"regression-50000x4", madeD, madeY}, {"multiclass-10000x4", lettersD, lettersY},
	} {
		for _, l := range learners {
			b.Run(l.name+"/"+s.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := l.fit(b.Context(), s.d, s.y, tree.Options{Threads: 2}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkPredict(b *testing.B) {
	d, y := churn()
	one, _ := pick(d, y, []int{77})
	for _, l := range learners {
		e, err := l.fit(b.Context(), d, y, tree.Options{Threads: 2})
		if err != nil {
			b.Fatal(err)
		}
		for name, rows := range map[string]tree.Data{"one-row": one, "7043-rows": d} {
			b.Run(l.name+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := e.Predict(rows, 2); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(rows.Rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	d, y := churn()
	for _, l := range learners {
		e, err := l.fit(b.Context(), d, y, tree.Options{Threads: 2})
		if err != nil {
			b.Fatal(err)
		}
		form, _ := e.AppendBinary(nil)
		b.Run(l.name, func(b *testing.B) {
			b.SetBytes(int64(len(form)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tree.Decode(form); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
