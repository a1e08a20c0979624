// Package registry turns decisions into verdicts, versions and aliases. Everything that a decision
// changes is written at once, against the champion that was judged, or not at all; and nothing
// becomes champion before its artifact was read back and gave the answers that it was judged by.
package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// Store is what the registry needs of the store.
type Store interface {
	Model(ctx context.Context, name string) (bakeoff.Model, uint64, error)
	Version(ctx context.Context, model string, n int) (bakeoff.Version, error)
	Verdict(ctx context.Context, pipeline, run string) (bakeoff.Report, error)
	LastVerdicts(ctx context.Context, pipeline string, n int) ([]bakeoff.Report, error)
	Run(ctx context.Context, id string) (bakeoff.Run, uint64, error)
	LastPipeline(ctx context.Context, name string) (bakeoff.PipelineFile, error)
	Commit(ctx context.Context, c bakeoff.Change) error
	PutBytes(ctx context.Context, b []byte) (bakeoff.Digest, error)
	GetBytes(ctx context.Context, digest bakeoff.Digest) ([]byte, error)
	PutAct(ctx context.Context, a bakeoff.Act) error
	// WatchModels calls each with every model, and again whenever one changes, until ctx ends.
	WatchModels(ctx context.Context, each func(bakeoff.Model) error) error
}

// Runtime is the serving runtime, in which a version has to prove itself.
type Runtime interface {
	// Check opens the version's artifact as it is in the store and compares its answers with the golden ones.
	Check(ctx context.Context, v bakeoff.Version, golden *bakeoff.Golden) error
	// Answer has the version answer some rows of the holdout of its snapshot.
	Answer(ctx context.Context, v bakeoff.Version) (*bakeoff.Golden, error)
}

// Registry is the only writer of models, versions and verdicts.
type Registry struct {
	store   Store
	runtime Runtime
	version string // of this program, for the lineage
	log     *slog.Logger
}

// New returns a registry. The program's version goes into the lineage of what it promotes.
func New(store Store, runtime Runtime, version string, log *slog.Logger) *Registry {
	return &Registry{store: store, runtime: runtime, version: version, log: log.With("component", "registry")}
}

// maxConflicts bounds how often a change is tried anew because somebody else was faster.
const maxConflicts = 5

// Commit carries out a run's decision and returns its report. For a run that has a verdict it
// returns that one. It returns bakeoff.ErrChampionMoved if the challengers were judged against another
// champion than today's.
func (r *Registry) Commit(ctx context.Context, run bakeoff.Run) (bakeoff.Report, error) {
	if run.Decision == nil {
		return bakeoff.Report{}, fmt.Errorf("run %s has no decision", run.ID)
	}
	for range maxConflicts {
		report, err := r.store.Verdict(ctx, run.Pipeline, run.ID)
		if bakeoff.CodeOf(err) != bakeoff.CodeNotFound {
			return report, err
		}
		report, err = r.commit(ctx, run)
		if bakeoff.CodeOf(err) != bakeoff.CodeConflict {
			return report, err
		}
	}
	return bakeoff.Report{}, bakeoff.Errorf(bakeoff.CodeConflict, "carry out the decision of run %s: the model was changed %d times meanwhile", run.ID, maxConflicts)
}

