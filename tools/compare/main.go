// Command compare holds the built-in learners beside other libraries' scores on the same rows.
//
//	go run ./compare -data DIR -scores scores.csv -bakeoff ../bin/bakeoff
//
// DIR has datasets.json, an object of data sets by name with file, sep, target, task, drop,
// categorical and na, the files that it names, and splits/NAME.seed0.test.txt with the numbers of
// the held-out rows. scores.csv has the columns data, model, accuracy, auc and rmse, with the models
// linear, rf and hgb_noes. For each data set one pipeline is run, with the same rows held out, and a
// row for each learner is printed as Markdown.
package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// set is how one data set is read.
type set struct {
	File        string
	Sep         string
	Target      string
	Task        string
	Drop        []string
	Categorical []string
	NA          []string
}

// learners are the candidates and the other library's models of the same kind.
var learners = []struct{ candidate, model string }{{"linear", "linear"}, {"forest", "rf"}, {"boosting", "hgb_noes"}}

func main() {
	data := flag.String("data", "", "folder of the data sets")
	scores := flag.String("scores", "", "CSV file of the other library's scores")
	program := flag.String("bakeoff", "bakeoff", "the program")
	only := flag.String("only", "", "names of data sets, separated by commas (default: all)")
	flag.Parse()
	if err := run(*data, *scores, *program, *only); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(dir, scores, program, only string) error {
	text, err := os.ReadFile(filepath.Join(dir, "datasets.json"))
	if err != nil {
		return err
	}
	var sets map[string]set
	if err := json.Unmarshal(text, &sets); err != nil {
		return fmt.Errorf("read datasets.json: %w", err)
	}
	theirs, err := readScores(scores)
	if err != nil {
		return err
	}
	names := make([]string, 0, len(sets))
	for name := range sets {
		if only == "" || slices.Contains(strings.Split(only, ","), name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	fmt.Println("| data | metric | learner | ours | theirs | worse by | allowed | |")
	fmt.Println("|---|---|---|---|---|---|---|---|")
	for _, name := range names {
		if err := compare(dir, name, sets[name], program, theirs[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// readScores reads the other library's scores by data set and model.
func readScores(path string) (map[string]map[string]map[string]float64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	rows, err := csv.NewReader(f).ReadAll()
	if err := firstOf(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	header, all := rows[0], map[string]map[string]map[string]float64{}
	for _, row := range rows[1:] {
		name, model := row[slices.Index(header, "data")], row[slices.Index(header, "model")]
		if all[name] == nil {
			all[name] = map[string]map[string]float64{}
		}
		all[name][model] = map[string]float64{}
		for _, metric := range []string{"accuracy", "auc", "rmse"} {
			if v, err := strconv.ParseFloat(row[slices.Index(header, metric)], 64); err == nil {
				all[name][model][metric] = v
			}
		}
	}
	return all, nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// compare runs one pipeline and prints its rows.
func compare(dir, name string, s set, program string, theirs map[string]map[string]float64) error {
	work, err := os.MkdirTemp("", "compare-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }() // temporary
	if err := writeRows(dir, name, s, filepath.Join(work, "rows.csv")); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(work, "p.yaml"), pipeline(s), 0o600); err != nil {
		return err
	}
	c := exec.Command(program, "run", filepath.Join(work, "p.yaml"), "--json", "--store", filepath.Join(work, "store"))
	var complaint strings.Builder
	c.Stderr = &complaint
	out, err := c.Output()
	if err != nil {
		return fmt.Errorf("%w\n%s\n%s", err, out, complaint.String())
	}
	var report struct {
		Leaderboard []struct {
			Candidate, Role, Reason string
			Metrics                 map[string]float64
		}
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return err
	}
	for _, l := range learners {
		for _, row := range report.Leaderboard {
			if row.Candidate == l.candidate && row.Role == "challenger" {
				printRow(name, s, l.candidate, row.Metrics, theirs[l.model], row.Reason)
			}
		}
	}
	return nil
}

// printRow prints our score beside theirs, and by how much ours is worse: in the metric's units,
// and for rmse as a share of theirs.
func printRow(name string, s set, learner string, ours, theirs map[string]float64, reason string) {
	metric, column, allowed := "roc_auc", "auc", 0.005
	switch s.Task {
	case "multiclass":
		metric, column, allowed = "accuracy", "accuracy", 0.01
	case "regression":
		metric, column, allowed = "rmse", "rmse", 0.01
	}
	a, b := ours[metric], theirs[column]
	if b == 0 {
		fmt.Printf("| %s | %s | %s | %.5g | none | | %g | |\n", name, metric, learner, a, allowed)
		return
	}
	worse := b - a
	if metric == "rmse" {
		worse = a/b - 1
	}
	mark := "ok"
	if worse > allowed || reason != "" {
		mark = "WORSE " + reason
	}
	fmt.Printf("| %s | %s | %s | %.5g | %.5g | %+.4f | %g | %s |\n", name, metric, learner, a, b, worse, allowed, mark)
}

// pipeline is the pipeline file of a data set.
func pipeline(s set) []byte {
	linear := "logistic_regression"
	if s.Task == "regression" {
		linear = "linear_regression"
	}
	columns := map[string]string{}
	for _, c := range s.Categorical {
		columns[c] = "category"
	}
	file := map[string]any{
		"name": "compare",
		"data": map[string]any{
			"source": "rows.csv", "target": s.Target, "task": s.Task, "ignore": s.Drop, "columns": columns, "missing": nonEmpty(s.NA),
			"split": map[string]any{"by": "column", "column": "held_out"},
		},
		"candidates": []any{
			map[string]any{"name": "linear", "trainer": linear},
			map[string]any{"name": "forest", "trainer": "random_forest"},
			map[string]any{"name": "boosting", "trainer": "gradient_boosting"},
		},
	}
	text, err := json.Marshal(file) // JSON is YAML
	if err != nil {
		panic(err) // maps of strings
	}
	return text
}

func nonEmpty(texts []string) []string {
	return slices.DeleteFunc(slices.Clone(texts), func(t string) bool { return t == "" })
}

// writeRows writes the data set with a column that says which rows are held out.
func writeRows(dir, name string, s set, path string) error {
	held, err := heldOut(filepath.Join(dir, "splits", name+".seed0.test.txt"))
	if err != nil {
		return err
	}
	in, err := os.Open(filepath.Join(dir, s.File))
	if err != nil {
		return err
	}
	r := csv.NewReader(bufio.NewReader(in))
	r.Comma, r.TrimLeadingSpace = rune(s.Sep[0]), true
	rows, err := r.ReadAll()
	if err := firstOf(err, in.Close()); err != nil {
		return err
	}
	rows[0][0] = strings.TrimPrefix(rows[0][0], "\ufeff")
	rows[0] = append(rows[0], "held_out")
	for i := range rows[1:] {
		rows[i+1] = append(rows[i+1], strconv.FormatBool(held[i]))
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	return firstOf(csv.NewWriter(out).WriteAll(rows), out.Close())
}

// heldOut reads the numbers of the held-out rows, one a line, from 0.
func heldOut(path string) (map[int]bool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	held := map[int]bool{}
	for _, line := range strings.Fields(string(text)) {
		n, err := strconv.Atoi(line)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		held[n] = true
	}
	return held, nil
}
