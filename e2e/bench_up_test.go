package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/renameio/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/natsd"
	"github.com/bakeoffhq/bakeoff/internal/store"
)

// quick is a pipeline whose three candidates train in no time.
const quick = `name: %s
schedule: {cron: %q, timezone: UTC}
data: {source: rows.csv, target: y}
candidates:
  - {name: linear, trainer: logistic_regression}
  - {name: forest, trainer: random_forest, params: {trees: 5}}
  - {name: boosting, trainer: gradient_boosting, params: {iterations: 5}}
notify: [%s]
`

const never = "0 0 29 2 *" // or nearly so

// writeQuick writes pipeline files and the data that they share.
func writeQuick(t testing.TB, dir, cron, receiver string, names ...string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	var rows strings.Builder
	rows.WriteString("a,b,y\n")
	for range 600 {
		a, b := rng.NormFloat64(), rng.NormFloat64()
		fmt.Fprintf(&rows, "%.4f,%.4f,%t\n", a, b, a+b+rng.NormFloat64()/2 > 0)
	}
	texts := map[string]string{"rows.csv": rows.String()}
	for _, name := range names {
		texts[name+".yaml"] = fmt.Sprintf(quick, name, cron, receiver)
	}
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// numbered returns n names of pipelines.
func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("p%04d", i)
	}
	return names
}

// local returns a client on the local socket of the node that works on a folder's store.
func local(t testing.TB, dir string) *client.Client {
	t.Helper()
	var at struct{ Socket string }
	text, err := os.ReadFile(filepath.Join(dir, ".bakeoff", "node.json"))
	if err != nil {
		t.Fatal(err)
	}
	unmarshal(t, text, &at)
	c, err := client.New(client.Options{BaseURL: "unix://" + at.Socket, By: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestUpTakesAFolder starts a node with all the pipeline files of a folder.
func TestUpTakesAFolder(t *testing.T) {
	dir := t.TempDir()
	writeQuick(t, dir, never, "", "one", "two")
	startNode(t, dir, dir)
	pipelines, err := local(t, dir).Pipelines(t.Context())
	if err != nil || len(pipelines) != 2 || pipelines[0].Name != "one" || pipelines[1].Next == nil {
		t.Errorf("the node has %+v, %v", pipelines, err)
	}
}

// BenchmarkTickToPromoted is how long a node takes from the moment that a pipeline names to its
// verdict, with three candidates that train in no time. Each pipeline is new, so that each run
// promotes.
func BenchmarkTickToPromoted(b *testing.B) {
	dir := b.TempDir()
	writeQuick(b, dir, never, "", "idle")
	startNode(b, dir, dir, "--concurrency", "3")
	c, ctx := local(b, dir), b.Context()
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		name := fmt.Sprintf("tick%d", i)
		write := func(cron string) {
			if err := renameio.WriteFile(filepath.Join(dir, name+".yaml"), fmt.Appendf(nil, quick, name, cron, ""), 0o600); err != nil {
				b.Fatal(err)
			}
		}
		write("@every 1s")
		report := firstReport(b, c, name)
		if report.Verdict != bakeoff.Promoted || report.Tick.IsZero() {
			b.Fatalf("the run ended as %s: %s", report.Verdict, report.Reason)
		}
		took = append(took, report.Ended.Sub(report.Tick))
		write(never)
		until(b, "its last run has ended", time.Minute, func() bool {
			p, err := c.Pipeline(ctx, name)
			return err == nil && len(p.Open) == 0 && p.Next != nil && time.Until(p.Next.Time) > time.Hour
		})
	}
	b.ReportMetric(0, "ns/op")
	reportQuantiles(b, took)
}

// firstReport waits for the first verdict of a pipeline.
func firstReport(b *testing.B, c *client.Client, name string) bakeoff.Report {
	b.Helper()
	var report bakeoff.Report
	until(b, "the run has its verdict", time.Minute, func() bool {
		reports, err := c.History(b.Context(), name, 0)
		if err != nil && bakeoff.CodeOf(err) != bakeoff.CodeNotFound { // its file is not applied yet
			b.Fatal(err)
		}
		if len(reports) > 0 {
			report = reports[len(reports)-1].Report
		}
		return len(reports) > 0
	})
	return report
}

// reportQuantiles reports the median and the worst of some times in milliseconds.
func reportQuantiles(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(milliseconds(took[len(took)/2]), "median-ms")
	b.ReportMetric(milliseconds(took[len(took)*9/10]), "p90-ms")
	b.ReportMetric(milliseconds(took[len(took)-1]), "max-ms")
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// BenchmarkThousandPipelines has 1,000 pipelines due in the same minute, in one node: each has its
// run, its verdict and its message. It reports how long until the last verdict, and the most
// memory that the node had.
func BenchmarkThousandPipelines(b *testing.B) {
	for b.Loop() {
		thousand(b, pipelinesDue())
	}
}

// pipelinesDue is 1,000, or $BAKEOFF_BENCH_PIPELINES.
func pipelinesDue() int {
	if n, err := strconv.Atoi(os.Getenv("BAKEOFF_BENCH_PIPELINES")); err == nil {
		return n
	}
	return 1000
}

func thousand(b *testing.B, n int) {
	dir := b.TempDir()
	told := newTold(b)
	due := time.Now().UTC().Add(70 * time.Second).Truncate(time.Minute)
	receiver := fmt.Sprintf("{webhook: %q, allow_private: true}", told.url)
	writeQuick(b, dir, fmt.Sprintf("%d %d * * *", due.Minute(), due.Hour()), receiver, numbered(n)...)
	began := time.Now()
	up := startNode(b, dir, dir, "--concurrency", "3")
	b.ReportMetric(time.Since(began).Seconds(), "start-s")
	if time.Now().After(due) {
		b.Fatalf("the node was ready %v after the pipelines were due", time.Since(due))
	}
	limit := 20 * time.Minute
	until(b, "every run is told of", limit, func() bool {
		time.Sleep(500 * time.Millisecond)
		return told.runs() >= n
	})
	b.ReportMetric(time.Since(due).Seconds(), "told-s")
	b.ReportMetric(memory(b, up.cmd, "VmHWM"), "peak-MB")
	c := local(b, dir)
	var last time.Time
	for _, name := range numbered(n) {
		reports, err := c.History(b.Context(), name, 0)
		if err != nil || len(reports) != 1 || !reports[0].Tick.Equal(due) || reports[0].Verdict != bakeoff.Promoted {
			b.Errorf("%s has %d reports, %v", name, len(reports), err)
			continue
		}
		if reports[0].Ended.After(last) {
			last = reports[0].Ended
		}
	}
	b.ReportMetric(last.Sub(due).Seconds(), "judged-s")
	b.ReportMetric(0, "ns/op")
}

// told is a webhook that counts the runs it was told of.
type told struct {
	url  string
	seen chan map[string]int // holds the one map, by run
}

func newTold(b *testing.B) *told {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	t := &told{url: "http://" + l.Addr().String(), seen: make(chan map[string]int, 1)}
	t.seen <- map[string]int{}
	s := &http.Server{ReadHeaderTimeout: time.Second, Handler: t}
	go func() { _ = s.Serve(l) }() // until it is closed
	b.Cleanup(func() { _ = s.Close() })
	return t
}

// ServeHTTP implements http.Handler.
func (t *told) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var message struct{ Report bakeoff.Report }
	body, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(body, &message) != nil || message.Report.Run == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	seen := <-t.seen
	seen[message.Report.Run]++
	t.seen <- seen
}

// runs returns of how many runs it was told.
func (t *told) runs() int {
	seen := <-t.seen
	defer func() { t.seen <- seen }()
	return len(seen)
}

// memory returns a line of a process's memory in megabytes: VmRSS, or VmHWM for the most there was.
func memory(b testing.TB, c *exec.Cmd, line string) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Process.Pid))
	if err != nil {
		b.Skip("this system does not tell how much memory a process has")
	}
	_, rest, _ := bytes.Cut(text, []byte(line+":"))
	kb, err := strconv.Atoi(strings.Fields(string(rest))[0])
	if err != nil {
		b.Fatal(err)
	}
	return float64(kb) / 1000
}

