package e2e_test

import (
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
}
