package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/notify"
	"github.com/bakeoffhq/bakeoff/internal/store/storetest"
)

// running has a notifier run until the function that is returned is called.
func running(t *testing.T, n *notify.Notifier) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if err := n.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	return func() { cancel(); all.Wait() }
}

func TestRunDeliversWhatIsWritten(t *testing.T) {
	slack, to := listen(t, accept)
	s, _ := storetest.Open(t)
	write := func(i int) {
		m, revision, err := s.Model(t.Context(), "churn")
		note := kept(i)
		if err == nil {
			err = s.Commit(t.Context(), bakeoff.Change{Model: m, Revision: revision, Verdict: &note.Report, Outbox: &note})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write(1)
	n := newNotifier(t, s, to)
	stop := running(t, n)
	for i := 1; i <= 2; i++ {
		for len(slack.received()) < i {
			time.Sleep(time.Millisecond)
		}
		write(i + 1)
	}
	for _, owed, err := n.Owed(t.Context()); owed > 0 || err != nil; _, owed, err = n.Owed(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	stop()
	if diff := cmp.Diff([]string{"churn: v1 kept", "churn: v2 kept", "churn: v3 kept"}, slack.headlines()); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

// A webhook that is down is tried again with growing pauses, also by the next process.
func TestRunTriesAgainAtGrowingPauses(t *testing.T) {
	down := answer(503, "")
	inPipes(t, []step{down, down, down, down, down, accept}, func(t *testing.T, slack *receiver, connect func(*notify.Notifier), to bakeoff.Receiver) {
		store := newMemory(kept(1), kept(2))
		began := time.Now()
		var at []time.Duration
		for !store.isSettled("churn-2") && time.Since(began) < time.Hour {
			n := newNotifier(t, store, to) // a restart every 1.1 seconds
			connect(n)
			before := len(slack.received())
			stop := running(t, n)
			time.Sleep(1100 * time.Millisecond)
			stop()
			for range len(slack.received()) - before {
				at = append(at, time.Since(began))
			}
		}
		if len(at) != 7 || !slices.IsSorted(at) || at[5] < 15*time.Second || at[5] > 40*time.Second {
			t.Errorf("messages at %v", at) // 1 to 16 seconds between the first six, of which half may be missing
		}
		if d := store.delivery("churn-1/0"); d.Attempts != 6 || d.State != bakeoff.DeliverySent || !d.Next.IsZero() {
			t.Errorf("delivery %+v", d)
		}
	})
}

func TestPausesGrowToFiveMinutes(t *testing.T) {
	for attempts, most := range map[int]time.Duration{
		0: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 9: 256 * time.Second, 10: 5 * time.Minute, 1 << 40: 5 * time.Minute,
	} {
		got, err := time.ParseDuration(notify.Pause(attempts))
		if err != nil || got < most/2 || got > most {
			t.Errorf("after %d attempts: %v, want %v to %v", attempts, got, most/2, most)
		}
	}
}

func TestRunHonoursRetryAfterAndThePace(t *testing.T) {
	inPipes(t, []step{wait(600), accept}, func(t *testing.T, slack *receiver, connect func(*notify.Notifier), to bakeoff.Receiver) {
		store := newMemory(kept(1), kept(2), kept(3))
		n := newNotifier(t, store, to)
		connect(n)
		stop := running(t, n)
		time.Sleep(599 * time.Second)
		if got := len(slack.received()); got != 1 {
			t.Errorf("%d messages before the time that was asked for", got)
		}
		if d := store.delivery("churn-1/0"); d.Next.IsZero() || d.State != bakeoff.DeliveryRetrying {
			t.Errorf("delivery %+v", d)
		}
		time.Sleep(1500 * time.Millisecond)
		if got := len(slack.received()); got != 2 {
			t.Errorf("%d messages, want a second between two", got)
		}
		time.Sleep(2 * time.Second)
		stop()
		if diff := cmp.Diff([]string{"churn: v1 kept", "churn: v1 kept", "churn: v2 kept", "churn: v3 kept"}, slack.headlines()); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}
	})
}

func TestARefusalBlocksNothing(t *testing.T) {
	inPipes(t, []step{answer(404, "no_service"), accept}, func(t *testing.T, slack *receiver, connect func(*notify.Notifier), to bakeoff.Receiver) {
		store := newMemory(kept(1), kept(2))
		n := newNotifier(t, store, to)
		connect(n)
		stop := running(t, n)
		time.Sleep(5 * time.Second)
		stop()
		undelivered, owed, err := n.Owed(t.Context())
		if err != nil || owed != 0 || len(undelivered) != 1 || undelivered[0].State != bakeoff.DeliveryRefused {
			t.Errorf("%+v, %d owed, %v", undelivered, owed, err)
		}
		if len(slack.received()) != 2 {
			t.Errorf("messages %q", slack.headlines())
		}
	})
}

// One receiver hangs, with ten thousand messages behind it: the others get theirs at once, and only
// what is under way is held in memory.
func TestAReceiverThatHangsHoldsUpNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var owed []bakeoff.Notification
		for i := range 10_000 {
			note := kept(i)
			note.Pipeline = "stuck"
			owed = append(owed, note)
		}
		store := newMemory(append(owed, kept(10_000))...)
		good, bad := net.Pipe() // nobody answers on it
		defer func() { _ = good.Close() }()
		fine := &receiver{script: []step{accept}}
		pipes := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		server := &http.Server{Handler: fine}
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(pipes) })
		n := notify.New(store, func(_ context.Context, pipeline string, _ bakeoff.Digest) ([]bakeoff.Receiver, error) {
			return []bakeoff.Receiver{at("http://" + pipeline + ".test")}, nil
		}, slog.New(slog.DiscardHandler))
		n.DialWith(func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.HasPrefix(address, "stuck") {
				return bad, nil
			}
			return pipes.dial(ctx, network, address)
		})
		stop := running(t, n)
		time.Sleep(time.Second)
		if diff := cmp.Diff([]string{"churn: v10000 kept"}, fine.headlines()); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}
		if whole := store.wholeReads(); whole != 2 {
			t.Errorf("%d notifications were read whole, want one of each receiver", whole)
		}
		stop()
		_ = server.Close()
		serving.Wait()
	})
}

