package dataset_test

import (
	"bytes"
	"encoding/csv"
	"testing"

	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// FuzzAppendCell checks that a cell is written as encoding/csv writes it.
func FuzzAppendCell(f *testing.F) {
	for _, cell := range []string{"", "a", `\.`, " a", "\u00a0a", "a,b", `say "so"`, "two\nlines", "\r", "\xff", "é", `\`, "\t"} {
		f.Add(cell)
	}
	f.Fuzz(func(t *testing.T, cell string) {
		var want bytes.Buffer
		w := csv.NewWriter(&want)
		if err := w.Write([]string{cell, cell}); err != nil {
			t.Fatal(err)
		}
		w.Flush()
		got := dataset.AppendCell(append(dataset.AppendCell(nil, cell), ','), cell)
		if string(got)+"\n" != want.String() {
			t.Errorf("%q is written as %q, want %q", cell, got, want.String())
		}
	})
}
