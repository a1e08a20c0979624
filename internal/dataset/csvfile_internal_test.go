package dataset

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
)

// openCells opens text that has no header of its own, so that any records are rows.
func openCells(r io.Reader, columns int, comma byte) *csvFile {
	return &csvFile{path: "data.csv", header: make([]string, columns), reader: r, line: 1, comma: comma}
}

// recordsOf reads all records of a text that are as long as its first.
func recordsOf(r io.Reader, columns int, comma byte) (records [][]string, lines []int, err error) {
	f := openCells(r, columns, comma)
	for {
		b, err := f.nextBlock()
		if errors.Is(err, io.EOF) {
			return records, lines, nil
		}
		if err != nil {
			return records, lines, err
		}
		for row := range b.rows {
			var cells []string
			for field := range columns {
				cells = append(cells, b.cell(row, field))
			}
			records, lines = append(records, cells), append(lines, int(b.lines[row]))
		}
	}
}

// FuzzRecords checks that the file's records are those of encoding/csv, and that what it refuses is
// refused at the same place, however the bytes arrive.
func FuzzRecords(f *testing.F) {
	for _, text := range []string{
		"a,b\n1,\"x\ny\"\n", "a;\"b\"\"\"\r\n;\r\n", " \"a\" b\n", "a,\"\"\n\"\",b", "\u00a0\"x\n\",y\n", "é\"", "a\t\"b\n",
		"\"a\n\",b\n\"unterminated\n", "\"\"\"\n\"\"\"", "\v\"x\ny\"", "a\"b\n", "a,b\r", "\"a\"\r", "\"a\r\nb\",c\r\n", "\"a\",\n,", "\"\n\n\"\n\n\r\n \n",
	} {
		for _, comma := range ",;\t|" {
			f.Add(text, byte(comma))
		}
	}
	f.Fuzz(func(t *testing.T, text string, comma byte) {
		if !strings.ContainsRune(",;\t|", rune(comma)) || len(text) >= maxRecord {
			return
		}
		standard := csv.NewReader(strings.NewReader(text))
		standard.Comma = rune(comma)
		standard.TrimLeadingSpace = comma != '\t'
		var want [][]string
		var lines []int
		var failed error
		for {
			record, err := standard.Read()
			if err != nil {
				failed = err
				break
			}
			line, _ := standard.FieldPos(0)
			for i := range record {
				record[i] = strings.TrimSpace(record[i])
			}
			want, lines = append(want, record), append(lines, line)
		}
		columns := 1
		if len(want) > 0 {
			columns = len(want[0])
		}
		got, gotLines, err := recordsOf(iotest.OneByteReader(strings.NewReader(text)), columns, comma)
		if d := cmp.Diff(want, got); d != "" || !slices.Equal(lines, gotLines) {
			t.Errorf("%q with %q: lines %v, want %v\n%s", text, comma, gotLines, lines, d)
		}
		if (err == nil) != errors.Is(failed, io.EOF) {
			t.Fatalf("%q with %q: error %v, want %v", text, comma, err, failed)
		}
		var misplaced *csv.ParseError
		if !errors.As(failed, &misplaced) || misplaced.Err == csv.ErrFieldCount || strings.Contains(err.Error(), "never closed") {
			return
		}
		if at := fmt.Sprintf("data.csv:%d:%d: ", misplaced.Line, misplaced.Column); !strings.HasPrefix(err.Error(), at) {
			t.Errorf("%q with %q: error %v, want one at %s", text, comma, err, at)
		}
	})
}

// A record may have maxRecord bytes, there may be any number of them, and blocks end where they will.
func TestRecordsOfAnyLength(t *testing.T) {
	record := `"` + strings.Repeat("line\n", maxRecord/5-1) + "\"\n"
	short := strings.Repeat("x\n", 400_000)
	text := strings.Repeat(record, 3) + short + record
	records, _, err := recordsOf(strings.NewReader(text), 1, ',')
	if err != nil || len(records) != 400_004 {
		t.Errorf("%d records, error %v", len(records), err)
	}
	for tail, want := range map[string]string{
		strings.Repeat("x", maxRecord+1):            "the record that begins here has more than 1048576 bytes",
		`"` + strings.Repeat("x", maxRecord) + `"`:  "the quote that opens here is not closed within 1048576 bytes",
		`"a",` + strings.Repeat("x", maxRecord):     "the record that begins here has more than 1048576 bytes",
		strings.Repeat("x", maxRecord) + "\ny\n":    "the record that begins here has more than 1048576 bytes",
		`"` + strings.Repeat("x\n", maxRecord/2-10): "the quote that opens here is never closed",
	} {
		_, _, err = recordsOf(strings.NewReader(text+tail), 1, ',')
		line := strings.Count(text, "\n") + 1
		if want := fmt.Sprintf("data.csv:%d: %s", line, want); err == nil || err.Error() != want || bakeoff.HintOf(err) == "" {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
