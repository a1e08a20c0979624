package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/bakeoffhq/bakeoff"
)

// Store is what the notifier needs of the store. Several goroutines call it at once.
type Store interface {
	// Outbox returns the notifications that are owed, oldest first: every one that was not settled.
	Outbox(ctx context.Context) ([]bakeoff.Notification, error)
	// Deliveries returns the last delivery recorded for each receiver of a notification, in any order.
	Deliveries(ctx context.Context, notification string) ([]bakeoff.Delivery, error)
	// PutDelivery records a delivery in place of the earlier one for the same notification and receiver.
	PutDelivery(ctx context.Context, d bakeoff.Delivery) error
	// Settle records that nothing of the notification is owed any more. It may be called again.
	Settle(ctx context.Context, notification string) error
}

// Receivers returns the receivers that a revision of a pipeline names.
type Receivers func(ctx context.Context, pipeline string, revision bakeoff.Digest) ([]bakeoff.Receiver, error)

// Notifier delivers what the outbox owes. Its methods may be called by several goroutines; they
// take turns.
type Notifier struct {
	store     Store
	receivers Receivers
	log       *slog.Logger

	public, private dialer // by a receiver's AllowPrivate

	flushing sync.Mutex // one message is under way to a receiver at a time
}

// New returns a notifier. The receivers' URLs are secrets: they come in by the function, and go
// nowhere but to the receiver.
func New(store Store, receivers Receivers, log *slog.Logger) *Notifier {
	return &Notifier{
		store: store, receivers: receivers, log: log.With("component", "notify"),
		public: dialPublic(), private: dialAny(),
	}
}

// Summary says what one Flush did.
type Summary struct {
	Sent    int
	Refused int // given up: the receiver said no, or a week has passed
	Owed    int // not delivered yet; tried again by the next Flush
	// Deliveries are those that were tried, by notification and receiver. One that waits behind another of
	// the same receiver is counted as owed, but was not tried.
	Deliveries []bakeoff.Delivery
}

const (
	tries      = 3
	patience   = 10 * time.Second // for all tries of one message together
	firstPause = 500 * time.Millisecond
	giveUp     = 7 * 24 * time.Hour
)

// A letter is one notification for one receiver.
type letter struct {
	notification bakeoff.Notification
	to           bakeoff.Receiver
	delivery     bakeoff.Delivery
	tried        bool
	err          error // of the store
}

func (l *letter) final() bool {
	return l.delivery.State == bakeoff.DeliverySent || l.delivery.State == bakeoff.DeliveryRefused
}

// Flush delivers what is owed. Receivers are served at once, each in the order of its messages; a
// message that cannot be delivered holds up the later ones of its receiver until the next Flush,
// one that is refused does not. The error is about the store or a pipeline's receivers, never
// about a receiver's answer: that is in the summary.
func (n *Notifier) Flush(ctx context.Context) (Summary, error) {
	n.flushing.Lock()
	defer n.flushing.Unlock()
	owed, err := n.store.Outbox(ctx)
	if err != nil {
		return Summary{}, fmt.Errorf("read outbox: %w", err)
	}
	var errs []error
	letters := make([][]*letter, len(owed))
	addressed := make([]bool, len(owed))
	for i, notification := range owed {
		if letters[i], err = n.address(ctx, notification); err != nil {
			errs = append(errs, err)
		}
		addressed[i] = err == nil
	}
	n.deliver(ctx, letters)
	var sum Summary
	for i, notification := range owed {
		done := addressed[i]
		for _, l := range letters[i] {
			sum.add(l)
			errs = append(errs, l.err)
			done = done && l.final() && l.err == nil
		}
		if done {
			errs = append(errs, n.settle(ctx, notification.ID))
		}
	}
	return sum, errors.Join(errs...)
}

// add counts a letter. One that an earlier Flush ended is not news.
func (s *Summary) add(l *letter) {
	if l.tried {
		s.Deliveries = append(s.Deliveries, l.delivery)
	}
	switch {
	case !l.final():
		s.Owed++
	case !l.tried:
	case l.delivery.State == bakeoff.DeliverySent:
		s.Sent++
	default:
		s.Refused++
	}
}

// settle records that a notification is done with, even if ctx has ended meanwhile.
func (n *Notifier) settle(ctx context.Context, id string) error {
	ctx, cancel := n.afterwards(ctx)
	defer cancel()
	if err := n.store.Settle(ctx, id); err != nil {
		return fmt.Errorf("settle notification of run %s: %w", id, err)
	}
	return nil
}

// afterwards returns a context for recording what has happened already, which a cancelled caller
// must not prevent.
func (n *Notifier) afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), tryTimeout)
}

