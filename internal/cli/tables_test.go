package cli

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
)

var updateGolden = flag.Bool("update", false, "write the golden files of tables and progress")

// checkGolden compares got with a file of testdata.
func checkGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *updateGolden {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

var (
	seoul = time.FixedZone("KST", 9*3600)
	night = time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)
)

func contender(rank int, name string, role bakeoff.Role, auc, accuracy float64) bakeoff.LeaderboardRow {
	return bakeoff.LeaderboardRow{
		Rank: &rank, Candidate: name, Role: role, State: bakeoff.TrialBuilt, Bytes: 1_234_567, Seconds: 0.42,
		Metrics:  map[string]float64{"roc_auc": auc, "accuracy": accuracy, "log_loss": 0.4123},
		Interval: map[string][2]float64{"roc_auc": {auc - 0.02, auc + 0.02}},
	}
}

func defending(rank int, name string, version int, auc float64) bakeoff.LeaderboardRow {
	row := contender(rank, name, bakeoff.RoleChampion, auc, 0.79)
	row.Version, row.Seconds = version, 0
	return row
}

func broken(name, reason string) bakeoff.LeaderboardRow {
	return bakeoff.LeaderboardRow{Candidate: name, Role: bakeoff.RoleChallenger, State: bakeoff.TrialFailed, Reason: reason}
}

func baselineRow(rank int) bakeoff.LeaderboardRow {
	row := contender(rank, bakeoff.BaselineName, bakeoff.RoleBaseline, 0.5, 0.73)
	row.Bytes, row.Seconds, row.Interval = 0, 0, nil
	return row
}

func report(verdict bakeoff.Verdict, reason string, board ...bakeoff.LeaderboardRow) bakeoff.Report {
	return bakeoff.Report{
		Run: "churn-20261122T200000Z", Pipeline: "churn", Verdict: verdict, Reason: reason, Metric: "roc_auc", Confidence: 0.95,
		Created: night, Ended: night.Add(3 * time.Second), Seconds: 2.1,
		Rows:        &bakeoff.Rows{Train: 5631, Holdout: 1400, SetAside: 12, MissingTarget: 11, SeenByChampion: 1},
		Leaderboard: board,
	}
}

// compared is the comparison that a verdict was about.
func compared(candidate, champion, test string, gain, needed float64) *bakeoff.Comparison {
	return &bakeoff.Comparison{
		Candidate: candidate, With: champion, Role: bakeoff.RoleChampion, Test: test, Gain: gain,
		Interval: [2]float64{gain - needed, gain + needed}, P: 0.0123, Adjusted: 0.0246, Needed: needed, Detectable: needed * 1.5,
	}
}

func version(n int, candidate string) *bakeoff.ChampionRef {
	return &bakeoff.ChampionRef{Model: "churn", Version: n, Candidate: candidate}
}

