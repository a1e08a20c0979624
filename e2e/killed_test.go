package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
)

// long has the tests of this package go on for as long as the figures ask for that they prove. The
// suite's own lengths are enough to notice what breaks.
var long = flag.Bool("long", false, "kill, swap and restart for as long as the promised figures ask for")

// ledger counts the messages that a webhook gets, by the ID of what they tell of.
type ledger struct {
	*httptest.Server
	mu      sync.Mutex
	first   map[string]int
	repeats map[string]int // marked as possible repeats
	ticks   map[string]bakeoff.Tick
}

func newLedger(t *testing.T) *ledger {
	w := &ledger{first: map[string]int{}, repeats: map[string]int{}, ticks: map[string]bakeoff.Tick{}}
	w.Server = httptest.NewServer(w)
	t.Cleanup(w.Close)
	return w
}

func (w *ledger) ServeHTTP(answer http.ResponseWriter, r *http.Request) {
	var message struct {
		ID     string
		Repeat bool
		Ticks  *bakeoff.Tick
	}
	text, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(text, &message) != nil { // the sender was killed in the middle of it
		answer.WriteHeader(http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if message.Repeat {
		w.repeats[message.ID]++
	} else {
		w.first[message.ID]++
	}
	if message.Ticks != nil {
		w.ticks[message.ID] = *message.Ticks
	}
}

// check holds the messages against what there is to tell: each thing was told, and told again only
// with the mark of a repeat.
func (w *ledger) check(t *testing.T, h held) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	want := map[string]bool{}
	for _, r := range h.runs {
		want[r.ID] = true
	}
	for _, tick := range h.ticks {
		if tick.Told != "" {
			want[tick.Told] = true
		}
	}
	for id := range want {
		if w.first[id] > 1 || w.first[id]+w.repeats[id] == 0 {
			t.Errorf("%s was told %d times, and %d times marked as a repeat", id, w.first[id], w.repeats[id])
		}
	}
	for id := range w.first {
		if !want[id] {
			t.Errorf("%s was told, and there is no such thing", id)
		}
	}
}

// user starts runs over the API: there is always one of its runs open.
type user struct {
	asked []string // the IDs of its runs, the last of which may be open
	open  bool     // the last has been asked for and has not ended
	known bool     // the node has said that it has it
	until time.Time
}

// use asks for runs until the node does not answer any more.
func (u *user) use(ctx context.Context, c *client.Client, pipeline string) error {
	for {
		if !u.open {
			u.asked, u.open, u.known = append(u.asked, bakeoff.NewRunID(pipeline, time.Now())), true, false
		}
		id := u.asked[len(u.asked)-1]
		if !u.known {
			// Asked for again where the answer was lost: it is one run all the same.
			if _, err := c.StartRun(ctx, pipeline, client.RunRequest{Run: id}); err != nil {
				return err
			}
			u.known = true
		}
		r, err := c.Run(ctx, id)
		if err != nil {
			return err
		}
		u.open = r.Verdict == ""
		if u.open {
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// connect returns a client of a node.
func (n *node) connect() *client.Client {
	n.t.Helper()
	c, err := client.New(client.Options{BaseURL: n.url})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(c.Close)
	return c
}

// killed starts a node and kills it with SIGKILL, a while after it is ready or, if early is set, after
// its start. From when it is ready a user asks it for runs.
func killed(t *testing.T, dir string, u *user, early bool, after time.Duration) {
	t.Helper()
	n := begin(t, upCommand(t, dir))
	kill := func() { _ = n.cmd.Process.Kill() }
	if early {
		defer time.AfterFunc(after, kill).Stop()
	}
	n.await()
	if !early {
		defer time.AfterFunc(after, kill).Stop()
	}
	if n.ready() {
		c := n.connect()
		if err := u.use(t.Context(), c, "crash"); bakeoff.CodeOf(err) != bakeoff.CodeUnavailable {
			t.Fatalf("asked for runs: %v\n%s", err, n.log)
		}
	}
	<-n.done
	var exit *exec.ExitError
	if !errors.As(n.err, &exit) || exit.Exited() {
		t.Fatalf("the node ended before it was killed: %v\n%s", n.err, n.log)
	}
}

// TestNodeKilledAtAnyMoment kills a node again and again while one of its pipelines runs by a
// schedule and another over the API. In the end every run has ended, with one verdict, one version a
// promotion and one message but for marked repeats; every tick is accounted for once; and nothing is
// left behind. With -long it is killed 200 times.
func TestNodeKilledAtAnyMoment(t *testing.T) {
	kills := 20
	if *long {
		kills = 200
	}
	const every = time.Second
	dir, hook := t.TempDir(), newLedger(t)
	t.Setenv("TMPDIR", t.TempDir())
	writePipeline(t, dir, "")
	text, err := os.ReadFile(filepath.Join(dir, "crash.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	notify := "notify: [{webhook: " + strconv.Quote(hook.URL) + ", allow_private: true}]\n"
	for name, more := range map[string]string{"crash": "", "timed": "schedule: \"@every " + every.String() + "\"\n"} {
		text := strings.Replace(string(text), "name: crash", "name: "+name, 1) + notify + more
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	u := &user{}
	began := time.Now()
	start, run := undisturbed(t, dir, u)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d: undisturbed, a node takes %v to be ready and %v for a run", seed, start, run)
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range kills {
		early, most := i%5 == 0, run+run/4
		if early {
			most = 2 * start
		}
		killed(t, dir, u, early, time.Duration(rng.Int64N(int64(most))))
	}
	last := begin(t, upCommand(t, dir))
	if last.await(); !last.ready() {
		t.Fatalf("the start after the last kill: %v\n%s", last.err, last.log)
	}
	c := last.connect()
	if err := u.finish(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	until(t, "runs have ended by schedule", time.Minute, func() bool {
		ended, err := c.History(t.Context(), "timed", 0)
		return err == nil && len(ended) >= 2
	})
	if _, err := c.Pause(t.Context(), "timed", "the end of the test"); err != nil {
		t.Fatal(err)
	}
	until(t, "every run has ended and every message is sent", time.Minute, func() bool { return settled(t, c) })
	if left := children(t, dir); len(left) > 0 {
		t.Errorf("processes were left behind: %v", left)
	}
	last.stop()
	u.until = time.Now()
	settle(t, dir, "crash")

	h := checkStore(t, filepath.Join(dir, ".bakeoff"), "crash", "timed")
	checkTicks(t, "timed", every, h)
	hook.check(t, h)
	u.check(t, h)
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("temporary files were left behind: %v, %v", left, err)
	}
	t.Logf("killed %d times in %v", kills, time.Since(began).Round(time.Second))
	t.Log(h.summary(), "messages:", len(hook.first), "marked repeats:", len(hook.repeats))
}

// upCommand returns the command of a node on a free port.
func upCommand(t testing.TB, dir string, args ...string) *exec.Cmd {
	t.Helper()
	return program(t, dir, append([]string{"up", ".", "--json", "--drain", "0s", "--listen", "127.0.0.1:0"}, args...)...)
}

// undisturbed returns how long a node takes until it is ready, and then for a run.
func undisturbed(t *testing.T, dir string, u *user) (start, run time.Duration) {
	t.Helper()
	began := time.Now()
	n := begin(t, upCommand(t, dir))
	if n.await(); !n.ready() {
		t.Fatalf("the node did not start: %v\n%s", n.err, n.log)
	}
	defer n.stop()
	start = time.Since(began)
	began = time.Now()
	c := n.connect()
	u.asked, u.open = []string{bakeoff.NewRunID("crash", time.Now())}, true
	if err := u.finish(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return start, time.Since(began)
}

// finish has the user's last run end.
func (u *user) finish(ctx context.Context, c *client.Client) error {
	for u.open {
		id := u.asked[len(u.asked)-1]
		if !u.known {
			if _, err := c.StartRun(ctx, "crash", client.RunRequest{Run: id}); err != nil {
				return err
			}
			u.known = true
		}
		r, err := c.Run(ctx, id)
		if err != nil {
			return err
		}
		u.open = r.Verdict == ""
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

// settled reports whether no run is open and no message is owed.
func settled(t *testing.T, c *client.Client) bool {
	t.Helper()
	pipelines, err := c.Pipelines(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pipelines {
		if len(p.Open) > 0 {
			return false
		}
	}
	owed, err := c.Undelivered(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(owed) == 0
}

// settle runs a pipeline once more: that goes on with runs that were interrupted, and sends what a
// node that was stopped still owed.
func settle(t *testing.T, dir string, args ...string) {
	t.Helper()
	if out, err := program(t, dir, append([]string{"run"}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// children returns the processes that a node on the store has started for builds, in whatever
// process group they are.
func children(t *testing.T, dir string) (left []string) {
	t.Helper()
	mark, err := os.ReadFile(filepath.Join(dir, ".bakeoff", "mark"))
	if err != nil {
		t.Fatal(err)
	}
	environments, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range environments {
		text, err := os.ReadFile(path)
		if err == nil && bytes.Contains(text, []byte("BAKEOFF_ATTEMPT="+string(mark))) {
			left = append(left, path)
		}
	}
	return left
}

// check holds what the user has asked for, until it left, against the runs: each is there, and there are no others.
func (u *user) check(t *testing.T, h held) {
	t.Helper()
	asked := map[string]bool{}
	for _, id := range u.asked {
		asked[id] = true
	}
	found := 0
	for _, r := range h.runs {
		if r.Trigger == bakeoff.TriggerSchedule || r.Created.After(u.until) {
			continue
		}
		found++
		if !asked[r.ID] {
			t.Errorf("nobody has asked for run %s", r.ID)
		}
	}
	if found != len(u.asked) {
		t.Errorf("%d runs were asked for, there are %d", len(u.asked), found)
	}
}

// summary counts what the store holds.
func (h held) summary() string {
	verdicts, ticks := map[bakeoff.Verdict]int{}, map[bakeoff.TickState]int{}
	for _, r := range h.runs {
		verdicts[r.Verdict]++
	}
	for _, tick := range h.ticks {
		ticks[tick.State] += tick.Count
	}
	return strings.TrimPrefix(strings.Join([]string{"runs by verdict:", text(verdicts), "ticks by state:", text(ticks)}, " "), " ")
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
