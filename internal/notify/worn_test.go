package notify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/notify"
)

// A message warns of a worn holdout once for 30 decisions: a line that stands there every night is not
// read.
func TestMessageWarnsOfAWornHoldoutNowAndThen(t *testing.T) {
	var warned []int
	for uses := range 100 {
		n := notification("churn", bakeoff.Report{Verdict: bakeoff.Kept, Reason: "cannot tell"})
		n.Report.Holdout = &bakeoff.HoldoutUse{Uses: uses, Since: time.Date(2026, 11, 1, 5, 0, 0, 0, time.UTC)}
		text := notify.Message(n).Text
		if !strings.Contains(text, "this holdout has decided") {
			continue
		}
		warned = append(warned, uses)
		if !strings.Contains(text, "times since 2026-11-01 05:00 UTC. ") || !strings.Contains(text, "data.split.rotate: 4w") {
			t.Error(text)
		}
	}
	if len(warned) != 3 || warned[0] != 30 || warned[1] != 60 || warned[2] != 90 {
		t.Errorf("warned at %v", warned)
	}
}