// reports are runs that ended in each way there is.
func reports() map[string]bakeoff.Report {
	promoted := report(bakeoff.Promoted, "boosting is ahead of v16 by 0.81 pt of roc_auc (0.8512 against 0.8431)",
		contender(1, "boosting", bakeoff.RoleChallenger, 0.8512, 0.8012), defending(2, "forest", 16, 0.8431),
		contender(3, "logistic", bakeoff.RoleChallenger, 0.8312, 0.7912), baselineRow(4),
		broken("impatient", "time limit: stopped after 1ms, before the first tree was done; give it more time with limits"))
	promoted.Champion, promoted.Previous = version(17, "boosting"), version(16, "forest")
	promoted.Deciding = compared("boosting", "forest", "DeLong", 0.0081, 0.005)
	promoted.Detectable = 0.0075
	promoted.Notes = []string{"column phone_service is constant"}
	promoted.Leaderboard[2].Unseen = 3

	promoted.Trigger = bakeoff.TriggerPerson

	first := report(bakeoff.Promoted, "first champion: boosting has roc_auc 0.8512 and beats the baseline's 0.5000",
		contender(1, "boosting", bakeoff.RoleChallenger, 0.8512, 0.8012), baselineRow(2))
	first.Champion = version(1, "boosting")

	first.Trigger = bakeoff.TriggerAPI

	kept := report(bakeoff.Kept, "no challenger is better than v17: the best, forest, has roc_auc 0.8460 against 0.8480",
		defending(1, "boosting", 17, 0.8480), contender(2, "forest", bakeoff.RoleChallenger, 0.8460, 0.79), baselineRow(3))
	kept.Champion = version(17, "boosting")
	kept.Deciding = compared("forest", "boosting", "DeLong", -0.002, 0.004)
	kept.Leaderboard[1].Noise, kept.Detectable = true, 0.006

	tie := report(bakeoff.Kept, "no challenger is better than v17",
		defending(1, "boosting", 17, 0.8480), contender(2, "boosting", bakeoff.RoleChallenger, 0.8480, 0.79))
	tie.Champion = version(17, "boosting")
	tie.Deciding = &bakeoff.Comparison{Candidate: "boosting", With: "boosting", Role: bakeoff.RoleChampion, P: 1, Adjusted: 1}

	failed := report(bakeoff.Failed, "0 of 1 candidates that are needed were built",
		broken("forest", "exit code 1: \x1b[31mout of\r\n paper\x07"), broken("boosting", ""))
	failed.Champion, failed.Rows = version(17, "boosting"), nil

	unranked := defending(1, "boosting", 17, 0.8480)
	unranked.Rank, unranked.Metrics, unranked.Reason = nil, nil, "its rows cannot be compared: the key column has changed"
	incomparable := report(bakeoff.Kept, "the champion cannot be compared", unranked,
		contender(1, "forest", bakeoff.RoleChallenger, 0.8460, 0.79))
	incomparable.Champion = version(17, "boosting")

	hangul := report(bakeoff.Promoted, "부스팅이 v1보다 낫습니다",
		contender(1, "부스팅", bakeoff.RoleChallenger, 0.8512, 0.8), defending(2, "forest", 1, 0.84), broken("로지스틱", "시간 초과"))
	hangul.Champion, hangul.Previous = version(2, "부스팅"), version(1, "forest")

	rmse := report(bakeoff.Promoted, "ridge is ahead of v1", contender(1, "ridge", bakeoff.RoleChallenger, 0, 0), defending(2, "forest", 1, 0))
	rmse.Metric, rmse.Champion, rmse.Previous = "rmse", version(2, "ridge"), version(1, "forest")
	rmse.Deciding = compared("ridge", "forest", "skewness-corrected t", 76.6, 40)
	rmse.Detectable = 60
	for i, v := range []float64{4123.456, 4200.1} {
		rmse.Leaderboard[i].Metrics = map[string]float64{"rmse": v, "r2": 0.71}
		rmse.Leaderboard[i].Interval = map[string][2]float64{"rmse": {v - 100, v + 100}}
	}
	late := report(bakeoff.Kept, "no challenger is better than v17: the best, forest, has roc_auc 0.8460 against 0.8480",
		defending(1, "boosting", 17, 0.8480), contender(2, "forest", bakeoff.RoleChallenger, 0.8460, 0.79),
		broken("slow", "deadline passed at 2026-11-22T20:30:00Z"))
	late.Trigger, late.Tick, late.Deadline, late.Late = bakeoff.TriggerSchedule, night, night.Add(30*time.Minute), true
	late.Champion = version(17, "boosting")

	retry := late
	retry.Run, retry.RetryOf, retry.Trigger = "churn-20261122T210000123Z-ab12", late.Run, bakeoff.TriggerRetry
	retry.Tick, retry.Deadline, retry.Late, retry.Leaderboard = time.Time{}, time.Time{}, false, late.Leaderboard[:2]

	own := 0.8391
	searched := report(bakeoff.Promoted, "first champion: boosting has roc_auc 0.8512 and beats the baseline's 0.5000",
		contender(1, "boosting", bakeoff.RoleChallenger, 0.8512, 0.8012), contender(2, "forest", bakeoff.RoleChallenger, 0.8460, 0.79),
		contender(3, "logistic", bakeoff.RoleChallenger, 0.8312, 0.7912), baselineRow(4),
		broken("linear", "exit code 1: each of the 4 settings that were tried; the first: exit code 1: no"))
	searched.Champion = version(1, "boosting")
	searched.Leaderboard[0].Search = &bakeoff.Searched{
		Method: bakeoff.SearchRandom, Settings: 20, Tried: 20, Failed: 1, Folds: 3, Seconds: 12.3, Metric: "roc_auc", Best: 7, Own: &own,
		Params: []byte(`{"max_iter":200,"max_leaf_nodes":15,"learning_rate":0.0473}`), Score: 0.8437, Spread: 0.0081,
	}
	searched.Leaderboard[1].Search = &bakeoff.Searched{
		Method: bakeoff.SearchHalving, Settings: 40, Tried: 23, Folds: 5, Seconds: 61, Metric: "roc_auc", Best: 1, Own: &own, Params: []byte(`{}`),
		Score: own, Spread: 0.01, CutShort: true, Note: "the search may have rows of one household in two folds: the column is not among the features",
	}
	searched.Leaderboard[4].Search = &bakeoff.Searched{Method: bakeoff.SearchGrid, Settings: 4, Tried: 4, Failed: 4, Folds: 3, Seconds: 0.4, Metric: "roc_auc"}

	return map[string]bakeoff.Report{
		"late": late, "retry": retry, "searched": searched,
		"promoted": promoted, "first": first, "kept": kept, "tie": tie, "failed": failed,
		"incomparable": incomparable, "hangul": hangul, "rmse": rmse,
	}
}

