// Package inference turns HTTP requests for predictions into answers of the live models: in the
// Open Inference Protocol, MLflow's, and a plain form of our own.
//
//	bytes -> body, bounded -> model -> admission -> table -> answers -> bytes
//
// A body is read before a place is taken, so that slow senders hold up nobody, and the answer is
// written after the place was given back. No request waits long: what cannot be begun soon is
// refused with 429, so that under overload those that are answered are answered as fast as ever.
package inference

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/wire"
)

// Models are the live models.
type Models interface {
	// Acquire returns the version of a model that ref names: "" for the champion, a number or an
	// alias. The caller releases it.
	Acquire(ctx context.Context, model, ref string) (Model, error)
	// Names returns the models that have a champion, sorted.
	Names() []string
	// Versions returns the versions of a model that have a name, sorted.
	Versions(model string) []int
	// Ready reports whether this node should get requests.
	Ready() bool
}

// Model is an acquired version of a model.
type Model interface {
	Codec() *wire.Codec
	// ScoreInto writes the answers for the rows of t to p, whose memory it may use.
	ScoreInto(ctx context.Context, t *dataset.Table, p *bakeoff.Predictions) error
	// Serial reports whether it answers one call at a time and has a queue of its own.
	Serial() bool
	Release()
}

// Observation is a request for predictions as it ended.
type Observation struct {
	Model   string // "" for one that does not exist
	Version int    // 0 for none
	Status  int
	Rows    int
	Seconds float64 // from the first byte of the body to the last of the answer
}

// Options are the bounds of what a handler does at once. The zero value means the defaults.
type Options struct {
	MaxRows int   // in a request; 10,000
	MaxBody int64 // bytes of a request; 8 MiB
	// MaxHeld is how many bytes the bodies beyond 64 KiB may take together; 64 MiB. A request that
	// would take more is refused with 429.
	MaxHeld int64
	// Concurrency is how many requests are computed at once; twice GOMAXPROCS. Of those with bodies
	// beyond 64 KiB it is a quarter, so that they cannot hold up the small ones.
	Concurrency int
	Queue       int           // how many may wait for that; 32 times Concurrency
	QueueTime   time.Duration // how long each waits at most; 100 ms

	// DefaultModel answers where the path names none; without it, the only model does.
	DefaultModel string
	Version      string            // of the program
	Observe      func(Observation) // called once for each request for predictions; may be nil
}

func (o Options) withDefaults() Options {
	set := func(v *int, to int) {
		if *v <= 0 {
			*v = to
		}
	}
	set(&o.MaxRows, 10_000)
	set(&o.Concurrency, 2*runtime.GOMAXPROCS(0))
	set(&o.Queue, 32*o.Concurrency)
	if o.MaxBody <= 0 {
		o.MaxBody = 8 << 20
	}
	if o.MaxHeld <= 0 {
		o.MaxHeld = 64 << 20
	}
	if o.QueueTime <= 0 {
		o.QueueTime = 100 * time.Millisecond
	}
	return o
}

// Path is a pattern, as http.ServeMux has it, that the Handler answers.
type Path struct {
	Pattern string
	// Public says that it tells nothing but whether this process is up: a load balancer that looks has
	// no token.
	Public bool
	// Refuse answers a request that does not come as far as the Handler, as the path's protocol has errors.
	Refuse func(w http.ResponseWriter, status int, err *bakeoff.Error)
}

// Paths lists what the Handler answers.
func Paths() []Path {
	plain, tensors, mlflow := refusing(failPlain), refusing(failTensors), refusing(failMLflow)
	return []Path{
		{Pattern: "/predict/", Refuse: plain},
		{Pattern: "/v2", Refuse: tensors},
		{Pattern: "/v2/", Refuse: tensors},
		{Pattern: "/v2/health/live", Public: true, Refuse: tensors},
		{Pattern: "/v2/health/ready", Public: true, Refuse: tensors},
		{Pattern: "/invocations", Refuse: mlflow},
		{Pattern: "/serving-endpoints/", Refuse: mlflow},
		{Pattern: "/ping", Public: true, Refuse: mlflow},
		{Pattern: "/health", Public: true, Refuse: mlflow},
		{Pattern: "/version", Refuse: mlflow},
	}
}

func refusing(fail func(http.ResponseWriter, failure)) func(http.ResponseWriter, int, *bakeoff.Error) {
	return func(w http.ResponseWriter, status int, err *bakeoff.Error) {
		fail(w, failure{status: status, err: err})
	}
}

// handler is the face of the live models.
type handler struct {
	models Models
	opt    Options
	bodies *bodies
	small  *lane
	large  *lane
}

// Handler returns the handler of all Paths. docs/predictions.md describes them.
func Handler(models Models, o Options) http.Handler {
	o = o.withDefaults()
	h := &handler{
		models: models, opt: o, bodies: newBodies(o.MaxBody, o.MaxHeld),
		small: newLane(o.Concurrency, o.Queue, o.QueueTime),
		large: newLane(max(1, o.Concurrency/4), max(1, o.Queue/4), o.QueueTime),
	}
	mux := http.NewServeMux()
	h.plain(mux)
	h.tensors(mux)
	h.mlflow(mux)
	return mux
}

