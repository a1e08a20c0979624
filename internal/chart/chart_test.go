package chart_test

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/a-h/templ"
	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff/internal/chart"
)

var update = flag.Bool("update", false, "write golden files anew")

func text(v float64) string { return chart.Ticks(v-1, v+1, 2)[0].Label }

// examples are one of each chart, small enough to be read.
func examples() map[string]templ.Component {
	roc := []chart.Series{
		{Name: "boosting", Style: 1, Points: []chart.Point{{X: 0, Y: 0}, {X: 0.1, Y: 0.6}, {X: 1, Y: 1}}},
		{Name: "forest", Style: 2, Points: []chart.Point{{X: 0, Y: 0}, {X: 0.3, Y: 0.7}, {X: 1, Y: 1}}},
	}
	return map[string]templ.Component{
		"lines": chart.Lines{
			Frame:    chart.Frame{ID: "roc", Title: "ROC", Note: "Up and left is better.", Data: chart.SampledY("false", roc, chart.Ticks(0, 1, 2), text)},
			X:        chart.Axis{Label: "false positive rate", Hi: 1},
			Y:        chart.Axis{Label: "true positive rate", Hi: 1},
			Series:   roc,
			Diagonal: true,
		},
		"marked": chart.Lines{
			Frame:  chart.Frame{ID: "calibration", Title: "Calibration"},
			Series: []chart.Series{{Name: "forest", Style: 2, Points: []chart.Point{{X: 0.1, Y: 0.2}, {X: 0.9, Y: 0.8}}, Weights: []float64{100, 25}}},
			Level:  0.5, LevelName: "prevalence",
		},
		"dots": chart.Dots{
			Frame: chart.Frame{ID: "board", Title: "roc_auc", Note: "Bars are 95% intervals."},
			Head:  [3]string{"Candidate", "roc_auc", "95% interval"},
			Rows: []chart.Dot{
				{Name: "boosting", Style: 1, Value: 0.85, Interval: [2]float64{0.83, 0.87}, Text: "0.8500", Range: "0.83 to 0.87"},
				{Name: "forest", Note: "champion v3", Style: 2, Shape: chart.Diamond, Value: 0.84, Interval: [2]float64{0.82, 0.86}, Text: "0.8400"},
				{Name: "baseline", Shape: chart.Ring, Value: 0.5, Text: "0.5000"},
			},
			Marks: []chart.Mark{{Value: 0.8, Name: "the floor", Dashed: true}},
		},
		"bars": chart.Bars{
			Frame: chart.Frame{ID: "importance", Title: "Importance"},
			Head:  [2]string{"Column", "Loss"}, Style: 1,
			Rows: []chart.Bar{{Name: "tenure", Value: 0.04, Spread: 0.005, Text: "0.0400"}, {Name: "gender", Value: -0.001, Text: "−0.0010"}},
		},
		"heat": chart.Heat{
			Frame: chart.Frame{ID: "confusion", Title: "forest"}, Rows: []string{"No", "Yes"}, Columns: []string{"No", "Yes"},
			RowName: "is", ColName: "taken for", Counts: [][]int{{900, 100}, {60, 1940}}, Style: 1,
		},
		"scatter": chart.Scatter{
			Frame: chart.Frame{ID: "actual", Title: "Predicted and actual"}, X: chart.Axis{Label: "predicted"}, Y: chart.Axis{Label: "actual"},
			Style: 1, Points: []chart.Point{{X: 1, Y: 2}, {X: 1, Y: 2}, {X: 3, Y: 3}}, Diagonal: true, Zero: true, Curve: []chart.Point{{X: 1, Y: 2}, {X: 3, Y: 3}},
		},
		"histogram": chart.Histogram{
			Frame: chart.Frame{ID: "residuals", Title: "Residuals"}, X: chart.Axis{Label: "residual"}, YLabel: "rows",
			Style: 1, Bins: chart.Bins([]float64{-1, -0.2, 0.1, 0.2, 1, 7}, -1, 1, 4), Zero: true,
		},
	}
}

func TestGolden(t *testing.T) {
	for name, c := range examples() {
		t.Run(name, func(t *testing.T) {
			got := strings.ReplaceAll(render(t, c), "><", ">\n<") + "\n"
			file := filepath.Join("testdata", name+".golden.html")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want +got; `go test ./internal/chart -update` writes it:\n%s", diff)
			}
		})
	}
}

func render(t *testing.T, c templ.Component) string {
	t.Helper()
	var b strings.Builder
	if err := c.Render(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// numbers are what no attribute of a drawing may be.
var notNumbers = regexp.MustCompile(`[="\s,](NaN|[+-]?Inf)|"−`)

// checkDrawing reports a drawing that is not well-formed, or has a length that is none.
func checkDrawing(t *testing.T, html string) {
	t.Helper()
	if bad := notNumbers.FindString(html); bad != "" {
		t.Errorf("there is %q in %.2000s", bad, html)
	}
	d := xml.NewDecoder(strings.NewReader(html))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%v in %.2000s", err, html)
		}
	}
}

