package judge_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	kept "github.com/bakeoffhq/bakeoff/internal/answers"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/judge"
)

// again writes a case to a file and reads it back.
func again(t *testing.T, c judge.Case) judge.Case {
	t.Helper()
	path := filepath.Join(t.TempDir(), "answers")
	if err := kept.Write(t.Context(), path, c.Kept()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := kept.Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return judge.Again(f)
}

// TestEveryFieldOfACaseIsKept fills every exported field of a case of one row with something. A field
// that is new needs a home in answers.File and a line each in Case.Kept and judge.Again: what is small
// as a field of the document, what has a value for each row as columns, like File.Slices.
func TestEveryFieldOfACaseIsKept(t *testing.T) {
	var want judge.Case
	fill(t, reflect.ValueOf(&want).Elem(), "Case")
	want.Contestants = append(want.Contestants, want.Contestants[0])
	want.Contestants[0].Failure = ""
	want.Contestants[1].Predictions = nil
	want.Pipeline = &bakeoff.Pipeline{Name: want.Pipeline.Name, AtLeast: want.Pipeline.AtLeast, Judge: want.Pipeline.Judge, Gate: want.Pipeline.Gate}
	want.Pipeline.Data.Split.Seed = 1<<53 + 1
	if diff := cmp.Diff(want, again(t, want)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// fill gives every exported field that v leads to a value that is not zero.
func fill(t *testing.T, v reflect.Value, name string) {
	t.Helper()
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC)))
		return
	case json.RawMessage:
		v.Set(reflect.ValueOf(json.RawMessage(`{"trees":200}`)))
		return
	case bakeoff.Labels:
		v.Set(reflect.ValueOf(bakeoff.Labels{Classes: noYes, Codes: []int32{1}}))
		return
	case bakeoff.Predictions:
		v.Set(reflect.ValueOf(bakeoff.Predictions{Classes: noYes, Probabilities: []float64{0.25, 0.75}}))
		return
	case dataset.Column:
		v.Set(reflect.ValueOf(dataset.Column{Name: "plan", Kind: bakeoff.KindCategory, Codes: []int32{1}, Levels: noYes}))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(name)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(0.1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), name)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0), name)
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i), name)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key, name)
		fill(t, value, name)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() {
				fill(t, v.Field(i), name+"."+field.Name)
			}
		}
	default:
		t.Fatalf("%s is a %s, which cannot be kept", name, v.Kind())
	}
}

// TestKeptCasesAreDecidedAlike decides cases anew from their files: every byte of the decision is the
// same.
func TestKeptCasesAreDecidedAlike(t *testing.T) {
	odd := challenger("odd", 9, 1)
	odd.Predictions.Probabilities[4] = math.NaN()
	short := challenger("short", 9, 1)
	short.Predictions.Probabilities = short.Predictions.Probabilities[2:]
	strange := challenger("strange", 9, 1)
	strange.Predictions.Classes = []string{"yes", "no"}
	rounded := challenger("rounded", 8, 1)
	rounded.Predictions.Probabilities[0] += 4e-5
	all := map[string]judge.Case{
		"first champion":     caseOf(challenger("linear", 7, 10), challenger("boosting", 9, 10)),
		"promoted":           caseOf(challenger("boosting", 9, 10), champion(8)),
		"tie":                caseOf(challenger("boosting", 8, 10), champion(8)),
		"champion is silent": caseOf(challenger("boosting", 8, 10), silent(champion(8), "it does not open")),
		"bad answers":        caseOf(odd, short, strange, rounded, broken("none", "exit code 1"), champion(8)),
		"too few":            caseOf(odd, broken("none", "exit code 1")),
		"regression":         regressionCase(map[string][]float64{"absurd": {1e300, 0, 0, 0}, "a": {1, 2, math.Inf(1), 4}, "fine": {1, 2, 3, 5}}),
	}
	held := caseOf(challenger("boosting", 9, 10), champion(8))
	held.Hold = &bakeoff.Hold{Model: "churn", By: "mina", Why: "odd scores", Since: time.Date(2026, 11, 23, 8, 0, 0, 123_456_000, time.UTC)}
	all["held"] = held
	other := caseOf(challenger("boosting", 9, 10), silent(champion(8), ""))
	other.Incomparable = "it needs the column age, which is gone"
	all["incomparable"] = other
	empty := caseOf(challenger("boosting", 0, 10))
	empty.Labels, empty.Baseline = bakeoff.Labels{Classes: noYes}, &bakeoff.Predictions{Classes: noYes}
	empty.Contestants[0].Predictions = &bakeoff.Predictions{}
	all["no rows"] = empty
	for seed := range uint64(8) {
		all[fmt.Sprintf("random %d", seed)] = randomCase(seed)
	}
	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			want, got := decided(t, c), decided(t, again(t, c))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-first +again):\n%s", diff)
			}
		})
	}
}

func decided(t *testing.T, c judge.Case) string {
	t.Helper()
	d, err := judge.Decide(c)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// randomCase is judged beyond noise, by resampling among others, with two classes or with three.
func randomCase(seed uint64) judge.Case {
	random := rand.New(rand.NewPCG(seed, 1))
	classes := []string{"a", "b", "c"}[:2+seed%2]
	const rows = 300
	y := bakeoff.Labels{Classes: classes}
	for range rows {
		y.Codes = append(y.Codes, int32(random.IntN(len(classes))))
	}
	answer := func(skill float64) *bakeoff.Predictions {
		p := &bakeoff.Predictions{Classes: classes}
		for _, code := range y.Codes {
			row, total := make([]float64, len(classes)), 0.0
			for i := range row {
				row[i] = random.ExpFloat64()
				if i == int(code) {
					row[i] += skill
				}
				total += row[i]
			}
			for _, v := range row {
				p.Probabilities = append(p.Probabilities, v/total)
			}
		}
		return p
	}
	c := judge.Case{
		Pipeline: &bakeoff.Pipeline{
			Name: "churn", AtLeast: 1, Judge: bakeoff.Judge{Metric: "log_loss", Also: []string{"accuracy", "roc_auc"}, Confidence: 0.9},
			Gate: bakeoff.Gate{Gain: bakeoff.Gain{Significant: true}, Floors: map[string]float64{"accuracy": 0.3}},
		},
		Task: bakeoff.Multiclass, Labels: y, Baseline: answer(0), Champion: 3,
	}
	if len(classes) == 2 {
		c.Task = bakeoff.Binary
	}
	c.Pipeline.Data.Split.Seed = seed
	c.Pipeline.Judge.Slices = []string{"plan"}
	c.Pipeline.Gate.SliceLoss = &bakeoff.SliceLoss{Margin: 0.05}
	c.Slices = []dataset.Column{{Name: "plan", Kind: bakeoff.KindCategory, Levels: []string{"basic", "no row has it", "pro"}}}
	for row := range rows {
		c.Slices[0].Codes = append(c.Slices[0].Codes, int32(2*(row%2))-int32(row/290))
	}
	c.Pipeline.Gate.Cooldown = 3 * 24 * time.Hour
	c.At = time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC)
	c.Moved = c.At.Add(-time.Duration(seed) * 24 * time.Hour)
	for i, skill := range []float64{0.4, 1, 1.2} {
		k := challenger(fmt.Sprintf("c%d", i), 0, int64(100*i))
		k.Predictions = answer(skill)
		c.Contestants = append(c.Contestants, k)
	}
	k := champion(0)
	k.Version, k.Predictions = 3, answer(0.9)
	c.Contestants = append(c.Contestants, k)
	return c
}
