package join

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/store"
)

// maxReason bounds what a worker may say about a trial, in bytes.
const maxReason = 8 << 10

// held is a lease that the caller has shown and still has.
type held struct {
	task    bakeoff.Task
	id      string
	lease   *store.Lease
	attempt bakeoff.Attempt // zero before one has begun
}

func lost(t bakeoff.Task) error {
	e := bakeoff.Errorf(bakeoff.CodeConflict, "the task %s of run %s may be another worker's by now", t.Candidate, t.Run)
	e.Err = bakeoff.ErrLeaseLost
	return e
}

// held checks a lease that the caller shows: that it was handed to this caller, and that the attempt
// on record is the caller's, or, before one has begun, that the lease is new.
func (g *Gateway) held(ctx context.Context, r request, h hold) (held, error) {
	s, err := unseal(g.key, h.Lease)
	if err != nil {
		return held{}, err
	}
	if s.Caller != r.String() || !r.serves(s.Task.Queue) {
		return held{}, bakeoff.Errorf(bakeoff.CodeForbidden, "this lease was given to another worker")
	}
	k := held{task: s.Task, id: s.ID}
	if k.lease, err = g.config.Store.Lease(s.Task, s.ID); err != nil {
		return held{}, err
	}
	if h.Token == 0 {
		if time.Since(s.At) > leaseLife {
			return held{}, lost(s.Task)
		}
		return k, nil
	}
	a, token, err := g.config.Store.Attempt(ctx, s.Task)
	if err != nil {
		return held{}, err
	}
	if token != h.Token || a.Lease != s.ID || a.Worker != r.name {
		return held{}, lost(s.Task)
	}
	k.attempt = a
	return k, nil
}

// begun is held for calls that make sense only once an attempt has begun.
func (g *Gateway) begun(ctx context.Context, r request, h hold) (held, error) {
	if h.Token == 0 {
		return held{}, bakeoff.Errorf(bakeoff.CodeForbidden, "no attempt has begun under this lease")
	}
	return g.held(ctx, r, h)
}

func (g *Gateway) extend(ctx context.Context, r request) (any, []byte, error) {
	var ask hold
	if _, err := unpack(r.message, &ask); err != nil {
		return nil, nil, err
	}
	k, err := g.held(ctx, r, ask)
	if err != nil {
		return nil, nil, err
	}
	return nil, nil, k.lease.Extend()
}

func (g *Gateway) release(ctx context.Context, r request) (any, []byte, error) {
	var ask releaseAsk
	if _, err := unpack(r.message, &ask); err != nil {
		return nil, nil, err
	}
	k, err := g.held(ctx, r, ask.hold)
	if err != nil {
		return nil, nil, err
	}
	return nil, nil, k.lease.Release(min(max(ask.Delay, 0), maxDelay))
}

func (g *Gateway) done(ctx context.Context, r request) (any, []byte, error) {
	var ask hold
	if _, err := unpack(r.message, &ask); err != nil {
		return nil, nil, err
	}
	k, err := g.held(ctx, r, ask)
	if err != nil {
		return nil, nil, err
	}
	if wanted, err := g.wanted(ctx, k.task); err != nil || wanted {
		if err == nil {
			err = bakeoff.Errorf(bakeoff.CodeForbidden, "end the task %s of run %s: it has no result", k.task.Candidate, k.task.Run)
		}
		return nil, nil, err
	}
	return nil, nil, k.lease.Done(ctx)
}

// wanted reports whether a task still has to be done.
func (g *Gateway) wanted(ctx context.Context, t bakeoff.Task) (bool, error) {
	run, _, err := g.config.Store.Run(ctx, t.Run)
	if err != nil || !run.WaitsFor(t) {
		return false, err
	}
	ended, err := g.config.Store.HasResult(ctx, t)
	return !ended, err
}

