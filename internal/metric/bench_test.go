package metric_test

import (
	"math/rand/v2"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/metric"
)

// BenchmarkMillionRows is a large night: eleven contestants for two classes, a million rows, every
// metric with its interval, and every contestant compared with the first by the default objective.
func BenchmarkMillionRows(b *testing.B) {
	const rows, contestants = 1_000_000, 11
	var y bakeoff.Labels
	var all []*bakeoff.Predictions
	for i := range contestants {
		labels, p := draw(rand.New(rand.NewPCG(1, uint64(i))), rows, 2)
		y, all = labels, append(all, p)
	}
	var metrics []metric.Metric
	for _, name := range metric.NamesFor(bakeoff.Binary) {
		metrics = append(metrics, lookup(b, name))
	}
	b.ReportAllocs()
	for b.Loop() {
		var reference *metric.Evidence
		for _, p := range all {
			evidence, errs := metric.WeighAll(metrics, y, p)
			for i, e := range evidence {
				if errs[i] != nil {
					b.Fatal(errs[i])
				}
				if _, err := e.Interval(0.95, 1); err != nil {
					b.Fatal(err)
				}
				if metrics[i].Name() != "roc_auc" {
					continue
				}
				if reference == nil {
					reference = e
				} else if _, err := e.Compare(reference, 0.95, 1); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}
