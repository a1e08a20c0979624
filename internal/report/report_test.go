package report_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/report"
	"github.com/bakeoffhq/bakeoff/internal/score"
)

var update = flag.Bool("update", false, "write golden files anew")

var moment = time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC)

func rank(n int) *int { return &n }

// binary is a night on which the champion stays: it and two challengers, one of which failed.
func binary() report.Page {
	against := &bakeoff.Comparison{
		Candidate: "forest", With: "boosting", Role: bakeoff.RoleChampion, Test: "DeLong", Gain: 0.004, Interval: [2]float64{-0.002, 0.01},
		P: 0.08, Adjusted: 0.16, Detectable: 0.009, Needed: 0.006,
	}
	p := report.Page{
		Report: bakeoff.Report{
			Run: "churn-20261123T200000Z", Pipeline: "churn", Trigger: bakeoff.TriggerSchedule, Verdict: bakeoff.Kept,
			Reason: "cannot tell forest from v16: it is ahead by 0.4 pt", Metric: "roc_auc", Created: moment, Tick: moment,
			Ended: moment.Add(2 * time.Minute), Seconds: 120, Revision: "sha256:aa", Snapshot: "sha256:bb", Confidence: 0.95,
			Rows:     &bakeoff.Rows{Train: 5600, Holdout: 40, SetAside: 3, MissingTarget: 1, SeenByChampion: 2},
			Notes:    []string{"column region is constant"},
			Champion: &bakeoff.ChampionRef{Model: "churn", Version: 16, Candidate: "boosting", Artifact: "sha256:c1"},
			Deciding: against, Detectable: 0.009, Program: "1.1.0", Advice: []string{"the holdout is too small for a gain of 0.5 pt"},
			Pending: &bakeoff.Pending{Candidate: "forest", Champion: 16, Until: moment.Add(24 * time.Hour), Then: bakeoff.LapseKeep},
			Slices: []bakeoff.SliceTable{{Column: "contract", Slices: []bakeoff.Slice{
				{
					Kind: bakeoff.SliceValue, Value: "Two year", Rows: 30, Against: against, Worse: true,
					Scores: []bakeoff.SliceScore{{Candidate: "forest", Role: bakeoff.RoleChallenger, Value: 0.85, Interval: &[2]float64{0.8, 0.9}}},
				},
				{Kind: bakeoff.SliceOther, Values: 7, Rows: 6, TooSmall: "it has fewer than 20 rows"},
				{Kind: bakeoff.SliceMissing, Rows: 4, TooSmall: "all labels are of one class"},
			}}},
			Leaderboard: []bakeoff.LeaderboardRow{
				{
					Rank: rank(1), Candidate: "forest", Role: bakeoff.RoleChallenger, State: bakeoff.TrialBuilt, Artifact: "sha256:f1", Bytes: 1_300_000, Seconds: 4.2,
					Metrics: map[string]float64{"roc_auc": 0.854, "accuracy": 0.8}, Interval: map[string][2]float64{"roc_auc": {0.83, 0.87}}, Against: against, Unseen: 3, Stopped: "p95 is 21 ms, at most 20 ms are allowed",
					Speed: &bakeoff.Speed{P50: 0.0000041, P95: 0.021, RowsTimed: 500, RowsPerSecond: 1_234_567, Memory: 4_200_000},
				},
				{
					Rank: rank(2), Candidate: "boosting", Role: bakeoff.RoleChampion, State: bakeoff.TrialBuilt, Version: 16, Artifact: "sha256:c1", Bytes: 65_500,
					Metrics: map[string]float64{"roc_auc": 0.85, "accuracy": 0.81}, Interval: map[string][2]float64{"roc_auc": {0.826, 0.868}},
				},
				{Rank: rank(3), Candidate: "baseline", Role: bakeoff.RoleBaseline, State: bakeoff.TrialBuilt, Metrics: map[string]float64{"roc_auc": 0.5}},
				{Candidate: "hurried", Role: bakeoff.RoleChallenger, State: bakeoff.TrialFailed, Reason: "time limit: 1ms passed"},
			},
		},
		Task: bakeoff.Binary, Target: "churn",
		Importance: []report.Importance{
			{Candidate: "forest", Role: bakeoff.RoleChallenger, Rows: 40, Columns: []score.Importance{{Column: "tenure", Loss: 0.19, Deviation: 0.01}, {Column: "gender", Loss: -0.001, Deviation: 0.002}}},
			{Candidate: "boosting", Role: bakeoff.RoleChampion, Version: 16, Unmeasured: "its artifact is not kept any more"},
		},
		Cards: []report.Described{
			{Candidate: "forest", Role: bakeoff.RoleChallenger, Card: cardOf(0.4)},
			{Candidate: "boosting", Role: bakeoff.RoleChampion, Version: 16, Card: cardOf(0.3)},
		},
		Origin: report.Origin{Seed: 7, Split: bakeoff.Split{Holdout: 0.2, By: bakeoff.SplitByHash, Seed: 7}, Program: "1.2.0"},
	}
	r := rand.New(rand.NewPCG(1, 2))
	p.Labels.Classes = []string{"No", "Yes"}
	forest, boosting := &bakeoff.Predictions{Classes: p.Labels.Classes}, &bakeoff.Predictions{Classes: p.Labels.Classes}
	for range 40 {
		code := int32(r.IntN(2))
		p.Labels.Codes = append(p.Labels.Codes, code)
		for _, answers := range []*bakeoff.Predictions{forest, boosting} {
			yes := math.Round(100*(0.3*r.Float64()+0.5*r.Float64()*float64(code)+0.1)) / 100
			answers.Probabilities = append(answers.Probabilities, 1-yes, yes)
		}
	}
	p.Contestants = []report.Contestant{
		{Candidate: "forest", Role: bakeoff.RoleChallenger, Predictions: forest},
		{Candidate: "hurried", Role: bakeoff.RoleChallenger},
		{Candidate: "boosting", Role: bakeoff.RoleChampion, Version: 16, Predictions: boosting},
	}
	return p
}

