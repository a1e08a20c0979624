package dataset_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

func TestTelcoChurn(t *testing.T) {
	f := freeze(t, dataset.Source{Path: telco, Target: "churn", Split: byHash(1)})
	if n := f.Rows.Train + f.Rows.Holdout; n != 7043 || f.Rows.SetAside != 0 {
		t.Errorf("%d rows in the parts and %d set aside, want 7043 and 0", n, f.Rows.SetAside)
	}
	if f.Rows.Holdout < 1300 || f.Rows.Holdout > 1500 {
		t.Errorf("%d holdout rows, want about 1409", f.Rows.Holdout)
	}
	if f.train.Table.Rows != f.Rows.Train || f.holdout.Table.Rows != f.Rows.Holdout {
		t.Errorf("files of %d and %d rows, described as %+v", f.train.Table.Rows, f.holdout.Table.Rows, f.Rows)
	}
	diff(t, "classes", []string{"No", "Yes"}, f.Schema.Classes)
	if f.Schema.Task != bakeoff.Binary {
		t.Errorf("task %q, want binary", f.Schema.Task)
	}
	missing := 0
	for _, part := range []*dataset.Table{f.train.Table, f.holdout.Table} {
		c := part.Column("total_charges")
		for row := range part.Rows {
			if c.Missing(row) {
				missing++
			}
		}
	}
	if missing != 11 {
		t.Errorf("%d rows without total_charges, want 11", missing)
	}
	for name, want := range map[string]bakeoff.Kind{
		"tenure": bakeoff.KindInteger, "contract": bakeoff.KindCategory, "monthly_charges": bakeoff.KindNumber,
	} {
		if c := f.train.Table.Column(name); c == nil || c.Kind != want {
			t.Errorf("column %s: %+v, want kind %s", name, c, want)
		}
	}
}

func TestInspectFindsWhatFreezeWrites(t *testing.T) {
	s := dataset.Source{Path: telco, Target: "churn", Split: byHash(3)}
	want := freeze(t, s).Snapshot
	for _, digest := range []bakeoff.Digest{want.Digest, want.Train, want.Holdout} {
		if !digest.Valid() {
			t.Errorf("digest %q", digest)
		}
	}
	want.Digest, want.Train, want.Holdout = "", "", ""
	diff(t, "inspected", want, inspect(t, s))
}

func TestFreezeIsDeterministic(t *testing.T) {
	s := dataset.Source{Path: telco, Target: "churn", Split: byHash(1)}
	a := freeze(t, s)
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	b := freeze(t, s)
	diff(t, "snapshot", a.Snapshot, b.Snapshot)
	if !bytes.Equal(readFile(t, a.trainPath), readFile(t, b.trainPath)) {
		t.Error("the same rows gave two training files")
	}
	if got := bakeoff.DigestOf(readFile(t, a.holdoutPath)); got != a.Holdout {
		t.Errorf("holdout digest %s, the file has %s", a.Holdout, got)
	}
	s.Split.Seed = 2
	if c := freeze(t, s); c.Digest == a.Digest || c.Train == a.Train {
		t.Error("another seed gave the same digests")
	}
}

const everyKind = `number,integer,boolean,category,date,time,y,side
1.5,1,true,red,2024-01-02,2024-01-02 03:04:05.25,No,train
-1e5,-2,FALSE,"a ""b"", c",1969-12-31,2024-01-02T03:04:05+09:00,Yes,train
?,NA,,null,NaN,2024-01-02 03:04,Yes,train
inf,9007199254740991,True, green ,9999-12-31,0001-01-01T00:00:00Z,No,test
.5,+7,false,red,2024-02-29,2024-01-02T03:04:05.999999Z,Yes,test
`

