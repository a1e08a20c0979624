package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/outbound"
)

// Store is what the notifier needs of the store. Several goroutines call it at once.
type Store interface {
	// OutboxHeads returns the notifications that are owed, oldest first: every one that was not
	// settled, without its report and ticks.
	OutboxHeads(ctx context.Context) ([]bakeoff.Notification, error)
	// Notification returns one that is owed, whole; a settled one has code NotFound.
	Notification(ctx context.Context, id string) (bakeoff.Notification, error)
	// WatchOutbox calls changed whenever a notification is written, and once as soon as none can be
	// missed, until ctx ends.
	WatchOutbox(ctx context.Context, changed func()) error
	// Deliveries returns the last delivery recorded for each receiver of a notification, in any order.
	Deliveries(ctx context.Context, notification string) ([]bakeoff.Delivery, error)
	// PutDelivery records a delivery in place of the earlier one for the same notification and receiver.
	PutDelivery(ctx context.Context, d bakeoff.Delivery) error
	// Undelivered returns every delivery that was refused or is being tried, the newest first.
	Undelivered(ctx context.Context) ([]bakeoff.Delivery, error)
	// Settle records that nothing of the notification is owed any more. It may be called again.
	Settle(ctx context.Context, notification string) error
}

// Receivers returns the receivers that a revision of a pipeline names.
type Receivers func(ctx context.Context, pipeline string, revision bakeoff.Digest) ([]bakeoff.Receiver, error)

// Live says on how many of how many predicting nodes a version of a model answers, and which of
// them refused it, each with its reason.
type Live func(ctx context.Context, model string, version int) (live, nodes int, refused []string)

// Zone returns the time zone of a pipeline's schedule, as a revision has it.
type Zone func(ctx context.Context, pipeline string, revision bakeoff.Digest) *time.Location

// Notifier delivers what the outbox owes: a node by Run, a command without a node by Flush.
type Notifier struct {
	store     Store
	receivers Receivers
	log       *slog.Logger
	client    *outbound.Client
	live      Live   // nil where nobody knows
	zone      Zone   // nil for UTC
	link      string // "" for no links

	turn chan struct{} // held by whoever delivers: one message is under way to a receiver at a time
}

// New returns a notifier. The receivers' URLs and passwords are secrets: they come in by the
// function, and go nowhere but to the receiver.
func New(store Store, receivers Receivers, log *slog.Logger) *Notifier {
	return &Notifier{
		store: store, receivers: receivers, log: log.With("component", "notify"),
		client: outbound.NewClient(), turn: make(chan struct{}, 1),
	}
}

// AskLive has messages of promotions say on how many nodes the version is live. It is called before
// the first delivery.
func (n *Notifier) AskLive(live Live) { n.live = live }

// AskZone has messages tell ticks by the clock of their schedule. It is called before the first
// delivery.
func (n *Notifier) AskZone(zone Zone) { n.zone = zone }

// LinkTo has messages link to their run's page below a base URL. It is called before the first
// delivery.
func (n *Notifier) LinkTo(base string) { n.link = strings.TrimSuffix(base, "/") }

// Owed returns every delivery that was refused or is being tried again, the newest first, and how
// many notifications are not settled yet, those that were not tried among them.
func (n *Notifier) Owed(ctx context.Context) ([]bakeoff.Delivery, int, error) {
	undelivered, err := n.store.Undelivered(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("read deliveries: %w", err)
	}
	heads, err := n.store.OutboxHeads(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("read outbox: %w", err)
	}
	return undelivered, len(heads), nil
}

// Test tries once to send a receiver a message that says of itself that it is a test. It is
// recorded nowhere. The error is that of a context that has ended.
func (n *Notifier) Test(ctx context.Context, to bakeoff.Receiver) (bakeoff.Delivery, error) {
	now := time.Now().UTC()
	m := message{note: bakeoff.Notification{ID: bakeoff.NewRunID("test", now), Created: now}, test: true}
	o := n.try(ctx, to, m)
	d := bakeoff.Delivery{Notification: m.note.ID, State: o.State, Detail: o.Detail, Attempts: 1, Time: time.Now().UTC()}
	return d, ctx.Err()
}

// take waits for the caller's turn. It reports false if ctx ended first.
func (n *Notifier) take(ctx context.Context) bool {
	select {
	case n.turn <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (n *Notifier) giveBack() { <-n.turn }

// postTimeout bounds one answer of a webhook, from the first look-up of its host's name.
const postTimeout = 5 * time.Second

// try sends a message to a receiver once.
func (n *Notifier) try(ctx context.Context, to bakeoff.Receiver, m message) outbound.Outcome {
	if to.Email != nil {
		return n.mail(ctx, to, m)
	}
	if to.Webhook != "" {
		body, err := json.Marshal(m.payload())
		if err != nil {
			return outbound.Refused("the message cannot be written: "+err.Error(), "")
		}
		return n.client.Send(ctx, outbound.Webhook{
			URL: to.Webhook, Secret: to.Secret, AllowPrivate: to.AllowPrivate, ID: m.note.ID, Body: body, Timeout: postTimeout,
		})
	}
	body, err := json.Marshal(m.slack())
	if err != nil {
		return outbound.Refused("the message cannot be written: "+err.Error(), "")
	}
	return n.client.Post(ctx, outbound.Request{
		URL: to.Slack, AllowPrivate: to.AllowPrivate, Body: body, Timeout: postTimeout, Judge: answered,
	})
}

// lane names what a receiver shares its pace and its order with: everything that goes to its URL, or
// its mail server, whichever pipelines name it.
func lane(r bakeoff.Receiver) string {
	switch {
	case r.Email != nil:
		return fmt.Sprintf("email %s:%d", r.Email.Host, r.Email.Port)
	case r.Webhook != "":
		return "webhook " + r.Webhook
	}
	return "slack " + r.Slack
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
	n.log.Log(ctx, level, message, "notification", d.Notification, "receiver", d.Receiver, "attempts", d.Attempts, "detail", d.Detail)
}
