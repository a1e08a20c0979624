package join

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/store"
)

const (
	// maxCalls and maxCallsEach bound the requests that are answered at once, of all clients and of
	// each: a worker has one that waits for each slot and queue, and a few beside.
	maxCalls     = 4096
	maxCallsEach = 256

	// callTime bounds a call, and fileTime one that may have to read or store a whole file; a call
	// that waits for a task has its own time.
	callTime = 10 * time.Second
	fileTime = 5 * time.Minute

	defaultMaxUpload = 4 << 30
)

// Roster is told who works and who serves.
type Roster interface {
	Joined(w bakeoff.WorkerInfo)
	Beat(w bakeoff.WorkerInfo)
	Left(name string)
	Served(s bakeoff.Serving)
}

// Config says for what and for whom a gateway answers.
type Config struct {
	Conn      *nats.Conn // with full rights
	Store     *store.Store
	Door      *Door
	Roster    Roster
	Version   string                 // of this program: a worker must have the same
	Scratch   string                 // an existing folder, for files on their way
	MaxUpload int64                  // the largest file that a worker may hand in; 0 for 4 GiB
	Drain     func(name string) bool // whether a worker is to take no more tasks; nil for never
	Log       *slog.Logger
}

// Gateway answers the joined processes of a node.
type Gateway struct {
	config Config
	key    []byte // seals leases
	files  *files

	mu     sync.Mutex // guards the rest
	calls  map[string]int
	total  int
	polls  map[string]context.CancelFunc
	queues map[string]*store.Queue
}

// NewGateway returns a gateway; Serve starts it.
func NewGateway(ctx context.Context, c Config) (*Gateway, error) {
	key, err := c.Store.JoinKey(ctx)
	if err != nil {
		return nil, err
	}
	if c.MaxUpload == 0 {
		c.MaxUpload = defaultMaxUpload
	}
	if c.Drain == nil {
		c.Drain = func(string) bool { return false }
	}
	c.Log = c.Log.With("component", "join")
	return &Gateway{
		config: c, key: key, files: newFiles(c.Scratch, c.Store),
		calls: map[string]int{}, polls: map[string]context.CancelFunc{}, queues: map[string]*store.Queue{},
	}, nil
}

// Serve answers requests until ctx ends, and returns when the last has been answered.
func (g *Gateway) Serve(ctx context.Context) (err error) {
	requests, err := g.config.Conn.QueueSubscribeSync(prefix+"*.*.*", "join")
	if err != nil {
		return fmt.Errorf("answer joined workers: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var answering sync.WaitGroup
	answering.Go(func() { g.files.sweep(ctx) })
	defer func() {
		cancel()
		answering.Wait()
		err = errors.Join(err, g.files.close())
		_ = requests.Unsubscribe() // its error says that the connection was closed
	}()
	for {
		msg, err := requests.NextMsgWithContext(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, nats.ErrSlowConsumer):
			g.config.Log.Warn("requests of joined workers were dropped: too many at once")
			continue
		case err != nil:
			return fmt.Errorf("answer joined workers: %w", err)
		}
		call, c, ok := g.config.Door.caller(msg.Subject, msg.Reply)
		if !ok {
			continue // not a client of ours: nobody to answer
		}
		leave, ok := g.enter(c)
		if !ok {
			g.answer(msg.Reply, nil, nil, bakeoff.Errorf(bakeoff.CodeOverload, "too many requests at once"))
			continue
		}
		answering.Go(func() { defer leave(); g.handle(ctx, call, c, msg) })
	}
}

// enter counts a call, unless there are too many.
func (g *Gateway) enter(c caller) (leave func(), ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	who := c.String()
	if g.total >= maxCalls || g.calls[who] >= maxCallsEach {
		return nil, false
	}
	g.total++
	g.calls[who]++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.total--
		if g.calls[who]--; g.calls[who] == 0 {
			delete(g.calls, who)
		}
	}, true
}

