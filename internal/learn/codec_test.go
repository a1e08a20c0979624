package learn_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/learn"
)

// models returns one small model file for each learner.
func models(t testing.TB) [][]byte {
	t.Helper()
	var files [][]byte
	for _, learner := range learn.Learners() {
		task := bakeoff.Multiclass
		if !learn.Fits(learner, task) {
			task = bakeoff.Regression
		}
		s := odd(task, 100)
		r := s.request(learner)
		if strings.Contains(string(r.Params), "12") {
			r.Params = bytes.ReplaceAll(r.Params, []byte("12"), []byte("2"))
		}
		files = append(files, encode(t, train(t, r)))
	}
	return files
}

func TestDecodeRefusesADamagedFile(t *testing.T) {
	newer := func(b []byte) []byte {
		binary.LittleEndian.PutUint32(b[8:], 2)
		return b
	}
	tests := map[string]struct {
		damage func(b []byte) []byte
		want   string
	}{
		"empty":         {func([]byte) []byte { return nil }, "not a model file"},
		"other file":    {func([]byte) []byte { return []byte("PK\x03\x04 a zip file, say") }, "not a model file"},
		"newer":         {newer, "the model file has format version 2, this bakeoff reads version 1"},
		"only magic":    {func(b []byte) []byte { return b[:10] }, "not a model file"},
		"cut in header": {func(b []byte) []byte { return b[:40] }, "cut short"},
		"cut in body":   {func(b []byte) []byte { return b[:len(b)-1] }, "damaged"},
		"longer":        {func(b []byte) []byte { return append(b, 0) }, "damaged"},
		"other learner": {func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"learner":"`), []byte(`"learner":"x`), 1)[:len(b)]
		}, "damaged"},
		"huge header": {func(b []byte) []byte { return append(b[:12:12], 0xff, 0xff, 0xff, 0xff, '{') }, "cut short"},
		"not a number": {func(b []byte) []byte {
			copy(b[len(b)-8:], "\xff\xff\xff\xff\xff\xff\xff\xff")
			return b
		}, "damaged"},
	}
	files := models(t)[1:5] // all but those of trees: package tree tests its part of them
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for _, b := range files {
				_, err := learn.Decode(tt.damage(bytes.Clone(b)))
				if bakeoff.CodeOf(err) != bakeoff.CodeInvalid || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want one with %q", err, tt.want)
				}
			}
		})
	}
}

// TestDecodeSurvivesEveryFlip turns each byte of a file, one at a time: what is still a model must
// answer.
func TestDecodeSurvivesEveryFlip(t *testing.T) {
	for _, file := range models(t) {
		b := bytes.Clone(file)
		for i := range min(len(b), 2500) {
			b[i] ^= 0x15
			ask(t, b)
			b[i] ^= 0x15
		}
	}
}

// ask decodes b and, if it is a model, has it answer for a row.
func ask(t *testing.T, b []byte) {
	t.Helper()
	m, err := learn.Decode(b)
	if err != nil {
		if bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
			t.Errorf("error without its code: %v", err)
		}
		return
	}
	row := &dataset.Table{Rows: 1}
	for _, c := range m.Schema().Columns {
		if c.Kind == bakeoff.KindCategory {
			row.Columns = append(row.Columns, dataset.Column{Name: c.Name, Kind: c.Kind, Codes: []int32{0}, Levels: []string{"a"}})
		} else {
			row.Columns = append(row.Columns, dataset.Column{Name: c.Name, Kind: c.Kind, Numbers: []float64{1}})
		}
	}
	p, err := m.Predict(t.Context(), row, 1)
	if err != nil || p.Len() != 1 {
		t.Fatalf("%d answers, %v", p.Len(), err)
	}
	again := encode(t, m)
	back, err := learn.Decode(again)
	if err != nil {
		t.Fatalf("encoded again: %v", err)
	}
	if !bytes.Equal(encode(t, back), again) {
		t.Fatal("encoded twice, it has other bytes")
	}
}

func FuzzDecode(f *testing.F) {
	for _, b := range models(f) {
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Fuzz(func(t *testing.T, b []byte) { ask(t, b) })
}

// full is a writer on a full disk.
type full struct{}

var errFull = errors.New("no space left on device")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestEncodeReportsTheWritersError(t *testing.T) {
	s := odd(bakeoff.Binary, 100)
	if err := train(t, s.request(learn.LogisticRegression)).Encode(full{}); !errors.Is(err, errFull) {
		t.Errorf("error %v", err)
	}
}
