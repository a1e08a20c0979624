package notify_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/notify"
)

var update = flag.Bool("update", false, "write the golden files")

func ranked(rank int, candidate string, role bakeoff.Role, auc, seconds float64) bakeoff.LeaderboardRow {
	return bakeoff.LeaderboardRow{
		Rank: &rank, Candidate: candidate, Role: role, State: bakeoff.TrialBuilt,
		Seconds: seconds, Metrics: map[string]float64{"roc_auc": auc, "accuracy": 0.8},
	}
}

func failed(candidate, reason string) bakeoff.LeaderboardRow {
	return bakeoff.LeaderboardRow{Candidate: candidate, Role: bakeoff.RoleChallenger, State: bakeoff.TrialFailed, Reason: reason}
}

func notification(pipeline string, r bakeoff.Report) bakeoff.Notification {
	r.Run, r.Pipeline, r.Metric, r.Seconds = pipeline+"-20261123T200000Z", pipeline, "roc_auc", 2.14
	r.Rows = &bakeoff.Rows{Train: 5631, Holdout: 1400, SetAside: 12, MissingTarget: 11, SeenByChampion: 1}
	return bakeoff.Notification{ID: r.Run, Pipeline: pipeline, Report: r}
}

func live(candidate string, version int) *bakeoff.ChampionRef {
	return &bakeoff.ChampionRef{Model: "churn", Version: version, Candidate: candidate}
}

func champion(rank int, candidate string, version int, auc float64) bakeoff.LeaderboardRow {
	row := ranked(rank, candidate, bakeoff.RoleChampion, auc, 0)
	row.Version = version
	return row
}

