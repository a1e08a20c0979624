// Package advice turns the reports of a pipeline's last runs into what its owner should consider: a
// candidate that costs time and never comes near the best, a holdout that is too small for the gate.
package advice

import (
	"fmt"
	"slices"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/metric"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

const (
	// Runs is how many runs advice is made from; with fewer there is none.
	Runs = 30
	// Enough is how many reports to read for them: some runs are not judged.
	Enough = 2 * Runs
	// few is how many of the runs must have compared a challenger with the champion.
	few = Runs / 2
)

// Of returns advice in sentences, nil for none. The reports are a pipeline's, the newest first; of
// those in which contestants were compared, the first 30 count. It depends on them alone.
func Of(reports []bakeoff.Report) []string {
	var judged []bakeoff.Report
	for _, r := range reports {
		if len(judged) < Runs && slices.ContainsFunc(r.Leaderboard, func(row bakeoff.LeaderboardRow) bool { return row.Noise }) {
			judged = append(judged, r)
		}
	}
	if len(judged) < Runs {
		return nil
	}
	var all []string
	for _, row := range judged[0].Leaderboard {
		if row.Role != bakeoff.RoleChallenger {
			continue
		}
		if line := ofCandidate(judged, row.Candidate); line != "" {
			all = append(all, line)
		}
	}
	if line := ofHoldout(judged); line != "" {
		all = append(all, line)
	}
	return all
}

// ofCandidate says of a candidate that took part in all runs and was never within noise of the best
// what it costs.
func ofCandidate(judged []bakeoff.Report, name string) string {
	failures := 0
	var seconds []float64
	for _, r := range judged {
		i := slices.IndexFunc(r.Leaderboard, func(row bakeoff.LeaderboardRow) bool {
			return row.Role == bakeoff.RoleChallenger && row.Candidate == name
		})
		if i < 0 || r.Leaderboard[i].Noise {
			return ""
		}
		if r.Leaderboard[i].State == bakeoff.TrialFailed {
			failures++
		}
		seconds = append(seconds, r.Leaderboard[i].Seconds)
	}
	cost := fmt.Sprintf("it takes %s s a run", plain.Value(median(seconds)))
	if failures == len(judged) {
		return fmt.Sprintf("%s has failed in each of the last %d judged runs, and %s: mend it, or take it out", plain.Line(name), Runs, cost)
	}
	return fmt.Sprintf("%s has not been within noise of the best in any of the last %d judged runs, and %s: without it, smaller gains of the others are found",
		plain.Line(name), Runs, cost)
}

// ofHoldout says that the holdout is too small for what the gate asks, or for the gains that there are.
func ofHoldout(judged []bakeoff.Report) string {
	newest := judged[0]
	if newest.Deciding == nil || newest.Rows == nil {
		return ""
	}
	var detectable, ahead []float64
	for _, r := range judged {
		c := r.Deciding
		if r.Metric != newest.Metric || c == nil || c.Role != bakeoff.RoleChampion || c.Detectable <= 0 {
			continue
		}
		detectable = append(detectable, c.Detectable)
		if r.Verdict == bakeoff.Kept && c.Gain > 0 && c.Gain < c.Detectable && c.Asked == 0 && c.Needed > c.Gain {
			ahead = append(ahead, c.Gain)
		}
	}
	if len(detectable) < few {
		return ""
	}
	h := holdout{metric: newest.Metric, rows: newest.Rows.Holdout, finds: median(detectable)}
	switch asked := newest.Deciding.Asked; {
	case asked > 0 && asked < h.finds:
		return fmt.Sprintf("the gate asks for a gain of %s, and %s: what passes may be noise; %s", h.gain(asked), h, h.needs(asked))
	case asked == 0 && len(ahead) >= few:
		gain := median(ahead)
		return fmt.Sprintf("in %d of the last %d judged runs the best challenger was ahead within noise, by %s in the middle, and %s: %s",
			len(ahead), Runs, h.gain(gain), h, h.needs(gain))
	}
	return ""
}

// holdout is what so many rows find.
type holdout struct {
	metric string
	rows   int
	finds  float64
}

func (h holdout) String() string {
	return fmt.Sprintf("this holdout of %s rows finds gains from %s on", plain.Count(h.rows), h.gain(h.finds))
}

// beyond is how many times the rows nobody has: a gain that takes as many is one of rounding.
const beyond = 1_000_000

// needs says how many rows it takes to find a gain.
func (h holdout) needs(gain float64) string {
	rows := metric.RowsFor(gain, h.finds, h.rows)
	if rows/beyond > h.rows {
		return "no holdout finds that"
	}
	return "it would take about " + plain.Count(rows)
}

// gain writes a gain in points where the metric is a share.
func (h holdout) gain(v float64) string {
	if m, ok := metric.Lookup(h.metric); ok && m.Unit() {
		return fmt.Sprintf("%.2g pt", 100*v)
	}
	return plain.Value(v)
}

// median of at least one value.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}