func (r *Registry) commit(ctx context.Context, run bakeoff.Run) (bakeoff.Report, error) {
	model, revision, err := r.store.Model(ctx, run.Pipeline)
	if err != nil {
		return bakeoff.Report{}, err
	}
	decision := *run.Decision
	var version *bakeoff.Version
	judged := decision.Verdict == bakeoff.Promoted || decision.Verdict == bakeoff.Kept && decision.Champion != 0
	if judged && model.Champion() != decision.Champion {
		return bakeoff.Report{}, bakeoff.ErrChampionMoved
	}
	if decision.Verdict == bakeoff.Promoted {
		version, decision, err = r.prove(ctx, run, decision, model)
		if err != nil {
			return bakeoff.Report{}, err
		}
	}
	lines, model := r.advise(ctx, run, model)
	change := bakeoff.Change{Model: model, Revision: revision}
	switch {
	case version != nil && decision.Approve != nil:
		change.Model, decision = ask(model, run, decision)
		version = nil
	case version != nil:
		change.Version = version
		change.Model = moved(model, *version, run.ID, decision.Reason)
		change.Deploy = deployment(model, change.Model, *version, run.Revision, run.ID)
	}
	report, err := r.report(ctx, run, decision, model, version)
	if err != nil {
		return bakeoff.Report{}, err
	}
	if p := change.Model.Pending; p != nil && p.Run == run.ID {
		report.Pending = p
	}
	report.Advice = lines
	if compared(run) {
		change.Model.Holdout = model.Holdout.Used(*run.Snapshot, report.Ended)
		report.Holdout = change.Model.Holdout
	}
	change.Verdict = &report
	if !run.Quiet {
		change.Outbox = &bakeoff.Notification{ID: run.ID, Pipeline: run.Pipeline, Revision: run.Revision, Created: report.Ended, Report: report}
	}
	if err := r.store.Commit(ctx, change); err != nil {
		return bakeoff.Report{}, err
	}
	r.log.Info("verdict", "run", run.ID, "verdict", report.Verdict, "reason", report.Reason)
	return report, nil
}

// prove makes a version of the candidate to promote and has it prove itself. A version that cannot
// is not promoted: the decision that is returned then says so.
func (r *Registry) prove(ctx context.Context, run bakeoff.Run, d bakeoff.Decision, m bakeoff.Model) (*bakeoff.Version, bakeoff.Decision, error) {
	if m.Hold != nil {
		d.Verdict, d.Reason = bakeoff.Kept, heldReason(*m.Hold)
		return nil, d, nil
	}
	v, err := newVersion(run, d.Candidate, r.version, m)
	if err != nil {
		return nil, d, err
	}
	if err := r.runtime.Check(ctx, v, d.Golden); err != nil {
		if ctx.Err() != nil {
			return nil, d, err
		}
		d.Verdict = bakeoff.Failed
		d.Reason = fmt.Sprintf("%s was to be promoted, but its artifact did not prove itself: %v", d.Candidate, err)
		return nil, d, nil
	}
	v.Golden, err = r.putGolden(ctx, d.Golden)
	return &v, d, err
}

func heldReason(h bakeoff.Hold) string {
	return fmt.Sprintf("held since %s by %s (%s): `bakeoff resume` or `bakeoff promote` lifts the hold", h.Since.Format(time.RFC3339), h.By, h.Why)
}

// newVersion describes the next version of a model: a trial of a run and where it comes from.
func newVersion(run bakeoff.Run, candidate, program string, m bakeoff.Model) (bakeoff.Version, error) {
	for _, t := range run.Trials {
		if t.Candidate != candidate || t.State != bakeoff.TrialBuilt || run.Rebuild != nil && candidate == bakeoff.ChampionName {
			continue
		}
		recipe, _ := run.Recipe(candidate) // each trial has one
		return bakeoff.Version{
			Model: m.Name, Version: m.Latest + 1, Candidate: candidate, Artifact: t.Artifact, Bytes: t.Bytes, Created: now(),
			Lineage: bakeoff.Lineage{
				Run: run.ID, Revision: run.Revision, Snapshot: *run.Snapshot, Seed: run.Snapshot.Split.Seed, Recipe: recipe,
				Search: t.Searched(), Seconds: t.Seconds, Metrics: metricsOf(run, candidate), Bakeoff: program,
			},
		}, nil
	}
	return bakeoff.Version{}, bakeoff.Errorf(bakeoff.CodeNotFound, "run %s has not built a candidate %q", run.ID, candidate).
		WithHint("`bakeoff leaderboard %s` shows what it has built", run.Pipeline)
}

func metricsOf(run bakeoff.Run, candidate string) map[string]float64 {
	if run.Decision == nil {
		return nil
	}
	for _, row := range run.Decision.Leaderboard {
		if row.Candidate == candidate && row.Role == bakeoff.RoleChallenger {
			return row.Metrics
		}
	}
	return nil
}

