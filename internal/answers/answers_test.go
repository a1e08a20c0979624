package answers_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/answers"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

var noYes = []string{"no", "yes"}

// written returns the bytes of a file.
func written(tb testing.TB, f *answers.File) []byte {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "answers")
	if err := answers.Write(tb.Context(), path, f); err != nil {
		tb.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func read(b []byte) (*answers.File, error) { return answers.Read(bytes.NewReader(b), int64(len(b))) }

// same compares bit by bit: a number that is none is the same as itself, and zero not the same as minus zero.
var same = cmp.Options{cmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }), cmpopts.EquateEmpty()}

func binary(rows int, yes func(row int) float64) *bakeoff.Predictions {
	p := &bakeoff.Predictions{Classes: noYes}
	for row := range rows {
		v := yes(row)
		p.Probabilities = append(p.Probabilities, 1-v, v)
	}
	return p
}

// cases are files of every learning task, with what is odd in them.
func cases(rows int) map[string]*answers.File {
	random := rand.New(rand.NewPCG(3, 5))
	odd := binary(rows, func(int) float64 { return random.Float64() })
	three := &bakeoff.Predictions{Classes: []string{"a", "b", "c"}}
	wild := &bakeoff.Predictions{}
	y2, y3, yr := bakeoff.Labels{Classes: noYes}, bakeoff.Labels{Classes: three.Classes}, bakeoff.Labels{}
	one := &bakeoff.Predictions{Classes: []string{"only"}}
	extra := []dataset.Column{
		{Name: "plan", Kind: bakeoff.KindCategory, Levels: []string{"basic", "no row has it", "pro"}},
		{Name: "tenure", Kind: bakeoff.KindInteger},
	}
	for row := range rows {
		y2.Codes = append(y2.Codes, int32(random.IntN(3))-1) // a label that is none of the classes is -1
		y3.Codes = append(y3.Codes, int32(random.IntN(3)))
		yr.Values = append(yr.Values, random.NormFloat64())
		three.Probabilities = append(three.Probabilities, random.Float64(), random.Float64(), random.Float64())
		wild.Values = append(wild.Values, random.ExpFloat64()*1e300)
		one.Probabilities = append(one.Probabilities, 1)
		extra[0].Codes = append(extra[0].Codes, int32(2*(row%2))-int32(row%3/2))
		extra[1].Numbers = append(extra[1].Numbers, float64(row%7))
	}
	if rows > 4 {
		odd.Probabilities[3] = math.NaN()
		odd.Probabilities[4] = math.Nextafter(odd.Probabilities[4], 1)
		odd.Probabilities[6], odd.Probabilities[7] = math.Copysign(0, -1), 1 // where one minus the second is zero
		copy(wild.Values, []float64{math.Inf(1), math.Copysign(0, -1), math.NaN(), math.SmallestNonzeroFloat64})
		extra[0].Codes[1], extra[1].Numbers[2] = -1, math.NaN()
	}
	about := answers.File{
		Rules: answers.Rules{
			Pipeline: "churn", AtLeast: 2, Seed: 7, Judge: bakeoff.Judge{Metric: "log_loss", Also: []string{"accuracy"}, Confidence: 0.9},
			Gate: bakeoff.Gate{Floors: map[string]float64{"roc_auc": 0.8}, Gain: bakeoff.Gain{Margin: 0.1, Relative: true}},
		},
		Rows: bakeoff.Rows{Train: 4 * rows, Holdout: rows, SetAside: 1, SeenByChampion: 1}, Champion: 3, Hold: &bakeoff.Hold{Model: "churn", By: "mina", Why: "odd scores"},
		Incomparable: "it needs the column age, which is gone",
	}
	file := func(task bakeoff.LearningTask, y bakeoff.Labels, baseline *bakeoff.Predictions, all ...*bakeoff.Predictions) *answers.File {
		f := about
		f.Task, f.Labels, f.Baseline, f.Slices = task, y, baseline, extra
		for i, p := range all {
			f.Contestants = append(f.Contestants, answers.Contestant{
				Candidate: fmt.Sprintf("c%d", i), Role: bakeoff.RoleChallenger, Unseen: i, Predictions: p,
				Trial: bakeoff.Trial{Candidate: fmt.Sprintf("c%d", i), State: bakeoff.TrialBuilt, Seconds: 0.125, Bytes: 9},
			})
		}
		f.Contestants = append(f.Contestants, answers.Contestant{Candidate: "mute", Role: bakeoff.RoleChampion, Version: 3, Failure: "it does not open"})
		return &f
	}
	plain := about
	plain.Task, plain.Labels, plain.Baseline = bakeoff.Binary, y2, binary(rows, func(int) float64 { return 0.25 })
	return map[string]*answers.File{
		"binary":        file(bakeoff.Binary, y2, plain.Baseline, binary(rows, func(row int) float64 { return float64(row%5) / 7 }), odd, one),
		"multiclass":    file(bakeoff.Multiclass, y3, three, three),
		"regression":    file(bakeoff.Regression, yr, wild, wild),
		"no contestant": &plain,
	}
}

