package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/store"
	"github.com/bakeoffhq/bakeoff/internal/store/storetest"
)

// conclude writes the verdict of a run.
func conclude(t *testing.T, s *store.Store, pipeline, run string, ended time.Time) {
	t.Helper()
	m, revision, err := s.Model(t.Context(), pipeline)
	if err != nil {
		t.Fatal(err)
	}
	report := bakeoff.Report{Run: run, Pipeline: pipeline, Verdict: bakeoff.Kept, Ended: ended}
	if err := s.Commit(t.Context(), bakeoff.Change{Model: m, Revision: revision, Verdict: &report}); err != nil {
		t.Fatal(err)
	}
}

func TestTheLastVerdicts(t *testing.T) {
	s, _ := storetest.Open(t)
	ctx := t.Context()
	if r, err := s.LastVerdict(ctx, "a"); r != nil || err != nil {
		t.Fatalf("before any run the last verdict is %+v, %v", r, err)
	}
	five := time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)
	conclude(t, s, "a", "a-20261123T050000Z", five.Add(time.Minute))
	conclude(t, s, "a", "a-20261123T060000123Z-0a1b", five.Add(time.Hour))
	conclude(t, s, "b", "b-20261123T063000Z", five.Add(90*time.Minute))
	conclude(t, s, "a-b", "a-b-20261123T070000Z", five.Add(2*time.Hour))
	conclude(t, s, "a", "a-20261123T040000Z", five.Add(3*time.Hour)) // made up for later

	for _, c := range []struct {
		pipeline string
		n        int
		want     []string
	}{
		{"a", 10, []string{"a-20261123T040000Z", "a-20261123T060000123Z-0a1b", "a-20261123T050000Z"}},
		{"a", 1, []string{"a-20261123T040000Z"}},
		{"a-b", 2, []string{"a-b-20261123T070000Z"}},
		{"", 3, []string{"a-20261123T040000Z", "a-b-20261123T070000Z", "b-20261123T063000Z"}},
		{"", 0, nil},
		{"", -1, nil},
		{"nobody", 3, nil},
	} {
		reports, err := s.LastVerdicts(ctx, c.pipeline, c.n)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range reports {
			got = append(got, r.Run)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("the last %d of %q: %s", c.n, c.pipeline, diff)
		}
	}
	if r, err := s.LastVerdict(ctx, "a"); err != nil || r.Run != "a-20261123T040000Z" {
		t.Errorf("the last verdict is %+v, %v", r, err)
	}
}

// TestMoreThanOneExchangeTells reads more records than the server tells at once.
func TestMoreThanOneExchangeTells(t *testing.T) {
	s, _ := storetest.Open(t)
	const n = 1100
	first := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	var g errgroup.Group
	g.SetLimit(32)
	for i := range n {
		g.Go(func() error {
			at := first.Add(time.Duration(i) * time.Minute)
			return s.RecordTick(t.Context(), bakeoff.Tick{Pipeline: "p", Time: at, Last: at, Count: 1, State: bakeoff.TickSkipped})
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	ticks, err := s.Ticks(t.Context(), "p", 2*n)
	if err != nil || len(ticks) != n || !ticks[n-1].Time.Equal(first) {
		t.Errorf("%d of %d ticks, %v", len(ticks), n, err)
	}
}

func TestDeliveriesOfManyNotifications(t *testing.T) {
	s, _ := storetest.Open(t)
	ctx := t.Context()
	var asked []string
	var want []bakeoff.Delivery
	for _, run := range []string{"a-1", "a-2", "a-3"} {
		for receiver := range 2 {
			d := bakeoff.Delivery{Notification: run, Receiver: receiver, State: bakeoff.DeliverySent}
			if err := s.PutDelivery(ctx, d); err != nil {
				t.Fatal(err)
			}
			if run != "a-2" {
				want = append(want, d)
			}
		}
	}
	asked = append(asked, "a-3", "a-1", "a-4") // one that nothing became of
	got, err := s.DeliveriesOf(ctx, asked)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if none, err := s.DeliveriesOf(ctx, nil); len(none) != 0 || err != nil {
		t.Errorf("of no notification: %v, %v", none, err)
	}
}

// TestNothingStaysOfWhatWasTold settles the messages of a run and of a person's act: whoever reads the outbox later does not
// have to go over what was ever told.
func TestNothingStaysOfWhatWasTold(t *testing.T) {
	s, srv := storetest.Open(t)
	ctx := t.Context()
	promote(t, s, 1)
	model, revision, err := s.Model(ctx, "churn")
	if err != nil {
		t.Fatal(err)
	}
	const moved = "churn-v1-20261122T200000000000Z"
	move := &bakeoff.Notification{ID: moved, Pipeline: "churn", Move: &bakeoff.Move{By: "kim"}}
	if err := s.Commit(ctx, bakeoff.Change{Model: model, Revision: revision, Outbox: move}); err != nil {
		t.Fatal(err)
	}
	if owed := must(s.Outbox(ctx))(t); len(owed) != 2 || owed[0].Move == nil && owed[1].Move == nil {
		t.Errorf("owed: %+v", owed)
	}
	for range 2 { // it may be called again
		for _, id := range []string{"churn-1", moved} {
			if err := s.Settle(ctx, id); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.SettleDeployment(ctx, "churn-v1-x"); err != nil {
			t.Fatal(err)
		}
	}
	js, err := jetstream.New(srv.Conn())
	if err != nil {
		t.Fatal(err)
	}
	decisions, err := js.Stream(ctx, "KV_decisions")
	if err != nil {
		t.Fatal(err)
	}
	for _, keys := range []string{"outbox.*", "deploy.*"} {
		info, err := decisions.Info(ctx, jetstream.WithSubjectFilter("$KV.decisions."+keys))
		if err != nil || len(info.State.Subjects) != 0 {
			t.Errorf("of %s there is still %v, %v", keys, info.State.Subjects, err)
		}
	}
}
