// Package app turns a store folder into a working node: it opens the engine, introduces the steps
// of the walk to each other and to the store, and stops them in reverse order.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/build"
	"github.com/bakeoffhq/bakeoff/internal/deploy"
	"github.com/bakeoffhq/bakeoff/internal/dispatch"
	"github.com/bakeoffhq/bakeoff/internal/join"
	"github.com/bakeoffhq/bakeoff/internal/monitor"
	"github.com/bakeoffhq/bakeoff/internal/natsd"
	"github.com/bakeoffhq/bakeoff/internal/notify"
	"github.com/bakeoffhq/bakeoff/internal/predict"
	"github.com/bakeoffhq/bakeoff/internal/registry"
	"github.com/bakeoffhq/bakeoff/internal/roster"
	"github.com/bakeoffhq/bakeoff/internal/schedule"
	"github.com/bakeoffhq/bakeoff/internal/store"
)

// Config says how a node works.
type Config struct {
	Store     string                      // the folder of the store
	Queues    []string                    // whose builds this node takes; nil for those of all its runs
	Slots     int                         // how many trials are built at once
	Threads   int                         // how many threads a trial and the judge may use
	Self      []string                    // the argv that this program was started by, for its children
	LookupEnv func(string) (string, bool) // where the variables of pipeline files come from
	NATS      natsd.Listen                // where workers join; the zero value lets nobody in
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
	config  Config
	server  *natsd.Server
	scratch string // a folder for this process's work, emptied when it ends
	mark    string // by which the processes of this store are known
	store   *store.Store
	counted counted // the same, for those whose records are counted
	judging *store.Queue
	wanted  *queueSet
	keyring *store.Keyring
	roster  *roster.Roster
	since   time.Time
	// replaying is held while past runs are judged again.
	replaying sync.Mutex
	notes
	followed
	runtime    *servingRuntime
	dispatcher *dispatch.Dispatcher
	registry   *registry.Registry
	scheduler  *schedule.Scheduler
	notifier   *notify.Notifier
	deployer   *deploy.Deployer
	live       *predict.Live
	gateway    *join.Gateway // nil where nobody can join
	monitor    *monitor.Monitor

	joinable net.Addr // nil where nobody can join
	drained  names    // the joined workers that are to take no more

	reporting chan struct{} // holds what a page of a run is made by; room for one
	doubted   chan error    // has room for one failure of the store that no step has met

	at atomic.Pointer[Addresses] // nil until the node answers
}

// Open opens the store of a node. A store that another process holds is an error with
// bakeoff.CodeBusy.
func Open(ctx context.Context, c Config) (*Node, error) {
	door := doorFor(c.NATS.Addr)
	server, err := natsd.StartListening(ctx, c.Store, listenFor(c.NATS, door), c.Log)
	if err != nil {
		return nil, err
	}
	n := &Node{config: c, server: server, wanted: newQueueSet(), since: time.Now().UTC(), reporting: make(chan struct{}, 1), doubted: make(chan error, 1)}
	if err := n.open(ctx, door); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Node) open(ctx context.Context, door *join.Door) (err error) {
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
	if n.judging, err = n.openQueue(ctx, bakeoff.QueueJudge); err != nil {
		return err
	}
	if n.keyring, err = n.store.Keyring(ctx); err != nil {
		return err
	}
	n.introduce()
	return n.letJoin(ctx, door)
}

