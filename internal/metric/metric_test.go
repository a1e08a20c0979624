package metric_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/metric"
)

func TestNamesAreSortedAndFound(t *testing.T) {
	names := metric.Names()
	if len(names) != 14 || !slices.IsSorted(names) {
		t.Errorf("names are not 14 sorted ones: %v", names)
	}
	for _, name := range names {
		if m, ok := metric.Lookup(name); !ok || m.Name() != name {
			t.Errorf("Lookup(%q) = %q, %v", name, m.Name(), ok)
		}
	}
	for _, name := range []string{"", "rsme", "AUC", "zzz"} {
		if _, ok := metric.Lookup(name); ok {
			t.Errorf("Lookup(%q) found something", name)
		}
	}
}

func TestDefaultsFitTheirTask(t *testing.T) {
	want := map[bakeoff.LearningTask]string{
		bakeoff.Binary: "roc_auc", bakeoff.Multiclass: "accuracy", bakeoff.Regression: "rmse",
	}
	for task, name := range want {
		m := metric.Default(task)
		if m.Name() != name || !m.Fits(task) {
			t.Errorf("%s: default %q, fits: %v", task, m.Name(), m.Fits(task))
		}
	}
}

func TestNamesForATask(t *testing.T) {
	want := []string{"mae", "mape", "r2", "rmse"}
	if diff := cmp.Diff(want, metric.NamesFor(bakeoff.Regression)); diff != "" {
		t.Errorf("regression (-want +got):\n%s", diff)
	}
	if got := metric.NamesFor(bakeoff.Binary); len(got) != 10 || slices.Contains(got, "rmse") {
		t.Errorf("binary: %v", got)
	}
	if got := metric.NamesFor("clustering"); got != nil {
		t.Errorf("an unknown task: %v", got)
	}
}

func TestDirections(t *testing.T) {
	for _, name := range metric.Names() {
		m, _ := metric.Lookup(name)
		lower := slices.Contains([]string{"brier", "log_loss", "mae", "mape", "rmse"}, name)
		if m.HigherIsBetter() == lower {
			t.Errorf("%s: higher is better: %v", name, m.HigherIsBetter())
		}
		if m.Better(1, 0) == lower || m.Better(0, 1) != lower || m.Better(1, 1) {
			t.Errorf("%s: Better contradicts the direction", name)
		}
	}
}
