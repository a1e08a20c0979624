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

	// giveUpAfter is how long extending may fail before the work is stopped, so that it ends before
	// another worker may begin.
	giveUpAfter = 12 * time.Second

	// maxAttempts bounds how often a task may lose its worker, or fail for a fault of ours.
	maxAttempts = 3

	// retryDelay is the pause after such a failure.
	retryDelay = 2 * time.Second

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
	HasResult(ctx context.Context, t bakeoff.Task) (bool, error)
}

// Handler does the work of an attempt. What is wrong with the user's data or trainer is a result;
// an error is a fault of ours, after which the task is tried again.
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
		if err := w.work(ctx, task, lease); err != nil && ctx.Err() == nil {
			return fmt.Errorf("work on %s of run %s: %w", task.Kind, task.Run, err)
		}
	}
}

// work sees a leased task to its end.
func (w *Worker) work(ctx context.Context, task bakeoff.Task, lease Lease) error {
	wanted, err := w.wanted(ctx, task)
	if err != nil {
		return err
	}
	if !wanted {
		return lease.Done(ctx)
	}
	attempt, token, err := w.store.BeginAttempt(ctx, task, w.Name, time.Now().UTC())
	if bakeoff.CodeOf(err) == bakeoff.CodeConflict {
		return lease.Release(retryDelay) // somebody else has just begun
	}
	if err != nil {
		return err
	}
	result, err := w.attempt(ctx, attempt, lease)
	switch {
	case ctx.Err() != nil:
		return w.giveBack(ctx, attempt, token, lease)
	case errors.Is(err, errCancelled):
		return lease.Done(ctx)
	case errors.Is(err, errLeaseLost):
		return nil // the task is another worker's by now
	}
	if err != nil && attempt.Number < maxAttempts {
		w.log.Warn("attempt failed", "run", task.Run, "kind", task.Kind, "candidate", task.Candidate, "attempt", attempt.Number, "error", err)
		return lease.Release(retryDelay)
	}
	if err != nil {
		result = failure(attempt, bakeoff.FailedInternal, fmt.Sprintf("after %d attempts: %v", attempt.Number, err))
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

// wanted reports whether the task still has to be done.
func (w *Worker) wanted(ctx context.Context, task bakeoff.Task) (bool, error) {
	run, _, err := w.store.Run(ctx, task.Run)
	if err != nil {
		return false, err
	}
	if run.Phase == bakeoff.PhasePromote || run.Phase == bakeoff.PhaseEnded {
		return false, nil // cancelled
	}
	done, err := w.store.HasResult(ctx, task)
	return !done, err
}

// attempt does the work while the lease is extended beside it.
func (w *Worker) attempt(ctx context.Context, a bakeoff.Attempt, lease Lease) (bakeoff.Result, error) {
	if a.Number > maxAttempts {
		return failure(a, bakeoff.FailedWorkerLost, fmt.Sprintf("the process that worked on it ended %d times", maxAttempts)), nil
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
	return result, err
}

var (
	errLeaseLost = errors.New("the lease could not be extended")
	errCancelled = errors.New("the run was cancelled")
)

// heed stops the work when its run no longer wants it.
func (w *Worker) heed(ctx context.Context, task bakeoff.Task, stop context.CancelCauseFunc) {
	tick := time.NewTicker(extendEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if wanted, err := w.wanted(ctx, task); err == nil && !wanted {
				stop(errCancelled)
				return
			}
		}
	}
}

// keep extends the lease until ctx ends, and stops the work if that fails for too long.
func keep(ctx context.Context, lease Lease, stop context.CancelCauseFunc) {
	tick := time.NewTicker(extendEvery)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := lease.Extend(); err == nil {
				last = time.Now()
			} else if time.Since(last) > giveUpAfter {
				stop(fmt.Errorf("%w: %w", errLeaseLost, err))
				return
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

// failure is the result of a task that cannot be worked on.
func failure(a bakeoff.Attempt, class bakeoff.FailureClass, reason string) bakeoff.Result {
	reason = string(class) + ": " + reason
	r := bakeoff.Result{Task: a.Task, Attempt: a.Number, Failure: reason}
	if a.Task.Kind == bakeoff.TaskBuild {
		r.Failure = ""
		r.Trial = &bakeoff.Trial{
			Candidate: a.Task.Candidate, State: bakeoff.TrialFailed, Class: class, Reason: reason,
			Attempt: a.Number, Started: a.Started,
		}
	}
	return r
}
