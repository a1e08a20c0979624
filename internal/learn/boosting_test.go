package learn_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/learn"
)

func TestMonotonicColumnsAreNamed(t *testing.T) {
	s := readSet(t, churnFile, "churn", bakeoff.Binary)
	r := s.request(learn.GradientBoosting)
	r.Params = json.RawMessage(`{"max_iter": 40, "monotonic_cst": {"tenure": -1, "monthly_charges": 1}}`)
	m := train(t, r)
	one := s.holdout.Slice(7, 8)
	last := 1.0
	for tenure := range 73 {
		row := *one
		row.Columns = append([]dataset.Column(nil), one.Columns...)
		for i := range row.Columns {
			if row.Columns[i].Name == "tenure" {
				row.Columns[i].Numbers = []float64{float64(tenure)}
			}
		}
		now := predict(t, m, &row).Probabilities[1]
		if now > last {
			t.Fatalf("tenure %d: the probability rises from %v to %v", tenure, last, now)
		}
		last = now
	}
}

func TestMonotonicRefusals(t *testing.T) {
	churn := readSet(t, churnFile, "churn", bakeoff.Binary)
	species := readSet(t, penguinsFile, "species", bakeoff.Multiclass)
	for want, c := range map[string]struct {
		s          set
		directions string
	}{
		`no feature column "tenures"`:         {churn, `{"tenures": 1}`},
		`column "contract" is a category`:     {churn, `{"contract": 1}`},
		`direction of "tenure" is 0.5`:        {churn, `{"tenure": 0.5}`},
		"a target of 3 classes cannot rise":   {species, `{"body_mass_g": 1}`},
		"monotonic_cst of \"tenure\" must be": {churn, `{"tenure": 2}`},
	} {
		r := c.s.request(learn.GradientBoosting)
		r.Params = json.RawMessage(`{"monotonic_cst": ` + c.directions + `}`)
		_, err := learn.Train(t.Context(), r)
		if err == nil || !strings.Contains(err.Error(), want) || bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
