package notify_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/notify"
)

// kept returns a notification of a run that kept version i.
func kept(i int) bakeoff.Notification {
	id := fmt.Sprintf("churn-%d", i)
	return bakeoff.Notification{
		ID: id, Pipeline: "churn", Revision: bakeoff.DigestOf([]byte("file")), Created: time.Now(),
		Report: bakeoff.Report{
			Run: id, Pipeline: "churn", Verdict: bakeoff.Kept, Reason: "no challenger is better",
			Champion: &bakeoff.ChampionRef{Model: "churn", Version: i, Candidate: "forest"},
		},
	}
}

func newNotifier(t *testing.T, store notify.Store, to ...bakeoff.Receiver) *notify.Notifier {
	return notify.New(store, func(context.Context, string, bakeoff.Digest) ([]bakeoff.Receiver, error) {
		return to, nil
	}, slog.New(slog.NewTextHandler(t.Output(), nil)))
}

// at returns the receiver behind a server of this machine.
func at(url string) bakeoff.Receiver {
	return bakeoff.Receiver{Slack: url + "/services/T0/B0/verysecrettoken", AllowPrivate: true}
}

func listen(t *testing.T, script ...step) (*receiver, bakeoff.Receiver) {
	r := &receiver{script: script}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return r, at(server.URL)
}

func flush(t *testing.T, n *notify.Notifier) notify.Summary {
	t.Helper()
	sum, err := n.Flush(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestFlushSendsOnceAndSettles(t *testing.T) {
	slack, to := listen(t, accept)
	store := newMemory(kept(1), kept(2))
	n := newNotifier(t, store, to)
	if sum := flush(t, n); sum.Sent != 2 || sum.Owed != 0 || sum.Refused != 0 || len(sum.Deliveries) != 2 {
		t.Errorf("first flush: %+v", sum)
	}
	if sum := flush(t, n); sum.Sent != 0 || len(sum.Deliveries) != 0 {
		t.Errorf("second flush: %+v", sum)
	}
	if diff := cmp.Diff([]string{"churn: v1 kept", "churn: v2 kept"}, slack.headlines()); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	if !store.settled["churn-1"] || !store.settled["churn-2"] {
		t.Errorf("settled: %v", store.settled)
	}
}

func TestRefusalIsFinalAndSaysWhatToDo(t *testing.T) {
	for name, tc := range map[string]struct {
		answer step
		want   string
	}{
		"revoked":         {answer(404, "no_service"), "status 404: no_service; the webhook was revoked or is switched off: create a new one in Slack and put its URL into the file"},
		"archived":        {answer(410, "channel_is_archived\n"), "status 410: channel_is_archived; unarchive the channel in Slack, or create a webhook for another one"},
		"200, but not ok": {answer(200, "invalid_payload"), "status 200: invalid_payload; this is a fault of bakeoff: please report it"},
		"a login page":    {answer(200, "<html>verysecrettoken</html>"), `status 200; check that the URL is that of an incoming webhook which answers "ok", as Slack's do`},
		"not Slack":       {answer(403, "Who are you?"), `status 403; check that the URL is that of an incoming webhook which answers "ok", as Slack's do`},
		"endless":         {endless, `status 200; check that the URL is that of an incoming webhook which answers "ok", as Slack's do`},
		"redirect": {
			func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
			"status 302: the receiver points to another address; give the final URL: redirects are not followed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			slack, to := listen(t, tc.answer)
			store := newMemory(kept(1), kept(2))
			n := newNotifier(t, store, to)
			sum := flush(t, n)
			if sum.Refused != 2 || sum.Owed != 0 {
				t.Errorf("summary %+v", sum)
			}
			if got := sum.Deliveries[0]; got.Detail != tc.want || got.State != bakeoff.DeliveryRefused || got.Attempts != 1 {
				t.Errorf("delivery %+v\nwant detail %q", got, tc.want)
			}
			if flush(t, n); len(slack.headlines()) != 2 {
				t.Errorf("requests: %q", slack.headlines())
			}
		})
	}
}

func TestOneReceiverDoesNotHoldUpAnother(t *testing.T) {
	bad, to1 := listen(t, answer(404, "no_service"))
	good, to2 := listen(t, accept)
	store := newMemory(kept(1), kept(2))
	n := newNotifier(t, store, to1, to2)
	if sum := flush(t, n); sum.Sent != 2 || sum.Refused != 2 {
		t.Errorf("summary %+v", sum)
	}
	want := []string{"churn: v1 kept", "churn: v2 kept"}
	for _, r := range []*receiver{bad, good} {
		if diff := cmp.Diff(want, r.headlines()); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}
	}
	if !store.settled["churn-1"] || !store.settled["churn-2"] {
		t.Errorf("settled: %v", store.settled)
	}
}