func TestLeaderboard(t *testing.T) {
	for name, r := range reports() {
		for suffix, width := range map[string]int{"": 0, "-80": 80} {
			t.Run(name+suffix, func(t *testing.T) {
				var out bytes.Buffer
				writeLeaderboardIn(&out, r, width, false, seoul)
				checkGolden(t, "leaderboard-"+name+suffix, out.Bytes())
				checkPlain(t, out.String())
			})
		}
	}
}

func TestWhy(t *testing.T) {
	for name, r := range reports() {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			writeWhyIn(&out, r, seoul)
			checkGolden(t, "why-"+name, out.Bytes())
			checkPlain(t, out.String())
		})
	}
}

// history is what became of a week: runs, one of them late and one its retry, and ticks without a run.
func history() []past {
	all := reports()
	rs := []bakeoff.Report{all["failed"], all["retry"], all["late"], all["kept"], all["promoted"], all["first"], all["hangul"]}
	day := func(n int) time.Time { return night.Add(-time.Duration(n) * 24 * time.Hour) }
	for i := range rs {
		rs[i].Created = day(i)
	}
	skipped := bakeoff.Tick{Time: day(2).Add(time.Hour), Last: day(2).Add(time.Hour), Count: 1, State: bakeoff.TickSkipped, Reason: "run churn-20261120T200000Z was still open"}
	missed := bakeoff.Tick{Time: day(4).Add(time.Hour), Last: day(3).Add(-time.Hour), Count: 23, State: bakeoff.TickMissed, Reason: "nobody looked:\x07 the node was off"}
	return pastOf(rs, []bakeoff.Tick{skipped, {Time: day(2), Last: day(2), Count: 1, State: bakeoff.TickRun}, missed}, acts(), 100)
}