// processor returns how much processor time a process has used, without its children.
func processor(b *testing.B, c *exec.Cmd) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.Process.Pid))
	if err != nil {
		b.Skip("this system does not tell how much a process has worked")
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		b.Fatal(err)
	}
	system, err := strconv.Atoi(fields[12])
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// BenchmarkIdle is what a node with 20 pipelines, each with a champion, uses while nothing happens.
func BenchmarkIdle(b *testing.B) {
	dir := b.TempDir()
	names := numbered(20)
	writeQuick(b, dir, never, "", names...)
	n := startNode(b, dir, dir)
	c, ctx := local(b, dir), b.Context()
	for _, name := range names {
		if _, err := c.StartRun(ctx, name, client.RunRequest{}); err != nil {
			b.Fatal(err)
		}
		firstReport(b, c, name)
	}
	time.Sleep(15 * time.Second) // what the runs have left behind is tidied up
	const watched = 60 * time.Second
	for b.Loop() {
		before := processor(b, n.cmd)
		time.Sleep(watched)
		b.ReportMetric(100*(processor(b, n.cmd)-before).Seconds()/watched.Seconds(), "%core")
		b.ReportMetric(memory(b, n.cmd, "VmRSS"), "MB")
		b.ReportMetric(memory(b, n.cmd, "VmHWM"), "peak-MB")
	}
	b.ReportMetric(0, "ns/op")
}

// fill gives every pipeline of a folder so many ended runs, by writing what its last run has written
// again and again. The store has to be one that no process holds.
func fill(b *testing.B, dir string, each int, names ...string) {
	b.Helper()
	options := natsd.Options(filepath.Join(dir, ".bakeoff"), natsd.Listen{})
	options.SyncAlways, options.NoLog = false, true // the server writes all of it when it stops
	srv, err := server.NewServer(options)
	if err != nil {
		b.Fatal(err)
	}
	srv.Start()
	defer srv.WaitForShutdown()
	defer srv.Shutdown()
	if !srv.ReadyForConnections(time.Minute) {
		b.Fatal("the server did not start")
	}
	nc, err := nats.Connect("", nats.InProcessServer(srv))
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	s, err := store.Open(b.Context(), nc)
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range names {
		if err := repeat(b.Context(), s, name, each); err != nil {
			b.Fatal(err)
		}
	}
}