func (r *Registry) putGolden(ctx context.Context, g *bakeoff.Golden) (bakeoff.Digest, error) {
	b, err := json.Marshal(g)
	if err != nil {
		return "", fmt.Errorf("keep golden answers: %w", err)
	}
	return r.store.PutBytes(ctx, b)
}

func (r *Registry) golden(ctx context.Context, v bakeoff.Version) (*bakeoff.Golden, error) {
	b, err := r.store.GetBytes(ctx, v.Golden)
	if err != nil {
		return nil, fmt.Errorf("read the golden answers of %s v%d: %w", v.Model, v.Version, err)
	}
	var g bakeoff.Golden
	if err := json.Unmarshal(b, &g); err != nil {
		return nil, fmt.Errorf("read the golden answers of %s v%d: %w", v.Model, v.Version, err)
	}
	return &g, nil
}

// moved returns the model with the version as its champion and the old champion as its previous.
func moved(m bakeoff.Model, v bakeoff.Version, by, why string) bakeoff.Model {
	aliases := maps.Clone(m.Aliases)
	if aliases == nil {
		aliases = map[string]bakeoff.Alias{}
	}
	at := now()
	if old := m.Champion(); old != 0 {
		aliases[bakeoff.AliasPrevious] = bakeoff.Alias{Model: m.Name, Name: bakeoff.AliasPrevious, Version: old, Moved: at, By: by, Why: why}
	}
	aliases[bakeoff.AliasChampion] = bakeoff.Alias{Model: m.Name, Name: bakeoff.AliasChampion, Version: v.Version, Moved: at, By: by, Why: why}
	m.Aliases, m.Pending = aliases, nil
	m.Latest = max(m.Latest, v.Version)
	return m
}

// compared reports whether the judge compared a run's challengers: then the holdout has decided once
// more, also where the decision could not be carried out.
func compared(run bakeoff.Run) bool {
	return run.Snapshot != nil && run.Decision.Verdict != bakeoff.Failed &&
		slices.ContainsFunc(run.Decision.Leaderboard, func(row bakeoff.LeaderboardRow) bool { return row.Against != nil })
}

// report is the run as it will be told.
func (r *Registry) report(ctx context.Context, run bakeoff.Run, d bakeoff.Decision, m bakeoff.Model, v *bakeoff.Version) (bakeoff.Report, error) {
	ended := now()
	report := bakeoff.Report{
		Run: run.ID, Pipeline: run.Pipeline, Trigger: run.Trigger, Verdict: d.Verdict, Reason: d.Reason, Metric: d.Metric,
		Tick: run.Tick, Deadline: run.Deadline, Late: run.Late, RetryOf: run.RetryOf,
		Created: run.Created, Ended: ended, Seconds: ended.Sub(run.Created).Seconds(), Revision: run.Revision, Leaderboard: d.Leaderboard, Confidence: d.Confidence,
		Deciding: d.Deciding, Second: d.Second, Detectable: d.Detectable,
		Slices:  d.Slices,
		Answers: d.Answers, AnswersBytes: d.AnswersBytes, Program: r.version,
	}
	if report.Leaderboard == nil {
		report.Leaderboard = []bakeoff.LeaderboardRow{}
	}
	if s := run.Snapshot; s != nil {
		report.Snapshot, report.Notes = s.Digest, s.Notes
		rows := d.Rows
		report.Rows = &rows
	}
	old, err := r.reference(ctx, m)
	if err != nil {
		return report, err
	}
	report.Champion = old
	if v != nil {
		report.Champion, report.Previous = refer(*v), old
	}
	return report, nil
}

// reference names the champion of a model, nil if it has none.
func (r *Registry) reference(ctx context.Context, m bakeoff.Model) (*bakeoff.ChampionRef, error) {
	if m.Champion() == 0 {
		return nil, nil
	}
	v, err := r.store.Version(ctx, m.Name, m.Champion())
	if err != nil {
		return nil, err
	}
	return refer(v), nil
}

func refer(v bakeoff.Version) *bakeoff.ChampionRef {
	return &bakeoff.ChampionRef{Model: v.Model, Version: v.Version, Candidate: v.Candidate, Artifact: v.Artifact}
}

// now is the time of a record: in UTC and to the microsecond, as it reads back.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
