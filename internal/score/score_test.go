package score_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/learn"
	"github.com/bakeoffhq/bakeoff/internal/proc"
	"github.com/bakeoffhq/bakeoff/internal/score"
)

var schema = bakeoff.Schema{
	Columns: []bakeoff.ColumnSchema{
		{Name: "size", Kind: bakeoff.KindInteger, Missing: true},
		{Name: "colour", Kind: bakeoff.KindCategory, Categories: []string{"blue", "red"}},
	},
	Target: "bought", Task: bakeoff.Binary, Classes: []string{"no", "yes"},
}

var regression = bakeoff.Schema{Columns: schema.Columns, Target: "price", Task: bakeoff.Regression}

// table has rows of the sizes 0, 1, 2 and so on; every tenth colour is one that training had not seen.
func table(rows int) *dataset.Table {
	t := &dataset.Table{Rows: rows, Columns: []dataset.Column{
		{Name: "size", Kind: bakeoff.KindInteger, Numbers: make([]float64, rows)},
		{Name: "colour", Kind: bakeoff.KindCategory, Codes: make([]int32, rows), Levels: []string{"green", "red"}},
	}}
	for i := range rows {
		t.Columns[0].Numbers[i] = float64(i)
		if t.Columns[1].Codes[i] = 1; i%10 == 0 {
			t.Columns[1].Codes[i] = 0
		}
	}
	return t
}

func command(t *testing.T, mode string, schema bakeoff.Schema) score.Spec {
	t.Helper()
	return score.Spec{
		Dir: t.TempDir(), PipelineDir: t.TempDir(), Schema: schema, BlockTime: 5 * time.Minute,
		Recipe: bakeoff.Candidate{Name: "sklearn", Trainer: bakeoff.TrainerCommand, Predict: []string{os.Args[0], "predict", mode}},
	}
}

