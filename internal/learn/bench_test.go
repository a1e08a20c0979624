package learn_test

import (
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/learn"
)

func BenchmarkPredictOneRow(b *testing.B) {
	s := readSet(b, churnFile, "churn", bakeoff.Binary)
	for _, learner := range learn.Learners() {
		if !learn.Fits(learner, bakeoff.Binary) {
			continue
		}
		b.Run(learner, func(b *testing.B) {
			r := s.request(learner)
			r.Params = nil
			m := train(b, r)
			rows := make([]*dataset.Table, s.holdout.Rows) // one after the other: branches are not learnt by heart
			for i := range rows {
				rows[i] = s.holdout.Slice(i, i+1)
			}
			var p bakeoff.Predictions
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				if err := m.PredictInto(b.Context(), rows[i], 1, &p); err != nil {
					b.Fatal(err)
				}
				if i++; i == len(rows) {
					i = 0
				}
			}
		})
	}
}

func BenchmarkTrain(b *testing.B) {
	s := readSet(b, churnFile, "churn", bakeoff.Binary)
	for _, learner := range learn.Learners() {
		if !learn.Fits(learner, bakeoff.Binary) {
			continue
		}
		b.Run(learner, func(b *testing.B) {
			r := s.request(learner)
			r.Params = nil
			for b.Loop() {
				train(b, r)
			}
		})
	}
}