// regression is the first night of a number.
func regression() report.Page {
	p := binary()
	p.Report.Verdict, p.Report.Metric, p.Report.Deciding, p.Report.Slices = bakeoff.Promoted, "rmse", nil, nil
	p.Report.Champion = &bakeoff.ChampionRef{Model: "price", Version: 1, Candidate: "forest"}
	p.Report.Leaderboard = p.Report.Leaderboard[:1]
	row := &p.Report.Leaderboard[0]
	row.Metrics, row.Interval, row.Against = map[string]float64{"rmse": 47_586.04}, map[string][2]float64{"rmse": {45_000, 50_000}}, nil
	p.Task, p.Labels, p.Contestants = bakeoff.Regression, bakeoff.Labels{}, p.Contestants[:1]
	answers := &bakeoff.Predictions{}
	r := rand.New(rand.NewPCG(3, 4))
	for range 40 {
		y := math.Round(500_000 * r.Float64())
		p.Labels.Values = append(p.Labels.Values, y)
		answers.Values = append(answers.Values, math.Round(y+50_000*r.NormFloat64()))
	}
	p.Contestants[0].Predictions = answers
	p.Importance = nil
	return p
}

// multiclass is a night with twelve classes, of which one has no row.
func multiclass() report.Page {
	p := binary()
	p.Origin.Split.Rotate, p.Origin.Split.Period = 28*24*time.Hour, 742
	p.Task, p.Labels = bakeoff.Multiclass, bakeoff.Labels{Classes: strings.Split("a b c d e f g h i j k l", " ")}
	r := rand.New(rand.NewPCG(5, 6))
	answers := &bakeoff.Predictions{Classes: p.Labels.Classes}
	for range 60 {
		code := int32(r.IntN(11))
		p.Labels.Codes = append(p.Labels.Codes, code)
		row := make([]float64, 12)
		for i := range row {
			row[i] = 0.05
		}
		row[(int(code)+r.IntN(2))%12] = 0.45
		answers.Probabilities = append(answers.Probabilities, row...)
	}
	p.Labels.Codes[0] = -1 // of a class that training had not seen
	p.Contestants = []report.Contestant{{Candidate: "forest", Role: bakeoff.RoleChallenger, Predictions: answers}}
	return p
}

