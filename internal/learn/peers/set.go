package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// prepared says how the rows of a data set are read. Both sides read them from the same folder: from
// rows.csv, which has commas and a column with each row's side, and set.json, which has this.
type prepared struct {
	Name        string               `json:"name"`
	Target      string               `json:"target"`
	Task        bakeoff.LearningTask `json:"task"`
	Drop        []string             `json:"drop"`
	Categorical []string             `json:"categorical"`
	Missing     []string             `json:"na"`
	Side        string               `json:"side"`
}

// sideColumn says "test" of a held-out row, so that the split is the one that is written down.
const sideColumn = "held_out_by_peers"

// entry is what datasets.json says of a data set.
type entry struct {
	prepared
	File      string `json:"file"`
	Separator string `json:"sep"`
}

// sets finds data sets by name: those of a folder, or else the bundled and the made ones.
type sets struct {
	dir  string
	rows int // of a made set
}

// bundled are the data sets that the repository has.
var bundled = map[string]entry{
	"penguins":    {prepared{Target: "species", Task: bakeoff.Multiclass}, "internal/learn/testdata/penguins.csv", ","},
	"telco_churn": {prepared{Target: "churn", Task: bakeoff.Binary}, "examples/churn/telco_churn.csv", ","},
}

// names lists the data sets, sorted.
func (s sets) names() ([]string, error) {
	if s.dir == "" {
		return slices.Sorted(maps.Keys(s.builtIn())), nil
	}
	listed, err := readList(s.dir)
	return slices.Sorted(maps.Keys(listed)), err
}

// builtIn tells the learning task of each bundled and made set.
func (s sets) builtIn() map[string]bakeoff.LearningTask {
	tasks := map[string]bakeoff.LearningTask{}
	for name, e := range bundled {
		tasks[name] = e.Task
	}
	for name, m := range makes {
		tasks[name] = m.task
	}
	return tasks
}

func readList(dir string) (map[string]entry, error) {
	text, err := os.ReadFile(filepath.Join(dir, "datasets.json"))
	if err != nil {
		return nil, err
	}
	var listed map[string]entry
	if err := json.Unmarshal(text, &listed); err != nil {
		return nil, fmt.Errorf("read datasets.json: %w", err)
	}
	return listed, nil
}

// prepare lays out a data set in a folder that exists.
func (s sets) prepare(ctx context.Context, name, folder string) (prepared, error) {
	p, err := s.writeRows(ctx, name, filepath.Join(folder, "rows.csv"))
	if err != nil {
		return p, fmt.Errorf("prepare %s: %w", name, err)
	}
	p.Name, p.Side = name, sideColumn
	text, err := json.Marshal(p)
	if err != nil {
		return p, err
	}
	return p, os.WriteFile(filepath.Join(folder, "set.json"), text, 0o600)
}

func (s sets) writeRows(ctx context.Context, name, path string) (prepared, error) {
	if s.dir != "" {
		e, err := findEntry(s.dir, name)
		if err != nil {
			return e.prepared, err
		}
		return e.prepared, copyRows(path, filepath.Join(s.dir, e.File), e.Separator, func(rows int) (func(row int) bool, error) {
			return listedSplit(filepath.Join(s.dir, "splits", name+".seed0.test.txt"), rows)
		})
	}
	if m, ok := makes[name]; ok {
		return m.prepared(), m.write(path, m.rows(s.rows))
	}
	e, ok := bundled[name]
	if !ok {
		return e.prepared, fmt.Errorf("there is no such set: there are %s", strings.Join(slices.Sorted(maps.Keys(s.builtIn())), ", "))
	}
	root, err := checkout(ctx)
	if err != nil {
		return e.prepared, err
	}
	everyFourth := func(int) (func(int) bool, error) { return func(row int) bool { return row%4 == 0 }, nil }
	return e.prepared, copyRows(path, filepath.Join(root, e.File), e.Separator, everyFourth)
}

