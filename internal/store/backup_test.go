package store_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/store"
	"github.com/bakeoffhq/bakeoff/internal/store/storetest"
)

// drive takes a run through all its records as the steps of the walk do, from its tick's claim to
// its end, with two trials of which the first is promoted. Nothing in it equals another run's.
func drive(ctx context.Context, s *store.Store, pipeline, id string, created time.Time) error {
	return driveFor(ctx, s, pipeline, id, created, long)
}

// long is a reason so long that the records with it are spilled.
var long = strings.Repeat("because ", 40<<10)

func driveFor(ctx context.Context, s *store.Store, pipeline, id string, created time.Time, reason string) error {
	text := "name: " + pipeline
	if err := s.PutPipeline(ctx, bakeoff.PipelineFile{Name: pipeline, Revision: bakeoff.DigestOf([]byte(text)), Text: text}); err != nil {
		return err
	}
	run := bakeoff.Run{ID: id, Reason: reason, Pipeline: pipeline, Revision: bakeoff.DigestOf([]byte(text)), Created: created, Phase: bakeoff.PhaseBuild}
	if err := s.CreateRun(ctx, run); err != nil {
		return err
	}
	var failed error
	put := func(what string) bakeoff.Digest {
		digest, err := s.PutBytes(ctx, []byte(strings.Repeat(what+" of "+id+"\n", 100)))
		failed = errors.Join(failed, err)
		return digest
	}
	run.Snapshot = &bakeoff.Snapshot{Digest: bakeoff.DigestOf([]byte(id)), Train: put("train"), Holdout: put("holdout"), Fingerprint: put("fingerprint")}
	for _, candidate := range []string{"forest", "linear"} {
		task := bakeoff.Task{Run: id, Kind: bakeoff.TaskBuild, Candidate: candidate, Queue: bakeoff.QueueDefault}
		_, token, err := s.BeginAttempt(ctx, task, "w", created)
		trial := bakeoff.Trial{Candidate: candidate, State: bakeoff.TrialBuilt, Artifact: put(candidate), Log: put("log of " + candidate)}
		failed = errors.Join(failed, err, s.EndAttempt(ctx, bakeoff.Result{Task: task, Attempt: 1, Trial: &trial}, token))
		run.Trials = append(run.Trials, trial)
	}
	run.Decision = &bakeoff.Decision{Verdict: bakeoff.Promoted, Answers: put("answers")}
	golden := put("golden")
	if failed != nil {
		return failed
	}
	run.Phase = bakeoff.PhasePromote
	_, revision, err := s.Run(ctx, id)
	if err != nil {
		return err
	}
	if revision, err = s.UpdateRun(ctx, run, revision); err != nil {
		return err
	}
	if err := promoteFirst(ctx, s, run, golden); err != nil {
		return err
	}
	run.Phase, run.Verdict = bakeoff.PhaseEnded, bakeoff.Promoted
	if _, err := s.UpdateRun(ctx, run, revision); err != nil {
		return err
	}
	if err := s.PutDelivery(ctx, bakeoff.Delivery{Notification: id}); err != nil {
		return err
	}
	return s.Settle(ctx, id)
}

// promoteFirst makes a run's first trial the champion.
func promoteFirst(ctx context.Context, s *store.Store, run bakeoff.Run, golden bakeoff.Digest) error {
	for {
		m, revision, err := s.Model(ctx, run.Pipeline)
		if err != nil {
			return err
		}
		m.Latest++
		m.Aliases = map[string]bakeoff.Alias{
			bakeoff.AliasChampion: {Model: m.Name, Name: bakeoff.AliasChampion, Version: m.Latest},
			bakeoff.AliasPrevious: {Model: m.Name, Name: bakeoff.AliasPrevious, Version: m.Champion()},
		}
		err = s.Commit(ctx, bakeoff.Change{
			Model: m, Revision: revision,
			Version: &bakeoff.Version{
				Model: m.Name, Version: m.Latest, Candidate: run.Trials[0].Candidate, Artifact: run.Trials[0].Artifact, Golden: golden,
				Created: run.Created, Lineage: bakeoff.Lineage{Run: run.ID, Snapshot: *run.Snapshot},
			},
			Verdict: &bakeoff.Report{Run: run.ID, Pipeline: run.Pipeline, Verdict: bakeoff.Promoted, Reason: run.Reason, Answers: run.Decision.Answers},
			Outbox:  &bakeoff.Notification{ID: run.ID, Pipeline: run.Pipeline},
		})
		if bakeoff.CodeOf(err) != bakeoff.CodeConflict {
			return err
		}
	}
}