func TestEveryKindSurvivesTheParquetFile(t *testing.T) {
	f := freeze(t, source(t, everyKind))
	nan := math.NaN()
	want := &dataset.Table{Rows: 3, Columns: []dataset.Column{
		{Name: "number", Kind: bakeoff.KindNumber, Numbers: []float64{1.5, -1e5, nan}},
		{Name: "integer", Kind: bakeoff.KindInteger, Numbers: []float64{1, -2, nan}},
		{Name: "boolean", Kind: bakeoff.KindBoolean, Numbers: []float64{1, 0, nan}},
		{Name: "category", Kind: bakeoff.KindCategory, Codes: []int32{1, 0, -1}, Levels: []string{`a "b", c`, "red"}},
		{Name: "date", Kind: bakeoff.KindDate, Numbers: []float64{1704153600, -86400, nan}},
		{Name: "time", Kind: bakeoff.KindDate, Numbers: []float64{1704164645.25, 1704132245, 1704164640}},
	}}
	diff(t, "training rows", want, f.train.Table)
	diff(t, "training labels", bakeoff.Labels{Classes: []string{"No", "Yes"}, Codes: []int32{0, 1, 1}}, f.train.Labels)
	want = &dataset.Table{Rows: 2, Columns: []dataset.Column{
		{Name: "number", Kind: bakeoff.KindNumber, Numbers: []float64{nan, .5}},
		{Name: "integer", Kind: bakeoff.KindInteger, Numbers: []float64{1<<53 - 1, 7}},
		{Name: "boolean", Kind: bakeoff.KindBoolean, Numbers: []float64{1, 0}},
		{Name: "category", Kind: bakeoff.KindCategory, Codes: []int32{0, 1}, Levels: []string{"green", "red"}},
		{Name: "date", Kind: bakeoff.KindDate, Numbers: []float64{253402214400, 1709164800}},
		{Name: "time", Kind: bakeoff.KindDate, Numbers: []float64{-62135596800, 1704164645.999999}},
	}}
	diff(t, "holdout", want, f.holdout.Table)
	diff(t, "notes", []string{`column "number": 1 values are not finite and taken as missing`}, f.Notes)
	diff(t, "schema", []bakeoff.ColumnSchema{
		{Name: "number", Kind: bakeoff.KindNumber, Missing: true},
		{Name: "integer", Kind: bakeoff.KindInteger, Missing: true},
		{Name: "boolean", Kind: bakeoff.KindBoolean, Missing: true},
		{Name: "category", Kind: bakeoff.KindCategory, Categories: []string{`a "b", c`, "red"}, Missing: true},
		{Name: "date", Kind: bakeoff.KindDate, Missing: true},
		{Name: "time", Kind: bakeoff.KindDate},
	}, f.Schema.Columns)
}

func TestWriteCSV(t *testing.T) {
	f := freeze(t, source(t, everyKind))
	var b bytes.Buffer
	for _, part := range []*dataset.Rows{f.train, f.holdout} {
		if err := dataset.WriteCSV(&b, part, f.Schema); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "every_kind.csv", b.String())
}

// What WriteCSV writes is what it was given, so that a trainer that reads it sees the frozen rows.
func TestWrittenCSVReadsBack(t *testing.T) {
	f := freeze(t, dataset.Source{Path: telco, Target: "churn", Split: byHash(1)})
	var b bytes.Buffer
	if err := dataset.WriteCSV(&b, f.train, f.Schema); err != nil {
		t.Fatal(err)
	}
	r, err := dataset.OpenCSV(write(t, b.String()), f.Schema, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	table, raw, err := next(t, r, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "rows", f.train.Table, table)
	if want := append(columnNames(f.Schema), "churn"); !slices.Equal(r.Header(), want) || len(raw[0]) != len(want) {
		t.Errorf("header %q, want %q", r.Header(), want)
	}
}

func columnNames(s bakeoff.Schema) []string {
	var names []string
	for _, c := range s.Columns {
		names = append(names, c.Name)
	}
	return names
}

func TestReadIdentities(t *testing.T) {
	f := freeze(t, dataset.Source{Path: telco, Target: "churn", Split: byHash(1)})
	ids, err := dataset.ReadIdentities(f.trainPath)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "identities", f.train.Identity, ids)
	train := make(map[uint64]bool)
	for _, id := range ids {
		train[id] = true
	}
	for _, id := range f.holdout.Identity {
		if train[id] {
			t.Fatalf("identity %x is on both sides", id)
		}
	}
}

