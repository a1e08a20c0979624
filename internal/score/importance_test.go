package score_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/metric"
	"github.com/bakeoffhq/bakeoff/internal/score"
)

// formula is a model that answers with a number for each row.
type formula func(t *dataset.Table, row int) float64

func (f formula) Score(_ context.Context, t *dataset.Table) (*bakeoff.Predictions, error) {
	p := &bakeoff.Predictions{}
	for row := range t.Rows {
		p.Values = append(p.Values, f(t, row))
	}
	return p, nil
}

// noise is a table of two columns of noise and one of categories, and labels that are 3a + b.
func noise(rows int) (*dataset.Table, bakeoff.Labels) {
	r := rand.New(rand.NewPCG(1, 2))
	a, b, c := make([]float64, rows), make([]float64, rows), make([]int32, rows)
	var y bakeoff.Labels
	for i := range rows {
		a[i], b[i], c[i] = r.NormFloat64(), r.NormFloat64(), int32(r.IntN(2))
		y.Values = append(y.Values, 3*a[i]+b[i])
	}
	return &dataset.Table{Rows: rows, Columns: []dataset.Column{
		{Name: "b", Kind: bakeoff.KindNumber, Numbers: b},
		{Name: "c", Kind: bakeoff.KindCategory, Codes: c, Levels: []string{"x", "y"}},
		{Name: "a", Kind: bakeoff.KindNumber, Numbers: a},
	}}, y
}

func perfect(t *dataset.Table, row int) float64 {
	return 3*t.Column("a").Numbers[row] + t.Column("b").Numbers[row]
}

func named(t *testing.T, name string) metric.Metric {
	t.Helper()
	m, ok := metric.Lookup(name)
	if !ok {
		t.Fatalf("no metric %s", name)
	}
	return m
}

// TestImportances knows what permuting costs: the mean squared error of a column that counts w times
// is 2w² of its variance, which is one.
func TestImportances(t *testing.T) {
	table, y := noise(20_000)
	p := score.Permuting{Metric: named(t, "rmse"), Columns: []string{"a", "b", "c"}, Seed: 7}
	got, rows, err := score.Importances(t.Context(), formula(perfect), table, y, p)
	if err != nil {
		t.Fatal(err)
	}
	if rows != 5_000 {
		t.Errorf("measured on %d rows, want 5,000", rows)
	}
	for i, want := range []struct {
		column string
		loss   float64
	}{{"a", math.Sqrt(18)}, {"b", math.Sqrt2}, {"c", 0}} {
		if got[i].Column != want.column || math.Abs(got[i].Loss-want.loss) > 0.1 {
			t.Errorf("place %d: %+v, want %s with %.3f", i+1, got[i], want.column, want.loss)
		}
		if d := got[i].Deviation; want.loss > 0 == (d == 0) || d > 0.2 {
			t.Errorf("%s has the deviation %v", want.column, d)
		}
	}
	again, _, err := score.Importances(t.Context(), formula(perfect), table, y, p)
	if err != nil || !cmp.Equal(got, again) {
		t.Errorf("again: %v, %v and before %v", err, again, got)
	}
	p.Metric, p.Columns, p.Rows, p.Repeats = named(t, "r2"), []string{"a"}, 100, 1
	got, rows, err = score.Importances(t.Context(), formula(perfect), table, y, p)
	if err != nil || len(got) != 1 || rows != 100 || got[0].Loss < 1 || got[0].Deviation != 0 {
		t.Errorf("by r2, which falls: %+v on %d rows, %v", got, rows, err)
	}
}

// TestImportancesEnd has the context end, and a metric that the rows do not define.
func TestImportancesEnd(t *testing.T) {
	table, y := noise(10)
	ctx, cancel := context.WithCancelCause(t.Context())
	late := errors.New("it took too long")
	asked := 0
	slow := formula(func(t *dataset.Table, row int) float64 {
		if asked++; asked == 15 {
			cancel(late)
		}
		return perfect(t, row)
	})
	p := score.Permuting{Metric: named(t, "rmse"), Columns: []string{"a", "b"}, Seed: 1}
	if _, _, err := score.Importances(ctx, slow, table, y, p); !errors.Is(err, late) || !strings.Contains(err.Error(), "column b") {
		t.Errorf("after the end: %v", err)
	}
	y.Values = make([]float64, 10)
	p.Metric = named(t, "r2")
	if _, _, err := score.Importances(t.Context(), formula(perfect), table, y, p); !errors.Is(err, metric.ErrUndefined) {
		t.Errorf("labels that are all equal: %v", err)
	}
}