// acts are what persons did in that week, the newest first.
func acts() []bakeoff.Act {
	return []bakeoff.Act{
		{
			Model: "churn", Kind: bakeoff.ActPromote, Time: night.Add(-2 * time.Hour), By: "ann", Why: "the old one cannot be compared", Version: 18, Previous: 16,
			Run: "churn-20261122T200000Z", Candidate: "forest", Forced: true, Overruled: "no challenger passes the floors",
		},
		{Model: "churn", Kind: bakeoff.ActTimeout, Time: night.Add(-30 * time.Hour), By: bakeoff.ByTimeout, Why: "nobody decided about it within 8h: v16 stays", Version: 16, Run: "churn-20261121T200000Z", Candidate: "boosting"},
		{Model: "churn", Kind: bakeoff.ActRollback, Time: night.Add(-50 * time.Hour), By: "kim", Why: "odd\x1b[2Janswers", Version: 16, Previous: 17, Hold: true},
		{Model: "churn", Kind: bakeoff.ActPause, Time: night.Add(-51 * time.Hour), By: "kim"},
	}
}

func TestActs(t *testing.T) {
	var out bytes.Buffer
	writeActs(&out, acts(), seoul)
	checkGolden(t, "acts", out.Bytes())
	checkPlain(t, out.String())
}