// repeat writes copies of a pipeline's last run into the time before it.
func repeat(ctx context.Context, s *store.Store, name string, n int) error {
	reports, err := s.Verdicts(ctx, name)
	if err != nil {
		return err
	}
	report := reports[0]
	run, _, err := s.Run(ctx, report.Run)
	if err != nil {
		return err
	}
	results, err := s.Results(ctx, run.ID)
	if err != nil {
		return err
	}
	end := report.Ended
	for i := range n {
		run.Ended = end.Add(-time.Duration(n-i) * time.Hour)
		run.Created = run.Ended.Add(-time.Second)
		run.ID = bakeoff.NewRunID(name, run.Created)
		report.Run, report.Created, report.Ended = run.ID, run.Created, run.Ended
		if err := s.CreateRun(ctx, run); err != nil {
			return err
		}
		for _, r := range results {
			r.Task.Run = run.ID
			_, token, err := s.BeginAttempt(ctx, r.Task, "worker", run.Created)
			if err == nil {
				err = s.EndAttempt(ctx, r, token)
			}
			if err != nil {
				return err
			}
		}
		model, revision, err := s.Model(ctx, name)
		if err == nil {
			err = s.Commit(ctx, bakeoff.Change{Model: model, Revision: revision, Verdict: &report, Outbox: &bakeoff.Notification{
				ID: run.ID, Pipeline: name, Revision: run.Revision, Created: run.Ended, Report: report,
			}})
		}
		if err == nil {
			err = s.Settle(ctx, run.ID)
		}
		if err != nil {
			return err
		}
		sent := bakeoff.Delivery{Notification: run.ID, State: bakeoff.DeliverySent, Attempts: 1, Time: run.Ended}
		if err := s.PutDelivery(ctx, sent); err != nil {
			return err
		}
	}
	return nil
}

// filled returns a folder with 20 pipelines that have so many ended runs together.
func filled(b *testing.B, runs int) (dir string, names []string) {
	b.Helper()
	dir, names = b.TempDir(), numbered(20)
	writeQuick(b, dir, never, "", names...)
	for _, name := range names {
		if out, err := program(b, dir, "run", name+".yaml").CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
	}
	fill(b, dir, runs/len(names)-1, names...)
	return dir, names
}

// BenchmarkUpStart is how long a node takes from its start until it answers, with 20 pipelines and
// 1,000 ended runs.
func BenchmarkUpStart(b *testing.B) {
	dir, _ := filled(b, 1000)
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		n := startNode(b, dir, dir)
		took = append(took, time.Since(began))
		n.stop()
	}
	reportQuantiles(b, took)
}

// BenchmarkLook is how long commands take that look at a store with 20 pipelines and 5,000 ended
// runs: those of a node that runs, and those without one.
func BenchmarkLook(b *testing.B) {
	dir, names := filled(b, 5000)
	commands := [][]string{
		{"history", names[0]},
		{"leaderboard", names[0]},
		{"models", names[0]},
		{"schedule"},
		{"live"},
		{"workers"},
		{"notify", "owed"},
		{"history", names[0], "-n", "5"},
	}
	look := func(b *testing.B) {
		for _, args := range commands {
			b.Run(strings.Join(args, "-"), func(b *testing.B) { command(b, dir, args...) })
		}
	}
	b.Run("alone", look)
	n := startNode(b, dir, dir)
	b.Run("node", look)
	for _, path := range []string{"/api/v1/node", "/api/v1/pipelines", "/api/v1/runs?limit=100", "/api/v1/pipelines/p0000/runs?limit=100", "/metrics"} {
		b.Run("get"+strings.ReplaceAll(path, "/", "-"), func(b *testing.B) { request(b, n.url+path) })
	}
}

// command reports how long a command takes.
func command(b *testing.B, dir string, args ...string) {
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		if out, err := program(b, dir, args...).CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		took = append(took, time.Since(began))
	}
	reportQuantiles(b, took)
}

// request reports how long a request takes.
func request(b *testing.B, url string) {
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		res, err := http.Get(url)
		if err != nil {
			b.Fatal(err)
		}
		_, err = io.Copy(io.Discard, res.Body)
		if err != nil || res.StatusCode != http.StatusOK || res.Body.Close() != nil {
			b.Fatalf("%s: %v", res.Status, err)
		}
		took = append(took, time.Since(began))
	}
	reportQuantiles(b, took)
}

// BenchmarkHistory is how long a command takes that looks at a small store without a node.
func BenchmarkHistory(b *testing.B) {
	dir := b.TempDir()
	writeQuick(b, dir, never, "", "small")
	if out, err := program(b, dir, "run", "small.yaml").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	command(b, dir, "history")
}
