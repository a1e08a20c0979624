package notify

import (
	"context"
	"sync"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

const (
	// lookAgain is how often the outbox is read without a sign of news: for receivers that could not
	// be found, and in case a sign was lost.
	lookAgain = 5 * time.Minute

	// slackPace is the least time between two messages to one Slack webhook.
	slackPace = time.Second

	// restShare bounds what reading a long outbox costs: after each reading a rest so many times as long.
	restShare = 10
)

// Run delivers what is owed as soon as it is written, until ctx ends, and returns nil when the last
// try has ended. Each receiver has its messages in order and at its own pace: one that hangs or
// fails holds up its own messages alone, one that refuses a message holds up nothing. What a receiver
// did not take is tried again after a growing pause, for a week; the time of the next try is recorded,
// and holds after a restart.
func (n *Notifier) Run(ctx context.Context) error {
	if !n.take(ctx) {
		return nil
	}
	defer n.giveBack()
	c := &courier{Notifier: n, queues: map[string][]errand{}, due: map[string]int{}, unknown: map[string]bool{}}
	news := make(chan struct{}, 1)
	c.all.Go(func() { c.listen(ctx, news) })
	for ctx.Err() == nil {
		rest := restShare * c.collect(ctx)
		select {
		case <-ctx.Done():
		case <-news:
			wait(ctx, rest)
		case <-time.After(lookAgain):
		}
	}
	c.all.Wait()
	return nil
}

// A courier is the state of one Run.
type courier struct {
	*Notifier
	all sync.WaitGroup

	mu      sync.Mutex
	queues  map[string][]errand // guarded by mu: by lane; one that is in here has a goroutine
	due     map[string]int      // guarded by mu: how many errands of a notification are not done
	unknown map[string]bool     // owned by Run's loop: notifications whose receivers could not be found
}

// An errand is a letter that waits in its lane: little enough for very many.
type errand struct {
	note     bakeoff.Notification // its head
	receiver int                  // its place in the file
}

// listen passes on that the outbox has changed. A watch that breaks is begun anew.
func (c *courier) listen(ctx context.Context, news chan<- struct{}) {
	for attempt := 1; ctx.Err() == nil; attempt++ {
		err := c.store.WatchOutbox(ctx, func() {
			attempt = 0
			select {
			case news <- struct{}{}:
			default: // it is known already that there is news
			}
		})
		if ctx.Err() != nil {
			return
		}
		c.log.WarnContext(ctx, "watching the outbox broke off", "error", err)
		wait(ctx, pause(max(attempt, 1)))
	}
}

// collect puts new notifications into the lanes of their receivers. It returns how long it took.
func (c *courier) collect(ctx context.Context) time.Duration {
	began := time.Now()
	heads, err := c.store.OutboxHeads(ctx)
	if err != nil && ctx.Err() == nil {
		c.log.WarnContext(ctx, "the outbox cannot be read", "error", err)
	}
	known := map[string][]bakeoff.Receiver{}
	for _, head := range heads {
		if ctx.Err() != nil || c.underway(head.ID) {
			continue
		}
		of := head.Pipeline + " " + string(head.Revision)
		receivers, ok := known[of]
		if !ok {
			if receivers, err = c.receivers(ctx, head.Pipeline, head.Revision); err != nil {
				c.complain(ctx, head, err)
				continue
			}
			known[of] = receivers
		}
		delete(c.unknown, head.ID)
		c.post(ctx, head, receivers)
	}
	return time.Since(began)
}

func (c *courier) underway(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.due[id]
	return ok
}

// complain says once that the receivers of a notification cannot be found; they are looked for
// again. After a week it is given up.
func (c *courier) complain(ctx context.Context, head bakeoff.Notification, err error) {
	if expired(head) {
		c.log.WarnContext(ctx, "gave up on a notification: its receivers are not known", "notification", head.ID, "error", err)
		c.finish(ctx, head.ID)
		return
	}
	if !c.unknown[head.ID] {
		c.log.WarnContext(ctx, "the receivers of a notification cannot be found; trying again", "notification", head.ID, "error", err)
	}
	c.unknown[head.ID] = true
}

// post puts a notification into the lane of each receiver.
func (c *courier) post(ctx context.Context, head bakeoff.Notification, receivers []bakeoff.Receiver) {
	if len(receivers) == 0 {
		c.finish(ctx, head.ID)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.due[head.ID] = len(receivers)
	for i, to := range receivers {
		name := lane(to)
		queue, driven := c.queues[name]
		c.queues[name] = append(queue, errand{head, i})
		if !driven {
			c.all.Go(func() { c.drive(ctx, name) })
		}
	}
}

// drive delivers the errands of a lane in order, until there are none.
func (c *courier) drive(ctx context.Context, name string) {
	for {
		e, ok := c.next(name)
		if !ok {
			return
		}
		rest := c.run(ctx, e)
		if ctx.Err() != nil {
			return
		}
		c.done(ctx, e)
		wait(ctx, rest)
	}
}

// next takes the first errand of a lane. A lane without one ends.
func (c *courier) next(name string) (errand, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	queue := c.queues[name]
	if len(queue) == 0 {
		delete(c.queues, name)
		return errand{}, false
	}
	c.queues[name] = queue[1:]
	return queue[0], true
}

// done settles a notification with its last errand.
func (c *courier) done(ctx context.Context, e errand) {
	c.mu.Lock()
	c.due[e.note.ID]--
	last := c.due[e.note.ID] == 0
	c.mu.Unlock()
	if !last {
		return
	}
	c.finish(ctx, e.note.ID)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.due, e.note.ID)
}

// finish settles a notification. Where that fails it is still owed, and is found settled for all its
// receivers when the outbox is read again.
func (c *courier) finish(ctx context.Context, id string) {
	if err := c.settle(ctx, id); err != nil {
		c.log.WarnContext(ctx, "a notification cannot be settled", "notification", id, "error", err)
	}
}

// run delivers one errand: until the receiver has taken or refused it, it is given up or ctx ends.
// It returns how long the receiver is to be left alone after it.
func (c *courier) run(ctx context.Context, e errand) (rest time.Duration) {
	l := &letter{note: e.note, delivery: bakeoff.Delivery{Notification: e.note.ID, Receiver: e.receiver}}
	for faults := 0; ctx.Err() == nil; {
		tried, err := c.step(ctx, l)
		if tried && l.to.Slack != "" {
			rest = slackPace
		}
		switch {
		case err == nil && l.final():
			return rest
		case bakeoff.CodeOf(err) == bakeoff.CodeNotFound: // somebody else has settled it
			return rest
		case err != nil:
			faults++
			c.log.WarnContext(ctx, "a notification cannot be delivered yet", "notification", e.note.ID, "receiver", e.receiver, "error", err)
			wait(ctx, pause(faults))
		default:
			faults = 0
			wait(ctx, max(rest, time.Until(l.delivery.Next)))
		}
	}
	return 0
}

// step tries a letter if its time has come. Its receiver is looked up for every try, so that a URL that
// was corrected holds at once.
func (c *courier) step(ctx context.Context, l *letter) (tried bool, err error) {
	if err := c.recall(ctx, l); err != nil || l.final() {
		return false, err
	}
	if time.Now().Before(l.delivery.Next) {
		return false, nil
	}
	receivers, err := c.receivers(ctx, l.note.Pipeline, l.note.Revision)
	switch {
	case expired(l.note):
		return false, c.send(ctx, l, once)
	case err != nil:
		return false, bakeoff.Errorf(bakeoff.CodeUnavailable, "find receivers of %s: %w", l.note.ID, err)
	case l.delivery.Receiver >= len(receivers):
		return false, bakeoff.Errorf(bakeoff.CodeNotFound, "%s has no receiver %d any more", l.note.ID, l.delivery.Receiver)
	}
	l.to = receivers[l.delivery.Receiver]
	if err := c.read(ctx, l); err != nil || ctx.Err() != nil {
		return false, err
	}
	return true, c.send(ctx, l, once)
}

// recall reads what an earlier process, or an earlier step whose record failed, has recorded.
func (c *courier) recall(ctx context.Context, l *letter) error {
	recorded, err := c.store.Deliveries(ctx, l.note.ID)
	if err != nil {
		return err
	}
	for _, d := range recorded {
		if d.Receiver == l.delivery.Receiver {
			l.delivery = d
		}
	}
	return nil
}

// wait returns after d, or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
