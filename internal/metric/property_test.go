package metric_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/metric"
)

func TestRankMetricsSeeOnlyTheOrder(t *testing.T) {
	y, p := draw(rand.New(rand.NewPCG(1, 1)), 300, 2)
	bent := &bakeoff.Predictions{Classes: p.Classes}
	for i := 1; i < len(p.Probabilities); i += 2 {
		v := p.Probabilities[i]
		bent.Probabilities = append(bent.Probabilities, 1-v*v*v, v*v*v)
	}
	for _, name := range []string{"roc_auc", "average_precision"} {
		m := lookup(t, name)
		want, err := m.Compute(y, p)
		got, err2 := m.Compute(y, bent)
		if errors.Join(err, err2) != nil || got != want {
			t.Errorf("%s = %v after a monotone transform, %v before (%v, %v)", name, got, want, err, err2)
		}
	}
}

func TestReversedScoresMirrorROCAUC(t *testing.T) {
	y, p := draw(rand.New(rand.NewPCG(2, 2)), 301, 2)
	m := lookup(t, "roc_auc")
	want, err := m.Compute(y, p)
	for i := 0; i < len(p.Probabilities); i += 2 {
		p.Probabilities[i], p.Probabilities[i+1] = p.Probabilities[i+1], p.Probabilities[i]
	}
	got, err2 := m.Compute(y, p)
	if errors.Join(err, err2) != nil || !near(got, 1-want) {
		t.Errorf("%v, and %v reversed (%v, %v)", want, got, err, err2)
	}
}

func TestComputeIgnoresTheOrderOfRows(t *testing.T) {
	for _, name := range metric.Names() {
		m := lookup(t, name)
		for _, k := range classesFor(m) {
			y, p := draw(rand.New(rand.NewPCG(3, 3)), 200, k)
			want, err := m.Compute(y, p)
			turned, answers := turn(y, p)
			got, err2 := m.Compute(turned, answers)
			if errors.Join(err, err2) != nil || !near(got, want) {
				t.Errorf("%s, %d classes: %v forwards, %v backwards (%v, %v)", name, k, want, got, err, err2)
			}
		}
	}
}

// turn returns the rows in reverse order.
func turn(y bakeoff.Labels, p *bakeoff.Predictions) (bakeoff.Labels, *bakeoff.Predictions) {
	turned, answers := bakeoff.Labels{Classes: y.Classes}, &bakeoff.Predictions{Classes: p.Classes}
	k := len(y.Classes)
	for i := y.Len() - 1; i >= 0; i-- {
		if k == 0 {
			turned.Values, answers.Values = append(turned.Values, y.Values[i]), append(answers.Values, p.Values[i])
			continue
		}
		turned.Codes = append(turned.Codes, y.Codes[i])
		answers.Probabilities = append(answers.Probabilities, p.Probabilities[i*k:(i+1)*k]...)
	}
	return turned, answers
}

// A row of an unseen class makes a set of rows worse, or leaves it, whatever is predicted for it.
func TestAnUnseenClassNeverHelps(t *testing.T) {
	spared := map[string]bool{"roc_auc": true, "average_precision": true, "mcc": true} // see the package comment
	for _, name := range metric.Names() {
		m := lookup(t, name)
		if m.Fits(bakeoff.Regression) || spared[name] {
			continue
		}
		for _, k := range classesFor(m) {
			for class := range k {
				y, p := draw(rand.New(rand.NewPCG(4, 4)), 100, k)
				before, err := m.Compute(y, p)
				y.Codes = append(y.Codes, -1)
				certain := make([]float64, k)
				certain[class] = 1
				p.Probabilities = append(p.Probabilities, certain...)
				after, err2 := m.Compute(y, p)
				if errors.Join(err, err2) != nil || m.Better(after, before) {
					t.Errorf("%s, %d classes, taken for %d: %v, then %v (%v, %v)", name, k, class, before, after, err, err2)
				}
			}
		}
	}
}

