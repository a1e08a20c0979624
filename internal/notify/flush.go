package notify

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/bakeoffhq/bakeoff"
)

// Summary says what one Flush did.
type Summary struct {
	Sent    int
	Refused int // given up: the receiver said no, or a week has passed
	Owed    int // not delivered yet; tried again by the next Flush
	// Deliveries are those that were tried, by notification and receiver. One that waits behind another of
	// the same receiver is counted as owed, but was not tried.
	Deliveries []bakeoff.Delivery
}

// Flush delivers what is owed, once, for a command that has no node: it tries at once what waits for
// its next try. Receivers are served side by side, each in the order of its messages; a message
// that cannot be delivered holds up the later ones of its receiver until the next Flush, one that
// is refused does not. While a Run is under way, Flush waits for its end. The error is about the
// store or a pipeline's receivers, never about a receiver's answer: that is in the summary.
func (n *Notifier) Flush(ctx context.Context) (Summary, error) {
	if !n.take(ctx) {
		return Summary{}, context.Cause(ctx)
	}
	defer n.giveBack()
	owed, err := n.store.OutboxHeads(ctx)
	if err != nil {
		return Summary{}, fmt.Errorf("read outbox: %w", err)
	}
	var errs []error
	letters := make([][]*letter, len(owed))
	addressed := make([]bool, len(owed))
	for i, note := range owed {
		if letters[i], err = n.address(ctx, note); err != nil {
			errs = append(errs, err)
		}
		addressed[i] = err == nil
	}
	n.deliver(ctx, letters)
	var sum Summary
	for i, note := range owed {
		done := addressed[i]
		for _, l := range letters[i] {
			sum.add(l)
			errs = append(errs, l.err)
			done = done && l.final() && l.err == nil
		}
		if done {
			errs = append(errs, n.settle(ctx, note.ID))
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

// address returns one letter for each receiver of a notification, with what is recorded about it.
func (n *Notifier) address(ctx context.Context, note bakeoff.Notification) ([]*letter, error) {
	receivers, err := n.receivers(ctx, note.Pipeline, note.Revision)
	if err != nil {
		if !expired(note) {
			return nil, fmt.Errorf("find receivers of %s: %w", note.ID, err)
		}
		n.log.WarnContext(ctx, "gave up on a notification: its receivers are not known", "notification", note.ID)
		return nil, nil
	}
	recorded, err := n.store.Deliveries(ctx, note.ID)
	if err != nil {
		return nil, fmt.Errorf("read deliveries of %s: %w", note.ID, err)
	}
	letters := make([]*letter, len(receivers))
	for i, to := range receivers {
		letters[i] = &letter{note: note, to: to, delivery: bakeoff.Delivery{Notification: note.ID, Receiver: i}}
	}
	for _, d := range recorded {
		if d.Receiver >= 0 && d.Receiver < len(letters) {
			letters[d.Receiver].delivery = d
		}
	}
	return letters, nil
}

// deliver hands each receiver its letters in order, the receivers side by side.
func (n *Notifier) deliver(ctx context.Context, letters [][]*letter) {
	queues := map[string][]*letter{}
	for _, of := range letters {
		for _, l := range of {
			if !l.final() {
				queues[lane(l.to)] = append(queues[lane(l.to)], l)
			}
		}
	}
	var all sync.WaitGroup
	for _, queue := range queues {
		all.Go(func() {
			for _, l := range queue {
				if l.err = n.read(ctx, l); l.err != nil {
					return
				}
				if l.err = n.send(ctx, l, aFewTimes); !l.final() || l.err != nil || ctx.Err() != nil {
					return
				}
				l.note = bakeoff.Notification{} // said: its report is not needed any more
			}
		})
	}
	all.Wait()
}

// read fetches what a letter tells.
func (n *Notifier) read(ctx context.Context, l *letter) error {
	note, err := n.store.Notification(ctx, l.note.ID)
	if err != nil {
		return fmt.Errorf("read notification %s: %w", l.note.ID, err)
	}
	l.note = note
	return nil
}
