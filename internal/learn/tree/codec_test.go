package tree_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn/tree"
)

// models returns the binary form of a small model of every kind.
func models(t testing.TB) map[string][]byte {
	forms := make(map[string][]byte)
	for _, l := range learners {
		for _, classes := range []int{0, 2, 3} {
			d, y := made(200, classes, 1)
			e, err := quick(l.name)(t.Context(), d, y, tree.Options{Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			b, err := e.AppendBinary([]byte("before"))
			if err != nil || string(b[:6]) != "before" {
				t.Fatalf("append: %v, begins with %q", err, b[:6])
			}
			forms[l.name+string(rune('0'+classes))] = b[6:]
		}
	}
	return forms
}

func TestDecodedModelIsTheSame(t *testing.T) {
	for _, l := range learners {
		for _, classes := range []int{0, 2, 3} {
			d, y := made(1000, classes, 1)
			e := mustFit(t, quick(l.name), d, y, tree.Options{})
			b, err := e.AppendBinary(nil)
			if err != nil {
				t.Fatal(err)
			}
			back, err := tree.Decode(b)
			if err != nil {
				t.Fatalf("%s, %d classes: %v", l.name, classes, err)
			}
			if got, want := mustPredict(t, back, d), mustPredict(t, e, d); !slices.Equal(got, want) {
				t.Errorf("%s, %d classes: other answers", l.name, classes)
			}
			if !slices.Equal(back.Importance(), e.Importance()) {
				t.Errorf("%s, %d classes: other importance", l.name, classes)
			}
			if again, _ := back.AppendBinary(nil); !bytes.Equal(again, b) {
				t.Errorf("%s, %d classes: other bytes", l.name, classes)
			}
		}
	}
}

func TestDecodeRefusesDamage(t *testing.T) {
	for name, b := range models(t) {
		for n := 0; n < len(b); n += 1 + n/50 { // every length of the header, and some beyond
			if _, err := tree.Decode(b[:n]); bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
				t.Fatalf("%s: the first %d of %d bytes: error %v", name, n, len(b), err)
			}
		}
		if _, err := tree.Decode(append(slices.Clone(b), 0)); bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
			t.Errorf("%s: one byte more: error %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, b := range models(f) {
		f.Add(b)
	}
	f.Add([]byte("bktree1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := tree.Decode(b)
		if err != nil {
			if e != nil || bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
				t.Fatalf("model %v, error %v", e, err)
			}
			return
		}
		first, err := e.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		again, err := tree.Decode(first)
		if err != nil {
			t.Fatalf("its own bytes: %v", err)
		}
		second, _ := again.AppendBinary(nil)
		if !bytes.Equal(first, second) {
			t.Fatal("decoded again, it has other bytes")
		}
		score(t, e)
	})
}

// score asks for one row, of numbers or levels as the model wants, and expects an answer.
func score(t *testing.T, e *tree.Ensemble) {
	number, level := tree.Column{Numbers: []float64{0.5}}, tree.Column{Codes: []int32{1}, Levels: 2}
	d := tree.Data{Rows: 1}
	for range e.Importance() {
		d.Columns = append(d.Columns, number)
	}
	if len(d.Columns) > 8 {
		return
	}
	for kinds := range 1 << len(d.Columns) {
		for i := range d.Columns {
			d.Columns[i] = number
			if kinds>>i&1 != 0 {
				d.Columns[i] = level
			}
		}
		if out, err := e.Predict(d, 1); err == nil {
			if len(out) == 0 {
				t.Fatal("no answer")
			}
			return
		}
	}
	t.Fatal("no kinds of columns fit the model")
}
