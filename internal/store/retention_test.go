package store_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/store"
	"github.com/bakeoffhq/bakeoff/internal/store/storetest"
)

// history drives n runs that are a day apart, the last of them on the day before now.
func history(t *testing.T, s *store.Store, pipeline string, n int, now time.Time) {
	t.Helper()
	for i := range n {
		id := fmt.Sprintf("%s-%03d", pipeline, i+1)
		if err := driveFor(t.Context(), s, pipeline, id, now.Add(-time.Duration(n-i)*24*time.Hour), "why "+id); err != nil {
			t.Fatal(err)
		}
	}
}

// tomorrow is a moment from which on all that a test has stored so far is old enough to be removed.
func tomorrow() time.Time { return time.Now().Add(24 * time.Hour) }

// nothing is a policy that keeps nothing.
func nothing() store.Policy {
	return store.Policy{KeepRuns: -1, KeepVersions: -1, KeepFor: -1, Now: tomorrow()}
}

func objects(t *testing.T, s *store.Store) jetstream.StreamState {
	t.Helper()
	stream := must(s.JetStream().Stream(t.Context(), "OBJ_objects"))(t)
	return must(stream.Info(t.Context()))(t).State
}

func TestWhatThePolicyKeeps(t *testing.T) {
	const day = 24 * time.Hour
	for what, test := range map[string]struct {
		policy         store.Policy
		runs, versions int // removed, of five
	}{
		"all that is young": {store.Policy{KeepRuns: -1, KeepVersions: -1, KeepFor: 30 * day}, 0, 0},
		"the last three":    {store.Policy{KeepRuns: 3, KeepVersions: 3, KeepFor: -1}, 2, 2},
		"one of the rules":  {store.Policy{KeepRuns: 1, KeepVersions: 2, KeepFor: 2*day + time.Hour}, 3, 3}, // of days 1 to 5
		"versions alone":    {store.Policy{KeepRuns: -1, KeepVersions: 5, KeepFor: -1}, 5, 0},
		"runs alone":        {store.Policy{KeepRuns: 5, KeepVersions: -1, KeepFor: -1}, 0, 3}, // champion and previous have an alias
		"the default":       {store.Policy{}, 0, 0},
	} {
		t.Run(what, func(t *testing.T) {
			s, _ := storetest.Open(t)
			now := tomorrow()
			history(t, s, "churn", 5, now)
			test.policy.Now = now
			would := must(s.Collect(t.Context(), test.policy, true))(t)
			if would.Runs != test.runs || would.Versions != test.versions {
				t.Errorf("it would remove %d runs and %d versions, want %d and %d", would.Runs, would.Versions, test.runs, test.versions)
			}
			if runs, versions := checkWhole(t, s); runs != 5 || versions != 5 {
				t.Errorf("after a dry run there are %d runs and %d versions", runs, versions)
			}
			before := objects(t, s)
			did := must(s.Collect(t.Context(), test.policy, false))(t)
			if diff := cmp.Diff(would, did); diff != "" {
				t.Errorf("what it would do and what it did differ:\n%s", diff)
			}
			if runs, versions := checkWhole(t, s); runs != 5-test.runs || versions != 5-test.versions {
				t.Errorf("%d runs and %d versions are left", runs, versions)
			}
			if n := len(must(s.Verdicts(t.Context(), "churn"))(t)); n != 5 {
				t.Errorf("%d verdicts are left, want all", n)
			}
			if freed := before.Bytes - objects(t, s).Bytes; freed < uint64(did.Bytes) {
				t.Errorf("the objects' stream is %d bytes smaller, it collected %d", freed, did.Bytes)
			}
			if again := must(s.Collect(t.Context(), test.policy, false))(t); again != (store.Collected{}) {
				t.Errorf("a second collection finds %+v", again)
			}
		})
	}
}

