// Package worker turns the tasks of a queue into results: it leases them, has them worked on in
// parallel, and records what they left.
//
// A task is worked on by one worker at a time. Its attempt is counted before the work starts, the
// lease is extended while the work goes on, and the result counts only if no later attempt has
// begun and none is recorded: a worker that was taken for dead can do no harm.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bakeoffhq/bakeoff"
)

const (
	// extendEvery is how often a lease is extended; it ends 15 s after the last time.
	extendEvery = 3 * time.Second

	// heedEvery is how often a worker looks whether its work is still wanted.
	heedEvery = time.Second

	// giveUpAfter is how long extending may fail before the work is stopped, at once, so that it has
	// ended before another worker may begin.
	giveUpAfter = 12 * time.Second

	// conflictDelay is the pause after another worker was faster.
	conflictDelay = 2 * time.Second

	// keepLogTimeout bounds how long the log of a build that was stopped is recorded for.
	keepLogTimeout = 5 * time.Second

	// endTimeout bounds how long a result is recorded for once its work is done.
	endTimeout = 30 * time.Second
)

// Lease is a task held for as long as it is extended.
type Lease interface {
	Extend() error
	Done(ctx context.Context) error
	Release(delay time.Duration) error
}

// Store is what a worker needs of the store.
type Store interface {
	Run(ctx context.Context, id string) (bakeoff.Run, uint64, error)
	BeginAttempt(ctx context.Context, t bakeoff.Task, worker string, now time.Time) (bakeoff.Attempt, uint64, error)
	EndAttempt(ctx context.Context, r bakeoff.Result, token uint64) error
	ReturnAttempt(ctx context.Context, a bakeoff.Attempt, token uint64) error
	PostponeAttempt(ctx context.Context, a bakeoff.Attempt, token uint64) error
	HasResult(ctx context.Context, t bakeoff.Task) (bool, error)
	PublishEvent(ctx context.Context, e bakeoff.Event) error
}

// Handler does the work of an attempt. What is wrong with the user's data or trainer is a result;
// an error is a fault of ours, after which the task is tried again. Beside the error of an attempt
// that was stopped, the result may have a trial with the log of what it printed.
type Handler func(ctx context.Context, a bakeoff.Attempt) (bakeoff.Result, error)

// Config says what a worker takes and how.
type Config struct {
	Name     string // of the worker, in attempts
	Slots    int    // how many tasks it works on at once
	Take     func(ctx context.Context) (bakeoff.Task, Lease, error)
	Handlers map[bakeoff.TaskKind]Handler
}

// Worker works on the tasks of one queue.
type Worker struct {
	Config
	store Store
	log   *slog.Logger
}

// New returns a worker; Run starts it.
func New(c Config, store Store, log *slog.Logger) *Worker {
	return &Worker{Config: c, store: store, log: log.With("component", "worker", "worker", c.Name)}
}

// Run takes and works on tasks until ctx ends. What is under way then is stopped and given back;
// Run returns when that is done.
func (w *Worker) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for range w.Slots {
		g.Go(func() error { return w.slot(ctx) })
	}
	return g.Wait()
}

func (w *Worker) slot(ctx context.Context) error {
	for {
		task, lease, err := w.Take(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		err = w.work(ctx, task, lease)
		switch {
		case err == nil || ctx.Err() != nil:
		case bakeoff.CodeOf(err) == bakeoff.CodeUnavailable: // the task is handed out again when its lease ends
			w.log.Warn("the store does not answer: task left", "run", task.Run, "kind", task.Kind, "candidate", task.Candidate, "error", err)
		default:
			return fmt.Errorf("work on %s of run %s: %w", task.Kind, task.Run, err)
		}
	}
}

// work sees a leased task to its end.
func (w *Worker) work(ctx context.Context, task bakeoff.Task, lease Lease) error {
	run, wanted, err := w.wanted(ctx, task)
	if err != nil {
		return err
	}
	if !wanted {
		return lease.Done(ctx)
	}
	attempt, token, err := w.store.BeginAttempt(ctx, task, w.Name, time.Now().UTC())
	if bakeoff.CodeOf(err) == bakeoff.CodeConflict {
		return lease.Release(conflictDelay) // somebody else has just begun
	}
	if err != nil {
		return err
	}
	if attempt.Lost != "" {
		w.tell(ctx, attempt, fmt.Sprintf("attempt %d now: %s: %s has not been heard of", attempt.Number, bakeoff.FailedWorkerLost, attempt.Lost))
	}
	result, err := w.attempt(ctx, attempt, lease)
	switch {
	case ctx.Err() != nil:
		return w.giveBack(ctx, logged(attempt, result), token, lease)
	case errors.Is(err, errCancelled):
		w.keepLog(ctx, attempt, result, token)
		return lease.Done(ctx)
	case errors.Is(err, bakeoff.ErrLeaseLost):
		return nil // the task is another worker's by now
	case err != nil:
		return w.fault(ctx, attempt, err, token, lease)
	}
	if r := retryOf(run, task); again(r, attempt, result) {
		return w.retry(ctx, attempt, r, result, token, lease)
	}
	return w.end(ctx, result, token, lease)
}

// giveBack hands out a task again that was stopped because this worker is stopping.
func (w *Worker) giveBack(ctx context.Context, a bakeoff.Attempt, token uint64, lease Lease) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if err := w.store.ReturnAttempt(ctx, a, token); err != nil {
		w.log.Warn("attempt counts although it was stopped", "run", a.Task.Run, "kind", a.Task.Kind, "candidate", a.Task.Candidate, "error", err)
	}
	return lease.Release(0)
}

