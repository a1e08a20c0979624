package learn_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/learn"
	"github.com/google/go-cmp/cmp"
)

// odd returns a set with a signal in column "signal" and about every oddity that a column can
// have beside it.
func odd(task bakeoff.LearningTask, rows int) set {
	rng := rand.New(rand.NewPCG(3, 4))
	signal, wild, when := make([]float64, rows), make([]float64, rows), make([]float64, rows)
	empty, constant, flag := make([]float64, rows), make([]float64, rows), make([]float64, rows)
	nothing, same, mixed := make([]string, rows), make([]string, rows), make([]string, rows)
	strange := []float64{math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat64, -math.MaxFloat64, 5e-324, math.Copysign(0, -1), 1}
	for i := range rows {
		signal[i] = rng.NormFloat64()
		wild[i] = strange[rng.IntN(len(strange))]
		when[i] = float64(time.Date(2024, 1, 1+rng.IntN(700), rng.IntN(24), 0, 0, 0, time.UTC).Unix())
		empty[i], constant[i] = math.NaN(), 7
		flag[i] = float64(rng.IntN(2))
		same[i] = "same"
		mixed[i] = []string{"", "a", "b", "<&>", "\u00e9"}[rng.IntN(5)]
	}
	when[0] = math.NaN()
	s := set{schema: bakeoff.Schema{Target: "y", Task: task}}
	number := func(name string, kind bakeoff.Kind, v []float64) dataset.Column {
		return dataset.Column{Name: name, Kind: kind, Numbers: v}
	}
	s.train = &dataset.Table{Rows: rows, Columns: []dataset.Column{
		number("signal", bakeoff.KindNumber, signal), number("wild", bakeoff.KindNumber, wild),
		number("when", bakeoff.KindDate, when), number("empty", bakeoff.KindNumber, empty),
		number("constant", bakeoff.KindInteger, constant), number("flag", bakeoff.KindBoolean, flag),
		textColumn("nothing", nothing), textColumn("same", same), textColumn("mixed", mixed),
	}}
	s.schema.Columns = schemaOf(s.train)
	s.labelBySignal(signal)
	return s
}

// labelBySignal makes the target follow a number.
func (s *set) labelBySignal(signal []float64) {
	classes := map[bakeoff.LearningTask][]string{bakeoff.Binary: {"low", "top"}, bakeoff.Multiclass: {"low", "mid", "top", "unused"}}
	s.schema.Classes = classes[s.schema.Task]
	s.labels = bakeoff.Labels{Classes: s.schema.Classes}
	for _, v := range signal {
		switch s.schema.Task {
		case bakeoff.Regression:
			s.labels.Values = append(s.labels.Values, 3*v)
		case bakeoff.Binary:
			s.labels.Codes = append(s.labels.Codes, int32(min(1, max(0, math.Ceil(v)))))
		default:
			s.labels.Codes = append(s.labels.Codes, int32(min(2, max(0, math.Ceil(v+0.5)))))
		}
	}
}

// eachOdd runs a test for every learner and task on the odd set.
func eachOdd(t *testing.T, test func(t *testing.T, learner string, s set)) {
	for _, learner := range learn.Learners() {
		for _, task := range []bakeoff.LearningTask{bakeoff.Binary, bakeoff.Multiclass, bakeoff.Regression} {
			if learn.Fits(learner, task) {
				t.Run(learner+"/"+string(task), func(t *testing.T) { test(t, learner, odd(task, 600)) })
			}
		}
	}
}

// fitness is the accuracy or the share of the variance that is explained, on the set's own rows.
func fitness(s set, p *bakeoff.Predictions) float64 {
	if s.schema.Task == bakeoff.Regression {
		squares, variance, mean := 0.0, 0.0, 0.0
		for _, v := range s.labels.Values {
			mean += v / float64(len(s.labels.Values))
		}
		for i, v := range s.labels.Values {
			squares += (p.Values[i] - v) * (p.Values[i] - v)
			variance += (mean - v) * (mean - v)
		}
		return 1 - squares/variance
	}
	right := 0
	for i, c := range s.labels.Codes {
		if p.Class(i) == int(c) {
			right++
		}
	}
	return float64(right) / float64(len(s.labels.Codes))
}

