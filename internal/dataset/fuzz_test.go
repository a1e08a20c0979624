package dataset_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// bounded runs work on an input and fails if it allocates out of proportion to the input's size.
func bounded(t *testing.T, size int, work func()) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	work()
	runtime.ReadMemStats(&after)
	if used, limit := after.TotalAlloc-before.TotalAlloc, uint64(64<<20+1000*size); used > limit {
		t.Errorf("%d bytes were allocated for an input of %d", used, size)
	}
}

// FuzzCSV gives any bytes to everything that reads CSV: there is a snapshot that adds up and whose
// rows read back as they were, or an error that a person can act on.
func FuzzCSV(f *testing.F) {
	for _, bad := range badSources() {
		if len(bad.text) < 1<<12 {
			f.Add([]byte(bad.text))
		}
	}
	f.Add([]byte(everyKind))
	f.Add([]byte("x;y\r\n1;\"a\"\"b\"\r\n2;c\r\n"))
	s := dataset.Source{Path: filepath.Join(f.TempDir(), "data.csv"), Target: "y", Split: bakeoff.Split{Holdout: 0.5, By: bakeoff.SplitByHash}}
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(s.Path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		bounded(t, len(text), func() {
			snapshot, err := dataset.Inspect(t.Context(), s)
			if err != nil {
				if bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
					t.Fatalf("error %v of code %q", err, bakeoff.CodeOf(err))
				}
				return
			}
			if r := snapshot.Rows; r.Train < 1 || r.Holdout < 1 || r.SetAside != r.MissingTarget {
				t.Fatalf("rows %+v", r)
			}
			readAgain(t, s, snapshot)
		})
	})
}

// readAgain freezes a source that Inspect took, and scores it by its own schema.
func readAgain(t *testing.T, s dataset.Source, snapshot bakeoff.Snapshot) {
	t.Helper()
	f := freezeInto(t, s, filepath.Dir(s.Path))
	if f.train.Table.Rows != snapshot.Rows.Train || f.holdout.Table.Rows != snapshot.Rows.Holdout {
		t.Fatalf("parts of %d and %d rows, want %+v", f.train.Table.Rows, f.holdout.Table.Rows, snapshot.Rows)
	}
	rows, err := dataset.FromRows(f.Schema, f.train.Table.ToRows(0, f.train.Table.Rows))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(f.train.Table, rows, cmpopts.EquateNaNs()); d != "" {
		t.Fatalf("training rows are not the same as JSON rows:\n%s", d)
	}
	r, err := dataset.OpenCSV(s.Path, f.Schema, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	count := 0
	for {
		table, raw, err := next(t, r, 7)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if table.Rows != len(raw) {
			t.Fatalf("%d rows and %d raw ones", table.Rows, len(raw))
		}
		count += table.Rows
	}
	if want := snapshot.Rows.Train + snapshot.Rows.Holdout + snapshot.Rows.SetAside; count != want {
		t.Fatalf("%d rows to score, want %d", count, want)
	}
}

// FuzzParquet gives any bytes to the reader of frozen parts. Without the right seal it must refuse
// them, and the fuzzer will not find one but by keeping the seed.
func FuzzParquet(f *testing.F) {
	path := filepath.Join(f.TempDir(), "data.csv")
	if err := os.WriteFile(path, []byte(everyKind), 0o600); err != nil {
		f.Fatal(err)
	}
	s := dataset.Source{Path: path, Target: "y", Split: bakeoff.Split{By: bakeoff.SplitByColumn, Column: "side"}}
	whole := freeze(f, s)
	seed := readFile(f, whole.trainPath)
	f.Add(seed)
	f.Add([]byte("PAR1PAR1"))
	f.Add([]byte("PAR1bakeoff1\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00PAR1"))
	part := filepath.Join(f.TempDir(), "part")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(part, b, 0o600); err != nil {
			t.Fatal(err)
		}
		bounded(t, len(b), func() {
			_, err := dataset.ReadParquet(t.Context(), part, whole.Schema)
			if (err == nil) != (string(b) == string(seed)) {
				t.Errorf("error %v for %d bytes", err, len(b))
			}
			_, _ = dataset.ReadIdentities(part)
		})
	})
}

// FuzzJSONRows gives any JSON rows to FromRows: what it takes comes back the same.
func FuzzJSONRows(f *testing.F) {
	f.Add([]byte(`[{"age": 1, "rate": 1e300, "active": false, "since": "2024-01-02 03:04:05.123456", "city": null}]`))
	f.Add([]byte(`[{"age": null, "rate": null, "active": null, "since": null}, {}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var rows []map[string]any
		if json.Unmarshal(text, &rows) != nil {
			return
		}
		table, err := dataset.FromRows(everySchema, rows)
		if err != nil {
			if bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
				t.Fatalf("error %v of code %q", err, bakeoff.CodeOf(err))
			}
			return
		}
		again, err := dataset.FromRows(everySchema, table.ToRows(0, table.Rows))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(table, again, cmpopts.EquateNaNs()); d != "" {
			t.Errorf("the rows changed:\n%s", d)
		}
	})
}
