package judge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/judge"
)

// runtime opens artifacts that are functions of the column x, and remembers what was asked of it.
type runtime struct {
	// models gives the probability of yes, or the prediction, by artifact.
	models map[bakeoff.Digest]func(x float64) float64
	// spoil, if set, may replace a block of answers.
	spoil  func(artifact bakeoff.Digest, p *bakeoff.Predictions) (*bakeoff.Predictions, error)
	opened []bakeoff.Digest
	closed int
	rows   map[bakeoff.Digest][]float64 // the x that each artifact answered
	blocks []int
}

func (r *runtime) open(_ context.Context, artifact bakeoff.Digest, _ bakeoff.Candidate, schema bakeoff.Schema) (judge.Scorer, error) {
	model, ok := r.models[artifact]
	if !ok {
		return nil, fmt.Errorf("open %s: it is not there", artifact)
	}
	r.opened = append(r.opened, artifact)
	return &scorer{r, artifact, schema, model}, nil
}

type scorer struct {
	runtime  *runtime
	artifact bakeoff.Digest
	schema   bakeoff.Schema
	model    func(float64) float64
}

func (s *scorer) Score(_ context.Context, t *dataset.Table) (*bakeoff.Predictions, error) {
	p := &bakeoff.Predictions{Classes: s.schema.Classes}
	for _, x := range t.Column("x").Numbers {
		if v := s.model(x); len(p.Classes) > 0 {
			p.Probabilities = append(p.Probabilities, 1-v, v)
		} else {
			p.Values = append(p.Values, v)
		}
	}
	r := s.runtime
	if r.rows == nil {
		r.rows = map[bakeoff.Digest][]float64{}
	}
	r.rows[s.artifact] = append(r.rows[s.artifact], t.Column("x").Numbers...)
	r.blocks = append(r.blocks, t.Rows)
	if r.spoil != nil {
		return r.spoil(s.artifact, p)
	}
	return p, nil
}

func (s *scorer) Unseen(t *dataset.Table) int { return t.Rows % 7 }

func (s *scorer) Memory() int64 { return 1 << 20 }

func (s *scorer) Close() error { s.runtime.closed++; return nil }

// The models of the tests: of a row with x, yes has the probability x.
func good(x float64) float64 { return x }
func fair(x float64) float64 { return 0.5 + (x-0.5)*0.2 }
func poor(float64) float64   { return 0.1 }

var schema = bakeoff.Schema{
	Columns: []bakeoff.ColumnSchema{{Name: "x", Kind: bakeoff.KindNumber}, {Name: "plan", Kind: bakeoff.KindCategory}},
	Target:  "churn", Task: bakeoff.Binary, Classes: noYes,
}

// holdout returns rows whose identity is their number.
func holdout(n int) *dataset.Rows {
	random := rand.New(rand.NewPCG(1, 2))
	r := &dataset.Rows{
		Table: &dataset.Table{Rows: n, Columns: []dataset.Column{
			{Name: "x", Kind: bakeoff.KindNumber},
			{Name: "plan", Kind: bakeoff.KindCategory, Levels: []string{"basic", "pro"}},
		}},
		Labels: bakeoff.Labels{Classes: noYes},
	}
	x, plan := &r.Table.Columns[0], &r.Table.Columns[1]
	for i := range n {
		v := random.Float64()
		code := int32(0)
		if random.Float64() < v {
			code = 1
		}
		x.Numbers, plan.Codes = append(x.Numbers, v), append(plan.Codes, int32(i%3)-1)
		r.Labels.Codes = append(r.Labels.Codes, code)
		r.Identity = append(r.Identity, uint64(i))
	}
	return r
}

func digest(name string) bakeoff.Digest { return bakeoff.DigestOf([]byte(name)) }

func entry(name string) judge.Entry {
	return judge.Entry{
		Trial:  bakeoff.Trial{Candidate: name, State: bakeoff.TrialBuilt, Artifact: digest(name), Bytes: 9, Seconds: 0.5},
		Recipe: bakeoff.Candidate{Name: name, Trainer: "gradient_boosting"},
	}
}

func snapshot(n int) bakeoff.Snapshot {
	return bakeoff.Snapshot{
		Schema:   schema,
		Rows:     bakeoff.Rows{Train: 4 * n, Holdout: n, SetAside: 3, MissingTarget: 3},
		Identity: bakeoff.Identity{Columns: []string{"plan", "x"}, Generation: 1},
	}
}