// undecided is a run of which there is nothing but the verdict.
func undecided() report.Page {
	return report.Page{Report: bakeoff.Report{
		Run: "churn-20261123T200000000Z-0a1b", Pipeline: "churn", Trigger: bakeoff.TriggerPerson, Verdict: bakeoff.Failed, Created: moment,
		Reason: "no snapshot: there is no file churn.csv", Leaderboard: []bakeoff.LeaderboardRow{},
	}, Unanswered: "there are no curves: nobody was judged"}
}

func pages() map[string]report.Page {
	return map[string]report.Page{"binary": binary(), "regression": regression(), "multiclass": multiclass(), "undecided": undecided()}
}

func TestGolden(t *testing.T) {
	for name, p := range pages() {
		t.Run(name, func(t *testing.T) {
			got := lines(write(t, p))
			file := filepath.Join("testdata", name+".golden.html")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want +got; `go test ./internal/report -update` writes it:\n%s", diff)
			}
			if again := lines(write(t, p)); again != got {
				t.Error("the same page gives other bytes")
			}
		})
	}
}

var (
	styleElement = regexp.MustCompile(`(?s)<style>(.*)</style>`)
	styleDigest  = regexp.MustCompile(`sha256-[A-Za-z0-9+/]{43}=`)
)

// lines is a page in which a difference is seen, without its style.
func lines(html string) string {
	html = styleDigest.ReplaceAllString(styleElement.ReplaceAllString(html, ""), "sha256-…")
	return strings.ReplaceAll(html, "><", ">\n<") + "\n"
}

func write(t *testing.T, p report.Page) string {
	t.Helper()
	var b strings.Builder
	if err := report.Write(t.Context(), &b, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestNeedsNothingElse looks for whatever a browser would load or run.
func TestNeedsNothingElse(t *testing.T) {
	for name, p := range pages() {
		html := write(t, p)
		if bad := regexp.MustCompile(`(?i)<(script|link|img|iframe|object|embed|form|base)\b|\bon\w+=|style="|\bsrc=|https?://|url\(|@import`).FindString(html); bad != "" {
			t.Errorf("%s: the page has %q", name, bad)
		}
		if policy := report.Policy(); !strings.Contains(policy, "default-src 'none'; style-src 'sha256-") || strings.Contains(policy, "unsafe") {
			t.Errorf("the policy is %s", policy)
		}
		sum := sha256.Sum256([]byte(styleElement.FindStringSubmatch(html)[1]))
		if own := "sha256-" + base64.StdEncoding.EncodeToString(sum[:]); strings.Count(html, own) != 1 || !strings.Contains(report.Policy(), own) {
			t.Errorf("%s: a browser would not take the style, whose digest is %s", name, own)
		}
		checkWellFormed(t, html)
	}
}

// checkWellFormed reads the page as XML: elements that stay open, and ids that occur twice, are errors.
func checkWellFormed(t *testing.T, html string) {
	t.Helper()
	html = strings.Replace(styleElement.ReplaceAllString(html, ""), "<!doctype html>", "", 1)
	if bad := regexp.MustCompile(`[="\s,](NaN|[+-]?Inf)\b`).FindString(html); bad != "" {
		t.Errorf("the page has %q", bad)
	}
	html = regexp.MustCompile(`<meta[^>]*>`).ReplaceAllString(html, "")
	ids := map[string]bool{}
	d := xml.NewDecoder(strings.NewReader(html))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%v", err)
		}
		if start, ok := token.(xml.StartElement); ok {
			for _, a := range start.Attr {
				if a.Name.Local == "id" {
					if ids[a.Value] {
						t.Errorf("the id %s occurs twice", a.Value)
					}
					ids[a.Value] = true
				}
			}
		}
	}
}