func TestOddColumnsDoNotSpoilAModel(t *testing.T) {
	eachOdd(t, func(t *testing.T, learner string, s set) {
		r := s.request(learner)
		r.Params = nil
		m := train(t, r)
		p := predict(t, m, s.train)
		least := 0.9
		if learner == learn.KNN { // to which every column is as near to the target as any other
			least = 0.75
		}
		if got := fitness(s, p); !(got > least) {
			t.Errorf("fitness %.3f, want above %v", got, least)
		}
		back, err := learn.Decode(encode(t, m))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, predict(t, back, s.train)); diff != "" {
			t.Errorf("predictions (-before +after decoding):\n%.2000s", diff)
		}
	})
}

func TestAnythingGetsAnAnswer(t *testing.T) {
	eachOdd(t, func(t *testing.T, learner string, s set) {
		m := train(t, s.request(learner))
		for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64, 0, 1e13} {
			row := &dataset.Table{Rows: 1}
			for _, c := range s.train.Columns {
				if c.Kind == bakeoff.KindCategory {
					row.Columns = append(row.Columns, dataset.Column{Name: c.Name, Kind: c.Kind, Codes: []int32{0}, Levels: []string{"new"}})
				} else {
					row.Columns = append(row.Columns, dataset.Column{Name: c.Name, Kind: c.Kind, Numbers: []float64{v}})
				}
			}
			predict(t, m, row)
			if got := m.Unseen(row); got != 3 {
				t.Errorf("%d cells unseen, want 3", got)
			}
			want := 0
			if math.IsInf(v, 0) {
				want = 6
			}
			if got := m.Infinite(row); got != want {
				t.Errorf("%v: %d cells infinite, want %d", v, got, want)
			}
		}
		predict(t, m, s.train.Slice(0, 0))
		if got := m.Unseen(s.train); got != 0 {
			t.Errorf("%d cells of the training rows are unseen", got)
		}
	})
}

func TestOnlyUselessColumnsGiveTheBaseline(t *testing.T) {
	eachOdd(t, func(t *testing.T, learner string, s set) {
		keep := map[string]bool{"empty": true, "constant": true, "nothing": true, "same": true}
		table := &dataset.Table{Rows: s.train.Rows}
		for _, c := range s.train.Columns {
			if keep[c.Name] {
				table.Columns = append(table.Columns, c)
			}
		}
		s.train, s.schema.Columns = table, schemaOf(table)
		r := s.request(learner)
		if learner == learn.KNN { // all rows are as near: have all answer
			r.Params = fmt.Appendf(nil, `{"n_neighbors": %d}`, table.Rows)
		}
		p := predict(t, train(t, r), table)
		want := make([]float64, max(1, len(p.Classes)))
		for i := range table.Rows {
			if s.schema.Task == bakeoff.Regression {
				want[0] += s.labels.Values[i] / float64(table.Rows)
			} else {
				want[s.labels.Codes[i]] += 1 / float64(table.Rows)
			}
		}
		got := append(p.Values, p.Probabilities...)
		for c, v := range want {
			if math.Abs(got[c]-v) > 0.05 {
				t.Errorf("answers %v, want about %v", got[:len(want)], want)
			}
		}
	})
}

func TestDatesAreExpandedInUTC(t *testing.T) {
	for part, weight := range map[string]func(time.Time) float64{
		"weekday": func(d time.Time) float64 { return float64(d.Weekday()) },
		"hour":    func(d time.Time) float64 { return float64(d.Hour()) },
		"month":   func(d time.Time) float64 { return float64(d.Month()) },
		"day":     func(d time.Time) float64 { return float64(d.Day()) },
		"year":    func(d time.Time) float64 { return float64(d.Year()) },
	} {
		t.Run(part, func(t *testing.T) {
			const rows = 1000
			rng := rand.New(rand.NewPCG(1, 2))
			seconds, values := make([]float64, rows), make([]float64, rows)
			for i := range rows {
				seconds[i] = float64(rng.Int64N(40*365*24*3600)) - 10*365*24*3600
				values[i] = weight(time.Unix(int64(seconds[i]), 0).UTC())
			}
			table := &dataset.Table{Rows: rows, Columns: []dataset.Column{{Name: "when", Kind: bakeoff.KindDate, Numbers: seconds}}}
			s := set{train: table, labels: bakeoff.Labels{Values: values}}
			s.schema = bakeoff.Schema{Target: "y", Task: bakeoff.Regression, Columns: schemaOf(table)}
			for _, learner := range []string{learn.LinearRegression, learn.GradientBoosting} {
				r := s.request(learner)
				r.Params = nil
				if got := fitness(s, predict(t, train(t, r), table)); !(got > 0.99) {
					t.Errorf("%s explains %.3f of the variance, want above 0.99", learner, got)
				}
			}
		})
	}
}