// introduce makes the steps of the walk known to each other and to the store.
func (n *Node) introduce() {
	log := n.config.Log
	n.monitor = monitor.New(n.config.Version)
	n.counted = counted{n.store, n.monitor}
	n.runtime = &servingRuntime{store: n.store, scratch: n.scratch, threads: n.config.Threads}
	n.registry = registry.New(n.store, n.runtime, n.config.Version, log)
	n.roster = roster.New(func(w bakeoff.WorkerInfo) {
		log.Warn("worker lost: its tasks are handed out again", "worker", w.Name, "host", w.Host, "beat", w.Beat)
	})
	n.dispatcher = dispatch.New(dispatch.Config{
		Store: n.store, Registry: n.registry, Log: log, Served: n.roster.Serves, Ended: n.ended,
	})
	n.scheduler = schedule.New(n.counted, dueRuns{n}, log)
	n.notifier = notify.New(n.counted, n.receivers, log)
	n.notifier.AskLive(n.toldLive)
	n.notifier.AskZone(n.zone)
	n.deployer = deploy.New(deploy.Config{
		Store: n.counted, Hooks: n.hooks, Artifacts: n.artifactFiles, Scratch: n.scratch, Keep: n.server.Dir(), Log: log,
	})
	n.live = predict.New(storedModels{n.store, n.runtime}, n.workerName(), log)
	n.runtime.live = n.live
	n.monitor.Watch(n.measured())
}

// liveOn says on how many of how many predicting nodes a version of a model answers. A node that
// answers requests is one of them from the moment of a promotion.
func (n *Node) liveOn(model string, version int) (live, nodes int, refused []string) {
	n.tellServed()
	live, nodes, refused = n.roster.Live(model, version)
	if n.at.Load() != nil {
		nodes = max(nodes, 1)
	}
	return live, nodes, refused
}

// toldLive is liveOn for messages. Of a version that is not the champion any more nothing is worth telling,
// nor waiting for.
func (n *Node) toldLive(ctx context.Context, model string, version int) (live, nodes int, refused []string) {
	m, _, err := n.store.Model(ctx, model)
	if err == nil && m.Champion() != version {
		return 0, 0, nil
	}
	return n.liveOn(model, version)
}

// tellServed enters what this node answers with into its roster.
func (n *Node) tellServed() {
	if n.at.Load() == nil {
		return // it answers nobody
	}
	for _, s := range n.live.Serving() {
		n.roster.Served(s)
	}
}

// openQueue opens a queue that this node serves. Whoever of this store's own process worked on its
// tasks before is gone, the store's lock says so; workers that have joined may be alive.
func (n *Node) openQueue(ctx context.Context, name string) (*store.Queue, error) {
	q, err := n.store.Queue(ctx, name)
	if err != nil {
		return nil, err
	}
	if n.config.NATS.Addr != "" {
		return q, q.TakeOverLocal(ctx)
	}
	return q, q.TakeOver(ctx)
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
	if n.keyring != nil {
		err = n.keyring.Close()
	}
	if n.scratch != "" {
		err = errors.Join(err, build.RemoveAll(n.scratch))
	}
	return errors.Join(err, n.server.Stop())
}

// Settle delivers what is owed, messages and deploy hooks, for a command without a node.
func (n *Node) Settle(ctx context.Context) (notify.Summary, error) {
	_, deployed := n.deployer.Flush(ctx)
	sum, err := n.notifier.Flush(ctx)
	return sum, errors.Join(deployed, err)
}

// Owed counts the messages that Settle would deliver.
func (n *Node) Owed(ctx context.Context) (int, error) {
	_, owed, err := n.notifier.Owed(ctx)
	return owed, err
}

// submit records a run and has it driven; Work must be under way. A run of that ID has code Conflict:
// it is driven too, for the answer to an earlier submit may have been lost on its way.
func (n *Node) submit(ctx context.Context, run bakeoff.Run) error {
	err := n.store.CreateRun(ctx, run)
	if bakeoff.CodeOf(err) == bakeoff.CodeConflict {
		if err := n.driveAgain(ctx, run.ID); err != nil {
			return err
		}
	}
	if err != nil {
		n.doubt(err)
		return err
	}
	n.wanted.add(run.Recipes)
	return n.dispatcher.Submit(ctx, run)
}

// driveAgain has a run driven that is recorded already, unless it has ended.
func (n *Node) driveAgain(ctx context.Context, id string) error {
	run, _, err := n.store.Run(ctx, id)
	if err != nil || run.Phase == bakeoff.PhaseEnded {
		return err
	}
	n.wanted.add(run.Recipes)
	return n.dispatcher.Submit(ctx, run)
}

// Person names whoever uses this process, for the record of what a person does.
func Person() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}
