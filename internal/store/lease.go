package store

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bakeoffhq/bakeoff"
)

// Lease is a task that one worker holds for as long as it keeps extending it. It outlives the
// process that took it: its ID stays valid while the queue's consumer is not reset, across
// restarts of the server.
type Lease struct {
	Task bakeoff.Task
	id   string // the subject on which the server hears of the task
	nc   *nats.Conn
}

// leaseForm is that of a lease's ID: $JS.ACK, stream, consumer, deliveries, sequence in the stream
// and at the consumer, time, and how many tasks wait.
var leaseForm = regexp.MustCompile(`^\$JS\.ACK\.tasks\.([A-Za-z0-9_-]+)\.\d+\.\d+\.\d+\.\d+\.\d+$`)

// ID names the lease for Lease of a Store.
func (l *Lease) ID() string { return l.id }

// Lease returns a lease that was taken earlier, perhaps by another process. Whether it still holds
// is for the server to say.
func (s *Store) Lease(t bakeoff.Task, id string) (*Lease, error) {
	if m := leaseForm.FindStringSubmatch(id); m == nil || m[1] != t.Queue {
		return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "%q is not a lease of the queue %s", id, t.Queue)
	}
	return &Lease{Task: t, id: id, nc: s.js.Conn()}, nil
}

// leaseTimeout bounds one exchange about a lease: shorter than the time between two extensions.
const leaseTimeout = 2500 * time.Millisecond

// Extend tells that the work goes on, and returns when the server has heard it. Without it the task
// is given to another worker after 15 s.
func (l *Lease) Extend() error {
	ctx, cancel := context.WithTimeout(context.Background(), leaseTimeout)
	defer cancel()
	return l.tell(ctx, "extend", "+WPI")
}

// Done takes the task off its queue, and returns when that is stored.
func (l *Lease) Done(ctx context.Context) error { return l.tell(ctx, "end", "+ACK") }

// Release gives the task back, to be handed out again after the delay.
func (l *Lease) Release(delay time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), leaseTimeout)
	defer cancel()
	answer := "-NAK"
	if delay > 0 {
		answer = fmt.Sprintf(`-NAK {"delay": %d}`, delay)
	}
	return l.tell(ctx, "give back", answer)
}

// tell sends the server one word about the task and waits until it has heard it.
func (l *Lease) tell(ctx context.Context, what, word string) error {
	if _, err := l.nc.RequestWithContext(ctx, l.id, []byte(word)); err != nil {
		return fmt.Errorf("%s task %s: %w", what, taskKey(l.Task), unavailable(err))
	}
	return nil
}

// TakeOver has tasks that are being worked on handed out again at once, instead of when their
// leases end: for a process that has just taken the whole store, and so knows that their workers
// are gone.
func (q *Queue) TakeOver(ctx context.Context) error {
	if _, err := q.store.js.ResetConsumer(ctx, "tasks", q.name()); err != nil {
		return fmt.Errorf("take over queue %s: %w", q.name(), unavailable(err))
	}
	return nil
}

// TakeOverLocal is TakeOver for a process that lets workers join it: those of other machines may be
// alive and about to join again. Every task is handed out at once but those with an open attempt by
// a joined worker: such a task is handed out when its lease ends without having been extended.
func (q *Queue) TakeOverLocal(ctx context.Context) error {
	joined, err := q.joinedTasks(ctx)
	if err == nil && len(joined) == 0 {
		return q.TakeOver(ctx)
	}
	if err == nil {
		err = q.giveBackAllBut(ctx, joined)
	}
	if err != nil {
		return fmt.Errorf("take over queue %s: %w", q.name(), err)
	}
	return nil
}

// giveBackAllBut gives back the tasks that were handed out, but for those on some subjects. No
// lease need be known for that: the server tells tasks apart by their sequence in the stream, and of
// the rest of a lease's ID asks only that the consumer has been as far.
func (q *Queue) giveBackAllBut(ctx context.Context, spared map[string]bool) error {
	consumer, err := q.consumer.Info(ctx)
	if err != nil {
		return unavailable(err)
	}
	tasks, err := q.store.tasks.Info(ctx, jetstream.WithSubjectFilter("task."+q.name()+".>"))
	if err != nil {
		return unavailable(err)
	}
	for subject := range tasks.State.Subjects {
		if spared[subject] {
			continue
		}
		msg, err := q.store.tasks.GetLastMsgForSubject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return unavailable(err)
		}
		id := fmt.Sprintf("$JS.ACK.tasks.%s.1.%d.%d.%d.0", q.name(), msg.Sequence, consumer.Delivered.Consumer, msg.Time.UnixNano())
		if _, err := q.store.js.Conn().RequestWithContext(ctx, id, []byte("-NAK")); err != nil {
			return unavailable(err)
		}
	}
	return nil
}

func (q *Queue) name() string { return q.consumer.CachedInfo().Name }

// joinedTasks returns the subjects of the queue's tasks, in runs that go on, whose last attempt is a
// joined worker's and has neither ended nor been given back.
func (q *Queue) joinedTasks(ctx context.Context) (map[string]bool, error) {
	runs, err := q.store.OpenRuns(ctx)
	if err != nil {
		return nil, err
	}
	joined := map[string]bool{}
	for _, run := range runs {
		attempts, err := all[bakeoff.Attempt](ctx, q.store, q.store.trials, run.ID+".*.*.attempt")
		if err != nil {
			return nil, err
		}
		for _, a := range attempts {
			if !a.Joined || !a.Next.IsZero() || a.Task.Queue != q.name() {
				continue
			}
			ended, err := q.store.HasResult(ctx, a.Task)
			if err != nil {
				return nil, err
			}
			if !ended {
				joined[taskSubject(a.Task)] = true
			}
		}
	}
	return joined, nil
}

// Attempt returns the last attempt at a task and the token that EndAttempt asks for. Its error has
// code NotFound if there was none.
func (s *Store) Attempt(ctx context.Context, t bakeoff.Task) (bakeoff.Attempt, uint64, error) {
	var a bakeoff.Attempt
	token, err := s.get(ctx, s.trials, taskKey(t)+".attempt", &a)
	return a, token, err
}

// HoldAttempt records by whom an attempt that was just begun is held: its Joined and Lease. It
// returns the token that replaces the one shown, and has code Conflict if that one is stale.
func (s *Store) HoldAttempt(ctx context.Context, a bakeoff.Attempt, token uint64) (uint64, error) {
	return s.put(ctx, s.trials, taskKey(a.Task)+".attempt", a, token)
}

// HoldObject reports whether the store has the object, and keeps retention from it for as long as a
// record that names it needs to be written.
func (s *Store) HoldObject(ctx context.Context, digest bakeoff.Digest) (bool, error) {
	there, err := s.refresh(ctx, digest)
	if err != nil {
		return false, fmt.Errorf("look for object %s: %w", digest.Short(), err)
	}
	return there, nil
}
