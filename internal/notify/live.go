package notify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

const (
	liveWait  = 10 * time.Second // from the verdict, for all nodes to serve what it promoted
	liveLook  = 200 * time.Millisecond
	liveStale = time.Minute // after the verdict: the nodes may serve the next version by then
)

// words adds to a notification what can be said only when it is sent. The message of a champion that is
// new waits a little for the nodes.
func (n *Notifier) words(ctx context.Context, note bakeoff.Notification) message {
	m := message{note: note, link: n.link}
	if n.zone != nil {
		m.zone = n.zone(ctx, note.Pipeline, note.Revision)
	}
	c := promoted(note)
	if n.live == nil || c == nil || time.Since(note.Created) > liveStale {
		return m
	}
	look := time.NewTicker(liveLook)
	defer look.Stop()
	for {
		live, nodes, refused := n.live(ctx, c.Model, c.Version)
		if live >= nodes || len(refused) > 0 || time.Since(note.Created) >= liveWait {
			m.live = liveLine(live, nodes, refused)
			return m
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return m
		}
	}
}

// promoted returns the version that what is told has made the champion, nil where it has made none.
func promoted(note bakeoff.Notification) *bakeoff.ChampionRef {
	switch {
	case note.Move != nil:
		return &note.Move.Champion
	case note.Report.Verdict == bakeoff.Promoted:
		return note.Report.Champion
	}
	return nil
}

// liveLine is "live on 2 of 3 nodes", with the refusals; "" where no node answers requests.
func liveLine(live, nodes int, refused []string) string {
	if nodes == 0 {
		return ""
	}
	line := fmt.Sprintf("live on %d of %d nodes", live, nodes)
	if nodes == 1 {
		line = fmt.Sprintf("live on %d of 1 node", live)
	}
	const named = 3
	shown := make([]string, 0, named)
	for _, r := range refused[:min(len(refused), named)] {
		shown = append(shown, cut(plain.Line(r), 200))
	}
	if len(shown) > 0 {
		line += "; refused: " + strings.Join(shown, ", ")
	}
	if more := len(refused) - len(shown); more > 0 {
		line += fmt.Sprintf(" %s +%d more", ellipsis, more)
	}
	return line
}
