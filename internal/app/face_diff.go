package app

import (
	"context"
	"slices"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
)

// Diff implements api.Past.
func (f face) Diff(ctx context.Context, before, after string) (client.Diff, error) {
	now, err := f.side(ctx, after)
	if err != nil {
		return client.Diff{}, err
	}
	if before == "" {
		if before, err = f.runBefore(ctx, now.report); err != nil {
			return client.Diff{}, err
		}
	}
	old, err := f.side(ctx, before)
	if err != nil {
		return client.Diff{}, err
	}
	if old.report.Pipeline != now.report.Pipeline {
		return client.Diff{}, bakeoff.Errorf(bakeoff.CodeInvalid, "%s is a run of %s, and %s one of %s", before, old.report.Pipeline, after, now.report.Pipeline).
			WithHint("compare two runs of one pipeline")
	}
	return compare(old, now), nil
}

// runBefore returns the ended run of the pipeline that was asked for last before another one.
func (f face) runBefore(ctx context.Context, r bakeoff.Report) (string, error) {
	const many = 1000
	reports, err := f.store.LastVerdicts(ctx, r.Pipeline, many)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(reports, func(other bakeoff.Report) bool { return other.Run != r.Run && other.Created.Before(r.Created) })
	if i < 0 {
		return "", bakeoff.Errorf(bakeoff.CodeNotFound, "no run of %s has ended before %s", r.Pipeline, r.Run).
			WithHint("`bakeoff history %s` lists its runs", r.Pipeline)
	}
	return reports[i].Run, nil
}

// side reads what is known of an ended run.
func (f face) side(ctx context.Context, id string) (side, error) {
	report, err := f.Run(ctx, id)
	if err != nil {
		return side{}, err
	}
	if report.Verdict == "" {
		return side{}, bakeoff.Errorf(bakeoff.CodeConflict, "run %s has not ended: it is in phase %s", id, report.Phase).
			WithHint("`bakeoff logs --follow --run %s` watches it", id)
	}
	s := side{report: report.Report}
	file, err := f.store.Pipeline(ctx, report.Pipeline, report.Revision)
	if err != nil && bakeoff.CodeOf(err) != bakeoff.CodeNotFound {
		return s, err
	}
	s.text = file.Text
	run, _, err := f.store.Run(ctx, id)
	if bakeoff.CodeOf(err) == bakeoff.CodeNotFound {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	s.run = &run
	kept, _, err := f.answersOf(ctx, report.Report)
	if kept != nil {
		s.labels = &kept.Labels
	}
	return s, err
}