// TestAnyNumber draws charts of numbers that nobody would want to draw.
func TestAnyNumber(t *testing.T) {
	odd := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), 1, -1, 1e-320, 1e308, -1e308, math.MaxFloat64, 0.1, 1e15, 1e15 + 1}
	for seed := range uint64(120) {
		r := rand.New(rand.NewPCG(seed, 1))
		number := func() float64 {
			if r.IntN(3) == 0 {
				return r.NormFloat64()
			}
			return odd[r.IntN(len(odd))]
		}
		var points []chart.Point
		var weights, values []float64
		var boxes []chart.Dot
		var rows []chart.Bar
		for range r.IntN(6) {
			points = append(points, chart.Point{X: number(), Y: number()})
			weights, values = append(weights, number()), append(values, number())
			boxes = append(boxes, chart.Dot{Name: "a", Value: number(), Interval: [2]float64{number(), number()}})
			rows = append(rows, chart.Bar{Name: "a", Value: number(), Spread: number()})
		}
		f := chart.Frame{ID: "x", Title: "x"}
		axis := chart.Axis{Lo: number(), Hi: number()}
		for _, c := range []templ.Component{
			chart.Lines{Frame: f, X: axis, Series: []chart.Series{{Points: points, Weights: weights}}, Diagonal: true, Level: number(), LevelName: "level"},
			chart.Scatter{Frame: f, Y: axis, Points: points, Curve: points, Diagonal: r.IntN(2) == 0, Zero: true},
			chart.Dots{Frame: f, Axis: axis, Rows: boxes, Marks: []chart.Mark{{Value: number()}}},
			chart.Bars{Frame: f, Axis: axis, Rows: rows},
			chart.Histogram{Frame: f, X: axis, Bins: chart.Bins(values, -1, 1, 5)},
			chart.Heat{Frame: f, Rows: []string{"a"}, Columns: []string{"a"}, Counts: [][]int{{r.IntN(2)}}},
		} {
			checkDrawing(t, render(t, c))
		}
	}
}

func TestExamplesAreWellFormed(t *testing.T) {
	for _, c := range examples() {
		checkDrawing(t, render(t, c))
	}
}

// TestTextIsEscaped gives every text of a chart a try at becoming markup.
func TestTextIsEscaped(t *testing.T) {
	const evil = `"><script>alert(1)</script>&'`
	f := chart.Frame{ID: "x", Title: evil, Note: evil, Data: chart.Table{Head: []string{evil}, Rows: [][]string{{evil, evil}}}}
	a := chart.Axis{Label: evil}
	series := []chart.Series{{Name: evil, Points: []chart.Point{{}, {X: 1, Y: 1}}}, {Name: evil}}
	for _, c := range []templ.Component{
		chart.Lines{Frame: f, X: a, Y: a, Series: series, Level: 1, LevelName: evil},
		chart.Scatter{Frame: f, X: a, Y: a},
		chart.Dots{Frame: f, Head: [3]string{evil, evil, evil}, Rows: []chart.Dot{{Name: evil, Note: evil, Text: evil, Range: evil}}, Marks: []chart.Mark{{Name: evil}}},
		chart.Bars{Frame: f, Head: [2]string{evil, evil}, Rows: []chart.Bar{{Name: evil, Text: evil}}},
		chart.Histogram{Frame: f, X: a, YLabel: evil},
		chart.Heat{Frame: f, Rows: []string{evil}, Columns: []string{evil}, RowName: evil, ColName: evil, Counts: [][]int{{1}}},
	} {
		html := render(t, c)
		if strings.Contains(html, "<script") || strings.Contains(html, `"">`) {
			t.Errorf("%T lets text become markup: %.2000s", c, html)
		}
		checkDrawing(t, html)
	}
}

// TestManyPoints draws few of many points, and the ends among them.
func TestManyPoints(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var points []chart.Point
	for i := range 200_000 {
		points = append(points, chart.Point{X: float64(i) / 200_000, Y: float64(i)/200_000 + 0.1*r.Float64()})
	}
	points[100_000].Y = 5 // a spike that must be seen
	f := chart.Frame{ID: "x", Title: "x"}
	line := render(t, chart.Lines{Frame: f, Series: []chart.Series{{Points: points}}})
	if len(line) > 12_000 {
		t.Errorf("a curve of %d points takes %d bytes", len(points), len(line))
	}
	if !strings.Contains(line, "46,") || !strings.Contains(line, "426,") || !regexp.MustCompile(`[ "]\d+(\.\d)?,26[ "]`).MatchString(line) {
		t.Errorf("its ends or its spike are missing: %s", line)
	}
	cloud := render(t, chart.Scatter{Frame: f, Points: points})
	if n := strings.Count(cloud, "<circle"); n > 5_000 {
		t.Errorf("a cloud of %d points is drawn as %d", len(points), n)
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		want   string
	}{
		{0, 1, "0 0.2 0.4 0.6 0.8 1.0"},
		{0.83, 0.87, "0.83 0.84 0.85 0.86 0.87"},
		{-3, 7, "−2 0 2 4 6"},
		{0, 45_000, "0 10k 20k 30k 40k"},
		{0, 3e6, "0 1M 2M 3M"},
		{0, 1e-9, "0 2e-10 4e-10 6e-10 8e-10 1e-09"},
		{1, 1, ""},
		{2, 1, ""},
		{math.NaN(), 1, ""},
		{math.Inf(-1), 1, ""},
		{1e15, 1e15 + 0.25, ""},
	} {
		var labels []string
		for _, tick := range chart.Ticks(c.lo, c.hi, 5) {
			labels = append(labels, tick.Label)
		}
		if got := strings.Join(labels, " "); got != c.want {
			t.Errorf("Ticks(%v, %v): %q, want %q", c.lo, c.hi, got, c.want)
		}
	}
}
