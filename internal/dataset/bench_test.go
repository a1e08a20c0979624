package dataset_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// writeWide writes a file of 17 columns of every kind.
func writeWide(tb testing.TB, rows int) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "wide.csv")
	file, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	w := bufio.NewWriter(file)
	fmt.Fprintln(w, "n1,n2,n3,n4,n5,i1,i2,i3,i4,b1,b2,c1,c2,c3,c4,d1,y")
	rng := rand.New(rand.NewPCG(1, 2))
	for range rows {
		for range 5 {
			fmt.Fprintf(w, "%.4f,", rng.NormFloat64()*100)
		}
		for range 4 {
			fmt.Fprintf(w, "%d,", rng.IntN(1000))
		}
		for range 2 {
			fmt.Fprintf(w, "%t,", rng.IntN(2) == 0)
		}
		for range 4 {
			fmt.Fprintf(w, "level %d,", rng.IntN(12))
		}
		fmt.Fprintf(w, "2024-%02d-%02d,%d\n", 1+rng.IntN(12), 1+rng.IntN(28), rng.IntN(2))
	}
	if err := w.Flush(); err != nil {
		tb.Fatal(err)
	}
	if err := file.Close(); err != nil {
		tb.Fatal(err)
	}
	return path
}

func byHash(seed uint64) bakeoff.Split {
	return bakeoff.Split{Holdout: 0.2, By: bakeoff.SplitByHash, Seed: seed}
}

func BenchmarkFreeze50000x17(b *testing.B) {
	s := dataset.Source{Path: writeWide(b, 50_000), Target: "y", Split: byHash(1)}
	dir := b.TempDir()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := dataset.Freeze(b.Context(), s, filepath.Join(dir, "train"), filepath.Join(dir, "holdout")); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadParquet40000x16(b *testing.B) {
	s := dataset.Source{Path: writeWide(b, 50_000), Target: "y", Split: byHash(1)}
	dir := b.TempDir()
	train := filepath.Join(dir, "train")
	snapshot, err := dataset.Freeze(b.Context(), s, train, filepath.Join(dir, "holdout"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := dataset.ReadParquet(b.Context(), train, snapshot.Schema); err != nil {
			b.Fatal(err)
		}
	}
}
