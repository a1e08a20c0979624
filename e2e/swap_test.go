package e2e_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff/client"
)

// TestSwapUnderLoad moves the champion every 50 ms over the API while requests come in. No request may
// fail, and every answer must be, to the byte, that of one of the two versions. With -long it goes on
// for 60 s and as long without moves, by turns, and holds the latencies against each other.
func TestSwapUnderLoad(t *testing.T) {
	turn, turns, rate := 2500*time.Millisecond, 1, 300.0
	if *long {
		turn, turns, rate = time.Second, 60, 1000
	}
	n := startNode(t, churnStore(t), "churn.yaml")
	c := n.connect()
	body := churnRequest(t, c)
	want := n.answers(t, body, 2)
	var seen [2]atomic.Int64
	l := load{addr: n.addr(), request: rawPost("/predict/churn", body), rate: rate, connections: 32, check: func(status int, body []byte) error {
		i := slices.Index(want, string(body))
		if status != http.StatusOK || i < 0 {
			return fmt.Errorf("status %d: %s", status, body)
		}
		seen[i].Add(1)
		return nil
	}}
	var still, moving []time.Duration
	moves := 0
	for range turns { // by turns, so that what else the machine does is in both
		ctx, cancel := context.WithTimeout(t.Context(), turn)
		still = append(still, l.run(ctx, t)...)
		cancel()
		ctx, cancel = context.WithTimeout(t.Context(), turn)
		var moved sync.WaitGroup
		moved.Go(func() { moves = moveChampion(ctx, t, c, moves) })
		moving = append(moving, l.run(ctx, t)...)
		cancel()
		moved.Wait()
	}
	if t.Failed() {
		t.Log(n.log)
		return
	}
	slices.Sort(still)
	slices.Sort(moving)
	p99, p99Moving := percentile(still, 0.99), percentile(moving, 0.99)
	t.Logf("%d requests at %.0f/s: p50 %v, p99 %v; %d with %d moves of the champion: p50 %v, p99 %v; v1 answered %d times, v2 %d times",
		len(still), rate, percentile(still, 0.5), p99, len(moving), moves, percentile(moving, 0.5), p99Moving, seen[0].Load(), seen[1].Load())
	if seen[0].Load() == 0 || seen[1].Load() == 0 {
		t.Error("one of the two versions never answered")
	}
	if *long && p99Moving > p99*3/2 {
		t.Errorf("p99 with moves is %.2f times that without", float64(p99Moving)/float64(p99))
	}
}

// moveChampion moves the champion between versions 1 and 2 every 50 ms, or as fast as the node does
// it, until ctx ends. It has done so moves times before, and returns how often now.
func moveChampion(ctx context.Context, t *testing.T, c *client.Client, moves int) int {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return moves
		case <-tick.C:
		}
		if _, err := c.Promote(context.WithoutCancel(ctx), "churn", client.Promotion{Version: 1 + moves%2}); err != nil {
			t.Errorf("move %d: %v", moves, err)
			return moves
		}
		moves++
	}
}

// behind returns a command that takes over a socket, as a service manager hands it over.
func behind(t *testing.T, c *exec.Cmd, socket *net.TCPListener) *exec.Cmd {
	t.Helper()
	f, err := socket.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() }) // a copy
	shell := exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"`}, c.Args...)...)
	shell.Dir, shell.Env, shell.ExtraFiles = c.Dir, c.Env, []*os.File{f}
	return shell
}

// TestRestartUnderLoad restarts a node behind a shared socket while requests come in over connections
// that are kept: none fails. With -long it does so ten times.
func TestRestartUnderLoad(t *testing.T) {
	restarts := 2
	if *long {
		restarts = 10
	}
	dir := churnStore(t)
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	start := func() *node {
		c := program(t, dir, "up", filepath.Join(dir, "churn.yaml"), "--json", "--drain", "1s")
		n := launch(t, behind(t, c, socket.(*net.TCPListener)))
		if !n.ready() {
			t.Fatalf("the node did not start: %v\n%s", n.err, n.log)
		}
		return n
	}
	n := start()
	body := churnRequest(t, n.connect())
	want := n.answers(t, body, 2)
	l := load{addr: socket.Addr().String(), request: rawPost("/predict/churn", body), rate: 500, connections: 24, check: func(status int, body []byte) error {
		if status != http.StatusOK || want[1] != string(body) {
			return fmt.Errorf("status %d: %s", status, body)
		}
		return nil
	}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var took []time.Duration
	var loaded sync.WaitGroup
	loaded.Go(func() { took = l.run(ctx, t) })
	for range restarts {
		time.Sleep(200 * time.Millisecond) // under load
		if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		<-n.done
		if n.err != nil {
			t.Fatalf("the node ended with %v\n%s", n.err, n.log)
		}
		n = start()
	}
	time.Sleep(200 * time.Millisecond)
	cancel()
	loaded.Wait()
	t.Logf("%d requests in %d restarts, the slowest took %v", len(took), restarts, took[len(took)-1].Round(time.Millisecond))
}