// address returns one letter for each receiver of a notification, with what is recorded about it.
func (n *Notifier) address(ctx context.Context, notification bakeoff.Notification) ([]*letter, error) {
	receivers, err := n.receivers(ctx, notification.Pipeline, notification.Revision)
	if err != nil {
		if time.Since(notification.Created) < giveUp {
			return nil, fmt.Errorf("find receivers of run %s: %w", notification.ID, err)
		}
		n.log.WarnContext(ctx, "gave up on a notification: its receivers are not known", "run", notification.ID)
		return nil, nil
	}
	recorded, err := n.store.Deliveries(ctx, notification.ID)
	if err != nil {
		return nil, fmt.Errorf("read deliveries of run %s: %w", notification.ID, err)
	}
	letters := make([]*letter, len(receivers))
	for i, to := range receivers {
		letters[i] = &letter{
			notification: notification, to: to,
			delivery: bakeoff.Delivery{Notification: notification.ID, Receiver: i},
		}
	}
	for _, d := range recorded {
		if d.Receiver >= 0 && d.Receiver < len(letters) {
			letters[d.Receiver].delivery = d
		}
	}
	return letters, nil
}

// deliver hands each receiver its letters in order, the receivers side by side. One URL is one
// receiver, whichever pipelines name it: the receiver's limits are by URL.
func (n *Notifier) deliver(ctx context.Context, letters [][]*letter) {
	queues := map[string][]*letter{}
	for _, of := range letters {
		for _, l := range of {
			if !l.final() {
				queues[l.to.Slack] = append(queues[l.to.Slack], l)
			}
		}
	}
	var all sync.WaitGroup
	for _, queue := range queues {
		all.Go(func() {
			for _, l := range queue {
				if l.err = n.send(ctx, l); !l.final() || l.err != nil || ctx.Err() != nil {
					return
				}
			}
		})
	}
	all.Wait()
}

// unanswered is the detail of a delivery whose try has begun. It stands only if its answer was
// never recorded.
const unanswered = "the message may have arrived: its answer was lost"

// send tries a letter a few times and records what became of it. The error is the store's.
func (n *Notifier) send(ctx context.Context, l *letter) error {
	d := &l.delivery
	lost := strings.HasPrefix(d.Detail, unanswered)
	o := n.undeliverable(l)
	if o.state == "" {
		begun := *d
		begun.State, begun.Detail, begun.Time = bakeoff.DeliveryRetrying, unanswered, time.Now().UTC()
		if err := n.store.PutDelivery(ctx, begun); err != nil {
			return fmt.Errorf("record delivery of run %s: %w", d.Notification, err)
		}
		o, lost = n.tryAll(ctx, l, lost)
	}
	l.tried = true
	d.State, d.Detail, d.Time = o.state, o.detail, time.Now().UTC()
	if lost && o.state == bakeoff.DeliveryRetrying {
		d.Detail = unanswered + "; " + o.detail
	}
	n.report(ctx, *d)
	ctx, cancel := n.afterwards(ctx)
	defer cancel()
	if err := n.store.PutDelivery(ctx, *d); err != nil {
		return fmt.Errorf("record delivery of run %s: %w", d.Notification, err)
	}
	return nil
}

// undeliverable returns the refusal of a letter that need not be tried, or the zero outcome.
func (n *Notifier) undeliverable(l *letter) outcome {
	if time.Since(l.notification.Created) >= giveUp {
		return outcome{state: bakeoff.DeliveryRefused, detail: strings.TrimSuffix("given up after a week: "+l.delivery.Detail, ": ")}
	}
	if fault, fix := checkURL(l.to.Slack, l.to.AllowPrivate); fault != "" {
		return refused(fault, fix)
	}
	return outcome{}
}

// errAgain makes backoff.Retry go on; what happened is in the outcome.
var errAgain = errors.New("not delivered")

// tryAll posts a letter until it is accepted or refused, or patience ends. It returns the last
// outcome, and whether an answer was lost on the way.
func (n *Notifier) tryAll(ctx context.Context, l *letter, lost bool) (outcome, bool) {
	dial := n.public
	if l.to.AllowPrivate {
		dial = n.private
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval = firstPause
	var o outcome
	_, _ = backoff.Retry(ctx, func() (struct{}, error) {
		body, err := json.Marshal(compose(l.notification, lost))
		if err != nil {
			o = refused("the message cannot be written: "+err.Error(), "")
			return struct{}{}, nil
		}
		o = post(ctx, dial, l.to.Slack, body)
		l.delivery.Attempts++
		lost = lost || o.lost
		switch {
		case o.state != bakeoff.DeliveryRetrying:
			return struct{}{}, nil
		case o.wait > 0:
			return struct{}{}, &backoff.RetryAfterError{Duration: o.wait}
		}
		return struct{}{}, errAgain
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(tries), backoff.WithMaxElapsedTime(patience))
	return o, lost
}

// report tells the log what became of a delivery.
func (n *Notifier) report(ctx context.Context, d bakeoff.Delivery) {
	level, message := slog.LevelInfo, "notification sent"
	switch d.State {
	case bakeoff.DeliveryRefused:
		level, message = slog.LevelWarn, "notification refused"
	case bakeoff.DeliveryRetrying:
		level, message = slog.LevelWarn, "notification not delivered yet"
	}
	n.log.Log(ctx, level, message, "run", d.Notification, "receiver", d.Receiver, "attempts", d.Attempts, "detail", d.Detail)
}
