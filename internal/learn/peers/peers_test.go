package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn"
)

// asChild has a process of the tests act as what compare starts: this program, or a peer with answers
// of its own, since tests need no Python.
const asChild = "PEERS_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(asChild) == "" {
		os.Exit(m.Run())
	}
	switch {
	case os.Args[1] == "-one":
		main()
	case filepath.Base(os.Args[1]) == "peer.py":
		peer(os.Args[2:])
	}
}

// peer answers as peer.py does.
func peer(args []string) {
	if os.Getenv(asChild) == "fail" && args[2] == "random_forest" {
		fmt.Fprintln(os.Stderr, "Traceback\nMemoryError: it is | too large")
		os.Exit(1)
	}
	fmt.Println(`{"fit_s": 2, "fit_cpu_s": 3, "peak_rss_mb": 140, "scores": {"roc_auc": 0.9}, "versions": {"scikit-learn": "1.2.1"},
		"answers": {"row_us": 2000, "row_core_us": 300, "table_rows_s": 10}}`)
}

func TestFlags(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"-tables fit", `there is no table "fit"`},
		{"-learners lasso", `there is no learner "lasso"`},
		{"-rounds 0", "begin at 1"},
		{"-one -data adult", "name it with -learner"},
		{"-one -learner random_forest", "name it with -data"},
		{"-data a,,b", "a name is empty"},
		{"adult", `"adult" is no flag`},
		{"-one -data adult -learner random_forest", `there is no such set: there are made_binary, `},
	} {
		err := command(t.Context(), strings.Fields(c.args), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.args, err, c.want)
		}
	}
}

