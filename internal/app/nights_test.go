package app

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/build"
	"github.com/bakeoffhq/bakeoff/internal/dispatch"
	"github.com/bakeoffhq/bakeoff/internal/registry"
)

// TestMain makes the test binary the program that runs built-in learners.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == build.ChildCommand {
		if err := build.TrainChild(context.Background(), os.Args[2], os.Getenv); err != nil {
			fmt.Fprintln(os.Stderr, err)
			syscall.Exit(1) // os.Exit takes a second under the race detector
		}
		syscall.Exit(0)
	}
	os.Exit(m.Run())
}

// nights is a node that holds a bake-off whenever a test says that it is night.
type nights struct {
	*testing.T
	node     *Node
	dir      string
	pipeline *bakeoff.Pipeline
	rows     []string // of the data file, without its header
	random   *rand.Rand
	edits    int
}

func newNights(t *testing.T) *nights {
	t.Helper()
	n := &nights{T: t, dir: t.TempDir(), random: rand.New(rand.NewPCG(1, 2))}
	config := DefaultConfig(filepath.Join(n.dir, "store"))
	config.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	var err error
	if n.node, err = Open(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var working errgroup.Group
	working.Go(func() error { return n.node.Work(ctx) })
	t.Cleanup(func() {
		stop()
		if err := working.Wait(); err != nil {
			t.Error(err)
		}
		if err := n.node.Close(); err != nil {
			t.Error(err)
		}
	})
	<-n.node.dispatcher.Ready()
	return n
}

// apply takes in another text of the pipeline file.
func (n *nights) apply(split, gate string, candidates ...string) {
	n.Helper()
	n.edits++
	path := filepath.Join(n.dir, "p.yaml")
	write(n.T, path, fmt.Sprintf(`name: p
data: {source: rows.csv, target: y, key: id, split: {%s}}
candidates: [%s]
parallel: 1
at_least: %d
judge: {metric: log_loss}
gate: {%s}
`, split, strings.Join(candidates, ", "), len(candidates), gate), n.edits)
	file, p, err := LoadPipeline(path, os.LookupEnv)
	if err != nil {
		n.Fatal(err)
	}
	n.pipeline = p
	if err := n.node.apply(n.Context(), file, p); err != nil {
		n.Fatal(err)
	}
}

const (
	linear = "{name: linear, trainer: logistic_regression}"
	forest = "{name: forest, trainer: random_forest, params: {trees: 5}}"
	stump  = "{name: stump, trainer: random_forest, params: {n_estimators: 1, max_depth: 1, max_features: 1}}"
)

// arrive adds the rows of a day to the data file.
func (n *nights) arrive(day, count int) {
	n.Helper()
	for range count {
		x := n.random.Float64()
		n.rows = append(n.rows, fmt.Sprintf("%d,%d,%v,%v,%v", len(n.rows), day, x, n.random.Float64(), n.random.Float64() < x))
	}
	n.save()
}

func (n *nights) save() {
	n.Helper()
	text := "id,day,x,z,y\n" + strings.Join(n.rows, "\n") + "\n"
	if err := os.WriteFile(filepath.Join(n.dir, "rows.csv"), []byte(text), 0o600); err != nil {
		n.Fatal(err)
	}
}

// night has one run at a moment and returns it and its report.
func (n *nights) night(at time.Time) (bakeoff.Run, bakeoff.Report) {
	n.Helper()
	ctx, cancel := context.WithTimeout(n.Context(), time.Minute)
	defer cancel()
	start := dispatch.Start{Trigger: bakeoff.TriggerSchedule, Tick: at}
	run := dispatch.NewRun("p-"+at.Format("20060102T150405Z"), n.pipeline, start, time.Now().UTC())
	if err := n.node.submit(ctx, run); err != nil {
		n.Fatal(err)
	}
	run, err := n.node.store.WaitRun(ctx, run.ID)
	if err != nil {
		n.Fatal(err)
	}
	report, err := n.node.store.Verdict(ctx, "p", run.ID)
	if err != nil {
		n.Fatal(err)
	}
	return run, report
}

// champion returns the champion's row.
func (n *nights) champion(r bakeoff.Report) bakeoff.LeaderboardRow {
	n.Helper()
	i := slices.IndexFunc(r.Leaderboard, func(row bakeoff.LeaderboardRow) bool { return row.Role == bakeoff.RoleChampion })
	if i < 0 {
		n.Fatalf("no champion in %s: %s", r.Run, r.Reason)
	}
	return r.Leaderboard[i]
}

var firstNight = time.Date(2026, 11, 2, 5, 0, 0, 0, time.UTC)

// Where time splits, rows move from the holdout to the training rows, never back: whichever version is
// the champion, it was trained on rows that are older than any that is held out.
func TestNightsWithASplitByTime(t *testing.T) {
	n := newNights(t)
	n.apply("by: time, column: day, holdout: 20%", "gain: any", linear, forest)
	for day := range 40 {
		n.arrive(day, 25)
	}
	promotions, began := 0, 0
	for day := 40; day < 56; day++ {
		n.arrive(day, 25)
		_, r := n.night(firstNight.AddDate(0, 0, day))
		if r.Verdict == bakeoff.Promoted {
			promotions++
		}
		if r.Rows.SeenByChampion != 0 || r.Rows.AlsoInTraining != 0 || r.Rows.SetAside != 0 {
			t.Errorf("day %d: rows %+v", day, r.Rows)
		}
		if day > 40 && (n.champion(r).Rank == nil || n.champion(r).Rebuilt) {
			t.Errorf("day %d: %s", day, r.Reason)
		}
		if r.Holdout == nil {
			t.Fatalf("day %d: %s", day, r.Reason)
		}
		if r.Holdout.Uses == 1 {
			began++
		}
	}
	if promotions < 2 {
		t.Errorf("%d promotions: the test does not reach a champion that is younger than the first", promotions)
	}
	if began != 2 { // the holdout has the rows of some eight or nine of sixteen days
		t.Errorf("the count of the holdout's uses began %d times", began)
	}
	// A file whose dates were turned round holds out what the champion was trained on.
	for i, row := range n.rows {
		fields := strings.Split(row, ",")
		fields[1] = fmt.Sprint(1000 - i)
		n.rows[i] = strings.Join(fields, ",")
	}
	n.save()
	_, r := n.night(firstNight.AddDate(0, 0, 60))
	if r.Verdict != bakeoff.Kept || !strings.Contains(r.Reason, "stays because it cannot be compared with the challengers: it was trained on ") {
		t.Errorf("%s: %s", r.Verdict, r.Reason)
	}
	if r.Holdout != nil {
		t.Errorf("nothing was compared, and it counts: %+v", r.Holdout)
	}
}

// Where the split rotates, each period holds out other rows, and a champion of an earlier one is
// compared by what its recipe makes of today's training rows.
func TestNightsWithASplitThatRotates(t *testing.T) {
	n := newNights(t)
	n.apply("rotate: 4w", "gain: significant", stump)
	n.arrive(0, 1500)
	_, first := n.night(firstNight)
	if first.Verdict != bakeoff.Promoted {
		t.Fatalf("%s: %s", first.Verdict, first.Reason)
	}
	run, r := n.night(firstNight.AddDate(0, 0, 1))
	if n.champion(r).Rebuilt || run.Rebuild != nil || len(run.Trials) != 1 || r.Holdout.Uses != 2 {
		t.Errorf("the same period: %s, %d trials, %+v", r.Reason, len(run.Trials), r.Holdout)
	}
	before := run.Snapshot
	for i, day := range []int{28, 29} {
		run, r = n.night(firstNight.AddDate(0, 0, day))
		row := n.champion(r)
		if !row.Rebuilt || row.Rank == nil || row.Version != 1 || row.Artifact == first.Champion.Artifact {
			t.Errorf("day %d: %+v", day, row)
		}
		if len(run.Trials) != 2 || run.Trials[0].Candidate != bakeoff.ChampionName || run.Trials[0].Log == "" {
			t.Errorf("day %d: trials %+v", day, run.Trials)
		}
		if r.Verdict != bakeoff.Kept || !strings.Contains(r.Reason, "v1 was built again") || r.Rows.SetAside != 0 {
			t.Errorf("day %d: %s: %s, %+v", day, r.Verdict, r.Reason, r.Rows)
		}
		if r.Champion.Version != 1 || r.Champion.Artifact != first.Champion.Artifact {
			t.Errorf("day %d: live is %+v, it was %+v", day, r.Champion, first.Champion)
		}
		if run.Snapshot.Holdout == before.Holdout || r.Holdout.Uses != i+1 {
			t.Errorf("day %d: the holdout is that of the period before, or its count goes on: %+v", day, r.Holdout)
		}
	}
	// The same recipe on the same rows with the same seed is the same artifact, and a tie.
	if best := r.Leaderboard[1]; best.Role != bakeoff.RoleChallenger || best.Artifact != n.champion(r).Artifact {
		t.Errorf("built by the same recipe: %s and %s", best.Artifact, n.champion(r).Artifact)
	}
	// A better one is promoted, and is of this period: it is compared as it is.
	n.apply("rotate: 4w", "gain: significant", stump, linear)
	_, r = n.night(firstNight.AddDate(0, 0, 30))
	if r.Verdict != bakeoff.Promoted || r.Champion.Version != 2 || r.Champion.Candidate != "linear" || !n.champion(r).Rebuilt {
		t.Errorf("%s: %s, %+v", r.Verdict, r.Reason, n.champion(r))
	}
	run, r = n.night(firstNight.AddDate(0, 0, 31))
	if row := n.champion(r); row.Rebuilt || row.Rank == nil || row.Artifact != r.Champion.Artifact || len(run.Trials) != 2 {
		t.Errorf("%s: %+v", r.Reason, row)
	}
	if r.Rows.SetAside != 0 {
		t.Errorf("rows %+v", r.Rows)
	}
	// A person goes back to the version of the period before: it is built again.
	if _, err := n.node.registry.Rollback(t.Context(), registry.Act{Model: "p", By: "kim"}, 0, false); err != nil {
		t.Fatal(err)
	}
	_, r = n.night(firstNight.AddDate(0, 0, 32))
	if row := n.champion(r); !row.Rebuilt || row.Version != 1 || r.Verdict != bakeoff.Promoted {
		t.Errorf("%s: %s, %+v", r.Verdict, r.Reason, row)
	}
}
