package main

import (
	"math"
	"math/rand/v2"

	"github.com/bakeoffhq/bakeoff"
)

// prevalence is the share of rows that are positive: churn, fraud and faults are rarer than one in two.
const prevalence = 0.2

// prior is the log-odds of a row whose score says nothing.
var prior = math.Log(prevalence / (1 - prevalence))

// classifier is a contestant for two classes. It sees each row through noise: a score that is
// standard normal for negative rows and normal around its skill for positive ones. From that it
// answers with a probability, which is as it should be where spread and certainty are 1 and lean is 0.
type classifier struct {
	skill     float64 // distance of the classes in its eyes
	spread    float64 // standard deviation of its scores of positive rows
	certainty float64 // factor on the log-odds of its answers
	lean      float64 // added to them
}

func honest(skill float64) classifier { return classifier{skill: skill, spread: 1, certainty: 1} }

// logit returns the log-odds that it answers with for a score.
func (c classifier) logit(score float64) float64 {
	return c.lean + c.certainty*(prior+c.skill*score-c.skill*c.skill/2)
}

// answer returns the probability that it answers with for a score.
func (c classifier) answer(score float64) float64 { return 1 / (1 + math.Exp(-c.logit(score))) }

// classNight draws the rows of one night and the answers of contestants that share so much of
// their noise: its correlation given the class, 1 being answers that are all the same.
func classNight(random *rand.Rand, rows int, correlation float64, contestants []classifier) (bakeoff.Labels, []*bakeoff.Predictions) {
	names := []string{"no", "yes"}
	y := bakeoff.Labels{Classes: names, Codes: make([]int32, rows)}
	all := make([]*bakeoff.Predictions, len(contestants))
	for j := range all {
		all[j] = &bakeoff.Predictions{Classes: names, Probabilities: make([]float64, 2*rows)}
	}
	common, own := math.Sqrt(correlation), math.Sqrt(1-correlation)
	for row := range rows {
		positive := random.Float64() < prevalence
		if positive {
			y.Codes[row] = 1
		}
		difficulty := common * random.NormFloat64()
		for j, c := range contestants {
			score := difficulty + own*random.NormFloat64()
			if positive {
				score = c.skill + c.spread*score
			}
			p := c.answer(score)
			all[j].Probabilities[2*row], all[j].Probabilities[2*row+1] = 1-p, p
		}
	}
	return y, all
}

// truth returns the value of a metric over all rows there could be.
func (c classifier) truth(metric string) float64 {
	threshold := (c.skill*c.skill/2 - prior - c.lean/c.certainty) / c.skill
	found, alarms := c.found(threshold), normalTail(threshold)
	right, taken := prevalence*found, prevalence*found+(1-prevalence)*alarms
	switch metric {
	case "accuracy":
		return right + (1-prevalence)*(1-alarms)
	case "balanced_accuracy":
		return (found + 1 - alarms) / 2
	case "precision":
		return right / taken
	case "recall":
		return found
	case "f1":
		return 2 * right / (prevalence + taken)
	case "mcc":
		return (right - prevalence*taken) / math.Sqrt(prevalence*(1-prevalence)*taken*(1-taken))
	case "roc_auc":
		return 1 - normalTail(c.skill/math.Hypot(1, c.spread))
	case "average_precision":
		return c.expect(c.precision, func(float64) float64 { return 0 }) / prevalence
	case "log_loss":
		return c.expect(
			func(score float64) float64 { return softplus(-c.logit(score)) },
			func(score float64) float64 { return softplus(c.logit(score)) })
	case "brier":
		return c.expect(
			func(score float64) float64 { return squared(1 - c.answer(score)) },
			func(score float64) float64 { return squared(c.answer(score)) })
	}
	panic("no truth of " + metric)
}

// found returns the share of the positive rows with a score above a threshold.
func (c classifier) found(threshold float64) float64 {
	return normalTail((threshold - c.skill) / c.spread)
}

// precision returns the share of positive rows among those with a score above a threshold.
func (c classifier) precision(threshold float64) float64 {
	found := prevalence * c.found(threshold)
	return found / (found + (1-prevalence)*normalTail(threshold))
}

// expect returns the expectation of a function of the score of positive rows and another of that
// of negative ones, by Simpson's rule.
func (c classifier) expect(positive, negative func(score float64) float64) float64 {
	const reach, steps = 9.0, 2000
	total := 0.0
	for i := range steps + 1 {
		z := reach * (2*float64(i)/steps - 1)
		weight := float64(2 + 2*(i%2))
		if i == 0 || i == steps {
			weight = 1
		}
		total += weight * math.Exp(-z*z/2) * (prevalence*positive(c.skill+c.spread*z) + (1-prevalence)*negative(z))
	}
	return total * 2 * reach / steps / 3 / math.Sqrt(2*math.Pi)
}

func squared(x float64) float64 { return x * x }

// softplus returns ln(1+exp(x)).
func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

func normalTail(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }
