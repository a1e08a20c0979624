package judge

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/metric"
)

// metrics are the metrics of a leaderboard.
type metrics struct {
	objective  metric.Metric
	all        []metric.Metric // the objective and all others, by name
	confidence float64
	seed       uint64
}

const defaultConfidence = 0.95

// Objective returns the name of the metric that decides for a pipeline with a target of that
// learning task. A metric anywhere in the pipeline that is unknown or does not fit the task is an
// error with bakeoff.CodeInvalid.
func Objective(p *bakeoff.Pipeline, task bakeoff.LearningTask) (string, error) {
	m, err := metricsOf(p, task)
	if err != nil {
		return "", err
	}
	return m.objective.Name(), nil
}

// metricsOf returns the metrics that a pipeline names: as its objective, beside it, and as floors.
func metricsOf(p *bakeoff.Pipeline, task bakeoff.LearningTask) (metrics, error) {
	m := metrics{objective: metric.Default(task), confidence: p.Judge.Confidence, seed: p.Data.Split.Seed}
	if m.confidence == 0 {
		m.confidence = defaultConfidence
	}
	if p.Judge.Metric != "" {
		var err error
		if m.objective, err = fitting("judge.metric", p.Judge.Metric, task); err != nil {
			return metrics{}, err
		}
	}
	byName := map[string]metric.Metric{m.objective.Name(): m.objective}
	if err := addFitting(byName, "judge.also", p.Judge.Also, task); err != nil {
		return metrics{}, err
	}
	if err := addFitting(byName, "gate.floors", slices.Sorted(maps.Keys(p.Gate.Floors)), task); err != nil {
		return metrics{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		m.all = append(m.all, byName[name])
	}
	return m, nil
}

// addFitting adds the metrics that a place in the pipeline file names.
func addFitting(byName map[string]metric.Metric, place string, names []string, task bakeoff.LearningTask) error {
	for _, name := range names {
		m, err := fitting(place, name, task)
		if err != nil {
			return err
		}
		byName[name] = m
	}
	return nil
}

// fitting returns the metric that a place in the pipeline file names, if it fits the task.
func fitting(place, name string, task bakeoff.LearningTask) (metric.Metric, error) {
	m, ok := metric.Lookup(name)
	fit := strings.Join(metric.NamesFor(task), ", ")
	if !ok {
		return m, bakeoff.Errorf(bakeoff.CodeInvalid, "%s: unknown metric %q", place, name).
			WithHint("for a %s target there are %s", task, fit)
	}
	if !m.Fits(task) {
		return m, bakeoff.Errorf(bakeoff.CodeInvalid, "%s: %s does not fit a %s target", place, name, task).
			WithHint("these fit: %s", fit)
	}
	return m, nil
}

// sumTolerance is how far from one the probabilities of a row may sum: enough for float32 and for
// five printed digits, too little for anything that is not a distribution.
const sumTolerance = 1e-4

// checkAnswers reports the first row whose answer is not one: a number for Regression, else a
// probability for each class, together one. Rows are counted from 1.
func checkAnswers(p *bakeoff.Predictions, y bakeoff.Labels) error {
	k := len(y.Classes)
	switch {
	case p == nil:
		return fmt.Errorf("it gave no answer")
	case !slices.Equal(p.Classes, y.Classes):
		return fmt.Errorf("it answers with the classes %q, the target has %q", p.Classes, y.Classes)
	case k == 0 && len(p.Values) != y.Len():
		return fmt.Errorf("%d numbers for %d rows", len(p.Values), y.Len())
	case k > 0 && len(p.Probabilities) != y.Len()*k:
		return fmt.Errorf("%d probabilities for %d rows of %d classes", len(p.Probabilities), y.Len(), k)
	}
	for row := range y.Len() {
		if err := checkAnswer(p, row, k); err != nil {
			return fmt.Errorf("holdout row %d: %w", row+1, err)
		}
	}
	return nil
}

func checkAnswer(p *bakeoff.Predictions, row, k int) error {
	if k == 0 {
		if v := p.Values[row]; v-v != 0 { // NaN or infinite
			return fmt.Errorf("the prediction is %v", v)
		}
		return nil
	}
	total := 0.0
	for class, v := range p.Probabilities[row*k : (row+1)*k] {
		if !(v >= -1e-9 && v <= 1+1e-9) {
			return fmt.Errorf("the probability of %s is %v", p.Classes[class], v)
		}
		total += v
	}
	if total < 1-sumTolerance || total > 1+sumTolerance {
		return fmt.Errorf("the probabilities sum to %s, not 1", number(total, 4))
	}
	return nil
}
