package dataset_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// badSource is a file with which a run cannot go on.
type badSource struct {
	name, text string
	change     func(*dataset.Source)
}

func badSources() []badSource {
	const good = "x,y,side\n1,a,train\n2,b,train\n3,a,test\n4,b,test\n"
	var classes, columns strings.Builder
	classes.WriteString("x,y,side\n")
	for i := range 1001 {
		fmt.Fprintf(&classes, "1,class %d,train\n", i)
	}
	for i := range 10_001 {
		fmt.Fprintf(&columns, "c%d,", i)
	}
	stated := func(column string, kind bakeoff.Kind) func(*dataset.Source) {
		return func(s *dataset.Source) { s.Columns = map[string]bakeoff.Kind{column: kind} }
	}
	task := func(task bakeoff.LearningTask) func(*dataset.Source) {
		return func(s *dataset.Source) { s.Task = task }
	}
	split := func(split bakeoff.Split) func(*dataset.Source) {
		return func(s *dataset.Source) { s.Split = split }
	}
	var stray strings.Builder
	stray.WriteString("x,y,side\n")
	for i := range 40 {
		fmt.Fprintf(&stray, "1,%d.5,train\n", i)
	}
	stray.WriteString("1,n.a.,train\n1,,train\n1,n.a.,train\n")
	return []badSource{
		{name: "empty file"},
		{name: "spaces only", text: " \n\n \n"},
		{name: "header only", text: "x,y,side\n"},
		{name: "UTF-16", text: "\xff\xfex\x00"},
		{name: "Parquet", text: "PAR1PAR1"},
		{name: "gzip", text: "\x1f\x8b\x08"},
		{name: "too few fields", text: good + "5,a\n"},
		{name: "too many fields", text: "x,y,side\n1,a,train\n\n2,b,train,more\n"},
		{name: "ragged after a cell of two lines", text: "x,y,side\n\"1\n2\",a,train\n2,b\n"},
		{name: "quote in a cell", text: "x,y,side\n5\" pipe,a,train\n"},
		{name: "text after a quote", text: "x,y,side\n\"5\"inch,a,train\n"},
		{name: "quote never closed", text: good + "5,\"a,train\n6,b,train\n7,a,train\n"},
		{name: "record too long", text: good + "5," + strings.Repeat("a", 1<<20) + ",train\n"},
		{name: "too many columns", text: columns.String() + "y,side\n"},
		{name: "column without a name", text: "x,,side\n1,a,train\n"},
		{name: "two columns of one name", text: "x,y, x\n1,a,train\n"},
		{name: "header not UTF-8", text: "x,y,s\xfcde\n1,a,train\n"},
		{name: "cell not UTF-8", text: "x,y,side\n1,a,train\nf\xfcr,b,train\n3,a,test\n4,b,test\n"},
		{name: "no header", text: "1,2,3\n4,5,6\n"},
		{name: "reserved name", text: "__bakeoff_identity,y,side\n1,a,train\n"},
		{name: "no such target", text: good, change: func(s *dataset.Source) { s.Target = "label" }},
		{name: "no such target, near", text: good, change: func(s *dataset.Source) { s.Target = "sides" }},
		{name: "no such key", text: good, change: func(s *dataset.Source) { s.Key = "id" }},
		{name: "no such split column", text: good, change: split(bakeoff.Split{By: bakeoff.SplitByTime, Column: "when"})},
		{name: "no such stated column", text: good, change: stated("z", bakeoff.KindNumber)},
		{name: "no such ignored column", text: good, change: func(s *dataset.Source) { s.Ignore = []string{"Side"} }},
		{name: "unknown kind", text: good, change: stated("x", "float")},
		{name: "ignored target", text: good, change: func(s *dataset.Source) { s.Ignore = []string{"y"} }},
		{name: "target as key", text: good, change: func(s *dataset.Source) { s.Key = "y" }},
		{name: "target as split", text: good, change: func(s *dataset.Source) { s.Split.Column = "y" }},
		{name: "no features", text: good, change: func(s *dataset.Source) { s.Ignore = []string{"x"} }},
		{name: "text in a number column", text: good + "five,a,train\n", change: stated("x", bakeoff.KindNumber)},
		{name: "fraction in an integer column", text: good + "5.5,a,train\n", change: stated("x", bakeoff.KindInteger)},
		{name: "number in a boolean column", text: good, change: stated("x", bakeoff.KindBoolean)},
		{name: "text in a date column", text: good, change: stated("x", bakeoff.KindDate)},
		{name: "long cell", text: good + strings.Repeat("é", 50) + ",a,train\n", change: stated("x", bakeoff.KindNumber)},
		{name: "text in a regression target", text: "x,y,side\n1,1.5,train\n2,many,train\n", change: task(bakeoff.Regression)},
		{name: "text in a target of numbers", text: stray.String()},
		{name: "boolean regression target", text: "x,y,side\n1,true,train\n2,false,train\n", change: func(s *dataset.Source) {
			task(bakeoff.Regression)(s)
			stated("y", bakeoff.KindBoolean)(s)
		}},
		{name: "target without values", text: "x,y,side\n1,,train\n2,NA,test\n"},
		{name: "target with one value", text: "x,y,side\n1,a,train\n2,a,test\n3,,test\n"},
		{name: "too many classes", text: classes.String()},
		{name: "not binary", text: good + "5,c,train\n", change: task(bakeoff.Binary)},
		{name: "not multiclass", text: good, change: task(bakeoff.Multiclass)},
		{name: "missing key", text: "id,x,y,side\n7,1,a,train\n ,2,b,train\n", change: func(s *dataset.Source) { s.Key = "id" }},
		{name: "missing group", text: "x,y,shop\n1,a,s\n2,b,NA\n", change: split(bakeoff.Split{Holdout: .5, By: bakeoff.SplitByGroup, Column: "shop"})},
		{name: "text to split by time", text: "x,y,when\n1,a,monday\n2,b,friday\n", change: split(bakeoff.Split{Holdout: .5, By: bakeoff.SplitByTime, Column: "when"})},
		{name: "side unknown", text: good + "5,a,validation\n"},
		{name: "side missing", text: good + "5,a,\n"},
		{name: "no training rows", text: "x,y,side\n1,a,test\n2,b,test\n"},
		{name: "no holdout rows", text: "x,y,side\n1,a,train\n2,b,train\n"},
		{name: "no holdout rows by hash", text: "x,y\n1,a\n2,b\n", change: split(bakeoff.Split{Holdout: 0.0001, By: bakeoff.SplitByHash})},
		{name: "one class to train on", text: "x,y,side\n1,a,train\n2,a,train\n3,a,test\n4,b,test\n"},
		{name: "one class to judge by", text: "x,y,side\n1,a,train\n2,b,train\n3,a,test\n4,a,test\n"},
	}
}

