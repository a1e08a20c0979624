package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/deploy"
	"github.com/bakeoffhq/bakeoff/internal/outbound"
	"github.com/bakeoffhq/bakeoff/internal/store"
	"github.com/bakeoffhq/bakeoff/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// moved returns the deployment of version n of churn.
func moved(n int) bakeoff.Deployment {
	at := time.Now().UTC()
	return bakeoff.Deployment{
		ID: fmt.Sprintf("churn-v%d-x", n), Pipeline: "churn", Revision: "r", Run: fmt.Sprintf("churn-%d", n),
		Version: bakeoff.Version{Model: "churn", Version: n, Candidate: "forest"}, Previous: n - 1, By: "kim", Moved: at,
	}
}

// files writes an artifact of two files that say which version they are of.
func files(_ context.Context, v bakeoff.Version, dir string) error {
	for _, name := range []string{"model.bin", "schema.json"} {
		if err := os.WriteFile(filepath.Join(dir, name), fmt.Appendf(nil, "v%d", v.Version), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func newDeployer(t *testing.T, s deploy.Store, hooks ...bakeoff.Hook) *deploy.Deployer {
	dir := t.TempDir()
	return deploy.New(deploy.Config{
		Store: s, Artifacts: files, Scratch: t.TempDir(), Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Hooks: func(context.Context, string, bakeoff.Digest) (string, []bakeoff.Hook, error) { return dir, hooks, nil },
	})
}

// owe writes a deployment with the move of its champion.
func owe(t *testing.T, s *store.Store, d bakeoff.Deployment) {
	t.Helper()
	m, revision, err := s.Model(t.Context(), "churn")
	if err == nil {
		err = s.Commit(t.Context(), bakeoff.Change{Model: m, Revision: revision, Deploy: &d})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// carryOut flushes one deployment on a real store and returns the outcomes as a run's are found.
func carryOut(t *testing.T, hooks ...bakeoff.Hook) []bakeoff.HookOutcome {
	t.Helper()
	s, _ := storetest.Open(t)
	owe(t, s, moved(1))
	if _, err := newDeployer(t, s, hooks...).Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	outcomes, err := s.HookOutcomes(t.Context(), "churn-1")
	if err != nil || len(outcomes) != len(hooks) {
		t.Fatalf("%d outcomes, %v", len(outcomes), err)
	}
	owed, err := s.Deployments(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	settled := !slices.ContainsFunc(outcomes, func(o bakeoff.HookOutcome) bool { return o.State == bakeoff.DeliveryRetrying })
	if settled != (len(owed) == 0) {
		t.Errorf("%d are owed after %+v", len(owed), outcomes)
	}
	return outcomes
}

func TestWebhookGetsTheSignedDeployment(t *testing.T) {
	var body []byte
	var header http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		header = r.Header
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	o := carryOut(t, bakeoff.Hook{Webhook: server.URL, Secret: "key", AllowPrivate: true})[0]
	if o.State != bakeoff.DeliverySent || o.Kind != "webhook" || o.Attempts != 1 || o.Deployment != "churn-v1-x" {
		t.Errorf("outcome %+v", o)
	}
	if want := outbound.Sign("key", header.Get("Bakeoff-Timestamp"), body); header.Get("Bakeoff-Signature") != want || header.Get("Bakeoff-Id") != "churn-v1-x" {
		t.Errorf("header %v", header)
	}
	for _, part := range []string{`"type":"deployment"`, `"repeat":false`, `"id":"churn-v1-x"`, `"run":"churn-1"`, `"candidate":"forest"`} {
		if !strings.Contains(string(body), part) {
			t.Errorf("%s is not in %s", part, body)
		}
	}
}

func TestNothingPrivateIsReachedUnlessAllowed(t *testing.T) {
	for _, url := range []string{"https://127.0.0.1:1/secret", "http://hooks.example.com/secret", "https://localhost:1/secret"} {
		o := carryOut(t, bakeoff.Hook{Webhook: url})[0]
		if o.State != bakeoff.DeliveryRefused || !strings.Contains(o.Detail, "allow_private") || strings.Contains(o.Detail, "secret") {
			t.Errorf("%s: %+v", url, o)
		}
	}
}

func TestCommandSeesTheArtifactAndLittleElse(t *testing.T) {
	t.Setenv("SLACK_WEBHOOK_URL", "a secret")
	out := filepath.Join(t.TempDir(), "out")
	o := carryOut(t, bakeoff.Hook{Command: []string{"sh", "-c", `cat "$BAKEOFF_ARTIFACT/model.bin" > ` + out + `; echo >> ` + out + `
env | grep -v -e ^BAKEOFF_ATTEMPT= -e ^PWD= -e ^SHLVL= -e ^_= -e ^OLDPWD= | sed 's/^\(PATH\|HOME\|LANG\|BAKEOFF_ARTIFACT\)=.*/\1/' | sort >> ` + out + `
echo first; echo; for i in 1 2 3 4 5; do echo line $i; done`}})[0]
	if o.State != bakeoff.DeliverySent || o.Detail != "line 1 | line 2 | line 3 | line 4 | line 5" {
		t.Errorf("outcome %+v", o)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"v1", "BAKEOFF_ARTIFACT", "BAKEOFF_MODEL_NAME=churn", "BAKEOFF_PREVIOUS=", "BAKEOFF_RUN=churn-1", "BAKEOFF_VERSION=1"}
	for _, name := range []string{"HOME", "LANG", "PATH"} {
		if _, ok := os.LookupEnv(name); ok {
			want = append(want, name)
		}
	}
	if diff := cmp.Diff(want, strings.Fields(string(got))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCommandThatFails(t *testing.T) {
	for name, tc := range map[string]struct {
		command []string
		limit   time.Duration
		state   string
		detail  string
	}{
		"exit code":  {[]string{"sh", "-c", "echo no space; exit 3"}, 0, bakeoff.DeliveryRetrying, "exit code 3: no space"},
		"no output":  {[]string{"false"}, 0, bakeoff.DeliveryRetrying, "exit code 1"},
		"time":       {[]string{"sleep", "60"}, 50 * time.Millisecond, bakeoff.DeliveryRetrying, "time limit: 50ms passed"},
		"missing":    {[]string{"no-such-command-here"}, 0, bakeoff.DeliveryRefused, "not started: there is no command"},
		"very long":  {[]string{"sh", "-c", "yes | head -c 100000; exit 1"}, 0, bakeoff.DeliveryRetrying, "exit code 1: y | y | y | y | y"},
		"no newline": {[]string{"sh", "-c", `head -c 100000 /dev/zero | tr '\0' x; printf '\033[31mend'; exit 1`}, 0, bakeoff.DeliveryRetrying, "exit code 1: …xxx"},
	} {
		t.Run(name, func(t *testing.T) {
			o := carryOut(t, bakeoff.Hook{Command: tc.command, Time: tc.limit})[0]
			if o.State != tc.state || !strings.HasPrefix(o.Detail, tc.detail) || len(o.Detail) > 600 || strings.ContainsAny(o.Detail, "\n\033") {
				t.Errorf("outcome %+v", o)
			}
		})
	}
}

func TestAHookThatFailsDoesNotKeepTheOthersWaiting(t *testing.T) {
	target := filepath.Join(t.TempDir(), "model")
	got := carryOut(t, bakeoff.Hook{Command: []string{"false"}}, bakeoff.Hook{Copy: target})
	if got[0].State != bakeoff.DeliveryRetrying || got[1].State != bakeoff.DeliverySent || got[1].Hook != 1 {
		t.Errorf("outcomes %+v", got)
	}
}

func TestRunCarriesOutWhatIsWritten(t *testing.T) {
	s, _ := storetest.Open(t)
	target := filepath.Join(t.TempDir(), "model")
	d := newDeployer(t, s, bakeoff.Hook{Copy: target})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- d.Run(ctx) }()
	for n := 1; n <= 3; n++ {
		owe(t, s, moved(n))
		for read(filepath.Join(target, "model.bin")) != fmt.Sprintf("v%d", n) {
			if ctx.Err() != nil {
				t.Fatal("version", n, "did not come")
			}
			time.Sleep(time.Millisecond)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func read(path string) string {
	b, _ := os.ReadFile(path)
	return string(b)
}

// A node that ends while a command runs ends the command, and leaves nothing behind.
func TestAnEndCutsACommandShortWithoutCountingIt(t *testing.T) {
	s := &memory{}
	s.add(moved(1))
	started := filepath.Join(t.TempDir(), "started")
	scratch := t.TempDir()
	d := deploy.New(deploy.Config{
		Store: s, Artifacts: files, Scratch: scratch, Log: slog.New(slog.DiscardHandler),
		Hooks: func(context.Context, string, bakeoff.Digest) (string, []bakeoff.Hook, error) {
			return "", []bakeoff.Hook{{Command: []string{"sh", "-c", "touch " + started + "; sleep 100"}}}, nil
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- d.Run(ctx) }()
	for _, err := os.Stat(started); err != nil; _, err = os.Stat(started) {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	o := s.outcome("churn-v1-x", 0)
	if o.State != bakeoff.DeliveryRetrying || o.Attempts != 0 || !o.Next.IsZero() || !strings.Contains(o.Detail, "its end was not seen") {
		t.Errorf("outcome %+v", o)
	}
	if left, err := os.ReadDir(scratch); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// memory is a store of one test.
type memory struct {
	mu       sync.Mutex
	owed     []bakeoff.Deployment
	outcomes []bakeoff.HookOutcome // the last of each hook
	watching []func()
}

func (s *memory) add(d bakeoff.Deployment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owed = append(s.owed, d)
	for _, changed := range s.watching {
		changed()
	}
}

func (s *memory) Deployments(context.Context) ([]bakeoff.Deployment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.owed), nil
}

func (s *memory) WatchDeployments(ctx context.Context, changed func()) error {
	s.mu.Lock()
	s.watching = append(s.watching, changed)
	s.mu.Unlock()
	changed()
	<-ctx.Done()
	return nil
}

func (s *memory) SettleDeployment(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owed = slices.DeleteFunc(s.owed, func(d bakeoff.Deployment) bool { return d.ID == id })
	return nil
}

func (s *memory) DeploymentOutcomes(_ context.Context, id string) ([]bakeoff.HookOutcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.outcomes), func(o bakeoff.HookOutcome) bool { return o.Deployment != id }), nil
}

func (s *memory) PutHookOutcome(_ context.Context, o bakeoff.HookOutcome) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcomes = slices.DeleteFunc(s.outcomes, func(x bakeoff.HookOutcome) bool { return x.Deployment == o.Deployment && x.Hook == o.Hook })
	s.outcomes = append(s.outcomes, o)
	return nil
}

func (s *memory) outcome(id string, hook int) bakeoff.HookOutcome {
	of, _ := s.DeploymentOutcomes(context.Background(), id)
	for _, o := range of {
		if o.Hook == hook {
			return o
		}
	}
	return bakeoff.HookOutcome{}
}

func (s *memory) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.owed)
}

// offline is a network that is down. It notes when it was tried, counted from its making.
type offline struct {
	began time.Time
	mu    sync.Mutex
	at    []time.Duration
}

func (o *offline) dial(context.Context, string, string) (net.Conn, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.at = append(o.at, time.Since(o.began))
	return nil, &net.OpError{Op: "dial", Err: errors.New("down")}
}

func (o *offline) tries() []time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.at)
}

var somewhere = bakeoff.Hook{Webhook: "http://mirror.test/hook", AllowPrivate: true}

// inTime runs f where time stands still, with a deployer that runs beside it.
func inTime(t *testing.T, s *memory, f func(t *testing.T, net *offline), hooks ...bakeoff.Hook) {
	synctest.Test(t, func(t *testing.T) {
		d, net := newDeployer(t, s, hooks...), &offline{began: time.Now()}
		d.DialWith(net.dial)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if err := d.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		f(t, net)
		cancel()
		all.Wait()
	})
}

func TestFiveTriesOverAnHour(t *testing.T) {
	s := &memory{}
	inTime(t, s, func(t *testing.T, net *offline) {
		s.add(moved(1))
		time.Sleep(3 * time.Hour)
		got := net.tries()
		want := []time.Duration{0, time.Minute, 5 * time.Minute, 20 * time.Minute, time.Hour}
		if len(got) != len(want) {
			t.Fatalf("tries at %v", got)
		}
		for i, at := range want {
			if got[i] > at || got[i] < at*9/10-time.Second {
				t.Errorf("try %d after %v, want %v or a little less", i+1, got[i], at)
			}
		}
		o := s.outcome("churn-v1-x", 0)
		if o.State != bakeoff.DeliveryRefused || o.Attempts != 5 || o.Detail != "given up after 5 tries: no connection" || s.count() != 0 {
			t.Errorf("outcome %+v, %d owed", o, s.count())
		}
	}, somewhere)
}

func TestANewerDeploymentReplacesOneThatWaits(t *testing.T) {
	s := &memory{}
	inTime(t, s, func(t *testing.T, net *offline) {
		s.add(moved(1))
		time.Sleep(2 * time.Minute)
		before := len(net.tries())
		s.add(moved(2))
		time.Sleep(time.Second)
		old := s.outcome("churn-v1-x", 0)
		if old.State != bakeoff.DeliveryRefused || old.Detail != "replaced by v2 (churn-v2-x) before it was done: no connection" || old.Attempts != before {
			t.Errorf("the older: %+v", old)
		}
		if o := s.outcome("churn-v2-x", 0); o.Attempts != 1 || len(net.tries()) != before+1 || s.count() != 1 {
			t.Errorf("the newer: %+v, %d tries, %d owed", o, len(net.tries()), s.count())
		}
	}, somewhere)
}

func TestThePauseHoldsAfterARestart(t *testing.T) {
	s := &memory{}
	synctest.Test(t, func(t *testing.T) {
		s.add(moved(1))
		net := &offline{began: time.Now()}
		for range 20 { // restarts, a second apart
			d := newDeployer(t, s, somewhere)
			d.DialWith(net.dial)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if err := d.Run(ctx); err != nil {
				t.Error(err)
			}
			cancel()
		}
		if got := net.tries(); len(got) != 1 {
			t.Errorf("tries at %v", got)
		}
	})
}

func TestHooksThatCannotBeFoundAreGivenUpAfterAWeek(t *testing.T) {
	s := &memory{}
	synctest.Test(t, func(t *testing.T) {
		s.add(moved(1))
		d := deploy.New(deploy.Config{
			Store: s, Artifacts: files, Log: slog.New(slog.DiscardHandler),
			Hooks: func(context.Context, string, bakeoff.Digest) (string, []bakeoff.Hook, error) {
				return "", nil, errors.New("MIRROR_URL is not set")
			},
		})
		if _, err := d.Flush(t.Context()); err == nil || !strings.Contains(err.Error(), "find deploy hooks of churn-v1-x: MIRROR_URL is not set") || s.count() != 1 {
			t.Errorf("%v, %d owed", err, s.count())
		}
		time.Sleep(7 * 24 * time.Hour)
		if _, err := d.Flush(t.Context()); err != nil || s.count() != 0 {
			t.Errorf("%v, %d owed", err, s.count())
		}
	})
}

func TestWithoutHooksNothingIsOwed(t *testing.T) {
	if got := carryOut(t); len(got) != 0 {
		t.Errorf("outcomes %+v", got)
	}
}
