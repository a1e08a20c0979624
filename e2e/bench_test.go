package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
)

// BenchmarkVersion is how long the program takes to say anything.
func BenchmarkVersion(b *testing.B) {
	for b.Loop() {
		if out, err := program(b, b.TempDir(), "version").CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
	}
}

// BenchmarkDemo is the main job: two runs with four candidates each, and a prediction.
func BenchmarkDemo(b *testing.B) {
	for b.Loop() {
		if out, err := program(b, b.TempDir(), "demo", "--once", "--dir", "demo").CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
	}
}

// BenchmarkChampions runs the demo's pipeline on ten splits of its data and reports the mean of the
// champions' roc_auc.
func BenchmarkChampions(b *testing.B) {
	const splits = 10
	for b.Loop() {
		sum := 0.0
		for seed := range splits {
			sum += champion(b, seed+1)
		}
		b.ReportMetric(sum/splits, "roc_auc")
	}
}

// champion runs the demo's pipeline on one split and returns the best roc_auc.
func champion(b *testing.B, seed int) float64 {
	b.Helper()
	dir := b.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../examples/churn")); err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(dir, "churn.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	split := strings.Replace(string(text), "  target: churn\n", fmt.Sprintf("  target: churn\n  split: {seed: %d}\n", seed), 1)
	if err := os.WriteFile(path, []byte(split), 0o600); err != nil {
		b.Fatal(err)
	}
	out, err := program(b, dir, "run", "churn.yaml", "--json").Output()
	if err != nil {
		b.Fatal(err)
	}
	var report bakeoff.Report
	if err := json.Unmarshal(out, &report); err != nil {
		b.Fatal(err)
	}
	for _, row := range report.Leaderboard {
		if row.Rank != nil && *row.Rank == 1 {
			return row.Metrics[report.Metric]
		}
	}
	b.Fatalf("nothing was ranked: %s", report.Reason)
	return 0
}
