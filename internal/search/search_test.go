package search_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/search"
)

func raw(values ...string) []json.RawMessage {
	all := make([]json.RawMessage, len(values))
	for i, v := range values {
		all[i] = json.RawMessage(v)
	}
	return all
}

func texts(settings []json.RawMessage) []string {
	var all []string
	for _, s := range settings {
		all = append(all, string(s))
	}
	return all
}

var (
	rate   = bakeoff.Dimension{Name: "rate", From: 0.01, To: 0.3, Log: true, Default: json.RawMessage("0.1")}
	leaves = bakeoff.Dimension{Name: "leaves", Values: raw("15", "31", "63"), Whole: true, Default: json.RawMessage("31")}
	depth  = bakeoff.Dimension{Name: "depth", From: 1, To: 4, Whole: true, Default: json.RawMessage("0")}
	stop   = bakeoff.Dimension{Name: "stop", Values: raw("true", "false"), Default: json.RawMessage("false")}
)

func TestGridTriesEachCombinationOnceAndItsOwnFirst(t *testing.T) {
	c := bakeoff.Candidate{
		Name: "c", Params: json.RawMessage(`{"rounds":200}`),
		Search: &bakeoff.Search{Method: bakeoff.SearchGrid, Params: []bakeoff.Dimension{leaves, stop}},
	}
	want := []string{
		`{"rounds":200}`, // 31 and false
		`{"leaves":15,"rounds":200,"stop":true}`, `{"leaves":15,"rounds":200,"stop":false}`, `{"leaves":31,"rounds":200,"stop":true}`,
		`{"leaves":63,"rounds":200,"stop":true}`, `{"leaves":63,"rounds":200,"stop":false}`,
	}
	if diff := cmp.Diff(want, texts(search.Settings(c, 1))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if n := search.Combinations(c.Search.Params); n != 6 {
		t.Errorf("%d combinations, want 6", n)
	}
}

// TestDrawnSettingsAreTheSameForEver holds what is drawn against what was drawn when this was written: a
// run that is tried again, on another machine or by another version, tries the same.
func TestDrawnSettingsAreTheSameForEver(t *testing.T) {
	c := bakeoff.Candidate{Name: "c", Search: &bakeoff.Search{
		Method: bakeoff.SearchRandom, Settings: 5, Params: []bakeoff.Dimension{depth, leaves, rate},
	}}
	want := []string{
		`{}`,
		`{"depth":1,"leaves":31,"rate":0.06028}`,
		`{"depth":3,"leaves":31,"rate":0.03372}`,
		`{"depth":3,"leaves":31,"rate":0.08063}`,
		`{"depth":1,"leaves":15,"rate":0.08707}`,
	}
	got := texts(search.Settings(c, 7))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if slices.Equal(got, texts(search.Settings(c, 8))) {
		t.Error("another seed draws the same")
	}
	c.Name = "d"
	if slices.Equal(got, texts(search.Settings(c, 7))) {
		t.Error("another candidate draws the same")
	}
}

func TestDrawnSettingsStayInTheirRange(t *testing.T) {
	wide := bakeoff.Dimension{Name: "wide", From: 1, To: 1000, Whole: true, Log: true, Default: json.RawMessage("0")}
	c := bakeoff.Candidate{Name: "c", Search: &bakeoff.Search{
		Method: bakeoff.SearchRandom, Settings: search.MaxSettings, Params: []bakeoff.Dimension{depth, rate, wide},
	}}
	settings := search.Settings(c, 1)
	if len(settings) != search.MaxSettings {
		t.Fatalf("%d settings", len(settings))
	}
	small := 0
	depths := map[int]int{}
	for _, text := range settings[1:] {
		var s struct {
			Depth, Wide int
			Rate        float64
		}
		if err := json.Unmarshal(text, &s); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if s.Depth < 1 || s.Depth > 4 || s.Wide < 1 || s.Wide > 1000 || s.Rate < 0.01 || s.Rate > 0.3 {
			t.Errorf("%s is out of range", text)
		}
		if s.Wide <= 32 {
			small++
		}
		depths[s.Depth]++
	}
	if small < 70 || small > 130 { // evenly spread in the logarithm
		t.Errorf("%d of 199 are in the lower half of the logarithms", small)
	}
	if len(depths) != 4 || depths[1] < 25 || depths[4] < 25 {
		t.Errorf("depths %v", depths)
	}
}

func TestFewCombinationsMakeFewSettings(t *testing.T) {
	c := bakeoff.Candidate{Name: "c", Search: &bakeoff.Search{
		Method: bakeoff.SearchRandom, Settings: 100, Params: []bakeoff.Dimension{leaves, stop},
	}}
	if got := search.Settings(c, 1); len(got) != 6 {
		t.Errorf("%d settings of 6 combinations: %s", len(got), texts(got))
	}
}

// play scores a search to its end, in an order that the generator decides.
func play(t *testing.T, s bakeoff.Searching, rng *rand.Rand, score func(setting, rung int) bakeoff.SettingScore) (bakeoff.Searching, bool) {
	t.Helper()
	for range 1000 {
		for ok := true; ok; {
			s, ok = search.HandOut(s)
		}
		var out []int
		for i, one := range s.Settings {
			if one.State == bakeoff.SettingQueued {
				out = append(out, i+1)
			}
		}
		if len(out) == 0 || len(out) != search.Out(s) {
			t.Fatalf("%d settings are out, %d are counted", len(out), search.Out(s))
		}
		n := out[rng.IntN(len(out))]
		before, total := search.Progress(s)
		trial := bakeoff.Trial{Candidate: "c", State: bakeoff.TrialSearching, Search: &s}
		next, ok := search.Take(trial, bakeoff.Task{Kind: bakeoff.TaskSearch, Candidate: "c", Setting: n, Rung: s.Rung}, score(n, s.Rung))
		if done, _ := search.Progress(next); !ok || done != before+1 || done > total {
			t.Fatalf("took %v, went from %d to %d of %d", ok, before, done, total)
		}
		if s, _, ok = search.Settle(next); !ok || s.Best > 0 {
			return s, ok
		}
	}
	t.Fatal("the search does not end")
	return s, false
}

func halving(settings, rows int) bakeoff.Searching {
	return search.Begin(bakeoff.Candidate{Name: "c", Search: &bakeoff.Search{
		Method: bakeoff.SearchHalving, Settings: settings, Folds: 3, Factor: 3, Metric: "rmse", Params: []bakeoff.Dimension{rate},
	}}, bakeoff.Snapshot{Schema: bakeoff.Schema{Task: bakeoff.Regression}, Rows: bakeoff.Rows{Train: rows}})
}

// TestHalving has the better settings go on, in whatever order they are scored, and the candidate's own
// beside them.
func TestHalving(t *testing.T) {
	score := func(setting, rung int) bakeoff.SettingScore {
		return bakeoff.SettingScore{Mean: float64((setting*7)%20) + float64(rung)} // the less the better: 20 is best
	}
	for seed := range uint64(20) {
		s, ok := play(t, halving(20, 10_000), rand.New(rand.NewPCG(seed, 1)), score)
		if !ok || s.Best != 20 || s.Decided != 3 || s.Rungs != 3 {
			t.Fatalf("seed %d: setting %d by rung %d of %d", seed, s.Best, s.Decided, s.Rungs)
		}
		in := map[int]int{}
		for _, one := range s.Settings {
			in[len(one.Scores)]++
		}
		if want := map[int]int{1: 12, 2: 4, 3: 4}; cmp.Diff(want, in) != "" {
			t.Fatalf("so many settings were scored so often: %v, want %v", in, want)
		}
		if len(s.Settings[0].Scores) != 3 {
			t.Error("the candidate's own parameters were left behind")
		}
	}
	for rung, want := range []float64{1.0 / 9, 1.0 / 3, 1} {
		if got := search.Share(halving(20, 10_000), rung+1); got != want {
			t.Errorf("rung %d: share %v, want %v", rung+1, got, want)
		}
	}
}

func TestHalvingOnFewRows(t *testing.T) {
	for rows, want := range map[int]int{100: 1, 1499: 1, 1500: 2, 4499: 2, 4500: 3, 1_000_000: 3} {
		if got := halving(20, rows).Rungs; got != want {
			t.Errorf("%d rows: %d rungs, want %d", rows, got, want)
		}
	}
}

func TestFailedSettings(t *testing.T) {
	bad := bakeoff.SettingScore{Class: bakeoff.FailedExit, Reason: "exit code 1: so it is"}
	rng := rand.New(rand.NewPCG(1, 1))
	s, ok := play(t, halving(9, 10_000), rng, func(setting, _ int) bakeoff.SettingScore {
		if setting != 5 {
			return bad
		}
		return bakeoff.SettingScore{Mean: 3}
	})
	if !ok || s.Best != 5 {
		t.Errorf("chose %d, want the only one that did not fail", s.Best)
	}
	s, ok = play(t, halving(9, 10_000), rng, func(_, rung int) bakeoff.SettingScore {
		if rung == 2 {
			return bad
		}
		return bakeoff.SettingScore{Mean: 3}
	})
	if !ok || s.Best != 1 || s.Decided != 1 {
		t.Errorf("chose %d by rung %d, want the first by the rung before", s.Best, s.Decided)
	}
	s, ok = play(t, halving(9, 10_000), rng, func(int, int) bakeoff.SettingScore { return bad })
	if ok {
		t.Errorf("chose %d where all failed", s.Best)
	}
	sum := (bakeoff.Trial{Search: &s}).Searched()
	if got := search.InWords(sum); !strings.HasPrefix(got, "all of 9 settings") {
		t.Errorf("in words: %s", got)
	}
}

func TestCutShort(t *testing.T) {
	s := halving(9, 10_000)
	if _, ok := search.CutShort(s); ok {
		t.Error("chose before anything was scored")
	}
	if _, ok := search.Reserve(s); ok {
		t.Error("asks for time before anything was scored")
	}
	for ok := true; ok; {
		s, ok = search.HandOut(s)
	}
	for i, mean := range map[int]float64{3: 0.5, 7: 0.4} {
		task := bakeoff.Task{Kind: bakeoff.TaskSearch, Candidate: "c", Setting: i, Rung: 1}
		s, _ = search.Take(bakeoff.Trial{Candidate: "c", State: bakeoff.TrialSearching, Search: &s}, task, bakeoff.SettingScore{Mean: mean, Seconds: 1})
	}
	if reserve, ok := search.Reserve(s); !ok || reserve.Seconds() != 7.5 { // three builds of 1.5 s, and 3 s
		t.Errorf("asks for %s", reserve)
	}
	cut, ok := search.CutShort(s)
	sum := (bakeoff.Trial{Search: &cut}).Searched()
	if !ok || cut.Best != 7 || !sum.CutShort || sum.Tried != 2 || sum.Score != 0.4 || search.Out(cut) != 0 {
		t.Errorf("%+v", sum)
	}
	if got := search.InWords(sum); !strings.HasPrefix(got, "best of 2 of 9 settings, for the deadline was near (halving, 3 folds, 2.0 s), with rate ") {
		t.Errorf("in words: %s", got)
	}
}

// rowsOf makes rows of three groups a hundred, a tenth of them positive.
func rowsOf(n int) *dataset.Rows {
	r := &dataset.Rows{Table: &dataset.Table{Rows: n, Columns: []dataset.Column{{Name: "house", Kind: bakeoff.KindInteger}}}}
	r.Labels.Classes = []string{"no", "yes"}
	for i := range n {
		r.Table.Columns[0].Numbers = append(r.Table.Columns[0].Numbers, float64(i/33))
		r.Identity = append(r.Identity, uint64(i/2)*7919) // each row twice
		code := int32(0)
		if i%20 < 2 {
			code = 1
		}
		r.Labels.Codes = append(r.Labels.Codes, code)
	}
	return r
}

func TestDivide(t *testing.T) {
	rows := rowsOf(3000)
	folds := search.Divide(rows, search.Division{Folds: 3, Share: 1, Seed: 1})
	fold := foldOf(t, folds, 3000)
	for i := 0; i < 3000; i += 2 {
		if fold[i] != fold[i+1] || fold[i] < 0 {
			t.Fatalf("rows %d and %d are one, and in the folds %d and %d", i, i+1, fold[i], fold[i+1])
		}
	}
	for i, f := range folds {
		positive := 0
		for _, row := range f {
			positive += int(rows.Labels.Codes[row])
		}
		if len(f) != 1000 || positive < 98 || positive > 102 {
			t.Errorf("fold %d has %d rows, %d of them positive", i, len(f), positive)
		}
	}
	few := foldOf(t, search.Divide(rows, search.Division{Folds: 3, Share: 1.0 / 9, Seed: 1}), 3000)
	more := foldOf(t, search.Divide(rows, search.Division{Folds: 3, Share: 1.0 / 3, Seed: 1}), 3000)
	inFew := 0
	for i := range few {
		if few[i] >= 0 {
			inFew++
			if more[i] < 0 {
				t.Fatalf("row %d is in the smaller share and not in the larger", i)
			}
		}
	}
	if inFew < 330 || inFew > 340 {
		t.Errorf("%d rows are in a ninth of 3000", inFew)
	}
}

// TestDivideFollowsFromTheSetOfRows shuffles the rows.
func TestDivideFollowsFromTheSetOfRows(t *testing.T) {
	rows := rowsOf(600)
	d := search.Division{Folds: 4, Share: 1, Seed: 9}
	fold := foldOf(t, search.Divide(rows, d), 600)
	order := rand.New(rand.NewPCG(5, 5)).Perm(600)
	shuffled := foldOf(t, search.Divide(rows.Choose(order), d), 600)
	for i, row := range order {
		if shuffled[i] != fold[row] {
			t.Fatalf("row %d is in fold %d, shuffled in fold %d", row, fold[row], shuffled[i])
		}
	}
}

func TestDivideKeepsGroupsTogether(t *testing.T) {
	rows := rowsOf(600)
	fold := foldOf(t, search.Divide(rows, search.Division{Folds: 3, Share: 1, Group: "house", Seed: 1}), 600)
	of := map[float64]int{}
	for i, house := range rows.Table.Columns[0].Numbers {
		if f, ok := of[house]; ok && f != fold[i] {
			t.Fatalf("house %v is in the folds %d and %d", house, f, fold[i])
		}
		of[house] = fold[i]
	}
	s := bakeoff.Snapshot{Split: bakeoff.Split{By: bakeoff.SplitByGroup, Column: "house"}}
	c := bakeoff.Candidate{Name: "c", Search: &bakeoff.Search{Method: bakeoff.SearchRandom, Settings: 2, Folds: 3, Params: []bakeoff.Dimension{rate}}}
	if note := search.Begin(c, s).Note; !strings.Contains(note, "rows of one house in two folds") {
		t.Errorf("the column is no feature, and the note is %q", note)
	}
	s.Schema.Columns = []bakeoff.ColumnSchema{{Name: "house"}}
	if note := search.Begin(c, s).Note; note != "" {
		t.Errorf("the column is a feature, and the note is %q", note)
	}
}

// foldOf returns the fold of each row, -1 for none.
func foldOf(t *testing.T, folds [][]int, rows int) []int {
	t.Helper()
	of := slices.Repeat([]int{-1}, rows)
	for f, fold := range folds {
		if !slices.IsSorted(fold) {
			t.Errorf("fold %d is not in order", f)
		}
		for _, row := range fold {
			if of[row] >= 0 {
				t.Fatalf("row %d is in two folds", row)
			}
			of[row] = f
		}
	}
	return of
}

func ExampleInWords() {
	own := 0.81
	fmt.Println(search.InWords(&bakeoff.Searched{
		Method: bakeoff.SearchRandom, Settings: 20, Tried: 20, Failed: 1, Folds: 3, Seconds: 4.25, Metric: "roc_auc", Best: 4,
		Params: json.RawMessage(`{"learning_rate":0.05,"max_leaf_nodes":63}`), Score: 0.8321, Spread: 0.0042, Own: &own,
	}))
	// Output: best of 20 settings (random, 3 folds, 4.2 s, 1 failed), with learning_rate 0.05, max_leaf_nodes 63: roc_auc 0.8321 inside the training rows, folds spread by 0.0042; with its own parameters 0.8100
}
