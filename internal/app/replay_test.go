package app

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// TestReplayGoesOnBehindDamagedAnswers judges two nights again of which the answers of one are damaged.
func TestReplayGoesOnBehindDamagedAnswers(t *testing.T) {
	n := newNights(t)
	n.apply("holdout: 20%", "gain: any", stump)
	n.arrive(0, 500)
	_, first := n.night(firstNight)
	n.arrive(1, 100)
	_, second := n.night(firstNight.AddDate(0, 0, 1))
	js, err := jetstream.New(n.node.server.Conn())
	if err != nil {
		t.Fatal(err)
	}
	objects, err := js.ObjectStore(t.Context(), "objects")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := objects.PutString(t.Context(), string(first.Answers), "other bytes"); err != nil {
		t.Fatal(err)
	}
	r, err := face{n.node}.Replay(t.Context(), "p", 60, []string{"gate.gain=0.5"})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Nights) != 2 || !strings.Contains(r.Nights[0].Why, "damaged") || r.Nights[1].With == nil || r.Nights[1].Run != second.Run {
		t.Errorf("%+v", r.Nights)
	}
	d, err := face{n.node}.Diff(t.Context(), first.Run, second.Run)
	if err != nil || len(d.Unknown) != 1 || !strings.Contains(d.Unknown[0], "has no kept answers") {
		t.Errorf("%+v, %v", d.Unknown, err)
	}
}