func TestRunLooksAgainForReceiversThatCannotBeFound(t *testing.T) {
	inPipes(t, []step{accept}, func(t *testing.T, slack *receiver, connect func(*notify.Notifier), to bakeoff.Receiver) {
		old := kept(1)
		old.Created = time.Now().Add(-8 * 24 * time.Hour)
		store := newMemory(old, kept(2))
		var mu sync.Mutex
		known := false
		n := notify.New(store, func(context.Context, string, bakeoff.Digest) ([]bakeoff.Receiver, error) {
			mu.Lock()
			defer mu.Unlock()
			if !known {
				return nil, errors.New("SLACK_WEBHOOK_URL is not set")
			}
			return []bakeoff.Receiver{to}, nil
		}, slog.New(slog.NewTextHandler(t.Output(), nil)))
		connect(n)
		stop := running(t, n)
		time.Sleep(time.Minute)
		mu.Lock()
		known = true
		mu.Unlock()
		time.Sleep(6 * time.Minute)
		stop()
		if diff := cmp.Diff([]string{"churn: v2 kept"}, slack.headlines()); diff != "" || !store.isSettled("churn-1") || !store.isSettled("churn-2") {
			t.Errorf("messages (-want +got):\n%s", diff)
		}
	})
}

func TestTwoReceiversOfOneNotificationSettleItTogether(t *testing.T) {
	inPipes(t, []step{accept}, func(t *testing.T, slack *receiver, connect func(*notify.Notifier), to bakeoff.Receiver) {
		other := to
		other.Slack += "-other"
		store := newMemory(kept(1))
		n := newNotifier(t, store, to, other, to)
		connect(n)
		stop := running(t, n)
		time.Sleep(3 * time.Second)
		stop()
		if len(slack.received()) != 3 || !store.isSettled("churn-1") {
			t.Errorf("messages %q, settled %v", slack.headlines(), store.isSettled("churn-1"))
		}
	})
}

func TestFlushWaitsForARunToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNotifier(t, newMemory())
		stop := running(t, n)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := n.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		stop()
		flush(t, n)
	})
}

func TestAPromotionSaysWhereItIsLive(t *testing.T) {
	type nodes struct {
		live, all int
		refused   []string
	}
	for name, tc := range map[string]struct {
		after map[time.Duration]nodes // from then on
		want  string
		sent  time.Duration
	}{
		"at once":  {map[time.Duration]nodes{0: {1, 1, nil}}, "live on 1 of 1 node", 0},
		"soon":     {map[time.Duration]nodes{0: {0, 3, nil}, 2 * time.Second: {3, 3, nil}}, "live on 3 of 3 nodes", 2 * time.Second},
		"not all":  {map[time.Duration]nodes{0: {2, 3, nil}}, "live on 2 of 3 nodes", 10 * time.Second},
		"refused":  {map[time.Duration]nodes{0: {0, 2, nil}, time.Second: {1, 2, []string{"b: golden row 3"}}}, "live on 1 of 2 nodes; refused: b: golden row 3", time.Second},
		"no nodes": {map[time.Duration]nodes{0: {}}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			inPipes(t, []step{accept}, func(t *testing.T, slack *receiver, connect func(*notify.Notifier), to bakeoff.Receiver) {
				note := messages()["promoted"]
				note.Created = time.Now()
				n := newNotifier(t, newMemory(note), to)
				connect(n)
				began := time.Now()
				n.AskLive(func(_ context.Context, model string, version int) (int, int, []string) {
					if model != "churn" || version != 17 {
						t.Errorf("asked for %s v%d", model, version)
					}
					var now nodes
					best := time.Duration(-1)
					for from, state := range tc.after {
						if from <= time.Since(began) && from > best {
							now, best = state, from
						}
					}
					return now.live, now.all, now.refused
				})
				flush(t, n)
				if took := time.Since(began); took < tc.sent || took > tc.sent+time.Second {
					t.Errorf("sent after %v, want %v", took, tc.sent)
				}
				lines := strings.Split(slack.received()[0].Text, "\n")
				if lines[0] != "boosting is deployed (churn v17)" || slices.Contains(lines, tc.want) != (tc.want != "") || strings.Contains(slack.received()[0].Text, "live on") != (tc.want != "") {
					t.Errorf("message %q, want %q in it", lines, tc.want)
				}
			})
		})
	}
}