// Changed tells predicting nodes that a model's champion has moved.
func (g *Gateway) Changed(model string) error {
	if err := g.config.Conn.Publish(changed, []byte(model)); err != nil {
		return fmt.Errorf("tell predicting nodes of %s: %w", model, err)
	}
	return nil
}

// request is a call on its way through the gateway.
type request struct {
	caller
	message []byte
}

// handler answers a call with something to marshal, and content after it.
type handler func(ctx context.Context, r request) (body any, content []byte, err error)

// handlers are the calls that a scope allows.
func (g *Gateway) handlers(scope bakeoff.Scope) map[string]handler {
	if scope == bakeoff.ScopeWork {
		return map[string]handler{
			callHello: g.hello, callBeat: g.beat, callLeave: g.leave, callCancel: g.cancel,
			callExtend: g.extend, callRelease: g.release, callDone: g.done, callRun: g.run, callResult: g.hasResult,
			callBegin: g.begin, callEnd: g.end, callPostpone: g.postpone, callReturn: g.giveBack,
			callGet: g.get, callPut: g.put, callEvent: g.event,
		}
	}
	return map[string]handler{
		callModels: g.models, callVersion: g.version, callGolden: g.golden, callArtifact: g.artifact, callServing: g.serving,
	}
}

// handle answers one request.
func (g *Gateway) handle(ctx context.Context, call string, c caller, msg *nats.Msg) {
	var ok bool
	if c.token, ok = g.config.Door.token(c.key); !ok {
		err := bakeoff.Errorf(bakeoff.CodeUnauthorized, "this token is not known here any more")
		g.answer(msg.Reply, nil, nil, err)
		return
	}
	r := request{caller: c, message: msg.Data}
	if call == callLease {
		g.lease(ctx, r, msg.Reply)
		return
	}
	handle, ok := g.handlers(bakeoff.ScopePredict)[call] // which a worker may ask for, too
	if !ok && c.token.Scope == bakeoff.ScopeWork {
		handle, ok = g.handlers(bakeoff.ScopeWork)[call]
	}
	if !ok {
		g.answer(msg.Reply, nil, nil, bakeoff.Errorf(bakeoff.CodeForbidden, "token %s, of scope %s, may not do this: %q", c.token.Name, c.token.Scope, call).
			WithHint("a worker needs a token of scope work"))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeOf(call))
	defer cancel()
	body, content, err := handle(ctx, r)
	g.answer(msg.Reply, body, content, err)
}

func timeOf(call string) time.Duration {
	switch call {
	case callGet, callPut, callArtifact:
		return fileTime
	}
	return callTime
}

// answer replies to a request. A fault of ours is told here and not there.
func (g *Gateway) answer(reply string, body any, content []byte, err error) {
	message, err := g.compose(body, content, err)
	if err == nil {
		err = g.config.Conn.Publish(reply, message)
	}
	if err != nil {
		g.config.Log.Warn("a joined worker got no answer", "error", err) // it will ask again
	}
}

// compose writes the answer.
func (g *Gateway) compose(body any, content []byte, err error) ([]byte, error) {
	var a answer
	if err == nil && body != nil {
		a.Body, err = json.Marshal(body)
	}
	if err != nil && bakeoff.CodeOf(err) == bakeoff.CodeInternal {
		g.config.Log.Warn("a joined worker's request failed", "error", err)
		err = bakeoff.Errorf(bakeoff.CodeUnavailable, "the node could not do this; its log says why")
	}
	if err != nil {
		a, content = answer{Fault: faultOf(err)}, nil
	}
	message, err := pack(a, content)
	if most := g.config.Conn.MaxPayload(); err == nil && int64(len(message)) > most {
		return pack(answer{Fault: faultOf(bakeoff.Errorf(bakeoff.CodeInvalid, "the answer has %d bytes, a message at most %d", len(message), most))}, nil)
	}
	return message, err
}
