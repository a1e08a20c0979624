// Package roster turns heartbeats into who works, on which queues, and who serves which model
// version.
package roster

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

const (
	// LostAfter is how long a worker or a serving node may be silent before it is taken for lost; with
	// the second until that is looked at, no more than 15 s.
	LostAfter = 14 * time.Second

	// forgetAfter is how long one that is lost is still shown.
	forgetAfter = time.Hour

	sweepEvery = time.Second

	// maxEntries bounds the workers, and the reports of serving nodes, that are remembered.
	maxEntries = 10000
)

// Roster knows the workers and the serving nodes. Its methods may be called from several goroutines.
type Roster struct {
	lost func(bakeoff.WorkerInfo)

	mu      sync.Mutex // guards the rest
	workers map[string]bakeoff.WorkerInfo
	serving map[place]bakeoff.Serving
}

// place is a model at a node.
type place struct{ node, model string }

// New returns an empty roster. It calls lost once, from Run, when a worker has not been heard of
// for LostAfter; lost may be nil.
func New(lost func(bakeoff.WorkerInfo)) *Roster {
	if lost == nil {
		lost = func(bakeoff.WorkerInfo) {}
	}
	return &Roster{lost: lost, workers: map[string]bakeoff.WorkerInfo{}, serving: map[place]bakeoff.Serving{}}
}

// Run notices who is lost, and forgets who has been for an hour, until ctx ends.
func (r *Roster) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			for _, w := range r.sweep(time.Now()) {
				r.lost(w)
			}
		}
	}
}

// sweep returns the workers that have been lost since the last sweep.
func (r *Roster) sweep(now time.Time) (lost []bakeoff.WorkerInfo) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, w := range r.workers {
		switch silent := now.Sub(w.Beat); {
		case silent > forgetAfter:
			delete(r.workers, name)
		case silent > LostAfter && w.State != bakeoff.WorkerLost:
			w.State = bakeoff.WorkerLost
			r.workers[name] = w
			lost = append(lost, w)
		}
	}
	for p, s := range r.serving {
		if now.Sub(s.Beat) > forgetAfter {
			delete(r.serving, p)
		}
	}
	slices.SortFunc(lost, byName)
	return lost
}

// Joined enters a worker, or one that comes back, as up since now.
func (r *Roster) Joined(w bakeoff.WorkerInfo) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w.State, w.Since, w.Beat = bakeoff.WorkerUp, time.Now().UTC(), time.Now().UTC()
	r.enter(w)
}

// Beat says that a worker is there, what it has under way, and, in State, whether it takes more. A
// worker that the roster does not know, as after a restart of the node, is entered.
func (r *Roster) Beat(w bakeoff.WorkerInfo) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w.Beat = time.Now().UTC()
	if w.State != bakeoff.WorkerDraining {
		w.State = bakeoff.WorkerUp
	}
	w.Since = w.Beat
	if old, ok := r.workers[w.Name]; ok && old.PID == w.PID && old.Host == w.Host && old.State != bakeoff.WorkerLost {
		w.Since = old.Since
	}
	r.enter(w)
}

// enter keeps a worker. The caller holds mu.
func (r *Roster) enter(w bakeoff.WorkerInfo) {
	if _, ok := r.workers[w.Name]; !ok && len(r.workers) >= maxEntries {
		return
	}
	w.Queues, w.Work = slices.Clone(w.Queues), slices.Clone(w.Work)
	r.workers[w.Name] = w
}

// Left takes a worker out that has ended in good order.
func (r *Roster) Left(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.workers, name)
}

// Workers returns every worker, by name. One that has been silent for LostAfter is lost.
func (r *Roster) Workers() []bakeoff.WorkerInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	ws := make([]bakeoff.WorkerInfo, 0, len(r.workers))
	for _, w := range r.workers {
		if now.Sub(w.Beat) > LostAfter {
			w.State = bakeoff.WorkerLost
		}
		w.Queues, w.Work = slices.Clone(w.Queues), slices.Clone(w.Work)
		ws = append(ws, w)
	}
	slices.SortFunc(ws, byName)
	return ws
}

// Serves reports whether a worker serves the queue, be it that it only ends its work; "" is the
// default queue.
func (r *Roster) Serves(queue string) bool {
	if queue == "" {
		queue = bakeoff.QueueDefault
	}
	return slices.ContainsFunc(r.Workers(), func(w bakeoff.WorkerInfo) bool {
		busy := w.State == bakeoff.WorkerDraining && slices.ContainsFunc(w.Work, func(one bakeoff.Work) bool { return one.Task.Queue == queue })
		return busy || w.State == bakeoff.WorkerUp && slices.Contains(w.Queues, queue)
	})
}

// Served records what a node serves of a model.
func (r *Roster) Served(s bakeoff.Serving) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Beat = time.Now().UTC()
	p := place{s.Node, s.Model}
	if _, ok := r.serving[p]; !ok && len(r.serving) >= maxEntries {
		return
	}
	r.serving[p] = s
}

// Serving returns what every node that was heard of within LostAfter serves, by node and model.
func (r *Roster) Serving() []bakeoff.Serving {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	var all []bakeoff.Serving
	for _, s := range r.serving {
		if now.Sub(s.Beat) <= LostAfter {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b bakeoff.Serving) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Model, b.Model))
	})
	return all
}

// Live counts the nodes that serve a model, and those of them that serve the version. Each refusal
// of that version is a sentence that names the node.
func (r *Roster) Live(model string, version int) (live, nodes int, refused []string) {
	for _, s := range r.Serving() {
		if s.Model != model {
			continue
		}
		nodes++
		switch {
		case s.Version == version:
			live++
		case s.Wanted == version && s.Refused != "":
			refused = append(refused, s.Node+": "+s.Refused)
		}
	}
	return live, nodes, refused
}

func byName(a, b bakeoff.WorkerInfo) int { return cmp.Compare(a.Name, b.Name) }
