package learn_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/learn"
)

// TestFewRowsGetTheAnswersOfMany asks for rows of every oddity one by one and a few at a time, in
// the same memory, and wants the bits that they get among all.
func TestFewRowsGetTheAnswersOfMany(t *testing.T) {
	eachOdd(t, func(t *testing.T, learner string, s set) {
		m := train(t, s.request(learner))
		table := strangers(s.train)
		all := predict(t, m, table)
		k := max(1, len(all.Classes))
		var p bakeoff.Predictions
		for _, n := range []int{1, 5, 100} {
			for lo := 0; lo+n <= table.Rows; lo += n {
				if err := m.PredictInto(t.Context(), table.Slice(lo, lo+n), 1, &p); err != nil {
					t.Fatal(err)
				}
				want := &bakeoff.Predictions{Classes: all.Classes}
				if all.Classes == nil {
					want.Values = all.Values[lo*k : (lo+n)*k]
				} else {
					want.Probabilities = all.Probabilities[lo*k : (lo+n)*k]
				}
				if diff := cmp.Diff(want, &p); diff != "" {
					t.Fatalf("%d rows from row %d: %s", n, lo, diff)
				}
			}
		}
	})
}

// strangers returns the table with the levels of its categories in another order and some of them
// unknown to training.
func strangers(t *dataset.Table) *dataset.Table {
	s := t.Slice(0, t.Rows)
	for i := range s.Columns {
		c := &s.Columns[i]
		if c.Kind != bakeoff.KindCategory {
			continue
		}
		c.Levels = append([]string{"a stranger"}, c.Levels...)
		c.Codes = slices.Clone(c.Codes)
		for row, code := range c.Codes {
			if code >= 0 && row%11 > 0 {
				c.Codes[row]++
			}
		}
	}
	return s
}

func TestFewRowsDoNotAllocate(t *testing.T) {
	ours := []string{learn.GradientBoosting, learn.RandomForest, learn.LogisticRegression, learn.LinearRegression}
	eachOdd(t, func(t *testing.T, learner string, s set) {
		if !slices.Contains(ours, learner) {
			t.Skip("it does not promise so")
		}
		m := train(t, s.request(learner))
		row := s.train.Slice(3, 4)
		var p bakeoff.Predictions
		least := math.Inf(1) // of some rows: a pool may lose its memory at any time, and does under the race detector
		for range 50 {
			least = min(least, testing.AllocsPerRun(1, func() {
				if err := m.PredictInto(t.Context(), row, 2, &p); err != nil {
					t.Fatal(err)
				}
			}))
		}
		if least > 0 {
			t.Errorf("%v allocations a row", least)
		}
	})
}

func TestFewRowsAreRefusedAsManyAre(t *testing.T) {
	s := odd(bakeoff.Binary, 100)
	m := train(t, s.request(learn.LogisticRegression))
	lacking := s.train.Slice(0, 1)
	lacking.Columns = lacking.Columns[1:]
	var p bakeoff.Predictions
	_, want := m.Predict(t.Context(), lacking, 1)
	if err := m.PredictInto(t.Context(), lacking, 1, &p); err == nil || err.Error() != want.Error() {
		t.Errorf("error %v, want %v", err, want)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.PredictInto(gone, s.train.Slice(0, 1), 1, &p); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if err := m.PredictInto(t.Context(), s.train.Slice(0, 1), 1, &p); err != nil || p.Len() != 1 {
		t.Errorf("after errors: %d answers, error %v", p.Len(), err)
	}
}
