package learn_test

import (
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn"
)

func BenchmarkPredictOneRow(b *testing.B) {
	s := readSet(b, churnFile, "churn", bakeoff.Binary)
	for _, learner := range learn.Learners() {
		if !learn.Fits(learner, bakeoff.Binary) {
			continue
		}
		b.Run(learner, func(b *testing.B) {
			m := train(b, s.request(learner))
			row := s.holdout.Slice(0, 1)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Predict(b.Context(), row, 1); err != nil {
					b.Fatal(err)
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
