package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
)

// slicedReport is a run in which a slice stopped the best, and another challenger was too slow.
func slicedReport() bakeoff.Report {
	r := report(bakeoff.Kept, "no challenger passes the slices and the budgets: the best, boosting, is worse than v16 by 3.1 pt of roc_auc where contract is Two year",
		contender(1, "boosting", bakeoff.RoleChallenger, 0.8512, 0.8012), defending(2, "forest", 16, 0.8431),
		contender(3, "logistic", bakeoff.RoleChallenger, 0.8312, 0.7912), baselineRow(4), broken("impatient", "time limit"))
	r.Champion = version(16, "forest")
	r.Leaderboard[0].Stopped = "is worse than v16 by 3.1 pt of roc_auc where contract is Two year"
	r.Leaderboard[2].Stopped = "has p95 31 ms a row, and at most 20 ms is allowed"
	r.Leaderboard[0].Speed = &bakeoff.Speed{P50: 2.1e-6, P95: 2.44e-6, RowsTimed: 100, RowsPerSecond: 1e6, Memory: 140_195}
	r.Leaderboard[1].Speed = &bakeoff.Speed{P50: 22e-6, P95: 0.00099, RowsTimed: 100, RowsPerSecond: 1e5, Memory: 3_709_111}
	r.Leaderboard[2].Speed = &bakeoff.Speed{P50: 0.02, P95: 0.031, RowsTimed: 50, RowsPerSecond: 700}
	slice := func(kind bakeoff.SliceKind, value string, rows int, best, champion float64) bakeoff.Slice {
		s := bakeoff.Slice{Kind: kind, Value: value, Rows: rows}
		for _, k := range []bakeoff.SliceScore{
			{Candidate: "boosting", Role: bakeoff.RoleChallenger, Value: best},
			{Candidate: "logistic", Role: bakeoff.RoleChallenger, Value: 0.8},
			{Candidate: "forest", Role: bakeoff.RoleChampion, Version: 16, Value: champion},
			{Candidate: "baseline", Role: bakeoff.RoleBaseline, Value: 0.5},
		} {
			k.Interval = &[2]float64{k.Value - 0.03, k.Value + 0.03}
			s.Scores = append(s.Scores, k)
		}
		s.Against = compared("boosting", "forest", "DeLong", best-champion, 0.02)
		return s
	}
	worse := slice(bakeoff.SliceValue, "Two year", 412, 0.821, 0.852)
	worse.Worse = true
	small := slice(bakeoff.SliceMissing, "", 17, 0.8, 0.8)
	small.TooSmall, small.Against = "it takes 30 rows", nil
	other := slice(bakeoff.SliceOther, "other", 1234, 0.87, 0.86)
	other.Values = 9980
	r.Slices = []bakeoff.SliceTable{
		{Column: "contract", Slices: []bakeoff.Slice{slice(bakeoff.SliceValue, "Month-to-month", 758, 0.771, 0.75), worse, other, small}},
		{Column: "tenure\x1b[2J", Slices: []bakeoff.Slice{slice(bakeoff.SliceBand, "1 to 9", 700, 0.84, 0.83), slice(bakeoff.SliceBand, "10 to 72", 700, 0.83, 0.82)}},
	}
	return r
}

func TestSpeedAndSlices(t *testing.T) {
	r := slicedReport()
	for name, write := range map[string]func(w io.Writer, width int){
		"leaderboard-sliced": func(w io.Writer, width int) { writeLeaderboardIn(w, r, width, false, seoul) },
		"slices":             func(w io.Writer, width int) { writeSlices(w, r, width, false) },
	} {
		for _, width := range []int{0, 80} {
			var out bytes.Buffer
			write(&out, width)
			if width > 0 {
				name += "-80"
				checkWidth(t, strings.Split(out.String(), "\n\n")[0], width)
			}
			checkPlain(t, out.String())
			checkGolden(t, name, out.Bytes())
		}
	}
	var out bytes.Buffer
	writeWhyIn(&out, r, seoul)
	checkPlain(t, out.String())
	checkGolden(t, "why-sliced", out.Bytes())
}

func TestGateInWords(t *testing.T) {
	var out bytes.Buffer
	writeGate(&out, &bakeoff.Pipeline{})
	if out.Len() > 0 {
		t.Errorf("of nothing: %s", out.String())
	}
	writeGate(&out, &bakeoff.Pipeline{
		Judge: bakeoff.Judge{Slices: []string{"contract", "tenure"}},
		Gate: bakeoff.Gate{
			SliceLoss: &bakeoff.SliceLoss{Margin: 0.01, Relative: true},
			Budgets:   bakeoff.Budgets{P50: 1e6, P95: 2e7, RowsPerSecond: 1000, Size: 50e6, Memory: 1 << 30},
		},
	})
	const want = `slices      contract, tenure; who is worse than the champion in one, by more than 1 % of the champion's value there, is not promoted
budgets     half of the single rows in 1ms, 95% of the single rows in 20ms, 1000 rows a second in blocks, an artifact of 50.0 MB, 1.1 GB of memory
`
	if out.String() != want {
		t.Error(out.String())
	}
}
