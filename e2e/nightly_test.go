package e2e_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestNightly runs a copy of examples/nightly whose moment is a few seconds ahead: three models are
// built, the best goes live, Slack reads it once, and it answers.
func TestNightly(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../examples/nightly")); err != nil {
		t.Fatal(err)
	}
	slack := newReceiver(t)
	edit(t, filepath.Join(dir, ".env"), "SLACK_WEBHOOK_URL=", "SLACK_WEBHOOK_URL="+slack.URL)
	edit(t, filepath.Join(dir, "bakeoff.yaml"),
		"  minute: \"${CRON_JOB_TIME_MINUTE}\"\n  hour: \"${CRON_JOB_TIME_HOUR}\"\n", "  cron: \"@every 4s\"\n",
		"  - slack: \"${SLACK_WEBHOOK_URL}\"\n", "  - {slack: \"${SLACK_WEBHOOK_URL}\", allow_private: true}\n")
	n := startNode(t, dir, "--queue", "test_model_build_q", "--concurrency", "3")

	until(t, "the promotion is in Slack", time.Minute, func() bool {
		return slices.ContainsFunc(slack.texts(), func(m string) bool {
			return strings.Contains(m, "is deployed (penguins v1)") && strings.Contains(m, "live on 1 of 1 node")
		})
	})
	var answer struct {
		Model       string
		Version     int
		Predictions []string
	}
	body := `{"rows": [{"island": "Biscoe", "bill_length_mm": 47.5, "bill_depth_mm": 15,
		"flipper_length_mm": 218, "body_mass_g": 5000, "sex": "female"}]}`
	if err := n.post("/predict/penguins", body, &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Model != "penguins" || answer.Version < 1 || !slices.Equal(answer.Predictions, []string{"Gentoo"}) {
		t.Errorf("the prediction is %+v", answer)
	}

	var history []struct{ Run, Trigger, Verdict string }
	if out, err := program(t, dir, "history", "--json").Output(); err != nil {
		t.Fatal(err)
	} else {
		unmarshal(t, out, &history)
	}
	first := history[len(history)-1]
	if first.Trigger != "schedule" || first.Verdict != "promoted" {
		t.Errorf("the first run is %+v", first)
	}
	checkAlerts(t, n)
}

// checkAlerts looks for every series that the alerts of docs/operating.md ask for, also of what has not
// happened.
func checkAlerts(t *testing.T, n *node) {
	t.Helper()
	res, err := http.Get(n.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }() // it is read to its end
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, series := range []string{
		`bakeoff_run_last_success_timestamp_seconds{pipeline="penguins"} 1.`,
		`bakeoff_runs_total{pipeline="penguins",verdict="failed"} 0`,
		`bakeoff_runs_late_total{pipeline="penguins"} 0`,
		`bakeoff_schedule_missed_total{pipeline="penguins"} 0`,
		`bakeoff_queue_messages{queue="test_model_build_q"} `,
		`bakeoff_queue_messages{queue="default"} 0`,
		`bakeoff_queue_oldest_message_age_seconds{queue="default"} 0`,
		`bakeoff_task_redeliveries_total{queue="test_model_build_q"} 0`,
		`bakeoff_notifications_owed `,
		`bakeoff_worker_up{`,
		`bakeoff_predict_requests_total{`,
		`bakeoff_jetstream_storage_bytes `,
	} {
		if !strings.Contains(string(text), "\n"+series) {
			t.Errorf("/metrics has no %s", series)
		}
	}
	if strings.Contains(string(text), "\nbakeoff_gauge_failures_total{") {
		t.Error("a question of the scrape got no answer")
	}
}
