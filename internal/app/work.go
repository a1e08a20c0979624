package app

import (
	"context"
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/build"
	"github.com/bakeoffhq/bakeoff/internal/judge"
	"github.com/bakeoffhq/bakeoff/internal/store"
	"github.com/bakeoffhq/bakeoff/internal/worker"
)

// queueSet are the queues that a node builds for, where they are not given: those of the runs that
// it has and gets.
type queueSet struct {
	mu    sync.Mutex
	names map[string]bool
	added chan struct{} // holds a token when names has grown
}

func newQueueSet() *queueSet {
	return &queueSet{names: map[string]bool{bakeoff.QueueDefault: true}, added: make(chan struct{}, 1)}
}

func (q *queueSet) add(recipes []bakeoff.Candidate) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, c := range recipes {
		if c.Queue != "" {
			q.names[c.Queue] = true
		}
	}
	select {
	case q.added <- struct{}{}:
	default:
	}
}

func (q *queueSet) list() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Sorted(maps.Keys(q.names))
}

// Work runs the steps of the walk until ctx ends, and returns when all have stopped.
func (n *Node) Work(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.jury().Run(ctx) })
	g.Go(func() error { return n.dispatcher.Run(ctx) })
	g.Go(func() error { return n.registry.Run(ctx) })
	g.Go(func() error { return n.heed(ctx) })
	if n.config.Queues != nil {
		g.Go(func() error { return n.build(ctx, n.config.Queues) })
	} else {
		g.Go(func() error { return n.buildAll(ctx) })
	}
	return g.Wait()
}

// Drive drives runs as Work does and builds nothing: for a command that only has to end one.
func (n *Node) Drive(ctx context.Context) error { return n.dispatcher.Run(ctx) }

// buildAll builds for every queue that a run of this node names, each with all the slots: for a
// command without a node, that nobody else would build for.
func (n *Node) buildAll(ctx context.Context) error {
	open, err := n.store.OpenRuns(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	for _, run := range open {
		n.wanted.add(run.Recipes)
	}
	g, ctx := errgroup.WithContext(ctx)
	served := map[string]bool{}
	for {
		for _, name := range n.wanted.list() {
			if !served[name] {
				served[name] = true
				g.Go(func() error { return n.build(ctx, []string{name}) })
			}
		}
		select {
		case <-ctx.Done():
			return g.Wait()
		case <-n.wanted.added:
		}
	}
}

// build builds what is on the queues.
func (n *Node) build(ctx context.Context, queues []string) error {
	if n.config.Slots == 0 || len(queues) == 0 {
		<-ctx.Done()
		return nil
	}
	takes := make([]take, len(queues))
	for i, name := range queues {
		q, err := n.openQueue(ctx, name)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		takes[i] = leaseOf(q)
	}
	building := n.builds()
	info := bakeoff.WorkerInfo{Name: n.workerName(), Queues: queues, Slots: n.config.Slots}
	return n.worker(ctx, info, firstOf(takes), map[bakeoff.TaskKind]worker.Handler{
		bakeoff.TaskBuild: building.Build, bakeoff.TaskSearch: building.Search,
	})
}

// jury returns the worker for the tasks that see source and labels.
func (n *Node) jury() *worker.Worker {
	building := n.builds()
	judging := &judge.Tasks{Store: n.store, Pipelines: n, Open: n.runtime.judged, Scratch: n.scratch}
	return worker.New(worker.Config{
		Name: n.workerName() + "-judge", Slots: 1, Take: leaseOf(n.judging),
		Handlers: map[bakeoff.TaskKind]worker.Handler{
			bakeoff.TaskSnapshot: building.Snapshot, bakeoff.TaskEvaluate: lettingGo(judging.Evaluate),
		},
	}, n.counted, n.config.Log)
}

// muchIdle is how many bytes the process may keep for later use after a run was judged.
const muchIdle = 128 << 20

// lettingGo is a handler that gives much memory back to the system once it has ended: a judge opens every
// model of a night and answers the holdout, and the node has all day until the next.
func lettingGo(h worker.Handler) worker.Handler {
	return func(ctx context.Context, a bakeoff.Attempt) (bakeoff.Result, error) {
		result, err := h(ctx, a)
		var m runtime.MemStats
		if runtime.ReadMemStats(&m); m.HeapIdle-m.HeapReleased+m.HeapAlloc > muchIdle {
			debug.FreeOSMemory()
		}
		return result, err
	}
}

// builds returns what does the tasks of freezing and building.
func (n *Node) builds() *build.Tasks {
	return &build.Tasks{
		Store: n.store, Pipelines: n, Scratch: n.scratch, Self: n.config.Self, Threads: n.config.Threads, Mark: n.mark, Judge: judgeable, Rebuild: n.rebuild,
	}
}

// judgeable says whether every metric that a pipeline names fits the learning task, and whether the
// rows have the columns that it slices by.
func judgeable(p *bakeoff.Pipeline, s bakeoff.Schema) error {
	if _, err := judge.Objective(p, s.Task); err != nil {
		return err
	}
	return judge.CheckSlices(p, s)
}

func (n *Node) workerName() string { return fmt.Sprintf("%s-%d", hostname(), os.Getpid()) }

func hostname() string {
	host, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return host
}

// beatEvery is how often a worker says that it is there.
const beatEvery = 3 * time.Second

// worker runs a worker of this process and enters it in the roster.
func (n *Node) worker(ctx context.Context, info bakeoff.WorkerInfo, from take, handlers map[bakeoff.TaskKind]worker.Handler) error {
	info.Host, info.PID, info.Version, info.State = hostname(), os.Getpid(), n.config.Version, bakeoff.WorkerUp
	work := newUnderWay()
	for kind, h := range handlers {
		handlers[kind] = work.tracked(h)
	}
	w := worker.New(worker.Config{Name: info.Name, Slots: info.Slots, Take: from, Handlers: handlers}, n.counted, n.config.Log)
	n.roster.Joined(info)
	defer n.roster.Left(info.Name)
	var beating sync.WaitGroup
	defer beating.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	beating.Go(func() {
		work.beat(ctx, func(work []bakeoff.Work) {
			info.Work = work
			n.roster.Beat(info)
		})
	})
	return w.Run(ctx)
}

func leaseOf(q *store.Queue) take {
	return func(ctx context.Context) (bakeoff.Task, worker.Lease, error) {
		lease, err := q.Lease(ctx)
		if err != nil {
			return bakeoff.Task{}, nil, err
		}
		return lease.Task, lease, nil
	}
}
