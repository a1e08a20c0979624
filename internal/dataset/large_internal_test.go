package dataset

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
)

// writeLate writes a file of several blocks whose columns turn out to be categories late, and one of
// which has more text than a dictionary takes.
func writeLate(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("code,late,name,x,when,y\n")
	for i := range 60_000 {
		late := fmt.Sprint(i % 50)
		if i > 50_000 {
			late = "none"
		}
		fmt.Fprintf(&b, "0%d,%s,\"the name, or \"\"title\"\", number %d\",%d.5,2024-01-%02d,%d\n", i%7, late, i%40_000, i, 1+i%28, i%3)
	}
	path := filepath.Join(t.TempDir(), "data.csv")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func lateSource(t *testing.T) Source {
	return Source{Path: writeLate(t), Target: "y", Split: bakeoff.Split{Holdout: 0.2, By: bakeoff.SplitByHash, Seed: 1}}
}

// A file that is read anew for each pass gives the bytes that one gives which is kept in memory, and
// how far that is never falls.
func TestALargeFileIsFrozenLikeASmallOne(t *testing.T) {
	s := lateSource(t)
	dir := t.TempDir()
	freeze := func(keep int64) bakeoff.Snapshot {
		var shares []float64
		s.Progress = func(share float64) { shares = append(shares, share) }
		snapshot, err := frame(t.Context(), s, [3]string{inTrain: filepath.Join(dir, "train"), inHoldout: filepath.Join(dir, "holdout")}, keep)
		if err != nil {
			t.Fatal(err)
		}
		if keep == 0 && (len(shares) < 10 || !slices.IsSorted(shares) || shares[len(shares)-1] > 1) {
			t.Errorf("told of the shares %v", shares)
		}
		return snapshot
	}
	small, large := freeze(keptBytes), freeze(0)
	if d := cmp.Diff(small, large); d != "" {
		t.Errorf("-small +large:\n%s", d)
	}
	for i, kind := range []bakeoff.Kind{bakeoff.KindCategory, bakeoff.KindCategory, bakeoff.KindCategory, bakeoff.KindNumber, bakeoff.KindDate} {
		if c := large.Schema.Columns[i]; c.Kind != kind {
			t.Errorf("column %s is %s, want %s", c.Name, c.Kind, kind)
		}
	}
	if n := len(large.Schema.Columns[1].Categories); n != 51 {
		t.Errorf("%d categories, want 51", n)
	}
}

func TestAFileThatChangesBetweenTwoPassesIsRefused(t *testing.T) {
	for name, change := range map[string]func(text string) string{
		"cell":       func(text string) string { return strings.Replace(text, ",none,", ",nobody,", 1) },
		"row more":   func(text string) string { return text + "01,1,n,1.5,2024-01-01,1\n" },
		"row less":   func(text string) string { return text[:strings.LastIndex(strings.TrimSpace(text), "\n")+1] },
		"other name": func(text string) string { return strings.Replace(text, "code", "kode", 1) },
	} {
		s := lateSource(t)
		changed := false
		s.Progress = func(share float64) {
			if changed || share < settleFrom-0.001 {
				return
			}
			changed = true
			text, err := os.ReadFile(s.Path)
			if err == nil {
				err = os.WriteFile(s.Path, []byte(change(string(text))), 0o600)
			}
			if err != nil {
				t.Error(err)
			}
		}
		_, err := frame(t.Context(), s, [3]string{}, 0)
		if bakeoff.CodeOf(err) != bakeoff.CodeInvalid || !strings.Contains(err.Error(), "the file changed while it was read") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestAPartIsReadInGroups(t *testing.T) {
	s := lateSource(t)
	s.Split.Holdout = 0.5
	dir := t.TempDir()
	path := filepath.Join(dir, "train")
	snapshot, err := Freeze(t.Context(), s, path, filepath.Join(dir, "holdout"))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := ReadParquet(t.Context(), path, snapshot.Schema)
	if err != nil {
		t.Fatal(err)
	}
	p, err := OpenPart(path, snapshot.Schema)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for i := range whole.Table.Columns {
		c, err := p.Column(i)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(whole.Table.Columns[i], c); d != "" {
			t.Errorf("column %d:\n%s", i, d)
		}
	}
	rows := 0
	for i := range p.Groups() {
		g, before, err := p.Group(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		if before != rows {
			t.Errorf("group %d has %d rows before it, want %d", i, before, rows)
		}
		for row := range g.Rows {
			if want, got := whole.Table.Columns[2].text(before+row), g.Columns[2].text(row); want != got {
				t.Fatalf("row %d: %q, want %q", before+row, got, want)
			}
		}
		rows += g.Rows
	}
	if rows != whole.Table.Rows || p.Rows() != rows {
		t.Errorf("%d rows in groups, want %d", rows, whole.Table.Rows)
	}
}

func TestAPartIsWrittenLikeItsRows(t *testing.T) {
	s := lateSource(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "train")
	snapshot, err := Freeze(t.Context(), s, path, filepath.Join(dir, "holdout"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := ReadParquet(t.Context(), path, snapshot.Schema)
	if err != nil {
		t.Fatal(err)
	}
	p, err := OpenPart(path, snapshot.Schema)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var want, got bytes.Buffer
	if err := WriteCSV(&want, rows, snapshot.Schema); err != nil {
		t.Fatal(err)
	}
	if err := p.WriteCSV(t.Context(), &got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want.Bytes(), got.Bytes()) {
		t.Error("the text of the part is not that of its rows")
	}
}
