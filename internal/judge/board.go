package judge

import (
	"cmp"
	"errors"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/metric"
)

// board is a leaderboard in the making.
type board struct {
	metrics metrics
	rule    bakeoff.Gain
	places  []place // ranked ones first, the best first
	// undefined says of each metric that some contestant lacks why; by the metric's name.
	undefined map[string]string
	// deciding is the comparison that the verdict is about, second that of the best two.
	deciding, second *bakeoff.Comparison
	detectable       float64 // the smallest gain that the rows find
	// slices are the parts of the rows, column by column, and sliceLoss what a challenger may lose in one; nil for any.
	slices    []slice
	sliceLoss *bakeoff.SliceLoss
}

// place is one row of a board.
type place struct {
	row    bakeoff.LeaderboardRow
	ranked bool
	// value is that of the objective, and evidence what it comes from, where ranked.
	value    float64
	evidence *metric.Evidence
	answers  *bakeoff.Predictions
	stop     stop
	// undefined says of metrics without a value why, by name.
	undefined map[string]string
}

func newBoard(c Case, m metrics) *board {
	b := &board{metrics: m, rule: c.Pipeline.Gate.Gain, sliceLoss: c.Pipeline.Gate.SliceLoss, undefined: map[string]string{}, places: make([]place, len(c.Contestants)+1)}
	last := len(c.Contestants)
	b.each(len(b.places), func(i int) {
		if i < last {
			b.places[i] = b.contest(c, c.Contestants[i])
			return
		}
		b.places[i] = b.judge(c.Labels, c.Baseline, bakeoff.LeaderboardRow{
			Candidate: bakeoff.BaselineName, Role: bakeoff.RoleBaseline, State: bakeoff.TrialBuilt,
		})
	})
	for i, p := range b.places {
		if i < last && !p.ranked && p.row.Metrics != nil && b.places[last].ranked {
			b.places[i] = silent(p.row, p.row.Reason) // the labels define the objective, these answers do not
		}
		for name, why := range p.undefined {
			if b.undefined[name] == "" {
				b.undefined[name] = why
			}
		}
	}
	slices.SortStableFunc(b.places, b.compare)
	for i := range b.places {
		if b.places[i].ranked {
			rank := i + 1
			b.places[i].row.Rank = &rank
		}
	}
	b.sliced(c)
	return b
}

// contest returns the place of a contestant, ranked if it can be.
func (b *board) contest(c Case, k Contestant) place {
	row := bakeoff.LeaderboardRow{
		Candidate: k.Candidate, Role: k.Role, State: bakeoff.TrialBuilt, Version: k.Version, Rebuilt: k.Rebuilt,
		Artifact: k.Trial.Artifact, Bytes: k.Trial.Bytes, Seconds: k.Trial.Seconds, Unseen: k.Unseen, Speed: k.Speed,
		Search: k.Trial.Searched(),
	}
	if k.Trial.State != bakeoff.TrialBuilt {
		row.State, row.Reason = bakeoff.TrialFailed, cmp.Or(k.Trial.Reason, "it was not built")
		return place{row: row}
	}
	if k.Role == bakeoff.RoleChampion && c.Incomparable != "" {
		row.Reason = "cannot be compared: " + c.Incomparable
		return place{row: row}
	}
	failure := k.Failure
	if failure == "" && c.Labels.Len() > 0 {
		if err := checkAnswers(k.Predictions, c.Labels); err != nil {
			failure = err.Error()
		}
	}
	if failure != "" {
		return silent(row, failure)
	}
	return b.judge(c.Labels, k.Predictions, row)
}

// silent returns the place of a contestant that was built but does not answer as it must.
func silent(row bakeoff.LeaderboardRow, why string) place {
	row.State = bakeoff.TrialFailed
	row.Reason = string(bakeoff.FailedPrediction) + ": " + why
	return place{row: row}
}

// judge computes the metrics of a contestant's answers. It is not ranked if the objective has no
// value.
func (b *board) judge(y bakeoff.Labels, answers *bakeoff.Predictions, row bakeoff.LeaderboardRow) place {
	if y.Len() == 0 {
		row.Reason = "the holdout has no rows"
		return place{row: row}
	}
	p := place{row: row, answers: answers, undefined: map[string]string{}}
	p.row.Metrics, p.row.Interval = map[string]float64{}, map[string][2]float64{}
	evidence, errs := metric.WeighAll(b.metrics.all, y, answers)
	for i, m := range b.metrics.all {
		if err := errs[i]; err != nil {
			if !errors.Is(err, metric.ErrUndefined) {
				return silent(row, err.Error())
			}
			p.undefined[m.Name()] = err.Error()
			continue
		}
		p.row.Metrics[m.Name()] = evidence[i].Value()
		if bounds, err := evidence[i].Interval(b.metrics.confidence, b.metrics.seed); err == nil {
			p.row.Interval[m.Name()] = bounds
		}
		if m == b.metrics.objective {
			p.ranked, p.value, p.evidence = true, evidence[i].Value(), evidence[i]
		}
	}
	if !p.ranked {
		p.row.Reason = p.undefined[b.metrics.objective.Name()]
	}
	return p
}

// each calls do for 0 to n-1 on all processors and waits for all.
func (b *board) each(n int, do func(i int)) {
	var all errgroup.Group
	all.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		all.Go(func() error { do(i); return nil })
	}
	_ = all.Wait() // none fails
}

// compare orders places: ranked before unranked before failed, the ranked ones by the objective.
func (b *board) compare(x, y place) int {
	if by := cmp.Compare(group(x), group(y)); by != 0 || !x.ranked {
		return by
	}
	switch {
	case b.metrics.objective.Better(x.value, y.value):
		return -1
	case b.metrics.objective.Better(y.value, x.value):
		return 1
	}
	return cmp.Or(
		cmp.Compare(precedence(x.row.Role), precedence(y.row.Role)),
		cmp.Compare(x.row.Bytes, y.row.Bytes),
		cmp.Compare(x.row.Candidate, y.row.Candidate),
	)
}

func group(p place) int {
	switch {
	case p.ranked:
		return 0
	case p.row.State == bakeoff.TrialBuilt:
		return 1
	}
	return 2
}

// precedence orders the roles among equals.
func precedence(r bakeoff.Role) int {
	return slices.Index([]bakeoff.Role{bakeoff.RoleChampion, bakeoff.RoleChallenger, bakeoff.RoleBaseline}, r)
}

func (b *board) rows() []bakeoff.LeaderboardRow {
	rows := make([]bakeoff.LeaderboardRow, len(b.places))
	for i, p := range b.places {
		rows[i] = p.row
	}
	return rows
}

// of returns the places of a role, in order.
func (b *board) of(role bakeoff.Role) []place {
	var found []place
	for _, p := range b.places {
		if p.row.Role == role {
			found = append(found, p)
		}
	}
	return found
}

// challengers returns the ranked challengers, the best first.
func (b *board) challengers() []place {
	return slices.DeleteFunc(b.of(bakeoff.RoleChallenger), func(p place) bool { return !p.ranked })
}

// remark says for a person which metrics beside the objective are missing, and why.
func (b *board) remark() string {
	var missing []string
	for _, m := range b.metrics.all {
		if why := b.undefined[m.Name()]; why != "" && m != b.metrics.objective {
			missing = append(missing, why)
		}
	}
	if len(missing) == 0 {
		return ""
	}
	return " (" + strings.Join(missing, "; ") + ")"
}