func TestFlushTriesAgain(t *testing.T) {
	type result struct {
		Requests, Sent, Owed int
		Repeat               bool // of the last message
	}
	for name, tc := range map[string]struct {
		script   []step
		want     result
		detail   string
		min, max time.Duration // how long the flush takes
	}{
		"a fault, then ok":       {[]step{answer(500, "rollup_error"), accept}, result{Requests: 2, Sent: 1}, "", 200 * time.Millisecond, time.Second},
		"two faults, then ok":    {[]step{answer(502, ""), answer(503, "<html>"), accept}, result{Requests: 3, Sent: 1}, "", 400 * time.Millisecond, 3 * time.Second},
		"faults":                 {[]step{answer(500, "rollup_error")}, result{Requests: 3, Owed: 1}, "status 500: rollup_error", 400 * time.Millisecond, 3 * time.Second},
		"told to wait":           {[]step{wait(4), accept}, result{Requests: 2, Sent: 1}, "", 4 * time.Second, 5 * time.Second},
		"told to wait too long":  {[]step{wait(600), accept}, result{Requests: 1, Owed: 1}, "status 429: the receiver asks to wait", 0, time.Second},
		"told to wait, no time":  {[]step{answer(429, ""), accept}, result{Requests: 2, Sent: 1}, "", 200 * time.Millisecond, time.Second},
		"no answer, then ok":     {[]step{hang, accept}, result{Requests: 2, Sent: 1, Repeat: true}, "", 5 * time.Second, 6 * time.Second},
		"never an answer":        {[]step{hang}, result{Requests: 2, Owed: 1, Repeat: true}, "the message may have arrived: its answer was lost; no answer within 5s", 10 * time.Second, 11 * time.Second},
		"taken, dropped":         {[]step{drop, accept}, result{Requests: 2, Sent: 1, Repeat: true}, "", 200 * time.Millisecond, time.Second},
		"dropped, then no again": {[]step{drop, answer(500, ""), accept}, result{Requests: 3, Sent: 1, Repeat: true}, "", 400 * time.Millisecond, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inPipes(t, tc.script, func(t *testing.T, slack *receiver, connect func(*notify.Notifier), to bakeoff.Receiver) {
				store := newMemory(kept(1))
				n := newNotifier(t, store, to)
				connect(n)
				began := time.Now()
				sum := flush(t, n)
				if took := time.Since(began); took < tc.min || took > tc.max {
					t.Errorf("took %v, want %v to %v", took, tc.min, tc.max)
				}
				received := slack.received()
				last := received[len(received)-1]
				got := result{len(received), sum.Sent, sum.Owed, strings.Contains(last.Text, "May be a repeat")}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if d := sum.Deliveries[0]; d.Detail != tc.detail || d.Attempts != tc.want.Requests {
					t.Errorf("delivery %+v, want detail %q", d, tc.detail)
				}
				if store.settled["churn-1"] != (tc.want.Sent == 1) {
					t.Errorf("settled: %v", store.settled)
				}
			})
		})
	}
}

func TestWhatIsOwedGoesOutInOrderLater(t *testing.T) {
	down := answer(503, "")
	inPipes(t, []step{down, down, down, accept}, func(t *testing.T, slack *receiver, connect func(*notify.Notifier), to bakeoff.Receiver) {
		store := newMemory(kept(1), kept(2))
		n := newNotifier(t, store, to)
		connect(n)
		if sum := flush(t, n); sum.Owed != 2 || len(sum.Deliveries) != 1 {
			t.Errorf("while down: %+v", sum)
		}
		time.Sleep(time.Hour)
		if sum := flush(t, n); sum.Sent != 2 || sum.Deliveries[0].Attempts != 4 {
			t.Errorf("after an hour: %+v", sum)
		}
		want := []string{"churn: v1 kept", "churn: v1 kept", "churn: v1 kept", "churn: v1 kept", "churn: v2 kept"}
		if diff := cmp.Diff(want, slack.headlines()); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}
	})
}

func TestGivesUpAfterAWeek(t *testing.T) {
	inPipes(t, []step{answer(503, "")}, func(t *testing.T, slack *receiver, connect func(*notify.Notifier), to bakeoff.Receiver) {
		store := newMemory(kept(1))
		n := newNotifier(t, store, to)
		connect(n)
		for day := range 8 {
			sum := flush(t, n)
			if refused := day == 7; (sum.Refused == 1) != refused || (sum.Owed == 1) == refused {
				t.Errorf("day %d: %+v", day, sum)
			}
			time.Sleep(24 * time.Hour)
		}
		if got := store.deliveries["churn-1/0"].Detail; got != "given up after a week: status 503" {
			t.Errorf("detail %q", got)
		}
		if len(slack.received()) != 7*3 || !store.settled["churn-1"] {
			t.Errorf("%d requests, settled: %v", len(slack.received()), store.settled)
		}
	})
}