// logged returns the attempt with what it printed before it was stopped.
func logged(a bakeoff.Attempt, r bakeoff.Result) bakeoff.Attempt {
	if r.Trial != nil && r.Trial.Log != "" {
		a.Log = r.Trial.Log
	}
	return a
}

// keepLog records what an attempt printed whose run no longer wants it. The trial has ended without
// it: a log that cannot be recorded is lost, and nothing else.
func (w *Worker) keepLog(ctx context.Context, a bakeoff.Attempt, r bakeoff.Result, token uint64) {
	if r.Trial == nil || r.Trial.Log == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepLogTimeout)
	defer cancel()
	a = logged(a, r)
	a.Next = time.Now().UTC() // it has ended
	if err := w.store.PostponeAttempt(ctx, a, token); err != nil {
		w.log.Warn("the log of a stopped build is lost", "run", a.Task.Run, "candidate", a.Task.Candidate, "error", err)
	}
}

// wanted returns the task's run and whether the task still has to be done.
func (w *Worker) wanted(ctx context.Context, task bakeoff.Task) (bakeoff.Run, bool, error) {
	run, _, err := w.store.Run(ctx, task.Run)
	if err != nil || !wants(run, task) {
		return run, false, err
	}
	done, err := w.store.HasResult(ctx, task)
	return run, !done, err
}

// wants reports whether a run, as it stands, waits for a task. A run that was cancelled, or a trial
// that the deadline ended, no longer does.
func wants(r bakeoff.Run, task bakeoff.Task) bool {
	switch task.Kind {
	case bakeoff.TaskSnapshot:
		return r.Phase == bakeoff.PhaseSnapshot
	case bakeoff.TaskBuild, bakeoff.TaskSearch:
		return r.WaitsFor(task)
	case bakeoff.TaskEvaluate:
		return r.Phase == bakeoff.PhaseEvaluate && r.Round == task.Round
	}
	return r.Phase != bakeoff.PhaseEnded
}

// attempt does the work while the lease is extended beside it.
func (w *Worker) attempt(ctx context.Context, a bakeoff.Attempt, lease Lease) (bakeoff.Result, error) {
	if spent(a) > maxLost {
		return failure(a, bakeoff.FailedWorkerLost, fmt.Sprintf("the process that worked on it ended %d times", maxLost)), nil
	}
	handler, ok := w.Handlers[a.Task.Kind]
	if !ok {
		return bakeoff.Result{}, fmt.Errorf("this worker does not know tasks of kind %q", a.Task.Kind)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var beat sync.WaitGroup
	beat.Go(func() { keep(ctx, lease, cancel) })
	beat.Go(func() { w.heed(ctx, a.Task, cancel) })
	result, err := handler(ctx, a)
	if cause := context.Cause(ctx); cause != nil {
		err = errors.Join(cause, err)
	}
	cancel(nil)
	beat.Wait()
	result.Task, result.Attempt = a.Task, a.Number
	if result.Trial != nil {
		result.Trial.Worker = a.Worker
	}
	if result.Setting != nil {
		result.Setting.Worker, result.Setting.Attempt = a.Worker, a.Number
	}
	return result, err
}

var errCancelled = errors.New("the run was cancelled")

// heed stops the work when its run no longer wants it.
func (w *Worker) heed(ctx context.Context, task bakeoff.Task, stop context.CancelCauseFunc) {
	tick := time.NewTicker(heedEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if _, wanted, err := w.wanted(ctx, task); err == nil && !wanted {
				stop(errCancelled)
				return
			}
		}
	}
}

// keep extends the lease until ctx ends, and stops the work if that fails, or hangs, for too long.
func keep(ctx context.Context, lease Lease, stop context.CancelCauseFunc) {
	lost := time.AfterFunc(giveUpAfter, func() { stop(bakeoff.ErrLeaseLost) })
	defer lost.Stop()
	tick := time.NewTicker(extendEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if lease.Extend() == nil {
				lost.Reset(giveUpAfter)
			}
		}
	}
}

// end records the result, then takes the task off the queue: in this order a crash between the two
// costs a look at the result and nothing else.
func (w *Worker) end(ctx context.Context, r bakeoff.Result, token uint64, lease Lease) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	err := w.store.EndAttempt(ctx, r, token)
	if bakeoff.CodeOf(err) == bakeoff.CodeConflict {
		w.log.Warn("result does not count", "run", r.Task.Run, "kind", r.Task.Kind, "candidate", r.Task.Candidate, "attempt", r.Attempt, "error", err)
		var ended bool
		if ended, err = w.store.HasResult(ctx, r.Task); err == nil && !ended {
			return nil // a later attempt is at work: the task is that one's
		}
	}
	if err != nil {
		return err
	}
	return lease.Done(ctx)
}