func TestBothSidesAreMeasuredInTurn(t *testing.T) {
	t.Setenv(asChild, "yes")
	var out strings.Builder
	args := []string{"-data", "penguins", "-rounds", "2", "-reps", "1", "-python", self(t)}
	if err := command(t.Context(), append(args, "-tables", "fits", "-learners", "random_forest,logistic_regression"), &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if err := command(t.Context(), append(args, "-tables", "scoring", "-learners", learn.LogisticRegression), &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"scikit-learn 1.2.1; threads: 2; medians of 2 rounds",
		"\n| penguins | random_forest | RandomForest |", " | 140 | roc_auc | ", "| 0.9000 | +0.",
		"\n| random_forest | RandomForest | 1 | ", "\n| penguins | logistic_regression | LogisticRegression | a row, µs | ",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestAComparisonThatFailsIsALine(t *testing.T) {
	t.Setenv(asChild, "fail")
	var out strings.Builder
	args := []string{"-data", "penguins", "-tables", "fits", "-learners", "random_forest,logistic_regression", "-rounds", "1", "-reps", "1", "-python", self(t)}
	err := command(t.Context(), args, &out, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "1 of ") {
		t.Errorf("%v", err)
	}
	for _, want := range []string{"| penguins | random_forest | RandomForest | failed: ", "MemoryError: it is / too large |", "| penguins | logistic_regression |"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestWithoutPeersItSaysHowToGetThem(t *testing.T) {
	err := command(t.Context(), []string{"-data", "penguins", "-python", filepath.Join(t.TempDir(), "python3")}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "make bench-peers") {
		t.Errorf("%v", err)
	}
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestScaling(t *testing.T) {
	t.Setenv(asChild, "yes")
	p, err := newProcesses(options{rounds: 1, threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{processes: p, log: io.Discard}
	s := scaling{Learner: learn.LogisticRegression, Along: "columns", Sizes: []int{10, 20}}
	if err := errors.Join(b.grow(t.Context(), s, func(size int) (rows, columns int) { return 1000, size }), p.close()); err != nil {
		t.Fatal(err)
	}
	if s = b.scaled[0]; len(s.Seconds) != 2 || s.Seconds[0] <= 0 || len(s.PeakMB) != 2 {
		t.Errorf("%+v", s)
	}
	grown := scaling{Sizes: []int{10, 100}, Seconds: []float64{1, 50}}
	if got := grown.exponent(1); math.Abs(got-1.699) > 0.001 {
		t.Errorf("50 times the time for 10 times the size is a power of %v", got)
	}
}

func TestWhoIsFirstChangesEveryRound(t *testing.T) {
	order := ""
	say := func(who string) func(context.Context) (string, error) {
		return func(context.Context) (string, error) {
			order += who
			return who, nil
		}
	}
	a, b, err := alternately(t.Context(), 3, say("o"), say("t"))
	if err != nil || order != "ottoot" || !slices.Equal(a, []string{"o", "o", "o"}) || !slices.Equal(b, []string{"t", "t", "t"}) {
		t.Errorf("%s: %v %v %v", order, a, b, err)
	}
	if _, _, err := alternately(t.Context(), 3, say("o"), func(context.Context) (string, error) { return "", io.EOF }); !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
}

func TestTables(t *testing.T) {
	fit := func(data, learner, peer, measure string, goal float64, ours, theirs, ourScore, theirScore []float64) comparison {
		return comparison{
			Table: "fits", Data: data, Learner: learner, Peer: peer, What: "fit, s", Measure: measure, goal: goal,
			Ours: side{ours, []float64{20, 21, 22}, ourScore}, Theirs: side{theirs, []float64{140, 141, 150}, theirScore},
		}
	}
	b := &bench{
		processes: &processes{options: options{rounds: 3, threads: 2}},
		versions:  map[string]string{"XGBoost": "1.7.4", "Python": "3.11.2"}, others: 0.25,
		all: []comparison{
			fit("a", "gradient_boosting", "XGBoost", "roc_auc", 0.7, []float64{1, 2, 3}, []float64{4, 4, 5}, []float64{0.91, 0.91, 0.91}, []float64{0.9, 0.9, 0.9}),
			fit("b", "gradient_boosting", "XGBoost", "roc_auc", 0.7, []float64{0.01, 0.02, 0.03}, []float64{0.01, 0.01, 0.02}, []float64{0.8, 0.8, 0.8}, []float64{0.805, 0.805, 0.805}),
			fit("c", "linear_regression", "Ridge", "rmse", 0, []float64{0.0001, 0.0002, 0.0002}, []float64{4, 4, 5}, []float64{47000, 47000, 47000}, []float64{47600.5, 47600.5, 47600.5}),
			{Table: "fits", Data: "d", Learner: "mlp", Peer: "MLP", Failed: "python3: exit status 1: MemoryError"},
			{Table: "night", Data: "a", What: "process start to champion, s", Measure: "roc_auc", Ours: side{[]float64{0.4}, []float64{50}, []float64{0.9}}, Theirs: side{[]float64{4}, []float64{150}, []float64{0.89}}},
			{Table: "scoring", Data: "a", Learner: "gradient_boosting", Peer: "XGBoost", What: "a table, rows/s", Ours: side{Values: []float64{1e6}}, Theirs: side{Values: []float64{2e6}}},
		},
		scaled: []scaling{{Learner: "random_forest", Along: "rows", Sizes: []int{100, 1000}, Seconds: []float64{0.5, 6}, PeakMB: []float64{20, 30}}},
	}
	var out strings.Builder
	if err := b.write(&out); err != nil {
		t.Fatal(err)
	}
	_, tables, _ := strings.Cut(out.String(), "\n") // the first line has this machine's Go
	golden := filepath.Join("testdata", "tables.md")
	if *update {
		if err := os.WriteFile(golden, []byte(tables), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), tables); diff != "" {
		t.Error(diff)
	}
}

func TestEverySetIsReadAsItWasLaidOut(t *testing.T) {
	builtIn := sets{rows: 1000}
	names, err := builtIn.names()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		s := laidOut(t, builtIn, name)
		if m, ok := makes[name]; ok {
			rows := m.rows(1000)
			if got := s.holdout.Table.Rows; got != rows/10 || s.train.Table.Rows != rows-got {
				t.Errorf("%s: %d of %d rows are held out", name, got, rows)
			}
			if columns := len(s.schema.Columns); columns != m.numbers+min(1, m.levels) {
				t.Errorf("%s: %d columns", name, columns)
			}
		}
		if s.schema.Task != builtIn.builtIn()[name] {
			t.Errorf("%s: %s", name, s.schema.Task)
		}
	}
}

func laidOut(t *testing.T, from sets, name string) *set {
	t.Helper()
	folder := t.TempDir()
	if _, err := from.prepare(t.Context(), name, folder); err != nil {
		t.Fatal(err)
	}
	s, err := readPrepared(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAFolderOfOnesOwn(t *testing.T) {
	dir := t.TempDir()
	rows := "\ufeffid;size;place;kind\n"
	for i := range 40 {
		rows += fmt.Sprintf("%d; %d;%c;%s\n", i, i%7, 'a'+i%3, []string{"no", "yes"}[i%2])
	}
	files := map[string]string{
		"rows.txt":                     rows,
		"datasets.json":                `{"mine": {"file": "rows.txt", "sep": ";", "target": "kind", "task": "binary", "drop": ["id"], "categorical": ["size"], "na": ["", "c"]}}`,
		"splits/mine.seed0.test.txt":   "3\n4\n11\n",
		"other.csv":                    strings.ReplaceAll(strings.ReplaceAll(rows, ";", ","), "kind", "label"),
		"splits/broken.seed0.test.txt": "one\n",
	}
	if err := os.Mkdir(filepath.Join(dir, "splits"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mine := laidOut(t, sets{dir: dir}, "mine")
	if mine.holdout.Table.Rows != 3 || mine.train.Table.Rows != 37 {
		t.Errorf("%d and %d rows", mine.train.Table.Rows, mine.holdout.Table.Rows)
	}
	size, place := mine.holdout.Table.Column("size"), mine.holdout.Table.Column("place")
	if len(mine.schema.Columns) != 2 || size.Kind != bakeoff.KindCategory || !place.Missing(2) || place.Missing(0) {
		t.Errorf("%+v", mine.schema.Columns)
	}
	if other := laidOut(t, sets{dir: dir}, "other"); other.holdout.Table.Rows != 4 {
		t.Errorf("a set that is not listed has %d rows held out", other.holdout.Table.Rows)
	}
	if _, err := (sets{dir: dir}).prepare(t.Context(), "absent", t.TempDir()); err == nil || !strings.Contains(err.Error(), "it has mine") {
		t.Errorf("%v", err)
	}
	if _, err := listedSplit(filepath.Join(dir, "splits", "broken.seed0.test.txt"), 40); err == nil {
		t.Error("a split of words is taken")
	}
}

// There is something to learn in what is made, and more for trees than for a line.
func TestMadeRowsCanBeLearnt(t *testing.T) {
	s := makes["made_binary"].set(3000)
	score := func(learner string) float64 {
		o := options{learners: []string{learner}, reps: 1, threads: 1, params: "{}"}
		m, err := o.measure(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		return m.Scores["roc_auc"]
	}
	line, trees := score(learn.LogisticRegression), score(learn.GradientBoosting)
	if line < 0.6 || trees < line+0.02 {
		t.Errorf("logistic regression has %.3f, boosting %.3f", line, trees)
	}
}

func TestAMatrixHoldsTheSameRows(t *testing.T) {
	rows := makes["made_binary"].set(1000).holdout.Table
	matrix, ok := matrixOf(rows)
	if !ok {
		t.Fatal("numbers are no matrix")
	}
	if diff := cmp.Diff(rows, tableOf(matrix, rows)); diff != "" { // made of 32 bits
		t.Error(diff)
	}
	if _, ok := matrixOf(laidOut(t, sets{}, "penguins").holdout.Table); ok {
		t.Error("islands are numbers")
	}
	if many := repeated(rows, 250); many.Rows != 300 || many.Columns[0].Numbers[200] != rows.Columns[0].Numbers[0] {
		t.Errorf("%d rows", many.Rows)
	}
}

func TestPeerScriptIsPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 here")
	}
	execute(t, nil, python, "-c", "import ast, sys; ast.parse(open(sys.argv[1]).read())", "peer.py")
}

func TestScoresAreComparedByWhatBothHave(t *testing.T) {
	scored := func(names ...string) *measurement {
		m := &measurement{Scores: map[string]float64{}}
		for _, name := range names {
			m.Scores[name] = 0.5
		}
		return m
	}
	for _, c := range []struct {
		ours, theirs *measurement
		want         string
	}{
		{scored("accuracy", "roc_auc"), scored("accuracy", "roc_auc"), "roc_auc"},
		{scored("accuracy", "roc_auc"), scored("accuracy"), "accuracy"},
		{scored("rmse", "r2"), scored("rmse", "r2"), "rmse"},
		{scored("f1"), scored("accuracy"), ""},
	} {
		if got := commonMeasure(c.ours, c.theirs); got != c.want {
			t.Errorf("%v beside %v: %q, want %q", c.ours.Scores, c.theirs.Scores, got, c.want)
		}
	}
}
