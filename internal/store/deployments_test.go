package store_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/store"
	"github.com/bakeoffhq/bakeoff/internal/store/storetest"
)

// promote writes the i-th promotion of churn, with its verdict, notification and deployment.
func promote(t *testing.T, s *store.Store, i int, notes ...string) {
	t.Helper()
	ctx := t.Context()
	m, revision, err := s.Model(ctx, "churn")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 23, 5, 0, i, 0, time.UTC)
	run := fmt.Sprintf("churn-%d", i)
	report := bakeoff.Report{Run: run, Pipeline: "churn", Verdict: bakeoff.Promoted, Notes: notes}
	err = s.Commit(ctx, bakeoff.Change{
		Model: m, Revision: revision, Verdict: &report,
		Outbox: &bakeoff.Notification{ID: run, Pipeline: "churn", Revision: "r", Created: at, Report: report},
		Deploy: &bakeoff.Deployment{ID: fmt.Sprintf("churn-v%d-x", i), Pipeline: "churn", Run: run, Moved: at},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWatchesTellOfWhatIsWritten(t *testing.T) {
	s, _ := storetest.Open(t)
	for name, watch := range map[string]func(context.Context, func()) error{"outbox": s.WatchOutbox, "deployments": s.WatchDeployments} {
		t.Run(name, func(t *testing.T) {
			promote(t, s, len(name)) // before the watch: not told
			ctx, cancel := context.WithCancel(t.Context())
			told, ended := make(chan bool, 10), make(chan error)
			go func() { ended <- watch(ctx, func() { told <- true }) }()
			<-told // it stands
			promote(t, s, 100+len(name))
			<-told
			if err := s.Settle(ctx, "churn-1"); err != nil { // no news
				t.Error(err)
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if len(told) != 0 {
				t.Errorf("%d calls too many", len(told))
			}
		})
	}
}

func TestOutboxHeadsLeaveTheReportsBehind(t *testing.T) {
	s, _ := storetest.Open(t)
	promote(t, s, 2, strings.Repeat("long", 100_000)) // kept as an object
	promote(t, s, 1)
	promote(t, s, 3)
	if err := s.Settle(t.Context(), "churn-3"); err != nil {
		t.Fatal(err)
	}
	at := func(i int) time.Time { return time.Date(2026, 11, 23, 5, 0, i, 0, time.UTC) }
	want := []bakeoff.Notification{
		{ID: "churn-1", Pipeline: "churn", Revision: "r", Created: at(1)},
		{ID: "churn-2", Pipeline: "churn", Revision: "r", Created: at(2)},
	}
	got, err := s.OutboxHeads(t.Context())
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if n, err := s.Notification(t.Context(), "churn-2"); err != nil || n.Report.Run != "churn-2" || len(n.Report.Notes) != 1 {
		t.Errorf("%v, %+v", err, n.Report.Run)
	}
	if _, err := s.Notification(t.Context(), "churn-3"); bakeoff.CodeOf(err) != bakeoff.CodeNotFound {
		t.Errorf("a settled notification: %v", err)
	}
}

func TestDeploymentsWaitInOrderUntilTheyAreSettled(t *testing.T) {
	s, _ := storetest.Open(t)
	for _, i := range []int{3, 1, 2} {
		promote(t, s, i)
	}
	if err := s.SettleDeployment(t.Context(), "churn-v1-x"); err != nil {
		t.Fatal(err)
	}
	ds, err := s.Deployments(t.Context())
	if err != nil || len(ds) != 2 || ds[0].ID != "churn-v2-x" || ds[1].ID != "churn-v3-x" {
		t.Errorf("%v, %+v", err, ds)
	}
}

func TestOutcomesAreFoundByRunAndByDeployment(t *testing.T) {
	s, _ := storetest.Open(t)
	ctx := t.Context()
	outcome := func(version, hook int, state string) bakeoff.HookOutcome {
		return bakeoff.HookOutcome{
			Deployment: fmt.Sprintf("churn-v%d-x", version), Run: fmt.Sprintf("churn-%d", version), Hook: hook,
			Kind: "copy", State: state, Attempts: 1, Time: time.Date(2026, 11, 23, 5, 0, hook, 0, time.UTC),
		}
	}
	for _, o := range []bakeoff.HookOutcome{
		outcome(1, 1, bakeoff.DeliveryRetrying), outcome(1, 0, bakeoff.DeliverySent), outcome(2, 0, bakeoff.DeliverySent), outcome(1, 1, bakeoff.DeliveryRefused),
	} {
		if err := s.PutHookOutcome(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	want := []bakeoff.HookOutcome{outcome(1, 0, bakeoff.DeliverySent), outcome(1, 1, bakeoff.DeliveryRefused)}
	for name, list := range map[string]func() ([]bakeoff.HookOutcome, error){
		"run":        func() ([]bakeoff.HookOutcome, error) { return s.HookOutcomes(ctx, "churn-1") },
		"deployment": func() ([]bakeoff.HookOutcome, error) { return s.DeploymentOutcomes(ctx, "churn-v1-x") },
	} {
		got, err := list()
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("by %s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	// Deliveries of notifications lie in the same bucket, and apart.
	sent := bakeoff.Delivery{Notification: "churn-1", Receiver: 0, State: bakeoff.DeliverySent}
	refused := bakeoff.Delivery{Notification: "churn-1", Receiver: 1, State: bakeoff.DeliveryRefused}
	for _, d := range []bakeoff.Delivery{sent, refused} {
		if err := s.PutDelivery(ctx, d); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Undelivered(ctx)
	if diff := cmp.Diff([]bakeoff.Delivery{refused}, got); diff != "" || err != nil {
		t.Errorf("undelivered: %v (-want +got):\n%s", err, diff)
	}
}
