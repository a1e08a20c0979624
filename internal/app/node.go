// Package app turns a store folder into a working node: it opens the engine, introduces the steps
// of the walk to each other and to the store, and stops them in reverse order.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/build"
	"github.com/bakeoffhq/bakeoff/internal/dispatch"
	"github.com/bakeoffhq/bakeoff/internal/judge"
	"github.com/bakeoffhq/bakeoff/internal/natsd"
	"github.com/bakeoffhq/bakeoff/internal/notify"
	"github.com/bakeoffhq/bakeoff/internal/registry"
	"github.com/bakeoffhq/bakeoff/internal/store"
	"github.com/bakeoffhq/bakeoff/internal/worker"
)

// Config says how a node works.
type Config struct {
	Store     string                      // the folder of the store
	Slots     int                         // how many trials are built at once
	Threads   int                         // how many threads a trial and the judge may use
	Self      []string                    // the argv that this program was started by, for its children
	LookupEnv func(string) (string, bool) // where the variables of pipeline files come from
	Version   string                      // of this program
	Log       *slog.Logger
}

// DefaultConfig returns the configuration for a store folder on this machine.
func DefaultConfig(folder string) Config {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	return Config{
		Store: folder, Slots: max(minSlots, runtime.NumCPU()), Threads: runtime.NumCPU(),
		Self: []string{self}, LookupEnv: os.LookupEnv, Version: "devel", Log: slog.New(slog.DiscardHandler),
	}
}

// minSlots is how many trials are built at once on the smallest machine: one that waits for a
// database or a disk should not keep the others waiting.
const minSlots = 3

// Node is an open store with the steps of the walk around it. Open starts none of them.
type Node struct {
	config     Config
	server     *natsd.Server
	scratch    string // a folder for this process's work, emptied when it ends
	mark       string // by which the processes of this store are known
	store      *store.Store
	queues     map[string]*store.Queue
	runtime    *servingRuntime
	dispatcher *dispatch.Dispatcher
	registry   *registry.Registry
	notifier   *notify.Notifier
}