func open(t *testing.T, s score.Spec) *score.Model {
	t.Helper()
	m, err := score.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func TestACommandScoresInBlocks(t *testing.T) {
	for _, mode := range []string{"well", "probabilities alone"} {
		m := open(t, command(t, mode, schema))
		rows := table(2_345)
		rows.Columns[0].Numbers[1] = math.NaN()
		for range 2 {
			p, err := m.Score(t.Context(), rows)
			if err != nil {
				t.Fatal(err)
			}
			if p.Len() != rows.Rows || !cmp.Equal(p.Classes, schema.Classes) {
				t.Fatalf("%d answers of classes %q", p.Len(), p.Classes)
			}
			for i := range rows.Rows {
				want := float64(i) / 10_000
				if i == 1 {
					want = 0 // the missing value arrived as null
				}
				if p.Probabilities[2*i+1] != want {
					t.Fatalf("row %d: %v, want %v", i, p.Probabilities[2*i+1], want)
				}
			}
		}
		if got := m.Unseen(rows); got != 235 {
			t.Errorf("%d unseen, want 235", got)
		}
		if diff := cmp.Diff(schema, m.Schema()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestACommandThatAnswersClassesAlone(t *testing.T) {
	rows := table(6_000)
	p, err := open(t, command(t, "predictions alone", schema)).Score(t.Context(), rows)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]float64{1, 0, 0, 1}, append(p.Probabilities[2*5_000:2*5_000+2], p.Probabilities[2*5_001:2*5_001+2]...)); diff != "" {
		t.Error(diff)
	}
}

func TestACommandThatAnswersNumbers(t *testing.T) {
	p, err := open(t, command(t, "numbers", regression)).Score(t.Context(), table(4))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&bakeoff.Predictions{Values: []float64{0, 1, 2, 3}}, p); diff != "" {
		t.Error(diff)
	}
}

func TestACommandGetsItsFilesAndNothingOfOurs(t *testing.T) {
	t.Setenv("SLACK_WEBHOOK_URL", "a secret")
	s := command(t, "", schema)
	s.Threads = 3
	s.Recipe.Predict = []string{
		"/bin/sh", "-c",
		`env > "$BAKEOFF_MODEL/env"; cat "$BAKEOFF_PARAMS" > "$BAKEOFF_MODEL/params"; pwd > "$BAKEOFF_MODEL/pwd"; cp "$BAKEOFF_SCHEMA" "$BAKEOFF_MODEL/schema"; exit 1`,
	}
	if _, err := open(t, s).Score(t.Context(), table(1)); err == nil {
		t.Fatal("a command that exits answered")
	}
	files := map[string]string{}
	for _, name := range []string{"env", "params", "pwd", "schema"} {
		text, err := os.ReadFile(filepath.Join(s.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = strings.TrimSpace(string(text))
	}
	if files["params"] != "{}" || files["pwd"] != s.PipelineDir || !strings.Contains(files["schema"], `"bought"`) {
		t.Errorf("%+v", files)
	}
	names := map[string]bool{}
	for line := range strings.Lines(files["env"]) {
		name, _, _ := strings.Cut(line, "=")
		names[name] = true
	}
	for _, own := range []string{"PWD", "OLDPWD", "SHLVL", "_"} { // the shell's
		delete(names, own)
	}
	want := map[string]bool{
		"BAKEOFF_MODEL": true, "BAKEOFF_SCHEMA": true, "BAKEOFF_PARAMS": true, "BAKEOFF_THREADS": true,
		"PATH": true, "HOME": true, "TMPDIR": true, "LANG": true, "BAKEOFF_ATTEMPT": true,
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(files["env"], "BAKEOFF_THREADS=3\n") {
		t.Errorf("environment:\n%s", files["env"])
	}
}

func TestWhatACommandDoesWrongIsTold(t *testing.T) {
	for _, c := range []struct {
		mode   string
		schema bakeoff.Schema
		want   string
	}{
		{"exit at once", schema, "rows 1 to 5: it closed its output: exit code 3: ImportError: no module named sklearn"},
		{"exit", schema, "rows 1 to 5: it closed its output: exit code 5: KeyError: 'size'"},
		{"half a line", schema, "rows 1 to 5: it ended in the middle of a line: exit code 0"},
		{"half a line, then nothing", schema, "rows 1 to 5: no answer within 2s"},
		{"silence", schema, "rows 1 to 5: no answer within 2s: still thinking"},
		{"closes stdout", schema, "rows 1 to 5: it closed its output"},
		{"an endless line", schema, "rows 1 to 5: the answer is longer than 64 MiB"},
		{"a banner", schema, `rows 1 to 5: the answer cannot be read: invalid character 'l' looking for beginning of value: "loading the model ..."`},
		{"two answers in a line", schema, "rows 1 to 5: the answer goes on after its end"},
		{"no id", schema, `rows 1 to 5: the answer has no "id", want 1`},
		{"wrong id", schema, "rows 1 to 5: the answer has id 2, want 1"},
		{"a row short", schema, "rows 1 to 5: 4 predictions for 5 rows"},
		{"a row of probabilities short", schema, "rows 1 to 5: 4 rows of probabilities for 5 rows"},
		{"nothing answered", schema, `rows 1 to 5: the answer has neither "predictions" nor "probabilities"`},
		{"unknown field", schema, `rows 1 to 5: the answer cannot be read: json: unknown field "probabilites"`},
		{"unknown class", schema, `row 3: the prediction "maybe" is not a class, want one of ["no" "yes"]`},
		{"null class", schema, "row 3: the prediction is null or not finite, want a class"},
		{"NaN", schema, `row 3: the probability of "no" is null or not finite, want 0 to 1`},
		{"probability null", schema, `row 3: the probability of "yes" is null or not finite, want 0 to 1`},
		{"probability above one", schema, `row 3: the probability of "yes" is 1.5, want 0 to 1`},
		{"probability missing", schema, `row 3: 1 probabilities, want 2, in the order of ["no" "yes"]`},
		{"sum", schema, "row 3: the probabilities add up to 1.99"},
		{"well", regression, `row 1: a regression answers with "predictions" alone`},
		{"predictions alone", regression, `row 1: the prediction is "no", want a finite number`},
		{"number as text", regression, `row 1: the prediction is "1.5", want a finite number`},
		{"numbers", schema, `row 1: the prediction "0" is not a class`},
	} {
		t.Run(c.mode+", "+string(c.schema.Task), func(t *testing.T) {
			t.Parallel()
			s := command(t, c.mode, c.schema)
			if strings.Contains(c.want, "no answer") {
				s.BlockTime = 2 * time.Second
			}
			m := open(t, s)
			_, err := m.Score(t.Context(), table(5))
			if bakeoff.CodeOf(err) != bakeoff.CodeInvalid || !strings.HasPrefix(err.Error(), "predict command, "+c.want) {
				t.Fatalf("code %q, error %v; want %q", bakeoff.CodeOf(err), err, c.want)
			}
			if strings.Contains(err.Error(), "\n") || len(err.Error()) > 600 {
				t.Errorf("not a short line: %q", err)
			}
			if _, err := m.Score(t.Context(), table(1)); err == nil {
				t.Error("it answers again")
			}
		})
	}
}

func TestTheRowIsNumberedFromTheWholeTable(t *testing.T) {
	m := open(t, command(t, "predictions alone", schema))
	rows := table(11_000) // a size above 10,000 is no valid probability, but that is not asked for here
	if _, err := m.Score(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	_, err := open(t, command(t, "probabilities alone", schema)).Score(t.Context(), rows)
	if err == nil || !strings.Contains(err.Error(), "row 10002: ") {
		t.Errorf("error %v, want row 10002", err)
	}
}

func TestCancellingEndsTheWaiting(t *testing.T) {
	m := open(t, command(t, "silence", schema))
	ctx, cancel := context.WithCancelCause(t.Context())
	late := errors.New("too late")
	time.AfterFunc(50*time.Millisecond, func() { cancel(late) })
	if _, err := m.Score(ctx, table(5)); !errors.Is(err, late) {
		t.Errorf("error %v, want the cause", err)
	}
}

// A live command that never answers is not waited for by whoever opens it: a node that is to end would be
// held up.
func TestCancellingEndsTheWaitingForAFirstAnswer(t *testing.T) {
	s := command(t, "silence", schema)
	s.Restart, s.BlockTime = true, time.Hour
	m := open(t, s)
	ctx, cancel := context.WithCancelCause(t.Context())
	late := errors.New("too late")
	time.AfterFunc(50*time.Millisecond, func() { cancel(late) })
	if _, err := m.Score(ctx, table(5)); !errors.Is(err, late) {
		t.Errorf("error %v, want the cause", err)
	}
}

func TestALiveCommandIsStartedAgain(t *testing.T) {
	s := command(t, "exit once", schema)
	s.Restart = true
	m := open(t, s)
	if _, err := m.Score(t.Context(), table(5)); bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
		t.Fatalf("error %v from a process that ends", err)
	}
	for range 2 {
		p, err := m.Score(t.Context(), table(5))
		if err != nil || p.Len() != 5 {
			t.Fatalf("after the restart: %v, %v", p, err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Score(t.Context(), table(1)); err == nil {
		t.Error("a closed model was started again")
	}
}

func TestALiveCommandOutlivesWhoeverStopsWaiting(t *testing.T) {
	s := command(t, "well", schema)
	s.Restart = true
	m := open(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Score(ctx, table(5)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := m.Score(t.Context(), table(5)); err != nil {
		t.Error(err)
	}
}

func TestManyMayAskAtOnce(t *testing.T) {
	m := open(t, command(t, "well", schema))
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			p, err := m.Score(t.Context(), table(1_500+n))
			if err != nil || p.Len() != 1_500+n {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestAClosedModelAnswersNoMore(t *testing.T) {
	spec := command(t, "well", schema)
	beside := filepath.Dir(spec.Dir)
	before := scratchFolders(t, beside)
	m := open(t, spec)
	if scratchFolders(t, beside) != before+1 {
		t.Error("there is no scratch folder, so that this test shows nothing")
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Score(t.Context(), table(1)); err == nil {
		t.Error("it answers")
	}
	if got := scratchFolders(t, beside); got != before {
		t.Errorf("%d folders left", got-before)
	}
}

// scratchFolders counts the folders of predict processes in a folder.
func scratchFolders(t *testing.T, dir string) int {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "predict-*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

func TestOpenTellsWhatCannotBeOpened(t *testing.T) {
	missing := command(t, "", schema)
	missing.Recipe.Predict = []string{"no-such-command"}
	learner := score.Spec{Dir: t.TempDir(), Recipe: bakeoff.Candidate{Name: "forest", Trainer: learn.RandomForest}}
	rubbish := learner
	rubbish.Dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(rubbish.Dir, learn.FileName), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		spec score.Spec
		want string
	}{
		{"no such command", missing, `start the predict command of sklearn: there is no command "no-such-command" in PATH`},
		{"no model", learner, "open the model of forest: the artifact has no model"},
		{"not a model", rubbish, "open the model of forest: "},
	} {
		_, err := score.Open(t.Context(), c.spec)
		if bakeoff.CodeOf(err) != bakeoff.CodeInvalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: code %q, error %v", c.name, bakeoff.CodeOf(err), err)
		}
	}
}

func TestColumnsAreFoundByNameAndChecked(t *testing.T) {
	for name, m := range map[string]*score.Model{"command": open(t, command(t, "well", schema)), "learner": open(t, trained(t, schema))} {
		good := table(3)
		turned := &dataset.Table{Rows: 3, Columns: []dataset.Column{
			good.Columns[1], {Name: "other", Kind: bakeoff.KindNumber, Numbers: make([]float64, 3)}, good.Columns[0],
		}}
		want, err := m.Score(t.Context(), good)
		if err != nil {
			t.Fatal(name, err)
		}
		got, err := m.Score(t.Context(), turned)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Error(name, err, diff)
		}
		if m.Unseen(turned) != 1 {
			t.Errorf("%s: %d unseen, want 1", name, m.Unseen(turned))
		}
		lacking := &dataset.Table{Rows: 3, Columns: turned.Columns[:2]}
		if _, err := m.Score(t.Context(), lacking); bakeoff.CodeOf(err) != bakeoff.CodeInvalid || !strings.Contains(err.Error(), `"size"`) {
			t.Errorf("%s: a lacking column: %v", name, err)
		}
		odd := table(3)
		odd.Columns[0].Kind = bakeoff.KindDate
		if _, err := m.Score(t.Context(), odd); bakeoff.CodeOf(err) != bakeoff.CodeInvalid || !strings.Contains(err.Error(), `"size"`) {
			t.Errorf("%s: another kind: %v", name, err)
		}
	}
}

// trained leaves a built-in learner's artifact.
func trained(t *testing.T, schema bakeoff.Schema) score.Spec {
	t.Helper()
	rows := table(200)
	rows.Columns[1].Levels = []string{"blue", "red"}
	labels := bakeoff.Labels{Classes: schema.Classes}
	for i := range rows.Rows {
		if schema.Task == bakeoff.Regression {
			labels.Values = append(labels.Values, float64(i%7))
		} else {
			labels.Codes = append(labels.Codes, int32(i/40%2))
		}
	}
	m, err := learn.Train(t.Context(), learn.Request{Learner: learn.RandomForest, Table: rows, Schema: schema, Labels: labels, Seed: 1, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, learn.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := m.Encode(f); err != nil {
		t.Fatal(err)
	}
	return score.Spec{Dir: dir, Recipe: bakeoff.Candidate{Name: "forest", Trainer: learn.RandomForest}, Threads: 2}
}

// golden stores the model's answers for some rows.
func golden(t *testing.T, m *score.Model) *bakeoff.Golden {
	t.Helper()
	rows := table(20)
	p, err := m.Score(t.Context(), rows)
	if err != nil {
		t.Fatal(err)
	}
	g := &bakeoff.Golden{Rows: rows.ToRows(0, 20), Classes: p.Classes, Values: p.Values}
	k := len(p.Classes)
	for i := range 20 {
		if k > 0 {
			g.Probabilities = append(g.Probabilities, p.Probabilities[i*k:(i+1)*k])
		}
	}
	return g
}

func TestGoldenAnswersAreGivenAgain(t *testing.T) {
	for name, spec := range map[string]score.Spec{
		"command": command(t, "small noise", schema), "command, regression": command(t, "numbers", regression),
		"learner": trained(t, schema), "learner, regression": trained(t, regression),
	} {
		g := golden(t, open(t, spec))
		if err := open(t, spec).Check(t.Context(), g); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnotherGoldenAnswerIsFound(t *testing.T) {
	right := golden(t, open(t, command(t, "well", schema)))
	err := open(t, command(t, "large noise", schema)).Check(t.Context(), right)
	want := `golden answer 3 differs: the probability of "no" was 0.9998 and is 0.25`
	if bakeoff.CodeOf(err) != bakeoff.CodeInvalid || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	for _, schema := range []bakeoff.Schema{schema, regression} {
		m := open(t, trained(t, schema))
		g := golden(t, m)
		if schema.Task == bakeoff.Regression {
			g.Values[7] = math.Nextafter(g.Values[7], 1e9)
		} else {
			g.Probabilities[7][1] = math.Nextafter(g.Probabilities[7][1], 2)
		}
		if err := m.Check(t.Context(), g); bakeoff.CodeOf(err) != bakeoff.CodeInvalid || !strings.Contains(err.Error(), "golden answer 8 differs") {
			t.Errorf("one bit more, %s: error %v", schema.Task, err)
		}
	}
}

func TestGoldenAnswersThatDoNotFitAreRefused(t *testing.T) {
	m := open(t, trained(t, schema))
	for i, spoil := range []func(g *bakeoff.Golden){
		func(g *bakeoff.Golden) { g.Probabilities = g.Probabilities[1:] },
		func(g *bakeoff.Golden) { g.Probabilities[3] = g.Probabilities[3][:1] },
		func(g *bakeoff.Golden) { g.Classes = []string{"no", "perhaps"} },
		func(g *bakeoff.Golden) { g.Classes = nil },
		func(g *bakeoff.Golden) { g.Rows[0] = map[string]any{"weight": 1.0} },
		func(g *bakeoff.Golden) { g.Rows[0] = map[string]any{"size": "large", "colour": "red"} },
	} {
		g := golden(t, m)
		spoil(g)
		if err := m.Check(t.Context(), g); bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
			t.Errorf("spoilt in way %d: %v", i, err)
		}
	}
}

func TestAnEndedContextOpensNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := score.Open(ctx, command(t, "well", schema)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func ExampleOpen() {
	_, err := score.Open(context.Background(), score.Spec{
		Recipe: bakeoff.Candidate{Name: "sklearn", Trainer: bakeoff.TrainerCommand, Predict: []string{"./predict.sh"}}, PipelineDir: "/no/such",
	})
	fmt.Println(err)
	fmt.Println(bakeoff.HintOf(err))
	// Output:
	// start the predict command of sklearn: the working directory "/no/such" does not exist
	// create it, or correct its name
}

func TestMemoryOfAPredictProcess(t *testing.T) {
	if !proc.CanLimitMemory {
		t.Skip("this system does not tell")
	}
	m := open(t, command(t, "well", schema))
	if _, err := m.Score(t.Context(), table(1)); err != nil {
		t.Fatal(err)
	}
	if n := m.Memory(); n < 1<<20 || n > 1<<30 {
		t.Errorf("%d bytes", n)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if n := m.Memory(); n != 0 {
		t.Errorf("%d bytes when it is closed", n)
	}
}
