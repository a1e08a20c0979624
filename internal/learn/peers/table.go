package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// ratio returns the ratio of the medians, ours over theirs, and the least and the most of the ratios
// of a round.
func (c comparison) ratio() (of, least, most float64) {
	least, most = math.Inf(1), math.Inf(-1)
	for i, v := range c.Ours.Values {
		r := v / c.Theirs.Values[i]
		least, most = min(least, r), max(most, r)
	}
	return median(c.Ours.Values) / median(c.Theirs.Values), least, most
}

// better returns by how much our score is the better one: a difference, or for rmse a share of theirs.
func (c comparison) better() float64 {
	ours, theirs := median(c.Ours.Score), median(c.Theirs.Score)
	if c.Measure == "rmse" {
		return 1 - ours/theirs
	}
	return ours - theirs
}

func (c comparison) betterText() string {
	if c.Measure == "rmse" {
		return fmt.Sprintf("%+.2f %%", 100*c.better())
	}
	return fmt.Sprintf("%+.4f", c.better())
}

// write prints the tables, or all that they are made of as JSON.
func (b *bench) write(w io.Writer) error {
	if b.json {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(map[string]any{
			"versions": b.versions, "rounds": b.rounds, "threads": b.threads, "others": b.others, "comparisons": b.all, "scaling": b.scaled,
		})
	}
	fmt.Fprintf(w, "%s; threads: %d; medians of %d rounds, each side in turn; other programs used %.0f %% of the machine meanwhile.\n",
		b.versionText(), b.threads, b.rounds, 100*b.others)
	if b.others > quietShare {
		fmt.Fprintln(w, "\nThat is not a quiet machine: times passed say little; `-cpu -threads 1` says more.")
	}
	of := func(table string) []comparison {
		return slices.DeleteFunc(slices.Clone(b.all), func(c comparison) bool { return c.Table != table })
	}
	writeFits(w, of("fits"))
	writeSummary(w, of("fits"))
	writeNights(w, of("night"))
	writeScoring(w, of("scoring"))
	writeScaling(w, b.scaled, b.unit())
	return nil
}

func (b *bench) versionText() string {
	text := []string{runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH}
	for _, name := range slices.Sorted(maps.Keys(b.versions)) {
		text = append(text, name+" "+b.versions[name])
	}
	return strings.Join(text, ", ")
}

// rounded returns a number with three digits that count.
func rounded(v float64) string {
	if v == 0 || math.IsNaN(v) {
		return "-"
	}
	digits := max(0, 2-int(math.Floor(math.Log10(math.Abs(v)))))
	return strconv.FormatFloat(v, 'f', digits, 64)
}

