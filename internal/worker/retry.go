package worker

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

const (
	// maxLost bounds how often a task may lose its worker, or fail for a fault of ours.
	maxLost = 3

	// faultDelay is the pause after a fault of ours.
	faultDelay = 2 * time.Second

	// maxBackoff bounds the pause after a failure of the trainer's own.
	maxBackoff = time.Hour
)

// spent counts the attempts up to this one that did not fail by the trainer's own doing.
func spent(a bakeoff.Attempt) int { return a.Number - a.Failures }

// retryOf returns what the candidate of a task asks for; tasks that are of no candidate ask for nothing.
func retryOf(r bakeoff.Run, task bakeoff.Task) bakeoff.Retry {
	i := slices.IndexFunc(r.Recipes, func(c bakeoff.Candidate) bool { return c.Name == task.Candidate })
	if task.Kind != bakeoff.TaskBuild && task.Kind != bakeoff.TaskSearch || i < 0 {
		return bakeoff.Retry{}
	}
	return r.Recipes[i].Retry
}

// again reports whether a trial that failed is tried again: the trainer failed by its own doing,
// and has attempts left. A command that could not be started will not start the next time, and a
// time limit that has passed would pass again, after as long a wait: neither is tried again.
func again(r bakeoff.Retry, a bakeoff.Attempt, result bakeoff.Result) bool {
	if a.Failures+1 >= r.Attempts {
		return false
	}
	switch class, _ := failureOf(result); class {
	case bakeoff.FailedExit, bakeoff.FailedSignal, bakeoff.FailedMemory, bakeoff.FailedEmptyArtifact, bakeoff.FailedArtifact:
		return true
	}
	return false
}

// failureOf returns in which way the trainer failed, and why; "" where it has not.
func failureOf(r bakeoff.Result) (bakeoff.FailureClass, string) {
	switch {
	case r.Trial != nil && r.Trial.State == bakeoff.TrialFailed:
		return r.Trial.Class, r.Trial.Reason
	case r.Setting != nil:
		return r.Setting.Class, r.Setting.Reason
	}
	return "", ""
}

// backoff returns the pause after so many failures: doubled for each after the first.
func backoff(r bakeoff.Retry, failures int) time.Duration {
	d := r.Backoff
	for range failures - 1 {
		if d >= maxBackoff {
			break
		}
		d *= 2
	}
	return min(d, maxBackoff)
}

// retry gives the task back after a failure of the trainer's own, to be tried again after a pause in
// which it holds no slot.
func (w *Worker) retry(ctx context.Context, a bakeoff.Attempt, r bakeoff.Retry, result bakeoff.Result, token uint64, lease Lease) error {
	a.Failures++
	if result.Trial != nil {
		a.Log = result.Trial.Log
	}
	_, reason := failureOf(result)
	next := fmt.Sprintf("attempt %d/%d", a.Failures+1, r.Attempts)
	return w.postpone(ctx, a, nextTry{next, backoff(r, a.Failures), reason}, token, lease)
}

// fault gives the task back after a fault of ours, or gives it up.
func (w *Worker) fault(ctx context.Context, a bakeoff.Attempt, err error, token uint64, lease Lease) error {
	if spent(a) >= maxLost {
		return w.end(ctx, failure(a, bakeoff.FailedInternal, fmt.Sprintf("after %d attempts: %v", a.Number, err)), token, lease)
	}
	next := fmt.Sprintf("attempt %d", a.Number+1)
	return w.postpone(ctx, a, nextTry{next, faultDelay, fmt.Sprintf("%s: %v", bakeoff.FailedInternal, err)}, token, lease)
}

// nextTry says what comes after an attempt that failed, when, and why.
type nextTry struct {
	attempt string // in words
	delay   time.Duration
	reason  string
}

// postpone records that the attempt has ended and when the next one begins, says so, and lets go of
// the task.
func (w *Worker) postpone(ctx context.Context, a bakeoff.Attempt, n nextTry, token uint64, lease Lease) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	a.Next = time.Now().UTC().Add(n.delay)
	err := w.store.PostponeAttempt(ctx, a, token)
	if bakeoff.CodeOf(err) == bakeoff.CodeConflict {
		return nil // a later attempt is at work: the task is that one's
	}
	if err != nil {
		return err
	}
	w.tell(ctx, a, fmt.Sprintf("%s in %s: %s", n.attempt, n.delay.Round(time.Millisecond), n.reason))
	return lease.Release(n.delay)
}

// tell says that a task is tried again. A run is worth more than a word about it: if it cannot be
// said, it is logged.
func (w *Worker) tell(ctx context.Context, a bakeoff.Attempt, why string) {
	w.log.Warn("task is tried again", "run", a.Task.Run, "kind", a.Task.Kind, "candidate", a.Task.Candidate, "attempt", a.Number, "reason", why)
	err := w.store.PublishEvent(ctx, bakeoff.Event{
		Time: time.Now().UTC(), Run: a.Task.Run, Kind: bakeoff.EventRetry, Candidate: a.Task.Candidate, Attempt: a.Number, Message: why,
	})
	if err != nil {
		w.log.Warn("event not published", "run", a.Task.Run, "error", err)
	}
}

// failure is the result of a task that cannot be worked on.
func failure(a bakeoff.Attempt, class bakeoff.FailureClass, reason string) bakeoff.Result {
	reason = string(class) + ": " + reason
	r := bakeoff.Result{Task: a.Task, Attempt: a.Number, Failure: reason}
	switch a.Task.Kind {
	case bakeoff.TaskSearch:
		r.Failure = ""
		r.Setting = &bakeoff.SettingScore{Class: class, Reason: reason, Attempt: a.Number, Worker: a.Worker}
	case bakeoff.TaskBuild:
		r.Failure = ""
		r.Trial = &bakeoff.Trial{
			Candidate: a.Task.Candidate, State: bakeoff.TrialFailed, Class: class, Reason: reason,
			Attempt: a.Number, Started: a.Started, Worker: a.Worker,
		}
	}
	return r
}