// TestWhatARemovedPipelineHasLeftGoes removes a pipeline whose runs and versions would be kept by their number:
// with its champion in service they are, without it only the young.
func TestWhatARemovedPipelineHasLeftGoes(t *testing.T) {
	s, _ := storetest.Open(t)
	ctx, now := t.Context(), tomorrow()
	history(t, s, "churn", 5, now)
	policy := store.Policy{KeepFor: 60 * time.Hour, Now: now}
	if err := s.RemovePipeline(ctx, bakeoff.PipelineFile{Name: "churn", Removed: &bakeoff.Removal{By: "kim"}}); err != nil {
		t.Fatal(err)
	}
	if did := must(s.Collect(ctx, policy, false))(t); did.Runs != 0 || did.Versions != 0 {
		t.Errorf("collected %+v of what a champion is in service of", did)
	}
	model, revision, err := s.Model(ctx, "churn")
	if err != nil {
		t.Fatal(err)
	}
	model.Aliases = nil
	if err := s.Commit(ctx, bakeoff.Change{Model: model, Revision: revision}); err != nil {
		t.Fatal(err)
	}
	if did := must(s.Collect(ctx, policy, false))(t); did.Runs != 3 || did.Versions != 3 || did.Objects == 0 {
		t.Errorf("collected %+v, want 3 of 5 runs and versions: two are young", did)
	}
	if runs, versions := checkWhole(t, s); runs != 2 || versions != 2 {
		t.Errorf("%d runs and %d versions are left", runs, versions)
	}
}

// TestSpaceIsGivenBack looks at the disk and at the streams: no chunk, description or mark of what
// was removed may stay.
func TestSpaceIsGivenBack(t *testing.T) {
	s, srv := storetest.Open(t)
	ctx := t.Context()
	empty := used(t, srv.Dir())
	for i := range 8 {
		if _, err := s.PutBytes(ctx, bytes.Repeat([]byte{byte(i)}, 4<<20)); err != nil {
			t.Fatal(err)
		}
	}
	full := used(t, srv.Dir())
	if did := must(s.Collect(ctx, nothing(), false))(t); did.Objects != 8 || did.Bytes != 32<<20 {
		t.Errorf("collected %+v", did)
	}
	if left := objects(t, s); left.Msgs != 0 || left.Bytes != 0 {
		t.Errorf("%d messages of %d bytes are left", left.Msgs, left.Bytes)
	}
	if left := used(t, srv.Dir()); left-empty > (full-empty)/10 {
		t.Errorf("the folder had %d bytes empty, %d full and has %d now", empty, full, left)
	}
}

// used returns how many bytes the files below a folder have.
func used(t *testing.T, dir string) (sum int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if os.IsNotExist(err) {
			return nil // the server has replaced it meanwhile
		}
		sum += info.Size()
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return sum
}

func TestTornObjectsAreCollected(t *testing.T) {
	s, _ := storetest.Open(t)
	ctx := t.Context()
	for range 2 { // what a process leaves that is killed while it stores something
		if _, err := s.JetStream().Publish(ctx, "$O.objects.C.torn", make([]byte, 512<<10)); err != nil {
			t.Fatal(err)
		}
	}
	if did := must(s.Collect(ctx, store.Policy{}, false))(t); did != (store.Collected{}) {
		t.Errorf("within the hour it collected %+v", did)
	}
	want := store.Collected{Objects: 1, Bytes: 1 << 20}
	if did := must(s.Collect(ctx, nothing(), false))(t); did != want {
		t.Errorf("it collected %+v, want %+v", did, want)
	}
	if left := objects(t, s); left.Msgs != 0 {
		t.Errorf("%d messages are left", left.Msgs)
	}
}

func TestAnObjectThatIsAskedForIsNotCollected(t *testing.T) {
	s, _ := storetest.Open(t)
	ctx := t.Context()
	asked := must(s.PutBytes(ctx, []byte("asked for")))(t)
	other := must(s.PutBytes(ctx, []byte("not asked for")))(t)
	did, err := s.SweepAround(ctx, func() {
		if there, err := s.Redate(ctx, asked); err != nil || !there {
			t.Errorf("ask for it: %v, %v", there, err)
		}
	})
	if err != nil || did.Objects != 1 {
		t.Errorf("collected %+v, %v", did, err)
	}
	if got := string(must(s.GetBytes(ctx, asked))(t)); got != "asked for" {
		t.Errorf("it is %q", got)
	}
	_, err = s.GetBytes(ctx, other)
	wantCode(t, "what nobody asked for", err, bakeoff.CodeNotFound)
	if there, err := s.Redate(ctx, other); err != nil || there {
		t.Errorf("ask for what was collected: %v, %v", there, err)
	}
	if again := must(s.PutBytes(ctx, []byte("not asked for")))(t); again != other || string(must(s.GetBytes(ctx, other))(t)) != "not asked for" {
		t.Error("what was collected cannot be stored again")
	}
}