func TestWhatIsReadIsWhatWasWritten(t *testing.T) {
	for _, rows := range []int{0, 1, 9, 70_000} {
		for name, f := range cases(rows) {
			t.Run(fmt.Sprintf("%s of %d rows", name, rows), func(t *testing.T) {
				b := written(t, f)
				got, err := read(b)
				if err != nil {
					t.Fatal(err)
				}
				if rows < 100 {
					if diff := cmp.Diff(f, got, same); diff != "" {
						t.Errorf("(-want +got):\n%s", diff)
					}
				}
				if again := written(t, got); !bytes.Equal(b, again) {
					t.Error("what was read is written in other bytes")
				}
			})
		}
	}
}

func TestWriteRefusesWhatIsNotWhole(t *testing.T) {
	for name, change := range map[string]func(f *answers.File){
		"no baseline":               func(f *answers.File) { f.Baseline = nil },
		"too few":                   func(f *answers.File) { f.Contestants[0].Predictions.Probabilities = nil },
		"a shorter column":          func(f *answers.File) { f.Slices[0].Codes = f.Slices[0].Codes[1:] },
		"a floor that is no number": func(f *answers.File) { f.Rules.Gate.Floors["roc_auc"] = math.Inf(1) },
	} {
		t.Run(name, func(t *testing.T) {
			f := cases(9)["binary"]
			change(f)
			if err := answers.Write(t.Context(), filepath.Join(t.TempDir(), "answers"), f); err == nil || !strings.Contains(err.Error(), "keep answers") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// Every single byte that is altered, and every byte that is cut off, is found.
func TestReadFindsDamage(t *testing.T) {
	whole := written(t, cases(9)["binary"])
	for i := range whole {
		damaged := bytes.Clone(whole)
		damaged[i] ^= 0x41
		if _, err := read(damaged); err == nil {
			t.Fatalf("byte %d is another, and nobody minds", i)
		}
		if _, err := read(whole[:i]); err == nil {
			t.Fatalf("it ends at byte %d, and nobody minds", i)
		}
	}
}

// FuzzRead gives any bytes to the reader. Without the right seal it must refuse them, in memory that
// the bytes account for.
func FuzzRead(f *testing.F) {
	seeds := map[string]bool{}
	for _, file := range cases(5) {
		b := written(f, file)
		seeds[string(b)] = true
		f.Add(b)
	}
	f.Add([]byte("PAR1PAR1"))
	f.Add([]byte("PAR1bakeoff1\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00PAR1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := read(b)
		runtime.ReadMemStats(&after)
		if (err == nil) != seeds[string(b)] {
			t.Errorf("error %v for %d bytes", err, len(b))
		}
		if used, limit := after.TotalAlloc-before.TotalAlloc, uint64(64<<20+1000*len(b)); used > limit {
			t.Errorf("%d bytes were allocated for an input of %d", used, len(b))
		}
	})
}

// BenchmarkWrite says how large a row is: of a logistic regression, whose answers all differ, and of
// trees, whose answers are few.
func BenchmarkWrite(b *testing.B) {
	for _, rows := range []int{1432, 200_000} {
		random := rand.New(rand.NewPCG(1, 2))
		leaves := make([]float64, 500)
		for i := range leaves {
			leaves[i] = random.Float64()
		}
		f := &answers.File{Task: bakeoff.Binary, Labels: bakeoff.Labels{Classes: noYes}, Baseline: binary(rows, func(int) float64 { return 0.25 })}
		for range rows {
			f.Labels.Codes = append(f.Labels.Codes, int32(random.IntN(2)))
		}
		for name, answer := range map[string]func(int) float64{
			"labels":   nil,
			"logistic": func(int) float64 { return 1 / (1 + math.Exp(random.NormFloat64())) },
			"tree":     func(int) float64 { return leaves[random.IntN(len(leaves))] },
		} {
			b.Run(fmt.Sprintf("%s/%d", name, rows), func(b *testing.B) {
				g := *f
				if answer != nil {
					g.Contestants = []answers.Contestant{{Candidate: name, Predictions: binary(rows, answer)}}
				}
				size := 0
				for b.Loop() {
					size = len(written(b, &g))
				}
				b.ReportMetric(float64(size)/float64(rows), "B/row")
			})
		}
	}
}
