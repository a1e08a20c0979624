package predict_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/learn"
	"github.com/bakeoffhq/bakeoff/internal/predict"
)

// BenchmarkBatch scores a CSV file of 140,860 rows, to see what a row costs from the text of its
// cells to the text of its answer.
func BenchmarkBatch(b *testing.B) {
	m := churn(b)
	text, err := os.ReadFile("../../examples/churn/telco_churn.csv")
	if err != nil {
		b.Fatal(err)
	}
	header, rows, _ := bytes.Cut(text, []byte("\n"))
	in := filepath.Join(b.TempDir(), "rows.csv")
	if err := os.WriteFile(in, fmt.Appendf(nil, "%s\n%s", header, bytes.Repeat(rows, 20)), 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(20 * len(rows)))
	b.ReportAllocs()
	scored := 0
	for b.Loop() {
		sum, err := predict.Batch(b.Context(), m, m.Schema(), nil, predict.Files{In: in, Out: filepath.Join(b.TempDir(), "scored.csv")})
		if err != nil {
			b.Fatal(err)
		}
		scored += sum.Rows
	}
	b.ReportMetric(float64(scored)/b.Elapsed().Seconds(), "rows/s")
}

// churn trains gradient boosting on the demo's rows.
func churn(tb testing.TB) model {
	tb.Helper()
	path, err := filepath.Abs("../../examples/churn/telco_churn.csv")
	if err != nil {
		tb.Fatal(err)
	}
	s := dataset.Source{Path: path, Target: "churn", Split: bakeoff.Split{Holdout: 0.2, By: bakeoff.SplitByHash}}
	train := filepath.Join(tb.TempDir(), "train")
	snapshot, err := dataset.Freeze(tb.Context(), s, train, filepath.Join(tb.TempDir(), "holdout"))
	if err != nil {
		tb.Fatal(err)
	}
	rows, err := dataset.ReadParquet(tb.Context(), train, snapshot.Schema)
	if err != nil {
		tb.Fatal(err)
	}
	m, err := learn.Train(tb.Context(), learn.Request{
		Learner: learn.GradientBoosting, Table: rows.Table, Schema: snapshot.Schema, Labels: rows.Labels, Seed: 1, Threads: 2,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return model{m}
}
