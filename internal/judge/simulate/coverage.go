package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/bakeoffhq/bakeoff/internal/metric"
)

// coverage writes how often intervals hold the truth: that of the champion's value, and that of the
// gain of a challenger that is somewhat better.
func coverage(r *report) {
	r.printf("\n## Intervals\n\nHow often a %.0f %% interval holds the truth. A fifth of the rows are positive, by chance. The challenger is better by "+
		"a tenth of the champion's skill, and their errors correlate by 0.7. Metrics that are bootstrapped have a fifth of the nights.\n\n", 100*confidence)
	r.printf("| metric | rows | of the value | of the gain |\n|---|---|---|---|\n")
	challenger := honest(1.1 * classes.champion.skill)
	for _, name := range []string{"accuracy", "roc_auc", "log_loss", "average_precision", "f1", "brier", "balanced_accuracy", "precision", "recall", "mcc"} {
		covered(r, classes, challenger, name)
	}
	for _, name := range []string{"rmse", "mae", "r2"} {
		covered(r, numbers, regressor{size: 0.9, uneven: numbers.champion.uneven}, name)
	}
}

// covered writes the rows of one metric.
func covered[C any](r *report, w world[C], challenger C, name string) {
	m := lookup(name)[0]
	type held struct{ value, gain bool }
	for _, rows := range r.covered {
		nights := r.nights
		if resampled(name) {
			nights /= 5
		}
		truth, gain := w.truth(w.champion, name), w.gain(m, challenger)
		all := each(nights, r.seed, func(random *rand.Rand, night int) held {
			y, answers := w.night(random, rows, 0.7, []C{w.champion, challenger})
			evidence := weigh([]metric.Metric{m}, y, answers)[0]
			value, err := evidence[0].Interval(confidence, uint64(night))
			must(err)
			c, err := evidence[1].Compare(evidence[0], confidence, uint64(night))
			must(err)
			return held{value: within(value, truth), gain: within(c.Interval, gain)}
		})
		ofValue := share(all, func(h held) bool { return h.value })
		ofGain := share(all, func(h held) bool { return h.gain })
		r.printf("| %s | %s | %s | %s |\n", name, thousands(rows), percent(ofValue), percent(ofGain))
		r.check(fmt.Sprintf("%s, %d rows: intervals of the value", name, rows), ofValue, nights, 0.93, 0.97)
		r.check(fmt.Sprintf("%s, %d rows: intervals of the gain", name, rows), ofGain, nights, 0.93, 0.97)
	}
}

// resampled reports the metrics whose intervals take a thousand resamples.
func resampled(name string) bool {
	switch name {
	case "f1", "balanced_accuracy", "precision", "mcc":
		return true
	}
	return false
}

func within(bounds [2]float64, v float64) bool { return bounds[0] <= v && v <= bounds[1] }
