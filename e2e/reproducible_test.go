package e2e_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
)

// The same pipeline, rows and seed give the same snapshot and the same artifacts, byte for byte,
// however many threads the program has. (Those of the trainers are varied by the tests of build.)
func TestArtifactsAreReproducible(t *testing.T) {
	one, seven := digests(t, "GOMAXPROCS=1"), digests(t, "GOMAXPROCS=7")
	if len(one) != 4 {
		t.Fatalf("digests of %d things, want those of the snapshot and three artifacts: %v", len(one), one)
	}
	if diff := cmp.Diff(one, seven); diff != "" {
		t.Error(diff)
	}
}

// digests runs the pipeline in a folder of its own and returns what its digests are, by name.
func digests(t *testing.T, environment string) map[string]bakeoff.Digest {
	t.Helper()
	dir := t.TempDir()
	writePipeline(t, dir, "")
	c := program(t, dir, "run", "crash.yaml", "--json")
	c.Env = append(c.Env, environment)
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	var report bakeoff.Report
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatal(err)
	}
	found := map[string]bakeoff.Digest{"snapshot": report.Snapshot}
	for _, row := range report.Leaderboard {
		if row.Role == bakeoff.RoleChallenger {
			found[row.Candidate] = row.Artifact
		}
	}
	return found
}