// run tells what building the caller's trials of a run needs, and nothing else of it.
func (g *Gateway) run(ctx context.Context, r request) (any, []byte, error) {
	var ask runAsk
	if _, err := unpack(r.message, &ask); err != nil {
		return nil, nil, err
	}
	if len(ask.Holds) == 0 || len(ask.Holds) > maxSlots {
		return nil, nil, bakeoff.Errorf(bakeoff.CodeForbidden, "a run is told to those who hold one of its trials")
	}
	var tasks []bakeoff.Task
	var id string
	for _, h := range ask.Holds {
		k, err := g.held(ctx, r, h)
		switch {
		case bakeoff.CodeOf(err) == bakeoff.CodeConflict:
			continue // that trial is not told
		case err != nil:
			return nil, nil, err
		case id != "" && id != k.task.Run:
			return nil, nil, bakeoff.Errorf(bakeoff.CodeInvalid, "these leases are of two runs")
		}
		id = k.task.Run
		tasks = append(tasks, k.task)
	}
	if len(tasks) == 0 {
		return nil, nil, lost(bakeoff.Task{})
	}
	run, _, err := g.config.Store.Run(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	return redact(run, tasks), nil, nil
}

// redact leaves of a run what some of its tasks need: not where the holdout lies, nor the recipes, which
// may hold secrets, or the fate of the others.
func redact(run bakeoff.Run, tasks []bakeoff.Task) bakeoff.Run {
	told := bakeoff.Run{
		ID: run.ID, Pipeline: run.Pipeline, Revision: run.Revision, Trigger: run.Trigger,
		Created: run.Created, Deadline: run.Deadline, Phase: run.Phase,
	}
	held := func(candidate string) bool {
		return slices.ContainsFunc(tasks, func(t bakeoff.Task) bool { return t.Candidate == candidate })
	}
	for _, c := range run.Recipes {
		if held(c.Name) {
			told.Recipes = append(told.Recipes, c)
		}
	}
	for _, t := range run.Trials {
		if held(t.Candidate) {
			told.Trials = append(told.Trials, bakeoff.Trial{Candidate: t.Candidate, State: t.State, Search: redactSearch(t, tasks)})
		}
	}
	if s := run.Snapshot; s != nil {
		told.Snapshot = &bakeoff.Snapshot{
			Digest: s.Digest, Train: s.Train, Schema: s.Schema, Split: s.Split, Missing: s.Missing,
			Rows: bakeoff.Rows{Train: s.Rows.Train},
		}
	}
	return told
}

// redactSearch leaves of a search that goes on the settings that some tasks are about, in their places.
// One that has ended is told to whoever builds what it chose.
func redactSearch(t bakeoff.Trial, tasks []bakeoff.Task) *bakeoff.Searching {
	if t.Search == nil || t.State != bakeoff.TrialSearching {
		return t.Search
	}
	told := *t.Search
	told.Settings = make([]bakeoff.Setting, len(t.Search.Settings))
	for _, task := range tasks {
		if one, ok := t.Setting(task); ok && task.Candidate == t.Candidate {
			told.Settings[task.Setting-1] = one
		}
	}
	return &told
}

func (g *Gateway) hasResult(ctx context.Context, r request) (any, []byte, error) {
	var ask hold
	if _, err := unpack(r.message, &ask); err != nil {
		return nil, nil, err
	}
	k, err := g.held(ctx, r, ask)
	if err != nil {
		return nil, nil, err
	}
	ended, err := g.config.Store.HasResult(ctx, k.task)
	return resultAnswer{Ended: ended}, nil, err
}

// begin records an attempt. Asked again under the same lease, it tells of the one that has begun.
func (g *Gateway) begin(ctx context.Context, r request) (any, []byte, error) {
	var ask hold
	if _, err := unpack(r.message, &ask); err != nil {
		return nil, nil, err
	}
	k, err := g.held(ctx, r, hold{Lease: ask.Lease})
	if err != nil {
		return nil, nil, err
	}
	a, token, err := g.config.Store.Attempt(ctx, k.task)
	if err == nil && a.Lease == k.id && a.Worker == r.name && a.Joined && a.Next.IsZero() {
		return attemptAnswer{Attempt: a, Token: token}, nil, nil
	}
	if err != nil && bakeoff.CodeOf(err) != bakeoff.CodeNotFound {
		return nil, nil, err
	}
	if a, token, err = g.config.Store.BeginAttempt(ctx, k.task, r.name, time.Now().UTC()); err != nil {
		return nil, nil, err
	}
	if token == 0 { // it waits
		return attemptAnswer{Attempt: a, Wait: time.Until(a.Next)}, nil, nil
	}
	a.Joined, a.Lease = true, k.id
	token, err = g.config.Store.HoldAttempt(ctx, a, token)
	return attemptAnswer{Attempt: a, Token: token}, nil, err
}

// end records the result of an attempt.
func (g *Gateway) end(ctx context.Context, r request) (any, []byte, error) {
	var ask endAsk
	if _, err := unpack(r.message, &ask); err != nil {
		return nil, nil, err
	}
	k, err := g.begun(ctx, r, ask.hold)
	if err != nil {
		return nil, nil, err
	}
	if k.task.Kind == bakeoff.TaskSearch {
		return nil, nil, g.endSetting(ctx, k, ask)
	}
	files, err := g.handedIn(r, ask.Receipts)
	if err != nil {
		return nil, nil, err
	}
	t := ask.Trial
	if err := k.checkTrial(t, files); err != nil {
		return nil, nil, err
	}
	if err := g.holdFiles(ctx, &t); err != nil {
		return nil, nil, err
	}
	t.Worker, t.Attempt, t.Started, t.Bytes = r.name, k.attempt.Number, k.attempt.Started, files[t.Artifact]
	result := bakeoff.Result{Task: k.task, Attempt: k.attempt.Number, Trial: &t}
	return nil, nil, g.config.Store.EndAttempt(ctx, result, ask.Token)
}

// endSetting records what an evaluation of a setting left.
func (g *Gateway) endSetting(ctx context.Context, k held, ask endAsk) error {
	if ask.Setting == nil {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "record setting %d of %s: there is no score", k.task.Setting, k.task.Candidate)
	}
	score := *ask.Setting
	wrong := ""
	switch {
	case !finite(score.Mean, score.Spread, score.Seconds) || score.Spread < 0 || score.Seconds < 0:
		wrong = "its score is not a number"
	case len(score.Reason) > maxReason || len(score.Class) > maxReason:
		wrong = "its reason is too long"
	}
	if wrong != "" {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "record setting %d of %s in run %s: %s", k.task.Setting, k.task.Candidate, k.task.Run, wrong)
	}
	score.Worker, score.Attempt = k.attempt.Worker, k.attempt.Number
	result := bakeoff.Result{Task: k.task, Attempt: k.attempt.Number, Setting: &score}
	return g.config.Store.EndAttempt(ctx, result, ask.Token)
}

