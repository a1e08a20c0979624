package join_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/join"
	"github.com/bakeoffhq/bakeoff/internal/natsd"
	"github.com/bakeoffhq/bakeoff/internal/roster"
	"github.com/bakeoffhq/bakeoff/internal/store"
	"github.com/bakeoffhq/bakeoff/internal/store/storetest"
	"github.com/bakeoffhq/bakeoff/internal/worker"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server/ats.init.func1"))
}

// node is a store that workers may join.
type node struct {
	dir, addr string
	conn      *nats.Conn
	store     *store.Store
	roster    *roster.Roster
	gateway   *join.Gateway
	stop      func()
}

// setup says how a node differs from one that listens on loopback and lets everybody in.
type setup struct {
	dir, addr string
	tls       *tls.Config
	guarded   bool
	maxUpload int64
	drain     func(string) bool
}

const version = "v1.2.3"

// open starts a node. Stop may be called before the test ends.
func open(t *testing.T, s setup) *node {
	t.Helper()
	if s.dir == "" {
		s.dir = t.TempDir()
	}
	if s.addr == "" {
		s.addr = "127.0.0.1:0"
	}
	log := storetest.Log(t)
	door := &join.Door{Open: !s.guarded}
	srv, err := natsd.StartListening(t.Context(), s.dir, natsd.Listen{Addr: s.addr, TLS: s.tls, Admit: door.Admit, Guarded: s.guarded}, log)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{dir: s.dir, conn: srv.Conn(), roster: roster.New(nil)}
	if n.store, err = store.Open(t.Context(), srv.Conn()); err != nil {
		t.Fatal(err)
	}
	keys, err := n.store.Keyring(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	door.Tokens = keys
	q, err := n.store.Queue(t.Context(), bakeoff.QueueDefault)
	if err == nil {
		err = q.TakeOverLocal(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	n.gateway, err = join.NewGateway(t.Context(), join.Config{
		Conn: srv.Conn(), Store: n.store, Door: door, Roster: n.roster, Version: version,
		Scratch: t.TempDir(), MaxUpload: s.maxUpload, Drain: s.drain, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := n.gateway.Serve(ctx); err != nil {
			t.Error(err)
		}
	})
	addr, err := srv.Accept()
	if err != nil {
		t.Fatal(err)
	}
	n.addr = addr.String()
	n.stop = sync.OnceFunc(func() {
		cancel()
		serving.Wait()
		if err := keys.Close(); err != nil {
			t.Error(err)
		}
		if err := srv.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(n.stop)
	return n
}

// options are those of a client of the node.
func (n *node) options(t *testing.T, name string) join.Options {
	return join.Options{URL: "nats://" + n.addr, Name: name, Version: version, Log: storetest.Log(t)}
}

// dial joins as a worker of the default queue and stays until the test ends.
func (n *node) dial(t *testing.T, name string) *join.Client {
	t.Helper()
	c, err := join.Dial(t.Context(), n.options(t, name), join.Worker{Queues: []string{bakeoff.QueueDefault}, Slots: 2})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var staying sync.WaitGroup
	staying.Go(func() {
		if err := c.Stay(ctx); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	})
	t.Cleanup(func() { cancel(); staying.Wait(); c.Close() })
	return c
}

const rows = "the training rows"

// submit records a run in its building phase, with a task for each candidate.
func (n *node) submit(t *testing.T, id string, candidates ...string) bakeoff.Run {
	t.Helper()
	run := bakeoff.Run{ID: id, Pipeline: "churn", Revision: bakeoff.DigestOf([]byte("file")), Phase: bakeoff.PhaseBuild}
	train := n.object(t, rows+" of "+id)
	run.Snapshot = &bakeoff.Snapshot{
		Train: train, Holdout: n.object(t, "the holdout of "+id),
		Schema: bakeoff.Schema{Target: "churn"}, Rows: bakeoff.Rows{Train: 80, Holdout: 20}, Split: bakeoff.Split{Seed: 7},
	}
	for _, c := range candidates {
		run.Recipes = append(run.Recipes, bakeoff.Candidate{Name: c, Trainer: bakeoff.TrainerCommand, Build: []string{"train", "secret of " + c}})
		run.Trials = append(run.Trials, bakeoff.Trial{Candidate: c, State: bakeoff.TrialQueued})
	}
	if err := n.store.CreateRun(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	for _, c := range candidates {
		if err := n.store.PublishTask(t.Context(), task(id, c)); err != nil {
			t.Fatal(err)
		}
	}
	return run
}

func task(run, candidate string) bakeoff.Task {
	return bakeoff.Task{Run: run, Kind: bakeoff.TaskBuild, Candidate: candidate, Queue: bakeoff.QueueDefault}
}

func (n *node) object(t *testing.T, text string) bakeoff.Digest {
	t.Helper()
	digest, err := n.store.PutBytes(t.Context(), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// results returns the results of a run when there are so many.
func (n *node) results(t *testing.T, run string, count int) []bakeoff.Result {
	t.Helper()
	var rs []bakeoff.Result
	eventually(t, "the results are recorded", func() bool {
		var err error
		rs, err = n.store.Results(t.Context(), run)
		return err == nil && len(rs) >= count
	})
	return rs
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for until := time.Now().Add(20 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// work runs a real worker on a client until the test ends or stop is called.
func work(t *testing.T, c *join.Client, build worker.Handler) (stop func()) {
	t.Helper()
	w := worker.New(worker.Config{
		Name: c.Name(), Slots: 2, Handlers: map[bakeoff.TaskKind]worker.Handler{bakeoff.TaskBuild: build, bakeoff.TaskSearch: build},
		Take: func(ctx context.Context) (bakeoff.Task, worker.Lease, error) {
			task, lease, err := c.Take(ctx, bakeoff.QueueDefault)
			if err != nil {
				return task, nil, err
			}
			return task, lease, nil
		},
	}, c, storetest.Log(t))
	ctx, cancel := context.WithCancel(context.Background())
	var working sync.WaitGroup
	working.Go(func() {
		if err := w.Run(ctx); err != nil {
			t.Errorf("worker %s: %v", c.Name(), err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); working.Wait() })
	t.Cleanup(stop)
	return stop
}

// trained does what building does with a store: it reads the run and the rows, tells that it starts,
// and hands an artifact in.
func trained(ctx context.Context, c *join.Client, dir string, a bakeoff.Attempt) (bakeoff.Result, error) {
	run, _, err := c.Run(ctx, a.Task.Run)
	if err != nil {
		return bakeoff.Result{}, err
	}
	p, err := c.Pipeline(ctx, run.Pipeline, run.Revision)
	if err != nil {
		return bakeoff.Result{}, err
	}
	recipe, _ := p.Candidate(a.Task.Candidate)
	train := filepath.Join(dir, a.Task.Run+a.Task.Candidate+"-train")
	if err := c.GetFile(ctx, run.Snapshot.Train, train); err != nil {
		return bakeoff.Result{}, err
	}
	b, err := os.ReadFile(train)
	if err != nil {
		return bakeoff.Result{}, err
	}
	if err := c.PublishEvent(ctx, bakeoff.Event{Run: a.Task.Run, Kind: bakeoff.EventStarted, Candidate: a.Task.Candidate, Time: hourAhead()}); err != nil {
		return bakeoff.Result{}, err
	}
	model := filepath.Join(dir, a.Task.Run+a.Task.Candidate+"-model")
	if err := os.WriteFile(model, append(b, recipe.Build[1]...), 0o600); err != nil {
		return bakeoff.Result{}, err
	}
	digest, err := c.PutFile(ctx, model)
	return bakeoff.Result{Trial: &bakeoff.Trial{
		Candidate: a.Task.Candidate, State: bakeoff.TrialBuilt, Artifact: digest, Bytes: int64(len(b)), Started: hourAhead(), Seconds: 1,
	}}, err
}

// hourAhead is what the clock of a machine says that is an hour off.
func hourAhead() time.Time { return time.Now().Add(time.Hour) }

// certificate returns a server's configuration for a host, and that of a client that trusts it.
func certificate(t *testing.T, host string) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(host)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12},
		&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}
