package dataset

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// FuzzGuard checks that the guard is invisible: whatever encoding/csv reads without an error it
// reads the same behind the guard, however the bytes arrive.
func FuzzGuard(f *testing.F) {
	for _, text := range []string{
		"a,b\n1,\"x\ny\"\n", "a;\"b\"\"\"\r\n;\r\n", " \"a\" b\n", "a,\"\"\n\"\",b", "\u00a0\"x\n\",y\n", "é\"", "a\t\"b\n",
		"\"a\n\",b\n\"unterminated\n", "\"\"\"\n\"\"\"", "\v\"x\ny\"", "a\"b\n",
	} {
		for _, comma := range ",;\t|" {
			f.Add(text, byte(comma))
		}
	}
	f.Fuzz(func(t *testing.T, text string, comma byte) {
		if !strings.ContainsRune(",;\t|", rune(comma)) || len(text) >= maxRecord {
			return
		}
		read := func(r io.Reader) ([][]string, error) {
			records := csv.NewReader(r)
			records.Comma = rune(comma)
			records.FieldsPerRecord = -1
			records.TrimLeadingSpace = comma != '\t'
			return records.ReadAll()
		}
		want, err := read(strings.NewReader(text))
		if err != nil {
			return
		}
		got, err := read(newGuard(iotest.OneByteReader(strings.NewReader(text)), comma))
		if err != nil || !cmp.Equal(want, got) {
			t.Errorf("%q with %q: error %v\n%s", text, comma, err, cmp.Diff(want, got))
		}
	})
}

// A record may have maxRecord bytes, and there may be any number of them.
func TestTheGuardCountsRecordsOnly(t *testing.T) {
	record := `"` + strings.Repeat("line\n", maxRecord/5-1) + "\"\n"
	text := strings.Repeat(record, 3)
	n, err := io.Copy(io.Discard, newGuard(strings.NewReader(text), ','))
	if err != nil || int(n) != len(text) {
		t.Errorf("%d of %d bytes, error %v", n, len(text), err)
	}
	_, err = io.Copy(io.Discard, newGuard(strings.NewReader(text+strings.Repeat("x", maxRecord+1)), ','))
	if want := fmt.Sprintf("line %d: the record that begins here has more than 1048576 bytes", strings.Count(text, "\n")+1); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