// protocol is what differs between the forms of a request but for its body.
type protocol struct {
	form wire.Form
	fail func(w http.ResponseWriter, f failure)
}

// failure is an error as HTTP tells it.
type failure struct {
	status int
	err    error
	retry  bool // soon
}

// failureOf says which status an error has.
func failureOf(err error) failure {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return failure{status: http.StatusRequestEntityTooLarge, err: bakeoff.Errorf(bakeoff.CodeInvalid, "the request has more than %d bytes, the most that one may have", tooLarge.Limit).
			WithHint("send the rows in several requests, or score a file with `bakeoff predict`")}
	case errors.Is(err, wire.ErrTooManyRows):
		return failure{status: http.StatusRequestEntityTooLarge, err: err}
	case errors.Is(err, context.DeadlineExceeded):
		return failure{status: http.StatusGatewayTimeout, err: bakeoff.Errorf(bakeoff.CodeUnavailable, "Request processing time exceeded limit")}
	case errors.Is(err, context.Canceled): // nobody is there to read it
		return failure{status: http.StatusServiceUnavailable, err: bakeoff.Errorf(bakeoff.CodeCancelled, "the request was given up")}
	}
	switch bakeoff.CodeOf(err) {
	case bakeoff.CodeInvalid:
		return failure{status: http.StatusBadRequest, err: err}
	case bakeoff.CodeNotFound:
		return failure{status: http.StatusNotFound, err: err}
	case bakeoff.CodeConflict:
		return failure{status: http.StatusConflict, err: err}
	case bakeoff.CodeOverload:
		return failure{status: http.StatusTooManyRequests, err: err, retry: true}
	case bakeoff.CodeUnavailable:
		return failure{status: http.StatusServiceUnavailable, err: err, retry: true}
	}
	return failure{status: http.StatusInternalServerError, err: bakeoff.Errorf(bakeoff.CodeInternal, "the model could not answer")}
}

// text is the message with the hint, for protocols that have one text alone.
func (f failure) text() string {
	if hint := bakeoff.HintOf(f.err); hint != "" {
		return f.err.Error() + ": " + hint
	}
	return f.err.Error()
}

// retryAfter is how many seconds a client is asked to wait.
const retryAfter = "1"

func (f failure) header(w http.ResponseWriter, contentType string) {
	h := w.Header()
	h["Content-Type"] = []string{contentType}
	if f.retry {
		h["Retry-After"] = []string{retryAfter}
	}
	w.WriteHeader(f.status)
}

// predict answers a request for predictions.
func (h *handler) predict(w http.ResponseWriter, r *http.Request, p protocol, model, ref string) {
	began := time.Now()
	seen := Observation{Status: http.StatusOK}
	body, err := h.bodies.read(w, r)
	if err == nil {
		err = h.answer(w, r, p, body, &seen, model, ref)
		h.bodies.free(body)
	}
	if err != nil {
		f := failureOf(err)
		seen.Status = f.status
		p.fail(w, f)
	}
	if h.opt.Observe != nil {
		seen.Seconds = time.Since(began).Seconds()
		h.opt.Observe(seen)
	}
}

// answer computes and writes the answer to a body that has been read.
func (h *handler) answer(w http.ResponseWriter, r *http.Request, p protocol, b *body, seen *Observation, model, ref string) error {
	m, err := h.models.Acquire(r.Context(), model, ref)
	if err != nil {
		return err
	}
	defer m.Release()
	codec := m.Codec()
	seen.Model, seen.Version = codec.Version().Model, codec.Version().Version
	header := w.Header()
	header[versionHeader] = codec.Header()
	if err := h.compute(r.Context(), m, p.form, b, seen); err != nil {
		return err
	}
	header["Content-Type"] = jsonType
	if len(b.out) > 2<<10 { // the server finds the length of a short answer by itself
		header["Content-Length"] = []string{strconv.Itoa(len(b.out))}
	}
	_, _ = w.Write(b.out) // an error means that nobody is there to read it
	return nil
}

// versionHeader names the version that answered, like "churn/17".
const versionHeader = "Bakeoff-Model-Version"

var jsonType = []string{"application/json"}

// compute fills in the answer. A serial model waits in a queue of its own, without a place here,
// so that a slow one holds up nobody else.
func (h *handler) compute(ctx context.Context, m Model, form wire.Form, b *body, seen *Observation) error {
	lane := h.small
	if b.isLarge() {
		lane = h.large
	}
	if err := lane.enter(ctx); err != nil {
		return err
	}
	inside := true
	leave := func() {
		if inside {
			lane.leave()
			inside = false
		}
	}
	defer leave()
	request, err := m.Codec().Read(form, b.in, h.opt.MaxRows)
	if err != nil {
		return err
	}
	defer request.Free()
	seen.Rows = request.Table().Rows
	if m.Serial() {
		leave()
	}
	answers := request.Answers()
	if err := m.ScoreInto(ctx, request.Table(), answers); err != nil {
		return err
	}
	b.out = request.Append(b.out[:0], answers)
	return nil
}