// messages are the reports whose messages are in testdata.
func messages() map[string]bakeoff.Notification {
	baseline := ranked(4, bakeoff.BaselineName, bakeoff.RoleBaseline, 0.5, 0)
	var many, failures []bakeoff.LeaderboardRow
	for i := range 40 {
		many = append(many, ranked(i+1, fmt.Sprintf("boosting-%d", i+1), bakeoff.RoleChallenger, 0.85-float64(i)/1000, 12))
		failures = append(failures, failed(fmt.Sprintf("forest-%d", i+1), "out of memory: "+strings.Repeat("long ", 60)))
	}
	long := strings.Repeat("a_long-name", 6)[:63]
	return map[string]bakeoff.Notification{
		"promoted": notification("churn", bakeoff.Report{
			Verdict: bakeoff.Promoted, Reason: "boosting is ahead of v16 by 0.81 pt of roc_auc (0.8512 against 0.8431)",
			Champion: live("boosting", 17), Previous: live("forest", 16),
			Leaderboard: []bakeoff.LeaderboardRow{
				ranked(1, "boosting", bakeoff.RoleChallenger, 0.8512, 0.42),
				champion(2, "forest", 16, 0.8431), ranked(3, "logistic", bakeoff.RoleChallenger, 0.8312, 0.1), baseline,
			},
		}),
		"first": notification("churn", bakeoff.Report{
			Verdict: bakeoff.Promoted, Reason: "first champion: boosting has roc_auc 0.8512 and beats the baseline's 0.5000",
			Champion: live("boosting", 1),
			Leaderboard: []bakeoff.LeaderboardRow{
				ranked(1, "boosting", bakeoff.RoleChallenger, 0.8512, 0.42), baseline,
				failed("impatient", "time limit: stopped after 1ms"),
			},
		}),
		"kept": notification("churn", bakeoff.Report{
			Verdict: bakeoff.Kept, Reason: "no challenger is better than v16: the best, forest, has roc_auc 0.8460 against 0.8480",
			Champion: live("boosting", 16),
			Leaderboard: []bakeoff.LeaderboardRow{
				champion(1, "boosting", 16, 0.848),
				ranked(2, "forest", bakeoff.RoleChallenger, 0.846, 71.5), baseline,
			},
		}),
		"waits": notification("churn", bakeoff.Report{
			Verdict: bakeoff.Kept, Champion: live("forest", 16),
			Reason: "boosting waits for approval until 2026-11-24 20:00 UTC, then v16 stays: `bakeoff approve churn` or `bakeoff reject churn`; boosting is ahead of v16",
			Leaderboard: []bakeoff.LeaderboardRow{
				ranked(1, "boosting", bakeoff.RoleChallenger, 0.8512, 0.42), champion(2, "forest", 16, 0.8431), baseline,
			},
			Pending: &bakeoff.Pending{Run: "churn-20261123T200000Z", Candidate: "boosting", Champion: 16},
		}),
		"advice": notification("churn", bakeoff.Report{
			Verdict: bakeoff.Kept, Reason: "no challenger is better than v16", Champion: live("boosting", 16),
			Advice: []string{
				"slow has not been within noise of the best in any of the last 30 judged runs, and it takes 114.5 s a run: without it, smaller gains of the others are found",
				strings.Repeat("<!here> ", 100), "a third", "a fourth",
			},
			Leaderboard: []bakeoff.LeaderboardRow{champion(1, "boosting", 16, 0.848), baseline},
		}),
		"kept-none": notification("churn", bakeoff.Report{
			Verdict: bakeoff.Kept, Reason: "no challenger reaches the floor of roc_auc 0.9",
			Leaderboard: []bakeoff.LeaderboardRow{ranked(1, "forest", bakeoff.RoleChallenger, 0.846, 3), baseline},
		}),
		"failed": notification("churn", bakeoff.Report{
			Verdict: bakeoff.Failed, Reason: "1 of 2 candidates needed was built; the first to fail was broken: exit code 1: <!channel> *help* `x`",
			Champion: live("boosting", 16),
			Leaderboard: []bakeoff.LeaderboardRow{
				failed("broken", "exit code 1: <!channel> & <@U123> *bold* ```\n:fire: <https://evil.example|click>"),
				failed("<!here>", "signal: killed"),
			},
		}),
		"failed-data": {ID: "churn-1", Pipeline: "churn", Report: bakeoff.Report{
			Run: "churn-1", Pipeline: "churn",
			Verdict: bakeoff.Failed, Reason: "telco.csv: row 17 has 20 fields, 21 are wanted",
		}},
		"late": notification("churn", bakeoff.Report{
			Verdict: bakeoff.Promoted, Reason: "boosting is ahead", Champion: live("boosting", 17), Late: true,
			Tick: time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC),
		}),
		"missed": {ID: "churn-missed-1", Pipeline: "churn", Ticks: &bakeoff.Tick{
			Pipeline: "churn", Time: time.Date(2026, 11, 20, 20, 0, 0, 0, time.UTC), Last: time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC),
			Count: 3, State: bakeoff.TickMissed, Reason: "no node was up; only the latest is made up for <!here>",
		}},
		"skipped": {ID: "churn-skipped-1", Pipeline: "churn", Ticks: &bakeoff.Tick{
			Pipeline: "churn", Time: time.Date(2026, 11, 22, 5, 0, 30, 0, time.FixedZone("KST", 9*3600)), Last: time.Date(2026, 11, 22, 5, 0, 30, 0, time.UTC),
			Count: 1, State: bakeoff.TickSkipped, Reason: "the run churn-20261122T200000Z was still open",
		}},
		"rollback": {ID: "churn-v16-20261122T200000123456Z", Pipeline: "churn", Move: &bakeoff.Move{
			Champion: *live("forest", 16), Previous: live("boosting", 17), Rollback: true, Hold: true,
			By: "kim", Why: "odd scores since noon <!channel>", Run: "churn-20261121T200000Z",
		}},
		"by-hand": {ID: "churn-v18-20261122T200000123456Z", Pipeline: "churn", Move: &bakeoff.Move{
			Champion: *live("forest", 18), Previous: live("boosting", 17), By: "deploy-bot", Why: "promoted by hand", Run: "churn-20261122T200000Z",
		}},
		"by-hand-first": {ID: "churn-v1-20261122T200000123456Z", Pipeline: "churn", Move: &bakeoff.Move{
			Champion: *live("forest", 1), Hold: true, By: "kim", Run: "churn-20261122T200000Z",
		}},
		"long-names": notification(long, bakeoff.Report{
			Verdict: bakeoff.Promoted, Reason: strings.Repeat("because ", 1000),
			Champion: live(long, 1234567), Previous: live(long, 1234566),
			Leaderboard: []bakeoff.LeaderboardRow{ranked(1, long, bakeoff.RoleChallenger, 0.85, 7200), champion(2, long, 1234566, 0.84)},
		}),
		"forty": notification("churn", bakeoff.Report{
			Verdict: bakeoff.Promoted, Reason: "boosting-1 is ahead", Champion: live("boosting-1", 2), Previous: live("forest", 1),
			Leaderboard: append(many, failures...),
		}),
		"hangul": notification("이탈", bakeoff.Report{
			Verdict: bakeoff.Promoted, Reason: "그래디언트 부스팅이 v1보다 낫습니다",
			Champion: live("부스팅", 2), Previous: live("forest", 1),
			Leaderboard: []bakeoff.LeaderboardRow{
				ranked(1, "부스팅", bakeoff.RoleChallenger, 0.8512, 0.42),
				champion(2, "forest", 1, 0.8431), failed("로지스틱", "exit code 1: 메모리가 부족합니다"),
			},
		}),
	}
}

func TestMessage(t *testing.T) {
	for name, n := range messages() {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			enc := json.NewEncoder(&got)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			if err := enc.Encode(notify.Message(n)); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name+".golden.json")
			if *update {
				if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			checkLimits(t, n)
		})
	}
}

func TestFirstLineOfAPromotion(t *testing.T) {
	n := messages()["promoted"]
	text, _, _ := strings.Cut(notify.Message(n).Text, "\n")
	if want := "boosting is deployed (churn v17)"; text != want || header(t, n) != want {
		t.Errorf("text %q, header %q, want %q", text, header(t, n), want)
	}
}

