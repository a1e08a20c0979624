package app

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/answers"
	"github.com/bakeoffhq/bakeoff/internal/judge"
	"github.com/bakeoffhq/bakeoff/internal/spec"
)

// Replay implements api.Past. One at a time: it takes all processors, and predictions have to be
// answered meanwhile.
func (f face) Replay(ctx context.Context, pipeline string, last int, set []string) (client.Replay, error) {
	file, err := f.known(ctx, pipeline)
	if err != nil {
		return client.Replay{}, err
	}
	r := replay{face: f, set: set, read: map[bakeoff.Digest]reading{}}
	if _, err := r.rules(file); err != nil { // what is wrong with set is told once
		return client.Replay{}, err
	}
	if !f.replaying.TryLock() {
		return client.Replay{}, bakeoff.Errorf(bakeoff.CodeBusy, "another replay is under way").WithHint("try again in a moment")
	}
	defer f.replaying.Unlock()
	reports, err := f.store.LastVerdicts(ctx, pipeline, last)
	if err != nil {
		return client.Replay{}, err
	}
	slices.Reverse(reports)
	all := client.Replay{Pipeline: pipeline, Set: set}
	for _, report := range reports {
		night, err := r.night(ctx, report)
		if err != nil {
			return client.Replay{}, err
		}
		all.Nights = append(all.Nights, night)
		if night.With == nil {
			continue
		}
		all.Judged++
		all.Differ += count(night.Differs)
		all.Changes += count(night.Then.Verdict == bakeoff.Promoted)
		all.With += count(night.With.Verdict == bakeoff.Promoted)
	}
	return all, nil
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}

// replay is one replay under way.
type replay struct {
	face
	set  []string
	read map[bakeoff.Digest]reading // by the revision
}

// reading is a pipeline file as it is, and with what is tried.
type reading struct{ as, with *bakeoff.Pipeline }

// rules reads a kept file both ways.
func (r *replay) rules(file bakeoff.PipelineFile) (reading, error) {
	if known, ok := r.read[file.Revision]; ok {
		return known, nil
	}
	parse := func(set []string) (*bakeoff.Pipeline, error) {
		return spec.Rules(filepath.Base(file.Path), filepath.Dir(file.Path), []byte(file.Text), spec.Options{LookupEnv: r.config.LookupEnv}, set)
	}
	as, err := parse(nil)
	if err != nil {
		return reading{}, err
	}
	with, err := parse(r.set)
	if err != nil {
		return reading{}, err
	}
	r.read[file.Revision] = reading{as, with}
	return r.read[file.Revision], nil
}

// night judges a run again. What is in the way of it is said in the night; the error is that of ctx,
// or of a store that does not answer.
func (r *replay) night(ctx context.Context, report bakeoff.Report) (client.ReplayNight, error) {
	n := client.ReplayNight{Run: report.Run, Created: report.Created, Then: thenOf(report)}
	kept, why, err := r.answersOf(ctx, report)
	if err != nil || why != "" {
		n.Why = why
		return n, err
	}
	file, err := r.store.Pipeline(ctx, report.Pipeline, report.Revision)
	if err != nil {
		return n, err
	}
	rules, err := r.rules(file)
	if err != nil {
		n.Why = fmt.Sprintf("its pipeline file cannot be read with the change: %v", err)
		return n, nil
	}
	d, err := judge.Try(kept, rules.as, rules.with)
	if err != nil {
		n.Why = err.Error()
		return n, nil
	}
	with := outcomeOf(d)
	if n.With = &with; alike(n.Then, with) {
		return n, nil
	}
	// It may have ended otherwise for another reason than the rules: the artifact did not prove itself,
	// or a person was faster.
	again, err := judge.Decide(judge.Again(kept))
	if err != nil {
		return n, err
	}
	if n.Differs = !alike(outcomeOf(again), with); !n.Differs {
		n.With = &n.Then
	}
	return n, nil
}

// answersOf reads what the contestants of a run answered, or says why that is not to be had. The error is
// that of ctx.
func (f face) answersOf(ctx context.Context, report bakeoff.Report) (kept *answers.File, why string, err error) {
	if report.Answers == "" {
		return nil, "no answers were kept: it was not judged, or by an earlier version", nil
	}
	kept, err = f.keptAnswers(ctx, report.Answers)
	switch {
	case ctx.Err() != nil:
		return nil, "", context.Cause(ctx)
	case bakeoff.CodeOf(err) == bakeoff.CodeNotFound:
		return nil, "its answers are not kept any more", nil
	case err != nil: // they may be damaged: other runs can be judged all the same
		return nil, err.Error(), nil
	}
	return kept, "", nil
}

// keptAnswers reads the answers of a run.
func (f face) keptAnswers(ctx context.Context, digest bakeoff.Digest) (*answers.File, error) {
	b, err := f.store.GetBytes(ctx, digest)
	if err != nil {
		return nil, err
	}
	return answers.Read(bytes.NewReader(b), int64(len(b)))
}

// thenOf is how a run has ended.
func thenOf(r bakeoff.Report) client.ReplayOutcome {
	o := client.ReplayOutcome{Verdict: r.Verdict, Reason: r.Reason}
	switch {
	case r.Verdict == bakeoff.Promoted && r.Champion != nil:
		o.Candidate = r.Champion.Candidate
	case r.Deciding != nil:
		o.Candidate = r.Deciding.Candidate
	}
	return o
}

// outcomeOf is how a run would end by a decision.
func outcomeOf(d bakeoff.Decision) client.ReplayOutcome {
	o := client.ReplayOutcome{Verdict: d.Verdict, Candidate: d.Candidate, Reason: d.Reason}
	if o.Candidate == "" && d.Deciding != nil {
		o.Candidate = d.Deciding.Candidate
	}
	return o
}

// alike reports whether two outcomes leave the same champion, for a verdict of the same kind.
func alike(a, b client.ReplayOutcome) bool {
	return a.Verdict == b.Verdict && (a.Verdict != bakeoff.Promoted || a.Candidate == b.Candidate)
}