// TestTicksAreToldByTheClockOfTheirSchedule has zones with an abbreviation, with two of them a year, and with none.
func TestTicksAreToldByTheClockOfTheirSchedule(t *testing.T) {
	late, missed := messages()["late"], messages()["missed"]
	late.Created, missed.Created = time.Now(), time.Now().Add(time.Second)
	for name, want := range map[string][]string{
		"Asia/Seoul":        {"tick of 2026-11-23 05:00 KST", "first: 2026-11-21 05:00 KST\nlast: 2026-11-23 05:00 KST"},
		"America/New_York":  {"tick of 2026-11-22 15:00 EST", "first: 2026-11-20 15:00 EST\nlast: 2026-11-22 15:00 EST"},
		"America/Sao_Paulo": {"tick of 2026-11-22 17:00 -03:00", "first: 2026-11-20 17:00 -03:00\nlast: 2026-11-22 17:00 -03:00"},
		"UTC":               {"tick of 2026-11-22 20:00 UTC", "first: 2026-11-20 20:00 UTC\nlast: 2026-11-22 20:00 UTC"},
	} {
		t.Run(name, func(t *testing.T) {
			zone, err := time.LoadLocation(name)
			if err != nil {
				t.Fatal(err)
			}
			to, received := hook(t, http.StatusOK)
			n := newNotifier(t, newMemory(late, missed), to)
			n.AskZone(func(_ context.Context, pipeline string, _ bakeoff.Digest) *time.Location {
				if pipeline != "churn" {
					t.Errorf("asked for the zone of %s", pipeline)
				}
				return zone
			})
			flush(t, n)
			for i, got := range received() {
				var m struct{ Text string }
				if err := json.Unmarshal(got.body, &m); err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(m.Text, "\n"+want[i]) {
					t.Errorf("%q is not in %q", want[i], m.Text)
				}
				if !strings.Contains(string(got.body), `"tick":"2026-11-2`) || !strings.Contains(string(got.body), `T20:00:00Z"`) {
					t.Errorf("the record is not in UTC: %s", got.body)
				}
			}
		})
	}
}

// TestARollbackSaysWhereItIsLive has nodes that serve the older version again after a while.
func TestARollbackSaysWhereItIsLive(t *testing.T) {
	inPipes(t, []step{accept}, func(t *testing.T, slack *receiver, connect func(*notify.Notifier), to bakeoff.Receiver) {
		note := messages()["rollback"]
		note.Created = time.Now()
		n := newNotifier(t, newMemory(note), to)
		connect(n)
		began := time.Now()
		n.AskLive(func(_ context.Context, model string, version int) (int, int, []string) {
			if model != "churn" || version != 16 {
				t.Errorf("asked for %s v%d", model, version)
			}
			if time.Since(began) < time.Second {
				return 1, 2, nil
			}
			return 2, 2, nil
		})
		flush(t, n)
		if got := slack.received()[0].Text; !strings.Contains(got, "\nlive on 2 of 2 nodes\nwas v17") {
			t.Errorf("message %q", got)
		}
	})
}

func TestTestSaysThatItIsOne(t *testing.T) {
	slack, to := listen(t, accept)
	store := newMemory()
	n := newNotifier(t, store, to)
	d, err := n.Test(t.Context(), to)
	if err != nil || d.State != bakeoff.DeliverySent || len(store.deliveries) != 0 {
		t.Errorf("%+v, %v, recorded %v", d, err, store.deliveries)
	}
	if got := slack.received(); len(got) != 1 || !strings.HasPrefix(got[0].Text, "bakeoff: this is a test\n") {
		t.Errorf("messages %+v", got)
	}
	server := httptest.NewServer(answerHandler(403))
	defer server.Close()
	d, err = n.Test(t.Context(), bakeoff.Receiver{Webhook: server.URL, AllowPrivate: true})
	if want := "status 403: the receiver does not let us in; check the URL, and the secret on both sides"; err != nil || d.Detail != want || d.State != bakeoff.DeliveryRefused {
		t.Errorf("%+v, %v", d, err)
	}
}

func answerHandler(status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
}

func TestANodeIsIdleUntilSomethingIsWritten(t *testing.T) {
	inPipes(t, []step{accept}, func(t *testing.T, slack *receiver, connect func(*notify.Notifier), to bakeoff.Receiver) {
		store := newMemory()
		n := newNotifier(t, store, to)
		connect(n)
		stop := running(t, n)
		time.Sleep(time.Hour)
		if looks := store.looksTaken(); looks > 14 {
			t.Errorf("the outbox was read %d times in an idle hour", looks)
		}
		store.add(kept(1))
		time.Sleep(10 * time.Millisecond)
		if len(slack.received()) != 1 {
			t.Error("the message did not go out at once")
		}
		stop()
	})
}