func TestLeaderboardIsAligned(t *testing.T) {
	for _, name := range []string{"promoted", "hangul", "long-names"} {
		var board string
		for _, b := range parse(t, messages()[name]).Blocks {
			if strings.HasPrefix(b.Text.Text, "```") {
				board = strings.Trim(b.Text.Text, "`\n")
			}
		}
		lines := strings.Split(board, "\n")
		for _, line := range lines {
			if ansi.StringWidth(line) != ansi.StringWidth(lines[0]) {
				t.Errorf("%s: not aligned:\n%s", name, board)
				break
			}
		}
	}
}

// block is a message's block as Slack reads it.
type block struct {
	Type     string
	Text     struct{ Type, Text string }
	Elements []struct{ Type, Text string }
}

type parsed struct {
	Text   string
	Blocks []block
}

func parse(t *testing.T, n bakeoff.Notification) parsed {
	t.Helper()
	body, err := json.Marshal(notify.Message(n))
	if err != nil {
		t.Fatal(err)
	}
	var m parsed
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, body)
	}
	return m
}

func header(t *testing.T, n bakeoff.Notification) string {
	t.Helper()
	return parse(t, n).Blocks[0].Text.Text
}

// checkLimits fails the test if Slack would refuse the message or read a command in it.
func checkLimits(t *testing.T, n bakeoff.Notification) {
	t.Helper()
	m := parse(t, n)
	total := 0
	check := func(what, text string, limit int) {
		n := len(utf16.Encode([]rune(text)))
		if total += n; n > limit || n == 0 {
			t.Errorf("%s has %d characters, of 1 to %d", what, n, limit)
		}
		plain := strings.NewReplacer("&amp;", "", "&lt;", "", "&gt;", "").Replace(text)
		if i := strings.IndexAny(plain, "&<>"); i >= 0 {
			t.Errorf("%s is not escaped: %q", what, text)
		}
	}
	check("text", m.Text, 4000)
	if len(m.Blocks) > 50 || m.Blocks[0].Type != "header" {
		t.Errorf("%d blocks, the first a %s", len(m.Blocks), m.Blocks[0].Type)
	}
	check("header", m.Blocks[0].Text.Text, 150)
	for _, b := range m.Blocks[1:] {
		for _, e := range b.Elements {
			check("context", e.Text, 2000)
		}
		if b.Type != "section" {
			continue
		}
		check("section", b.Text.Text, 3000)
		if code := b.Text.Type == "mrkdwn"; code && (strings.Count(b.Text.Text, "`") != 6 || !strings.HasSuffix(b.Text.Text, "\n```")) {
			t.Errorf("formatted text outside a code block: %q", b.Text.Text)
		}
	}
	if total > 13000 {
		t.Errorf("%d characters in all", total)
	}
}

func FuzzMessage(f *testing.F) {
	f.Add("churn", "boosting", "exit code 1: x", "roc_auc", 0.85, 17, uint8(3), uint8(1))
	f.Add("<!channel>", "`````````", "\x00\u202e\xff&&&&<>", "", math.NaN(), -1, uint8(200), uint8(0))
	f.Add(strings.Repeat("&", 300), strings.Repeat("😀", 300), strings.Repeat("<", 5000), strings.Repeat("ß", 99), 1e308, 1<<62, uint8(90), uint8(2))
	f.Add("한글", strings.Repeat("\u0301", 500), strings.Repeat("\n", 500), "rmse", -1e-300, 0, uint8(6), uint8(1))
	f.Fuzz(func(t *testing.T, pipeline, candidate, reason, metric string, v float64, number int, rows, verdict uint8) {
		r := bakeoff.Report{
			Verdict: []bakeoff.Verdict{bakeoff.Promoted, bakeoff.Kept, bakeoff.Failed}[verdict%3],
			Reason:  reason, Advice: []string{reason, candidate, reason, reason}, Metric: metric, Seconds: v, Champion: live(candidate, number), Previous: live(candidate, number),
			Rows: &bakeoff.Rows{Train: number, Holdout: number, SetAside: number, MissingTarget: number, SeenByChampion: number},
		}
		for i := range int(rows) {
			roles := []bakeoff.Role{bakeoff.RoleChallenger, bakeoff.RoleChampion, bakeoff.RoleBaseline}
			row := bakeoff.LeaderboardRow{Candidate: candidate, Role: roles[i%3], State: bakeoff.TrialFailed, Version: number, Reason: reason, Seconds: v}
			if i%2 == 0 {
				row.Rank, row.State, row.Metrics = &number, bakeoff.TrialBuilt, map[string]float64{metric: v}
			}
			r.Leaderboard = append(r.Leaderboard, row)
		}
		checkLimits(t, bakeoff.Notification{ID: pipeline, Pipeline: pipeline, Report: r})
		checkLimits(t, bakeoff.Notification{ID: pipeline, Pipeline: pipeline, Move: &bakeoff.Move{
			Champion: *live(candidate, number), Previous: live(candidate, number), Rollback: rows%2 == 0, Hold: verdict%2 == 0,
			By: metric, Why: reason, Run: pipeline,
		}})
		checkLimits(t, bakeoff.Notification{ID: pipeline, Pipeline: pipeline, Ticks: &bakeoff.Tick{
			Count: number, State: bakeoff.TickState(metric), Reason: reason, Time: time.Unix(int64(number)>>8, 0),
		}})
	})
}
