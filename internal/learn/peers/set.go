package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// set is a data set as a run would freeze it, in training rows and holdout.
type set struct {
	schema         bakeoff.Schema
	train, holdout *dataset.Rows
}

// entry is what datasets.json says of a data set.
type entry struct {
	File        string               `json:"file"`
	Separator   string               `json:"sep"`
	Target      string               `json:"target"`
	Task        bakeoff.LearningTask `json:"task"`
	Drop        []string             `json:"drop"`
	Categorical []string             `json:"categorical"`
	Missing     []string             `json:"na"`
}

// sideColumn is added to the file, so that the split is the one that is written down.
const sideColumn = "held_out_by_peers"

// readSet freezes a data set in a folder of its own and reads it back.
func readSet(ctx context.Context, dir, name string) (*set, error) {
	e, err := findEntry(dir, name)
	if err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp("", "peers-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(scratch) }() // a temporary folder
	file := filepath.Join(scratch, "data.csv")
	if err := writeSides(file, dir, name, e); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	source := dataset.Source{
		Path: file, Target: e.Target, Task: e.Task, Columns: map[string]bakeoff.Kind{}, Ignore: e.Drop, Missing: e.Missing,
		Split: bakeoff.Split{By: bakeoff.SplitByColumn, Column: sideColumn},
	}
	for _, column := range e.Categorical {
		source.Columns[column] = bakeoff.KindCategory
	}
	train, holdout := filepath.Join(scratch, "train"), filepath.Join(scratch, "holdout")
	snapshot, err := dataset.Freeze(ctx, source, train, holdout)
	if err != nil {
		return nil, err
	}
	s := &set{schema: snapshot.Schema}
	if s.train, err = dataset.ReadParquet(ctx, train, s.schema); err != nil {
		return nil, err
	}
	s.holdout, err = dataset.ReadParquet(ctx, holdout, s.schema)
	return s, err
}

func findEntry(dir, name string) (entry, error) {
	if name == "higgs1m" { // made by a script, and so not in the list
		return entry{File: "higgs1m.csv", Separator: ",", Target: "label", Task: bakeoff.Binary}, nil
	}
	text, err := os.ReadFile(filepath.Join(dir, "datasets.json"))
	if err != nil {
		return entry{}, err
	}
	var all map[string]entry
	if err := json.Unmarshal(text, &all); err != nil {
		return entry{}, fmt.Errorf("read datasets.json: %w", err)
	}
	e, ok := all[name]
	if !ok {
		return entry{}, fmt.Errorf("datasets.json has no %q", name)
	}
	return e, nil
}

// writeSides copies the data set as a file of commas, with each row's side.
func writeSides(path, dir, name string, e entry) error {
	text, err := os.ReadFile(filepath.Join(dir, e.File))
	if err != nil {
		return err
	}
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	r.Comma, r.ReuseRecord, r.TrimLeadingSpace = rune(e.Separator[0]), true, true
	rows := bytes.Count(text, []byte("\n")) - 1
	isHeld, err := heldOut(dir, name, rows)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	buffered := bufio.NewWriterSize(f, 1<<20)
	w := csv.NewWriter(buffered)
	for row := -1; ; row++ {
		record, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		side := sideColumn
		if row >= 0 {
			side = "train"
			if isHeld(row) {
				side = "test"
			}
		}
		if err := w.Write(append(record, side)); err != nil {
			return err
		}
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return err
	}
	return buffered.Flush()
}

// heldOut returns which rows are held out: those that the split's file lists, or the last tenth where
// there is no such file.
func heldOut(dir, name string, rows int) (func(row int) bool, error) {
	text, err := os.ReadFile(filepath.Join(dir, "splits", name+".seed0.test.txt"))
	if os.IsNotExist(err) {
		return func(row int) bool { return row >= rows-rows/10 }, nil
	}
	if err != nil {
		return nil, err
	}
	listed := map[int]bool{}
	for _, field := range strings.Fields(string(text)) {
		row, err := strconv.Atoi(field)
		if err != nil {
			return nil, fmt.Errorf("split of %s: %w", name, err)
		}
		listed[row] = true
	}
	return func(row int) bool { return listed[row] }, nil
}
