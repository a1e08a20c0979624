package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/bakeoffhq/bakeoff"
)

// night compares a whole night, process start to champion: `bakeoff run` of three candidates in a
// store that is new, and a script that builds the same three with scikit-learn and saves the best.
func (b *bench) night(ctx context.Context, set prepared, folder string) error {
	line := comparison{Table: "night", Data: set.Name, What: "process start to champion, " + b.unit(), Peer: "a scikit-learn script", Measure: measureOf(set.Task)}
	program, err := b.bakeoff(ctx)
	if err != nil {
		return err
	}
	file := filepath.Join(folder, "bakeoff.yaml")
	candidates := []string{"linear_regression", "random_forest", "gradient_boosting"}
	if set.Task != bakeoff.Regression {
		candidates[0] = "logistic_regression"
	}
	if err := os.WriteFile(file, pipelineFile(set, candidates), 0o600); err != nil {
		return err
	}
	fmt.Fprintf(b.log, "%s: a whole night, %d rounds\n", set.Name, b.rounds)
	nights := 0
	ours, theirs, err := alternately(ctx, b.rounds,
		func(ctx context.Context) (*whole, error) {
			nights++
			return b.run(ctx, program, "run", file, "--json", "--store", filepath.Join(folder, "store-"+strconv.Itoa(nights)))
		},
		func(ctx context.Context) (*whole, error) {
			return b.run(ctx, b.python, b.script, "night", folder, strconv.Itoa(b.threads))
		})
	if err != nil {
		return b.failed(ctx, line, err)
	}
	line.Ours, line.Theirs = b.wholes(ours), b.wholes(theirs)
	for i := range ours {
		our, errOurs := championScore(ours[i].out, line.Measure)
		their, errTheirs := measured(theirs[i], nil)
		if err := errors.Join(errOurs, errTheirs); err != nil {
			return b.failed(ctx, line, fmt.Errorf("read the night's end: %w", err))
		}
		line.Ours.Score, line.Theirs.Score = append(line.Ours.Score, our), append(line.Theirs.Score, their.Scores[line.Measure])
	}
	b.all = append(b.all, line)
	return nil
}

func measureOf(task bakeoff.LearningTask) string {
	if task == bakeoff.Regression {
		return "rmse"
	}
	return "roc_auc"
}

// wholes gathers what whole processes took: time passed, or with -cpu that of the processor.
func (b *bench) wholes(of []*whole) side {
	var s side
	for _, w := range of {
		seconds := w.seconds
		if b.cpu {
			seconds = w.cpu
		}
		s.Values, s.PeakMB = append(s.Values, seconds), append(s.PeakMB, w.peakMB)
	}
	return s
}

// championScore reads the score of the contestant that a first run promoted.
func championScore(report []byte, measure string) (float64, error) {
	var r struct {
		Verdict     string
		Reason      string
		Leaderboard []struct {
			Rank    int
			Metrics map[string]float64
		}
	}
	if err := json.Unmarshal(report, &r); err != nil {
		return 0, err
	}
	if len(r.Leaderboard) == 0 {
		return 0, fmt.Errorf("the verdict is %s: %s", r.Verdict, r.Reason)
	}
	return r.Leaderboard[0].Metrics[measure], nil
}

// pipelineFile is the pipeline of a prepared data set. The gate is open: what is measured is the time
// until there is a champion.
func pipelineFile(set prepared, candidates []string) []byte {
	columns := map[string]string{}
	for _, c := range set.Categorical {
		columns[c] = "category"
	}
	var list []any
	for _, learner := range candidates {
		list = append(list, map[string]any{"name": learner, "trainer": learner})
	}
	text, err := json.Marshal(map[string]any{ // JSON is YAML
		"name": "peers",
		"data": map[string]any{
			"source": "rows.csv", "target": set.Target, "task": set.Task, "ignore": texts(set.Drop), "columns": columns,
			"missing": texts(set.Missing),
			"split":   map[string]any{"by": "column", "column": set.Side},
		},
		"candidates": list, "judge": map[string]any{"metric": measureOf(set.Task)},
	})
	if err != nil {
		panic(err) // maps of strings
	}
	return text
}

// texts returns those of a list that are not empty, and a list even where there are none.
func texts(of []string) []string {
	return slices.DeleteFunc(append([]string{}, of...), func(text string) bool { return text == "" })
}

// filesData is the set whose rows are in the files that are scored.
const filesData = "made_binary"

// files compares a file of rows in, a file of answers out, in a process of its own: `bakeoff predict`
// with a champion of gradient_boosting, and pandas with XGBoost.
func (b *bench) files(ctx context.Context) error {
	const rows = 1_000_000
	line := comparison{
		Table: "scoring", Data: filesData, Learner: "gradient_boosting", Peer: "pandas, XGBoost",
		What: fmt.Sprintf("a CSV file of %d rows to another, %s", rows, b.unit()),
	}
	folder := filepath.Join(b.folder, "files")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	program, err := b.bakeoff(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.log, "%s, %d rounds\n", line.What, b.rounds)
	in, store, saved := filepath.Join(folder, "in.csv"), filepath.Join(folder, "store"), filepath.Join(folder, "model.joblib")
	if err := b.promote(ctx, program, folder, store, saved); err != nil {
		return b.failed(ctx, line, err)
	}
	if err := makes[filesData].writeFeatures(in, rows); err != nil {
		return err
	}
	ours, theirs, err := alternately(ctx, b.rounds,
		func(ctx context.Context) (*whole, error) {
			return b.run(ctx, program, "predict", "--store", store, "--in", in, "--out", filepath.Join(folder, "ours.csv"))
		},
		func(ctx context.Context) (*whole, error) {
			return b.run(ctx, b.python, b.script, "score", saved, in, filepath.Join(folder, "theirs.csv"))
		})
	if err != nil {
		return b.failed(ctx, line, err)
	}
	line.Ours, line.Theirs = b.wholes(ours), b.wholes(theirs)
	b.all = append(b.all, line)
	return os.RemoveAll(folder)
}

// promote makes a champion in a store, and its peer in a file.
func (b *bench) promote(ctx context.Context, program, folder, store, saved string) error {
	set, err := sets{rows: b.rows}.prepare(ctx, filesData, folder)
	if err != nil {
		return err
	}
	file := filepath.Join(folder, "bakeoff.yaml")
	if err := os.WriteFile(file, pipelineFile(set, []string{"gradient_boosting"}), 0o600); err != nil {
		return err
	}
	if _, err := b.run(ctx, program, "run", file, "--json", "--store", store); err != nil {
		return err
	}
	_, err = b.run(ctx, b.python, b.script, "save", folder, strconv.Itoa(b.threads), saved)
	return err
}

// writeFeatures makes a file of rows to be answered for.
func (m made) writeFeatures(path string, rows int) error {
	r, x := random(), make([]float64, m.numbers)
	return writeCSV(path, func(w *csv.Writer) error {
		if err := w.Write(m.header()); err != nil {
			return err
		}
		var record []string
		for range rows {
			record = m.cells(record[:0], r, x)
			if err := w.Write(record[:len(record)-1]); err != nil { // without the target
				return err
			}
		}
		return nil
	})
}
