package e2e_test

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
)

// TestServeOutlivesItsNode kills the node that a predicting process has joined. The process goes on
// answering, and takes up what is promoted after the node is back. With -long, it
// must have less than 100 MB of memory after 10,000 requests.
func TestServeOutlivesItsNode(t *testing.T) {
	dir := churnStore(t)
	n := startNode(t, dir, "churn.yaml", "--nats-listen", "127.0.0.1:0")
	body := churnRequest(t, n.connect())
	want := n.answers(t, body, 2)
	joined := launch(t, program(t, t.TempDir(), "serve", "--join", n.at.NATS, "--json", "--drain", "0s", "--listen", "127.0.0.1:0"))
	if !joined.ready() {
		t.Fatalf("the predicting process did not start: %v\n%s", joined.err, joined.log)
	}
	c := &caller{addr: joined.addr()}
	defer c.close()
	request := rawPost("/predict/churn", body)
	asked := func(version, times int) {
		t.Helper()
		for range times {
			status, answer, err := c.ask(request)
			if err != nil || status != http.StatusOK || string(answer) != want[version-1] {
				t.Fatalf("status %d, %v: %s\n%s", status, err, answer, joined.log)
			}
		}
	}
	asked(2, 5000)
	n.kill()
	asked(2, 5000)
	mb := memory(t, joined.cmd, "VmRSS")
	t.Logf("after 10,000 requests it has %.1f MB", mb)
	if *long && mb > 100 { // it has more with the race detector
		t.Error("that is too much")
	}

	n = startNode(t, dir, "churn.yaml", "--nats-listen", strings.TrimPrefix(n.at.NATS, "nats://"))
	if _, err := n.connect().Promote(t.Context(), "churn", client.Promotion{Version: 1}); err != nil {
		t.Fatal(err)
	}
	until(t, "the predicting process takes up the new champion", 15*time.Second, func() bool {
		_, answer, err := c.ask(request)
		return err == nil && string(answer) == want[0]
	})
	until(t, "the node knows where its champion is live", 15*time.Second, func() bool {
		live, err := n.connect().Serving(t.Context())
		return err == nil && len(live) == 1 && live[0].Version == 1 && live[0].Live == 2 && live[0].Nodes == 2
	})
}

// TestPromotedIsLive asks where a champion is live straight after a person has chosen it: on this node.
func TestPromotedIsLive(t *testing.T) {
	dir := churnStore(t)
	c := startNode(t, dir, "churn.yaml").connect()
	check := func(what string, version int, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		live, err := c.Serving(t.Context())
		if err != nil || len(live) != 1 || live[0].Version != version || live[0].Live != 1 || live[0].Nodes != 1 {
			t.Errorf("after %s of v%d: %+v, %v", what, version, live, err)
		}
	}
	for range 3 {
		_, err := c.Promote(t.Context(), "churn", client.Promotion{Version: 1})
		check("a promotion", 1, err)
		_, err = c.Rollback(t.Context(), "churn", client.Rollback{To: 2})
		check("a rollback", 2, err)
	}
}

// TestServeWaitsForItsNode starts a predicting process while its node is away: it says that it waits, and
// answers once the node is there. One whose address is none ends at once.
func TestServeWaitsForItsNode(t *testing.T) {
	dir := churnStore(t)
	n := startNode(t, dir, "churn.yaml", "--nats-listen", "127.0.0.1:0")
	at, body := n.at.NATS, churnRequest(t, n.connect())
	want := n.answers(t, body, 2)
	n.kill()
	joined := begin(t, program(t, dir, "serve", "--join", at, "--dir", t.TempDir(), "--json", "--drain", "0s", "--listen", "127.0.0.1:0"))
	until(t, "the process says that it waits", 20*time.Second, func() bool { return strings.Contains(joined.log.String(), "waits for it") })
	startNode(t, dir, "churn.yaml", "--nats-listen", strings.TrimPrefix(at, "nats://"))
	joined.await()
	if !joined.ready() {
		t.Fatalf("the predicting process did not start: %v\n%s", joined.err, joined.log)
	}
	c := &caller{addr: joined.addr()}
	defer c.close()
	if status, answer, err := c.ask(rawPost("/predict/churn", body)); err != nil || status != http.StatusOK || string(answer) != want[1] {
		t.Errorf("status %d, %v: %s", status, err, answer)
	}
	if out, err := program(t, dir, "serve", "--join", "nowhere").CombinedOutput(); err == nil || !strings.Contains(string(out), "nats://host:port") {
		t.Errorf("with an address that is none: %v\n%s", err, out)
	}
}

// TestBackupWhileRunsGoOn makes a backup in the middle of runs, restores it into another folder and
// starts a node there: it has the same versions, which give the same answers, the runs that were open
// end, and a new one ends too.
func TestBackupWhileRunsGoOn(t *testing.T) {
	dir := churnStore(t)
	n := startNode(t, dir, "churn.yaml")
	c := n.connect()
	body := churnRequest(t, c)
	want := n.answers(t, body, 2)
	var runs []string
	for range 2 {
		id, err := c.StartRun(t.Context(), "churn", client.RunRequest{})
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, id)
	}
	until(t, "a run builds", 20*time.Second, func() bool {
		r, err := c.Run(t.Context(), runs[0])
		return err == nil && r.Phase != bakeoff.PhaseSnapshot
	})
	archive := filepath.Join(t.TempDir(), "backup.tar")
	if out, err := program(t, dir, "backup", archive).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	n.stop() // two nodes would both promote

	restored := filepath.Join(t.TempDir(), "restored")
	if out, err := program(t, dir, "restore", archive, "--store", restored).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	n = startNode(t, dir, "churn.yaml", "--store", restored)
	if got := n.answers(t, body, 2); !slices.Equal(got, want) {
		t.Errorf("the restored versions answer %q, want %q", got, want)
	}
	c = n.connect()
	id, err := c.StartRun(t.Context(), "churn", client.RunRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range append(runs, id) {
		until(t, "run "+id+" has ended", 60*time.Second, func() bool {
			r, err := c.Run(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			return r.Verdict == bakeoff.Kept || r.Verdict == bakeoff.Promoted
		})
	}
	n.stop()
	settle(t, dir, "churn", "--store", restored)
	checkStore(t, restored)
}
