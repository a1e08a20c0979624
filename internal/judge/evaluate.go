package judge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// Scorer answers rows with a model. It need not be safe for concurrent use.
type Scorer interface {
	// Score returns one answer for each row of t.
	Score(ctx context.Context, t *dataset.Table) (*bakeoff.Predictions, error)
	// Unseen counts the cells of t with a category that the model's training had not seen.
	Unseen(t *dataset.Table) int
	// Memory returns how many bytes the open model takes; 0 where the system does not tell.
	Memory() int64
	Close() error
}

// Entry is a challenger: a trial that ended, and the recipe that it followed.
type Entry struct {
	Trial  bakeoff.Trial
	Recipe bakeoff.Candidate
}

// Inputs are what a run leaves for the judge.
type Inputs struct {
	Pipeline *bakeoff.Pipeline
	Snapshot bakeoff.Snapshot
	Train    bakeoff.Labels // of the training rows, for the baseline
	// TrainIdentity are the identities of the training rows, in any order.
	TrainIdentity []uint64
	Holdout       *dataset.Rows
	Entries       []Entry // in the file's order
	// Champion is the live version, or nil.
	Champion *bakeoff.Version
	// ChampionFingerprint tells the champion's training rows; nil where ChampionSeen does, their
	// identities, in any order.
	ChampionFingerprint *dataset.Fingerprint
	ChampionSeen        []uint64
	// ChampionDoubt says, in a clause about the champion, why those are not known; "" where they are.
	ChampionDoubt string
	// Rebuilt is the champion's recipe, built again on this run's training rows; it is compared in the
	// champion's place. Nil where the champion itself is.
	Rebuilt *Entry
	Hold    *bakeoff.Hold // or nil
	// At is the run's tick, or else when it was made; Moved is when the champion became that.
	At, Moved time.Time
	// Progress is told how much of the answers is there, as a share from 0 to 1; nil for nobody.
	Progress func(share float64)
	// Open opens an artifact for rows of a schema, in the runtime that serves it. It may be called
	// for one contestant after the other, never for two at once.
	Open func(ctx context.Context, artifact bakeoff.Digest, recipe bakeoff.Candidate, schema bakeoff.Schema) (Scorer, error)
}

// GoldenRows is how many rows of the holdout a promoted version keeps as golden answers.
const GoldenRows = 20

// Evaluate lets every contestant answer the same rows of the holdout and decides; a promotion
// comes with golden answers. The decision depends on the inputs and the answers alone. Contestants
// answer one after the other, so that each may use all threads.
//
// A contestant that cannot be opened or does not answer is not an error but its row. Errors are
// those of Decide, and the cause of ctx ending.
func Evaluate(ctx context.Context, in Inputs) (bakeoff.Decision, error) {
	d, _, err := evaluate(ctx, in)
	return d, err
}

// evaluate also returns the case that it has decided.
func evaluate(ctx context.Context, in Inputs) (bakeoff.Decision, Case, error) {
	c, table, err := caseOf(in)
	if err != nil {
		return bakeoff.Decision{}, c, err
	}
	for _, e := range in.Entries {
		k := Contestant{Candidate: e.Trial.Candidate, Role: bakeoff.RoleChallenger, Trial: e.Trial}
		if err := in.answer(ctx, c, &k, e.Recipe, in.Snapshot.Schema, table); err != nil {
			return bakeoff.Decision{}, c, err
		}
		c.Contestants = append(c.Contestants, k)
	}
	if v := in.Champion; v != nil {
		k, recipe, schema := in.contender(*v)
		if c.Incomparable == "" {
			if err := in.answer(ctx, c, &k, recipe, schema, table); err != nil {
				return bakeoff.Decision{}, c, err
			}
		}
		c.Contestants = append(c.Contestants, k)
	}
	d, err := Decide(c)
	if err == nil && d.Verdict == bakeoff.Promoted {
		d.Golden = golden(c, d.Candidate, table)
	}
	return d, c, err
}

// contender returns what stands for the champion: it, or what its recipe makes of this run's rows.
func (in Inputs) contender(v bakeoff.Version) (Contestant, bakeoff.Candidate, bakeoff.Schema) {
	k := contestantOf(v)
	if in.Rebuilt == nil {
		return k, v.Lineage.Recipe, v.Lineage.Snapshot.Schema
	}
	k.Rebuilt, k.Trial = true, in.Rebuilt.Trial
	if k.Trial.State != bakeoff.TrialBuilt {
		k.Trial.Reason = "it had to be built again for the rows of this period, and that failed: " + cmp.Or(k.Trial.Reason, "it was not built")
	}
	return k, in.Rebuilt.Recipe, in.Snapshot.Schema
}

// contestantOf returns the champion as a contestant.
func contestantOf(v bakeoff.Version) Contestant {
	return Contestant{
		Candidate: v.Candidate,
		Role:      bakeoff.RoleChampion,
		Version:   v.Version,
		Trial: bakeoff.Trial{
			Candidate: v.Candidate, State: bakeoff.TrialBuilt,
			Artifact: v.Artifact, Bytes: v.Bytes, Seconds: v.Lineage.Seconds,
		},
	}
}

