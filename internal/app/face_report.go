package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/metric"
	"github.com/bakeoffhq/bakeoff/internal/report"
	"github.com/bakeoffhq/bakeoff/internal/score"
)

// importanceTime is how long measuring what a contestant leans on may take: whoever asks for a page waits for it.
const importanceTime = 30 * time.Second

// ReportPage implements api.Runs.
func (f face) ReportPage(ctx context.Context, id string, w io.Writer) error {
	r, err := f.Run(ctx, id)
	if err != nil {
		return err
	}
	if r.Verdict == "" {
		return bakeoff.Errorf(bakeoff.CodeConflict, "run %s has not ended: it is in phase %s", id, r.Phase).
			WithHint("`bakeoff logs --follow --run %s` watches it", id)
	}
	select { // it takes memory and processors like a judge, so there is one at a time
	case f.reporting <- struct{}{}:
		defer func() { <-f.reporting }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	page := report.Page{Report: r.Report, Origin: report.Origin{Program: f.config.Version}}
	if err := f.answered(ctx, &page); err != nil {
		return err
	}
	if err := f.leanings(ctx, &page); err != nil {
		return err
	}
	return report.Write(ctx, w, page)
}

// answered adds to a page what the contestants answered, or why that is not there. The error is that
// of ctx.
func (f face) answered(ctx context.Context, page *report.Page) error {
	if page.Report.Answers == "" {
		page.Unanswered = "there are no curves: what the contestants answered was not kept"
		if page.Report.Metric == "" {
			page.Unanswered = "there are no curves: nobody was judged"
		}
		return nil
	}
	kept, err := f.keptAnswers(ctx, page.Report.Answers)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case bakeoff.CodeOf(err) == bakeoff.CodeNotFound:
		page.Unanswered = "there are no curves: what the contestants answered is not kept any more"
		return nil
	case err != nil:
		page.Unanswered = fmt.Sprintf("there are no curves: %v", err)
		return nil
	}
	page.Task, page.Labels = kept.Task, kept.Labels
	for _, k := range kept.Contestants {
		page.Contestants = append(page.Contestants, report.Contestant{
			Candidate: k.Candidate, Role: k.Role, Version: k.Version, Predictions: k.Predictions,
		})
	}
	return nil
}

// leanings adds to a page what the challenger in question and the champion lean on, and what the run's record
// knows. The error is that of ctx.
func (f face) leanings(ctx context.Context, page *report.Page) error {
	run, _, err := f.store.Run(ctx, page.Report.Run)
	if err == nil && run.Snapshot != nil {
		page.Target, page.Task = run.Snapshot.Schema.Target, run.Snapshot.Schema.Task
		page.Origin.Seed, page.Origin.Split = run.Snapshot.Split.Seed, run.Snapshot.Split
	}
	var before bakeoff.Digest
	for _, row := range leaning(page.Report) {
		if row.Artifact == before && before != "" {
			continue // the challenger is what is live already
		}
		before = row.Artifact
		k := report.Importance{Candidate: row.Candidate, Role: row.Role, Version: row.Version}
		var why error
		switch {
		case err != nil:
			why = gone(ctx, "the record of the run", err)
		case run.Snapshot == nil:
			why = errors.New("the run has no snapshot")
		default:
			k.Columns, k.Rows, why = f.leans(ctx, run, page.Report.Metric, row)
			if card, err := f.artifactCard(ctx, row.Artifact); err == nil { // one without has no curves
				page.Cards = append(page.Cards, report.Described{Candidate: row.Candidate, Role: row.Role, Version: row.Version, Card: card})
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if why != nil {
			k.Unmeasured = why.Error()
		}
		page.Importance = append(page.Importance, k)
	}
	return nil
}

// leaning are the challenger that the verdict is about and the champion, as far as there are.
func leaning(r bakeoff.Report) []bakeoff.LeaderboardRow {
	var champion *bakeoff.LeaderboardRow
	for i := range r.Leaderboard {
		if row := &r.Leaderboard[i]; row.Rank != nil && row.Role == bakeoff.RoleChampion {
			champion = row
		}
	}
	var rows []bakeoff.LeaderboardRow
	for _, row := range []*bakeoff.LeaderboardRow{r.Considered(), champion} {
		if row != nil {
			rows = append(rows, *row)
		}
	}
	return rows
}

// leans measures what a contestant leans on, on the holdout of the run. What was set aside there is
// known by identity alone and not left out.
func (f face) leans(ctx context.Context, run bakeoff.Run, objective string, row bakeoff.LeaderboardRow) (found []score.Importance, rows int, err error) {
	m, ok := metric.Lookup(objective)
	if !ok {
		return nil, 0, fmt.Errorf("%s is not computed here", objective)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, importanceTime, fmt.Errorf("it took longer than %v", importanceTime))
	defer cancel()
	model, err := f.contestant(ctx, run, row)
	if err != nil {
		return nil, 0, gone(ctx, "its artifact", err)
	}
	defer func() { err = errors.Join(err, model.Close()) }()
	holdout, err := f.runtime.holdout(ctx, *run.Snapshot)
	if err != nil {
		return nil, 0, gone(ctx, "the holdout", err)
	}
	p := score.Permuting{Metric: m, Seed: run.Snapshot.Split.Seed}
	for _, c := range model.Schema().Columns {
		p.Columns = append(p.Columns, c.Name)
	}
	found, rows, err = score.Importances(ctx, model, holdout.Table, holdout.Labels, p)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return found, rows, err
}

// contestant opens the artifact of a row of a run's leaderboard.
func (f face) contestant(ctx context.Context, run bakeoff.Run, row bakeoff.LeaderboardRow) (*opened, error) {
	if row.Role == bakeoff.RoleChampion && !row.Rebuilt {
		v, err := f.store.Version(ctx, run.Pipeline, row.Version)
		if err != nil {
			return nil, err
		}
		return f.runtime.version(ctx, v)
	}
	name := row.Candidate
	if row.Rebuilt {
		name = bakeoff.ChampionName
	}
	recipe, _ := run.Recipe(name) // each trial has one
	return f.runtime.open(ctx, run.Pipeline, row.Artifact, score.Spec{Recipe: recipe, Schema: run.Snapshot.Schema})
}

// gone says of an error whether what was asked for is not kept any more.
func gone(ctx context.Context, what string, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case bakeoff.CodeOf(err) == bakeoff.CodeNotFound:
		return fmt.Errorf("%s is not kept any more", what)
	}
	return err
}