// storm has four goroutines drive n runs each, of two pipelines, at most until stop is called, which
// returns when they have ended and says how many runs there were. The reason is that of one's runs.
func storm(t *testing.T, s *store.Store, n int, reason string) (ended <-chan struct{}, stop func() int) {
	t.Helper()
	halt, done := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	var driven atomic.Int64
	for p := range 4 {
		all.Go(func() {
			why := "short"
			if p == 0 {
				why = reason
			}
			for i := range n {
				select {
				case <-halt:
					return
				default:
				}
				if err := driveFor(t.Context(), s, fmt.Sprintf("p%d", p%2), fmt.Sprintf("p%d-storm-%d-%d", p%2, p, i), time.Now(), why); err != nil {
					t.Error(err)
					return
				}
				driven.Add(1)
			}
		})
	}
	go func() {
		all.Wait()
		close(done)
	}()
	return done, func() int {
		close(halt)
		<-done
		return int(driven.Load())
	}
}

// checkWhole checks that a store is in a state that a crash could have left: no record lacks its
// object, no run has ended without its verdict, and no decision is torn.
func checkWhole(t *testing.T, s *store.Store) (runs, versions int) {
	t.Helper()
	ctx := t.Context()
	object := func(user string, digest bakeoff.Digest) {
		if _, err := s.GetBytes(ctx, digest); err != nil {
			t.Errorf("%s: %v", user, err)
		}
	}
	for _, r := range must(s.Runs(ctx))(t) {
		runs++
		if _, err := s.Pipeline(ctx, r.Pipeline, r.Revision); err != nil {
			t.Errorf("run %s has no pipeline: %v", r.ID, err)
		}
		if r.Snapshot != nil {
			object(r.ID, r.Snapshot.Train)
			object(r.ID, r.Snapshot.Holdout)
			if r.Snapshot.Fingerprint != "" { // old backups have none
				object(r.ID, r.Snapshot.Fingerprint)
			}
		}
		if r.Decision != nil {
			object(r.ID, r.Decision.Answers)
		}
		for _, trial := range r.Trials {
			object(r.ID, trial.Artifact)
			object(r.ID, trial.Log)
		}
		if _, err := s.Verdict(ctx, r.Pipeline, r.ID); err != nil && r.Phase == bakeoff.PhaseEnded {
			t.Errorf("run %s has ended without a verdict: %v", r.ID, err)
		}
	}
	for _, m := range must(s.Models(ctx))(t) {
		vs := must(s.Versions(ctx, m.Name))(t)
		if len(vs) != m.Latest {
			t.Errorf("model %s is at v%d and has %d versions", m.Name, m.Latest, len(vs))
		}
		for _, v := range vs {
			if _, err := s.Verdict(ctx, m.Name, v.Lineage.Run); err != nil {
				t.Errorf("v%d of %s has no verdict: %v", v.Version, m.Name, err)
			}
			if !v.Released.IsZero() {
				continue
			}
			versions++
			seen := v.Lineage.Snapshot.Fingerprint
			if seen == "" {
				seen = v.Lineage.Snapshot.Train
			}
			for _, digest := range []bakeoff.Digest{v.Artifact, v.Golden, seen} {
				object(fmt.Sprintf("v%d of %s", v.Version, m.Name), digest)
			}
		}
	}
	return runs, versions
}