func TestAnOpenRunIsNotTouched(t *testing.T) {
	s, _ := storetest.Open(t)
	ctx := t.Context()
	created := time.Now().Add(-300 * 24 * time.Hour)
	if err := s.CreateRun(ctx, bakeoff.Run{ID: "churn-open", Pipeline: "churn", Created: created, Phase: bakeoff.PhaseBuild}); err != nil {
		t.Fatal(err)
	}
	early := must(s.PutBytes(ctx, []byte("an artifact that no record names yet")))(t)
	if did := must(s.Collect(ctx, nothing(), false))(t); did != (store.Collected{}) {
		t.Errorf("it collected %+v", did)
	}
	if _, _, err := s.Run(ctx, "churn-open"); err != nil {
		t.Error(err)
	}
	if _, err := s.GetBytes(ctx, early); err != nil {
		t.Error(err)
	}
}

func TestAReleasedVersionCannotBecomeChampion(t *testing.T) {
	s, _ := storetest.Open(t)
	ctx := t.Context()
	history(t, s, "churn", 4, tomorrow())
	if did := must(s.Collect(ctx, nothing(), false))(t); did.Versions != 2 {
		t.Fatalf("collected %+v", did)
	}
	if v := must(s.Version(ctx, "churn", 1))(t); v.Released.IsZero() || v.Artifact == "" {
		t.Errorf("v1 is %+v, want its record with the moment of its release", v)
	}
	m, revision, err := s.Model(ctx, "churn")
	if err != nil {
		t.Fatal(err)
	}
	m.Aliases[bakeoff.AliasChampion] = bakeoff.Alias{Model: "churn", Name: bakeoff.AliasChampion, Version: 1}
	err = s.Commit(ctx, bakeoff.Change{Model: m, Revision: revision})
	wantCode(t, "a rollback to it", err, bakeoff.CodeConflict)
	if err != nil && !strings.Contains(err.Error(), "version 1 of churn has no artifact any more") {
		t.Error(err)
	}
}

// TestCollectingBesideAWorkingNode collects all that it may, over and over, while runs are driven,
// and looks at every object that a record names.
func TestCollectingBesideAWorkingNode(t *testing.T) {
	s, _ := storetest.Open(t)
	ctx := t.Context()
	ended, _ := storm(t, s, 10, "kept short")
	policy := store.Policy{KeepRuns: 2, KeepVersions: 2, KeepFor: -1, Now: tomorrow()}
	var sum store.Collected
	for working := true; working; {
		select {
		case <-ended:
			working = false
		default:
		}
		did, err := s.Collect(ctx, policy, false)
		if err != nil {
			t.Fatal(err)
		}
		sum.Runs += did.Runs
		sum.Versions += did.Versions
		sum.Objects += did.Objects
		archive, _ := backUp(t, s)
		if _, err := store.Verify(bytes.NewReader(archive)); err != nil {
			t.Fatal(err)
		}
	}
	runs, versions := checkWhole(t, s)
	t.Logf("%+v collected, %d runs and %d versions left", sum, runs, versions)
	if sum.Runs != 40-4 || sum.Versions != 40-4 || runs != 4 || versions != 4 {
		t.Error("of 40 runs and versions, two of each pipeline should be left")
	}
	if n := len(must(s.Verdicts(ctx, "p0"))(t)) + len(must(s.Verdicts(ctx, "p1"))(t)); n != 40 {
		t.Errorf("%d verdicts of 40 runs", n)
	}
	want := 4 * 9 // objects of the runs that are left
	for _, run := range strayVersions(t, s) {
		// The last runs to be asked for need not be the last to be promoted. A version keeps three
		// objects of a run that is gone; a run whose version is released has lost its golden answers.
		want += 3 - 1
		t.Log("kept for its version only:", run)
	}
	if n := objects(t, s).NumSubjects; int(n) != 2*want { // the description and the content of each
		t.Errorf("%d subjects in the object store, want %d", n, 2*want)
	}
}

