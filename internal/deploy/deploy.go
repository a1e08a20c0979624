package deploy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/outbound"
)

// Store is what the deployer needs of the store. Several goroutines call it at once.
type Store interface {
	// Deployments returns those that are not settled, in the order of their moves.
	Deployments(ctx context.Context) ([]bakeoff.Deployment, error)
	// WatchDeployments calls changed whenever one is written, and once as soon as none can be missed,
	// until ctx ends.
	WatchDeployments(ctx context.Context, changed func()) error
	// SettleDeployment records that no hook of one is owed anything any more. It may be called again.
	SettleDeployment(ctx context.Context, id string) error
	// DeploymentOutcomes returns what is recorded about the hooks of one.
	DeploymentOutcomes(ctx context.Context, id string) ([]bakeoff.HookOutcome, error)
	// PutHookOutcome records what became of a hook in place of what was recorded before.
	PutHookOutcome(ctx context.Context, o bakeoff.HookOutcome) error
}

// Config says what a deployer works with.
type Config struct {
	Store Store
	// Hooks returns the folder of a pipeline and the hooks that a revision of it names.
	Hooks func(ctx context.Context, pipeline string, revision bakeoff.Digest) (dir string, hooks []bakeoff.Hook, err error)
	// Artifacts writes the files of a version's artifact into an empty folder.
	Artifacts func(ctx context.Context, v bakeoff.Version, dir string) error
	Scratch   string // a folder for the files that commands see, emptied with the process
	Keep      string // the folder of the store, of which no copy may take the place; "" for none
	Log       *slog.Logger
}

// Deployer carries out deploy hooks: in a node by Run, for a command without a node by Flush.
type Deployer struct {
	store     Store
	hooks     func(ctx context.Context, pipeline string, revision bakeoff.Digest) (string, []bakeoff.Hook, error)
	artifacts func(ctx context.Context, v bakeoff.Version, dir string) error
	scratch   string
	keep      string
	log       *slog.Logger
	client    *outbound.Client

	turn chan struct{} // held by whoever carries out hooks
}

// New returns a deployer. The URLs and secrets of hooks come in by the function, and go nowhere but to
// the receiver.
func New(c Config) *Deployer {
	return &Deployer{
		store: c.Store, hooks: c.Hooks, artifacts: c.Artifacts, scratch: c.Scratch, keep: c.Keep,
		log: c.Log.With("component", "deploy"), client: outbound.NewClient(), turn: make(chan struct{}, 1),
	}
}

const (
	tries = 5

	// giveUp is how long the hooks of a deployment are looked for.
	giveUp = 7 * 24 * time.Hour
)

// pauses are those after the first try, the second and so on: an hour in all.
var pauses = [tries - 1]time.Duration{time.Minute, 4 * time.Minute, 15 * time.Minute, 40 * time.Minute}

// pause returns how long to wait after so many tries; up to a tenth is taken away at random, so that
// hooks which failed together are not tried together.
func pause(attempts int) time.Duration {
	p := pauses[min(max(attempts, 1), len(pauses))-1]
	return p - rand.N(p/10)
}

// Flush tries everything that is due once, for a command that has no node, and returns the outcomes of
// what it tried. What fails is tried again by a node, or by a Flush after its pause. While a Run is under
// way, Flush waits for its end. The error is about the store or a pipeline's hooks, never about
// what became of a hook: that is in the outcomes.
func (d *Deployer) Flush(ctx context.Context) ([]bakeoff.HookOutcome, error) {
	if !d.take(ctx) {
		return nil, context.Cause(ctx)
	}
	defer func() { <-d.turn }()
	owed, err := d.store.Deployments(ctx)
	if err != nil {
		return nil, fmt.Errorf("read deployments: %w", err)
	}
	byPipeline, order := group(owed)
	tried := make([][]bakeoff.HookOutcome, len(order))
	errs := make([]error, len(order))
	var all sync.WaitGroup
	for i, name := range order {
		all.Go(func() {
			q := &queue{Deployer: d}
			_, errs[i] = q.advance(ctx, byPipeline[name])
			tried[i] = q.tried
		})
	}
	all.Wait()
	var outcomes []bakeoff.HookOutcome
	for _, of := range tried {
		outcomes = append(outcomes, of...)
	}
	return outcomes, errors.Join(errs...)
}

// group sorts deployments by pipeline. Order has the pipelines as they come first.
func group(owed []bakeoff.Deployment) (of map[string][]bakeoff.Deployment, order []string) {
	of = map[string][]bakeoff.Deployment{}
	for _, d := range owed {
		if _, seen := of[d.Pipeline]; !seen {
			order = append(order, d.Pipeline)
		}
		of[d.Pipeline] = append(of[d.Pipeline], d)
	}
	return of, order
}

// take waits for the caller's turn. It reports false if ctx ended first.
func (d *Deployer) take(ctx context.Context) bool {
	select {
	case d.turn <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}
