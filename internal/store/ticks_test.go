package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/store/storetest"
)

func TestATickIsClaimedOnce(t *testing.T) {
	s, _ := storetest.Open(t)
	ctx := t.Context()
	c, revision, err := s.Cursor(ctx, "churn")
	if err != nil || revision != 0 || c.Pipeline != "churn" || c.Times != "" {
		t.Fatalf("a new cursor: %+v at %d, %v", c, revision, err)
	}
	tick := time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)
	c.Schedule = bakeoff.Schedule{Fields: &bakeoff.CronFields{Minute: "0", Hour: "5"}, Timezone: "Asia/Seoul", Within: 6 * time.Hour, Deadline: time.Hour}
	c.Times, c.At, c.Tell = "text", tick, tick.Add(time.Hour)
	c.Waiting = []time.Time{tick.Add(time.Minute)}
	c.Range = &bakeoff.Tick{Pipeline: "churn", Time: tick.Add(2 * time.Minute), Last: tick.Add(3 * time.Minute), Count: 2, State: bakeoff.TickSkipped, Reason: "paused"}
	c.Owed = []bakeoff.Claim{{Tick: bakeoff.Tick{Pipeline: "churn", Time: tick, Last: tick, Count: 1, State: bakeoff.TickRun, Run: "churn-20261122T200000Z"}, Cancel: "churn-x"}}
	if _, err := s.PutCursor(ctx, c, 0); err != nil {
		t.Fatal(err)
	}
	_, err = s.PutCursor(ctx, c, 0)
	wantCode(t, "a second first claim", err, bakeoff.CodeConflict)
	read, revision, err := s.Cursor(ctx, "churn")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, read, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if _, err := s.PutCursor(ctx, read, revision); err != nil {
		t.Fatal(err)
	}
	_, err = s.PutCursor(ctx, read, revision)
	wantCode(t, "a claim by who read before the last one", err, bakeoff.CodeConflict)
}

