package notify

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/outbound"
)

const (
	giveUp     = 7 * 24 * time.Hour
	firstPause = time.Second
	longPause  = 5 * time.Minute
)

// A letter is one notification for one receiver.
type letter struct {
	note     bakeoff.Notification // its head alone, until its turn comes
	to       bakeoff.Receiver
	delivery bakeoff.Delivery
	tried    bool
	err      error // of the store
}

func (l *letter) final() bool {
	return l.delivery.State == bakeoff.DeliverySent || l.delivery.State == bakeoff.DeliveryRefused
}

// expired reports whether a notification has been tried for long enough.
func expired(note bakeoff.Notification) bool { return time.Since(note.Created) >= giveUp }

// pause returns how long to wait after so many attempts: one second, doubled each time up to five
// minutes, of which a random half may be missing, so that receivers which failed together are not
// tried together.
func pause(attempts int) time.Duration {
	most := longPause
	if attempts < 10 { // more doublings would pass the longest
		most = min(firstPause<<max(attempts-1, 0), longPause)
	}
	return most/2 + rand.N(most/2)
}

// unanswered is the detail of a delivery whose try has begun. It stands only if its answer was
// never recorded.
const unanswered = "the message may have arrived: its answer was lost"

// send tries a letter as insist says and records what became of it. The error is the store's.
func (n *Notifier) send(ctx context.Context, l *letter, insist func(context.Context, func() outbound.Outcome) outbound.Outcome) error {
	d := &l.delivery
	lost := strings.HasPrefix(d.Detail, unanswered)
	var o outbound.Outcome
	if expired(l.note) {
		o = outbound.Refused(strings.TrimSuffix("given up after a week: "+d.Detail, ": "), "")
	} else {
		m := n.words(ctx, l.note)
		begun := *d
		begun.State, begun.Detail, begun.Time = bakeoff.DeliveryRetrying, unanswered, time.Now().UTC()
		if err := n.store.PutDelivery(ctx, begun); err != nil {
			return fmt.Errorf("record delivery of %s: %w", d.Notification, err)
		}
		o = insist(ctx, func() outbound.Outcome {
			m.repeat = lost
			o := n.try(ctx, l.to, m)
			d.Attempts++
			lost = lost || o.Lost
			return o
		})
	}
	return n.record(ctx, l, o, lost)
}

// record writes down the last outcome of a letter's tries. A retry that our own end cut short need
// not wait.
func (n *Notifier) record(ctx context.Context, l *letter, o outbound.Outcome, lost bool) error {
	d := &l.delivery
	l.tried = true
	d.State, d.Detail, d.Time, d.Next = o.State, o.Detail, time.Now().UTC(), time.Time{}
	if o.State == bakeoff.DeliveryRetrying {
		if lost {
			d.Detail = unanswered + "; " + o.Detail
		}
		if ctx.Err() == nil {
			d.Next = d.Time.Add(max(pause(d.Attempts), o.Wait))
		}
	}
	n.report(ctx, *d)
	ctx, cancel := afterwards(ctx)
	defer cancel()
	if err := n.store.PutDelivery(ctx, *d); err != nil {
		return fmt.Errorf("record delivery of %s: %w", d.Notification, err)
	}
	return nil
}

// once is the way of a node, which comes back to a letter when its time has come.
func once(_ context.Context, try func() outbound.Outcome) outbound.Outcome { return try() }

const (
	tries     = 3
	patience  = 10 * time.Second // for all tries of one message together
	shortWait = 500 * time.Millisecond
)

// errAgain makes backoff.Retry go on; what happened is in the outcome.
var errAgain = errors.New("not delivered")

// aFewTimes is the way of a command, which ends soon.
func aFewTimes(ctx context.Context, try func() outbound.Outcome) outbound.Outcome {
	waits := backoff.NewExponentialBackOff()
	waits.InitialInterval = shortWait
	var o outbound.Outcome
	_, _ = backoff.Retry(ctx, func() (struct{}, error) {
		o = try()
		switch {
		case o.State != bakeoff.DeliveryRetrying:
			return struct{}{}, nil
		case o.Wait > 0:
			return struct{}{}, &backoff.RetryAfterError{Duration: o.Wait}
		}
		return struct{}{}, errAgain
	}, backoff.WithBackOff(waits), backoff.WithMaxTries(tries), backoff.WithMaxElapsedTime(patience))
	return o
}

// settle records that a notification is done with, even if ctx has ended meanwhile.
func (n *Notifier) settle(ctx context.Context, id string) error {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	if err := n.store.Settle(ctx, id); err != nil {
		return fmt.Errorf("settle notification %s: %w", id, err)
	}
	return nil
}

// afterwards returns a context for recording what has happened already, which a cancelled caller
// must not prevent.
func afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), postTimeout)
}
