package join

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// patience is how long a call about a lease is tried. The lease is lost by then, unless nobody else
// wanted the task.
const patience = 25 * time.Second

// Lease is a task that this worker holds. One that was lost, or whose node did not answer for too
// long, wants nothing any more: giving it back or ending it then does nothing.
type Lease struct {
	client *Client
	task   bakeoff.Task
	sealed string

	mu      sync.Mutex // guards the rest
	token   uint64
	attempt bakeoff.Attempt           // Number 0 before one has begun
	since   time.Time                 // by this machine's clock
	proofs  map[bakeoff.Digest]string // receipts for what was handed in meanwhile, under whichever lease
	run     bakeoff.Run               // as it was told last
	gone    bool
}

func (l *Lease) hold() hold {
	l.mu.Lock()
	defer l.mu.Unlock()
	return hold{Lease: l.sealed, Token: l.token}
}

func (l *Lease) isGone() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gone
}

// end forgets the lease.
func (l *Lease) end() {
	l.mu.Lock()
	l.gone = true
	l.mu.Unlock()
	l.client.mu.Lock()
	defer l.client.mu.Unlock()
	if l.client.leases[l.task] == l {
		delete(l.client.leases, l.task)
	}
}

// call asks the node something under this lease. An answer that does not come in time, or says that
// the lease is another's, ends the lease; the error then has code Conflict.
func (l *Lease) call(ctx context.Context, name string, ask, body any) error {
	if l.isGone() {
		return lost(l.task)
	}
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := l.client.call(patient, name, ask, nil, body)
	if errors.Is(err, bakeoff.ErrLeaseLost) || bakeoff.CodeOf(err) == bakeoff.CodeUnavailable && ctx.Err() == nil {
		l.end()
		return lost(l.task)
	}
	return err
}

// Extend tells the node that the work goes on. It asks once: who extends a lease does so again.
func (l *Lease) Extend() error {
	if l.isGone() {
		return lost(l.task)
	}
	message, err := pack(l.hold(), nil)
	if err != nil {
		return err
	}
	_, err = l.client.once(context.Background(), callExtend, message, beatEvery-500*time.Millisecond, nil)
	if errors.Is(err, bakeoff.ErrLeaseLost) {
		l.end()
	}
	return err
}

// Done takes the task off its queue.
func (l *Lease) Done(ctx context.Context) error {
	defer l.end()
	err := l.call(ctx, callDone, l.hold(), nil)
	if c := bakeoff.CodeOf(err); c == bakeoff.CodeConflict || c == bakeoff.CodeUnavailable {
		return nil // whoever gets it next finds that it has ended
	}
	return err
}

// Release gives the task back, to be handed out again after the delay.
func (l *Lease) Release(delay time.Duration) error {
	defer l.end()
	if l.isGone() {
		return nil
	}
	message, err := pack(releaseAsk{hold: l.hold(), Delay: delay}, nil)
	if err != nil {
		return err
	}
	// Asked twice, it could take the task from who has it next.
	_, err = l.client.once(context.Background(), callRelease, message, askTime, nil)
	if c := bakeoff.CodeOf(err); c == bakeoff.CodeConflict || c == bakeoff.CodeUnavailable {
		return nil // it comes back when its lease ends
	}
	return err
}

// Run returns what is to be known of a run for building the trials of it that this worker holds. A
// run of which it holds none any more has ended, as far as this worker goes.
func (c *Client) Run(ctx context.Context, id string) (bakeoff.Run, uint64, error) {
	ended := bakeoff.Run{ID: id, Phase: bakeoff.PhaseEnded}
	var ask runAsk
	leases := c.of(id)
	for _, l := range leases {
		ask.Holds = append(ask.Holds, l.hold())
	}
	if len(leases) == 0 {
		return ended, 0, nil
	}
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var run bakeoff.Run
	_, err := c.call(patient, callRun, ask, nil, &run)
	if errors.Is(err, bakeoff.ErrLeaseLost) || bakeoff.CodeOf(err) == bakeoff.CodeUnavailable && ctx.Err() == nil {
		return ended, 0, nil
	}
	if err != nil {
		return bakeoff.Run{}, 0, err
	}
	for _, l := range leases {
		l.mu.Lock()
		l.run = run
		l.mu.Unlock()
	}
	return run, 0, nil
}

// HasResult reports whether the task has ended.
func (c *Client) HasResult(ctx context.Context, t bakeoff.Task) (bool, error) {
	l, err := c.at(t)
	if err != nil {
		return false, nil // it is not ours to know
	}
	var a resultAnswer
	err = l.call(ctx, callResult, l.hold(), &a)
	if bakeoff.CodeOf(err) == bakeoff.CodeConflict {
		return false, nil
	}
	return a.Ended, err
}

// BeginAttempt has the node count and record an attempt. The worker's name and the time are the
// node's to say.
func (c *Client) BeginAttempt(ctx context.Context, t bakeoff.Task, _ string, _ time.Time) (bakeoff.Attempt, uint64, error) {
	l, err := c.at(t)
	if err != nil {
		return bakeoff.Attempt{}, 0, err
	}
	var a attemptAnswer
	if err := l.call(ctx, callBegin, l.hold(), &a); err != nil {
		return bakeoff.Attempt{}, 0, err
	}
	if a.Token == 0 {
		a.Attempt.Next = time.Now().Add(a.Wait)
		return a.Attempt, 0, nil
	}
	l.keep(a)
	return a.Attempt, a.Token, nil
}

