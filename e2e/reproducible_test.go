package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
)

// The same pipeline, rows and seed give the same snapshot, the same artifacts and the same
// leaderboard, byte for byte but for what the clock measured, however many threads the program has.
// (Those of the trainers are varied by the tests of build.)
func TestRunsAreReproducible(t *testing.T) {
	one, seven := secondReport(t, "GOMAXPROCS=1"), secondReport(t, "GOMAXPROCS=7")
	artifacts := 0
	for _, row := range one.Leaderboard {
		if row.Artifact != "" {
			artifacts++
		}
	}
	if artifacts != 4 || one.Snapshot == "" || len(one.Slices) != 2 {
		t.Fatalf("snapshot %q, %d artifacts, %d tables of slices", one.Snapshot, artifacts, len(one.Slices))
	}
	if diff := cmp.Diff(untimed(t, one), untimed(t, seven)); diff != "" {
		t.Error(diff)
	}
}

// secondReport runs the pipeline twice in a folder of its own, so that there is a champion to compare with.
func secondReport(t *testing.T, environment string) bakeoff.Report {
	t.Helper()
	dir := t.TempDir()
	writePipeline(t, dir, "")
	path := filepath.Join(dir, "crash.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(text, "judge: {also: [f1, log_loss], slices: [c, a]}\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	var out []byte
	for range 2 {
		c := program(t, dir, "run", "crash.yaml", "--json")
		c.Env = append(c.Env, environment)
		if out, err = c.Output(); err != nil {
			t.Fatal(err)
		}
	}
	var report bakeoff.Report
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatal(err)
	}
	return report
}

// untimed returns as text what a report says of data, models and judging, without what the clock
// measured.
func untimed(t *testing.T, r bakeoff.Report) string {
	t.Helper()
	for i := range r.Leaderboard {
		row := &r.Leaderboard[i]
		row.Seconds = 0
		if s := row.Search; s != nil {
			same := *s
			same.Seconds, row.Search = 0, &same
		}
		if s := row.Speed; s != nil {
			row.Speed = &bakeoff.Speed{Memory: s.Memory}
		}
	}
	text, err := json.MarshalIndent(bakeoff.Report{
		Verdict: r.Verdict, Reason: r.Reason, Metric: r.Metric, Snapshot: r.Snapshot, Rows: r.Rows, Notes: r.Notes,
		Leaderboard: r.Leaderboard, Confidence: r.Confidence, Deciding: r.Deciding, Second: r.Second, Slices: r.Slices,
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