func TestComputeNamesWhatDoesNotFit(t *testing.T) {
	two := []string{"no", "yes"}
	classes := func(codes ...int32) bakeoff.Labels { return bakeoff.Labels{Classes: two, Codes: codes} }
	answers := func(v ...float64) *bakeoff.Predictions {
		return &bakeoff.Predictions{Classes: two, Probabilities: v}
	}
	numbers := func(v ...float64) bakeoff.Labels { return bakeoff.Labels{Values: v} }
	for _, c := range []struct {
		metric string
		y      bakeoff.Labels
		p      *bakeoff.Predictions
		want   string
	}{
		{"accuracy", classes(0, 1), nil, "accuracy: there are no predictions"},
		{"accuracy", classes(0, 1), answers(1, 0), "2 probabilities for 2 rows of 2 classes"},
		{"accuracy", classes(0, 1), &bakeoff.Predictions{Classes: []string{"a", "b"}, Probabilities: []float64{1, 0, 1, 0}}, `["a" "b"]`},
		{"accuracy", classes(0, 2), answers(1, 0, 1, 0), "the label of row 2 has the code 2"},
		{"accuracy", classes(0, -2), answers(1, 0, 1, 0), "the label of row 2 has the code -2"},
		{"accuracy", classes(0, 1), answers(1, 0, math.NaN(), 0), "a probability for row 2 is NaN"},
		{"accuracy", classes(), answers(), "accuracy is not defined on these rows: there are none"},
		{"accuracy", numbers(1), &bakeoff.Predictions{Values: []float64{1}}, "it needs two classes or more"},
		{"rmse", classes(0, 1), answers(1, 0, 1, 0), "it measures numbers, not classes"},
		{"rmse", numbers(1, 2), &bakeoff.Predictions{Values: []float64{1}}, "1 predictions for 2 rows"},
		{"rmse", numbers(1, math.NaN()), &bakeoff.Predictions{Values: []float64{1, 2}}, "the label of row 2 is NaN"},
		{"rmse", numbers(1, 2), &bakeoff.Predictions{Values: []float64{math.Inf(1), 2}}, "the prediction for row 1 is +Inf"},
		{"rmse", numbers(), &bakeoff.Predictions{}, "rmse is not defined on these rows: there are none"},
		{"roc_auc", classes(1, 1), answers(1, 0, 1, 0), "all of them are of one class"},
	} {
		_, err := lookup(t, c.metric).Compute(c.y, c.p)
		if err == nil || !strings.Contains(err.Error(), c.want) || bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
}

// FuzzCompute feeds every metric with bytes as labels and predictions: it must answer with finite
// numbers in the metric's range, or an error.
func FuzzCompute(f *testing.F) {
	f.Add(uint8(2), []byte{0, 10, 1, 200, 1, 30})
	f.Add(uint8(3), []byte{0, 1, 2, 255, 3, 3})
	f.Add(uint8(1), []byte{0, 0, 255, 255})
	f.Fuzz(func(t *testing.T, k uint8, rows []byte) {
		y, p := fromBytes(int(k%8), rows)
		for _, name := range metric.Names() {
			m := lookup(t, name)
			v, err := m.Compute(y, p)
			if err != nil {
				continue
			}
			if math.IsNaN(v) || math.IsInf(v, 0) || m.Unit() && (v < 0 || v > 1+1e-12) {
				t.Errorf("%s = %v", name, v)
			}
			got, err := m.Interval(y, p, 0.9, 1)
			if err == nil && !(got[0] <= got[1]) {
				t.Errorf("%s: interval %v", name, got)
			}
			_, backwards := turn(y, p)
			c := compare(t, name, y, p, backwards)
			if !(c.P > 0 && c.P <= 1 && c.Interval[0] <= c.Interval[1] && c.Deviation >= 0) {
				t.Errorf("%s: %+v", name, c)
			}
		}
	})
}

// fromBytes makes k classes, or numbers for k of 0: a byte for a label, and a byte a prediction.
func fromBytes(k int, rows []byte) (bakeoff.Labels, *bakeoff.Predictions) {
	y, p := bakeoff.Labels{Classes: classNames(k)}, &bakeoff.Predictions{Classes: classNames(k)}
	for len(rows) > k {
		if k == 0 {
			y.Values, p.Values = append(y.Values, float64(int8(rows[0]))), append(p.Values, float64(len(rows)))
			rows = rows[1:]
			continue
		}
		y.Codes = append(y.Codes, int32(rows[0])%int32(k+1)-1)
		for _, b := range rows[1 : k+1] {
			p.Probabilities = append(p.Probabilities, float64(b)/255)
		}
		rows = rows[k+1:]
	}
	return y, p
}

// The benchmarks have a million rows.
func BenchmarkCompute(b *testing.B) { perMetric(b, compute) }

func BenchmarkInterval(b *testing.B) { perMetric(b, interval) }

func compute(m metric.Metric, y bakeoff.Labels, p *bakeoff.Predictions) error {
	_, err := m.Compute(y, p)
	return err
}

func interval(m metric.Metric, y bakeoff.Labels, p *bakeoff.Predictions) error {
	_, err := m.Interval(y, p, 0.95, 1)
	return err
}

func perMetric(b *testing.B, work func(metric.Metric, bakeoff.Labels, *bakeoff.Predictions) error) {
	for _, name := range metric.Names() {
		m := lookup(b, name)
		y, p := draw(rand.New(rand.NewPCG(1, 1)), 1_000_000, classesFor(m)[0])
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := work(m, y, p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