func finite(vs ...float64) bool {
	return !slices.ContainsFunc(vs, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
}

// checkTrial refuses a result that no attempt of ours leaves. Files are those that the caller has
// handed in: what it names besides would be somebody else's.
func (k held) checkTrial(t bakeoff.Trial, files map[bakeoff.Digest]int64) error {
	_, sent := files[t.Artifact]
	wrong := k.checkLog(t.Log, files)
	switch {
	case wrong != "":
	case t.Candidate != k.task.Candidate:
		wrong = "it is of another candidate"
	case t.State != bakeoff.TrialBuilt && t.State != bakeoff.TrialFailed:
		wrong = "it neither was built nor failed"
	case t.State == bakeoff.TrialBuilt && !t.Artifact.Valid():
		wrong = "it was built and has no artifact"
	case t.State == bakeoff.TrialBuilt && !sent:
		wrong = "its artifact was not handed in"
	case t.State == bakeoff.TrialFailed && t.Artifact != "":
		wrong = "it failed and has an artifact"
	case t.Seconds < 0 || math.IsNaN(t.Seconds) || math.IsInf(t.Seconds, 0):
		wrong = "its time is not a number"
	case len(t.Reason) > maxReason:
		wrong = "its reason is too long"
	}
	if wrong == "" {
		return nil
	}
	return bakeoff.Errorf(bakeoff.CodeInvalid, "record the trial %s of run %s: %s", k.task.Candidate, k.task.Run, wrong)
}

// checkLog says what is wrong with the log that a caller names, "" for nothing. It may be the one that
// earlier attempts have left.
func (k held) checkLog(log bakeoff.Digest, files map[bakeoff.Digest]int64) string {
	if log == "" || log == k.attempt.Log {
		return ""
	}
	size, sent := files[log]
	switch {
	case !sent:
		return "its log was not handed in"
	case size > bakeoff.MaxLog:
		return fmt.Sprintf("its log has %d bytes, at most %d are kept", size, bakeoff.MaxLog)
	}
	return ""
}

// maxDelay bounds how long a worker may put a task off.
const maxDelay = 24 * time.Hour

// postpone records that an attempt failed and is tried again.
func (g *Gateway) postpone(ctx context.Context, r request) (any, []byte, error) {
	var ask postponeAsk
	if _, err := unpack(r.message, &ask); err != nil {
		return nil, nil, err
	}
	k, err := g.begun(ctx, r, ask.hold)
	if err != nil {
		return nil, nil, err
	}
	files, err := g.handedIn(r, ask.Receipts)
	if err != nil {
		return nil, nil, err
	}
	a := k.attempt
	wrong := k.checkLog(ask.Log, files)
	if ask.Failures < a.Failures || ask.Failures > a.Failures+1 {
		wrong = fmt.Sprintf("attempt %d cannot have failed %d times", a.Number, ask.Failures)
	}
	if wrong != "" {
		return nil, nil, bakeoff.Errorf(bakeoff.CodeInvalid, "put off the trial %s of run %s: %s", k.task.Candidate, k.task.Run, wrong)
	}
	a.Failures, a.Log = ask.Failures, ask.Log
	a.Next = time.Now().UTC().Add(min(max(ask.Delay, 0), maxDelay))
	return g.kept(ctx, k.task, g.config.Store.PostponeAttempt(ctx, a, ask.Token))
}

// giveBack takes an attempt back that does not count.
func (g *Gateway) giveBack(ctx context.Context, r request) (any, []byte, error) {
	var ask hold
	if _, err := unpack(r.message, &ask); err != nil {
		return nil, nil, err
	}
	k, err := g.begun(ctx, r, ask)
	if err != nil {
		return nil, nil, err
	}
	if !k.attempt.Next.IsZero() { // asked twice
		return attemptAnswer{Attempt: k.attempt, Token: ask.Token}, nil, nil
	}
	return g.kept(ctx, k.task, g.config.Store.ReturnAttempt(ctx, k.attempt, ask.Token))
}

// kept answers with an attempt as it is on record, and its new token.
func (g *Gateway) kept(ctx context.Context, t bakeoff.Task, err error) (any, []byte, error) {
	if err != nil {
		return nil, nil, err
	}
	a, token, err := g.config.Store.Attempt(ctx, t)
	return attemptAnswer{Attempt: a, Token: token}, nil, err
}

// event publishes what happens to the caller's trial.
func (g *Gateway) event(ctx context.Context, r request) (any, []byte, error) {
	var ask eventAsk
	if _, err := unpack(r.message, &ask); err != nil {
		return nil, nil, err
	}
	k, err := g.begun(ctx, r, ask.hold)
	if err != nil {
		return nil, nil, err
	}
	e := ask.Event
	if !tellable(e) {
		return nil, nil, bakeoff.Errorf(bakeoff.CodeForbidden, "a worker does not tell of %.32q", e.Kind)
	}
	e.Run, e.Candidate, e.Attempt, e.Time = k.task.Run, k.task.Candidate, k.attempt.Number, time.Now().UTC()
	if err := g.config.Store.PublishEvent(ctx, e); err != nil {
		return nil, nil, fmt.Errorf("tell of %s: %w", e.Kind, err)
	}
	return nil, nil, nil
}

// tellable reports whether a worker tells of such things, and in so many words.
func tellable(e bakeoff.Event) bool {
	switch e.Kind {
	case bakeoff.EventLog:
		return len(e.Message) <= bakeoff.MaxLogText
	case bakeoff.EventStarted, bakeoff.EventProgress, bakeoff.EventRetry, bakeoff.EventFailed, bakeoff.EventBuilt:
		return len(e.Message) <= maxReason && !math.IsNaN(e.Progress)
	}
	return false
}