func liveVersion(n int) *bakeoff.Version {
	return &bakeoff.Version{
		Model: "churn", Version: 16, Candidate: "forest", Artifact: digest("champion"), Bytes: 77,
		Lineage: bakeoff.Lineage{Snapshot: snapshot(n), Seconds: 2.5},
	}
}

// inputs are n rows of holdout, a good challenger and a poor one, and no champion.
func inputs(n int, r *runtime) judge.Inputs {
	if r.models == nil {
		r.models = map[bakeoff.Digest]func(float64) float64{
			digest("boosting"): good, digest("linear"): poor, digest("champion"): fair,
		}
	}
	return judge.Inputs{
		Pipeline: &bakeoff.Pipeline{Name: "churn", AtLeast: 1, Judge: bakeoff.Judge{Metric: "log_loss"}},
		Snapshot: snapshot(n),
		Train:    bakeoff.Labels{Classes: noYes, Codes: []int32{0, 0, 0, 1}},
		Holdout:  holdout(n),
		Entries:  []judge.Entry{entry("linear"), entry("boosting")},
		Open:     r.open,
	}
}

func evaluate(t *testing.T, in judge.Inputs) bakeoff.Decision {
	t.Helper()
	d, err := judge.Evaluate(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestEvaluatePromotesWithGoldenAnswers(t *testing.T) {
	r := &runtime{}
	in := inputs(50, r)
	d := evaluate(t, in)
	if d.Verdict != bakeoff.Promoted || d.Candidate != "boosting" || order(d) != "boosting baseline linear" {
		t.Errorf("%s, %s", d.Reason, order(d))
	}
	if d.Golden == nil || len(d.Golden.Rows) != 20 || len(d.Golden.Probabilities) != 20 {
		t.Fatalf("golden answers: %+v", d.Golden)
	}
	if diff := cmp.Diff(in.Holdout.Table.ToRows(0, 20), d.Golden.Rows); diff != "" {
		t.Errorf("golden rows (-want +got):\n%s", diff)
	}
	for i, p := range d.Golden.Probabilities {
		if x := d.Golden.Rows[i]["x"].(float64); p[1] != good(x) || p[0] != 1-p[1] {
			t.Errorf("golden answer %d to %v is %v", i, x, p)
		}
	}
	// The training rows have the classes at 3 to 1.
	want := 0.0
	for _, code := range in.Holdout.Labels.Codes {
		want -= math.Log(0.75-0.5*float64(code)) / 50
	}
	if got := d.Leaderboard[1].Metrics["log_loss"]; math.Abs(got-want) > 1e-12 {
		t.Errorf("the baseline has log_loss %v, want %v", got, want)
	}
	if row := d.Leaderboard[0]; row.Unseen != 50%7 || row.Bytes != 9 || row.Seconds != 0.5 || row.Artifact != digest("boosting") {
		t.Errorf("%+v", row)
	}
	if r.closed != len(r.opened) || len(r.opened) != 2 {
		t.Errorf("%d opened, %d closed", len(r.opened), r.closed)
	}
}

func TestEvaluateKeepsNoGoldenAnswersOfTheUnpromoted(t *testing.T) {
	in := inputs(50, &runtime{})
	in.Pipeline.Gate.Floors = map[string]float64{"log_loss": 0.01}
	if d := evaluate(t, in); d.Verdict != bakeoff.Kept || d.Golden != nil {
		t.Errorf("%s, %+v", d.Reason, d.Golden)
	}
}

func TestEvaluateSetsAsideWhatTheChampionHasSeen(t *testing.T) {
	r := &runtime{}
	in := inputs(100, r)
	in.Champion = liveVersion(100)
	in.ChampionSeen = []uint64{99, 7, 3, 1 << 60, 3, 12345}
	in.Holdout.Identity[8] = 7 // a second row of the same identity
	d := evaluate(t, in)
	want := bakeoff.Rows{Train: 400, Holdout: 96, SetAside: 7, MissingTarget: 3, SeenByChampion: 4}
	if diff := cmp.Diff(want, d.Rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	clean := slices.Clone(in.Holdout.Table.Columns[0].Numbers)
	for _, row := range []int{99, 8, 7, 3} {
		clean = slices.Delete(clean, row, row+1)
	}
	for _, name := range []string{"boosting", "linear", "champion"} {
		if diff := cmp.Diff(clean, r.rows[digest(name)][:len(clean)]); diff != "" {
			t.Errorf("%s answered other rows (-want +got):\n%s", name, diff)
		}
	}
	if d.Verdict != bakeoff.Promoted || order(d) != "boosting forest* baseline linear" || d.Champion != 16 {
		t.Errorf("%s, %s", d.Reason, order(d))
	}
	if row := d.Leaderboard[1]; row.Version != 16 || row.Bytes != 77 || row.Seconds != 2.5 {
		t.Errorf("the champion's row: %+v", row)
	}
}

func TestEvaluateNeverComparesWhatCannotBe(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(in *judge.Inputs)
		want string
	}{
		"most rows seen": {
			func(in *judge.Inputs) {
				for id := range uint64(51) {
					in.ChampionSeen = append(in.ChampionSeen, id)
				}
			},
			"it was trained on 51 of the 100 holdout rows, more than half",
		},
		"another key": {
			func(in *judge.Inputs) { in.Snapshot.Identity = bakeoff.Identity{Key: "id", Generation: 2} },
			"its training rows are identified by 2 columns (generation 1), those of this run by the key id (generation 2), so nobody can tell which rows it has seen",
		},
		"another generation": {
			func(in *judge.Inputs) { in.Champion.Lineage.Snapshot.Identity.Generation = 3 },
			"its training rows are identified by 2 columns (generation 3), those of this run by 2 columns (generation 1), so nobody can tell which rows it has seen",
		},
		"another target": {
			func(in *judge.Inputs) { in.Champion.Lineage.Snapshot.Schema.Target = "left" },
			"it predicts left, the target is now churn",
		},
		"another task": {
			func(in *judge.Inputs) { in.Champion.Lineage.Snapshot.Schema.Task = bakeoff.Multiclass },
			"its target was multiclass and is now binary",
		},
		"other classes": {
			func(in *judge.Inputs) { in.Champion.Lineage.Snapshot.Schema.Classes = []string{"no", "perhaps"} },
			"it knows other classes: yes came, perhaps went",
		},
		"many classes": {
			func(in *judge.Inputs) {
				in.Champion.Lineage.Snapshot.Schema.Classes = strings.Split("a b c d e f g no yes", " ")
			},
			"it knows other classes: a, b, c, d, e and 2 more went",
		},
		"a column gone": {
			func(in *judge.Inputs) { in.Snapshot.Schema.Columns = schema.Columns[:1] },
			"it needs the column plan, which is gone",
		},
		"a column of another kind": {
			func(in *judge.Inputs) { in.Champion.Lineage.Snapshot.Schema.Columns = kinds(bakeoff.KindCategory) },
			"its column x held values of the kind category, and now number",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := &runtime{}
			in := inputs(100, r)
			in.Champion = liveVersion(100)
			c.set(&in)
			d := evaluate(t, in)
			want := "v16 stays because it cannot be compared with the challengers: " + c.want + "; `bakeoff promote --force` decides by hand"
			if d.Verdict != bakeoff.Kept || d.Reason != want {
				t.Errorf("%s: %s\nwant: %s", d.Verdict, d.Reason, want)
			}
			if d.Rows != in.Snapshot.Rows || order(d) != "boosting baseline linear | forest*" {
				t.Errorf("%+v, %s", d.Rows, order(d))
			}
			if slices.Contains(r.opened, digest("champion")) {
				t.Error("the champion was opened")
			}
		})
	}
}

// kinds returns the columns of the schema, x being of a kind.
func kinds(x bakeoff.Kind) []bakeoff.ColumnSchema {
	columns := slices.Clone(schema.Columns)
	columns[0].Kind = x
	return columns
}

func TestEvaluateComparesAcrossHarmlessChanges(t *testing.T) {
	for name, set := range map[string]func(in *judge.Inputs){
		"whole numbers before": func(in *judge.Inputs) { in.Champion.Lineage.Snapshot.Schema.Columns = kinds(bakeoff.KindInteger) },
		"a new column":         func(in *judge.Inputs) { in.Champion.Lineage.Snapshot.Schema.Columns = schema.Columns[:1] },
		"half of the rows seen": func(in *judge.Inputs) {
			for id := range uint64(50) {
				in.ChampionSeen = append(in.ChampionSeen, id)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := inputs(100, &runtime{})
			in.Champion = liveVersion(100)
			set(&in)
			if d := evaluate(t, in); d.Verdict != bakeoff.Promoted {
				t.Errorf("%s: %s", d.Verdict, d.Reason)
			}
		})
	}
}

func TestEvaluateKeepsAChampionThatCannotBeOpened(t *testing.T) {
	r := &runtime{}
	in := inputs(50, r)
	delete(r.models, digest("champion"))
	in.Champion = liveVersion(50)
	d := evaluate(t, in)
	if d.Verdict != bakeoff.Kept || !strings.Contains(d.Reason, "no predictions: open "+string(digest("champion"))+": it is not there") {
		t.Errorf("%s: %s", d.Verdict, d.Reason)
	}
	if order(d) != "boosting baseline linear | forest*" {
		t.Error(order(d))
	}
}

// A disk of ours that is full is no contestant's failure: another one would win by it.
func TestEvaluateOnAFullDiskDecidesNothing(t *testing.T) {
	r := &runtime{}
	in := inputs(50, r)
	open := in.Open
	in.Open = func(ctx context.Context, artifact bakeoff.Digest, recipe bakeoff.Candidate, schema bakeoff.Schema) (judge.Scorer, error) {
		if artifact == digest("boosting") {
			return nil, fmt.Errorf("unpack: %w", &fs.PathError{Op: "write", Path: "model", Err: syscall.ENOSPC})
		}
		return open(ctx, artifact, recipe, schema)
	}
	d, err := judge.Evaluate(t.Context(), in)
	if !errors.Is(err, syscall.ENOSPC) || d.Verdict != "" {
		t.Errorf("verdict %q, error %v", d.Verdict, err)
	}
}

func TestEvaluateOpensOnlyWhatWasBuilt(t *testing.T) {
	r := &runtime{}
	in := inputs(50, r)
	in.Entries[0].Trial.State, in.Entries[0].Trial.Reason = bakeoff.TrialFailed, "time limit: 1ms"
	in.Entries = append(in.Entries, entry("forest")) // has no artifact
	in.Pipeline.AtLeast = 2
	d := evaluate(t, in)
	wanted{
		bakeoff.Failed, "",
		"1 candidate was built of the 2 that at_least asks for; linear failed: time limit: 1ms",
		"boosting baseline | linear forest",
	}.check(t, d)
	if !slices.Equal(r.opened, []bakeoff.Digest{digest("boosting")}) {
		t.Errorf("opened %v", r.opened)
	}
}

// A scorer that spoils its second block: the holdout is larger than one.
func TestEvaluateNamesTheBlockThatWentWrong(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(p *bakeoff.Predictions) (*bakeoff.Predictions, error)
		want  string
	}{
		"too few": {
			func(p *bakeoff.Predictions) (*bakeoff.Predictions, error) {
				p.Probabilities = p.Probabilities[2:]
				return p, nil
			},
			"no predictions: holdout rows 8193 to 9000: it gave 1614 numbers and not 1616",
		},
		"nothing": {
			func(*bakeoff.Predictions) (*bakeoff.Predictions, error) { return nil, nil },
			"no predictions: holdout rows 8193 to 9000: it gave no answer",
		},
		"other classes": {
			func(p *bakeoff.Predictions) (*bakeoff.Predictions, error) {
				p.Classes = []string{"a", "b"}
				return p, nil
			},
			`no predictions: holdout rows 8193 to 9000: it answers with the classes ["a" "b"], and ["no" "yes"] before`,
		},
		"an error": {
			func(*bakeoff.Predictions) (*bakeoff.Predictions, error) {
				return nil, errors.New("predict: exit code 3")
			},
			"no predictions: predict: exit code 3",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := &runtime{}
			in := inputs(9000, r)
			in.Pipeline.Judge.Metric = "accuracy" // whose interval needs no resampling
			r.spoil = func(artifact bakeoff.Digest, p *bakeoff.Predictions) (*bakeoff.Predictions, error) {
				if artifact == digest("linear") && p.Len() == 9000-8192 {
					return c.spoil(p)
				}
				return p, nil
			}
			d := evaluate(t, in)
			last := d.Leaderboard[len(d.Leaderboard)-1]
			if last.Candidate != "linear" || last.Reason != c.want || d.Candidate != "boosting" {
				t.Errorf("%s: %s, promoted %q", last.Candidate, last.Reason, d.Candidate)
			}
			if slices.Max(r.blocks) > 8192 || r.closed != 2 {
				t.Errorf("blocks %v, %d closed", r.blocks, r.closed)
			}
		})
	}
}

