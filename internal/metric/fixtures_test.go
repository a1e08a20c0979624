package metric_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/metric"
)

// fixture is a case of testdata/fixtures.json.
type fixture struct {
	Name          string
	Classes       int
	Codes         []int32
	Probabilities []float64
	Labels        []float64
	Predictions   []float64
	Values        map[string]*float64 // nil for a metric that is not defined
	DeLong        *[2]float64
}

func (f fixture) rows() (bakeoff.Labels, *bakeoff.Predictions) {
	names := classNames(f.Classes)
	return bakeoff.Labels{Classes: names, Codes: f.Codes, Values: f.Labels},
		&bakeoff.Predictions{Classes: names, Probabilities: f.Probabilities, Values: f.Predictions}
}

func classNames(k int) []string {
	var names []string
	for c := range k {
		names = append(names, fmt.Sprintf("class %d", c))
	}
	return names
}

func fixtures(t *testing.T) []fixture {
	t.Helper()
	all := read[fixture](t, "testdata/fixtures.json")
	if len(all) < 40 {
		t.Fatalf("only %d fixtures", len(all))
	}
	return all
}

// read returns the cases of a file that testdata/fixtures.py writes.
func read[T any](t *testing.T, file string) []T {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []T
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return all
}

func lookup(t testing.TB, name string) metric.Metric {
	t.Helper()
	m, ok := metric.Lookup(name)
	if !ok {
		t.Fatalf("no metric %q", name)
	}
	return m
}

// near reports whether a and b agree to 1e-9, absolutely or, for numbers above 1, relatively.
func near(a, b float64) bool {
	return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b))
}

func TestComputeAgreesWithScikitLearn(t *testing.T) {
	for _, f := range fixtures(t) {
		t.Run(f.Name, func(t *testing.T) {
			y, p := f.rows()
			for name, want := range f.Values {
				got, err := lookup(t, name).Compute(y, p)
				switch {
				case want == nil && !errors.Is(err, metric.ErrUndefined):
					t.Errorf("%s = %v, %v, want an undefined error", name, got, err)
				case want != nil && err != nil:
					t.Errorf("%s: %v, want %v", name, err, *want)
				case want != nil && !near(got, *want):
					t.Errorf("%s = %.17g, want %.17g", name, got, *want)
				}
			}
		})
	}
}

func TestEveryMetricHasFixtures(t *testing.T) {
	count := map[string]int{}
	for _, f := range fixtures(t) {
		for name := range f.Values {
			count[name]++
		}
	}
	for _, name := range metric.Names() {
		if count[name] < 10 {
			t.Errorf("%s occurs in %d fixtures", name, count[name])
		}
	}
}

func TestIntervalOfROCAUCIsDeLongs(t *testing.T) {
	checked := 0
	for _, f := range fixtures(t) {
		if f.DeLong == nil {
			continue
		}
		checked++
		y, p := f.rows()
		got, err := lookup(t, "roc_auc").Interval(y, p, 0.95, 1)
		if err != nil || !near(got[0], f.DeLong[0]) || !near(got[1], f.DeLong[1]) {
			t.Errorf("%s: %v, %v, want %v", f.Name, got, err, *f.DeLong)
		}
	}
	if checked < 5 {
		t.Errorf("only %d fixtures have an interval", checked)
	}
}