func TestWhatBecameOfWhatWaited(t *testing.T) {
	p := &bakeoff.Pending{Run: "churn-20261121T200000Z", Candidate: "boosting", Champion: 16, Until: night, Then: bakeoff.LapseKeep}
	r := bakeoff.Report{Run: p.Run, Pipeline: "churn", Pending: p}
	for want, acts := range map[string][]bakeoff.Act{
		"Since then boosting was not promoted, at 2026-11-21 23:00 +09:00, nobody decided about it within 8h: v16 stays.": acts(),
		"Since then boosting was promoted as v17, at 2026-11-23 05:00 +09:00, by kim.":                                    {{Kind: bakeoff.ActApprove, Run: p.Run, Time: night, By: "kim", Version: 17, Previous: 16}},
		"boosting waits no longer: the champion was moved or held, or a later run took its place.":                        nil,
	} {
		if got := decidedInWords(r, acts, seoul); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	var out strings.Builder
	writePending(&out, "churn", p, seoul)
	if want := "waits for approval until 2026-11-23 05:00 +09:00, then v16 stays; `"; !strings.Contains(out.String(), want) {
		t.Errorf("%q lacks %q", out.String(), want)
	}
}

func TestHistory(t *testing.T) {
	for name, width := range map[string]int{"history": 0, "history-80": 80, "history-120": 120} {
		var out bytes.Buffer
		writeHistoryIn(&out, history(), width, false, seoul)
		checkGolden(t, name, out.Bytes())
		checkPlain(t, out.String())
		checkWidth(t, out.String(), width)
	}
}

// A limit holds for runs and ticks together, and keeps the newest of both.
func TestPastOf(t *testing.T) {
	rs := []bakeoff.Report{{Run: "b", Created: night}, {Run: "a", Created: night.Add(-2 * time.Hour)}}
	ticks := []bakeoff.Tick{{Time: night.Add(-3 * time.Hour), Last: night.Add(-time.Hour), State: bakeoff.TickMissed}}
	all := pastOf(rs, ticks, nil, 2)
	if len(all) != 2 || all[0].run == nil || all[0].run.Run != "b" || all[1].tick == nil {
		t.Errorf("%+v", all)
	}
	if all := pastOf(rs, ticks, nil, 0); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}

func models() ([]bakeoff.Version, []bakeoff.Alias) {
	var vs []bakeoff.Version
	for i, candidate := range []string{"forest", "boosting", "부스팅"} {
		vs = append(vs, bakeoff.Version{
			Model: "churn", Version: i + 1, Candidate: candidate, Artifact: bakeoff.DigestOf([]byte(candidate)), Bytes: 12_345,
			Created: night.Add(time.Duration(i) * 24 * time.Hour),
			Lineage: bakeoff.Lineage{Run: "churn-20261122T200000Z", Metrics: map[string]float64{"roc_auc": 0.84, "accuracy": 0.8}},
		})
	}
	vs[0].Released = night
	return vs, []bakeoff.Alias{
		{Model: "churn", Name: "previous", Version: 1},
		{Model: "churn", Name: "champion", Version: 2},
		{Model: "churn", Name: "audited", Version: 2},
		{Model: "sales", Name: "champion", Version: 3},
	}
}

func TestMovedInWords(t *testing.T) {
	for want, a := range map[string]bakeoff.Alias{
		"champion: v17 since 2026-11-23 05:00 +09:00, by churn-20261122T200000Z": {By: "churn-20261122T200000Z"},
		"champion: v17 since 2026-11-23 05:00 +09:00, by ann, a rollback: odd answers since two": {
			By: "ann", Rollback: true, Why: "odd answers\x1b[2J\nsince two",
		},
	} {
		a.Name, a.Version, a.Moved = "champion", 17, night
		if got := movedInWords(a, seoul); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestModels(t *testing.T) {
	vs, aliases := models()
	for name, width := range map[string]int{"models": 0, "models-80": 80} {
		var out bytes.Buffer
		writeModelsIn(&out, vs, aliases, width, false, seoul)
		checkGolden(t, name, out.Bytes())
		checkPlain(t, out.String())
		checkWidth(t, out.String(), width)
	}
}

// A run's ID is what the next command is given: it is whole on a terminal of any width, whatever its
// pipeline is called. Where there is room for it and what stands before it, no line is wider than that.
func TestRunIDsAreNeverCut(t *testing.T) {
	long := strings.Repeat("nightly-", 7) + "-20261122T210000123Z-ab12"
	past := history()
	past[0].run.Run = long
	vs, aliases := models()
	vs[0].Lineage.Run = long
	for width := range 200 {
		var lines, versions bytes.Buffer
		writeHistoryIn(&lines, past, width, false, seoul)
		writeModelsIn(&versions, vs, aliases, width, false, seoul)
		for _, text := range []string{lines.String(), versions.String()} {
			for _, id := range []string{"churn-20261122T200000Z", long} {
				if !strings.Contains(text, id) {
					t.Fatalf("at %d cells %s is cut:\n%s", width, id, text)
				}
			}
			if width >= ansi.StringWidth("2026-11-23 03:00 +09:00  "+long+"  promote, forced") {
				checkWidth(t, text, width)
			}
		}
	}
}

// Colour changes how a table looks, never what it says.
func TestColourOnlyAddsStyle(t *testing.T) {
	vs, aliases := models()
	for name, write := range map[string]func(w io.Writer, color bool){
		"leaderboard": func(w io.Writer, color bool) { writeLeaderboard(w, reports()["promoted"], 80, color) },
		"history":     func(w io.Writer, color bool) { writeHistory(w, history(), 80, color) },
		"models":      func(w io.Writer, color bool) { writeModels(w, vs, aliases, 80, color) },
	} {
		var plain, colored bytes.Buffer
		write(&plain, false)
		write(&colored, true)
		if !strings.Contains(colored.String(), "\x1b[") {
			t.Errorf("%s: no colour", name)
		}
		if diff := cmp.Diff(plain.String(), ansi.Strip(colored.String())); diff != "" {
			t.Errorf("%s (-plain +coloured):\n%s", name, diff)
		}
	}
}

func TestFormatBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_950: "1.0 MB",
		1_234_567: "1.2 MB", 5e9: "5.0 GB", 9e18: "9000000.0 TB",
	} {
		if got := formatBytes(n); got != want {
			t.Errorf("formatBytes(%d) = %q, want %q", n, got, want)
		}
	}
}

// checkPlain fails the test if out could move a cursor.
func checkPlain(t *testing.T, out string) {
	t.Helper()
	if i := strings.IndexFunc(out, func(r rune) bool { return r != '\n' && (r < ' ' || r == 0x7f) }); i >= 0 {
		t.Errorf("control character %q in the output", out[i])
	}
}

// checkWidth fails the test if a line of a table is wider than the terminal; notes below it wrap.
func checkWidth(t *testing.T, out string, width int) {
	t.Helper()
	for line := range strings.Lines(out) {
		if w := ansi.StringWidth(strings.TrimSuffix(line, "\n")); width > 0 && w > width && !strings.HasPrefix(line, "(") {
			t.Errorf("%d cells wide: %s", w, line)
		}
	}
}