func TestTicksShowsRecordsAndWhatIsUnderWay(t *testing.T) {
	s, _ := storetest.Open(t)
	ctx := t.Context()
	at := func(minute int) time.Time { return time.Date(2026, 11, 22, 20, minute, 0, 0, time.UTC) }
	tick := func(minute int, state bakeoff.TickState, reason string) bakeoff.Tick {
		return bakeoff.Tick{Pipeline: "churn", Time: at(minute), Last: at(minute), Count: 1, State: state, Reason: reason}
	}
	for _, r := range []bakeoff.Tick{
		tick(2, bakeoff.TickRun, ""), tick(1, bakeoff.TickMissed, "first"), tick(1, bakeoff.TickMissed, "second"),
		{Pipeline: "other", Time: at(9), Last: at(9), State: bakeoff.TickRun},
	} {
		if err := s.RecordTick(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	open := tick(5, bakeoff.TickSkipped, "a run was open")
	c := bakeoff.Cursor{
		Pipeline: "churn", At: at(5), Waiting: []time.Time{at(4)}, Range: &open,
		Owed: []bakeoff.Claim{{Tick: tick(2, bakeoff.TickRun, "")}, {Tick: tick(3, bakeoff.TickRun, "")}},
	}
	if _, err := s.PutCursor(ctx, c, 0); err != nil {
		t.Fatal(err)
	}
	want := []bakeoff.Tick{open, tick(4, bakeoff.TickWaiting, ""), tick(3, bakeoff.TickRun, ""), tick(2, bakeoff.TickRun, ""), tick(1, bakeoff.TickMissed, "first")}
	if diff := cmp.Diff(want, must(s.Ticks(ctx, "churn", 10))(t)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want[:2], must(s.Ticks(ctx, "churn", 2))(t)); diff != "" {
		t.Error(diff)
	}
}

func TestPruneTicksKeepsTheNewestAndEveryCursor(t *testing.T) {
	s, _ := storetest.Open(t)
	ctx := t.Context()
	first := time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)
	for i := range 4 {
		at := first.Add(time.Duration(i) * time.Minute)
		if err := s.RecordTick(ctx, bakeoff.Tick{Pipeline: "churn", Time: at, Last: at, Count: 1, State: bakeoff.TickRun}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.PutCursor(ctx, bakeoff.Cursor{Pipeline: "churn", At: first}, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.PutPause(ctx, bakeoff.Pause{Pipeline: "churn", By: "kim", Since: first}); err != nil {
		t.Fatal(err)
	}
	if err := s.PruneTicks(ctx, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := must(s.Ticks(ctx, "churn", 10))(t); len(got) != 4 {
		t.Errorf("%d ticks are left of 4 that are new", len(got))
	}
	// A record is as old as its writing, not as its tick.
	if err := s.PruneTicks(ctx, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := must(s.Ticks(ctx, "churn", 10))(t); len(got) != 0 {
		t.Errorf("old ticks that are left: %+v", got)
	}
	if c, revision, err := s.Cursor(ctx, "churn"); err != nil || revision == 0 || !c.At.Equal(first) {
		t.Errorf("the cursor: %+v at %d, %v", c, revision, err)
	}
	if p := must(s.Pause(ctx, "churn"))(t); p == nil {
		t.Error("the pause was pruned")
	}
}

func TestADeletedCursorBeginsAnew(t *testing.T) {
	s, _ := storetest.Open(t)
	ctx := t.Context()
	old := must(s.PutCursor(ctx, bakeoff.Cursor{Pipeline: "churn", Times: "hourly"}, 0))(t)
	for range 2 { // it may be called again
		if err := s.DeleteCursor(ctx, "churn"); err != nil {
			t.Fatal(err)
		}
	}
	if c, revision, err := s.Cursor(ctx, "churn"); revision != 0 || c.Times != "" || err != nil {
		t.Errorf("there is still %+v, %v", c, err)
	}
	_, err := s.PutCursor(ctx, bakeoff.Cursor{Pipeline: "churn"}, old)
	wantCode(t, "writing on by who had read it", err, bakeoff.CodeConflict)
	must(s.PutCursor(ctx, bakeoff.Cursor{Pipeline: "churn"}, 0))(t)
}

func TestPauseIsOneAndCanBeLifted(t *testing.T) {
	s, _ := storetest.Open(t)
	ctx := t.Context()
	p := bakeoff.Pause{Pipeline: "churn", By: "kim", Why: "audit", Since: time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)}
	for range 2 { // paused, resumed, and again
		if got := must(s.Pause(ctx, "churn"))(t); got != nil {
			t.Fatalf("paused before: %+v", got)
		}
		if err := s.PutPause(ctx, p); err != nil {
			t.Fatal(err)
		}
		second := p
		second.By = "lee"
		wantCode(t, "a second pause", s.PutPause(ctx, second), bakeoff.CodeConflict)
		if diff := cmp.Diff([]bakeoff.Pause{p}, must(s.Pauses(ctx))(t)); diff != "" {
			t.Error(diff)
		}
		if err := s.DeletePause(ctx, "churn"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeletePause(ctx, "never-paused"); err != nil {
		t.Error(err)
	}
}

func TestANotificationIsOwedOnce(t *testing.T) {
	s, _ := storetest.Open(t)
	ctx := t.Context()
	n := bakeoff.Notification{ID: "churn-missed-20261122T200000Z", Pipeline: "churn", Ticks: &bakeoff.Tick{Pipeline: "churn", Count: 3}}
	for range 2 {
		if err := s.PutNotification(ctx, n); err != nil {
			t.Fatal(err)
		}
	}
	if owed := must(s.Outbox(ctx))(t); len(owed) != 1 || owed[0].Ticks == nil || owed[0].Ticks.Count != 3 {
		t.Fatalf("owed: %+v", owed)
	}
	if err := s.Settle(ctx, n.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.PutNotification(ctx, n); err != nil { // by who had stopped between writing and knowing it
		t.Fatal(err)
	}
	if owed := must(s.Outbox(ctx))(t); len(owed) != 0 {
		t.Errorf("a settled notification is owed again: %+v", owed)
	}
}