func backUp(t *testing.T, s *store.Store) ([]byte, store.Summary) {
	t.Helper()
	var b bytes.Buffer
	summary, err := s.Backup(t.Context(), &b, "v0")
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), summary
}

// entries reads a backup with nothing but tar.
func entries(t *testing.T, archive []byte) map[string]string {
	t.Helper()
	all := map[string]string{}
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all[header.Name] = string(must(io.ReadAll(r))(t))
	}
}

func TestABackupMadeDuringAStormRestoresToAWholeStore(t *testing.T) {
	s, _ := storetest.Open(t)
	_, stop := storm(t, s, 100, long)
	var archive []byte
	var summary store.Summary
	for summary.Records < 50 { // in the middle of it
		archive, summary = backUp(t, s)
	}
	driven := stop()
	if got := must(store.Verify(bytes.NewReader(archive)))(t); got != summary {
		t.Errorf("a look at the backup says\n%+v, its making said\n%+v", got, summary)
	}

	restored, _ := storetest.Open(t)
	if got := must(restored.Restore(t.Context(), bytes.NewReader(archive)))(t); got != summary {
		t.Errorf("the restore says\n%+v, the backup said\n%+v", got, summary)
	}
	runs, versions := checkWhole(t, restored)
	if runs == 0 || versions == 0 {
		t.Errorf("%d runs and %d versions in the restored store", runs, versions)
	}
	t.Logf("of %d runs in all, the backup has %d, and %d versions; %d records and %d objects of %d bytes", driven, runs, versions, summary.Records, summary.Objects, summary.Bytes)
}

