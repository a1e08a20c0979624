package deploy

import (
	"context"
	"sync"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

const (
	// lookAgain is how often the deployments are read without a sign of news: in case one was lost.
	lookAgain = 5 * time.Minute

	// restShare bounds what reading a long list costs: after each reading a rest so many times as long.
	restShare = 10
)

// Run carries out what is owed as soon as it is written, until ctx ends, and returns nil when the
// last try has ended. The hooks of one pipeline never wait for those of another.
func (d *Deployer) Run(ctx context.Context) error {
	if !d.take(ctx) {
		return nil
	}
	defer func() { <-d.turn }()
	r := &rounds{Deployer: d, busy: map[string]bool{}, due: map[string]time.Time{}, news: make(chan struct{}, 1)}
	r.all.Go(func() { r.listen(ctx) })
	for ctx.Err() == nil {
		began := time.Now()
		idle := r.begin(ctx)
		rest := restShare * time.Since(began)
		select {
		case <-ctx.Done():
		case <-r.news:
			wait(ctx, rest)
		case <-time.After(idle):
		}
	}
	r.all.Wait()
	return nil
}

// rounds are the state of one Run. In a round, each pipeline with something due gets a goroutine, which
// ends when it has done that.
type rounds struct {
	*Deployer
	all  sync.WaitGroup
	news chan struct{} // holds one: what is owed, or what is due, has changed

	mu   sync.Mutex
	busy map[string]bool      // guarded by mu: pipelines that have a goroutine
	due  map[string]time.Time // guarded by mu: when a pipeline has something to do next, by newest deployment
}

// listen passes on that deployments were written. A watch that breaks is begun anew.
func (r *rounds) listen(ctx context.Context) {
	for ctx.Err() == nil {
		err := r.store.WatchDeployments(ctx, r.tell)
		if ctx.Err() != nil {
			return
		}
		r.log.WarnContext(ctx, "watching the deployments broke off", "error", err)
		wait(ctx, pause(1))
	}
}

// wait returns after d, or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (r *rounds) tell() {
	select {
	case r.news <- struct{}{}:
	default: // it is known already that there is news
	}
}

// begin starts a round. It returns how long the loop may rest after it.
func (r *rounds) begin(ctx context.Context) time.Duration {
	owed, err := r.store.Deployments(ctx)
	if err != nil {
		if ctx.Err() == nil {
			r.log.WarnContext(ctx, "the deployments cannot be read", "error", err)
		}
		return pauses[0]
	}
	rest := lookAgain
	byPipeline, order := group(owed)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(byPipeline)
	for _, name := range order {
		of := byPipeline[name]
		newest := of[len(of)-1].ID
		at := r.due[newest] // zero for one that is new
		switch left := time.Until(at); {
		case r.busy[name]:
		case left > 0:
			rest = min(rest, left)
		default:
			r.busy[name] = true
			r.all.Go(func() { r.serve(ctx, name, newest, of) })
		}
	}
	return rest
}

// forget drops what is known of deployments that are settled, or have a newer one behind them.
func (r *rounds) forget(byPipeline map[string][]bakeoff.Deployment) {
	open := map[string]bool{}
	for _, of := range byPipeline {
		open[of[len(of)-1].ID] = true
	}
	for id := range r.due {
		if !open[id] {
			delete(r.due, id)
		}
	}
}

// serve does what is due of a pipeline's deployments.
func (r *rounds) serve(ctx context.Context, name, newest string, of []bakeoff.Deployment) {
	q := &queue{Deployer: r.Deployer}
	next, err := q.advance(ctx, of)
	if err != nil && ctx.Err() == nil {
		r.log.WarnContext(ctx, "deploy hooks cannot be carried out yet", "pipeline", name, "error", err)
		if next.IsZero() {
			next = time.Now().Add(pauses[0])
		}
	}
	r.mu.Lock()
	delete(r.busy, name)
	r.due[newest] = next
	r.mu.Unlock()
	r.tell() // of a deployment that was written meanwhile, and of the new time
}