// Open opens the store of a node. A store that another process holds is an error with
// bakeoff.CodeBusy.
func Open(ctx context.Context, c Config) (*Node, error) {
	server, err := natsd.Start(ctx, c.Store, c.Log)
	if err != nil {
		return nil, err
	}
	n := &Node{config: c, server: server}
	if err := n.open(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Node) open(ctx context.Context) (err error) {
	if n.mark, err = sweepStore(n.server.Dir(), n.config.Log); err != nil {
		return err
	}
	if n.scratch, err = emptyScratch(n.server.Dir()); err != nil {
		return err
	}
	if err := hideFromGit(n.server.Dir()); err != nil {
		return err
	}
	if n.store, err = store.Open(ctx, n.server.Conn()); err != nil {
		return err
	}
	if err := n.openQueues(ctx); err != nil {
		return err
	}
	n.runtime = &servingRuntime{store: n.store, scratch: n.scratch, threads: n.config.Threads}
	n.registry = registry.New(n.store, n.runtime, n.config.Version, n.config.Log)
	n.dispatcher = dispatch.New(dispatch.Config{Store: n.store, Registry: n.registry, Log: n.config.Log})
	n.notifier = notify.New(n.store, n.receivers, n.config.Log)
	return nil
}

// openQueues opens the queues that this node serves. Whoever worked on their tasks before is gone:
// the store's lock says so.
func (n *Node) openQueues(ctx context.Context) error {
	n.queues = map[string]*store.Queue{}
	for _, name := range []string{bakeoff.QueueDefault, bakeoff.QueueJudge} {
		q, err := n.store.Queue(ctx, name)
		if err != nil {
			return err
		}
		if err := q.TakeOver(ctx); err != nil {
			return err
		}
		n.queues[name] = q
	}
	return nil
}

// emptyScratch makes the folder for unfinished work. What a process that was killed has left in
// it is removed: the store's lock says that nobody uses it.
func emptyScratch(dir string) (string, error) {
	path := filepath.Join(dir, "scratch")
	if err := build.RemoveAll(path); err != nil {
		return "", fmt.Errorf("empty %s: %w", path, err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		return "", fmt.Errorf("make %s: %w", path, err)
	}
	return path, nil
}

// hideFromGit keeps the store out of the repository that its folder may lie in.
func hideFromGit(dir string) error {
	path := filepath.Join(dir, ".gitignore")
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.WriteFile(path, []byte("*\n"), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// Close lets go of the store. Its scratch is removed before its lock is: the next process has its own.
func (n *Node) Close() error {
	var err error
	if n.scratch != "" {
		err = build.RemoveAll(n.scratch)
	}
	return errors.Join(err, n.server.Stop())
}

// Store returns the store, for looking.
func (n *Node) Store() *store.Store { return n.store }

// Registry returns the registry, for what a person does to models.
func (n *Node) Registry() *registry.Registry { return n.registry }

// Work runs every step until ctx ends, and returns when all have stopped.
func (n *Node) Work(ctx context.Context) error {
	building := &build.Tasks{
		Store: n.store, Pipelines: n, Scratch: n.scratch, Self: n.config.Self, Threads: n.config.Threads, Mark: n.mark, Judge: judgeable,
	}
	judging := &judge.Tasks{Store: n.store, Pipelines: n, Open: n.runtime.judged, Scratch: n.scratch}
	builder := n.worker(bakeoff.QueueDefault, n.config.Slots, map[bakeoff.TaskKind]worker.Handler{
		bakeoff.TaskBuild: building.Build,
	})
	jury := n.worker(bakeoff.QueueJudge, 1, map[bakeoff.TaskKind]worker.Handler{
		bakeoff.TaskSnapshot: building.Snapshot, bakeoff.TaskEvaluate: judging.Evaluate,
	})
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return builder.Run(ctx) })
	g.Go(func() error { return jury.Run(ctx) })
	g.Go(func() error { return n.dispatcher.Run(ctx) })
	return g.Wait()
}

// judgeable says whether every metric that a pipeline names fits the learning task.
func judgeable(p *bakeoff.Pipeline, task bakeoff.LearningTask) error {
	_, err := judge.Objective(p, task)
	return err
}

// worker returns a worker of a queue of this node's own store.
func (n *Node) worker(queue string, slots int, handlers map[bakeoff.TaskKind]worker.Handler) *worker.Worker {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return worker.New(worker.Config{
		Name: fmt.Sprintf("%s-%d-%s", host, os.Getpid(), queue), Slots: slots, Handlers: handlers,
		Take: func(ctx context.Context) (bakeoff.Task, worker.Lease, error) {
			lease, err := n.queues[queue].Lease(ctx)
			if err != nil {
				return bakeoff.Task{}, nil, err
			}
			return lease.Task, lease, nil
		},
	}, n.store, n.config.Log)
}

// Notify delivers what is owed.
func (n *Node) Notify(ctx context.Context) (notify.Summary, error) { return n.notifier.Flush(ctx) }

// Submit keeps the pipeline's revision, records a new run of it and has it driven; Work must be
// under way. It returns the run's ID.
func (n *Node) Submit(ctx context.Context, file bakeoff.PipelineFile, p *bakeoff.Pipeline, start dispatch.Start) (string, error) {
	if err := n.store.PutPipeline(ctx, file); err != nil {
		return "", err
	}
	now := time.Now().UTC()
	run := dispatch.NewRun(bakeoff.NewRunID(p.Name, now), p, start, now)
	if err := n.store.CreateRun(ctx, run); err != nil {
		return "", err
	}
	return run.ID, n.dispatcher.Submit(ctx, run)
}

// Cancel ends a run that has not come to its promotion.
func (n *Node) Cancel(ctx context.Context, run, reason string) error {
	return n.dispatcher.Cancel(ctx, run, reason)
}

// Person names whoever uses this process, for the record of what a person does.
func Person() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}