// TestTextIsEscaped has every name on the page try to become markup.
func TestTextIsEscaped(t *testing.T) {
	const evil = `"><script>alert(1)</script>&'` + "\x1b[2J\u202e"
	p := binary()
	r := &p.Report
	r.Run, r.Pipeline, r.Reason, r.Notes, p.Target, p.Origin.Program = evil, evil, evil, []string{evil}, evil, evil
	r.Champion.Candidate, r.Deciding.Candidate, r.Deciding.With, r.Deciding.Test = evil, evil, evil, evil
	p.Labels.Classes = []string{evil + "0", evil + "1"}
	for i := range r.Leaderboard {
		r.Leaderboard[i].Candidate, r.Leaderboard[i].Reason = evil, evil
	}
	for i := range p.Contestants {
		p.Contestants[i].Candidate = evil
		if a := p.Contestants[i].Predictions; a != nil {
			a.Classes = p.Labels.Classes
		}
	}
	for i := range p.Cards {
		p.Cards[i].Candidate = evil
		p.Cards[i].Card.Classes[1].Name = evil
		p.Cards[i].Card.Dependence[0].Column = evil
		category := evil
		p.Cards[i].Card.Dependence[1].Points[0].Category = &category
	}
	for i := range p.Importance {
		p.Importance[i].Candidate, p.Importance[i].Unmeasured = evil, evil
		for j := range p.Importance[i].Columns {
			p.Importance[i].Columns[j].Column = evil
		}
	}
	html := write(t, p)
	if strings.Contains(html, "<script") || strings.Contains(html, "\x1b") || strings.Contains(html, "\u202e") {
		t.Error("text became markup, or moves the writing")
	}
	if !strings.Contains(html, "&lt;script&gt;") {
		t.Error("the text is not there at all")
	}
	checkWellFormed(t, html)
}

// TestAnyAnswers gives a page answers and numbers that no judge would hand out.
func TestAnyAnswers(t *testing.T) {
	odd := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, 1, -1, 1e308, -1e308, 0.5}
	for seed := range uint64(15) {
		r := rand.New(rand.NewPCG(seed, 9))
		number := func() float64 {
			if r.IntN(2) == 0 {
				return r.Float64()
			}
			return odd[r.IntN(len(odd))]
		}
		for _, p := range pages() {
			for _, k := range p.Contestants {
				if k.Predictions == nil {
					continue
				}
				for i := range k.Predictions.Probabilities {
					k.Predictions.Probabilities[i] = number()
				}
				for i := range k.Predictions.Values {
					k.Predictions.Values[i] = number()
				}
			}
			for i := range p.Report.Leaderboard {
				row := &p.Report.Leaderboard[i]
				for name := range row.Metrics {
					row.Metrics[name] = number()
				}
				for name := range row.Interval {
					row.Interval[name] = [2]float64{number(), number()}
				}
			}
			if d := p.Report.Deciding; d != nil {
				d.Gain, d.Interval, d.Needed, d.Detectable, d.P = number(), [2]float64{number(), number()}, number(), number(), number()
			}
			if r.IntN(3) == 0 && len(p.Labels.Codes) > 0 {
				for i := range p.Labels.Codes {
					p.Labels.Codes[i] = int32(r.IntN(2)) - 1
				}
			}
			checkDrawn(t, write(t, p))
		}
	}
}

var attribute = regexp.MustCompile(`\s(x|y|x1|x2|y1|y2|r|cx|cy|width|height|points|viewBox|d|fill-opacity)="([^"]*)"`)

// checkDrawn looks for what is no number where a drawing needs one; texts may say NaN.
func checkDrawn(t *testing.T, html string) {
	t.Helper()
	for _, m := range attribute.FindAllStringSubmatch(html, -1) {
		if strings.Contains(m[2], "NaN") || strings.Contains(m[2], "Inf") || m[2] == "" {
			t.Fatalf("there is %s", m[0])
		}
	}
}

func TestWriteEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := report.Write(ctx, io.Discard, binary()); !errors.Is(err, context.Canceled) {
		t.Errorf("after its end: %v", err)
	}
}

// cardOf returns a card with a curve over a number and one over a category.
func cardOf(at float64) bakeoff.Card {
	low, high, fiber := 1.0, 72.0, "Fiber optic"
	return bakeoff.Card{
		Task: bakeoff.Binary, DependenceSample: 200, Classes: []bakeoff.ClassCount{{Name: "No", Rows: 30}, {Name: "Yes", Rows: 10}},
		Dependence: []bakeoff.Dependence{
			{Column: "tenure", Kind: bakeoff.KindInteger, Points: []bakeoff.DependencePoint{{Number: &low, Answer: []float64{1 - at, at}}, {Number: &high, Answer: []float64{0.9, 0.1}}}},
			{Column: "internet", Kind: bakeoff.KindCategory, Points: []bakeoff.DependencePoint{{Category: &fiber, Answer: []float64{1 - at, at}}}},
		},
	}
}