// manyLevels returns a set with a category of so many levels; the first two are half of the rows
// and decide the target.
func manyLevels(levels int) set {
	cells := make([]string, 2*levels)
	values := make([]float64, len(cells))
	for i := range cells {
		cells[i] = fmt.Sprintf("level %07d", i/2)
		if i < levels {
			cells[i] = fmt.Sprintf("level %07d", i%2)
			values[i] = float64(i%2*2 - 1)
		}
	}
	table := &dataset.Table{Rows: len(cells), Columns: []dataset.Column{textColumn("c", cells)}}
	s := set{train: table, labels: bakeoff.Labels{Values: values}}
	s.schema = bakeoff.Schema{Target: "y", Task: bakeoff.Regression, Columns: schemaOf(table)}
	return s
}

func TestManyCategories(t *testing.T) {
	for _, levels := range []int{10_000, 25_000} { // the second has more than have slots of their own
		for _, learner := range []string{learn.LinearRegression, learn.GradientBoosting, learn.RandomForest} {
			t.Run(fmt.Sprint(learner, levels), func(t *testing.T) {
				s := manyLevels(levels)
				m := train(t, s.request(learner))
				if got := fitness(s, predict(t, m, s.train)); !(got > 0.6) {
					t.Errorf("explains %.3f of the variance, want above 0.6", got)
				}
				row := &dataset.Table{Rows: 3, Columns: []dataset.Column{textColumn("c", []string{"level 0000000", "", "new"})}}
				if got := m.Unseen(row); got != 1 {
					t.Errorf("%d cells unseen, want 1", got)
				}
				back, err := learn.Decode(encode(t, m))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(predict(t, m, row), predict(t, back, row)); diff != "" {
					t.Errorf("predictions (-before +after decoding):\n%s", diff)
				}
			})
		}
	}
}

func TestNumbersOfAnyKindStandForEachOther(t *testing.T) {
	s := odd(bakeoff.Binary, 200)
	m := train(t, s.request(learn.LogisticRegression))
	for _, kind := range []bakeoff.Kind{bakeoff.KindNumber, bakeoff.KindInteger, bakeoff.KindBoolean} {
		table := &dataset.Table{Rows: s.train.Rows}
		for _, c := range s.train.Columns {
			if c.Kind != bakeoff.KindCategory && c.Kind != bakeoff.KindDate {
				c.Kind = kind
			}
			table.Columns = append(table.Columns, c)
		}
		if diff := cmp.Diff(predict(t, m, s.train), predict(t, m, table)); diff != "" {
			t.Errorf("as %s:\n%.2000s", kind, diff)
		}
	}
}

func TestTheSeedDecidesWhatIsDrawn(t *testing.T) {
	s := odd(bakeoff.Binary, 300)
	a, b := s.request(learn.RandomForest), s.request(learn.RandomForest)
	b.Seed++
	if diff := cmp.Diff(predict(t, train(t, a), s.train), predict(t, train(t, b), s.train)); diff == "" {
		t.Error("two seeds, one forest")
	}
	a.Params, b.Params = json.RawMessage(`{"trees":12,"max_depth":0}`), nil
	b.Seed--
	b.Params = json.RawMessage(`{"trees": 12.0}`)
	if string(encode(t, train(t, a))) != string(encode(t, train(t, b))) {
		t.Error("a default that is spelt out makes another model")
	}
}

func TestMulticlassWithTwoClassesIsBinary(t *testing.T) {
	for _, learner := range []string{learn.LogisticRegression, learn.RandomForest, learn.GradientBoosting, learn.KNN, learn.MLP} {
		s := odd(bakeoff.Binary, 200)
		want := predict(t, train(t, s.request(learner)), s.train)
		s.schema.Task = bakeoff.Multiclass
		back, err := learn.Decode(encode(t, train(t, s.request(learner))))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, predict(t, back, s.train)); diff != "" {
			t.Errorf("%s (-binary +multiclass):\n%.2000s", learner, diff)
		}
	}
}
