package notify

import (
	"github.com/slack-go/slack"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/outbound"
)

// DialWith replaces the network for receivers that may be private, so that tests can speak HTTP
// over pipes while time stands still.
func (n *Notifier) DialWith(dial outbound.Dialer) { n.client.Private = dial }

// Pause is how long a node waits after so many attempts.
func Pause(attempts int) string { return pause(attempts).String() }

// Message is a notification as Slack gets it.
func Message(n bakeoff.Notification) slack.WebhookMessage { return message{note: n}.slack() }
