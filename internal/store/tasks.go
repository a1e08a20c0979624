package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bakeoffhq/bakeoff"
)

const (
	// ackWait is how long a worker may be silent before its task is given to another.
	ackWait = 15 * time.Second

	// fetchWait is how long one request for a task waits at the server.
	fetchWait = 30 * time.Second

	errMaxMessagesPerSubject = "maximum messages per subject exceeded"
)

// createTasks makes a work queue that holds each task once: while a task waits or is worked on,
// publishing it again changes nothing.
func (s *Store) createTasks(ctx context.Context) (err error) {
	s.tasks, err = s.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: "tasks", Subjects: []string{"task.>"}, Retention: jetstream.WorkQueuePolicy,
		Discard: jetstream.DiscardNew, MaxMsgsPerSubject: 1, DiscardNewPerSubject: true,
	})
	return err
}

// taskKey names a task within a bucket and a subject.
func taskKey(t bakeoff.Task) string {
	what := t.Candidate
	switch t.Kind {
	case bakeoff.TaskEvaluate:
		what = strconv.Itoa(t.Round)
	case bakeoff.TaskSearch:
		what = fmt.Sprintf("%s=%d=%d", t.Candidate, t.Setting, t.Rung) // no name has that sign in it
	}
	if what == "" {
		what = "_"
	}
	return fmt.Sprintf("%s.%s.%s", t.Run, t.Kind, what)
}

func taskSubject(t bakeoff.Task) string { return "task." + t.Queue + "." + taskKey(t) }

// PublishTask puts a task on its queue. A task that is there already stays there once.
func (s *Store) PublishTask(ctx context.Context, t bakeoff.Task) error {
	b, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("publish task %s: %w", taskKey(t), err)
	}
	_, err = s.js.Publish(ctx, taskSubject(t), b)
	if err != nil && !strings.Contains(err.Error(), errMaxMessagesPerSubject) {
		return fmt.Errorf("publish task %s: %w", taskKey(t), unavailable(err))
	}
	return nil
}

// Queue is where the workers of a queue take tasks from.
type Queue struct {
	store    *Store
	consumer jetstream.Consumer
}

// Queue returns the queue of that name.
func (s *Store) Queue(ctx context.Context, name string) (*Queue, error) {
	c, err := s.tasks.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: name, FilterSubject: "task." + name + ".>",
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxDeliver: -1,
	})
	if err != nil {
		return nil, fmt.Errorf("open queue %s: %w", name, unavailable(err))
	}
	return &Queue{store: s, consumer: c}, nil
}

// Lease waits for a task and takes it. It returns the context's error when ctx ends. Only one task
// is taken at a time: what is prefetched is what gets lost.
//
// The request is written here and not by the client library's Fetch, which lets go of its inbox
// after it has returned: a task that came in between was lost until its lease ended.
func (q *Queue) Lease(ctx context.Context) (*Lease, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	nc := q.store.js.Conn()
	answers := make(chan *nats.Msg, 8)
	inbox, err := nc.ChanSubscribe(nc.NewInbox(), answers)
	if err != nil {
		return nil, fmt.Errorf("take a task: %w", err)
	}
	for {
		msg, err := q.request(ctx, inbox, answers)
		if err != nil {
			return nil, errors.Join(err, q.letGo(inbox, answers))
		}
		if msg == nil {
			continue
		}
		if err := inbox.Unsubscribe(); err != nil {
			return nil, fmt.Errorf("take a task: %w", err)
		}
		var task bakeoff.Task
		if err := json.Unmarshal(msg.Data, &task); err != nil {
			return nil, errors.Join(fmt.Errorf("take a task: %w", err), msg.Term())
		}
		return &Lease{Task: task, id: msg.Reply, nc: nc}, nil
	}
}

// request asks the server for one task and waits for it; nil means that none came in time.
func (q *Queue) request(ctx context.Context, inbox *nats.Subscription, answers <-chan *nats.Msg) (*nats.Msg, error) {
	ask := fmt.Sprintf(`{"batch":1,"expires":%d}`, fetchWait)
	info := q.consumer.CachedInfo()
	subject := "$JS.API.CONSUMER.MSG.NEXT." + info.Stream + "." + info.Name
	if err := q.store.js.Conn().PublishRequest(subject, inbox.Subject, []byte(ask)); err != nil {
		return nil, fmt.Errorf("take a task: %w", err)
	}
	expired := time.NewTimer(fetchWait + time.Second)
	defer expired.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-expired.C:
			return nil, nil
		case msg := <-answers:
			switch status := msg.Header.Get("Status"); status {
			case "": // a task
				return msg, nil
			case "100": // a sign of life
			case "404", "408": // none came in time
				return nil, nil
			default:
				return nil, bakeoff.Errorf(bakeoff.CodeUnavailable, "take a task: the store answers %s %s", status, msg.Header.Get("Description"))
			}
		}
	}
}

