package monitor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/monitor"
)

// scrape returns the lines of ours that a scrape answers, without comments and buckets, and lints
// the whole of it.
func scrape(t *testing.T, m *monitor.Monitor) []string {
	t.Helper()
	server := httptest.NewServer(m.Handler())
	defer server.Close()
	answer, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // it was read to its end
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 {
		t.Fatalf("status %d, %v", answer.StatusCode, err)
	}
	problems, err := promlint.New(strings.NewReader(string(body))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, name := range []string{"go_goroutines", "process_resident_memory_bytes", `bakeoff_build_info{goversion="go`} {
		if !strings.Contains(string(body), "\n"+name) {
			t.Errorf("%s is missing", name)
		}
	}
	var lines []string
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, "bakeoff_") && !strings.Contains(line, "_bucket{") && !strings.HasPrefix(line, "bakeoff_build_info") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

func TestWhatHappensIsCounted(t *testing.T) {
	m := monitor.New("v1")
	m.RunEnded(bakeoff.Report{Run: "churn-a", Pipeline: "churn", Verdict: bakeoff.Promoted, Seconds: 2})
	m.RunEnded(bakeoff.Report{Run: "churn-b", Pipeline: "churn", Verdict: bakeoff.Failed, Seconds: 1, Late: true})
	m.TrialEnded("churn", bakeoff.Trial{Candidate: "forest", State: bakeoff.TrialBuilt, Seconds: 0.5})
	m.TaskRedelivered("gpu")
	m.Predicted("churn", 3, 200, 10, 2*time.Millisecond)
	m.Predicted("", 0, 404, 0, 0)
	m.Notified(bakeoff.DeliverySent)
	m.HookDone("webhook", bakeoff.DeliveryRetrying)
	m.TickDecided(bakeoff.Tick{Pipeline: "churn", State: bakeoff.TickMissed, Count: 3})
	m.TickDecided(bakeoff.Tick{Pipeline: "churn", State: bakeoff.TickSkipped, Count: 1})
	m.TickDecided(bakeoff.Tick{Pipeline: "churn", State: bakeoff.TickRun, Count: 1})
	want := []string{
		`bakeoff_deploy_hooks_total{kind="webhook",result="retrying"} 1`,
		`bakeoff_notifications_total{result="sent"} 1`,
		`bakeoff_predict_duration_seconds_sum{model=""} 0`,
		`bakeoff_predict_duration_seconds_count{model=""} 1`,
		`bakeoff_predict_duration_seconds_sum{model="churn"} 0.002`,
		`bakeoff_predict_duration_seconds_count{model="churn"} 1`,
		`bakeoff_predict_requests_total{code="200",model="churn",version="3"} 1`,
		`bakeoff_predict_requests_total{code="404",model="",version=""} 1`,
		`bakeoff_predict_rows_total{model=""} 0`,
		`bakeoff_predict_rows_total{model="churn"} 10`,
		`bakeoff_run_duration_seconds_sum{pipeline="churn"} 3`,
		`bakeoff_run_duration_seconds_count{pipeline="churn"} 2`,
		`bakeoff_runs_late_total{pipeline="churn"} 1`,
		`bakeoff_runs_total{pipeline="churn",verdict="failed"} 1`,
		`bakeoff_runs_total{pipeline="churn",verdict="promoted"} 1`,
		`bakeoff_schedule_missed_total{pipeline="churn"} 3`,
		`bakeoff_schedule_skipped_total{pipeline="churn"} 1`,
		`bakeoff_task_redeliveries_total{queue="gpu"} 1`,
		`bakeoff_train_duration_seconds_sum{candidate="forest",pipeline="churn"} 0.5`,
		`bakeoff_train_duration_seconds_count{candidate="forest",pipeline="churn"} 1`,
		`bakeoff_trials_total{candidate="forest",pipeline="churn",state="built"} 1`,
	}
	if diff := cmp.Diff(want, scrape(t, m)); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

// TestCountersOfAKnownPipeline has every series that an alert looks at there before anything happens.
func TestCountersOfAKnownPipeline(t *testing.T) {
	m := monitor.New("v1")
	m.RunEnded(bakeoff.Report{Pipeline: "churn", Verdict: bakeoff.Kept})
	m.Know("churn", []string{"forest"}, []string{"gpu", bakeoff.QueueJudge})
	m.Know("churn", []string{"forest"}, nil)
	got := scrape(t, m)
	for _, want := range []string{
		`bakeoff_deploy_hooks_total{kind="copy",result="refused"} 0`,
		`bakeoff_notifications_total{result="retrying"} 0`,
		`bakeoff_runs_late_total{pipeline="churn"} 0`,
		`bakeoff_runs_total{pipeline="churn",verdict="failed"} 0`,
		`bakeoff_runs_total{pipeline="churn",verdict="kept"} 1`,
		`bakeoff_runs_total{pipeline="churn",verdict="promoted"} 0`,
		`bakeoff_schedule_missed_total{pipeline="churn"} 0`,
		`bakeoff_schedule_skipped_total{pipeline="churn"} 0`,
		`bakeoff_task_redeliveries_total{queue="gpu"} 0`,
		`bakeoff_trials_total{candidate="forest",pipeline="churn",state="failed"} 0`,
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is missing", want)
		}
	}
}

func TestANodeIsAskedAtEachScrape(t *testing.T) {
	m := monitor.New("v1")
	at := time.UnixMilli(1795467600500)
	asked := 0
	m.Watch(monitor.Source{
		Upcoming: func(context.Context) ([]bakeoff.Upcoming, error) {
			return []bakeoff.Upcoming{{Pipeline: "churn", Time: at.Add(time.Hour)}, {Pipeline: "churn", Time: at}}, nil
		},
		LastSuccess: func(context.Context) (map[string]time.Time, error) {
			return map[string]time.Time{"churn": at.Add(-time.Hour)}, nil
		},
		OpenRuns: func(context.Context) (int, error) { asked++; return asked, nil },
		Queues: func(context.Context) ([]monitor.Queue, error) {
			return []monitor.Queue{{Name: "default", Tasks: 2, Oldest: 90 * time.Second}}, nil
		},
		Workers: func(context.Context) ([]bakeoff.WorkerInfo, error) {
			return []bakeoff.WorkerInfo{
				{Name: "a", State: bakeoff.WorkerUp, Slots: 3, Work: make([]bakeoff.Work, 2)},
				{Name: "b", State: bakeoff.WorkerLost, Slots: 1},
				{Name: "b", State: bakeoff.WorkerUp, Slots: 1},
				{Name: "not \xff text", State: bakeoff.WorkerUp},
			}, nil
		},
		Models: func(context.Context) ([]monitor.Model, error) {
			return []monitor.Model{{Pipeline: "churn", Alias: "champion", Version: 7, Metrics: map[string]float64{"roc_auc": 0.85}}}, nil
		},
		Owed:    func(context.Context) (int, error) { return 0, errors.New("the store does not answer") },
		Storage: func(context.Context) (int64, error) { return 4096, nil },
	})
	scrape(t, m)
	want := []string{
		`bakeoff_gauge_failures_total{of="label"} 3`, // of the first scrape
		`bakeoff_gauge_failures_total{of="owed"} 1`,
		`bakeoff_jetstream_storage_bytes 4096`,
		`bakeoff_model_info{alias="champion",pipeline="churn",version="7"} 1`,
		`bakeoff_model_score{alias="champion",metric="roc_auc",pipeline="churn"} 0.85`,
		`bakeoff_queue_messages{queue="default"} 2`,
		`bakeoff_queue_oldest_message_age_seconds{queue="default"} 90`,
		`bakeoff_run_last_success_timestamp_seconds{pipeline="churn"} 1.7954640005e+09`,
		`bakeoff_runs_open 2`,
		`bakeoff_schedule_next_timestamp_seconds{pipeline="churn"} 1.7954676005e+09`,
		`bakeoff_tasks_inflight{worker="a"} 2`,
		`bakeoff_tasks_inflight{worker="b"} 0`,
		`bakeoff_worker_slots{worker="a"} 3`,
		`bakeoff_worker_slots{worker="b"} 1`,
		`bakeoff_worker_up{worker="a"} 1`,
		`bakeoff_worker_up{worker="b"} 0`,
	}
	got := scrape(t, m)
	for i := range 2 { // whether this scrape's own failures are in it is not said
		got[i] = strings.NewReplacer("} 2", "} 1", "} 6", "} 3").Replace(got[i])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

func TestAnotherVersionEveryNightHasNoSeriesForEver(t *testing.T) {
	m := monitor.New("v1")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for version := 1; version <= 400; version++ {
				m.Predicted("churn", version, 200, 1, time.Millisecond)
			}
		})
	}
	all.Wait()
	n, newest := 0, false
	for _, line := range scrape(t, m) {
		if strings.HasPrefix(line, "bakeoff_predict_requests_total") {
			n++
			newest = newest || strings.HasPrefix(line, fmt.Sprintf(`bakeoff_predict_requests_total{code="200",model="churn",version="%d"}`, 400))
		}
	}
	if n > 9 || !newest { // eight, and one for all that are older
		t.Errorf("%d series, with the newest: %v", n, newest)
	}
}

func BenchmarkPredicted(b *testing.B) {
	m := monitor.New("v1")
	b.ReportAllocs()
	for b.Loop() {
		m.Predicted("churn", 17, 200, 1, time.Millisecond)
	}
}
