package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/outbound"
)

// A queue carries out the deployments of one pipeline. One goroutine uses it.
type queue struct {
	*Deployer
	tried []bakeoff.HookOutcome
}

// advance does what is due of a pipeline's deployments, which are in the order of their moves. It
// returns when something is due next; zero for nothing.
func (q *queue) advance(ctx context.Context, owed []bakeoff.Deployment) (next time.Time, err error) {
	var errs []error
	for i, d := range owed {
		if ctx.Err() != nil {
			return next, errors.Join(errs...)
		}
		var by *bakeoff.Deployment
		if i < len(owed)-1 {
			by = &owed[len(owed)-1]
		}
		at, err := q.carryOut(ctx, d, by)
		errs = append(errs, err)
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next, errors.Join(errs...)
}

// carryOut does what is due of a deployment, and settles it when nothing is owed any more. One that a
// newer deployment replaces is not tried again. It returns when something is due next; zero for nothing.
func (q *queue) carryOut(ctx context.Context, d bakeoff.Deployment, by *bakeoff.Deployment) (next time.Time, err error) {
	dir, hooks, err := q.hooks(ctx, d.Pipeline, d.Revision)
	if err != nil {
		return q.withoutHooks(ctx, d, by, err)
	}
	if len(hooks) == 0 {
		return time.Time{}, q.settle(ctx, d)
	}
	recorded, err := q.store.DeploymentOutcomes(ctx, d.ID)
	if err != nil {
		return time.Now().Add(pauses[0]), fmt.Errorf("read outcomes of %s: %w", d.ID, err)
	}
	done := true
	for i, h := range hooks {
		o := outcomeOf(recorded, d, i, h)
		if !final(o) {
			if o, err = q.turnOf(ctx, job{d, dir, h}, o, by); err != nil {
				return time.Now().Add(pauses[0]), err
			}
		}
		if ctx.Err() != nil && !final(o) {
			return next, nil
		}
		if done = done && final(o); !final(o) && (next.IsZero() || o.Next.Before(next)) {
			next = o.Next
		}
	}
	if !done {
		return next, nil
	}
	return time.Time{}, q.settle(ctx, d)
}

// withoutHooks gives up a deployment whose hooks cannot be found, after a week or for a newer one.
func (q *queue) withoutHooks(ctx context.Context, d bakeoff.Deployment, by *bakeoff.Deployment, cause error) (time.Time, error) {
	if by == nil && time.Since(d.Moved) < giveUp {
		return time.Now().Add(pauses[1]), fmt.Errorf("find deploy hooks of %s: %w", d.ID, cause)
	}
	q.log.WarnContext(ctx, "gave up on a deployment: its hooks are not known", "deployment", d.ID, "error", cause)
	return time.Time{}, q.settle(ctx, d)
}

func (q *queue) settle(ctx context.Context, d bakeoff.Deployment) error {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	if err := q.store.SettleDeployment(ctx, d.ID); err != nil {
		return fmt.Errorf("settle deployment %s: %w", d.ID, err)
	}
	return nil
}

// outcomeOf returns what is recorded about a hook, or an outcome without a try.
func outcomeOf(recorded []bakeoff.HookOutcome, d bakeoff.Deployment, i int, h bakeoff.Hook) bakeoff.HookOutcome {
	for _, o := range recorded {
		if o.Hook == i {
			return o
		}
	}
	return bakeoff.HookOutcome{Deployment: d.ID, Run: d.Run, Hook: i, Kind: kind(h), State: bakeoff.DeliveryRetrying}
}

func final(o bakeoff.HookOutcome) bool {
	return o.State == bakeoff.DeliverySent || o.State == bakeoff.DeliveryRefused
}

// cutShort is the detail of a hook whose try has begun. It stands only if its end was never recorded.
const cutShort = "it may have been carried out: its end was not seen"

// turnOf tries a hook if it is due, and records what became of it. The error is the store's.
func (q *queue) turnOf(ctx context.Context, j job, o bakeoff.HookOutcome, by *bakeoff.Deployment) (bakeoff.HookOutcome, error) {
	if by != nil {
		o.State, o.Next = bakeoff.DeliveryRefused, time.Time{}
		o.Detail = strings.TrimSuffix(fmt.Sprintf("replaced by v%d (%s) before it was done: %s", by.Version.Version, by.ID, o.Detail), ": ")
		return q.record(ctx, o)
	}
	if time.Now().Before(o.Next) {
		return o, nil
	}
	repeat := strings.HasPrefix(o.Detail, cutShort)
	if repeat && o.Attempts >= tries { // each of its tries took the process with it
		return q.end(ctx, o, outbound.Outcome{State: bakeoff.DeliveryRetrying, Detail: cutShort})
	}
	o.Attempts++
	o.State, o.Detail, o.Time, o.Next = bakeoff.DeliveryRetrying, cutShort, time.Now().UTC(), time.Time{}
	if err := q.store.PutHookOutcome(ctx, o); err != nil {
		return o, fmt.Errorf("record the outcome of a hook of %s: %w", o.Deployment, err)
	}
	result := q.try(ctx, j, repeat)
	if ctx.Err() != nil && result.State == bakeoff.DeliveryRetrying {
		o.Attempts-- // it was cut short by us: that is no failure of the hook
		o.Detail = cutShort
		return q.record(ctx, o)
	}
	return q.end(ctx, o, result)
}

// end records the result of a try.
func (q *queue) end(ctx context.Context, o bakeoff.HookOutcome, result outbound.Outcome) (bakeoff.HookOutcome, error) {
	o.State, o.Detail, o.Next = result.State, result.Detail, time.Time{}
	switch {
	case o.State != bakeoff.DeliveryRetrying:
	case o.Attempts >= tries:
		o.State, o.Detail = bakeoff.DeliveryRefused, fmt.Sprintf("given up after %d tries: %s", o.Attempts, o.Detail)
	default:
		if result.Lost {
			o.Detail = cutShort + "; " + o.Detail
		}
		o.Next = time.Now().UTC().Add(max(pause(o.Attempts), result.Wait))
	}
	return q.record(ctx, o)
}

// record writes down what became of a hook, even if ctx has ended meanwhile.
func (q *queue) record(ctx context.Context, o bakeoff.HookOutcome) (bakeoff.HookOutcome, error) {
	o.Time = time.Now().UTC()
	q.tried = append(q.tried, o)
	q.report(ctx, o)
	ctx, cancel := afterwards(ctx)
	defer cancel()
	if err := q.store.PutHookOutcome(ctx, o); err != nil {
		return o, fmt.Errorf("record the outcome of a hook of %s: %w", o.Deployment, err)
	}
	return o, nil
}

// report tells the log what became of a hook.
func (d *Deployer) report(ctx context.Context, o bakeoff.HookOutcome) {
	attributes := []any{"deployment", o.Deployment, "hook", o.Hook, "kind", o.Kind, "attempts", o.Attempts, "detail", o.Detail}
	switch o.State {
	case bakeoff.DeliverySent:
		d.log.InfoContext(ctx, "deploy hook done", attributes...)
	case bakeoff.DeliveryRefused:
		d.log.WarnContext(ctx, "deploy hook given up", attributes...)
	default:
		d.log.WarnContext(ctx, "deploy hook not done yet", attributes...)
	}
}

// afterwards returns a context for recording what has happened already, which a cancelled caller
// must not prevent.
func afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
}
