package inference_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff/internal/inference"
	"github.com/bakeoffhq/bakeoff/internal/learn"
)

var (
	loadTime   = flag.Duration("load", 500*time.Millisecond, "how long the load of TestSwapUnderLoad lasts, with and without swaps")
	loadRate   = flag.Float64("rate", 2_000, "requests a second of TestSwapUnderLoad")
	listenTime = flag.Duration("listen-for", time.Minute, "how long TestListen serves")
	target     = flag.String("target", "", "URL that TestTarget asks")
	targetBody = flag.String("target-body", "", "file with the body that TestTarget sends")
	clients    = flag.Int("clients", 16, "how many ask at once in TestTarget")
	listen     = flag.String("listen", "", "address on which TestListen serves the demo's champion, for a load generator of another process")
)

// load sends requests at moments that do not depend on the answers, and measures from those
// moments, so that a stall counts for every request that it delays.
type load struct {
	addr    string
	request []byte
	rate    float64
	check   func(status int, body []byte) error
}

// run sends for a time and returns how long each answer took, sorted.
func (l *load) run(tb testing.TB, d time.Duration) []time.Duration {
	tb.Helper()
	const connections = 64
	total := int64(d.Seconds() * l.rate)
	var next atomic.Int64
	var all sync.WaitGroup
	took := make([][]time.Duration, connections)
	start := time.Now()
	for i := range connections {
		all.Go(func() {
			c, err := net.Dial("tcp", l.addr)
			if err != nil {
				tb.Error(err)
				return
			}
			defer func() { _ = c.Close() }()
			answers := bufio.NewReader(c)
			var body []byte
			for {
				n := next.Add(1) - 1
				if n >= total {
					return
				}
				due := start.Add(time.Duration(float64(n) / l.rate * 1e9))
				time.Sleep(time.Until(due))
				var status int
				if _, err = c.Write(l.request); err == nil {
					status, body, err = readAnswer(answers, body)
				}
				if err == nil {
					err = l.check(status, body)
				}
				if err != nil {
					tb.Errorf("request %d: %v", n, err)
					return
				}
				took[i] = append(took[i], time.Since(due))
			}
		})
	}
	all.Wait()
	merged := slices.Concat(took...)
	slices.Sort(merged)
	if int64(len(merged)) != total {
		tb.Fatalf("%d answers to %d requests", len(merged), total)
	}
	return merged
}

func percentile(sorted []time.Duration, p float64) time.Duration {
	return sorted[min(int(p*float64(len(sorted))), len(sorted)-1)]
}

// TestSwapUnderLoad moves the champion every 50 ms. No request may fail and every answer must be,
// to the byte, that of one of the two versions. With -load 60s it also compares the latencies.
func TestSwapUnderLoad(t *testing.T) {
	s := newSource()
	logistic, holdout := churn(t, learn.LogisticRegression)
	boosting, _ := churn(t, learn.GradientBoosting)
	s.add("churn", logistic)
	s.add("churn", boosting)
	handler := serve(t, s, inference.Options{})
	server := httptest.NewServer(handler)
	defer server.Close()
	body := request(t, holdout.Table.ToRows(0, 1))
	await(t, func() bool { return strings.Contains(ask(handler, "/predict/churn", body), `"version":2`) })
	want := []string{ask(handler, "/predict/churn/versions/1", body), ask(handler, "/predict/churn/versions/2", body)}
	var seen [2]atomic.Int64
	l := load{addr: server.Listener.Addr().String(), request: raw("/predict/churn", body), rate: *loadRate, check: func(status int, body []byte) error {
		i := slices.Index(want, string(body))
		if status != http.StatusOK || i < 0 {
			return fmt.Errorf("status %d: %s", status, body)
		}
		seen[i].Add(1)
		return nil
	}}
	var still, moving []time.Duration
	const round = 5 * time.Second // by turns, so that what else the machine does is in both
	for left := *loadTime; left > 0; left -= round {
		still = append(still, l.run(t, min(left, round))...)
		stop := make(chan struct{})
		var moves sync.WaitGroup
		moves.Go(func() { moveChampion(s, stop) })
		moving = append(moving, l.run(t, min(left, round))...)
		close(stop)
		moves.Wait()
	}
	slices.Sort(still)
	slices.Sort(moving)
	t.Logf("%d requests at %.0f/s: p50 %v, p99 %v; champion moved every 50 ms: p50 %v, p99 %v; answered by v1 %d times, by v2 %d times",
		len(still)+len(moving), *loadRate, percentile(still, 0.5), percentile(still, 0.99), percentile(moving, 0.5), percentile(moving, 0.99), seen[0].Load(), seen[1].Load())
	if seen[0].Load() == 0 || seen[1].Load() == 0 {
		t.Error("one of the two versions never answered")
	}
	if *loadTime >= 10*time.Second && percentile(moving, 0.99) > percentile(still, 0.99)*3/2 {
		t.Error("p99 is more than 1.5 times that without swaps")
	}
}

// moveChampion moves the champion every 50 ms until stop is closed.
func moveChampion(s *source, stop <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-time.After(50 * time.Millisecond):
			s.promote("churn", 1+n%2)
		}
	}
}

// ask returns the body of the answer to a plain request.
func ask(handler http.Handler, path string, body []byte) string {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(string(body)))
	handler.ServeHTTP(w, r)
	return w.Body.String()
}

// TestListen serves the demo's champion for a load generator of another process.
func TestListen(t *testing.T) {
	if *listen == "" {
		t.Skip("-listen says where")
	}
	s := newSource()
	m, holdout := churn(t, learn.LogisticRegression)
	s.add("churn", m)
	t.Logf("a request: %s", request(t, holdout.Table.ToRows(0, 1)))
	server := &http.Server{
		Addr: *listen, Handler: serve(t, s, inference.Options{}),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
	}
	time.AfterFunc(*listenTime, func() { _ = server.Shutdown(context.Background()) })
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		t.Fatal(err)
	}
}

// TestTarget asks a server of another process, ours or a peer, as fast as it answers, and costs
// the machine that they share as little as it can.
func TestTarget(t *testing.T) {
	if *target == "" {
		t.Skip("-target says whom")
	}
	body, err := os.ReadFile(*targetBody)
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(*target)
	if err != nil {
		t.Fatal(err)
	}
	asked := raw(at.Path, body)
	took := make([][]time.Duration, *clients)
	end := time.Now().Add(*loadTime)
	var all sync.WaitGroup
	for i := range *clients {
		all.Go(func() {
			c, err := net.Dial("tcp", at.Host)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = c.Close() }()
			answers := bufio.NewReader(c)
			var answer []byte
			for began := time.Now(); began.Before(end); began = time.Now() {
				var status int
				if _, err = c.Write(asked); err == nil {
					status, answer, err = readAnswer(answers, answer)
				}
				if err != nil || status != http.StatusOK {
					t.Errorf("status %d, %v: %s", status, err, answer)
					return
				}
				took[i] = append(took[i], time.Since(began))
			}
		})
	}
	all.Wait()
	sorted := slices.Concat(took...)
	slices.Sort(sorted)
	t.Logf("%d clients: %.0f requests/s, p50 %v, p99 %v", *clients, float64(len(sorted))/loadTime.Seconds(), percentile(sorted, 0.5), percentile(sorted, 0.99))
}
