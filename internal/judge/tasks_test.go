package judge_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/judge"
	"github.com/bakeoffhq/bakeoff/internal/store"
	"github.com/bakeoffhq/bakeoff/internal/store/storetest"
)

// bench is a store with frozen rows, on which runs are judged.
type bench struct {
	*judge.Tasks
	store    *store.Store
	runtime  *runtime
	pipeline *bakeoff.Pipeline
	snapshot bakeoff.Snapshot
	dir      string
}

func (b *bench) Pipeline(context.Context, string, bakeoff.Digest) (*bakeoff.Pipeline, error) {
	return b.pipeline, nil
}

func newBench(t *testing.T) *bench {
	t.Helper()
	s, _ := storetest.Open(t)
	b := &bench{
		store: s, dir: t.TempDir(),
		runtime: &runtime{models: map[bakeoff.Digest]func(float64) float64{digest("boosting"): good, digest("champion"): fair}},
		pipeline: &bakeoff.Pipeline{
			Name: "churn", AtLeast: 1, Judge: bakeoff.Judge{Metric: "log_loss", Confidence: 0.95},
			Candidates: []bakeoff.Candidate{{Name: "boosting", Trainer: "gradient_boosting"}},
		},
	}
	b.Tasks = &judge.Tasks{
		Store: s, Pipelines: b, Scratch: t.TempDir(),
		Open: func(ctx context.Context, _ string, artifact bakeoff.Digest, recipe bakeoff.Candidate, schema bakeoff.Schema) (judge.Scorer, error) {
			return b.runtime.open(ctx, artifact, recipe, schema)
		},
	}
	b.snapshot = b.freeze(t, bakeoff.Split{Holdout: 0.3, By: bakeoff.SplitByHash, Seed: 1})
	return b
}

