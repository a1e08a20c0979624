package cli

import (
	"testing"

	"github.com/bakeoffhq/bakeoff"
)

func TestRowsThatAContestantHasSeenAreCountedInWords(t *testing.T) {
	rows := &bakeoff.Rows{Train: 100, Holdout: 50, SetAside: 1203, MissingTarget: 1, SeenByChampion: 2, AlsoInTraining: 1200}
	want := "100 to train, 50 in the holdout, 1,203 set aside (1 without a target, 2 that the champion was trained on, 1,200 that are training rows too)"
	if got := rowsInWords(rows); got != want {
		t.Errorf("%s\nwant: %s", got, want)
	}
}