func TestARestoredStoreIsTheStore(t *testing.T) {
	s, _ := storetest.Open(t)
	for i := range 3 {
		if err := drive(t.Context(), s, "churn", fmt.Sprintf("churn-%d", i), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	sealed := must(s.JoinKey(t.Context()))(t)
	want, _ := backUp(t, s)
	restored, _ := storetest.Open(t)
	if _, err := restored.Restore(t.Context(), bytes.NewReader(want)); err != nil {
		t.Fatal(err)
	}
	if key := must(restored.JoinKey(t.Context()))(t); !bytes.Equal(key, sealed) {
		t.Error("the key of leases is another")
	}
	got, _ := backUp(t, restored)
	w, g := entries(t, want), entries(t, got)
	for _, name := range []string{"manifest.json", "end.json"} { // they have the time in them
		delete(w, name)
		delete(g, name)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("a backup of the restored store (-first +second):\n%s", diff)
	}
	if len(w) < 3*(1+4+2+1+7) {
		t.Errorf("only %d entries", len(w))
	}
	if err := drive(t.Context(), restored, "churn", "churn-3", time.Now()); err != nil {
		t.Errorf("the restored store goes on: %v", err)
	}
	_, err := restored.Restore(t.Context(), bytes.NewReader(want))
	wantCode(t, "a restore into a store that is not empty", err, bakeoff.CodeConflict)
	if bakeoff.HintOf(err) == "" {
		t.Error("no hint")
	}
}

// TestEveryBucketIsInTheBackup fails for a bucket that was added without a thought for backups.
func TestEveryBucketIsInTheBackup(t *testing.T) {
	left := map[string]bool{"OBJ_objects": true} // by what the records refer to
	for _, name := range []string{"tasks", "events"} {
		left[name] = true // not in it, as Backup says
	}
	for _, bucket := range store.BackupBuckets() {
		left["KV_"+bucket] = true
	}
	s, _ := storetest.Open(t)
	names := s.JetStream().StreamNames(t.Context())
	for name := range names.Name() {
		if !left[name] {
			t.Errorf("stream %s is not in backups", name)
		}
	}
	if names.Err() != nil {
		t.Error(names.Err())
	}
}

func TestADamagedObjectIsNamedWithWhoeverNeedsIt(t *testing.T) {
	s, _ := storetest.Open(t)
	ctx := t.Context()
	if err := drive(ctx, s, "churn", "churn-a", time.Now()); err != nil {
		t.Fatal(err)
	}
	run, _, err := s.Run(ctx, "churn-a")
	if err != nil {
		t.Fatal(err)
	}
	objects := must(s.JetStream().ObjectStore(ctx, "objects"))(t)
	check := func(what string, digest bakeoff.Digest) {
		t.Helper()
		_, err := s.Backup(ctx, io.Discard, "v0")
		wantCode(t, what, err, bakeoff.CodeUnavailable)
		if err != nil && (!strings.Contains(err.Error(), string(digest)) || !strings.Contains(err.Error(), "runs/churn-a")) {
			t.Errorf("%s: %v names neither object nor run", what, err)
		}
	}
	digest := run.Trials[1].Log
	if _, err := objects.PutString(ctx, string(digest), "something else"); err != nil {
		t.Fatal(err)
	}
	check("an object with another content", digest)
	if err := objects.Delete(ctx, string(digest)); err != nil {
		t.Fatal(err)
	}
	check("an object that is gone", digest)
}

func TestABackupThatCannotBeWrittenSaysSo(t *testing.T) {
	s, _ := storetest.Open(t)
	if err := drive(t.Context(), s, "churn", "churn-a", time.Now()); err != nil {
		t.Fatal(err)
	}
	full := errors.New("no space left on device")
	_, err := s.Backup(t.Context(), &shortWriter{room: 20 << 10, err: full}, "v0")
	if !errors.Is(err, full) || strings.Contains(err.Error(), "refers to") {
		t.Errorf("error %v, want one about the disk and not about an object", err)
	}
}

type shortWriter struct {
	room int
	err  error
}

func (w *shortWriter) Write(p []byte) (int, error) {
	if w.room -= len(p); w.room < 0 {
		return 0, w.err
	}
	return len(p), nil
}

// goodArchive is a small backup as Backup writes it: a pipeline, a run, its objects, a version.
func goodArchive(tb testing.TB) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "good.tar"))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// TestOldBackupsAreStillRead keeps a backup that an earlier program wrote.
func TestOldBackupsAreStillRead(t *testing.T) {
	if os.Getenv("BAKEOFF_UPDATE") != "" {
		s, _ := storetest.Open(t)
		if err := driveFor(t.Context(), s, "churn", "churn-a", time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC), "first champion"); err != nil {
			t.Fatal(err)
		}
		archive, _ := backUp(t, s)
		if err := os.WriteFile(filepath.Join("testdata", "good.tar"), archive, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, _ := storetest.Open(t)
	if _, err := s.Restore(t.Context(), bytes.NewReader(goodArchive(t))); err != nil {
		t.Fatal(err)
	}
	if runs, versions := checkWhole(t, s); runs != 1 || versions != 1 {
		t.Errorf("%d runs and %d versions, want one of each", runs, versions)
	}
}

func TestAnAlteredBackupIsRefused(t *testing.T) {
	good := goodArchive(t)
	want := must(store.Verify(bytes.NewReader(good)))(t)
	for cut := 0; cut < len(good)-3*512; cut += 641 { // the last entry's block is full of zeros, and so are two after it
		_, err := store.Verify(bytes.NewReader(good[:cut]))
		wantCode(t, fmt.Sprintf("cut off at %d", cut), err, bakeoff.CodeInvalid)
	}
	for at := 0; at < len(good); at += 127 {
		altered := bytes.Clone(good)
		altered[at] ^= 0x20
		got, err := store.Verify(bytes.NewReader(altered))
		if err == nil && got != want {
			t.Errorf("altered at %d: %+v, want an error or %+v", at, got, want)
		}
	}
	s, _ := storetest.Open(t)
	_, err := s.Restore(t.Context(), bytes.NewReader(good[:len(good)-3<<10]))
	wantCode(t, "a restore of a backup that was cut off", err, bakeoff.CodeInvalid)
}

// archiveOf writes entries without ever an end, for mistakes that come before it.
func archiveOf(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	manifest := must(json.Marshal(map[string]any{"format": 1, "bakeoff": "v0"}))(t)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "manifest.json", Size: int64(len(manifest))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(manifest); err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 && h.Size < 1<<20 {
			if _, err := w.Write(make([]byte, h.Size)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return b.Bytes()
}

func TestAHostileArchiveIsRefused(t *testing.T) {
	for what, test := range map[string]struct {
		header tar.Header
		want   string
	}{
		"a link":                  {tar.Header{Typeflag: tar.TypeSymlink, Name: "records/runs/a", Linkname: "/etc/passwd"}, "not a plain file"},
		"a path that leads out":   {tar.Header{Typeflag: tar.TypeReg, Name: "records/runs/../../x", Size: 2}, "names no record"},
		"an unknown bucket":       {tar.Header{Typeflag: tar.TypeReg, Name: "records/secrets/a", Size: 2}, "names no record"},
		"a wildcard for a key":    {tar.Header{Typeflag: tar.TypeReg, Name: "records/runs/>", Size: 2}, "names no record"},
		"a record of a gigabyte":  {tar.Header{Typeflag: tar.TypeReg, Name: "records/runs/a", Size: 1 << 30}, "more than the 1048576"},
		"a record that is zeros":  {tar.Header{Typeflag: tar.TypeReg, Name: "records/runs/a", Size: 9}, "not JSON"},
		"an object of no name":    {tar.Header{Typeflag: tar.TypeReg, Name: "objects/abc", Size: 1}, "names no object"},
		"an object's other bytes": {tar.Header{Typeflag: tar.TypeReg, Name: "objects/" + strings.Repeat("a", 64), Size: 1}, "is damaged"},
		"something else":          {tar.Header{Typeflag: tar.TypeReg, Name: "README", Size: 1}, "neither a record nor an object"},
		"a sparse file": {tar.Header{
			Typeflag: tar.TypeReg, Name: "objects/" + strings.Repeat("a", 64), Format: tar.FormatPAX,
			PAXRecords: map[string]string{"BAKEOFF.sparse": "1"},
		}, "which no backup has"},
	} {
		_, err := store.Verify(bytes.NewReader(archiveOf(t, test.header)))
		wantCode(t, what, err, bakeoff.CodeInvalid)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", what, err, test.want)
		}
	}
	newer := bytes.Replace(goodArchive(t), []byte(`"format":1`), []byte(`"format":2`), 1)
	_, err := store.Verify(bytes.NewReader(newer))
	if err == nil || !strings.Contains(err.Error(), "format 2") {
		t.Errorf("a backup of a newer format: %v", err)
	}
}

// FuzzRestore reads archives of any content as a restore does. One that is accepted is whole: every
// object in it was read and has its digest, and reading it again says the same.
func FuzzRestore(f *testing.F) {
	good := goodArchive(f)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte("PK\x03\x04"))
	f.Fuzz(func(t *testing.T, archive []byte) {
		first, err := store.Verify(bytes.NewReader(archive))
		if err != nil {
			if bakeoff.CodeOf(err) != bakeoff.CodeInvalid || bakeoff.HintOf(err) == "" {
				t.Errorf("error %v has code %s and hint %q", err, bakeoff.CodeOf(err), bakeoff.HintOf(err))
			}
			return
		}
		if second := must(store.Verify(bytes.NewReader(archive)))(t); second != first {
			t.Errorf("read twice: %+v and %+v", first, second)
		}
		if first.Bytes > int64(len(archive)) {
			t.Errorf("%d bytes in an archive of %d", first.Bytes, len(archive))
		}
	})
}
