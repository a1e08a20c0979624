package score

import (
	"math"
	"testing"

	"github.com/bakeoffhq/bakeoff"
)

// FuzzAnswer: whatever a predict process prints, there is an error or there are two valid answers.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"id": 7, "predictions": ["yes", "no"], "probabilities": [[0.25, 0.75], [1, 0]]}`))
	f.Add([]byte(`{"id": 7, "predictions": [1.5, -2e300]}`))
	f.Add([]byte(`{"id": 7, "predictions": [NaN, -Infinity]}`))
	f.Add([]byte(`{"id": 7, "predictions": [null, "yes"], "probabilities": [[null, 1], []]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, line []byte) {
		for _, schema := range []bakeoff.Schema{
			{Task: bakeoff.Binary, Classes: []string{"no", "yes"}}, {Task: bakeoff.Regression},
		} {
			a := newAnswers(schema, 2)
			if a.add(line, 7, 0, 2) != nil {
				continue
			}
			p := a.predictions()
			if p.Len() != 2 {
				t.Fatalf("%d answers", p.Len())
			}
			for _, v := range p.Values {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Errorf("value %v", v)
				}
			}
			for i := 0; i < len(p.Probabilities); i += 2 {
				no, yes := p.Probabilities[i], p.Probabilities[i+1]
				if !(no >= 0 && no <= 1 && yes >= 0 && yes <= 1 && math.Abs(no+yes-1) <= 2*sumTolerance) {
					t.Errorf("probabilities %v and %v", no, yes)
				}
			}
		}
	})
}
