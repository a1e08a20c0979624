package predict

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/wire"
)

// How long, and with how many others, a request waits for its turn at a model that answers one call
// at a time.
const (
	turnTime = 500 * time.Millisecond
	maxTurns = 64
)

// Loaded is a version that is open and has proven itself. Whoever acquired it releases it, once;
// with the last reference it is closed.
type Loaded struct {
	version bakeoff.Version
	model   Model
	codec   *wire.Codec
	since   time.Time
	closed  func() // called when the model has been closed

	refs    atomic.Int64
	turn    chan struct{} // of a serial model; holds one element while it answers
	waiting atomic.Int64
}

// newLoaded returns a Loaded that its caller holds.
func newLoaded(v bakeoff.Version, m Model, closed func()) *Loaded {
	l := &Loaded{version: v, model: m, codec: wire.New(v, m.Schema()), since: time.Now().UTC(), closed: closed}
	if m.Serial() {
		l.turn = make(chan struct{}, 1)
	}
	l.refs.Store(1)
	return l
}

// hold takes a reference, unless the last one was let go.
func (l *Loaded) hold() bool {
	for {
		n := l.refs.Load()
		if n == 0 {
			return false
		}
		if l.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Release lets go of the version.
func (l *Loaded) Release() {
	if l.refs.Add(-1) == 0 {
		go func() { // closing a process takes its time, which is not the request's
			_ = l.model.Close() // nobody is left who could do anything about it
			l.closed()
		}()
	}
}

// Codec reads the version's requests and writes its answers.
func (l *Loaded) Codec() *wire.Codec { return l.codec }

// Serial reports whether the version answers one call at a time, in a process of its own.
func (l *Loaded) Serial() bool { return l.turn != nil }

// ScoreInto writes the answers for the rows of t to p, whose memory it may use. A serial model keeps its callers in a bounded queue: beyond it the
// error has CodeOverload. If its process ends or answers wrongly the error has CodeUnavailable, and
// the process is started again for the next call.
func (l *Loaded) ScoreInto(ctx context.Context, t *dataset.Table, p *bakeoff.Predictions) error {
	if l.turn == nil {
		return l.model.ScoreInto(ctx, t, p)
	}
	if err := l.wait(ctx); err != nil {
		return err
	}
	defer func() { <-l.turn }()
	if l.model.ScoreInto(ctx, t, p) != nil {
		// The cause may quote what the process printed, and so the rows.
		return bakeoff.Errorf(bakeoff.CodeUnavailable, "the predict command of %s v%d did not answer; it is started again for the next request",
			l.version.Model, l.version.Version)
	}
	return nil
}

// wait takes the turn of a serial model.
func (l *Loaded) wait(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
		return nil
	default:
	}
	if l.waiting.Add(1) > maxTurns {
		l.waiting.Add(-1)
		return l.busy()
	}
	defer l.waiting.Add(-1)
	patience := time.NewTimer(turnTime)
	defer patience.Stop()
	select {
	case l.turn <- struct{}{}:
		return nil
	case <-patience.C:
		return l.busy()
	case <-ctx.Done():
		return fmt.Errorf("wait for the predict command of %s v%d: %w", l.version.Model, l.version.Version, context.Cause(ctx))
	}
}

func (l *Loaded) busy() error {
	return bakeoff.Errorf(bakeoff.CodeOverload, "the predict command of %s v%d has more requests than it can answer", l.version.Model, l.version.Version).
		WithHint("try again soon")
}