// letGo closes the inbox, waits until the server knows, and gives back a task that came meanwhile.
func (q *Queue) letGo(inbox *nats.Subscription, answers <-chan *nats.Msg) error {
	if err := inbox.Drain(); err != nil {
		return fmt.Errorf("stop waiting for tasks: %w", err)
	}
	if err := q.store.js.Conn().FlushTimeout(callTimeout); err != nil {
		return fmt.Errorf("stop waiting for tasks: %w", err)
	}
	for {
		select {
		case msg := <-answers:
			if msg.Header.Get("Status") == "" {
				if err := msg.Nak(); err != nil {
					return fmt.Errorf("give a task back: %w", err)
				}
			}
		default:
			return nil
		}
	}
}

// BeginAttempt counts and records an attempt at a task before the work starts, so that a task
// which kills its workers is counted too. The token it returns must be shown by what ends the
// attempt. Whether the pause after a failure is over is not looked at: the queue keeps the task back
// for so long, and a worker's clock may be wrong.
func (s *Store) BeginAttempt(ctx context.Context, t bakeoff.Task, worker string, now time.Time) (bakeoff.Attempt, uint64, error) {
	key := taskKey(t) + ".attempt"
	var last bakeoff.Attempt
	revision, err := s.get(ctx, s.trials, key, &last)
	if err != nil && bakeoff.CodeOf(err) != bakeoff.CodeNotFound {
		return bakeoff.Attempt{}, 0, err
	}
	a := bakeoff.Attempt{Task: t, Number: last.Number + 1, Worker: worker, Started: now, Failures: last.Failures, Log: last.Log}
	if last.Number > 0 && last.Next.IsZero() {
		a.Lost = last.Worker
	}
	revision, err = s.put(ctx, s.trials, key, a, revision)
	return a, revision, err
}

// PostponeAttempt records an attempt that failed and is tried again at its Next. It has code
// Conflict if a later attempt has begun.
func (s *Store) PostponeAttempt(ctx context.Context, a bakeoff.Attempt, token uint64) error {
	_, err := s.put(ctx, s.trials, taskKey(a.Task)+".attempt", a, token)
	return err
}

// ReturnAttempt takes an attempt back that was stopped in good order: it does not count.
func (s *Store) ReturnAttempt(ctx context.Context, a bakeoff.Attempt, token uint64) error {
	a.Number--
	a.Next = a.Started // at once
	return s.PostponeAttempt(ctx, a, token)
}

// EndAttempt records a task's result. It has code Conflict if a later attempt has begun or a
// result is there already: then this one does not count.
func (s *Store) EndAttempt(ctx context.Context, r bakeoff.Result, token uint64) error {
	entry, err := s.trials.Get(ctx, taskKey(r.Task)+".attempt")
	if err != nil {
		return fmt.Errorf("record the result of %s: %w", taskKey(r.Task), unavailable(err))
	}
	if entry.Revision() != token {
		return bakeoff.Errorf(bakeoff.CodeConflict, "record the result of %s: attempt %d was taken over", taskKey(r.Task), r.Attempt)
	}
	_, err = s.put(ctx, s.trials, taskKey(r.Task)+".result", r, 0)
	return err
}

// HasResult reports whether the task has ended.
func (s *Store) HasResult(ctx context.Context, t bakeoff.Task) (bool, error) {
	_, err := s.trials.Get(ctx, taskKey(t)+".result")
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the result of %s: %w", taskKey(t), unavailable(err))
	}
	return true, nil
}

// Results returns the results that a run has so far.
func (s *Store) Results(ctx context.Context, run string) ([]bakeoff.Result, error) {
	return all[bakeoff.Result](ctx, s, s.trials, run+".*.*.result")
}

// WatchResults calls ready, and then each with every result that is recorded after ready was
// called, until ctx ends or each returns an error, which it then returns. What was recorded before
// is for Results to tell: asked when ready is called, the two together miss nothing.
func (s *Store) WatchResults(ctx context.Context, ready func(), each func(bakeoff.Result) error) error {
	w, err := s.trials.Watch(ctx, "*.*.*.result", jetstream.UpdatesOnly())
	if err != nil {
		return fmt.Errorf("watch results: %w", unavailable(err))
	}
	ready()
	defer func() { _ = w.Stop() }() // the subscription ends with the connection at the latest
	for {
		select {
		case <-ctx.Done():
			return nil
		case entry, ok := <-w.Updates():
			if !ok && ctx.Err() != nil {
				return nil // the watch ends with ctx, too
			}
			if !ok {
				return errors.New("watch results: the connection was closed")
			}
			if entry == nil {
				continue
			}
			var r bakeoff.Result
			if err := s.decode(ctx, entry.Value(), &r); err != nil {
				return fmt.Errorf("watch results: %s: %w", entry.Key(), err)
			}
			if err := each(r); err != nil {
				return err
			}
		}
	}
}
