package dataset_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const telco = "../../examples/churn/telco_churn.csv"

// write puts text into a file of its own.
func write(tb testing.TB, text string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "data.csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// source is a file with target y, whose column "side" says on which side a row is.
func source(tb testing.TB, text string) dataset.Source {
	tb.Helper()
	return dataset.Source{
		Path: write(tb, text), Target: "y",
		Split: bakeoff.Split{By: bakeoff.SplitByColumn, Column: "side"},
	}
}

// sided builds a file with the columns x, y and side from a text of lines "x y".
func sided(train, holdout string) string {
	var b strings.Builder
	b.WriteString("x,y,side\n")
	for _, part := range [...]struct{ lines, side string }{{train, "train"}, {holdout, "test"}} {
		for line := range strings.Lines(part.lines) {
			b.WriteString(strings.ReplaceAll(strings.TrimSpace(line), " ", ",") + "," + part.side + "\n")
		}
	}
	return b.String()
}

func inspect(tb testing.TB, s dataset.Source) bakeoff.Snapshot {
	tb.Helper()
	snapshot, err := dataset.Inspect(tb.Context(), s)
	if err != nil {
		tb.Fatalf("inspect: %v (hint: %s)", err, bakeoff.HintOf(err))
	}
	return snapshot
}

// frozen is a source after Freeze, with both parts read back.
type frozen struct {
	bakeoff.Snapshot
	trainPath, holdoutPath string
	train, holdout         *dataset.Rows
}

func freeze(tb testing.TB, s dataset.Source) frozen {
	tb.Helper()
	return freezeInto(tb, s, tb.TempDir())
}

func freezeInto(tb testing.TB, s dataset.Source, dir string) frozen {
	tb.Helper()
	f := frozen{trainPath: filepath.Join(dir, "train"), holdoutPath: filepath.Join(dir, "holdout")}
	var err error
	if f.Snapshot, err = dataset.Freeze(tb.Context(), s, f.trainPath, f.holdoutPath); err != nil {
		tb.Fatalf("freeze: %v (hint: %s)", err, bakeoff.HintOf(err))
	}
	if f.train, err = dataset.ReadParquet(tb.Context(), f.trainPath, f.Schema); err != nil {
		tb.Fatal(err)
	}
	if f.holdout, err = dataset.ReadParquet(tb.Context(), f.holdoutPath, f.Schema); err != nil {
		tb.Fatal(err)
	}
	return f
}

// diff compares want and got, taking a missing value as equal to itself.
func diff(tb testing.TB, what string, want, got any) {
	tb.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateNaNs()); d != "" {
		tb.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// golden compares got with a file in testdata, or rewrites the file.
func golden(tb testing.TB, name, got string) {
	tb.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	diff(tb, path, string(want), got)
}

func readFile(tb testing.TB, path string) []byte {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}