func TestEvaluateEndsWithItsContext(t *testing.T) {
	stop := errors.New("the run was cancelled")
	ctx, cancel := context.WithCancelCause(t.Context())
	r := &runtime{}
	r.spoil = func(_ bakeoff.Digest, p *bakeoff.Predictions) (*bakeoff.Predictions, error) {
		cancel(stop)
		return p, nil
	}
	_, err := judge.Evaluate(ctx, inputs(9000, r))
	if !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
	if len(r.blocks) != 1 || r.closed != 1 {
		t.Errorf("%d blocks were scored, %d scorers closed", len(r.blocks), r.closed)
	}
}

func TestEvaluateARegression(t *testing.T) {
	r := &runtime{models: map[bakeoff.Digest]func(float64) float64{
		digest("boosting"): func(x float64) float64 { return 2 * x }, digest("linear"): func(float64) float64 { return 1 },
	}}
	in := inputs(40, r)
	in.Pipeline.Judge = bakeoff.Judge{Also: []string{"mae", "r2"}}
	in.Snapshot.Schema.Task, in.Snapshot.Schema.Classes = bakeoff.Regression, nil
	in.Train = bakeoff.Labels{Values: []float64{0, 4}}
	in.Holdout.Labels = bakeoff.Labels{}
	for _, x := range in.Holdout.Table.Columns[0].Numbers {
		in.Holdout.Labels.Values = append(in.Holdout.Labels.Values, 2*x)
	}
	d := evaluate(t, in)
	if d.Candidate != "boosting" || d.Metric != "rmse" || order(d) != "boosting linear baseline" {
		t.Errorf("%s, %s", d.Reason, order(d))
	}
	if row := d.Leaderboard[0]; row.Metrics["rmse"] != 0 || row.Metrics["r2"] != 1 || row.Metrics["mae"] != 0 {
		t.Errorf("%v", row.Metrics)
	}
	if len(d.Golden.Values) != 20 || d.Golden.Probabilities != nil || d.Golden.Classes != nil {
		t.Errorf("%+v", d.Golden)
	}
}

