package dataset_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

func TestChooseTakesAllThatARowHas(t *testing.T) {
	r := &dataset.Rows{
		Table: &dataset.Table{Rows: 3, Columns: []dataset.Column{
			{Name: "x", Kind: bakeoff.KindNumber, Numbers: []float64{1, 2, 3}},
			{Name: "c", Kind: bakeoff.KindCategory, Codes: []int32{0, 1, -1}, Levels: []string{"a", "b"}},
		}},
		Labels:   bakeoff.Labels{Classes: []string{"no", "yes"}, Codes: []int32{0, 1, 0}, Weights: []float64{0.5, 1, 2}},
		Identity: []uint64{7, 8, 9},
	}
	want := &dataset.Rows{
		Table: &dataset.Table{Rows: 2, Columns: []dataset.Column{
			{Name: "x", Kind: bakeoff.KindNumber, Numbers: []float64{3, 1}},
			{Name: "c", Kind: bakeoff.KindCategory, Codes: []int32{-1, 0}, Levels: []string{"a", "b"}},
		}},
		Labels:   bakeoff.Labels{Classes: []string{"no", "yes"}, Codes: []int32{0, 0}, Weights: []float64{2, 0.5}},
		Identity: []uint64{9, 7},
	}
	if diff := cmp.Diff(want, r.Choose([]int{2, 0})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