// A process that dies after the message was accepted and before that was recorded leaves the
// record of the try that it began.
func TestAnInterruptedDeliveryIsRepeatedAndSaysSo(t *testing.T) {
	slack, to := listen(t, accept)
	store := newMemory(kept(1))
	store.putFails = func(d bakeoff.Delivery) error {
		if d.State == bakeoff.DeliverySent {
			return errors.New("disk full")
		}
		return nil
	}
	if _, err := newNotifier(t, store, to).Flush(t.Context()); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("error %v", err)
	}
	if store.settled["churn-1"] {
		t.Error("settled although the delivery was not recorded")
	}
	store.putFails = nil
	flush(t, newNotifier(t, store, to))
	if got := slack.received(); len(got) != 2 || strings.Contains(got[0].Text, "repeat") ||
		!strings.HasSuffix(got[1].Text, "\nMay be a repeat: the answer to the first try was lost.") {
		t.Errorf("messages %+v", got)
	}
}

func TestCancelledFlushRecordsWhatItKnows(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	stop := func(w http.ResponseWriter, r *http.Request) { cancel(); hang(w, r) }
	slack, to := listen(t, stop, accept)
	store := newMemory(kept(1), kept(2))
	n := newNotifier(t, store, to)
	if sum, err := n.Flush(ctx); err != nil || sum.Owed != 2 {
		t.Errorf("summary %+v, error %v", sum, err)
	}
	want := "the message may have arrived: its answer was lost; cancelled before an answer came"
	if d := store.deliveries["churn-1/0"]; d.Detail != want || d.State != bakeoff.DeliveryRetrying {
		t.Errorf("delivery %+v", d)
	}
	flush(t, n)
	if diff := cmp.Diff([]string{"churn: v1 kept", "churn: v1 kept", "churn: v2 kept"}, slack.headlines()); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func TestUnknownReceiversLeaveTheRestAlone(t *testing.T) {
	slack, to := listen(t, accept)
	lost, fine := kept(1), kept(2)
	lost.Pipeline = "gone"
	old := lost
	old.ID, old.Created = "gone-old", time.Now().Add(-8*24*time.Hour)
	store := newMemory(old, lost, fine)
	n := notify.New(store, func(_ context.Context, pipeline string, _ bakeoff.Digest) ([]bakeoff.Receiver, error) {
		if pipeline == "gone" {
			return nil, errors.New("SLACK_WEBHOOK_URL is not set")
		}
		return []bakeoff.Receiver{to}, nil
	}, slog.New(slog.DiscardHandler))
	sum, err := n.Flush(t.Context())
	if err == nil || !strings.Contains(err.Error(), "find receivers of churn-1: SLACK_WEBHOOK_URL is not set") {
		t.Errorf("error %v", err)
	}
	if sum.Sent != 1 || len(slack.headlines()) != 1 {
		t.Errorf("summary %+v", sum)
	}
	if diff := cmp.Diff(map[string]bool{"gone-old": true, "churn-2": true}, store.settled); diff != "" {
		t.Errorf("settled (-want +got):\n%s", diff)
	}
}

func TestWithoutReceiversNothingIsOwed(t *testing.T) {
	store := newMemory(kept(1))
	if sum := flush(t, newNotifier(t, store)); sum.Owed != 0 || !store.settled["churn-1"] {
		t.Errorf("summary %+v, settled %v", sum, store.settled)
	}
}

func TestANetworkThatIsDownIsNotARefusal(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"no such host": {&net.DNSError{Err: "no such host", Name: token + ".test", IsNotFound: true}, "the webhook's host cannot be found"},
		"refused":      {&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}, "no connection: connection refused"},
		"no route":     {&net.OpError{Op: "dial", Net: "tcp", Err: errors.New(token)}, "no connection"},
		"too slow":     {context.DeadlineExceeded, "no answer within 5s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newMemory(kept(1))
				n := newNotifier(t, store, at("http://slack.test"))
				n.DialWith(func(context.Context, string, string) (net.Conn, error) { return nil, tc.err })
				sum := flush(t, n)
				if d := sum.Deliveries[0]; d.State != bakeoff.DeliveryRetrying || d.Detail != tc.want || d.Attempts != 3 {
					t.Errorf("delivery %+v, want detail %q", d, tc.want)
				}
			})
		})
	}
}
