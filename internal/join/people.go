package join

import (
	"context"
	"slices"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// What a greeting may be as large as.
const (
	maxQueues = 64
	maxSlots  = 4096
	maxText   = 256
)

// hello lets a worker in that is of the node's own version.
func (g *Gateway) hello(_ context.Context, r request) (any, []byte, error) {
	w, err := g.worker(r)
	if err != nil {
		return nil, nil, err
	}
	if err := g.sameVersion(w.Version); err != nil {
		return nil, nil, err
	}
	for _, q := range w.Queues {
		if !r.serves(q) {
			return nil, nil, r.mayNot(q)
		}
	}
	g.config.Roster.Joined(w)
	g.config.Log.Info("worker joined", "worker", w.Name, "host", w.Host, "queues", w.Queues, "slots", w.Slots)
	return g.welcome(r), nil, nil
}

// beat hears that a worker is there and what it has under way.
func (g *Gateway) beat(_ context.Context, r request) (any, []byte, error) {
	w, err := g.worker(r)
	if err != nil {
		return nil, nil, err
	}
	answer := g.welcome(r)
	if answer.Drain {
		w.State = bakeoff.WorkerDraining
	}
	g.config.Roster.Beat(w)
	return answer, nil, nil
}

func (g *Gateway) leave(_ context.Context, r request) (any, []byte, error) {
	g.config.Roster.Left(r.name)
	g.config.Log.Info("worker left", "worker", r.name)
	return nil, nil, nil
}

func (g *Gateway) welcome(r request) welcome {
	return welcome{Version: g.config.Version, Clock: time.Now().UTC(), Drain: g.config.Drain(r.name)}
}

// worker reads who the caller says it is. What the node knows better is not believed.
func (g *Gateway) worker(r request) (bakeoff.WorkerInfo, error) {
	var hi greeting
	if _, err := unpack(r.message, &hi); err != nil {
		return hi.Worker, err
	}
	w := hi.Worker
	if len(w.Host) > maxText || len(w.Version) > maxText || len(w.Queues) > maxQueues || w.Slots < 0 || w.Slots > maxSlots || len(w.Work) > maxSlots {
		return w, bakeoff.Errorf(bakeoff.CodeInvalid, "a worker with %d queues, %d slots and %d tasks under way is not one of ours", len(w.Queues), w.Slots, len(w.Work))
	}
	w.Queues = slices.DeleteFunc(w.Queues, func(q string) bool { return !bakeoff.ValidName(q) })
	w.Name, w.Joined = r.name, true
	w.Skew = time.Until(hi.Clock).Seconds()
	if w.State != bakeoff.WorkerDraining {
		w.State = bakeoff.WorkerUp
	}
	return w, nil
}

// sameVersion refuses a worker of another version: it would build by other rules than it is judged by.
func (g *Gateway) sameVersion(theirs string) error {
	if theirs == g.config.Version {
		return nil
	}
	return bakeoff.Errorf(bakeoff.CodeInvalid, "this worker is bakeoff %.64q, the node is bakeoff %s: they must be of one version", theirs, g.config.Version).
		WithHint("install bakeoff %s on the worker's machine", g.config.Version)
}

func (c caller) mayNot(queue string) error {
	return bakeoff.Errorf(bakeoff.CodeForbidden, "token %s may not serve the queue %.64q", c.token.Name, queue).
		WithHint("its queues: %v (none named: all but %s)", c.token.Queues, bakeoff.QueueJudge)
}