// findEntry finds a data set of a folder. A file that the list lacks has two classes in a column
// called label.
func findEntry(dir, name string) (entry, error) {
	unlisted := entry{prepared{Target: "label", Task: bakeoff.Binary}, name + ".csv", ","}
	if _, err := os.Stat(filepath.Join(dir, "datasets.json")); errors.Is(err, os.ErrNotExist) {
		return unlisted, nil
	}
	listed, err := readList(dir)
	if err != nil {
		return entry{}, err
	}
	if e, ok := listed[name]; ok {
		return e, nil
	}
	if _, err := os.Stat(filepath.Join(dir, unlisted.File)); err != nil {
		return entry{}, fmt.Errorf("datasets.json has no %q: it has %s", name, strings.Join(slices.Sorted(maps.Keys(listed)), ", "))
	}
	return unlisted, nil
}

// checkout returns the folder of the module that this program is run from.
func checkout(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/bakeoffhq/bakeoff").Output()
	if err != nil {
		return "", fmt.Errorf("find the checkout: %w; run this in its folder", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// copyRows copies a data set as a file of commas, with each row's side.
func copyRows(to, from, separator string, split func(rows int) (func(row int) bool, error)) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	r.ReuseRecord, r.TrimLeadingSpace = true, true
	if separator != "" {
		r.Comma = rune(separator[0])
	}
	isHeld, err := split(bytes.Count(text, []byte("\n")) - 1)
	if err != nil {
		return err
	}
	return writeCSV(to, func(w *csv.Writer) error {
		for row := -1; ; row++ {
			record, err := r.Read()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if err := w.Write(append(record, sideOf(row, isHeld))); err != nil {
				return err
			}
		}
	})
}

// sideOf returns the cell of the side column; row -1 is the header.
func sideOf(row int, isHeld func(row int) bool) string {
	switch {
	case row < 0:
		return sideColumn
	case isHeld(row):
		return "test"
	}
	return "train"
}

// writeCSV makes a file of what write writes.
func writeCSV(path string, write func(*csv.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(f, 1<<20)
	w := csv.NewWriter(buffered)
	err = write(w)
	w.Flush()
	return errors.Join(err, w.Error(), buffered.Flush(), f.Close())
}

// listedSplit returns which rows are held out: those that a split's file lists.
func listedSplit(path string, rows int) (func(row int) bool, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return lastTenth(rows), nil
	}
	if err != nil {
		return nil, err
	}
	listed := map[int]bool{}
	for _, field := range strings.Fields(string(text)) {
		row, err := strconv.Atoi(field)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		listed[row] = true
	}
	return func(row int) bool { return listed[row] }, nil
}

func lastTenth(rows int) func(row int) bool {
	return func(row int) bool { return row >= rows-rows/10 }
}

// set is a data set as a run would freeze it, in training rows and holdout.
type set struct {
	name           string
	schema         bakeoff.Schema
	train, holdout *dataset.Rows
}

// readPrepared freezes the rows of a folder, beside them, and reads them back.
func readPrepared(ctx context.Context, folder string) (*set, error) {
	text, err := os.ReadFile(filepath.Join(folder, "set.json"))
	if err != nil {
		return nil, err
	}
	var p prepared
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, fmt.Errorf("read set.json: %w", err)
	}
	scratch, err := os.MkdirTemp(folder, "frozen-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(scratch) }() // a temporary folder
	train, holdout := filepath.Join(scratch, "train"), filepath.Join(scratch, "holdout")
	source, err := p.source(folder)
	if err != nil {
		return nil, err
	}
	snapshot, err := dataset.Freeze(ctx, source, train, holdout)
	if err != nil {
		return nil, err
	}
	s := &set{name: p.Name, schema: snapshot.Schema}
	if s.train, err = dataset.ReadParquet(ctx, train, s.schema); err != nil {
		return nil, err
	}
	s.holdout, err = dataset.ReadParquet(ctx, holdout, s.schema)
	return s, err
}

func (p prepared) source(folder string) (dataset.Source, error) {
	path, err := filepath.Abs(filepath.Join(folder, "rows.csv"))
	s := dataset.Source{
		Path: path, Target: p.Target, Task: p.Task, Columns: map[string]bakeoff.Kind{}, Ignore: p.Drop, Missing: p.Missing,
		Split: bakeoff.Split{By: bakeoff.SplitByColumn, Column: p.Side},
	}
	for _, column := range p.Categorical {
		s.Columns[column] = bakeoff.KindCategory
	}
	return s, err
}
