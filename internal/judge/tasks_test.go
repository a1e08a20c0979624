package judge_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
