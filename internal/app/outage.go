package app

import (
	"context"
	"sync"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// roomEvery is how often a node whose store has failed looks whether its disk can be written again.
const roomEvery = 2 * time.Second

// outlast has predictions go on after the store has failed, and returns when its disk can be written
// again, or when ctx ends. The steps have stopped by then: what was under way goes on at the next
// start, which is worth while only then. A store that fails on a disk that can be written is not
// waited for.
func (u *up) outlast(ctx context.Context, failure error) {
	if ctx.Err() != nil || bakeoff.CodeOf(failure) != bakeoff.CodeUnavailable {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	var alive sync.WaitGroup
	defer alive.Wait()
	defer cancel()
	alive.Go(func() { _ = watchdog(ctx) }) // its error was told of when the node was ready
	for told := false; ; told = true {
		wrong := u.server.Writable()
		if wrong == nil {
			return
		}
		if !told {
			u.remark(u.server.Dir(), "the store has failed: predictions go on, and nothing else: "+wrong.Error())
			u.config.Log.Error("the store has failed: predictions go on, and nothing else until its disk can be written again", "error", wrong, "failure", failure)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(roomEvery):
		}
	}
}

// doubt keeps that the store has failed somebody who asked for something, for heed to look into.
func (n *Node) doubt(failure error) {
	if bakeoff.CodeOf(failure) != bakeoff.CodeUnavailable {
		return
	}
	select {
	case n.doubted <- failure:
	default: // one is looked into
	}
}

// heed fails when the store has failed somebody and its disk cannot be written: without this, a node
// that has nothing to do would not notice, and every request for a run would wait for the store in vain.
func (n *Node) heed(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case failure := <-n.doubted:
			if n.server.Writable() != nil {
				return failure
			}
		}
	}
}
