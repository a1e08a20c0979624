package judge_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/judge"
)

// until returns the identities from 0 up to n, those of the first rows of a holdout.
func until(n int) []uint64 {
	ids := make([]uint64, n)
	for i := range ids {
		ids[i] = uint64(i)
	}
	return ids
}

func printOf(t *testing.T, ids []uint64) *dataset.Fingerprint {
	t.Helper()
	f, err := dataset.NewFingerprint(ids)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A champion's fingerprint and the identities of its rows lead to the same decision.
func TestEvaluateByTheChampionsFingerprint(t *testing.T) {
	seen := []uint64{99, 7, 3, 1 << 60}
	decide := func(set func(in *judge.Inputs)) bakeoff.Decision {
		in := inputs(100, &runtime{})
		in.Champion = liveVersion(100)
		set(&in)
		return evaluate(t, in)
	}
	byRows := decide(func(in *judge.Inputs) { in.ChampionSeen = seen })
	byPrint := decide(func(in *judge.Inputs) { in.ChampionFingerprint = printOf(t, seen) })
	if diff := cmp.Diff(byRows, byPrint, cmpopts.IgnoreFields(bakeoff.LeaderboardRow{}, "Speed")); diff != "" {
		t.Errorf("(-by rows +by fingerprint)\n%s", diff)
	}
	if byPrint.Rows.SeenByChampion != 3 || byPrint.Verdict != bakeoff.Promoted {
		t.Errorf("%+v, %s", byPrint.Rows, byPrint.Reason)
	}
}

// Rows that stand in the training rows of the same snapshot tell nothing about a challenger.
func TestEvaluateSetsAsideWhatTheChallengersHaveSeen(t *testing.T) {
	r := &runtime{}
	in := inputs(100, r)
	in.Champion = liveVersion(100)
	in.TrainIdentity = []uint64{4, 5, 4, 1 << 50}
	in.ChampionFingerprint = printOf(t, []uint64{5, 6})
	d := evaluate(t, in)
	want := bakeoff.Rows{Train: 400, Holdout: 97, SetAside: 6, MissingTarget: 3, SeenByChampion: 1, AlsoInTraining: 2}
	if diff := cmp.Diff(want, d.Rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	clean := slices.Delete(slices.Clone(in.Holdout.Table.Columns[0].Numbers), 4, 7)
	for _, name := range []string{"boosting", "linear", "champion"} {
		if diff := cmp.Diff(clean, r.rows[digest(name)][:len(clean)]); diff != "" {
			t.Errorf("%s answered other rows (-want +got):\n%s", name, diff)
		}
	}
	if d.Verdict != bakeoff.Promoted {
		t.Error(d.Reason)
	}
}

func TestEvaluateKeepsWhereTooFewCleanRowsAreLeft(t *testing.T) {
	const helps = "; it takes a data.key that differs from row to row, or a split.by that keeps rows of one identity together"
	for name, c := range map[string]struct {
		rows int
		set  func(in *judge.Inputs)
		want string
	}{
		"most are training rows": {
			100, func(in *judge.Inputs) { in.TrainIdentity = until(51) },
			"nobody can be judged by this holdout: 51 of the 100 holdout rows are training rows too, by all of their columns, more than half" + helps,
		},
		"all are training rows, by a key": {
			100, func(in *judge.Inputs) {
				in.Snapshot.Identity = bakeoff.Identity{Key: "customer", Generation: 1}
				in.TrainIdentity = until(100)
			},
			"nobody can be judged by this holdout: 100 of the 100 holdout rows are training rows too, by the key customer, more than half" + helps,
		},
		"49 rows left": {
			60, func(in *judge.Inputs) { in.TrainIdentity = until(11) },
			"nobody can be judged by this holdout: 11 of the 60 holdout rows are training rows too, by all of their columns, and only 49 are left, of at least 50 that are needed" + helps,
		},
		"49 rows left that the champion has not seen": {
			60, func(in *judge.Inputs) {
				in.Champion = liveVersion(60)
				in.ChampionFingerprint = printOf(t, until(11))
			},
			"v16 stays because it cannot be compared with the challengers: it was trained on 11 of the 60 holdout rows, and only 49 are left, of at least 50 that are needed; `bakeoff promote --force` decides by hand",
		},
		"too few by both together": {
			100, func(in *judge.Inputs) {
				in.Champion = liveVersion(100)
				in.TrainIdentity, in.ChampionFingerprint = until(30), printOf(t, []uint64{40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60})
			},
			"v16 stays because it cannot be compared with the challengers: it was trained on 21 of the 100 holdout rows, more than half; `bakeoff promote --force` decides by hand",
		},
		"nine of a class left": {
			200, func(in *judge.Inputs) {
				in.Holdout.Labels.Codes = make([]int32, 200)
				for i := range 10 {
					in.Holdout.Labels.Codes[20*i] = 1
				}
				in.TrainIdentity = until(1)
			},
			"nobody can be judged by this holdout: 1 of the 200 holdout rows are training rows too, by all of their columns, and only 9 of the class yes are left, of at least 10 that are needed" + helps,
		},
		"five rows, one of them seen": {
			5, func(in *judge.Inputs) { in.TrainIdentity = until(1) },
			"nobody can be judged by this holdout: 1 of the 5 holdout rows are training rows too, by all of their columns, and only 4 are left, of at least 50 that are needed" + helps,
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := inputs(c.rows, &runtime{})
			c.set(&in)
			d := evaluate(t, in)
			if d.Verdict != bakeoff.Kept || d.Reason != c.want || d.Golden != nil || d.Candidate != "" {
				t.Errorf("%s: %s\nwant: %s", d.Verdict, d.Reason, c.want)
			}
		})
	}
}

// What nobody has seen is what its owner asked for, few rows or many: the gate's rule decides.
func TestEvaluateTakesASmallHoldoutThatNobodyHasSeen(t *testing.T) {
	for name, set := range map[string]func(in *judge.Inputs){
		"five rows": func(*judge.Inputs) {},
		"a class of three, which lost none": func(in *judge.Inputs) {
			*in = inputs(100, &runtime{})
			in.Holdout.Labels.Codes = make([]int32, 100)
			for i := 90; i < 93; i++ {
				in.Holdout.Labels.Codes[i] = 1
			}
			in.TrainIdentity = until(3)
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := inputs(5, &runtime{})
			set(&in)
			if d := evaluate(t, in); strings.Contains(d.Reason, "nobody can be judged") {
				t.Errorf("%s: %s", d.Verdict, d.Reason)
			}
		})
	}
}
