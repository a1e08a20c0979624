package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/bakeoffhq/bakeoff/internal/metric"
)

// power writes how often a challenger that is better is found, and whether the gain that the
// product calls detectable is.
func power(r *report) {
	r.printf("\n## Power\n\nHow often the only challenger is promoted where it is truly better by so much: points of accuracy and roc_auc, "+
		"percent of the champion's log_loss and rmse. Errors correlate by 0.7; a tenth of the nights. Detectable is the gain that a night of equal contestants "+
		"is told to find with %.0f %%, on average; beside it, how often a challenger better by just that is found.\n\n", 100*wanted)
	r.printf("| metric | rows | by 0.25 | by 0.5 | by 1 | by 2 | detectable | found |\n|---|---|---|---|---|---|---|---|\n")
	for _, name := range []string{"accuracy", "roc_auc", "log_loss"} {
		found(r, classes, name)
	}
	found(r, numbers, "rmse")
}

// found writes the rows of one metric.
func found[C any](r *report, w world[C], name string) {
	m := lookup(name)[0]
	unit := 0.01
	if !m.Unit() {
		unit *= w.truth(w.champion, name)
	}
	for _, rows := range r.rows {
		r.printf("| %s | %s ", name, thousands(rows))
		for _, gain := range []float64{0.25, 0.5, 1, 2} {
			r.printf("| %s ", percent(r.promoted(compared(r, w, m, rows, gain*unit))))
		}
		detectable := 0.0
		equal := compared(r, w, m, rows, 0)
		for _, c := range equal {
			detectable += c.Detectable(alpha, wanted) / float64(len(equal))
		}
		share := r.promoted(compared(r, w, m, rows, detectable))
		r.printf("| %s | %s |\n", amount(m, w.truth(w.champion, name), detectable), percent(share))
		r.check(fmt.Sprintf("%s, %d rows: the detectable gain is found", name, rows), share, r.fewer(), 0.7, 0.9)
	}
}

// compared plays nights with one challenger that is better by so much.
func compared[C any](r *report, w world[C], m metric.Metric, rows int, gain float64) []metric.Comparison {
	contestants := []C{w.champion, w.better(m, gain)}
	return each(r.fewer(), r.seed, func(random *rand.Rand, _ int) metric.Comparison {
		y, answers := w.night(random, rows, 0.7, contestants)
		evidence := weigh([]metric.Metric{m}, y, answers)[0]
		c, err := evidence[1].Compare(evidence[0], confidence, 1)
		must(err)
		return c
	})
}

// promoted returns the share of comparisons that promote.
func (r *report) promoted(nights []metric.Comparison) float64 {
	return share(nights, func(c metric.Comparison) bool { return c.P <= alpha })
}