// heading begins a table.
func heading(w io.Writer, columns ...string) {
	fmt.Fprintf(w, "\n| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
}

func line(w io.Writer, cells ...string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }

// failedLine writes why a comparison has no numbers.
func failedLine(w io.Writer, c comparison) {
	line(w, c.Data, c.Learner, c.Peer, "failed: "+strings.ReplaceAll(c.Failed, "|", "/"))
}

// ratioCells are the ratio and, of its rounds, the least and the most.
func ratioCells(c comparison) []string {
	of, least, most := c.ratio()
	return []string{rounded(of), rounded(least) + " to " + rounded(most)}
}

func writeFits(w io.Writer, lines []comparison) {
	if len(lines) == 0 {
		return
	}
	what := lines[0].What
	heading(w, "data", "learner", "peer", "ours: "+what, "theirs", "ratio", "of a round", "ours: MB", "theirs", "measure", "ours", "theirs", "better by")
	for _, c := range lines {
		if c.Failed != "" {
			failedLine(w, c)
			continue
		}
		cells := []string{c.Data, c.Learner, c.Peer, rounded(median(c.Ours.Values)), rounded(median(c.Theirs.Values))}
		cells = append(cells, ratioCells(c)...)
		cells = append(cells, rounded(median(c.Ours.PeakMB)), rounded(median(c.Theirs.PeakMB)), c.Measure)
		line(w, append(cells, score(c, c.Ours), score(c, c.Theirs), c.betterText())...)
	}
}

func score(c comparison, s side) string {
	if c.Measure == "rmse" {
		return fmt.Sprintf("%.5g", median(s.Score))
	}
	return fmt.Sprintf("%.4f", median(s.Score))
}

// writeSummary holds each pair over all data sets beside its goal.
func writeSummary(w io.Writer, lines []comparison) {
	type key struct{ learner, peer, measure string }
	var order []key
	of := map[key][]comparison{}
	for _, c := range lines {
		if c.Failed != "" {
			continue
		}
		k := key{c.Learner, c.Peer, c.Measure}
		if of[k] == nil {
			order = append(order, k)
		}
		of[k] = append(of[k], c)
	}
	if len(order) == 0 {
		return
	}
	heading(w, "learner", "peer", "sets", "ratio, geometric mean", "worst", "goal", "measure", "better by, mean", "worst")
	for _, k := range order {
		line(w, summary(k.learner, k.peer, of[k])...)
	}
}

// summary is one line of it: comparisons of one learner, one peer and one measure.
func summary(learner, peer string, of []comparison) []string {
	logs, total := 0.0, 0.0
	slowest, poorest := of[0], of[0]
	for _, c := range of {
		r, _, _ := c.ratio()
		logs, total = logs+math.Log(r), total+c.better()
		if worst, _, _ := slowest.ratio(); r > worst {
			slowest = c
		}
		if c.better() < poorest.better() {
			poorest = c
		}
	}
	n := float64(len(of))
	goal := "-"
	if of[0].goal > 0 {
		goal = fmt.Sprintf("at most %g", of[0].goal)
	}
	mean := fmt.Sprintf("%+.4f", total/n)
	if of[0].Measure == "rmse" {
		mean = fmt.Sprintf("%+.2f %%", 100*total/n)
	}
	worst, _, _ := slowest.ratio()
	return []string{
		learner, peer, strconv.Itoa(len(of)), rounded(math.Exp(logs / n)), rounded(worst) + " (" + slowest.Data + ")", goal,
		of[0].Measure, mean, fmt.Sprintf("%s (%s)", poorest.betterText(), poorest.Data),
	}
}

func writeNights(w io.Writer, lines []comparison) {
	if len(lines) == 0 {
		return
	}
	heading(w, "data", "ours: "+lines[0].What, "theirs", "ratio", "of a round", "largest process: ours, MB", "theirs", "champion's", "ours", "theirs")
	for _, c := range lines {
		if c.Failed != "" {
			failedLine(w, c)
			continue
		}
		cells := append([]string{c.Data, rounded(median(c.Ours.Values)), rounded(median(c.Theirs.Values))}, ratioCells(c)...)
		line(w, append(cells, rounded(median(c.Ours.PeakMB)), rounded(median(c.Theirs.PeakMB)), c.Measure, score(c, c.Ours), score(c, c.Theirs))...)
	}
}

func writeScoring(w io.Writer, lines []comparison) {
	if len(lines) == 0 {
		return
	}
	heading(w, "data", "learner", "peer", "what", "ours", "theirs", "ratio", "of a round")
	for _, c := range lines {
		if c.Failed != "" {
			failedLine(w, c)
			continue
		}
		line(w, append([]string{c.Data, c.Learner, c.Peer, c.What, rounded(median(c.Ours.Values)), rounded(median(c.Theirs.Values))}, ratioCells(c)...)...)
	}
}

func writeScaling(w io.Writer, all []scaling, unit string) {
	if len(all) == 0 {
		return
	}
	heading(w, "learner", "along", "size", "fit, "+unit, "grows as size to the power of", "MB")
	for _, s := range all {
		for i, size := range s.Sizes {
			power := "-"
			if i > 0 {
				power = fmt.Sprintf("%.2f", s.exponent(i))
			}
			line(w, s.Learner, s.Along, strconv.Itoa(size), rounded(s.Seconds[i]), power, rounded(s.PeakMB[i]))
		}
	}
}
