package dataset

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
)

// The seal is a checksum, which a file can have although it is damaged: then the error names the
// place, and there is still no panic.
func TestDamageBehindTheSealIsAnErrorWithItsPlace(t *testing.T) {
	schema := bakeoff.Schema{
		Columns: []bakeoff.ColumnSchema{{Name: "x", Kind: bakeoff.KindNumber}, {Name: "z", Kind: bakeoff.KindCategory}},
		Target:  "y", Task: bakeoff.Regression,
	}
	rows := &Rows{
		Table: &Table{Rows: 2, Columns: []Column{
			{Name: "x", Kind: bakeoff.KindNumber, Numbers: []float64{1.25, 2.5}},
			{Name: "z", Kind: bakeoff.KindCategory, Codes: []int32{0, 1}, Levels: []string{"here I am", "there"}},
		}},
		Labels:   bakeoff.Labels{Values: []float64{3, 4}},
		Identity: []uint64{5, 6},
	}
	path := filepath.Join(t.TempDir(), "part")
	w, err := newPartWriter(path, rows, names{target: schema.Target}, func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	if err := w.write(t.Context(), rows.Table.Rows); err != nil {
		t.Fatal(err)
	}
	if _, err := w.end(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(whole, []byte("here I am"))
	whole[at] = 'H'
	if err := os.WriteFile(path, resealed(t, whole), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = ReadParquet(t.Context(), path, schema)
	if err == nil || !strings.Contains(err.Error(), `row group 0, column "z"`) {
		t.Errorf("error %v, want one that names row group and column", err)
	}
}

// resealed gives a changed part the seal of a whole one.
func resealed(t *testing.T, part []byte) []byte {
	t.Helper()
	r := bytes.NewReader(part)
	footer, err := readFooter(r, r.Size())
	if err != nil {
		t.Fatal(err)
	}
	body := int64(len(part) - len(footer) - sealSize)
	mark, err := sealOf(r, body, footer)
	if err != nil {
		t.Fatal(err)
	}
	return append(append(bytes.Clone(part[:body]), mark...), footer...)
}