func TestManyRowGroupsAndLongTexts(t *testing.T) {
	var b strings.Builder
	b.WriteString("x,text,y,side\n")
	long := strings.Repeat("long ", 400)
	for i := range 140_000 {
		b.WriteString("1,")
		if i%200 == 0 {
			b.WriteString(long)
		}
		b.WriteString("t" + string(rune('a'+i%26)) + ",")
		b.WriteString([]string{"0,train\n", "1,train\n", "0,test\n", "1,test\n"}[i%4])
	}
	f := freeze(t, source(t, b.String()))
	if f.train.Table.Rows != 70_000 || f.holdout.Table.Rows != 70_000 {
		t.Fatalf("rows %+v", f.Rows)
	}
	c := f.train.Table.Column("text")
	if got := c.Levels[c.Codes[200/4*2]]; got != long+"t"+string(rune('a'+200%26)) {
		t.Errorf("row 200 reads %.20q", got)
	}
}

func TestACancelledContextStopsTheWork(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("changed my mind")
	cancel(why)
	s := dataset.Source{Path: telco, Target: "churn", Split: byHash(1)}
	if _, err := dataset.Inspect(ctx, s); !errors.Is(err, why) {
		t.Errorf("inspect: %v, want the cause", err)
	}
	f := freeze(t, s)
	if _, err := dataset.ReadParquet(ctx, f.trainPath, f.Schema); !errors.Is(err, why) {
		t.Errorf("read: %v, want the cause", err)
	}
}

func TestFreezeNamesTheFolderThatIsNotThere(t *testing.T) {
	s := dataset.Source{Path: telco, Target: "churn", Split: byHash(1)}
	_, err := dataset.Freeze(t.Context(), s, filepath.Join(t.TempDir(), "no", "train"), filepath.Join(t.TempDir(), "holdout"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want one that wraps os.ErrNotExist", err)
	}
}

// Every damaged byte of a frozen part is noticed, and none of them makes the reader panic.
func TestADamagedPartIsAnError(t *testing.T) {
	f := freeze(t, source(t, everyKind))
	whole := readFile(t, f.trainPath)
	path := filepath.Join(t.TempDir(), "damaged")
	check := func(what string, b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := dataset.ReadParquet(t.Context(), path, f.Schema); err == nil {
			t.Errorf("%s: no error", what)
		}
		if _, err := dataset.ReadIdentities(path); err == nil {
			t.Errorf("%s: identities without error", what)
		}
	}
	for i := range whole {
		damaged := slices.Clone(whole)
		damaged[i] ^= 0x10
		check(fmt.Sprintf("bit of byte %d of %d", i, len(whole)), damaged)
	}
	for _, n := range []int{0, 1, 7, 8, 12, len(whole) / 2, len(whole) - 1} {
		check(fmt.Sprintf("cut to %d bytes", n), whole[:n])
	}
	check("magic alone", []byte("PAR1PAR1"))
	check("two magics", []byte("PAR1\x00\x00\x00\x00PAR1"))
}

func TestReadParquetChecksTheSchema(t *testing.T) {
	f := freeze(t, source(t, everyKind))
	s := f.Schema
	s.Columns = append(slices.Clone(s.Columns), bakeoff.ColumnSchema{Name: "more", Kind: bakeoff.KindNumber})
	if _, err := dataset.ReadParquet(t.Context(), f.trainPath, s); err == nil || !strings.Contains(err.Error(), `no column "more"`) {
		t.Errorf("absent column: %v", err)
	}
	s.Columns = []bakeoff.ColumnSchema{{Name: "category", Kind: bakeoff.KindNumber}}
	if _, err := dataset.ReadParquet(t.Context(), f.trainPath, s); err == nil || !strings.Contains(err.Error(), `column "category" has type BYTE_ARRAY`) {
		t.Errorf("other kind: %v", err)
	}
}
