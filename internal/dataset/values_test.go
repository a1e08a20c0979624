package dataset_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// foreign is a row of a Parquet file as another program writes one.
type foreign struct {
	Age     *int32           `parquet:"age,optional"`
	Rate    float32          `parquet:"rate"`
	Active  *bool            `parquet:"active,optional"`
	Since   time.Time        `parquet:"since,timestamp(millisecond)"`
	City    *string          `parquet:"city,optional,dict"`
	Day     int32            `parquet:"day,date"`
	Moment  int64            `parquet:"moment,timestamp(nanosecond)"`
	Spark   deprecated.Int96 `parquet:"spark"`
	Price   int64            `parquet:"price,decimal(2:18)"`
	Count   uint32           `parquet:"count"`
	ID      [16]byte         `parquet:"id,uuid"`
	Nothing *float64         `parquet:"nothing,optional"`
	Names   string           `parquet:"names,json"`
}

func foreignRows() []foreign {
	age, yes, city := int32(40), true, "Rome"
	old, no, far := int32(-1), false, "Ulan, Bator"
	return []foreign{
		{
			Age: &age, Rate: 1.5, Active: &yes, Since: time.UnixMilli(1704153600_001), City: &city, Day: 19724, Moment: -1,
			Spark: deprecated.Int96{1_000_000, 0, 2_440_588}, Price: -5, Count: math.MaxUint32, ID: [16]byte{0x12, 15: 0xff}, Names: `["a"]`,
		},
		{Age: &old, Rate: float32(math.NaN()), Active: &no, City: &far, Since: time.Unix(0, 0), Price: 123456, Moment: 1_000},
		{Rate: float32(math.Inf(1)), Since: time.Unix(0, 0), Spark: deprecated.Int96{0, 0, 2_440_587}},
	}
}

// writeForeign writes rows so many times, in small pages and some row groups.
func writeForeign[T any](tb testing.TB, rows []T, times int, options ...parquet.WriterOption) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "rows.parquet")
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	w := parquet.NewGenericWriter[T](f, append([]parquet.WriterOption{parquet.PageBufferSize(256), parquet.MaxRowsPerRowGroup(100)}, options...)...)
	for range times {
		if _, err := w.Write(rows); err != nil {
			tb.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		tb.Fatal(err)
	}
	return path
}

const mostTables = 1000

// readRows returns all rows of a file as one text, and the tables of its batches.
func readRows(tb testing.TB, path string, schema bakeoff.Schema, limit int) (header []string, text string, tables []*dataset.Table, err error) {
	tb.Helper()
	format, err := dataset.FormatOf(path, "")
	if err != nil {
		tb.Fatal(err)
	}
	r, err := dataset.OpenRows(path, format, schema, nil)
	if err != nil {
		return nil, "", nil, err
	}
	defer func() { _ = r.Close() }()
	var out []byte
	for first := 1; len(tables) < mostTables; { // a few bytes may promise any number of rows without values
		b, err := r.Next(tb.Context(), limit)
		if errors.Is(err, io.EOF) {
			return r.Header(), string(out), tables, nil
		}
		if err != nil {
			return nil, "", nil, err
		}
		if b.First() != first || b.Rows() < 1 || b.Rows() > limit {
			tb.Fatalf("%d rows from row %d, want up to %d from row %d", b.Rows(), b.First(), limit, first)
		}
		first += b.Rows()
		t, err := b.Table()
		if err != nil {
			return nil, "", nil, err
		}
		tables = append(tables, t)
		for row := range b.Rows() {
			out = append(b.AppendCSV(out, row), '\n')
		}
	}
	return r.Header(), string(out), tables, nil
}

func TestForeignParquetIsReadByTheSchema(t *testing.T) {
	path := writeForeign(t, foreignRows(), 50)
	header, text, tables, err := readRows(t, path, everySchema, 3)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "header", "age,rate,active,since,city,day,moment,spark,price,count,id,nothing,names", strings.Join(header, ","))
	diff(t, "text", strings.Repeat(`40,1.5,true,2024-01-02T00:00:00.001Z,Rome,2024-01-02,1969-12-31T23:59:59.999999Z,1970-01-01T00:00:00.001Z,-0.05,4294967295,12000000-0000-0000-0000-0000000000ff,,"[""a""]"
-1,,false,1970-01-01,"Ulan, Bator",1970-01-01,1970-01-01T00:00:00.000001Z,-4713-11-24,1234.56,0,00000000-0000-0000-0000-000000000000,,
,+Inf,,1970-01-01,,1970-01-01,1970-01-01,1969-12-31,0.00,0,00000000-0000-0000-0000-000000000000,,
`, 50), text)
	nan := math.NaN()
	want := &dataset.Table{Rows: 3, Columns: []dataset.Column{
		{Name: "age", Kind: bakeoff.KindInteger, Numbers: []float64{40, -1, nan}},
		{Name: "rate", Kind: bakeoff.KindNumber, Numbers: []float64{1.5, nan, nan}},
		{Name: "active", Kind: bakeoff.KindBoolean, Numbers: []float64{1, 0, nan}},
		{Name: "since", Kind: bakeoff.KindDate, Numbers: []float64{1704153600.001, 0, 0}},
		{Name: "city", Kind: bakeoff.KindCategory, Codes: []int32{0, 1, -1}, Levels: []string{"Rome", "Ulan, Bator"}},
	}}
	for _, got := range tables {
		diff(t, "table", want, got)
	}
}

