package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/bakeoffhq/bakeoff"
)

const (
	// readsAtOnce bounds how many records are asked for at the same time.
	readsAtOnce = 16

	// madeUpFor is how many runs that end after later ones are put in their place: those of ticks
	// that were missed, whose IDs say when they were due.
	madeUpFor = 16
)

// Verdict returns the report of a run that has ended; otherwise its error has code NotFound.
func (s *Store) Verdict(ctx context.Context, pipeline, run string) (bakeoff.Report, error) {
	var r bakeoff.Report
	_, err := s.get(ctx, s.decisions, "verdict."+pipeline+"."+run, &r)
	return r, err
}

// hasVerdict reports whether there is a verdict of a run of that ID, of whichever pipeline.
func (s *Store) hasVerdict(ctx context.Context, run string) (bool, error) {
	stream, err := s.js.Stream(ctx, "KV_decisions")
	if err != nil {
		return false, err
	}
	_, err = stream.GetLastMsgForSubject(ctx, subject("verdict.*."+run))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Verdicts returns the reports of a pipeline's ended runs, the newest first.
func (s *Store) Verdicts(ctx context.Context, pipeline string) ([]bakeoff.Report, error) {
	rs, err := all[bakeoff.Report](ctx, s, s.decisions, "verdict."+pipeline+".*")
	newestFirst(rs)
	return rs, err
}

// LastVerdicts is Verdicts for at most n of them, of every pipeline where that is "". It reads little
// more than those.
func (s *Store) LastVerdicts(ctx context.Context, pipeline string, n int) ([]bakeoff.Report, error) {
	keys, err := s.verdictKeys(ctx, pipeline)
	if err != nil {
		return nil, fmt.Errorf("list verdicts: %w", err)
	}
	keys = keys[:min(len(keys), max(n, 0)+madeUpFor)]
	found := make([]*bakeoff.Report, len(keys))
	g, reading := errgroup.WithContext(ctx)
	g.SetLimit(readsAtOnce)
	for i, key := range keys {
		g.Go(func() error {
			var r bakeoff.Report
			_, err := s.get(reading, s.decisions, key, &r)
			if err == nil {
				found[i] = &r
			} else if bakeoff.CodeOf(err) == bakeoff.CodeNotFound {
				return nil // it was removed
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	reports := make([]bakeoff.Report, 0, len(found))
	for _, r := range found {
		if r != nil {
			reports = append(reports, *r)
		}
	}
	newestFirst(reports)
	return reports[:min(len(reports), max(n, 0))], nil
}

func newestFirst(rs []bakeoff.Report) {
	slices.SortStableFunc(rs, func(a, b bakeoff.Report) int { return b.Ended.Compare(a.Ended) })
}

// verdictKeys lists the verdicts of a pipeline, or of all, by the time that each run's ID names, the
// newest first. The server tells the keys without the records.
func (s *Store) verdictKeys(ctx context.Context, pipeline string) ([]string, error) {
	stream, err := s.js.Stream(ctx, "KV_decisions")
	if err != nil {
		return nil, unavailable(err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(subject("verdict."+cmp.Or(pipeline, "*")+".*")))
	if err != nil {
		return nil, unavailable(err)
	}
	keys := make([]string, 0, len(info.State.Subjects))
	moments := make(map[string]string, len(info.State.Subjects))
	for subject := range maps.Keys(info.State.Subjects) {
		key := strings.TrimPrefix(subject, "$KV.decisions.")
		keys = append(keys, key)
		moments[key] = momentOf(key)
	}
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(strings.Compare(moments[b], moments[a]), strings.Compare(b, a))
	})
	return keys, nil
}

// momentOf returns what a run's ID, the last part of a key after the pipeline, has after the
// pipeline's name: a time in a form that sorts.
func momentOf(key string) string {
	of, run := cutKey(strings.TrimPrefix(key, "verdict."))
	return strings.TrimPrefix(run, of+"-")
}

// LastVerdict returns the report of the run of a pipeline that ended last, nil if none has.
func (s *Store) LastVerdict(ctx context.Context, pipeline string) (*bakeoff.Report, error) {
	stream, err := s.js.Stream(ctx, "KV_decisions")
	if err != nil {
		return nil, fmt.Errorf("read the last verdict of %s: %w", pipeline, unavailable(err))
	}
	msg, err := stream.GetLastMsgForSubject(ctx, subject("verdict."+pipeline+".*"))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the last verdict of %s: %w", pipeline, unavailable(err))
	}
	var r bakeoff.Report
	if deleted(msg) {
		rs, err := s.LastVerdicts(ctx, pipeline, 1)
		if err != nil || len(rs) == 0 {
			return nil, err
		}
		return &rs[0], nil
	}
	if err := s.decode(ctx, msg.Data, &r); err != nil {
		return nil, fmt.Errorf("read the last verdict of %s: %w", pipeline, err)
	}
	return &r, nil
}