// freeze stores 500 rows, split in a way, with their fingerprint.
func (b *bench) freeze(t *testing.T, split bakeoff.Split) bakeoff.Snapshot {
	t.Helper()
	var text strings.Builder
	text.WriteString("x,y\n")
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		x := random.Float64()
		fmt.Fprintf(&text, "%v,%v\n", x, random.Float64() < x)
	}
	path := func(name string) string { return filepath.Join(b.dir, name) }
	if err := os.WriteFile(path("rows.csv"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	snapshot, err := dataset.Freeze(t.Context(), dataset.Source{Path: path("rows.csv"), Target: "y", Split: split}, path("train"), path("holdout"))
	if err != nil {
		t.Fatal(err)
	}
	if snapshot.Fingerprint, snapshot.FingerprintBytes, err = dataset.WriteFingerprint(path("train"), path("fingerprint")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"train", "holdout", "fingerprint"} {
		if _, err := b.store.PutFile(t.Context(), path(name)); err != nil {
			t.Fatal(err)
		}
	}
	return snapshot
}

// crown makes a version that was trained on a snapshot the champion.
func (b *bench) crown(t *testing.T, trained bakeoff.Snapshot) {
	t.Helper()
	artifact, err := b.store.PutBytes(t.Context(), []byte("champion"))
	if err != nil {
		t.Fatal(err)
	}
	err = b.store.Commit(t.Context(), bakeoff.Change{
		Model: bakeoff.Model{Name: "churn", Latest: 1, Aliases: map[string]bakeoff.Alias{bakeoff.AliasChampion: {Version: 1}}},
		Version: &bakeoff.Version{
			Model: "churn", Version: 1, Candidate: "forest", Artifact: artifact, Golden: artifact,
			Lineage: bakeoff.Lineage{Snapshot: trained, Recipe: bakeoff.Candidate{Name: "forest", Trainer: "random_forest"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// judge judges a run of the bench's snapshot in which boosting was built.
func (b *bench) judge(t *testing.T, set func(*bakeoff.Run)) bakeoff.Decision {
	t.Helper()
	run := bakeoff.Run{
		ID: "churn-1", Pipeline: "churn", Phase: bakeoff.PhaseEvaluate, Round: 1, Snapshot: &b.snapshot,
		Recipes: b.pipeline.Candidates,
		Trials:  []bakeoff.Trial{{Candidate: "boosting", State: bakeoff.TrialBuilt, Artifact: digest("boosting")}},
	}
	if set != nil {
		set(&run)
	}
	if err := b.store.CreateRun(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	result, err := b.Evaluate(t.Context(), bakeoff.Attempt{Task: bakeoff.Task{Run: run.ID, Kind: bakeoff.TaskEvaluate, Round: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if result.Decision == nil {
		t.Fatalf("no decision: %s", result.Failure)
	}
	return *result.Decision
}

func (b *bench) put(t *testing.T, text string) bakeoff.Digest {
	t.Helper()
	digest, err := b.store.PutBytes(t.Context(), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func TestTasksJudgeByTheFingerprintOrElseTheRows(t *testing.T) {
	const (
		compared = "boosting is ahead of v1 by "
		damaged  = "v1 stays because it cannot be compared with the challengers: nobody can tell which rows it has seen: read its fingerprint "
		gone     = "v1 stays because it cannot be compared with the challengers: nobody can tell which rows it has seen: "
	)
	for name, c := range map[string]struct {
		set  func(s *bakeoff.Snapshot)
		want string // begins the reason
	}{
		"the fingerprint": {func(s *bakeoff.Snapshot) { s.Train = digest("let go by retention") }, compared},
		"from before there were fingerprints": {func(s *bakeoff.Snapshot) {
			s.Fingerprint = ""
		}, compared},
		"a damaged fingerprint, the rows are there": {func(s *bakeoff.Snapshot) { s.Fingerprint = "damaged" }, compared},
		"a damaged fingerprint": {func(s *bakeoff.Snapshot) {
			s.Fingerprint, s.Train = "damaged", digest("let go by retention")
		}, damaged},
		"neither": {func(s *bakeoff.Snapshot) { s.Fingerprint, s.Train = "", "damaged" }, gone},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			trained := b.snapshot
			c.set(&trained)
			for _, d := range []*bakeoff.Digest{&trained.Fingerprint, &trained.Train} {
				if *d == "damaged" {
					*d = b.put(t, "bkprint1, and then nothing of the kind")
				}
			}
			b.crown(t, trained)
			d := b.judge(t, nil)
			if !strings.HasPrefix(d.Reason, c.want) {
				t.Errorf("%s: %s\nwant: %s...", d.Verdict, d.Reason, c.want)
			}
			if want := c.want == compared; (d.Verdict == bakeoff.Promoted) != want {
				t.Errorf("%s: %s", d.Verdict, d.Reason)
			}
		})
	}
}

// A split by time or column can have the same row on both sides.
func TestTasksSetAsideRowsOfBothSides(t *testing.T) {
	b := newBench(t)
	text := "x,side,y\n"
	for i := range 300 {
		text += fmt.Sprintf("%v,train,%v\n", float64(i)/300, i%2 == 0)
	}
	for i := range 120 {
		text += fmt.Sprintf("%v,test,%v\n", float64(2*i+240)/300, i%2 == 0) // 30 of them stand above, too
	}
	path := filepath.Join(b.dir, "both.csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	train, held := filepath.Join(b.dir, "t"), filepath.Join(b.dir, "h")
	var err error
	b.snapshot, err = dataset.Freeze(t.Context(), dataset.Source{
		Path: path, Target: "y", Split: bakeoff.Split{By: bakeoff.SplitByColumn, Column: "side"},
	}, train, held)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{train, held} {
		if _, err := b.store.PutFile(t.Context(), path); err != nil {
			t.Fatal(err)
		}
	}
	d := b.judge(t, nil)
	if d.Rows.AlsoInTraining != 30 || d.Rows.Holdout != 90 || d.Rows.SetAside != 30 {
		t.Errorf("rows %+v", d.Rows)
	}
}

// rotating returns a bench in its second period, and a snapshot of the first.
func rotating(t *testing.T) (b *bench, before bakeoff.Snapshot) {
	t.Helper()
	b = newBench(t)
	split := bakeoff.Split{Holdout: 0.3, By: bakeoff.SplitByHash, Seed: 1, Rotate: 28 * 24 * time.Hour, Period: 741}
	before = b.freeze(t, split)
	split.Period++
	b.snapshot = b.freeze(t, split)
	return b, before
}

// rebuilt gives a run the trial of the champion's recipe.
func rebuilt(version int, trial bakeoff.Trial) func(*bakeoff.Run) {
	return func(r *bakeoff.Run) {
		*r = r.Rebuilt(bakeoff.Rebuild{Version: version, Candidate: "forest", Recipe: bakeoff.Candidate{Name: bakeoff.ChampionName, Trainer: "random_forest"}})
		trial.Candidate = bakeoff.ChampionName
		r.Trials[0] = trial
	}
}

func championRow(t *testing.T, d bakeoff.Decision) bakeoff.LeaderboardRow {
	t.Helper()
	for _, row := range d.Leaderboard {
		if row.Role == bakeoff.RoleChampion {
			return row
		}
	}
	t.Fatal("no champion on the leaderboard")
	return bakeoff.LeaderboardRow{}
}

func TestTasksJudgeTheChampionOfAnotherPeriodByItsRecipe(t *testing.T) {
	const again = " (v1 was built again on this period's training rows, to be compared on rows that it has not seen)"
	for name, c := range map[string]struct {
		model     func(float64) float64 // of the recipe, built again
		candidate string
	}{
		"a worse one": {fair, "boosting"},
		"as good":     {good, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b, before := rotating(t)
			b.runtime.models[digest("again")] = c.model
			b.crown(t, before)
			d := b.judge(t, rebuilt(1, bakeoff.Trial{State: bakeoff.TrialBuilt, Artifact: digest("again"), Bytes: 5}))
			if d.Candidate != c.candidate || !strings.HasSuffix(d.Reason, again) || d.Champion != 1 {
				t.Errorf("%s: %s", d.Verdict, d.Reason)
			}
			row := championRow(t, d)
			if !row.Rebuilt || row.Version != 1 || row.Candidate != "forest" || row.Artifact != digest("again") || row.Rank == nil {
				t.Errorf("%+v", row)
			}
			if d.Rows.SeenByChampion != 0 || d.Rows.Holdout != b.snapshot.Rows.Holdout {
				t.Errorf("rows %+v", d.Rows)
			}
			if slices.Contains(b.runtime.opened, digest("champion")) || len(d.Leaderboard) != 3 {
				t.Errorf("opened %v, %d rows", b.runtime.opened, len(d.Leaderboard))
			}
		})
	}
}

func TestTasksKeepWhereTheChampionCannotBeBuiltAgain(t *testing.T) {
	const stays = "v1 stays because it cannot be compared with the challengers: "
	for name, c := range map[string]struct {
		change func(trained *bakeoff.Snapshot)
		run    func(*bakeoff.Run)
		want   string
	}{
		"its build failed": {
			nil, rebuilt(1, bakeoff.Trial{State: bakeoff.TrialFailed, Reason: "exit code 1: no such file"}),
			stays + "it had to be built again for the rows of this period, and that failed: exit code 1: no such file;",
		},
		"it does not answer": {
			nil, rebuilt(1, bakeoff.Trial{State: bakeoff.TrialBuilt, Artifact: digest("nowhere")}),
			stays + "no predictions: open ",
		},
		"its schema no longer fits": {
			func(s *bakeoff.Snapshot) { s.Schema.Target = "z" }, rebuilt(1, bakeoff.Trial{State: bakeoff.TrialBuilt, Artifact: digest("boosting")}),
			stays + "it predicts z, the target is now y;",
		},
		"another became champion meanwhile": {
			nil, rebuilt(2, bakeoff.Trial{State: bakeoff.TrialBuilt, Artifact: digest("boosting")}),
			stays + "it was trained on ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, before := rotating(t)
			if c.change != nil {
				c.change(&before)
			}
			b.crown(t, before)
			d := b.judge(t, c.run)
			if d.Verdict != bakeoff.Kept || !strings.HasPrefix(d.Reason, c.want) {
				t.Errorf("%s: %s\nwant: %s...", d.Verdict, d.Reason, c.want)
			}
			if row := championRow(t, d); row.Rank != nil {
				t.Errorf("%+v", row)
			}
		})
	}
}

// Rows that are told apart otherwise than before cannot be compared with the champion's training rows;
// one that is built again on the run's own needs no such comparison.
func TestTasksJudgeARebuiltChampionWhateverIdentifiesItsRows(t *testing.T) {
	b, before := rotating(t)
	b.runtime.models[digest("again")] = fair
	before.Identity = bakeoff.Identity{Key: "id", Generation: 7}
	b.crown(t, before)
	if d := b.judge(t, rebuilt(1, bakeoff.Trial{State: bakeoff.TrialBuilt, Artifact: digest("again")})); d.Verdict != bakeoff.Promoted {
		t.Errorf("%s: %s", d.Verdict, d.Reason)
	}
}

// A champion's trial is no challenger: with it alone, at_least is not reached.
func TestTasksCountNoRebuiltChampionAsACandidate(t *testing.T) {
	b, before := rotating(t)
	b.crown(t, before)
	d := b.judge(t, func(r *bakeoff.Run) {
		r.Trials[0].State, r.Trials[0].Reason = bakeoff.TrialFailed, "time limit: 1s"
		rebuilt(1, bakeoff.Trial{State: bakeoff.TrialBuilt, Artifact: digest("boosting")})(r)
	})
	if want := "no candidate was built of the 1 that at_least asks for"; d.Verdict != bakeoff.Failed || !strings.HasPrefix(d.Reason, want) {
		t.Errorf("%s: %s", d.Verdict, d.Reason)
	}
}