func TestBadSources(t *testing.T) {
	var b strings.Builder
	for _, bad := range badSources() {
		s := source(t, bad.text)
		if bad.change != nil {
			bad.change(&s)
		}
		_, err := dataset.Inspect(t.Context(), s)
		if bakeoff.CodeOf(err) != bakeoff.CodeInvalid || bakeoff.HintOf(err) == "" {
			t.Errorf("%s: error %v with code %q and hint %q", bad.name, err, bakeoff.CodeOf(err), bakeoff.HintOf(err))
			continue
		}
		text := strings.ReplaceAll(err.Error(), s.Path, filepath.Base(s.Path))
		fmt.Fprintf(&b, "== %s\n%s\nhint: %s\n", bad.name, text, bakeoff.HintOf(err))
	}
	golden(t, "bad_sources.txt", b.String())
}

func TestAMissingFileIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.csv")
	for _, path := range []string{path, filepath.Dir(path)} {
		_, err := dataset.Inspect(t.Context(), dataset.Source{Path: path, Target: "y"})
		if bakeoff.CodeOf(err) != bakeoff.CodeInvalid || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v", path, err)
		}
	}
}

// A stray quote makes encoding/csv gather the rest of the file; the guard stops it after one
// record's worth of bytes, however large the file is.
func TestAnUnterminatedQuoteIsBoundedInMemory(t *testing.T) {
	path := write(t, "x,y,side\n1,a,train\n2,\"b,train\n")
	if err := os.Truncate(path, 200<<20); err != nil { // the rest is a hole
		t.Fatal(err)
	}
	for name, read := range map[string]func() error{
		"inspect": func() error {
			_, err := dataset.Inspect(t.Context(), dataset.Source{Path: path, Target: "y", Split: byHash(1)})
			return err
		},
		"rows to score": func() error {
			r, err := dataset.OpenCSV(path, bakeoff.Schema{Columns: []bakeoff.ColumnSchema{{Name: "x", Kind: bakeoff.KindNumber}}}, nil)
			if err != nil {
				return err
			}
			defer func() { _ = r.Close() }()
			for err == nil {
				_, err = r.Next(t.Context(), 1000)
			}
			return err
		},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := read()
		runtime.ReadMemStats(&after)
		if want := path + ":3: the quote that opens here is not closed within 1048576 bytes"; err == nil || err.Error() != want {
			t.Errorf("%s: error %v, want %s", name, err, want)
		}
		if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 20 {
			t.Errorf("%s: %d MiB allocated, want at most 20", name, used)
		}
	}
}

func TestHundredThousandLinesInsideAQuote(t *testing.T) {
	text := "x,y,side\n1,\"a\n" + strings.Repeat("2,b,train\n", 200_000)
	_, err := dataset.Inspect(t.Context(), source(t, text))
	if err == nil || !strings.Contains(err.Error(), ":2: the quote that opens here is not closed within") {
		t.Errorf("error %v, want one about line 2", err)
	}
}

func TestDelimiters(t *testing.T) {
	lines := []string{"x;text;y;side", `1;"a,b;c";p;train`, "2;d,e,f;q;train", "3;;p;test", "4;g|h;q;test"}
	want := inspect(t, source(t, strings.Join(lines, "\n")))
	for name, text := range map[string]string{
		"CRLF":      strings.Join(lines, "\r\n") + "\r\n",
		"BOM":       "\ufeff" + strings.Join(lines, "\n"),
		"blanks":    strings.Join(lines, "\n\n") + "\n\n",
		"spaces":    strings.NewReplacer(";", " ; ", `"a,b;c"`, "a").Replace(strings.Join(lines, " \n")),
		"tab":       strings.ReplaceAll(strings.Join(lines, "\n"), ";", "\t"),
		"pipe":      strings.NewReplacer(";", "|", "g|h", `"g|h"`).Replace(strings.Join(lines, "\n")),
		"comma":     strings.NewReplacer(";", ",", "d,e,f", `"d,e,f"`).Replace(strings.Join(lines, "\n")),
		"all in \"": "\"x\";\"text\";\"y\";\"side\"\n" + strings.Join(lines[1:], "\n"),
	} {
		got := inspect(t, source(t, text))
		diff(t, name, columnNames(want.Schema), columnNames(got.Schema))
		diff(t, name, want.Rows, got.Rows)
	}
}