// strayVersions returns the runs that are gone, of the versions that are not.
func strayVersions(t *testing.T, s *store.Store) []string {
	t.Helper()
	var gone []string
	for _, m := range must(s.Models(t.Context()))(t) {
		for _, v := range must(s.Versions(t.Context(), m.Name))(t) {
			_, _, err := s.Run(t.Context(), v.Lineage.Run)
			if v.Released.IsZero() && bakeoff.CodeOf(err) == bakeoff.CodeNotFound {
				gone = append(gone, v.Lineage.Run)
			}
		}
	}
	return gone
}

// collecting is a place for a backup at which a collection is tried.
type collecting struct {
	*store.Store
	err error
}

func (c *collecting) Write(p []byte) (int, error) {
	_, c.err = c.Collect(context.Background(), store.Policy{}, true)
	return len(p), nil
}

func TestABackupKeepsACollectionAway(t *testing.T) {
	s, _ := storetest.Open(t)
	w := &collecting{Store: s}
	if _, err := s.Backup(t.Context(), w, "v0"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "a collection during a backup", w.err, bakeoff.CodeBusy)
	if _, err := s.Collect(t.Context(), store.Policy{}, false); err != nil {
		t.Errorf("a collection after it: %v", err)
	}
}

// A version outlives the run that built it, with what tells which rows it has seen: its fingerprint
// or, where it is from before there were any, the rows.
func TestAVersionKeepsWhatTellsTheRowsThatItHasSeen(t *testing.T) {
	s, _ := storetest.Open(t)
	ctx := t.Context()
	if err := s.PutPipeline(ctx, bakeoff.PipelineFile{Name: "churn", Revision: bakeoff.DigestOf([]byte("text")), Text: "text"}); err != nil {
		t.Fatal(err)
	}
	put := func(what string) bakeoff.Digest { return must(s.PutBytes(ctx, []byte(what)))(t) }
	for i, print := range []bakeoff.Digest{put("fingerprint"), ""} {
		m, revision, err := s.Model(ctx, "churn")
		if err != nil {
			t.Fatal(err)
		}
		m.Latest++
		err = s.Commit(ctx, bakeoff.Change{Model: m, Revision: revision, Version: &bakeoff.Version{
			Model: "churn", Version: m.Latest, Artifact: put("artifact"), Golden: put("golden"), Created: time.Now(),
			Lineage: bakeoff.Lineage{Snapshot: bakeoff.Snapshot{Train: put(fmt.Sprint("rows ", i)), Fingerprint: print}},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	is := func(what string) bool {
		_, err := s.GetBytes(ctx, bakeoff.DigestOf([]byte(what)))
		return err == nil
	}
	policy := store.Policy{KeepRuns: -1, KeepFor: -1, Now: tomorrow()}
	must(s.Collect(ctx, policy, false))(t)
	if !is("fingerprint") || is("rows 0") || !is("rows 1") || !is("artifact") {
		t.Errorf("fingerprint %v, rows beside it %v, rows without one %v, artifact %v", is("fingerprint"), is("rows 0"), is("rows 1"), is("artifact"))
	}
	policy.KeepVersions = -1
	must(s.Collect(ctx, policy, false))(t)
	if is("fingerprint") || is("rows 1") {
		t.Error("a released version keeps what told its rows")
	}
}

func TestARunWhosePromotionWaitsIsKept(t *testing.T) {
	s, _ := storetest.Open(t)
	history(t, s, "churn", 3, tomorrow())
	pend := func(p *bakeoff.Pending) {
		m, revision, err := s.Model(t.Context(), "churn")
		if err != nil {
			t.Fatal(err)
		}
		m.Pending = p
		if err := s.Commit(t.Context(), bakeoff.Change{Model: m, Revision: revision}); err != nil {
			t.Fatal(err)
		}
	}
	pend(&bakeoff.Pending{Run: "churn-001", Candidate: "boosting"})
	must(s.Collect(t.Context(), nothing(), false))(t)
	run, _, err := s.Run(t.Context(), "churn-001")
	if err != nil {
		t.Fatalf("what waits for a person's word is gone: %v", err)
	}
	if err := s.Verify(t.Context(), run.Trials[0].Artifact); err != nil {
		t.Error(err)
	}
	if runs, _ := checkWhole(t, s); runs != 1 {
		t.Errorf("%d runs are kept, want the one that waits", runs)
	}
	pend(nil)
	must(s.Collect(t.Context(), nothing(), false))(t)
	if runs, _ := checkWhole(t, s); runs != 0 {
		t.Errorf("%d runs are kept, and nothing waits any more", runs)
	}
}