// keep remembers an attempt as it is on record.
func (l *Lease) keep(a attemptAnswer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attempt, l.token = a.Attempt, a.Token
	if l.since.IsZero() {
		l.since = time.Now()
	}
}

// receipts returns those for some files; what was not handed in has none.
func (l *Lease) receipts(files ...bakeoff.Digest) (all []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, digest := range files {
		if receipt, ok := l.proofs[digest]; ok {
			all = append(all, receipt)
		}
	}
	return all
}

// EndAttempt records the result of a trial, or of a setting of its search. It has code Conflict if it does not count.
func (c *Client) EndAttempt(ctx context.Context, r bakeoff.Result, token uint64) error {
	l, err := c.at(r.Task)
	if err != nil {
		return err
	}
	ask := endAsk{hold: hold{Lease: l.sealed, Token: token}, Setting: r.Setting}
	switch {
	case r.Trial != nil:
		ask.Trial, ask.Receipts = *r.Trial, l.receipts(r.Trial.Artifact, r.Trial.Log)
	case r.Setting == nil:
		return bakeoff.Errorf(bakeoff.CodeForbidden, "a joined worker has results of trials alone")
	}
	return l.call(ctx, callEnd, ask, nil)
}

// ReturnAttempt takes an attempt back that was stopped in good order: it does not count.
func (c *Client) ReturnAttempt(ctx context.Context, a bakeoff.Attempt, token uint64) error {
	l, err := c.at(a.Task)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askTime) // a worker that is to stop does not wait for its node
	defer cancel()
	var kept attemptAnswer
	if err := l.call(ctx, callReturn, hold{Lease: l.sealed, Token: token}, &kept); err != nil {
		return err
	}
	l.keep(kept)
	return nil
}

// PostponeAttempt records that an attempt failed and is tried again at its Next.
func (c *Client) PostponeAttempt(ctx context.Context, a bakeoff.Attempt, token uint64) error {
	l, err := c.at(a.Task)
	if err != nil {
		return err
	}
	ask := postponeAsk{
		hold: hold{Lease: l.sealed, Token: token}, Delay: time.Until(a.Next), Failures: a.Failures,
		Log: a.Log, Receipts: l.receipts(a.Log),
	}
	var kept attemptAnswer
	if err := l.call(ctx, callPostpone, ask, &kept); err != nil {
		return err
	}
	l.keep(kept)
	return nil
}

// PublishEvent tells what happens to a trial that this worker builds. Progress is told once, if the
// node listens: the next one follows soon. What a build prints is told once, too, and its error says
// that the node did not listen: no build waits for that.
func (c *Client) PublishEvent(ctx context.Context, e bakeoff.Event) error {
	leases := c.of(e.Run)
	i := slices.IndexFunc(leases, func(l *Lease) bool { return l.task.Candidate == e.Candidate })
	if i < 0 {
		return nil
	}
	ask := eventAsk{hold: leases[i].hold(), Event: e}
	if e.Kind != bakeoff.EventProgress && e.Kind != bakeoff.EventLog {
		return leases[i].call(ctx, callEvent, ask, nil)
	}
	if e.Kind == bakeoff.EventProgress && !c.nc.IsConnected() {
		return nil
	}
	message, err := pack(ask, nil)
	if err == nil {
		_, err = c.once(ctx, callEvent, message, time.Second, nil)
	}
	return err
}

// Pipeline returns what building this worker's trials needs of a pipeline: their recipes, and as its
// folder that of the worker.
func (c *Client) Pipeline(_ context.Context, name string, revision bakeoff.Digest) (*bakeoff.Pipeline, error) {
	p := &bakeoff.Pipeline{Name: name, Revision: revision, Dir: c.dir}
	c.mu.Lock()
	leases := make([]*Lease, 0, len(c.leases))
	for _, l := range c.leases {
		leases = append(leases, l)
	}
	c.mu.Unlock()
	for _, l := range leases {
		l.mu.Lock()
		run := l.run
		l.mu.Unlock()
		if run.Pipeline != name || run.Revision != revision {
			continue
		}
		for _, recipe := range run.Recipes {
			if _, ok := p.Candidate(recipe.Name); !ok {
				p.Candidates = append(p.Candidates, recipe)
			}
		}
	}
	return p, nil
}

// Identity is for those who freeze rows, which a joined worker does not.
func (c *Client) Identity(context.Context, string) (*bakeoff.Identity, error) {
	return nil, bakeoff.Errorf(bakeoff.CodeForbidden, "a joined worker freezes no rows")
}

// PutIdentity is for those who freeze rows, which a joined worker does not.
func (c *Client) PutIdentity(context.Context, string, bakeoff.Identity) error {
	return bakeoff.Errorf(bakeoff.CodeForbidden, "a joined worker freezes no rows")
}

// began describes the work under the lease; Attempt is 0 before an attempt has begun.
func (l *Lease) began() bakeoff.Work {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bakeoff.Work{Task: l.task, Attempt: l.attempt.Number, Since: l.since}
}
