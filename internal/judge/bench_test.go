package judge_test

import (
	"math"
	"math/rand/v2"
	goruntime "runtime"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/judge"
	"github.com/bakeoffhq/bakeoff/internal/metric"
)

// BenchmarkDecideAMillionRows decides between ten challengers and a champion on a million rows, by
// every metric of two classes with its interval, and reports the most memory in use beside the
// answers.
func BenchmarkDecideAMillionRows(b *testing.B) {
	const rows, challengers = 1_000_000, 10
	random := rand.New(rand.NewPCG(1, 1))
	labels := bakeoff.Labels{Classes: noYes, Codes: make([]int32, rows)}
	hard := make([]float64, rows) // what all contestants find hard alike
	for i := range labels.Codes {
		labels.Codes[i] = int32(random.IntN(5) / 4)
		hard[i] = 1.4*float64(labels.Codes[i]) - 2 + random.NormFloat64()
	}
	c := judge.Case{
		Pipeline: &bakeoff.Pipeline{Name: "big", AtLeast: 1, Judge: bakeoff.Judge{Also: metric.NamesFor(bakeoff.Binary)}, Gate: bakeoff.Gate{Gain: bakeoff.Gain{Significant: true}}},
		Task:     bakeoff.Binary, Labels: labels, Baseline: &bakeoff.Predictions{Classes: noYes},
		Champion: 16,
	}
	for range rows {
		c.Baseline.Probabilities = append(c.Baseline.Probabilities, 0.8, 0.2)
	}
	for i := range challengers + 1 {
		k := judge.Contestant{Candidate: string(rune('a' + i)), Role: bakeoff.RoleChallenger, Trial: bakeoff.Trial{State: bakeoff.TrialBuilt}, Predictions: &bakeoff.Predictions{Classes: noYes}}
		if i == challengers {
			k.Role, k.Version = bakeoff.RoleChampion, 16
		}
		for _, x := range hard {
			yes := 1 / (1 + math.Exp(-x-0.5*random.NormFloat64()))
			k.Predictions.Probabilities = append(k.Predictions.Probabilities, 1-yes, yes)
		}
		c.Contestants = append(c.Contestants, k)
	}
	goruntime.GC()
	var before, after goruntime.MemStats
	goruntime.ReadMemStats(&before)
	for b.Loop() {
		if _, err := judge.Decide(c); err != nil {
			b.Fatal(err)
		}
	}
	goruntime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapSys-before.HeapSys)/1e6, "MB-beside")
}
