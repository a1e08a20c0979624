package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

func TestRowsThatAContestantHasSeenAreCountedInWords(t *testing.T) {
	rows := &bakeoff.Rows{Train: 100, Holdout: 50, SetAside: 1203, MissingTarget: 1, SeenByChampion: 2, AlsoInTraining: 1200}
	want := "100 to train, 50 in the holdout, 1,203 set aside (1 without a target, 2 that the champion was trained on, 1,200 that are training rows too)"
	if got := rowsInWords(rows); got != want {
		t.Errorf("%s\nwant: %s", got, want)
	}
}

func TestHowOftenAHoldoutHasDecided(t *testing.T) {
	told := func(uses int) (board, why string) {
		r := report(bakeoff.Kept, "cannot tell")
		r.Holdout = &bakeoff.HoldoutUse{Uses: uses, Since: night}
		var b, w bytes.Buffer
		writeLeaderboardIn(&b, r, 0, false, time.UTC)
		writeWhyIn(&w, r, time.UTC)
		return b.String(), w.String()
	}
	if board, why := told(1); strings.Contains(board+why, "has decided") {
		t.Errorf("the first time is told of:\n%s\n%s", board, why)
	}
	const often = "\nThis holdout has decided 12 times since 2026-11-22 20:00 +00:00.\n"
	if board, why := told(12); !strings.Contains(board, often) || !strings.Contains(why, often) || strings.Contains(board+why, "rotate") {
		t.Errorf("12 times:\n%s\n%s", board, why)
	}
	if board, why := told(31); strings.Contains(board, "rotate") || !strings.Contains(why, "data.split.rotate: 4w") {
		t.Errorf("31 times:\n%s\n%s", board, why)
	}
}

func TestAChampionThatWasBuiltAgainIsNamedSo(t *testing.T) {
	champion := contender(1, "forest", bakeoff.RoleChampion, 0.8, 1)
	champion.Version, champion.Rebuilt = 3, true
	r := report(bakeoff.Kept, "cannot tell", champion)
	var board, why bytes.Buffer
	writeLeaderboardIn(&board, r, 0, false, time.UTC)
	writeWhyIn(&why, r, time.UTC)
	if !strings.Contains(board.String(), " champion v3 (rebuilt) ") || !strings.Contains(why.String(), "forest, the champion (v3, rebuilt), has 0.8000") {
		t.Errorf("%s\n%s", board.String(), why.String())
	}
	champion.Rank, champion.Metrics, champion.State, champion.Reason = nil, nil, bakeoff.TrialFailed, "it had to be built again"
	why.Reset()
	writeWhyIn(&why, report(bakeoff.Kept, "cannot tell", champion), time.UTC)
	if !strings.Contains(why.String(), "forest, the champion (v3, rebuilt), was not ranked: it had to be built again.") {
		t.Error(why.String())
	}
}
