package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// comparison is one line of a table: the same work by both sides.
type comparison struct {
	Table   string `json:"table"`
	Data    string `json:"data"`
	Learner string `json:"learner,omitempty"`
	Peer    string `json:"peer,omitempty"`
	What    string `json:"what"` // was measured, with its unit
	Ours    side   `json:"ours"`
	Theirs  side   `json:"theirs"`
	Measure string `json:"measure,omitempty"` // of the scores
	Failed  string `json:"failed,omitempty"`  // why there are no numbers
	goal    float64
}

// side is what one side took, round by round.
type side struct {
	Values []float64 `json:"values,omitempty"`
	PeakMB []float64 `json:"peak_mb,omitempty"`
	Score  []float64 `json:"score,omitempty"`
}

// bench is the tables in the making.
type bench struct {
	*processes
	log      io.Writer
	others   float64 // share of the machine that other programs used meanwhile
	all      []comparison
	scaled   []scaling
	versions map[string]string
}

// compare measures both sides and writes the tables. What is done is told to log. A comparison that
// fails is a line of its table, and an error at the end.
func (o options) compare(ctx context.Context, out, log io.Writer) error {
	p, err := newProcesses(o)
	if err != nil {
		return err
	}
	b := &bench{processes: p, log: log, versions: map[string]string{}}
	before := lookAtLoad()
	err = b.measure(ctx)
	b.others = before.others(lookAtLoad())
	if len(b.all)+len(b.scaled) > 0 { // what was found until then is worth having
		err = errors.Join(err, b.write(out))
	}
	return errors.Join(err, p.close())
}

func (b *bench) measure(ctx context.Context) error {
	if slices.Contains(b.tables, "scaling") {
		if err := b.scaling(ctx); err != nil {
			return err
		}
	}
	if len(b.tables) == 1 && b.tables[0] == "scaling" {
		return nil
	}
	if err := b.findPeers(ctx); err != nil {
		return err
	}
	found := sets{dir: b.dir, rows: b.rows}
	chosen := b.data
	if chosen == nil {
		var err error
		if chosen, err = found.names(); err != nil {
			return err
		}
	}
	for _, name := range chosen {
		if err := b.measureSet(ctx, found, name); err != nil {
			return err
		}
	}
	if slices.Contains(b.tables, "scoring") && b.dir == "" && slices.Contains(chosen, filesData) && b.learns("gradient_boosting") {
		if err := b.files(ctx); err != nil {
			return err
		}
	}
	return b.failures()
}

// unit is what times are in.
func (o options) unit() string {
	if o.cpu {
		return "s of processor time"
	}
	return "s"
}

func (b *bench) learns(learner string) bool {
	return b.learners == nil || slices.Contains(b.learners, learner)
}

func (b *bench) measureSet(ctx context.Context, from sets, name string) error {
	folder := filepath.Join(b.folder, name)
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	set, err := from.prepare(ctx, name, folder)
	if err != nil {
		return err
	}
	for _, pair := range b.pairsFor(set.Task) {
		if err := b.measurePair(ctx, set, folder, pair); err != nil {
			return err
		}
	}
	if slices.Contains(b.tables, "night") {
		if err := b.night(ctx, set, folder); err != nil {
			return err
		}
	}
	return os.RemoveAll(folder)
}

// measurePair adds the lines of a learner and a peer on one data set.
func (b *bench) measurePair(ctx context.Context, set prepared, folder string, pair pair) error {
	fits, answers := slices.Contains(b.tables, "fits"), slices.Contains(b.tables, "scoring")
	if !fits && !answers {
		return nil
	}
	fmt.Fprintf(b.log, "%s: %s beside %s, %d rounds\n", set.Name, pair.learner, pair.peer, b.rounds)
	ours, theirs, err := alternately(ctx, b.rounds,
		func(ctx context.Context) (*measurement, error) { return b.ours(ctx, folder, pair, answers) },
		func(ctx context.Context) (*measurement, error) { return b.theirs(ctx, folder, pair, answers) })
	line := comparison{Table: "fits", Data: set.Name, Learner: pair.learner, Peer: pair.peer, What: "fit, " + b.unit(), goal: pair.goal}
	if err != nil {
		return b.failed(ctx, line, err)
	}
	for _, m := range theirs {
		maps.Copy(b.versions, m.Versions)
	}
	if fits {
		b.all = append(b.all, b.fitLine(line, ours, theirs))
	}
	if answers {
		b.all = append(b.all, answerLines(line, ours, theirs)...)
	}
	return nil
}

// failed keeps a comparison that has no numbers, unless nobody wants any more.
func (b *bench) failed(ctx context.Context, line comparison, err error) error {
	if ctx.Err() != nil {
		return err
	}
	fmt.Fprintf(b.log, "  %v\n", err)
	line.Failed = err.Error()
	b.all = append(b.all, line)
	return nil
}

// failures is the error at the end.
func (b *bench) failures() error {
	n := 0
	for _, c := range b.all {
		if c.Failed != "" {
			n++
		}
	}
	if n > 0 {
		return fmt.Errorf("%d of %d comparisons failed: the tables say why", n, len(b.all))
	}
	return nil
}

func (b *bench) fitLine(line comparison, ours, theirs []*measurement) comparison {
	value := func(m *measurement) float64 { return m.FitSeconds }
	if b.cpu {
		value = func(m *measurement) float64 { return m.CPUSeconds }
	}
	line.Measure = commonMeasure(ours[0], theirs[0])
	gather := func(of []*measurement) side {
		return side{
			Values: each(of, value),
			PeakMB: each(of, func(m *measurement) float64 { return m.PeakMB }),
			Score:  each(of, func(m *measurement) float64 { return m.Scores[line.Measure] }),
		}
	}
	line.Ours, line.Theirs = gather(ours), gather(theirs)
	return line
}

// commonMeasure returns the measure that scores are compared by: the first that both sides have.
func commonMeasure(ours, theirs *measurement) string {
	preferred := []string{"roc_auc", "rmse", "accuracy"} // a holdout that lacks a class has no roc_auc
	i := slices.IndexFunc(preferred, func(name string) bool {
		_, our := ours.Scores[name]
		_, their := theirs.Scores[name]
		return our && their
	})
	if i < 0 {
		return ""
	}
	return preferred[i]
}

func each(of []*measurement, value func(*measurement) float64) []float64 {
	var values []float64
	for _, m := range of {
		values = append(values, value(m))
	}
	return values
}

// answerLines compares what can be compared of how fast both answer.
func answerLines(line comparison, ours, theirs []*measurement) []comparison {
	line.Table, line.goal = "scoring", 0
	var lines []comparison
	add := func(what string, our, their func(*answering) float64) {
		c := line
		c.What = what
		c.Ours.Values = each(ours, func(m *measurement) float64 { return our(m.Answers) })
		c.Theirs.Values = each(theirs, func(m *measurement) float64 { return their(m.Answers) })
		if median(c.Ours.Values) > 0 && median(c.Theirs.Values) > 0 {
			lines = append(lines, c)
		}
	}
	row := func(a *answering) float64 { return a.RowMicros }
	add("a row, µs", row, row)
	add("a row, µs; theirs the estimator alone", row, func(a *answering) float64 { return a.CoreMicros })
	table := func(a *answering) float64 { return a.TableRate }
	add("a table, rows/s", table, table)
	matrix := func(a *answering) float64 { return a.MatrixRate }
	add("a float32 matrix, rows/s", matrix, matrix)
	return lines
}