// Whatever type a column has, a column of the model is read from it if its values can stand for the kind's.
func TestForeignTypesStandForKinds(t *testing.T) {
	path := writeForeign(t, foreignRows()[:1], 1)
	for column, kinds := range map[string]map[bakeoff.Kind]float64{
		"age":     {bakeoff.KindNumber: 40, bakeoff.KindInteger: 40},
		"rate":    {bakeoff.KindNumber: 1.5},
		"active":  {bakeoff.KindNumber: 1, bakeoff.KindInteger: 1, bakeoff.KindBoolean: 1},
		"since":   {bakeoff.KindDate: 1704153600.001},
		"day":     {bakeoff.KindDate: 1704153600},
		"moment":  {bakeoff.KindDate: -0.000001},
		"spark":   {bakeoff.KindDate: 0.001},
		"price":   {bakeoff.KindNumber: -0.05},
		"count":   {bakeoff.KindNumber: math.MaxUint32, bakeoff.KindInteger: math.MaxUint32},
		"nothing": {bakeoff.KindNumber: math.NaN(), bakeoff.KindInteger: math.NaN(), bakeoff.KindBoolean: math.NaN(), bakeoff.KindDate: math.NaN()},
		"city":    {}, "id": {}, "names": {},
	} {
		for _, kind := range []bakeoff.Kind{bakeoff.KindNumber, bakeoff.KindInteger, bakeoff.KindBoolean, bakeoff.KindDate} {
			schema := bakeoff.Schema{Columns: []bakeoff.ColumnSchema{{Name: column, Kind: kind}}}
			_, _, tables, err := readRows(t, path, schema, 10)
			want, legal := kinds[kind]
			switch {
			case !legal:
				if err == nil || !strings.HasPrefix(err.Error(), path+`: row 1, column "`+column+`": `) || bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
					t.Errorf("%s as %s: error %v", column, kind, err)
				}
			case err != nil:
				t.Errorf("%s as %s: %v", column, kind, err)
			default:
				if d := cmp.Diff([]float64{want}, tables[0].Columns[0].Numbers, cmpopts.EquateNaNs()); d != "" {
					t.Errorf("%s as %s: %s", column, kind, d)
				}
			}
		}
	}
}

func TestParquetThatCannotBeScored(t *testing.T) {
	type nested struct {
		Age  int32    `parquet:"age"`
		List []string `parquet:"list"`
	}
	whole, err := os.ReadFile(writeForeign(t, foreignRows(), 1))
	if err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(t.TempDir(), "text.parquet")
	cut := filepath.Join(t.TempDir(), "cut.parquet")
	if err := errors.Join(os.WriteFile(text, []byte("age,rate\n"), 0o600), os.WriteFile(cut, whole[:len(whole)/2], 0o600)); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		writeForeign(t, []nested{{}}, 1): `column "list" is a list or a group`,
		text:                             "this is no Parquet file that can be read",
		cut:                              "this is no Parquet file that can be read",
		"no.parquet":                     "the file does not exist",
		writeForeign(t, []struct{ Age int32 }{{}}, 1): "columns of the training rows are not in the file",
	} {
		if _, _, _, err := readRows(t, path, everySchema, 10); err == nil || !strings.Contains(err.Error(), want) || bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
			t.Errorf("%s: error %v, want %s", path, err, want)
		}
	}
	if _, err := dataset.OpenRows(dataset.Stream, dataset.FormatParquet, everySchema, nil); err == nil || bakeoff.HintOf(err) == "" {
		t.Errorf("Parquet from stdin: %v", err)
	}
}

// FuzzForeignParquet changes bytes of a Parquet file before its footer: there are rows, or an error, and
// no panic. Sizes in the footer, and those of pages, the library believes, so memory is not bounded here.
func FuzzForeignParquet(f *testing.F) {
	whole, err := os.ReadFile(writeForeign(f, foreignRows(), 3))
	if err != nil {
		f.Fatal(err)
	}
	tail := len(whole) - 8
	body := whole[:tail-int(binary.LittleEndian.Uint32(whole[tail:]))]
	f.Add(0, []byte{0})
	f.Add(100, []byte{1, 2, 3})
	path := filepath.Join(f.TempDir(), "rows.parquet")
	f.Fuzz(func(t *testing.T, at int, change []byte) {
		text := bytes.Clone(whole)
		for i, b := range change {
			if at >= 0 && at+i < len(body) {
				text[at+i] ^= b
			}
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := readRows(t, path, everySchema, 2); err != nil && bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
			t.Errorf("error %v of code %q", err, bakeoff.CodeOf(err))
		}
	})
}
