package notify_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/outbound"
)

// posted is a request that a generic webhook got.
type posted struct {
	header http.Header
	body   []byte
}

// hook listens as a generic webhook; every request is answered with the status.
func hook(t *testing.T, status int) (bakeoff.Receiver, func() []posted) {
	t.Helper()
	got := make(chan posted, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- posted{r.Header, body}
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return bakeoff.Receiver{Webhook: server.URL + "/" + token, Secret: "key", AllowPrivate: true}, func() []posted {
		close(got)
		var all []posted
		for p := range got {
			all = append(all, p)
		}
		return all
	}
}

func TestWebhookGetsSignedJSON(t *testing.T) {
	to, received := hook(t, http.StatusAccepted)
	run, ticks, move := messages()["promoted"], messages()["missed"], messages()["rollback"]
	run.Created, ticks.Created, move.Created = time.Now(), time.Now().Add(time.Second), time.Now().Add(2*time.Second)
	n := newNotifier(t, newMemory(run, ticks, move), to)
	n.LinkTo("https://bakeoff.test/")
	if sum := flush(t, n); sum.Sent != 3 {
		t.Errorf("summary %+v", sum)
	}
	all := received()
	if len(all) != 3 {
		t.Fatalf("%d requests", len(all))
	}
	for i, note := range []bakeoff.Notification{run, ticks, move} {
		h := all[i].header
		if h.Get("Bakeoff-Id") != note.ID || h.Get("Bakeoff-Signature") != outbound.Sign("key", h.Get("Bakeoff-Timestamp"), all[i].body) {
			t.Errorf("header %v", h)
		}
	}
	type content struct {
		ID, Type, Text, Link string
		Repeat               *bool
		Report               *bakeoff.Report
		Ticks                *bakeoff.Tick
		Move                 *bakeoff.Move
	}
	var first, second, third content
	if err := json.Unmarshal(all[0].body, &first); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(all[1].body, &second); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(all[2].body, &third); err != nil {
		t.Fatal(err)
	}
	if first.Type != "run" || first.Repeat == nil || *first.Repeat || first.Ticks != nil || first.Link != "https://bakeoff.test/runs/"+run.ID ||
		!strings.HasPrefix(first.Text, "boosting is deployed (churn v17)\n") {
		t.Errorf("%s", all[0].body)
	}
	if diff := cmp.Diff(&run.Report, first.Report); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if second.Type != "ticks" || second.Report != nil || second.Ticks.Count != 3 || second.Link != "" ||
		second.Text != "churn: 3 ticks missed\nno node was up; only the latest is made up for <!here>\nfirst: 2026-11-20 20:00 UTC\nlast: 2026-11-22 20:00 UTC" {
		t.Errorf("%s", all[1].body)
	}
	if third.Type != "move" || third.Report != nil || third.Ticks != nil || third.Link != "https://bakeoff.test/runs/"+move.Move.Run ||
		!strings.HasPrefix(third.Text, "churn v16 (forest) is live again: rollback by kim\nodd scores since noon <!channel>\nwas v17 (boosting)\n") {
		t.Errorf("%s", all[2].body)
	}
	if diff := cmp.Diff(move.Move, third.Move); diff != "" {
		t.Errorf("move (-want +got):\n%s", diff)
	}
}

func TestALinkIsTheOnlyFormattedTextBesideTheLeaderboard(t *testing.T) {
	slack, to := listen(t, accept)
	note := kept(1)
	n := newNotifier(t, newMemory(note), to)
	n.LinkTo("https://bakeoff.test")
	flush(t, n)
	if body := slack.received()[0].raw; !strings.Contains(body, `https://bakeoff.test/runs/churn-1|Open the run`) {
		t.Errorf("no link in %s", body)
	}
}