// caseOf returns the case without its contestants, and the rows that they are to answer.
func caseOf(in Inputs) (Case, *dataset.Table, error) {
	c := Case{
		Pipeline: in.Pipeline,
		Task:     in.Snapshot.Schema.Task,
		Rows:     in.Snapshot.Rows,
		Hold:     in.Hold,
		At:       in.At,
		Moved:    in.Moved,
	}
	left := in.clean()
	if in.Champion != nil {
		c.Champion = in.Champion.Version
	}
	c.Incomparable, c.Contaminated = left.incomparable, left.contaminated
	rows := left.rows
	c.Rows.Holdout = rows.Labels.Len()
	c.Rows.SeenByChampion, c.Rows.AlsoInTraining = left.seenByChampion, left.alsoInTraining
	c.Rows.SetAside += left.seenByChampion + left.alsoInTraining
	c.Labels = rows.Labels
	var err error
	if c.Slices, err = sliceColumns(in.Pipeline, in.Snapshot.Schema, rows.Table); err != nil {
		return c, nil, err
	}
	c.Baseline, err = baseline(in.Train, rows.Labels.Len())
	return c, rows.Table, err
}

// answer opens a built contestant and lets it answer the rows. What goes wrong becomes the
// contestant's failure. The error is that of ctx, or of our own full disk: it is not the
// contestant's fault, and another must not win by it.
func (in Inputs) answer(ctx context.Context, c Case, k *Contestant, recipe bakeoff.Candidate, schema bakeoff.Schema, t *dataset.Table) error {
	if k.Trial.State != bakeoff.TrialBuilt {
		return context.Cause(ctx)
	}
	scorer, err := in.Open(ctx, k.Trial.Artifact, recipe, schema)
	if err == nil {
		scorer = in.counted(scorer, len(c.Contestants), t.Rows)
		k.Predictions, k.Speed, err = measured(ctx, scorer, t, effortFor(recipe, in.Pipeline.Gate.Budgets))
		if err == nil {
			k.Unseen = scorer.Unseen(t)
		}
		// It has answered or failed by now: how it leaves changes neither.
		_ = scorer.Close()
	}
	if ctx.Err() != nil {
		return fmt.Errorf("judge %s: %w", k.Candidate, context.Cause(ctx))
	}
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("judge %s: %w", k.Candidate, err)
	}
	if err != nil {
		k.Failure = err.Error()
	}
	return nil
}

// answeredShare is about how much of judging it is to have the rows answered; the rest is deciding.
const answeredShare = 0.7

// counted tells of each answer how far that is, after so many contestants have answered all rows.
func (in Inputs) counted(s Scorer, before, rows int) Scorer {
	if in.Progress == nil || rows == 0 {
		return s
	}
	contestants := len(in.Entries)
	if in.Champion != nil {
		contestants++
	}
	return &countedScorer{Scorer: s, tell: func(answered int) {
		share := min(1, float64(answered)/float64(rows))
		in.Progress(answeredShare * (float64(before) + share) / float64(contestants))
	}}
}

// countedScorer counts the rows that a scorer answers.
type countedScorer struct {
	Scorer
	answered int
	tell     func(answered int)
}

func (s *countedScorer) Score(ctx context.Context, t *dataset.Table) (*bakeoff.Predictions, error) {
	p, err := s.Scorer.Score(ctx, t)
	s.answered += t.Rows
	s.tell(s.answered)
	return p, err
}

// blockRows is how many rows a scorer gets at a time: enough to be fast, and few enough to notice
// soon that the context ended.
const blockRows = 8192

func scoreAll(ctx context.Context, s Scorer, t *dataset.Table) (*bakeoff.Predictions, error) {
	all := &bakeoff.Predictions{}
	for lo := 0; lo < t.Rows; lo += blockRows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		hi := min(lo+blockRows, t.Rows)
		block, err := s.Score(ctx, t.Slice(lo, hi))
		if err == nil {
			err = appendBlock(all, block, lo, hi)
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// appendBlock adds the answers for the rows from lo up to hi, if they are as many.
func appendBlock(all, block *bakeoff.Predictions, lo, hi int) error {
	if block == nil {
		return fmt.Errorf("holdout rows %d to %d: it gave no answer", lo+1, hi)
	}
	if lo > 0 && !slices.Equal(all.Classes, block.Classes) {
		return fmt.Errorf("holdout rows %d to %d: it answers with the classes %q, and %q before", lo+1, hi, block.Classes, all.Classes)
	}
	got, per := len(block.Values), 1
	if k := len(block.Classes); k > 0 {
		got, per = len(block.Probabilities), k
	}
	if want := (hi - lo) * per; got != want {
		return fmt.Errorf("holdout rows %d to %d: it gave %d numbers and not %d", lo+1, hi, got, want)
	}
	all.Classes = block.Classes
	all.Probabilities = append(all.Probabilities, block.Probabilities...)
	all.Values = append(all.Values, block.Values...)
	return nil
}

// golden returns the answers of the promoted challenger to the first rows.
func golden(c Case, candidate string, t *dataset.Table) *bakeoff.Golden {
	i := slices.IndexFunc(c.Contestants, func(k Contestant) bool {
		return k.Role == bakeoff.RoleChallenger && k.Candidate == candidate
	})
	return NewGolden(t, c.Contestants[i].Predictions)
}

// NewGolden returns the first GoldenRows rows of a table with the answers that were given to them.
func NewGolden(t *dataset.Table, p *bakeoff.Predictions) *bakeoff.Golden {
	n := min(GoldenRows, t.Rows)
	g := &bakeoff.Golden{Rows: t.ToRows(0, n), Classes: slices.Clone(p.Classes)}
	k := len(p.Classes)
	if k == 0 {
		g.Values = slices.Clone(p.Values[:n])
		return g
	}
	for row := range n {
		g.Probabilities = append(g.Probabilities, slices.Clone(p.Probabilities[row*k:(row+1)*k]))
	}
	return g
}
