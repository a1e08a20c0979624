package judge

import (
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// Contestant is a challenger or the champion with its answers for the rows of a Case.
type Contestant struct {
	Candidate   string
	Role        bakeoff.Role  // RoleChallenger or RoleChampion
	Version     int           // of the champion
	Rebuilt     bool          // the champion's recipe was built again, and answered in its place
	Trial       bakeoff.Trial // state, reason, artifact, bytes and seconds
	Predictions *bakeoff.Predictions
	Unseen      int            // cells with a category that its training had not seen
	Speed       *bakeoff.Speed // nil where it was not measured
	// Failure says why a built trial has no predictions; "" where it has.
	Failure string
}

// Case is all that a decision depends on.
type Case struct {
	Pipeline *bakeoff.Pipeline
	Task     bakeoff.LearningTask
	Labels   bakeoff.Labels
	Baseline *bakeoff.Predictions
	// Contestants are the challengers in the file's order and, where there is one, the champion.
	Contestants []Contestant
	Rows        bakeoff.Rows  // for the Decision
	Champion    int           // the live version; 0 for none
	Hold        *bakeoff.Hold // nil for none
	// At is the moment that the run is for, and Moved when the champion became that: for its cool-down.
	At, Moved time.Time
	// Incomparable says why the champion and the challengers cannot be compared, as a clause about
	// the champion such as "it needs the column age, which is gone"; "" where they can.
	Incomparable string
	// Slices are the columns by whose values the rows are also judged in parts, with a value for each row.
	Slices []dataset.Column
	// Contaminated says, as a clause about the holdout, why nobody can be judged by it: too much of it
	// was in the challengers' training; "" where they can.
	Contaminated string
}

// Decide ranks the contestants of a case and decides by the pipeline's gate. It depends on the case
// alone. The decision's Golden is left to the caller, who has the rows.
//
// A metric that is unknown or does not fit the learning task is an error with
// bakeoff.CodeInvalid; a case that contradicts itself is one with bakeoff.CodeInternal. Whatever a
// contestant does wrong is not an error but its row.
func Decide(c Case) (bakeoff.Decision, error) {
	if err := c.check(); err != nil {
		return bakeoff.Decision{}, err
	}
	m, err := metricsOf(c.Pipeline, c.Task)
	if err != nil {
		return bakeoff.Decision{}, err
	}
	b := newBoard(c, m)
	o := b.standing(c, b.decide(c))
	return bakeoff.Decision{
		Verdict:     o.verdict,
		Reason:      o.reason + b.rebuilt() + b.remark(),
		Metric:      m.objective.Name(),
		Candidate:   o.candidate,
		Rows:        c.Rows,
		Leaderboard: b.rows(),
		Confidence:  c.Pipeline.Judge.Confidence,
		Champion:    c.Champion,
		Deciding:    b.deciding,
		Second:      b.second,
		Detectable:  b.detectable,
		Approve:     approval(c, o),
		Slices:      b.sliceTables(o),
	}, nil
}

// check reports a case that no caller should make.
func (c Case) check() error {
	champions := 0
	for _, k := range c.Contestants {
		if k.Role == bakeoff.RoleChampion {
			champions++
		}
	}
	switch {
	case c.Pipeline == nil || c.Baseline == nil:
		return bakeoff.Errorf(bakeoff.CodeInternal, "judge: a case without a pipeline or a baseline")
	case c.Champion == 0 && champions > 0, c.Champion != 0 && champions != 1:
		return bakeoff.Errorf(bakeoff.CodeInternal, "judge: %d champions among the contestants, the live version is %d", champions, c.Champion)
	}
	for _, column := range c.Slices {
		if n := max(len(column.Codes), len(column.Numbers)); n != c.Labels.Len() {
			return bakeoff.Errorf(bakeoff.CodeInternal, "judge: %d values of the column %s for %d rows", n, column.Name, c.Labels.Len())
		}
	}
	return nil
}