func TestEvaluateAnEmptyHoldout(t *testing.T) {
	d := evaluate(t, inputs(0, &runtime{}))
	if d.Verdict != bakeoff.Failed || !strings.Contains(d.Reason, "nothing can be judged: the holdout has no rows") {
		t.Errorf("%s: %s", d.Verdict, d.Reason)
	}
}

func TestEvaluateWithoutTrainingLabels(t *testing.T) {
	in := inputs(10, &runtime{})
	in.Train = bakeoff.Labels{Classes: noYes}
	if _, err := judge.Evaluate(t.Context(), in); bakeoff.CodeOf(err) != bakeoff.CodeInternal {
		t.Errorf("error %v", err)
	}
}

// untimed returns a decision without what the clock measured.
func untimed(d bakeoff.Decision) bakeoff.Decision {
	for i := range d.Leaderboard {
		if s := d.Leaderboard[i].Speed; s != nil {
			d.Leaderboard[i].Speed = &bakeoff.Speed{Memory: s.Memory}
		}
	}
	return d
}

func TestEvaluateTwiceGivesTheSameBytes(t *testing.T) {
	var texts [2][]byte
	for i := range texts {
		in := inputs(300, &runtime{})
		in.Champion = liveVersion(300)
		in.ChampionSeen = []uint64{5, 6}
		in.Pipeline.Judge.Slices = []string{"plan", "x"}
		var err error
		if texts[i], err = json.Marshal(untimed(evaluate(t, in))); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(texts[0]), string(texts[1])); diff != "" {
		t.Error(diff)
	}
}
