package main

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/bakeoffhq/bakeoff/internal/metric"
)

// correlations are those between the errors of two contestants of a night: nights take turns.
// Learners trained on the same rows mostly agree on what is hard.
var correlations = []float64{0.5, 0.7, 0.9}

// promotions writes how often a challenger is promoted that is only as good as the champion: of all
// that are not better, those are the hardest to tell.
func promotions(r *report) {
	r.printf("\n## False promotions\n\nEvery challenger is exactly as good as the champion. The errors of any two correlate by "+
		"0.5, 0.7 or 0.9, by turns. Promoted is the best challenger whose p-value, adjusted by Holm, is at most %s; beside it, what "+
		"taking the highest number does, and by how much that number overstates whoever has it.\n\n", percent(alpha))
	r.printf("| metric | rows | challengers | promoted wrongly | by the highest number | overstated by |\n|---|---|---|---|---|---|\n")
	falsely(r, classes, "accuracy", "roc_auc", "log_loss")
	falsely(r, numbers, "rmse")
	r.printf("\nEqual in truth is not alike in kind. A challenger whose mean is the same, and whose errors are smaller on most rows and " +
		"larger on a few, looks better on each night that has fewer of those few; with one challenger, a correlation of 0.7 and a tenth of the nights:\n\n")
	r.printf("| metric | rows | challenger | promoted wrongly |\n|---|---|---|---|\n")
	unlike(r)
}

// outcome is what a night comes to for one metric and number of challengers.
type outcome struct {
	promoted   bool
	highest    bool    // the highest number is a challenger's
	overstated float64 // by how much it is better than its truth
}

// falsely writes the rows of metrics of one world.
func falsely[C any](r *report, w world[C], names ...string) {
	metrics := lookup(names...)
	played := map[int][][]outcome{}
	for _, rows := range r.rows {
		played[rows] = equals(r, w, metrics, rows)
	}
	for i, m := range metrics {
		for _, rows := range r.rows {
			nights := played[rows]
			for j, challengers := range r.challengers {
				at := i*len(r.challengers) + j
				promoted := share(nights, func(n []outcome) bool { return n[at].promoted })
				highest := share(nights, func(n []outcome) bool { return n[at].highest })
				overstated := 0.0
				for _, n := range nights {
					overstated += n[at].overstated
				}
				overstated /= highest * float64(len(nights))
				r.printf("| %s | %s | %d | %s | %s | %s |\n", m.Name(), thousands(rows), challengers,
					percent(promoted), percent(highest), amount(m, w.truth(w.champion, m.Name()), overstated))
				r.check(fmt.Sprintf("%s, %d rows, %d challengers: promoted wrongly", m.Name(), rows, challengers),
					promoted, r.nights, 0, alpha)
			}
		}
	}
}

// equals plays nights of equal contestants; each has an outcome for every metric and, within that,
// every number of challengers.
func equals[C any](r *report, w world[C], metrics []metric.Metric, rows int) [][]outcome {
	contestants := slices.Repeat([]C{w.champion}, 1+slices.Max(r.challengers))
	truths := make([]float64, len(metrics))
	for i, m := range metrics {
		truths[i] = w.truth(w.champion, m.Name())
	}
	return each(r.nights, r.seed, func(random *rand.Rand, night int) []outcome {
		y, answers := w.night(random, rows, correlations[night%len(correlations)], contestants)
		var outcomes []outcome
		for i, evidence := range weigh(metrics, y, answers) {
			p := pValues(evidence)
			for _, challengers := range r.challengers {
				outcomes = append(outcomes, outcomeOf(metrics[i], truths[i], evidence[:1+challengers], p[:challengers]))
			}
		}
		return outcomes
	})
}

// pValues returns the p-value of every contestant but the first against the first.
func pValues(evidence []*metric.Evidence) []float64 {
	var all []float64
	for _, e := range evidence[1:] {
		c, err := e.Compare(evidence[0], confidence, 1)
		must(err)
		all = append(all, c.P)
	}
	return all
}

func outcomeOf(m metric.Metric, truth float64, evidence []*metric.Evidence, p []float64) outcome {
	champion, best := evidence[0].Value(), evidence[1].Value()
	for _, e := range evidence[2:] {
		if m.Better(e.Value(), best) {
			best = e.Value()
		}
	}
	o := outcome{promoted: slices.Min(metric.Holm(p)) <= alpha}
	if m.Better(best, champion) {
		o.highest = true
		o.overstated = best - truth
		if !m.HigherIsBetter() {
			o.overstated = truth - best
		}
	}
	return o
}

// amount writes a difference of a metric in points where it is a share, else in percent of its truth.
func amount(m metric.Metric, truth, difference float64) string {
	if m.Unit() {
		return fmt.Sprintf("%.2f pt", 100*difference)
	}
	return fmt.Sprintf("%.2f %%", 100*difference/truth)
}

// unlike writes the rows of challengers that are equal in truth and of another kind.
func unlike(r *report) {
	sharper := func(free func(c *classifier) *float64) func(x float64) classifier {
		return func(x float64) classifier {
			c := honest(1.8)
			*free(&c) = x
			return c
		}
	}
	other(r, classes, "accuracy", "ranks better, takes too many for positive",
		sharper(func(c *classifier) *float64 { return &c.lean }), 0, 4)
	other(r, classes, "roc_auc", "is as sure of some positives as unsure of others",
		func(skill float64) classifier { return classifier{skill: skill, spread: 1.6, certainty: 1} }, 4, 0.5)
	other(r, classes, "log_loss", "ranks better, is too sure",
		sharper(func(c *classifier) *float64 { return &c.certainty }), 1, 6)
	other(r, numbers, "rmse", "errs less on most rows, far more on a few",
		func(size float64) regressor { return regressor{size: size, uneven: 0.7} }, 0.5, 2)
}

// other writes the rows of one challenger: the one between a better and a worse that is as good as
// the champion.
func other[C any](r *report, w world[C], name, kind string, of func(x float64) C, better, worse float64) {
	m := lookup(name)[0]
	equal := w
	equal.of, equal.best, equal.worst = of, better, worse
	challenger := equal.better(m, 0)
	for _, rows := range r.rows {
		nights := each(r.fewer(), r.seed, func(random *rand.Rand, _ int) float64 {
			y, answers := w.night(random, rows, 0.7, []C{w.champion, challenger})
			return pValues(weigh([]metric.Metric{m}, y, answers)[0])[0]
		})
		promoted := share(nights, func(p float64) bool { return p <= alpha })
		r.printf("| %s | %s | %s | %s |\n", name, thousands(rows), kind, percent(promoted))
	}
}
