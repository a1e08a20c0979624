package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bakeoffhq/bakeoff"
)

// maxCommits bounds how many decisions are carried out at once: each opens an artifact.
const maxCommits = 2

// commits are the decisions that are to be carried out, by run. The loop owns it.
type commits struct {
	pipelines map[string]string // of the runs that wait or are under way
	waiting   []string          // runs, in order
	busy      map[string]bool   // pipelines; one has one decision carried out at a time
}

// add has a run's decision carried out, unless that is under way.
func (c *commits) add(r bakeoff.Run) {
	if _, ok := c.pipelines[r.ID]; ok {
		return
	}
	c.pipelines[r.ID] = r.Pipeline
	c.waiting = append(c.waiting, r.ID)
}

// over says that a commit is no longer under way.
func (c *commits) over(run string) {
	delete(c.busy, c.pipelines[run])
	delete(c.pipelines, run)
}

// next takes the first run out of those that wait whose pipeline is not busy.
func (c *commits) next() (run string, ok bool) {
	if len(c.busy) >= maxCommits {
		return "", false
	}
	i := slices.IndexFunc(c.waiting, func(run string) bool { return !c.busy[c.pipelines[run]] })
	if i < 0 {
		return "", false
	}
	run = c.waiting[i]
	c.waiting = slices.Delete(c.waiting, i, i+1)
	c.busy[c.pipelines[run]] = true
	return run, true
}

// startCommits has as many decisions carried out as may be at once.
func (l *loop) startCommits(ctx context.Context) {
	for run, ok := l.commits.next(); ok; run, ok = l.commits.next() {
		l.group.Go(func() error { return l.commit(ctx, run) })
	}
}

// commit has a decision carried out and tells the loop how it went. A decision that cannot be
// carried out fails its run and no other; a store that does not answer is everybody's trouble.
func (l *loop) commit(ctx context.Context, id string) error {
	r, _, err := l.Store.Run(ctx, id)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("carry out the decision of run %s: %w", id, err)
	}
	if ctx.Err() != nil {
		return nil
	}
	report, err := l.Registry.Commit(ctx, r)
	m := message{run: id, committed: true, event: Event{Committed: &Committed{Verdict: report.Verdict, Reason: report.Reason}}}
	switch {
	case ctx.Err() != nil:
		return nil
	case errors.Is(err, bakeoff.ErrChampionMoved):
		m.event = Event{Moved: r.Round}
	case err != nil && (bakeoff.CodeOf(err) == bakeoff.CodeUnavailable || r.Decision.Verdict == bakeoff.Failed):
		return fmt.Errorf("carry out the decision of run %s: %w", id, err)
	case err != nil:
		l.Log.Error("decision not carried out", "run", id, "error", err)
		m.event = Event{Refused: err.Error()}
	}
	return l.send(ctx, m)
}
